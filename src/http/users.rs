//! `GET /users/@me`: the operator, as the official clients' log-in wants to see somebody.

use super::Caller;
use super::answer::Answer;
use super::call::Call;
use super::error::ApiError;
use super::list::List as _;
use super::members::{OPERATOR, OPERATOR_ID};
use super::mounted::{Mounted, on};
use super::pieces;
use super::projects::{self, Projects};
use super::query::ListCursor;
use super::views::{ProjectView, RoleView};
use crate::domain::{Project, Timestamp};
use crate::store::Start;
use actix_web::http::Method;
use bytes::Bytes;
use serde::Serialize;

/// How many projects are held at once.
const PIECE: u64 = 500;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![on(Method::GET, "users/@me", me)]
}

/// A user; the `hop` crate needs all six booleans.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the fields are the wire's")]
struct UserView {
    /// `user_…`.
    id: &'static str,
    /// For people.
    name: &'static str,
    /// For log-ins.
    username: &'static str,
    /// An address that exists nowhere.
    email: &'static str,
    /// Always true.
    email_verified: bool,
    /// Always false.
    mfa_enabled: bool,
    /// Always false.
    totp_enabled: bool,
    /// Always false.
    webauthn_enabled: bool,
    /// Whether this is an admin token.
    admin: bool,
    /// Always false.
    github: bool,
    /// When the first visible project was created.
    created_at: Timestamp,
}

impl UserView {
    /// The operator.
    const fn new(is_admin: bool, created_at: Timestamp) -> Self {
        Self {
            id: OPERATOR_ID,
            name: OPERATOR,
            username: OPERATOR,
            email: "operator@localhost",
            email_verified: true,
            mfa_enabled: false,
            totp_enabled: false,
            webauthn_enabled: false,
            admin: is_admin,
            github: false,
            created_at,
        }
    }
}

/// `GET /users/@me`: `{user, projects, project_member_role_map, leap_token}`. Log-ins look for their project in it, so it holds
/// all that the caller sees, however many those are.
async fn me(call: Call) -> Answer {
    let persistence = call.app.persistence.clone();
    let visible = match &call.caller {
        Caller::Admin => Visible::All(Projects { persistence }),
        Caller::Project { project, .. } => Visible::One(call.load_project(project.clone()).await?),
    };
    let first = visible.read(&Start::Skip(0), 1).await?;
    let created_at = first.first().map_or(Timestamp(0), |project| project.created_at);
    let is_admin = call.caller == Caller::Admin;
    let user = serde_json::to_string(&UserView::new(is_admin, created_at));
    let user = user.map_err(|error| ApiError::internal(&error))?;
    let role = RoleView::new(call.caller.permissions(), true);
    let leap_token = projects::idle_leap_token(&call)?;
    let (part, start) = (UserPart::Projects, Start::Skip(0));
    pieces::whole(Me { user, visible, role, leap_token, part, start, is_over: false }).await
}

/// The projects that a caller sees.
enum Visible {
    /// All.
    All(Projects),
    /// A project token's own.
    One(Project),
}

impl Visible {
    /// Reads the next, so many at most.
    async fn read(&self, start: &Start<ListCursor>, limit: u64) -> Result<Vec<Project>, ApiError> {
        match (self, start) {
            (Self::All(projects), start) => projects.read(start, limit).await,
            (Self::One(project), Start::Skip(0)) => Ok(vec![project.clone()]),
            (Self::One(_), _) => Ok(Vec::new()),
        }
    }
}

/// What of the answer comes next.
enum UserPart {
    /// The projects.
    Projects,
    /// The role in each of them; flags are strings here, which every client reads.
    Roles,
}

/// A walk through the projects that a caller sees, and then again for the roles in them.
struct Me {
    /// The operator, written.
    user: String,
    /// The projects.
    visible: Visible,
    /// The role in each.
    role: RoleView,
    /// A string of a leap token's form.
    leap_token: String,
    /// What comes next.
    part: UserPart,
    /// Where in it.
    start: Start<ListCursor>,
    /// Whether everything is written.
    is_over: bool,
}

impl Me {
    /// Writes one project's entry in this part.
    fn entry(&self, project: &Project, text: &mut Vec<u8>) -> serde_json::Result<()> {
        match self.part {
            UserPart::Projects => serde_json::to_writer(text, &ProjectView::from(project)),
            UserPart::Roles => {
                serde_json::to_writer(&mut *text, &project.id)?;
                text.push(b':');
                serde_json::to_writer(text, &self.role)
            }
        }
    }

    /// Writes what ends this part.
    fn end(&mut self, text: &mut Vec<u8>) -> serde_json::Result<()> {
        match self.part {
            UserPart::Projects => {
                text.extend_from_slice(br#"],"project_member_role_map":{"#);
                (self.part, self.start) = (UserPart::Roles, Start::Skip(0));
            }
            UserPart::Roles => {
                text.extend_from_slice(br#"},"leap_token":"#);
                serde_json::to_writer(&mut *text, &self.leap_token)?;
                text.extend_from_slice(b"}}");
                self.is_over = true;
            }
        }
        Ok(())
    }
}

impl pieces::WriteWalk for Me {
    fn start(&self) -> Bytes {
        format!(r#"{{"success":true,"data":{{"user":{},"projects":["#, self.user).into()
    }

    fn is_over(&self) -> bool {
        self.is_over
    }

    async fn piece(&mut self) -> Result<Bytes, ApiError> {
        let found = self.visible.read(&self.start, PIECE).await?;
        let mut text = Vec::new();
        for project in &found {
            if self.start != Start::Skip(0) {
                text.push(b',');
            }
            self.entry(project, &mut text).map_err(|error| ApiError::internal(&error))?;
            self.start = Start::Behind(Projects::place(project));
        }
        if !u64::try_from(found.len()).is_ok_and(|found| found >= PIECE) {
            self.end(&mut text).map_err(|error| ApiError::internal(&error))?;
        }
        Ok(text.into())
    }
}

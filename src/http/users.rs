//! `GET /users/@me`: the operator, as the official clients' log-in wants to see somebody.

use super::answer::{self, Answer};
use super::call::Call;
use super::members::{OPERATOR, OPERATOR_ID};
use super::projects;
use super::routes::{Mounted, on};
use super::views::{ProjectView, RoleView};
use crate::domain::{ProjectId, Timestamp};
use actix_web::http::Method;
use indexmap::IndexMap;
use serde::Serialize;

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

/// `{user, projects, project_member_role_map, leap_token}`.
#[derive(Serialize)]
struct Me<'a> {
    /// The operator.
    user: UserView,
    /// The projects that the token sees.
    projects: Vec<ProjectView<'a>>,
    /// The role in each; flags are strings here, which every client reads.
    project_member_role_map: IndexMap<&'a ProjectId, RoleView>,
    /// A string of a leap token's form.
    leap_token: String,
}

/// `GET /users/@me`.
async fn me(call: Call) -> Answer {
    let projects = projects::visible(&call).await?;
    let permissions = call.caller.permissions();
    let is_admin = call.caller == super::Caller::Admin;
    let created_at = projects.first().map_or(Timestamp(0), |project| project.created_at);
    let role = |project| (project, RoleView::new(permissions, true));
    answer::data(Me {
        user: UserView::new(is_admin, created_at),
        projects: projects.iter().map(ProjectView::from).collect(),
        project_member_role_map: projects.iter().map(|project| role(&project.id)).collect(),
        leap_token: projects::idle_leap_token(&call)?,
    })
}

//! Members: Warren has no people, so every project has one member, its operator.

use super::answer::{self, Answer};
use super::call::Call;
use super::client::ClientWishes;
use super::held::HeldList;
use super::list;
use super::mounted::{Mounted, on};
use super::query::{self, ListCursor};
use super::views::RoleView;
use crate::domain::{Permissions, Timestamp};
use actix_web::http::Method;
use serde::Serialize;

/// The operator's id as a user, the same on every server.
pub(crate) const OPERATOR_ID: &str = "user_b3BlcmF0b3I";
/// The operator's id as a project's member.
const MEMBER_ID: &str = "pm_b3BlcmF0b3I";
/// The operator's name.
pub(crate) const OPERATOR: &str = "operator";

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::GET, "projects/{project}/members", list_all),
        on(Method::GET, "projects/{project}/members/@me", me),
    ]
}

/// A member.
#[derive(Serialize)]
struct MemberView {
    /// `pm_…`.
    id: &'static str,
    /// For people.
    name: &'static str,
    /// For log-ins.
    username: &'static str,
    /// Always false.
    mfa_enabled: bool,
    /// When the project was created.
    joined_at: Timestamp,
    /// What the member may do.
    role: RoleView,
}

impl MemberView {
    /// The operator in a project, with these permissions.
    fn new(call: &Call, joined_at: Timestamp, permissions: Permissions) -> Self {
        let is_flags_text = ClientWishes::of(call.request.headers()) == ClientWishes::Go;
        let role = RoleView::new(permissions, is_flags_text);
        let (id, name) = (MEMBER_ID, OPERATOR);
        Self { id, name, username: name, mfa_enabled: false, joined_at, role }
    }
}

/// `GET /projects/:id/members`.
async fn list_all(call: Call) -> Answer {
    let wanted = query::wanted(call.request.query_string())?;
    let id = call.project().await?;
    let joined_at = call.load_project(id).await?.created_at;
    let mut members = HeldList::new("members");
    let operator = MemberView::new(&call, joined_at, Permissions::OWNER);
    members.add(ListCursor::at(joined_at, MEMBER_ID), &operator)?;
    list::answer(members, wanted).await
}

/// `{project_member}`.
#[derive(Serialize)]
struct MemberBody {
    /// The member.
    project_member: MemberView,
}

/// `GET /projects/:id/members/@me`: the operator, with what the asking token may do.
async fn me(call: Call) -> Answer {
    let id = call.project().await?;
    let joined_at = call.load_project(id).await?.created_at;
    let project_member = MemberView::new(&call, joined_at, call.caller.permissions());
    answer::data(MemberBody { project_member })
}

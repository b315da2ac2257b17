//! Who is in a channel, for callers of the API.

use super::answer::{self, Answer};
use super::call::Call;
use super::error::ApiError;
use super::query;
use super::routes::{Mounted, on};
use crate::domain::{Permission, RawJson, Timestamp};
use crate::protocol::PresentMember;
use actix_web::http::Method;
use serde::Serialize;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![on(Method::GET, "channels/{channel}/presence", presence)]
}

/// `{members, count}`.
#[derive(Serialize)]
struct Members {
    /// The page's members, by their time of coming, then id.
    members: Vec<MemberView>,
    /// How many there are in all.
    count: usize,
}

/// A member.
#[derive(Serialize)]
struct MemberView {
    /// `member_…`.
    id: String,
    /// The object under `public` in its token's state, or null.
    data: RawJson,
    /// Its live connections; none during its grace.
    connections: usize,
    /// When it came.
    since: Timestamp,
    /// Its token, for callers that may read tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl MemberView {
    /// What a caller is shown.
    fn new(present: &PresentMember, shows_token: bool) -> Self {
        let member = &present.member;
        let token = member.token.as_ref().filter(|_| shows_token);
        Self {
            id: member.id.to_string(),
            data: member.data.clone(),
            connections: present.connections,
            since: present.since,
            token: token.map(|token| token.as_str().to_owned()),
        }
    }
}

/// `GET /channels/:id/presence`, paged with `page` and `pageSize`.
async fn presence(call: Call) -> Answer {
    let key = call.channel().await?;
    let page = query::page(call.request.query_string())?;
    let present = call.app.supervisor.presence(&key).await?;
    let mut present = present.ok_or(ApiError::MissingCapability("PRESENCE"))?;
    present.sort_by(|a, b| (a.since, &a.member.id).cmp(&(b.since, &b.member.id)));
    let shows_token = call.require(Permission::ReadLeapTokens).is_ok();
    let count = present.len();
    let at = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let (skip, take) = page.map_or((0, count), |page| (at(page.offset), at(page.limit)));
    let shown = present.iter().skip(skip).take(take);
    let members = shown.map(|present| MemberView::new(present, shows_token)).collect();
    answer::data(Members { members, count })
}

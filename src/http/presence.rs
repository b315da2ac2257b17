//! Who is in a channel, for callers of the API.

use super::answer::Answer;
use super::call::Call;
use super::error::ApiError;
use super::list::{self, List};
use super::mounted::{Mounted, on};
use super::query::{self, ListCursor};
use crate::actor::Supervisor;
use crate::domain::{ChannelKey, Permission, RawJson, Timestamp};
use crate::protocol::PresentMember;
use crate::store::Start;
use actix_web::http::Method;
use serde::Serialize;
use std::sync::Arc;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![on(Method::GET, "channels/{channel}/presence", presence)]
}

/// A member.
#[derive(Serialize)]
struct PresentMemberView {
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

impl PresentMemberView {
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

/// `GET /channels/:id/presence`.
async fn presence(call: Call) -> Answer {
    let wanted = query::wanted(call.request.query_string())?;
    let channel = call.channel().await?;
    let shows_token = call.require(Permission::ReadLeapTokens).is_ok();
    let supervisor = call.app.supervisor.clone();
    list::answer(PresentMembers { supervisor, channel, shows_token }, wanted).await
}

/// What is answered of a channel that does not show who is in.
const HIDDEN: ApiError = ApiError::MissingCapability("PRESENCE");

/// Who is in a channel, by their time of coming, then id.
struct PresentMembers {
    /// Who asks the channel.
    supervisor: Supervisor,
    /// The channel.
    channel: ChannelKey,
    /// Whether the caller may see their tokens.
    shows_token: bool,
}

impl List for PresentMembers {
    type Item = PresentMember;

    fn name(&self) -> &'static str {
        "members"
    }

    fn counts(&self) -> &'static [&'static str] {
        &["count"]
    }

    async fn read(
        &self,
        start: &Start<ListCursor>,
        limit: u64,
    ) -> Result<Vec<PresentMember>, ApiError> {
        let start = start.map(|place| (place.time(), Arc::from(place.id.as_str())));
        let members = self.supervisor.presence(&self.channel, &start, limit).await?;
        members.ok_or(HIDDEN)
    }

    async fn total(&self) -> Result<u64, ApiError> {
        self.supervisor.present_count(&self.channel).await?.ok_or(HIDDEN)
    }

    fn place(present: &PresentMember) -> ListCursor {
        ListCursor::at(present.since, present.member.id.as_ref())
    }

    fn write(
        &self,
        present: &PresentMember,
        _: bool,
        text: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        serde_json::to_writer(text, &PresentMemberView::new(present, self.shows_token))
    }
}

//! `GET /channels/tokens` and `GET /channels/:id/tokens`.

use super::answer::Answer;
use super::call::Call;
use super::channels::existing;
use super::error::ApiError;
use super::list::{self, List};
use super::mounted::{Mounted, on};
use super::query::{self, ListCursor, ListRange};
use super::tokens::TokenBody;
use super::views::TokenView;
use crate::actor::{Persistence, Supervisor};
use crate::domain::{ChannelKey, LeapToken, LeapTokenId, ProjectId, Timestamp};
use crate::store::{Start, Thing, TokenCursor};
use actix_web::http::Method;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![on(Method::GET, "channels/tokens", list)]
}

/// `GET /channels/tokens`.
async fn list(call: Call) -> Answer {
    let wanted = query::wanted(call.request.query_string())?;
    let project = call.project().await?;
    listed(&call, TokenSource::Project(project), wanted).await
}

/// `GET /channels/:id/tokens`: who is subscribed for good.
pub(crate) async fn of_channel(call: Call) -> Answer {
    let wanted = query::wanted(call.request.query_string())?;
    let key = call.channel().await?;
    listed(&call, TokenSource::Channel(key), wanted).await
}

/// What is wanted of one of the two.
async fn listed(call: &Call, source: TokenSource, wanted: ListRange) -> Answer {
    let supervisor = call.app.supervisor.clone();
    let persistence = call.app.persistence.clone();
    list::answer_bare(call, TokenList { persistence, supervisor, source }, wanted).await
}

/// Whose tokens are listed.
#[derive(Clone)]
enum TokenSource {
    /// All of a project's, oldest first.
    Project(ProjectId),
    /// Those with a permanent subscription to a channel, oldest subscription first.
    Channel(ChannelKey),
}

/// Leap tokens.
struct TokenList {
    /// Where they are read.
    persistence: Persistence,
    /// Who knows which of them are online.
    supervisor: Supervisor,
    /// Whose they are.
    source: TokenSource,
}

impl List for TokenList {
    /// Each with the time by which the list is ordered, and whether it has a connection.
    type Item = (Timestamp, LeapToken, bool);

    fn name(&self) -> &'static str {
        "tokens"
    }

    async fn read(
        &self,
        start: &Start<ListCursor>,
        limit: u64,
    ) -> Result<Vec<Self::Item>, ApiError> {
        let source = self.source.clone();
        let start = start.map(|place| TokenCursor {
            created_at: place.time(),
            id: LeapTokenId::from(place.id.as_str()),
        });
        let read = self.persistence.read(move |store| match source {
            TokenSource::Project(project) => {
                let tokens = store.tokens_after(&project, &start, limit)?;
                Ok(tokens.into_iter().map(|token| (token.created_at, token)).collect())
            }
            TokenSource::Channel(key) => {
                existing(store.find_channel(&key)?, Thing::Channel)?;
                store.tokens_of_channel(&key, &start, limit)
            }
        });
        let read: Vec<(Timestamp, LeapToken)> = read.await?;
        let ids: Vec<_> = read.iter().map(|(_, token)| token.id.clone()).collect();
        let online = self.supervisor.are_online(&ids).await;
        Ok(read.into_iter().zip(online).map(|((at, token), is)| (at, token, is)).collect())
    }

    async fn total(&self) -> Result<u64, ApiError> {
        let source = self.source.clone();
        let read = self.persistence.read(move |store| match source {
            TokenSource::Project(project) => store.count_tokens(&project),
            TokenSource::Channel(key) => store.count_tokens_of_channel(&key),
        });
        Ok(read.await?)
    }

    fn place((at, token, _): &Self::Item) -> ListCursor {
        ListCursor::at(*at, token.id.as_str())
    }

    fn write(
        &self,
        (_, token, is_online): &Self::Item,
        is_bare: bool,
        text: &mut Vec<u8>,
    ) -> serde_json::Result<()> {
        let token = TokenView::new(token, *is_online);
        if is_bare {
            serde_json::to_writer(text, &TokenBody { token })
        } else {
            serde_json::to_writer(text, &token)
        }
    }
}

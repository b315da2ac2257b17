//! `GET /channels/tokens` and `GET /channels/:id/tokens`: all of them in pieces, or a step of a walk, so that any list fits into
//! memory and holds no worker.

use super::answer::{self, Answer};
use super::call::Call;
use super::channels::existing;
use super::client::Client;
use super::error::ApiError;
use super::pieces;
use super::query::{self, Step};
use super::tokens::One;
use super::views::TokenView;
use crate::actor::{Persistence, Supervisor};
use crate::domain::{ChannelKey, LeapToken, LeapTokenId, ProjectId, Timestamp};
use crate::store::{Thing, TokenCursor};
use bytes::Bytes;
use serde::Serialize;

/// How many tokens are held at once while all of them are listed.
const PIECE: u64 = 500;

/// `{tokens, page_size, next}`: one step of a walk.
#[derive(Serialize)]
struct Stepped<'a> {
    /// The tokens of this step.
    tokens: Vec<TokenView<'a>>,
    /// How many a step has at most.
    page_size: u64,
    /// The cursor of the next step; null behind the last token.
    next: Option<String>,
}

/// `GET /channels/tokens`.
pub(crate) async fn list(call: Call) -> Answer {
    let step = query::step(call.request.query_string())?;
    let project = call.project().await?;
    listed(&call, Source::Project(project), step).await
}

/// `GET /channels/:id/tokens`: who is subscribed for good.
pub(crate) async fn of_channel(call: Call) -> Answer {
    let step = query::step(call.request.query_string())?;
    let key = call.channel().await?;
    listed(&call, Source::Channel(key), step).await
}

/// A step of a walk, or all of it.
async fn listed(call: &Call, source: Source, step: Option<Step>) -> Answer {
    let supervisor = call.app.supervisor.clone();
    let is_bare = Client::of(&call.request) == Client::HopCrate;
    let persistence = call.app.persistence.clone();
    let mut walk = Walk { persistence, supervisor, source, is_bare, cursor: None, is_over: false };
    let Some(Step { behind, limit }) = step else {
        let start: &[u8] = if walk.is_bare {
            br#"{"success":true,"data":["#
        } else {
            br#"{"success":true,"data":{"tokens":["#
        };
        return pieces::whole(start, walk).await;
    };
    walk.cursor = behind
        .map(|(created_at, id)| TokenCursor { created_at, id: LeapTokenId::from(id.as_str()) });
    let mut found = walk.read(limit.saturating_add(1)).await?;
    let next = query::next(&mut found, limit, |(at, last)| (*at, last.id.as_str()));
    let online = walk.supervisor.online();
    let views = found.iter().map(|(_, token)| TokenView::new(token, online.holds(&token.id)));
    answer::data(Stepped { tokens: views.collect(), page_size: limit, next })
}

/// Whose tokens are listed.
#[derive(Clone)]
enum Source {
    /// All of a project's, oldest first.
    Project(ProjectId),
    /// Those with a permanent subscription to a channel, oldest subscription first.
    Channel(ChannelKey),
}

/// A walk through all tokens of a list.
struct Walk {
    /// Where they are read.
    persistence: Persistence,
    /// Who knows which of them are online.
    supervisor: Supervisor,
    /// Whose they are.
    source: Source,
    /// Whether the answer is the bare array.
    is_bare: bool,
    /// The last token written.
    cursor: Option<TokenCursor>,
    /// Whether the last one and what follows it are written.
    is_over: bool,
}

impl Walk {
    /// Reads the next tokens, each with the time by which the list is ordered.
    async fn read(&self, limit: u64) -> Result<Vec<(Timestamp, LeapToken)>, ApiError> {
        let (source, cursor) = (self.source.clone(), self.cursor.clone());
        let read = self
            .persistence
            .read(move |store| match source {
                Source::Project(project) => {
                    let tokens = store.tokens_after(&project, cursor.as_ref(), limit)?;
                    Ok(tokens.into_iter().map(|token| (token.created_at, token)).collect())
                }
                Source::Channel(key) => {
                    existing(store.find_channel(&key)?, Thing::Channel)?;
                    store.tokens_of_channel(&key, cursor.as_ref(), limit)
                }
            })
            .await?;
        Ok(read)
    }
}

impl pieces::Walk for Walk {
    fn is_over(&self) -> bool {
        self.is_over
    }

    async fn piece(&mut self) -> Result<Bytes, ApiError> {
        let tokens = self.read(PIECE).await?;
        let mut text = Vec::new();
        let mut is_first = self.cursor.is_none();
        for (_, token) in &tokens {
            if !is_first {
                text.push(b',');
            }
            is_first = false;
            let token = TokenView::new(token, self.supervisor.online().holds(&token.id));
            let written = if self.is_bare {
                serde_json::to_writer(&mut text, &One { token })
            } else {
                serde_json::to_writer(&mut text, &token)
            };
            written.map_err(|error| ApiError::internal(&error))?;
        }
        if let Some((at, last)) = tokens.last() {
            self.cursor = Some(TokenCursor { created_at: *at, id: last.id.clone() });
        }
        if !u64::try_from(tokens.len()).is_ok_and(|found| found >= PIECE) {
            self.is_over = true;
            text.extend_from_slice(if self.is_bare { b"]}" } else { b"]}}" });
        }
        Ok(text.into())
    }
}

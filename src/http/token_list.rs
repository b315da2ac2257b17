//! `GET /channels/tokens`: all of a project's in pieces, or a step of a walk, so that the list of any project fits into
//! memory and holds no worker.

use super::answer::{self, Answer};
use super::call::Call;
use super::client::Client;
use super::error::ApiError;
use super::pieces;
use super::query::{self, Step};
use super::tokens::One;
use super::views::TokenView;
use crate::actor::{Persistence, Supervisor};
use crate::domain::{LeapToken, LeapTokenId, ProjectId};
use crate::store::TokenCursor;
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
    let supervisor = call.app.supervisor.clone();
    let is_bare = Client::of(&call.request) == Client::HopCrate;
    let persistence = call.app.persistence.clone();
    let mut walk = Walk { persistence, supervisor, project, is_bare, cursor: None, is_over: false };
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
    let next = query::next(&mut found, limit, |last| (last.created_at, last.id.as_str()));
    let online = walk.supervisor.online();
    let views = found.iter().map(|token| TokenView::new(token, online.holds(&token.id)));
    answer::data(Stepped { tokens: views.collect(), page_size: limit, next })
}

/// The cursor behind a token.
fn cursor_of(token: &LeapToken) -> TokenCursor {
    TokenCursor { created_at: token.created_at, id: token.id.clone() }
}

/// A walk through all tokens of a project.
struct Walk {
    /// Where they are read.
    persistence: Persistence,
    /// Who knows which of them are online.
    supervisor: Supervisor,
    /// Whose they are.
    project: ProjectId,
    /// Whether the answer is the bare array.
    is_bare: bool,
    /// The last token written.
    cursor: Option<TokenCursor>,
    /// Whether the last one and what follows it are written.
    is_over: bool,
}

impl Walk {
    /// Reads the next tokens.
    async fn read(&self, limit: u64) -> Result<Vec<LeapToken>, ApiError> {
        let (project, cursor) = (self.project.clone(), self.cursor.clone());
        let read = self
            .persistence
            .read(move |store| store.tokens_after(&project, cursor.as_ref(), limit))
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
        for token in &tokens {
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
        if let Some(last) = tokens.last() {
            self.cursor = Some(cursor_of(last));
        }
        if !u64::try_from(tokens.len()).is_ok_and(|found| found >= PIECE) {
            self.is_over = true;
            text.extend_from_slice(if self.is_bare { b"]}" } else { b"]}}" });
        }
        Ok(text.into())
    }
}

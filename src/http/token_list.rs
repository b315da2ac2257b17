//! `GET /channels/tokens`: all of a project's in pieces, or a step of a walk, so that the list of any project fits into
//! memory and holds no worker.

use super::answer::{self, Answer};
use super::call::Call;
use super::client::Client;
use super::error::{ApiError, mime};
use super::query;
use super::tokens::One;
use super::views::TokenView;
use crate::actor::{Persistence, Supervisor};
use crate::domain::{LeapToken, ProjectId};
use crate::store::TokenCursor;
use actix_web::HttpResponse;
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;

/// How many tokens are held at once while all of them are listed.
const PIECE: u64 = 500;

/// `{tokens, page_size, next}`: one step of a walk.
#[derive(Serialize)]
struct Step<'a> {
    /// The tokens of this step.
    tokens: Vec<TokenView<'a>>,
    /// How many a step has at most.
    page_size: u64,
    /// The cursor of the next step; null behind the last token.
    next: Option<String>,
}

/// `GET /channels/tokens`.
pub(crate) async fn list(call: Call) -> Answer {
    let step = query::token_step(call.request.query_string())?;
    let project = call.project().await?;
    let supervisor = call.app.supervisor.clone();
    let is_bare = Client::of(&call.request) == Client::HopCrate;
    let persistence = call.app.persistence.clone();
    let mut walk = Walk { persistence, supervisor, project, is_bare, cursor: None, is_over: false };
    let Some((cursor, limit)) = step else { return whole(walk).await };
    walk.cursor = cursor;
    // One more than is shown tells whether there is a next step.
    let mut found = walk.read(limit.saturating_add(1)).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_more = found.len() > shown;
    found.truncate(shown);
    let next = found.last().filter(|_| is_more).map(|last| query::cursor_text(&cursor_of(last)));
    let online = walk.supervisor.online();
    let views = found.iter().map(|token| TokenView::new(token, online.holds(&token.id)));
    answer::data(Step { tokens: views.collect(), page_size: limit, next })
}

/// All tokens, oldest first. The first piece is read before the answer begins, so that what fails at once is answered as
/// it should be; what fails later cuts the answer off, which no client can mistake for a whole list.
async fn whole(mut walk: Walk) -> Answer {
    let start = Bytes::from_static(if walk.is_bare {
        br#"{"success":true,"data":["#
    } else {
        br#"{"success":true,"data":{"tokens":["#
    });
    let first = walk.piece().await?;
    if walk.is_over {
        return Ok(HttpResponse::Ok().content_type(mime()).body([start, first].concat()));
    }
    let head = stream::iter([Ok(start), Ok(first)]);
    let tail = stream::try_unfold(walk, |mut walk| async move {
        if walk.is_over {
            return Ok::<_, ApiError>(None);
        }
        let piece = walk.piece().await?;
        Ok(Some((piece, walk)))
    });
    let body = futures_util::StreamExt::chain(head, tail);
    Ok(HttpResponse::Ok().content_type(mime()).streaming(body))
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

    /// Reads and writes the next tokens; behind the last ones, the end.
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

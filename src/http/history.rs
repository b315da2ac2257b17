//! Messages that a channel keeps: read in pages, and taken back.

use super::answer::{self, Answer};
use super::call::Call;
use super::channels::existing;
use super::error::ApiError;
use super::mounted::{Mounted, on};
use super::query::{self, HistoryQuery};
use crate::actor::clock;
use crate::domain::{ChannelKey, KeptMessage, Position, RawJson, Since, Timestamp};
use crate::store::{HistoryPage, KeptPage, Thing};
use actix_web::http::Method;
use serde::{Serialize, Serializer};

/// The most bytes of messages on one page, roughly; one of any size is on it.
const PAGE_BYTES: u64 = 4 << 20;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::GET, "channels/{channel}/messages", list),
        on(Method::DELETE, "channels/{channel}/messages", trim),
    ]
}

/// A message.
#[derive(Serialize)]
struct KeptMessageView<'a> {
    /// Its position.
    #[serde(serialize_with = "position")]
    s: Position,
    /// Its event name.
    e: &'a str,
    /// Its data.
    d: &'a RawJson,
    /// When it was published.
    at: Timestamp,
    /// The member that published it.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
}

/// A position as its text.
fn position<S: Serializer>(position: &Position, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(position)
}

impl<'a> From<&'a KeptMessage> for KeptMessageView<'a> {
    fn from(kept: &'a KeptMessage) -> Self {
        let KeptMessage { position, at, from, message } = kept;
        let (e, d) = (&*message.event, &message.data);
        Self { s: *position, e, d, at: *at, from: from.as_deref() }
    }
}

/// `{messages, next, epoch}`.
#[derive(Serialize)]
struct HistoryBody<'a> {
    /// The messages.
    messages: Vec<KeptMessageView<'a>>,
    /// Where to go on: `after` it, or `before` it where the newest come first; none where there is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// The stretch of the line that all of them are of.
    epoch: String,
}

/// `GET /channels/:id/messages`.
async fn list(call: Call) -> Answer {
    let asked = query::history(call.request.query_string())?;
    let key = call.channel().await?;
    let (after, before) =
        (asked.after.as_deref().map(Since::read), asked.before.as_deref().map(Since::read));
    let offset =
        |since: Option<Since>| since.and_then(|Since(known)| known).map(|known| known.offset);
    let page = HistoryPage {
        after: offset(after),
        before: offset(before),
        is_descending: asked.is_descending,
        limit: asked.limit,
        bytes: PAGE_BYTES,
        bounds: call.app.supervisor.settings().history,
        now: clock::now(),
    };
    let found = read(&call, key, page).await?;
    for since in [after, before].into_iter().flatten() {
        check_epoch(since, &found)?;
    }
    if let Some(Since(Some(after))) = after
        && (after.offset < found.oldest || after.offset > found.line.position.offset)
    {
        return Err(gone(&found));
    }
    let last = found.messages.last().filter(|_| found.has_more);
    answer::data(HistoryBody {
        messages: found.messages.iter().map(KeptMessageView::from).collect(),
        next: last.map(|last| last.position.to_string()),
        epoch: found.line.position.epoch.to_string(),
    })
}

/// Reads a part of what a channel keeps.
async fn read(call: &Call, key: ChannelKey, page: HistoryPage) -> Result<KeptPage, ApiError> {
    let found = call.app.persistence.read(move |store| {
        let found = store.kept_messages(&key, &page)?;
        if found.is_none() {
            existing(store.find_channel(&key)?, Thing::Channel)?;
        }
        Ok(found)
    });
    found.await?.ok_or(ApiError::MissingCapability("HISTORY"))
}

/// Refuses a position that is not of the stretch of the line that is kept.
fn check_epoch(Since(known): Since, found: &KeptPage) -> Result<Position, ApiError> {
    known.filter(|known| known.epoch == found.line.position.epoch).ok_or_else(|| gone(found))
}

/// A position behind which something is not kept any more, or nobody knows.
fn gone(found: &KeptPage) -> ApiError {
    let oldest = Position { offset: found.oldest, ..found.line.position };
    ApiError::PositionGone { oldest: oldest.to_string() }
}

/// `DELETE /channels/:id/messages`: what stands before a position is taken back, and without one all that there is.
async fn trim(call: Call) -> Answer {
    let HistoryQuery { before, .. } = query::history(call.request.query_string())?;
    let key = call.channel().await?;
    let page = HistoryPage {
        after: None,
        before: None,
        is_descending: false,
        limit: 0,
        bytes: 0,
        bounds: call.app.supervisor.settings().history,
        now: clock::now(),
    };
    let found = read(&call, key.clone(), page).await?;
    let before = match before.as_deref().map(Since::read) {
        Some(since) => check_epoch(since, &found)?,
        None => found.line.position.next(),
    };
    call.app.supervisor.trim_channel(&key, before, call.receipt(answer::nothing)).await?;
    Ok(answer::done())
}

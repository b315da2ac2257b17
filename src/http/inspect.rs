//! What is recorded of a project: what was there, and what comes.

mod query;
mod view;

use super::answer::{self, Answer};
use super::call::Call;
use super::error::ApiError;
use super::mounted::{Mounted, on};
use super::recorded::INSPECT;
use crate::actor::clock;
use crate::domain::ProjectId;
use crate::recorder::{Looker, MAX_WATCHERS, RecordPage, RecordQuery};
use actix_web::http::Method;
use query::InspectQuery;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use view::InspectBody;

#[cfg(test)]
pub(super) use query::MAX_ENTRIES;
#[cfg(test)]
pub(super) use query::MAX_WAIT;
#[cfg(test)]
pub(super) use query::names;

/// How often a look that waits looks again.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![on(Method::GET, INSPECT, inspect)]
}

/// `GET /projects/:project/inspect`.
async fn inspect(call: Call) -> Answer {
    let asked = InspectQuery::parse(call.request.query_string())?;
    let project = call.project().await?;
    if note(&call, &project, &asked) {
        call.app.supervisor.watch_frames(&project).await;
    }
    let recorder = Arc::clone(call.app.supervisor.recorder());
    let page = match asked.wait {
        // There are newest ones at any time, if only none: this is for who waits for what comes.
        Some(wait) if asked.record.after.is_some() => {
            let place = recorder.watch(&project).ok_or(ApiError::TooManyWatchers(MAX_WATCHERS))?;
            let page = wait_for_some(&call, &project, asked.record, wait).await;
            drop(place);
            page
        }
        _ => recorder.read(&project, &asked.record, clock::now()),
    };
    answer::data(InspectBody::new(&page, &recorder))
}

/// What comes, as soon as there is something that is wanted; nothing after so long.
async fn wait_for_some(
    call: &Call,
    project: &ProjectId,
    mut query: RecordQuery,
    wait: Duration,
) -> RecordPage {
    let (end, mut lost) = (Instant::now() + wait, Some(0_u64));
    loop {
        let page = call.app.supervisor.recorder().read(project, &query, clock::now());
        lost = lost.zip(page.lost).map(|(before, now)| before.saturating_add(now));
        let is_over = Instant::now() >= end || call.app.supervisor.is_stopping();
        if !page.entries.is_empty() || lost != Some(0) || is_over {
            return RecordPage { lost, ..page };
        }
        query.after = Some(page.next);
        sleep(LOOK_PAUSE.min(end.saturating_duration_since(Instant::now()))).await;
    }
}

/// Notes who looks, and logs it where it is news; whether other frames than before are wanted.
fn note(call: &Call, project: &ProjectId, asked: &InspectQuery) -> bool {
    let head = call.request.head();
    let address = head.peer_addr.map(|peer| call.app.proxies.client_of(peer.ip(), head.headers()));
    let looker = Looker { by: Arc::clone(&call.by), address, filter: asked.in_words() };
    let (by, filter) = (Arc::clone(&looker.by), looker.filter.clone());
    let now = (Instant::now(), clock::now());
    let news = call.app.supervisor.recorder().look(project, (looker, asked.chosen()), now);
    if news.is_new {
        let address = address.map(tracing::field::display);
        let id = call.request.id();
        let id = id.as_ref().map(tracing::field::display);
        tracing::info!(id, %project, %by, address, filter, "somebody looks at what is recorded");
    }
    news.is_choice
}

//! What a webhook was sent, and sending it again.

use super::answer::{self, Answer};
use super::call::Call;
use super::channels::existing;
use super::query;
use super::routes::{Mounted, on};
use super::views::DeliveryView;
use crate::actor::clock;
use crate::domain::DeliveryKey;
use crate::store::Thing;
use actix_web::http::Method;
use serde::Serialize;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::GET, "projects/{project}/webhooks/{webhook}/deliveries", list),
        on(
            Method::POST,
            "projects/{project}/webhooks/{webhook}/deliveries/{delivery}/resend",
            resend,
        ),
    ]
}

/// `{deliveries, page_size, total_count}`.
#[derive(Serialize)]
struct Many<'a> {
    /// The deliveries of this page, newest first.
    deliveries: Vec<DeliveryView<'a>>,
    /// How many a page has.
    page_size: u64,
    /// How many all pages have.
    total_count: u64,
}

/// `GET /projects/:id/webhooks/:wid/deliveries`: the first page where none is named.
async fn list(call: Call) -> Answer {
    let project = call.project().await?;
    let id = call.parts.webhook();
    let page = query::page(call.request.query_string())?;
    let (offset, limit) = page.map_or((0, query::DEFAULT_PAGE_SIZE), |it| (it.offset, it.limit));
    let (found, total_count) = call
        .app
        .persistence
        .read(move |store| {
            existing(store.find_webhook(&project, &id)?, Thing::Webhook)?;
            Ok((store.list_deliveries(&id, offset, limit)?, store.count_deliveries(&id)?))
        })
        .await?;
    let deliveries = found.iter().map(DeliveryView::from).collect();
    answer::data(Many { deliveries, page_size: limit, total_count })
}

/// `POST /projects/:id/webhooks/:wid/deliveries/:event/resend`: due at once, whatever became of it before.
async fn resend(call: Call) -> Answer {
    let project = call.project().await?;
    let key = DeliveryKey { webhook: call.parts.webhook(), event: call.parts.delivery() };
    let now = clock::now();
    call.app
        .persistence
        .write(move |store| {
            existing(store.find_webhook(&project, &key.webhook)?, Thing::Webhook)?;
            store.resend_delivery(&project, &key, now)
        })
        .await?;
    call.app.persistence.hooks().wake();
    Ok(answer::done())
}

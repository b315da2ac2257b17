//! What a webhook was sent, and sending it again.

use super::answer::{self, Answer};
use super::call::Call;
use super::channels::existing;
use super::error::ApiError;
use super::list::{self, List};
use super::mounted::{Mounted, on};
use super::query::{self, ListCursor};
use super::views::DeliveryView;
use super::webhooks::require_readers;
use crate::actor::{Persistence, clock};
use crate::domain::{Delivery, DeliveryKey, ProjectId, RawJson, WebhookId};
use crate::store::{Start, Thing};
use actix_web::http::Method;
use serde::Serialize;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::GET, "projects/{project}/webhooks/{webhook}/deliveries", list),
        on(Method::GET, "projects/{project}/webhooks/{webhook}/deliveries/{delivery}", show),
        on(
            Method::POST,
            "projects/{project}/webhooks/{webhook}/deliveries/{delivery}/resend",
            resend,
        ),
    ]
}

/// `GET /projects/:id/webhooks/:wid/deliveries`, newest first: the first page where nothing else is asked for.
async fn list(call: Call) -> Answer {
    let wanted = query::wanted(call.request.query_string())?.or_first_page();
    let project = call.project().await?;
    let webhook = call.parts.webhook();
    let persistence = call.app.persistence.clone();
    list::answer(Deliveries { persistence, project, webhook }, wanted).await
}

/// What a webhook was sent or is to be sent.
struct Deliveries {
    /// Where it is read.
    persistence: Persistence,
    /// The webhook's project.
    project: ProjectId,
    /// The webhook.
    webhook: WebhookId,
}

impl List for Deliveries {
    type Item = Delivery;

    fn name(&self) -> &'static str {
        "deliveries"
    }

    async fn read(&self, start: &Start<ListCursor>, limit: u64) -> Result<Vec<Delivery>, ApiError> {
        let (project, webhook) = (self.project.clone(), self.webhook.clone());
        let start = start.map(|place| place.rank);
        let read = self.persistence.read(move |store| {
            existing(store.find_webhook(&project, &webhook)?, Thing::Webhook)?;
            store.list_deliveries(&webhook, &start, limit)
        });
        Ok(read.await?)
    }

    async fn total(&self) -> Result<u64, ApiError> {
        let webhook = self.webhook.clone();
        Ok(self.persistence.read(move |store| store.count_deliveries(&webhook)).await?)
    }

    /// By the event's number, which tells it from all others of the project.
    fn place(delivery: &Delivery) -> ListCursor {
        ListCursor { rank: delivery.seq, id: String::new() }
    }

    fn write(&self, delivery: &Delivery, _: bool, text: &mut Vec<u8>) -> serde_json::Result<()> {
        serde_json::to_writer(text, &DeliveryView::from(delivery))
    }
}

/// `{delivery, body}`.
#[derive(Serialize)]
struct DeliveryBody<'a> {
    /// The delivery.
    delivery: DeliveryView<'a>,
    /// What is posted, byte by byte as it is signed.
    body: RawJson,
}

/// `GET /projects/:id/webhooks/:wid/deliveries/:event`: with what is posted, for who may read that anyway.
async fn show(call: Call) -> Answer {
    let project = call.project().await?;
    let key = DeliveryKey { webhook: call.parts.webhook(), event: call.parts.delivery() };
    let read = call.app.persistence.read(move |store| {
        existing(store.find_webhook(&project, &key.webhook)?, Thing::Webhook)?;
        existing(store.find_delivery(&project, &key)?, Thing::Delivery)
    });
    let (delivery, body) = read.await?;
    require_readers(&call.caller, std::slice::from_ref(&delivery.event))?;
    answer::data(DeliveryBody { delivery: DeliveryView::from(&delivery), body })
}

/// `POST /projects/:id/webhooks/:wid/deliveries/:event/resend`: due at once, whatever became of it before.
async fn resend(call: Call) -> Answer {
    let project = call.project().await?;
    let key = DeliveryKey { webhook: call.parts.webhook(), event: call.parts.delivery() };
    let now = clock::now();
    call.app
        .persistence
        .write_once(call.receipt(answer::nothing), move |store| {
            existing(store.find_webhook(&project, &key.webhook)?, Thing::Webhook)?;
            store.resend_delivery(&project, &key, now)
        })
        .await?;
    call.app.persistence.hooks().wake();
    Ok(answer::done())
}

//! A call that somebody asks for to see what comes: nothing happened, and nothing of it is kept.

use super::super::clock;
use super::Dispatcher;
use super::posting::TIMEOUT;
use crate::domain::{ProjectId, Timestamp, Webhook, WebhookId};
use crate::webhook::Call;
use crate::webhook::signing::{self, Envelope};
use actix::fut::ready;
use actix::prelude::*;
use serde::Serialize;
use std::rc::Rc;
use tokio::time::Instant;

/// The most of these calls under way, one of them for a project.
const AT_ONCE: usize = 16;

/// Posts a test event to a webhook now; answered with none while another one of the project, or too many, are under way.
#[derive(Message)]
#[rtype(result = "Option<Tried>")]
pub struct Try(pub Webhook);

/// What came: `{ok, status?, reason?, ms}`.
#[derive(Debug, Serialize)]
pub struct Tried {
    /// Whether a delivery would count as delivered.
    ok: bool,
    /// The status, where there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Why there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// How long it took.
    ms: u64,
}

/// What is posted: shaped as an event, under a name that none has.
#[derive(Serialize)]
struct Body<'a> {
    /// Who hears it.
    webhook_id: &'a WebhookId,
    /// The tenant.
    project_id: &'a ProjectId,
    /// When it was asked for.
    occurred_at: Timestamp,
    /// `event_…`.
    id: &'a str,
    /// `webhook.test`.
    event: &'static str,
    /// Nothing.
    data: Nothing,
}

/// `{}`.
#[derive(Serialize)]
struct Nothing {}

impl Handler<Try> for Dispatcher {
    type Result = ResponseActFuture<Self, Option<Tried>>;

    fn handle(&mut self, Try(webhook): Try, _: &mut Context<Self>) -> Self::Result {
        let project = webhook.project.clone();
        if self.trying.len() >= AT_ONCE || !self.trying.insert(project.clone()) {
            return Box::pin(ready(None));
        }
        let client = Rc::clone(&self.client);
        let called = async move {
            let (at, begun) = (clock::now(), Instant::now());
            let id = clock::readable_id("event");
            let body = Body {
                webhook_id: &webhook.id,
                project_id: &webhook.project,
                occurred_at: at,
                id: &id,
                event: "webhook.test",
                data: Nothing {},
            };
            let body = serde_json::to_string(&body).unwrap_or_default();
            let envelope = Envelope { id: &id, at, attempt: 1 };
            let headers = signing::headers(envelope, &webhook.secrets(at), &body);
            let call = Call { url: &webhook.url, headers, body, timeout: TIMEOUT, turn: 0 };
            let answer = client.tell(call, at).await;
            let status = answer.as_ref().ok().map(|reply| reply.status);
            Tried {
                ok: status.is_some_and(|status| (200..300).contains(&status)),
                status,
                reason: answer.err().map(|error| error.reason()),
                ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            }
        };
        // Who asked may have gone: the call goes on, and its place is given back when it ends.
        Box::pin(called.into_actor(self).map(move |tried, actor, _| {
            actor.trying.remove(&project);
            Some(tried)
        }))
    }
}

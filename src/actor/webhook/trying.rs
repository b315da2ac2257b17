//! A call that somebody asks for to see what comes: nothing happened, and nothing of it is kept.

use super::super::clock;
use super::WebhookSender;
use super::asked::AuthorizerAnswer;
use super::authorizing;
use super::calling::{self, CallPurpose};
use super::posting::TIMEOUT;
use crate::domain::presence::fits_token;
use crate::domain::{Authorizer, ProjectId, Timestamp, Webhook, WebhookId};
use crate::num;
use crate::webhook::authorize::{self, NoDecision, Verdict};
use crate::webhook::signing::{self, CallHeaders};
use crate::webhook::{CallError, EndpointCall};
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
pub struct TryWebhook(pub Webhook);

/// Asks a channel authorizer about nothing real; answered as [`TryWebhook`] is.
#[derive(Message)]
#[rtype(result = "Option<Tried>")]
pub struct TryAuthorizer {
    /// Who is asked.
    pub authorizer: Authorizer,
    /// The most bytes of a token's state; 0 is no bound.
    pub state_bytes: usize,
}

/// What came: `{ok, status?, granted?, reason?, ms}`.
#[derive(Debug, Serialize)]
pub struct Tried {
    /// Whether a delivery would count as delivered, or an answer as a decision.
    ok: bool,
    /// The status, where there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// What a channel authorizer decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted: Option<bool>,
    /// Why there was no answer, or why it is no decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// How long it took.
    ms: u64,
}

/// What is posted: shaped as an event, under a name that none has.
#[derive(Serialize)]
struct TestEventBody<'a> {
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
    data: EmptyBody,
}

/// `{}`.
#[derive(Serialize)]
struct EmptyBody {}

impl Handler<TryWebhook> for WebhookSender {
    type Result = ResponseActFuture<Self, Option<Tried>>;

    fn handle(&mut self, TryWebhook(webhook): TryWebhook, _: &mut Context<Self>) -> Self::Result {
        let client = Rc::clone(&self.client);
        self.alone(webhook.project.clone(), async move {
            let at = clock::now();
            let id = clock::readable_id("event");
            let body = TestEventBody {
                webhook_id: &webhook.id,
                project_id: &webhook.project,
                occurred_at: at,
                id: &id,
                event: "webhook.test",
                data: EmptyBody {},
            };
            let body = serde_json::to_string(&body).unwrap_or_default();
            let envelope = CallHeaders { id: &id, at, attempt: 1 };
            let headers = signing::headers(envelope, &webhook.secrets(at), &body);
            let call = EndpointCall {
                url: &webhook.url,
                headers,
                body: Some(body),
                timeout: TIMEOUT,
                turn: 0,
            };
            let answer = calling::call(&client, CallPurpose::Webhook, call, at).await;
            let status = answer.as_ref().ok().map(|reply| reply.status);
            let ok = status.is_some_and(|status| (200..300).contains(&status));
            let reason = answer.err().map(|error| error.reason());
            Tried { ok, status, granted: None, reason, ms: 0 }
        })
    }
}

impl Handler<TryAuthorizer> for WebhookSender {
    type Result = ResponseActFuture<Self, Option<Tried>>;

    fn handle(&mut self, trial: TryAuthorizer, _: &mut Context<Self>) -> Self::Result {
        let client = Rc::clone(&self.client);
        self.alone(trial.authorizer.project.clone(), async move {
            let TryAuthorizer { authorizer, state_bytes } = trial;
            let at = clock::now();
            let question = authorize::sample(&authorizer.project, at);
            let whole = authorizing::answered(&client, &authorizer, question, at);
            let answered = tokio::time::timeout(authorize::TIMEOUT, whole).await;
            let answered = answered.unwrap_or(Err(CallError::Timeout(authorize::TIMEOUT)));
            decided(answered, state_bytes)
        })
    }
}

/// What an answer says to who set up the channel authorizer.
fn decided(answered: AuthorizerAnswer, state_bytes: usize) -> Tried {
    let (status, read) = match answered {
        Ok((status, read)) => (Some(status), read.map_err(NoDecision::reason)),
        Err(error) => (None, Err(error.reason())),
    };
    let decided = read.and_then(|verdict| match verdict {
        Verdict::Refused => Ok(false),
        Verdict::Granted { state: Some(state), .. } if !fits_token(&state, state_bytes) => {
            Err(NoDecision::State.reason())
        }
        Verdict::Granted { .. } => Ok(true),
    });
    let (ok, granted, reason) = (decided.is_ok(), decided.ok(), decided.err());
    Tried { ok, status, granted, reason, ms: 0 }
}

impl WebhookSender {
    /// Makes a test call if there is room for one of this project.
    ///
    /// Who asked may have gone: the call goes on, and its place is given back when it ends.
    fn alone(
        &mut self,
        project: ProjectId,
        call: impl Future<Output = Tried> + 'static,
    ) -> ResponseActFuture<Self, Option<Tried>> {
        if self.trying.len() >= AT_ONCE || !self.trying.insert(project.clone()) {
            return Box::pin(ready(None));
        }
        let timed = async move {
            let begun = Instant::now();
            let tried = call.await;
            let ms = num::counter(begun.elapsed().as_millis());
            Tried { ms, ..tried }
        };
        Box::pin(timed.into_actor(self).map(move |tried, actor, _| {
            actor.trying.remove(&project);
            Some(tried)
        }))
    }
}

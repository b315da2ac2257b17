//! Questions to authorise webhooks: one call for all that ask the same at the same time.

use super::super::clock;
use super::asked::AuthorizerAnswer;
use super::calling::{self, CallPurpose};
use super::{AuthorizerCall, WebhookSender};
use crate::domain::{
    Authorizer, Channel, ChannelKey, ConnectionId, LeapToken, LeapTokenId, ProjectId, Timestamp,
};
use crate::faults::{CrashPoint, pass};
use crate::webhook::authorize::{self, TIMEOUT, Verdict};
use crate::webhook::signing::{self, CallHeaders};
use crate::webhook::{CallError, EndpointCall, EndpointClient};
use actix::prelude::*;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

/// Room in the dispatcher's mailbox; past it askers wait.
pub(super) const MAILBOX: usize = 4096;
/// The most questions under way to one project's back end; one more waits, within its own time.
const PER_PROJECT: usize = 64;
/// How long a project's back end that gives no answer is not logged again.
const LOG_PAUSE: Duration = Duration::from_mins(1);
/// The most verdicts remembered; past it those without a call under way are forgotten.
const MAX_REMEMBERED: usize = 10_000;

/// Sent by a session: may this token subscribe? Answered within [`TIMEOUT`].
#[derive(Message)]
#[rtype(result = "Verdict")]
pub struct Ask {
    /// Who is asked.
    pub authorizer: Authorizer,
    /// The channel.
    pub channel: Channel,
    /// The token.
    pub token: LeapToken,
    /// The connection that wants it.
    pub cid: ConnectionId,
    /// Where its client is, where the socket tells.
    pub address: Option<IpAddr>,
    /// When the client asked. A verdict that came after that is the answer to it too.
    pub since: Instant,
}

/// Posts a question.
pub(super) async fn answered(
    client: &EndpointClient,
    authorizer: &Authorizer,
    body: String,
    at: Timestamp,
) -> AuthorizerAnswer {
    let id = clock::readable_id("event");
    let envelope = CallHeaders { id: &id, at, attempt: 1 };
    let headers = signing::headers(envelope, &[&authorizer.secret], &body);
    let call =
        EndpointCall { url: &authorizer.url, headers, body: Some(body), timeout: TIMEOUT, turn: 0 };
    let reply = calling::call(client, CallPurpose::Authorizer, call, at).await?;
    Ok((reply.status, authorize::read(reply.status, reply.body.as_deref())))
}

/// What a question is about.
type Subject = (LeapTokenId, ChannelKey);

/// A question that was asked.
enum AskedQuestion {
    /// A call is under way; these wait for it.
    Open(Vec<oneshot::Sender<Verdict>>),
    /// The last call ended then.
    Answered(Instant, Verdict),
}

/// All questions under way, and the last verdicts.
#[derive(Default)]
pub(super) struct Questions {
    /// By token and channel.
    by_subject: HashMap<Subject, AskedQuestion>,
    /// Places by project.
    places: HashMap<ProjectId, Rc<Semaphore>>,
    /// When it was last logged that a project's back end does not answer.
    logged: HashMap<ProjectId, Instant>,
}

impl Questions {
    /// The places of a project.
    fn places(&mut self, project: &ProjectId) -> Rc<Semaphore> {
        let places = self.places.entry(project.clone());
        Rc::clone(places.or_insert_with(|| Rc::new(Semaphore::new(PER_PROJECT))))
    }

    /// Logs that a back end gave no answer, seldom enough that clients cannot fill the log with it.
    fn log(&mut self, project: &ProjectId, error: &CallError) {
        if self.is_news(project) {
            tracing::warn!(%project, %error, "a channel authorizer gave no answer, which refuses");
        }
    }

    /// Whether it was not logged lately that a project's back end gave no answer; now it is.
    fn is_news(&mut self, project: &ProjectId) -> bool {
        let now = Instant::now();
        self.logged.retain(|_, at| now.saturating_duration_since(*at) < LOG_PAUSE);
        if self.logged.contains_key(project) {
            return false;
        }
        self.logged.insert(project.clone(), now);
        true
    }

    /// Ends a question and tells all who waited.
    fn answer(&mut self, subject: Subject, verdict: &Verdict) {
        if self.by_subject.len() >= MAX_REMEMBERED {
            self.by_subject.retain(|_, question| matches!(question, AskedQuestion::Open(_)));
        }
        let answered = AskedQuestion::Answered(Instant::now(), verdict.clone());
        if let Some(AskedQuestion::Open(waiting)) = self.by_subject.insert(subject, answered) {
            for asker in waiting {
                // Who has gone meanwhile needs no answer.
                let _ = asker.send(verdict.clone());
            }
        }
    }
}

impl Handler<Ask> for WebhookSender {
    type Result = ResponseFuture<Verdict>;

    fn handle(&mut self, ask: Ask, ctx: &mut Context<Self>) -> Self::Result {
        let subject = (ask.token.id.clone(), ask.channel.key.clone());
        let (asker, answer) = oneshot::channel();
        match self.questions.by_subject.get_mut(&subject) {
            Some(AskedQuestion::Answered(at, verdict)) if ask.since <= *at => {
                let verdict = verdict.clone();
                return Box::pin(async { verdict });
            }
            Some(AskedQuestion::Open(waiting)) => waiting.push(asker),
            _ => {
                self.questions.by_subject.insert(subject.clone(), AskedQuestion::Open(vec![asker]));
                self.call(ask, subject, ctx);
            }
        }
        Box::pin(async { answer.await.unwrap_or(Verdict::Refused) })
    }
}

impl WebhookSender {
    /// Makes the call of a question.
    fn call(&mut self, ask: Ask, subject: Subject, ctx: &mut Context<Self>) {
        let places = self.questions.places(&ask.authorizer.project);
        let (client, authorizer) = (Rc::clone(&self.client), ask.authorizer.clone());
        let (at, begun) = (clock::now(), Instant::now());
        let called = async move {
            let body = authorize::question(&ask.channel, &ask.token, &ask.cid, ask.address);
            let whole = async {
                let _place = places.acquire().await;
                answered(&client, &ask.authorizer, body, at).await
            };
            let answered = tokio::time::timeout(TIMEOUT, whole).await;
            answered.unwrap_or(Err(CallError::Timeout(TIMEOUT)))
        };
        ctx.spawn(called.into_actor(self).map(move |answered, actor, _| {
            pass(CrashPoint::VerdictTold);
            actor.hooks().note(&authorizer, AuthorizerCall::new(at, begun.elapsed(), &answered));
            let verdict = match answered {
                Ok((_, read)) => read.unwrap_or(Verdict::Refused),
                Err(error) => {
                    actor.questions.log(&authorizer.project, &error);
                    Verdict::Refused
                }
            };
            actor.questions.answer(subject, &verdict);
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn that_a_back_end_is_silent_is_news_once_a_minute_for_each_project() {
        tokio::time::pause();
        let mut questions = Questions::default();
        let mut news = |name: &str| questions.is_news(&ProjectId::from(name));
        assert!(news("a") && news("b") && !news("a"));
        tokio::time::advance(Duration::from_millis(59_999)).await;
        assert!(!news("a"), "asking in between does not lengthen the pause");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(news("a") && !news("a"));
        assert_eq!(questions.logged.len(), 1, "what is old is forgotten");
    }
}

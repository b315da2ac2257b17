//! Questions to authorise webhooks: one call for all that ask the same at the same time.

use super::super::clock;
use super::Dispatcher;
use crate::domain::{
    Authorizer, Channel, ChannelKey, ConnectionId, LeapToken, LeapTokenId, ProjectId,
};
use crate::webhook::Call;
use crate::webhook::authorize::{self, TIMEOUT, Verdict};
use crate::webhook::signing::{self, Envelope};
use actix::prelude::*;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

/// Room in the dispatcher's mailbox; past it askers wait.
pub(super) const MAILBOX: usize = 4096;
/// The most questions under way to one project's back end; one more waits, within its own time.
const PER_PROJECT: usize = 64;
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

/// What a question is about.
type Subject = (LeapTokenId, ChannelKey);

/// A question that was asked.
enum Question {
    /// A call is under way; these wait for it.
    Open(Vec<oneshot::Sender<Verdict>>),
    /// The last call ended then.
    Answered(Instant, Verdict),
}

/// All questions under way, and the last verdicts.
#[derive(Default)]
pub(super) struct Questions {
    /// By token and channel.
    questions: HashMap<Subject, Question>,
    /// Places by project.
    places: HashMap<ProjectId, Rc<Semaphore>>,
}

impl Questions {
    /// The places of a project.
    fn places(&mut self, project: &ProjectId) -> Rc<Semaphore> {
        let places = self.places.entry(project.clone());
        Rc::clone(places.or_insert_with(|| Rc::new(Semaphore::new(PER_PROJECT))))
    }

    /// Ends a question and tells all who waited.
    fn answer(&mut self, subject: Subject, verdict: &Verdict) {
        if self.questions.len() >= MAX_REMEMBERED {
            self.questions.retain(|_, question| matches!(question, Question::Open(_)));
        }
        let answered = Question::Answered(Instant::now(), verdict.clone());
        if let Some(Question::Open(waiting)) = self.questions.insert(subject, answered) {
            for asker in waiting {
                // Who has gone meanwhile needs no answer.
                let _ = asker.send(verdict.clone());
            }
        }
    }
}

impl Handler<Ask> for Dispatcher {
    type Result = ResponseFuture<Verdict>;

    fn handle(&mut self, ask: Ask, ctx: &mut Context<Self>) -> Self::Result {
        let subject = (ask.token.id.clone(), ask.channel.key.clone());
        let (asker, answer) = oneshot::channel();
        match self.questions.questions.get_mut(&subject) {
            Some(Question::Answered(at, verdict)) if ask.since <= *at => {
                let verdict = verdict.clone();
                return Box::pin(async { verdict });
            }
            Some(Question::Open(waiting)) => waiting.push(asker),
            _ => {
                self.questions.questions.insert(subject.clone(), Question::Open(vec![asker]));
                self.call(ask, subject, ctx);
            }
        }
        Box::pin(async { answer.await.unwrap_or(Verdict::Refused) })
    }
}

impl Dispatcher {
    /// Makes the call of a question.
    fn call(&mut self, ask: Ask, subject: Subject, ctx: &mut Context<Self>) {
        let places = self.questions.places(&ask.authorizer.project);
        let client = Rc::clone(&self.client);
        let called = async move {
            let at = clock::now();
            let body = authorize::question(&ask.channel, &ask.token, &ask.cid, ask.address);
            let id = clock::readable_id("event");
            let envelope = Envelope { id: &id, at, attempt: 1 };
            let headers = signing::headers(envelope, &[&ask.authorizer.secret], &body);
            let whole = async {
                let _place = places.acquire().await;
                let url = &ask.authorizer.url;
                client.ask(Call { url, headers, body, timeout: TIMEOUT, turn: 0 }, at).await
            };
            match tokio::time::timeout(TIMEOUT, whole).await {
                Ok(Ok(reply)) => {
                    authorize::verdict(reply.status, reply.body.as_deref().unwrap_or_default())
                }
                Ok(Err(error)) => {
                    tracing::debug!(project = %ask.authorizer.project, %error, "no verdict");
                    Verdict::Refused
                }
                Err(_late) => Verdict::Refused,
            }
        };
        ctx.spawn(called.into_actor(self).map(move |verdict, actor, _| {
            actor.questions.answer(subject, &verdict);
        }));
    }
}

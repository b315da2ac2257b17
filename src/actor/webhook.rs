//! The dispatcher: takes what is due out of the outbox and posts it.
//!
//! One actor on a thread of its own. Rows wait in the database, not in memory: it reads only as many as it may start.
//! Order is not kept, because up to [`PER_ENDPOINT`] calls to an endpoint are under way at a time and failed ones come
//! later; `seq` is what tells a late one from news.

mod asked;
mod authorizing;
mod calling;
mod endpoint_slots;
mod fetching;
mod posting;
mod trying;
mod wanted;

pub use asked::AuthorizerCall;
pub(super) use asked::LastAsked;
pub use authorizing::Ask;
pub use trying::{Tried, TryAuthorizer, TryWebhook};
pub(super) use wanted::FetchKeys;

use super::clock;
use super::hooks::Hooks;
use super::persistence::Persistence;
use crate::ask::AskError;
use crate::domain::{
    Attempt, DeliveryKey, DeliveryOutcome, DueDelivery, ProjectId, Timestamp, Webhook,
};
use crate::webhook::schedule::Schedule;
use crate::webhook::{EndpointClient, Policy};
use actix::prelude::*;
use authorizing::Questions;
use endpoint_slots::EndpointSlots;
use std::collections::HashSet;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// The most calls under way.
const IN_FLIGHT: usize = 64;
/// The most of them to one webhook; a call that fails halves them, one that succeeds gives one place back.
const PER_ENDPOINT: usize = 8;
/// How long nothing is looked for when nobody wakes the dispatcher and nothing is due before.
const POLL: Duration = Duration::from_secs(5);
/// The same while something is due that cannot be started; a call that ends comes first as a rule.
const CROWDED_POLL: Duration = Duration::from_secs(1);
/// How long nothing is delivered after a crash, so that one that comes at once costs little.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// How often finished deliveries are looked through for what may be forgotten.
const PRUNE: Duration = Duration::from_mins(1);

/// What the dispatcher lives by.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What may be called.
    pub policy: Policy,
    /// When failed deliveries are tried again.
    pub schedule: Schedule,
}

/// The dispatcher.
pub struct WebhookSender {
    /// The HTTP client.
    client: Rc<EndpointClient>,
    /// The outbox.
    persistence: Persistence,
    /// When failed deliveries are tried again.
    schedule: Schedule,
    /// The name under which it claims deliveries; also its successor's here, if it crashes.
    name: Arc<str>,
    /// The calls under way.
    slots: EndpointSlots,
    /// Whether the outbox is being read.
    is_looking: bool,
    /// Whether it has to be read once more after that.
    looks_again: bool,
    /// The next look.
    timer: Option<SpawnHandle>,
    /// Questions to authorise webhooks.
    questions: Questions,
    /// The projects of which a test call is under way.
    trying: HashSet<ProjectId>,
    /// How many key sets are being fetched.
    fetching: usize,
    /// Tells by its end that the dispatcher has gone.
    _alive: oneshot::Sender<Infallible>,
}

/// What a look into the outbox found.
struct Found {
    /// What can be started.
    due: Vec<(Rc<Webhook>, DueDelivery)>,
    /// When something is due next, if anything is.
    next: Option<Timestamp>,
}

impl WebhookSender {
    /// Starts the dispatcher on a thread of its own, and another one whenever it has crashed: what it had under way is
    /// due still, and is posted again. Cancelling what comes back ends it for good.
    pub fn launch(persistence: Persistence, rules: Rules) -> CancellationToken {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let name: Arc<str> = Arc::from(clock::readable_id("sender"));
        let mut running = Self::begin(persistence.clone(), rules.clone(), Arc::clone(&name));
        actix::spawn(async move {
            loop {
                let (arbiter, ended) = running;
                // Nothing is sent: it ends when the dispatcher is dropped.
                if stopped.run_until_cancelled(ended).await.is_none() {
                    arbiter.stop();
                    return;
                }
                tracing::error!("the webhook dispatcher ended and is started again");
                arbiter.stop();
                tokio::time::sleep(RESTART_PAUSE).await;
                running = Self::begin(persistence.clone(), rules.clone(), Arc::clone(&name));
            }
        });
        stop
    }

    /// Starts a dispatcher; what comes back ends with it.
    fn begin(
        persistence: Persistence,
        rules: Rules,
        name: Arc<str>,
    ) -> (Arbiter, oneshot::Receiver<Infallible>) {
        let hooks = persistence.hooks().clone();
        let (alive, ended) = oneshot::channel();
        let arbiter = Arbiter::new();
        let dispatcher = Self::start_in_arbiter(&arbiter.handle(), move |_| Self {
            client: Rc::new(EndpointClient::new(rules.policy)),
            persistence,
            schedule: rules.schedule,
            name,
            slots: EndpointSlots::default(),
            is_looking: false,
            looks_again: false,
            timer: None,
            questions: Questions::default(),
            trying: HashSet::new(),
            fetching: 0,
            _alive: alive,
        });
        hooks.introduce(dispatcher);
        (arbiter, ended)
    }

    /// The way to be woken.
    fn hooks(&self) -> Hooks {
        self.persistence.hooks().clone()
    }

    /// Looks whenever somebody says that there is something.
    fn listen(&self, ctx: &mut Context<Self>) {
        let hooks = self.hooks();
        let woken = async move { hooks.woken().await };
        ctx.spawn(woken.into_actor(self).map(|(), actor, ctx| {
            actor.look(ctx);
            actor.listen(ctx);
        }));
    }

    /// Reads what is due and starts it; once at a time.
    fn look(&mut self, ctx: &mut Context<Self>) {
        if self.is_looking {
            self.looks_again = true;
            return;
        }
        self.is_looking = true;
        let plan = self.slots.plan();
        let (persistence, longest) = (self.persistence.clone(), self.schedule.longest());
        let name = Arc::clone(&self.name);
        let found = async move {
            let now = clock::now();
            bring_back(&persistence, now, longest).await?;
            if !persistence.has_claims() {
                return persistence.read(move |store| plan.read(store, now)).await;
            }
            // A claim is a write: nobody is asked for one while nothing is due.
            let next = persistence.read(|store| store.next_due()).await?;
            if next.is_none_or(|at| at > now) {
                return Ok((Vec::new(), next));
            }
            persistence.write(move |store| plan.claim(store, now, &name)).await
        };
        ctx.spawn(found.into_actor(self).map(|found, actor, ctx| {
            actor.is_looking = false;
            actor.on_found(found.map(|(due, next)| Found { due: shared(due), next }), ctx);
        }));
    }

    /// Starts what was found and sets the time of the next look.
    fn on_found(&mut self, found: Result<Found, AskError>, ctx: &mut Context<Self>) {
        let pause = match found {
            Ok(found) => {
                for (webhook, due) in found.due {
                    self.start(webhook, due, ctx);
                }
                match found.next {
                    Some(at) if at <= clock::now() => CROWDED_POLL,
                    Some(at) => Duration::from_millis(clock::now().millis_until(at)).min(POLL),
                    None => POLL,
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the outbox cannot be read now");
                CROWDED_POLL
            }
        };
        if std::mem::take(&mut self.looks_again) {
            return self.look(ctx);
        }
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.timer = Some(ctx.run_later(pause, |actor, ctx| {
            actor.timer = None;
            actor.look(ctx);
        }));
    }

    /// Makes one attempt.
    fn start(&mut self, webhook: Rc<Webhook>, due: DueDelivery, ctx: &mut Context<Self>) {
        if !self.slots.enter(&due.project, &due.key) {
            return;
        }
        let (project, key) = (due.project.clone(), due.key.clone());
        let attempted = posting::attempt(
            Rc::clone(&self.client),
            self.persistence.clone(),
            self.schedule,
            webhook,
            due,
        );
        ctx.spawn(
            attempted
                .into_actor(self)
                .map(move |attempt, actor, ctx| actor.on_attempted(&project, &key, &attempt, ctx)),
        );
    }

    /// Notes the end of an attempt that is in the outbox by now.
    fn on_attempted(
        &mut self,
        project: &ProjectId,
        key: &DeliveryKey,
        attempt: &Attempt,
        ctx: &mut Context<Self>,
    ) {
        // 429: it says itself that it is too much.
        let is_down = attempt.status.is_none_or(|status| status >= 500 || status == 429);
        self.slots.leave(project, key, is_down);
        match attempt.outcome {
            DeliveryOutcome::Dead => tracing::warn!(webhook = %key.webhook, event = %key.event,
                error = attempt.error.as_deref(), "a delivery was given up"),
            DeliveryOutcome::Gone => tracing::warn!(webhook = %key.webhook,
                "a webhook was disabled: its endpoint says that it is gone"),
            DeliveryOutcome::Delivered | DeliveryOutcome::Retry(_) => {}
        }
        self.look(ctx);
    }
}

/// Lets nothing wait for a clock that has been set back to come again to where it was.
async fn bring_back(
    persistence: &Persistence,
    now: Timestamp,
    longest: Duration,
) -> Result<(), AskError> {
    if !persistence.read(move |store| store.is_due_too_late(now, longest)).await? {
        return Ok(());
    }
    let count = persistence.write(move |store| store.bring_back_deliveries(now, longest)).await?;
    tracing::warn!(
        count,
        "deliveries waited for a time that no pause explains: was the clock set back?"
    );
    Ok(())
}

/// Lets all deliveries of a webhook share what is known of it.
fn shared(due: Vec<(Webhook, Vec<DueDelivery>)>) -> Vec<(Rc<Webhook>, DueDelivery)> {
    let mut all = Vec::new();
    for (webhook, due) in due {
        let webhook = Rc::new(webhook);
        all.extend(due.into_iter().map(|due| (Rc::clone(&webhook), due)));
    }
    all
}

impl Actor for WebhookSender {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(authorizing::MAILBOX);
        self.listen(ctx);
        self.look(ctx);
        ctx.run_interval(PRUNE, |actor, ctx| {
            actor.slots.forget_idle();
            let now = clock::now();
            let pruned = actor.persistence.write(move |store| store.prune_deliveries(now));
            ctx.spawn(
                async move {
                    if let Err(error) = pruned.await {
                        tracing::warn!(%error, "old deliveries cannot be forgotten now");
                    }
                }
                .into_actor(actor),
            );
        });
    }
}

#[cfg(test)]
mod tests;

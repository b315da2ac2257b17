//! Who wants to hear of what: asked on every hot path, so it is answered from memory.
//!
//! The memory may want more than the webhooks do, never less: the store looks again before it records anything. Where
//! it could not be brought up to date, it wants everything.

use super::event_log::EventLog;
use super::persistence::Persistence;
use super::webhook::{
    Ask, AuthorizerCall, FetchKeys, LastAsked, Tried, TryAuthorizer, TryWebhook, WebhookSender,
};
use crate::ask::AskError;
use crate::domain::{Authorizer, EventKind, HookEvent, ProjectId, Register, Webhook};
use crate::jwt::KeySet;
use crate::store::{StoreResult, WriteStore};
use crate::webhook::authorize::Verdict;
use actix::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{Mutex, Notify};

/// What all handles share.
#[derive(Default)]
struct HooksInner {
    /// The kinds of events that each project's webhooks name, as bits; nothing for a project without webhooks.
    wanted: RwLock<HashMap<ProjectId, u32>>,
    /// Held while a project is read anew, so that an older reading cannot come last.
    refreshing: Mutex<()>,
    /// What webhooks hear of and no write is the cause of.
    log: EventLog,
    /// Wakes the dispatcher.
    news: Notify,
    /// The dispatcher, once it runs; the newest one after a crash.
    dispatcher: RwLock<Option<Addr<WebhookSender>>>,
    /// What came of the last questions to channel authorizers; outlives a dispatcher that crashes.
    asked: LastAsked,
}

/// The handle to what webhooks want, cheap to clone.
#[derive(Clone, Default)]
pub struct Hooks(Arc<HooksInner>);

impl Hooks {
    /// Whether some webhook of the project wants to hear of this kind.
    pub fn wants(&self, project: &ProjectId, kind: EventKind) -> bool {
        let wanted = self.0.wanted.read().unwrap_or_else(PoisonError::into_inner);
        wanted.get(project).is_some_and(|kinds| kinds & kind.bit() != 0)
    }

    /// Whether some webhook of the project wants to hear who stands in a register.
    pub(super) fn wants_register(&self, project: &ProjectId, register: Register) -> bool {
        let wanted = self.0.wanted.read().unwrap_or_else(PoisonError::into_inner);
        wanted.get(project).is_some_and(|kinds| kinds & kinds_about(register) != 0)
    }

    /// The event log.
    pub(super) fn log(&self) -> &EventLog {
        &self.0.log
    }

    /// Notes what a project's webhooks want.
    fn set(&self, project: &ProjectId, kinds: u32) {
        let mut wanted = self.0.wanted.write().unwrap_or_else(PoisonError::into_inner);
        for register in Register::ALL {
            self.0.log.set_watched(project, register, kinds & kinds_about(register) != 0);
        }
        if kinds == 0 {
            wanted.remove(project);
        } else {
            wanted.insert(project.clone(), kinds);
        }
    }

    /// Says that there is something to deliver.
    pub fn wake(&self) {
        self.0.news.notify_one();
    }

    /// Waits for [`Self::wake`]; a call before counts.
    pub(super) async fn woken(&self) {
        self.0.news.notified().await;
    }

    /// Makes the dispatcher known, in the place of one that has crashed.
    pub(super) fn introduce(&self, dispatcher: Addr<WebhookSender>) {
        let mut known = self.0.dispatcher.write().unwrap_or_else(PoisonError::into_inner);
        *known = Some(dispatcher);
    }

    /// The dispatcher, once it runs.
    pub(super) fn dispatcher(&self) -> Option<Addr<WebhookSender>> {
        self.0.dispatcher.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks a project's back end whether a token may subscribe; whatever goes wrong means no.
    pub(super) async fn ask(&self, question: Ask) -> Verdict {
        match self.dispatcher() {
            Some(dispatcher) => dispatcher.send(question).await.unwrap_or(Verdict::Refused),
            None => Verdict::Refused,
        }
    }

    /// Posts a test event to a webhook and says what came; none while too many of these are under way.
    ///
    /// # Errors
    /// [`AskError::Closed`] where the dispatcher does not run, or crashes meanwhile.
    pub async fn try_out(&self, webhook: Webhook) -> Result<Option<Tried>, AskError> {
        let dispatcher = self.dispatcher().ok_or(AskError::Closed)?;
        dispatcher.send(TryWebhook(webhook)).await.map_err(|_ended| AskError::Closed)
    }

    /// Asks a channel authorizer about nothing real and says what came; none while too many of these are under way.
    ///
    /// # Errors
    /// As [`Self::try_out`].
    pub async fn try_authorizer(&self, trial: TryAuthorizer) -> Result<Option<Tried>, AskError> {
        let dispatcher = self.dispatcher().ok_or(AskError::Closed)?;
        dispatcher.send(trial).await.map_err(|_ended| AskError::Closed)
    }

    /// Fetches an issuer's keys.
    ///
    /// # Errors
    /// A word for programs where they do not come.
    pub(super) async fn fetch_keys(&self, url: String) -> Result<KeySet, &'static str> {
        let dispatcher = self.dispatcher().ok_or("closed")?;
        dispatcher.send(FetchKeys(url)).await.unwrap_or(Err("closed"))
    }

    /// Notes what came of a question.
    pub(super) fn note(&self, authorizer: &Authorizer, asked: AuthorizerCall) {
        self.0.asked.note(authorizer, asked);
    }

    /// What came of the last questions to this channel authorizer, newest first.
    pub fn last_asked(&self, authorizer: &Authorizer) -> Vec<AuthorizerCall> {
        self.0.asked.of(authorizer)
    }
}

/// The kinds that tell of a register.
fn kinds_about(register: Register) -> u32 {
    match register {
        Register::Online => {
            EventKind::ChannelClientConnected.bit() | EventKind::ChannelClientDisconnected.bit()
        }
        Register::Ephemeral => {
            EventKind::ChannelSubscribed.bit() | EventKind::ChannelUnsubscribed.bit()
        }
    }
}

/// The kinds that these webhooks name; a disabled one names none.
fn kinds_of(webhooks: &[Webhook]) -> u32 {
    webhooks
        .iter()
        .filter(|webhook| webhook.disabled_at.is_none())
        .flat_map(|webhook| &webhook.events)
        .filter_map(|name| EventKind::from_name(name))
        .fold(0, |all, kind| all | kind.bit())
}

impl Persistence {
    /// Reads what all webhooks want; to be called before the first request.
    ///
    /// # Errors
    /// As [`Persistence::read`].
    pub async fn load_hooks(&self) -> Result<(), AskError> {
        let all = self.read(|store| {
            let mut all = Vec::new();
            for project in store.list_projects()? {
                let kinds = kinds_of(&store.list_webhooks(&project.id)?);
                all.push((project.id, kinds));
            }
            Ok(all)
        });
        for (project, kinds) in all.await? {
            self.hooks().set(&project, kinds);
        }
        Ok(())
    }

    /// To be called after every change of a project's webhooks, before it is answered.
    pub async fn refresh_hooks(&self, project: &ProjectId) {
        let _alone = self.hooks().0.refreshing.lock().await;
        let wanted = project.clone();
        let read = self.read(move |store| store.list_webhooks(&wanted)).await;
        self.hooks().set(project, read.map_or(u32::MAX, |webhooks| kinds_of(&webhooks)));
    }

    /// Runs a write and records the events that its outcome is the cause of: both or neither.
    ///
    /// Where nobody `is_wanted` to hear, this is a plain write.
    ///
    /// # Errors
    /// As [`Persistence::write`].
    pub fn write_causing<T, F, E>(
        &self,
        is_wanted: bool,
        job: F,
        events: E,
    ) -> impl Future<Output = Result<T, AskError>> + use<T, F, E>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn WriteStore) -> StoreResult<T> + Send + 'static,
        E: FnOnce(&T) -> Vec<HookEvent> + Send + 'static,
    {
        let hooks = self.hooks().clone();
        let write = self.write(move |store| {
            if !is_wanted {
                return job(store);
            }
            atomically(store, |store| {
                let value = job(store)?;
                for event in events(&value) {
                    store.record_event(&event)?;
                }
                Ok(value)
            })
        });
        async move {
            let outcome = write.await;
            // Who drops this future drops the wake-up too; the dispatcher looks by itself every few seconds.
            if is_wanted && outcome.is_ok() {
                hooks.wake();
            }
            outcome
        }
    }
}

/// Runs several writes as one.
pub(super) fn atomically<T>(
    store: &mut dyn WriteStore,
    run: impl FnOnce(&mut dyn WriteStore) -> StoreResult<T>,
) -> StoreResult<T> {
    let (mut run, mut value) = (Some(run), None);
    store.atomically(&mut |store| {
        if let Some(run) = run.take() {
            value = Some(run(store)?);
        }
        Ok(())
    })?;
    value.ok_or_else(|| crate::store::StoreError::Unavailable("a write did not run".to_owned()))
}

//! What a write leaves behind for who repeats the call that it belongs to: key and answer, committed with it.
//!
//! A receipt travels with the question to whoever writes. That a message is kept is a write like any other: it takes a
//! receipt in the same way.

use super::clock;
use super::hooks::atomically;
use super::persistence::Persistence;
use super::small_steps::in_steps;
use crate::ask::AskError;
use crate::domain::{HookEvent, KeptAnswer, KeyBounds, KeyScope, KeyedCall, Timestamp};
use crate::store::{StoreResult, WriteStore};
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked for answers that are too old.
const LOOK: Duration = Duration::from_mins(1);
/// How many of them go in one write.
const STEP: u64 = 256;

/// Spells the answer from what was written; none where that is not to be kept.
type Spell<T> = Arc<dyn Fn(&T) -> Option<KeptAnswer> + Send + Sync>;

/// For which call a write is, and how it is answered.
pub struct Receipt<T> {
    /// The call.
    call: KeyedCall,
    /// How many are kept, and how long.
    bounds: KeyBounds,
    /// How it is answered.
    spell: Spell<T>,
}

impl<T> Clone for Receipt<T> {
    fn clone(&self) -> Self {
        Self { call: self.call.clone(), bounds: self.bounds, spell: Arc::clone(&self.spell) }
    }
}

impl<T: 'static> Receipt<T> {
    /// The call.
    pub const fn call(&self) -> &KeyedCall {
        &self.call
    }

    /// A receipt for a call that is answered so.
    pub fn new(
        call: KeyedCall,
        bounds: KeyBounds,
        spell: impl Fn(&T) -> Option<KeptAnswer> + Send + Sync + 'static,
    ) -> Self {
        Self { call, bounds, spell: Arc::new(spell) }
    }

    /// The receipt for a write of which it is known before what comes of it.
    #[must_use]
    pub fn of<U>(self, value: T) -> Receipt<U>
    where
        T: Send + Sync,
    {
        let Self { call, bounds, spell } = self;
        Receipt { call, bounds, spell: Arc::new(move |_| spell(&value)) }
    }

    /// Runs a write of this call, unless the call has been carried out already.
    fn run(
        self,
        store: &mut dyn WriteStore,
        job: impl FnOnce(&mut dyn WriteStore) -> StoreResult<T>,
    ) -> StoreResult<T> {
        let now = clock::now();
        store.claim_key(&self.call, now.earlier(self.bounds.window))?;
        let value = job(store)?;
        if let Some(answer) = (self.spell)(&value) {
            store.keep_answer(&self.call, now, &answer, &self.bounds)?;
        }
        Ok(value)
    }
}

/// A write that belongs to a call, if there is a receipt: key, effect and answer stand or fall together.
fn once<T: 'static>(
    receipt: Option<Receipt<T>>,
    job: impl FnOnce(&mut dyn WriteStore) -> StoreResult<T>,
) -> impl FnOnce(&mut dyn WriteStore) -> StoreResult<T> {
    move |store| match receipt {
        Some(receipt) => atomically(store, |store| receipt.run(store, job)),
        None => job(store),
    }
}

impl Persistence {
    /// Runs a write and keeps the answer to its call: both or neither. Without a receipt this is a plain write.
    ///
    /// # Errors
    /// As [`Persistence::write`]; `Answered` where the call was carried out before, and then nothing is done.
    pub fn write_once<T, F>(
        &self,
        receipt: Option<Receipt<T>>,
        job: F,
    ) -> impl Future<Output = Result<T, AskError>> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn WriteStore) -> StoreResult<T> + Send + 'static,
    {
        self.write(once(receipt, job))
    }

    /// The same for a write that is the cause of events, see [`Persistence::write_causing`].
    ///
    /// # Errors
    /// As [`Self::write_once`].
    pub fn write_once_causing<T, F, E>(
        &self,
        receipt: Option<Receipt<T>>,
        is_wanted: bool,
        job: F,
        events: E,
    ) -> impl Future<Output = Result<T, AskError>> + use<T, F, E>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn WriteStore) -> StoreResult<T> + Send + 'static,
        E: FnOnce(&T) -> Vec<HookEvent> + Send + 'static,
    {
        // What is written for the call, its events and its answer are one: the outer write has its savepoint.
        self.write_causing(is_wanted, once(receipt, job), events)
    }

    /// Forgets answers that are older than this, in small steps, now and then, as long as the process runs.
    pub fn launch_pruning(&self, window: Duration) {
        const TROUBLE: &str = "answers that are too old could not be forgotten";
        self.launch_look(LOOK, TROUBLE, move |persistence| async move {
            persistence.prune(window).await
        });
    }

    /// Forgets all answers that are older than this now. Where there are none, nothing is written.
    async fn prune(&self, window: Duration) -> Result<(), AskError> {
        let mut last: Option<KeyScope> = None;
        loop {
            let (behind, oldest) = (last.clone(), clock::now().earlier(window));
            let next = self.read(move |store| store.next_answers(behind.as_ref())).await?;
            let Some((scope, at)) = next else { return Ok(()) };
            if at <= oldest {
                in_steps(|| self.prune_scope(scope.clone(), oldest)).await?;
            }
            last = Some(scope);
        }
    }

    /// Forgets some of the answers of a scope that are older than this; whether there may be more.
    async fn prune_scope(&self, scope: KeyScope, oldest: Timestamp) -> Result<bool, AskError> {
        let pruned = self.write(move |store| store.prune_answers(&scope, oldest, STEP)).await?;
        Ok(pruned >= STEP)
    }

    /// A call is not carried out any more, because what it did was taken back: its key is free.
    ///
    /// # Errors
    /// As [`Persistence::write`].
    pub async fn free_key(&self, call: KeyedCall) -> Result<(), AskError> {
        self.write(move |store| store.free_key(&call)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Digest, FirstCall, Permissions, ProjectId, Timestamp};
    use crate::store::diesel::SqliteDatabase;
    use bytes::Bytes;

    /// A call of a project.
    fn call(project: &str, name: &str) -> KeyedCall {
        KeyedCall {
            scope: KeyScope::Project(ProjectId::from(project)),
            key: Digest::of(&[name.as_bytes()]),
            call: FirstCall { asked: Digest::of(&[]), permissions: Permissions::OWNER },
        }
    }

    #[actix_rt::test]
    async fn what_is_too_old_is_forgotten_in_all_scopes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::open(&folder.path().join("warren.db"), 1).unwrap();
        let persistence = Persistence::start(Arc::new(database)).unwrap();
        let (window, now) = (Duration::from_secs(100), clock::now());
        let answer = KeptAnswer { status: 204, headers: Vec::new(), body: Bytes::new() };
        let old = Timestamp(now.0 - 200_000);
        let kept = |project: &'static str, name: String, at| {
            let answer = answer.clone();
            persistence.write(move |store| {
                store.keep_answer(&call(project, &name), at, &answer, &KeyBounds::default())
            })
        };
        for n in 0..STEP + 10 {
            kept("a", n.to_string(), old).await.unwrap();
        }
        for project in ["a", "b"] {
            kept(project, "new".to_owned(), now).await.unwrap();
        }
        persistence.prune(window).await.unwrap();
        let left = |project: &'static str, name: &'static str| {
            let call = call(project, name);
            persistence.read(move |store| store.find_answer(&call.scope, &call.key))
        };
        for (project, name, is_left) in
            [("a", "0", false), ("a", "265", false), ("a", "new", true), ("b", "new", true)]
        {
            assert_eq!(left(project, name).await.unwrap().is_some(), is_left, "{project} {name}");
        }
    }
}

//! Where a shard is found: the same place while one shard after the other stands in it.

use crate::actor::tell::tell;
use crate::ask::AskError;
use actix::dev::MessageResponse;
use actix::prelude::*;
use std::cell::Cell;
use std::sync::{Arc, PoisonError, RwLock};

/// How often what a shard crashed over, or what it had not looked at by then, is asked of the next one.
const ATTEMPTS: usize = 3;

thread_local! {
    /// Whether a shard of this thread is just being replaced.
    static IS_REPLACING: Cell<bool> = const { Cell::new(false) };
}

/// The way to a shard, cheap to clone. What a shard is, it does not need to know.
pub struct ActorPlace<S: Actor>(Arc<RwLock<Option<Addr<S>>>>);

impl<S: Actor> Clone for ActorPlace<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Actor> Default for ActorPlace<S> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<S: Actor<Context = Context<S>>> ActorPlace<S> {
    /// The shard that stands here; none before the first has settled.
    fn shard(&self) -> Option<Addr<S>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a shard stands here.
    pub fn is_settled(&self) -> bool {
        self.shard().is_some_and(|shard| shard.connected())
    }

    /// From now on this one stands here.
    pub fn settle(&self, shard: Addr<S>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(shard);
    }

    /// Puts another one in the place of one that has crashed. A thread that comes to its end drops what is started at once;
    /// what is dropped in here is not replaced, or that would never end.
    pub(super) fn replace(&self, start: impl FnOnce() -> Addr<S>) {
        if !IS_REPLACING.replace(true) {
            self.settle(start());
            IS_REPLACING.set(false);
        }
    }

    /// Tells the shard something that it can do without if it crashes: what lives is looked at then.
    pub fn tell<M>(&self, message: M)
    where
        S: Handler<M>,
        M: Message + Send + 'static,
        M::Result: MessageResponse<S, M> + Send,
    {
        if let Some(shard) = self.shard() {
            tell(&shard, message);
        }
    }

    /// Asks the shard; one that crashes before it has answered has a successor, which is asked then.
    ///
    /// # Errors
    /// [`AskError::Overloaded`] before a shard has settled, [`AskError::Closed`] where all that were asked crashed, or the
    /// thread has ended.
    pub async fn ask<M>(&self, make: impl Fn() -> M) -> Result<M::Result, AskError>
    where
        S: Handler<M>,
        M: Message + Send + 'static,
        M::Result: MessageResponse<S, M> + Send,
    {
        for _ in 0..ATTEMPTS {
            let shard = self.shard().ok_or(AskError::Overloaded)?;
            if let Ok(answer) = shard.send(make()).await {
                return Ok(answer);
            }
        }
        Err(AskError::Closed)
    }

    /// Asks the shard for an actor, which it may have to load; where it crashes meanwhile, its successor.
    ///
    /// # Errors
    /// As [`Self::ask`], and what the loading came to.
    pub async fn resolve<A, M>(&self, make: impl Fn() -> M) -> Result<Addr<A>, AskError>
    where
        A: Actor,
        S: Handler<M>,
        M: Message<Result = Result<Addr<A>, AskError>> + Send + 'static,
    {
        for _ in 0..ATTEMPTS {
            match self.ask(&make).await? {
                Err(AskError::Closed) => {}
                outcome => return outcome,
            }
        }
        Err(AskError::Closed)
    }
}

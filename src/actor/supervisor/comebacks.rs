//! Those who come back after a restart: what the stop before it knew of what they have not heard (`docs/adr/0019`).

use super::Supervisor;
use crate::ask::AskError;
use crate::domain::{LeapTokenId, MISSED_UNKNOWN};
use crate::store::Unheard;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known of who comes back.
#[derive(Default)]
pub(super) struct Comebacks(Mutex<KnownUnheard>);

/// How many messages each token's next connection has missed.
struct KnownUnheard {
    /// Of these tokens.
    tokens: HashMap<LeapTokenId, u64>,
    /// Of all others.
    others: u64,
}

impl Default for KnownUnheard {
    /// Nothing is known.
    fn default() -> Self {
        Self { tokens: HashMap::new(), others: MISSED_UNKNOWN }
    }
}

impl Comebacks {
    /// What is known.
    fn known(&self) -> MutexGuard<'_, KnownUnheard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    /// Takes over what the stop before this start has left. To be called before anybody connects.
    ///
    /// # Errors
    /// [`AskError`] where the store does not give it.
    pub async fn take_unheard(&self) -> Result<(), AskError> {
        let Unheard { others, tokens } =
            self.persistence().write(|store| store.take_unheard()).await?;
        let tokens = tokens.into_iter().collect();
        *self.0.comebacks.known() = KnownUnheard { tokens, others };
        Ok(())
    }

    /// How many messages from before the start a token's next connection has missed.
    pub(in crate::actor) fn unheard_before_start(&self, token: &LeapTokenId) -> u64 {
        let known = self.0.comebacks.known();
        known.tokens.get(token).copied().unwrap_or(known.others)
    }

    /// Something has crashed that knew of what was said since the start: nobody knows any more what is missing of that.
    pub(in crate::actor) fn forget_unheard(&self) {
        *self.0.comebacks.known() = KnownUnheard::default();
    }
}

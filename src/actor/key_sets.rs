//! The key sets that issuers publish, fetched when they are needed and kept as long as [`crate::jwt::set_cache`] says.

use super::hooks::Hooks;
use crate::domain::JwtAlgorithm;
use crate::jwt::set_cache::{SetCache, SetPlan};
use crate::jwt::{JwtRefusal, KeySet};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// The most addresses that are known; past it any one is forgotten and fetched again when it is needed.
const MAX_KNOWN: usize = 1000;

/// What is known of one address.
#[derive(Default)]
struct KnownSet {
    /// The set and its times.
    cache: Mutex<SetCache>,
    /// Held while it is fetched, so that all who need it wait for the same fetch.
    fetching: tokio::sync::Mutex<()>,
}

impl KnownSet {
    /// The set and its times. A panic elsewhere leaves nothing half-done in it.
    fn cache(&self) -> MutexGuard<'_, SetCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key sets of all issuers; cheap to clone, one memory for all.
#[derive(Clone, Default)]
pub(super) struct KeySets(Arc<Mutex<HashMap<String, Arc<KnownSet>>>>);

impl KeySets {
    /// The set of an address, fetched if it has to be for a token of this header.
    ///
    /// # Errors
    /// [`JwtRefusal::KeysUnavailable`].
    pub(super) async fn find(
        &self,
        hooks: &Hooks,
        url: &str,
        algorithm: JwtAlgorithm,
        kid: Option<&str>,
    ) -> Result<Arc<KeySet>, JwtRefusal> {
        let known = self.known(url);
        let plan = |known: &KnownSet| {
            let has = |set: &KeySet| set.candidates(algorithm, kid).next().is_some();
            known.cache().plan(has, Instant::now())
        };
        match plan(&known) {
            SetPlan::Use(set) => return Ok(set),
            SetPlan::Unavailable => return Err(JwtRefusal::KeysUnavailable),
            SetPlan::Refresh(set) => {
                let (hooks, url) = (hooks.clone(), url.to_owned());
                actix::spawn(async move { fetch(&hooks, &url, &known).await });
                return Ok(set);
            }
            SetPlan::Fetch => {}
        }
        let turn = known.fetching.lock().await;
        // Somebody may have fetched it meanwhile.
        if matches!(plan(&known), SetPlan::Fetch) {
            fetch_in_turn(hooks, url, &known).await;
        }
        drop(turn);
        let set = known.cache().set(Instant::now());
        set.ok_or(JwtRefusal::KeysUnavailable)
    }

    /// What is known of an address.
    fn known(&self, url: &str) -> Arc<KnownSet> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(url) {
            return Arc::clone(known);
        }
        if all.len() >= MAX_KNOWN
            && let Some(any) = all.keys().next().cloned()
        {
            all.remove(&any);
        }
        Arc::clone(all.entry(url.to_owned()).or_default())
    }
}

/// Fetches a set beside its use, unless somebody does already.
async fn fetch(hooks: &Hooks, url: &str, known: &KnownSet) {
    if let Ok(_turn) = known.fetching.try_lock() {
        fetch_in_turn(hooks, url, known).await;
    }
}

/// Fetches a set; what there was stays where it does not come.
async fn fetch_in_turn(hooks: &Hooks, url: &str, known: &KnownSet) {
    known.cache().try_now(Instant::now());
    match hooks.fetch_keys(url.to_owned()).await {
        Ok(set) => known.cache().came(set, Instant::now()),
        // The path of an address may be a secret.
        Err(reason) => tracing::warn!(reason, "the keys of an issuer were not fetched"),
    }
}

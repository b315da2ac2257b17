//! How long a fetched set of keys is used, and when it is fetched again.
//!
//! A key that is not in it lets it be fetched anew, so that a new key works at once; but not more often than [`PAUSE`]
//! allows, whoever makes up names of keys. While the issuer does not answer, what there is goes on for a day.

use super::key_set::KeySet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// After so long a set is fetched again beside its use.
pub const FRESH: Duration = Duration::from_mins(10);
/// The least time between two attempts, whatever they brought.
pub const PAUSE: Duration = Duration::from_secs(15);
/// So long a set is used that cannot be fetched again.
pub const STALE: Duration = Duration::from_hours(24);

/// What is known of one address.
#[derive(Default)]
pub struct SetCache {
    /// The set, and when it came.
    set: Option<(Arc<KeySet>, Instant)>,
    /// When it was tried to fetch it.
    tried: Option<Instant>,
}

/// What to do about a token.
pub enum SetPlan {
    /// This is what there is.
    Use(Arc<KeySet>),
    /// The same, and it is to be fetched beside.
    Refresh(Arc<KeySet>),
    /// It has to be fetched before anything can be said.
    Fetch,
    /// There is nothing, and it is too early to try again.
    Unavailable,
}

impl SetCache {
    /// What to do about a token at a time; `has` says whether a set has its key.
    pub fn plan(&self, has: impl FnOnce(&KeySet) -> bool, now: Instant) -> SetPlan {
        let may_try = self.tried.is_none_or(|tried| now - tried >= PAUSE);
        match &self.set {
            Some((_, came)) if now - *came >= STALE && may_try => SetPlan::Fetch,
            Some((_, came)) if now - *came >= STALE => SetPlan::Unavailable,
            Some((set, _)) if may_try && !has(set) => SetPlan::Fetch,
            Some((set, came)) if may_try && now - *came >= FRESH => {
                SetPlan::Refresh(Arc::clone(set))
            }
            Some((set, _)) => SetPlan::Use(Arc::clone(set)),
            None if may_try => SetPlan::Fetch,
            None => SetPlan::Unavailable,
        }
    }

    /// It is tried to fetch it.
    pub const fn try_now(&mut self, now: Instant) {
        self.tried = Some(now);
    }

    /// It came.
    pub fn came(&mut self, set: KeySet, now: Instant) {
        self.set = Some((Arc::new(set), now));
    }

    /// What there is, however old within its bound.
    pub fn set(&self, now: Instant) -> Option<Arc<KeySet>> {
        let (set, came) = self.set.as_ref()?;
        (now - *came < STALE).then(|| Arc::clone(set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word for a plan.
    fn word(plan: &SetPlan) -> &'static str {
        match plan {
            SetPlan::Use(_) => "use",
            SetPlan::Refresh(_) => "refresh",
            SetPlan::Fetch => "fetch",
            SetPlan::Unavailable => "unavailable",
        }
    }

    #[test]
    fn a_set_is_fetched_when_it_is_needed_and_not_more_often_than_allowed() {
        let (mut cache, begin) = (SetCache::default(), Instant::now());
        let plan = |cache: &SetCache, has: bool, after: Duration| {
            word(&cache.plan(|_| has, begin + after))
        };
        assert_eq!(plan(&cache, false, Duration::ZERO), "fetch");
        cache.try_now(begin);
        assert_eq!(plan(&cache, false, Duration::from_secs(1)), "unavailable");
        assert_eq!(plan(&cache, false, PAUSE), "fetch");
        cache.came(KeySet::default(), begin);
        assert_eq!(plan(&cache, true, Duration::from_secs(1)), "use");
        // A name that nobody has lets it be fetched, once in a while.
        assert_eq!(plan(&cache, false, Duration::from_secs(1)), "use");
        assert_eq!(plan(&cache, false, PAUSE), "fetch");
        assert_eq!(plan(&cache, true, FRESH), "refresh");
        cache.try_now(begin + FRESH);
        assert_eq!(plan(&cache, true, FRESH + Duration::from_secs(1)), "use");
        // The issuer does not answer: what there is goes on, and not for ever.
        let late = STALE.saturating_sub(Duration::from_secs(1));
        assert_eq!(plan(&cache, true, late), "refresh");
        assert!(cache.set(begin + late).is_some());
        cache.try_now(begin + late);
        assert_eq!(plan(&cache, true, STALE), "unavailable");
        assert_eq!(plan(&cache, true, STALE + PAUSE), "fetch");
        assert!(cache.set(begin + STALE).is_none());
    }
}

//! How many calls a second a token may make, and an address (`docs/adr/0031-rates-of-calls.md`).
//!
//! What is counted is decided here and in `meter`, what is left by `buckets`, which know neither clock nor lock.

mod buckets;
mod meter;

pub(crate) use meter::Meter;
pub(super) use meter::{count_address, count_again, count_credential, refusal};

use crate::metrics::Label;
use crate::store::SecretHash;
use buckets::Buckets;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Senders are spread over so many locks.
const SHARDS: usize = 16;
/// The most senders behind one of them; past it who lacks least is forgotten, and begins anew.
const MOST_OF_SHARD: usize = 4096;

/// How many calls a second one sender may make, and as many at once; 0 for any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLimits {
    /// Of one token.
    pub credential: u32,
    /// Of one address, for IPv6 one /64.
    pub address: u32,
}

impl RequestLimits {
    /// Both in one number.
    fn packed(self) -> u64 {
        u64::from(self.credential) << 32 | u64::from(self.address)
    }

    /// Both out of it.
    fn unpacked(packed: u64) -> Self {
        // Each half fits.
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Self { credential: half(packed >> 32), address: half(packed) }
    }
}

/// What a sender is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedSender {
    /// Its token.
    Credential,
    /// Its address.
    Address,
}

impl LimitedSender {
    /// What it is called in headers and metrics.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Address => "address",
        }
    }

    /// The same as a label.
    const fn label(self) -> Label {
        Label::Word(self.word())
    }
}

/// A sender has asked for more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyCalls {
    /// What it is known by.
    pub sender: LimitedSender,
    /// How many calls a second it may make.
    pub limit: u32,
}

impl fmt::Display for TooManyCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sender, limit } = self;
        let who = match sender {
            LimitedSender::Credential => "with this token",
            LimitedSender::Address => "from this address",
        };
        write!(f, "too many calls {who}: at most {limit} a second, and as many at once")
    }
}

/// Counts calls; cheap to clone, one count for all workers.
#[derive(Clone)]
pub(crate) struct RequestRates(Arc<SharedRates>);

/// What is shared.
struct SharedRates {
    /// The limits, packed: who finds none has looked once and is done.
    limits: AtomicU64,
    /// What time is counted from.
    began: Instant,
    /// By token.
    credentials: Senders<SecretHash>,
    /// By address.
    addresses: Senders<IpAddr>,
}

impl RequestRates {
    /// Nobody has asked for anything.
    pub(crate) fn new(limits: RequestLimits) -> Self {
        Self(Arc::new(SharedRates {
            limits: AtomicU64::new(limits.packed()),
            began: Instant::now(),
            credentials: Senders::new(),
            addresses: Senders::new(),
        }))
    }

    /// Changes the limits for every call from now on.
    pub(crate) fn change(&self, limits: RequestLimits) {
        self.0.limits.store(limits.packed(), Ordering::Relaxed);
        if limits.credential == 0 {
            self.0.credentials.clear();
        }
        if limits.address == 0 {
            self.0.addresses.clear();
        }
    }

    /// The limits; none where nothing is limited.
    pub(super) fn limits(&self) -> Option<RequestLimits> {
        let packed = self.0.limits.load(Ordering::Relaxed);
        (packed != 0).then(|| RequestLimits::unpacked(packed))
    }

    /// How many nanoseconds have passed.
    fn now(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The buckets of senders of one kind.
struct Senders<K> {
    /// Says behind which lock a sender is, so that nobody can choose it.
    spread: RandomState,
    /// The buckets.
    shards: [Mutex<Buckets<K>>; SHARDS],
}

impl<K: Hash + Eq + Copy> Senders<K> {
    /// All buckets are full.
    fn new() -> Self {
        let shard = |_| Mutex::new(Buckets::new(MOST_OF_SHARD));
        Self { spread: RandomState::new(), shards: std::array::from_fn(shard) }
    }

    /// The buckets among which a sender's is.
    fn shard(&self, sender: &K) -> MutexGuard<'_, Buckets<K>> {
        let [first, ..] = &self.shards;
        let at = usize::from(self.spread.hash_one(sender).to_le_bytes()[0]) % SHARDS;
        locked(self.shards.get(at).unwrap_or(first))
    }

    /// Forgets everybody.
    fn clear(&self) {
        self.shards.iter().for_each(|shard| locked(shard).clear());
    }
}

/// The buckets behind a lock. A panic elsewhere leaves nothing half-done in them.
fn locked<K>(shard: &Mutex<Buckets<K>>) -> MutexGuard<'_, Buckets<K>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_what_they_were_when_they_are_taken_out() {
        for (credential, address) in [(0, 1), (1, 0), (7, u32::MAX), (u32::MAX, 9)] {
            let limits = RequestLimits { credential, address };
            assert_eq!(RequestRates::new(limits).limits(), Some(limits));
        }
        let rates = RequestRates::new(RequestLimits::default());
        assert_eq!(rates.limits(), None);
        rates.change(RequestLimits { credential: 1, address: 0 });
        assert!(rates.clone().limits().is_some());
    }

    #[test]
    fn senders_are_spread_and_forgotten_together() {
        let senders = Senders::new();
        for sender in 0..1000_u32 {
            senders.shard(&sender).take(sender, 1, 0);
        }
        let shards = senders.shards.iter().filter(|shard| {
            let again = (0..1000).filter(|sender| locked(shard).take(*sender, 1, 0).is_none());
            again.count() > 0
        });
        assert!(shards.count() > SHARDS / 2);
        senders.clear();
        assert_eq!(senders.shard(&1).take(1, 1, 0), Some(0));
    }
}

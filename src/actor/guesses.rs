//! Secrets and projects that do not exist: remembered for a while, and bounded for each address.
//!
//! Each distinct one costs a look-up in the store. An address that has had its share of failures gets no more look-ups of
//! its own: those of all such addresses take turns, one at a time and with pauses, so that a secret which is right is still
//! found there and guessing costs the others nothing.

use crate::domain::project::{SecretHash, secret_hash};
use crate::domain::{ProjectId, network_of};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// The most guesses that are remembered, and the most addresses; at the bound any one of them makes room.
const MAX_REMEMBERED: usize = 10_000;
/// How long a guess is refused without another look at the store.
const REFUSED_FOR: Duration = Duration::from_mins(1);
/// What a limit is for.
const PERIOD: Duration = Duration::from_mins(1);
/// How many look-ups of addresses over their limit may wait for their turn.
const MAX_WAITING: usize = 64;
/// How long a turn lasts that found nobody.
const TURN: Duration = Duration::from_millis(10);

/// Too many wait already for the turns of addresses that have had their share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyGuesses;

/// What may turn out not to exist. Kept by its hash: it may be long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guess {
    /// A secret.
    Secret(SecretHash),
    /// A project's id.
    Project(SecretHash),
}

impl Guess {
    /// That a project exists.
    pub fn project(id: &ProjectId) -> Self {
        Self::Project(secret_hash(id.as_str()))
    }
}

/// The failures; cheap to clone, one memory for all.
#[derive(Clone)]
pub struct Guesses {
    /// The failing look-ups of one address in a minute; 0 for no bound.
    limit: u32,
    /// What is remembered.
    memory: Arc<Mutex<Memory>>,
    /// Who waits for a turn.
    waiting: Arc<Semaphore>,
    /// Whose turn it is.
    turns: Arc<Semaphore>,
}

/// What is remembered.
#[derive(Default)]
struct Memory {
    /// What did not exist when the store was asked, and when that was.
    refused: HashMap<Guess, Instant>,
    /// When each address will have made up for its failures.
    even: HashMap<IpAddr, Instant>,
}

/// The turn of an address that is over its limit.
pub struct GuessTurn<'a> {
    /// A place among those who wait.
    _waiting: SemaphorePermit<'a>,
    /// The turn.
    _turn: SemaphorePermit<'a>,
}

impl Guesses {
    /// Nothing remembered.
    pub fn new(limit: u32) -> Self {
        Self {
            limit,
            memory: Arc::default(),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            turns: Arc::new(Semaphore::new(1)),
        }
    }

    /// Whether this did not exist a moment ago.
    pub fn is_refused(&self, guess: &Guess, now: Instant) -> bool {
        let memory = self.memory();
        memory.refused.get(guess).is_some_and(|since| now - *since < REFUSED_FOR)
    }

    /// Whether an address has had its share of failures.
    pub fn is_over(&self, address: Option<IpAddr>, now: Instant) -> bool {
        let Some(step) = self.step() else { return false };
        let Some(address) = address.map(network_of) else { return false };
        let even = self.memory().even.get(&address).copied();
        even.is_some_and(|even| even + step > now + PERIOD)
    }

    /// Waits for the turn of an address that is over its limit.
    ///
    /// # Errors
    /// [`TooManyGuesses`] when too many wait already.
    pub async fn turn(&self) -> Result<GuessTurn<'_>, TooManyGuesses> {
        let waiting = self.waiting.try_acquire().ok().ok_or(TooManyGuesses)?;
        // It is never closed.
        let turn = self.turns.acquire().await.ok().ok_or(TooManyGuesses)?;
        Ok(GuessTurn { _waiting: waiting, _turn: turn })
    }

    /// Notes that this does not exist.
    pub fn note(&self, guess: Guess, address: Option<IpAddr>, now: Instant) {
        let mut memory = self.memory();
        keep(&mut memory.refused, guess, now);
        if let (Some(step), Some(address)) = (self.step(), address.map(network_of)) {
            let even = memory.even.get(&address).copied().unwrap_or(now).max(now) + step;
            keep(&mut memory.even, address, even.min(now + PERIOD));
        }
    }

    /// How long it takes to make up for one failure; none without a bound.
    fn step(&self) -> Option<Duration> {
        PERIOD.checked_div(self.limit)
    }

    /// The memory. A panic elsewhere leaves nothing half-done in it.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GuessTurn<'_> {
    /// Ends a turn that found nobody, not before its time.
    pub async fn pass(self) {
        tokio::time::sleep(TURN).await;
    }
}

/// Keeps a value within the bound.
fn keep<K: Hash + Eq + Copy, V>(map: &mut HashMap<K, V>, key: K, value: V) {
    if map.len() >= MAX_REMEMBERED
        && !map.contains_key(&key)
        && let Some(any) = map.keys().next().copied()
    {
        map.remove(&any);
    }
    map.insert(key, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address.
    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    /// A guess.
    fn secret(text: &str) -> Guess {
        Guess::Secret(secret_hash(text))
    }

    #[test]
    fn an_address_is_over_its_limit_until_it_has_made_up_for_it() {
        let guesses = Guesses::new(60);
        let now = Instant::now();
        for n in 0..60 {
            assert!(!guesses.is_over(HERE, now), "{n}");
            guesses.note(secret(&n.to_string()), HERE, now);
        }
        assert!(guesses.is_over(HERE, now));
        assert!(!guesses.is_over("::1".parse().ok(), now));
        assert!(!guesses.is_over(None, now));
        assert!(!guesses.is_over(HERE, now + Duration::from_secs(1)));
        // However many follow, it is over after a minute.
        for n in 60..1000 {
            guesses.note(secret(&n.to_string()), HERE, now);
        }
        assert!(guesses.is_over(HERE, now));
        assert!(!guesses.is_over(HERE, now + PERIOD));
    }

    #[test]
    fn networks_of_ipv6_count_as_one_and_zero_is_no_bound() {
        let (one, free) = (Guesses::new(1), Guesses::new(0));
        let now = Instant::now();
        for guesses in [&one, &free] {
            guesses.note(secret("a"), "2001:db8::1".parse().ok(), now);
        }
        assert!(one.is_over("2001:db8::2".parse().ok(), now));
        assert!(!one.is_over("2001:db8:0:1::1".parse().ok(), now));
        assert!(!free.is_over("2001:db8::1".parse().ok(), now));
    }

    #[test]
    fn refusals_are_remembered_for_a_minute_and_within_a_bound() {
        let guesses = Guesses::new(60);
        let now = Instant::now();
        for n in 0..MAX_REMEMBERED + 10 {
            let address = IpAddr::from(u32::try_from(n).unwrap().to_be_bytes());
            guesses.note(secret(&n.to_string()), Some(address), now);
        }
        let memory = guesses.memory();
        assert_eq!((memory.refused.len(), memory.even.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        drop(memory);
        let last = secret(&(MAX_REMEMBERED + 9).to_string());
        assert!(guesses.is_refused(&last, now));
        assert!(!guesses.is_refused(&last, now + REFUSED_FOR));
        assert!(!guesses.is_refused(&secret("never asked"), now));
        // A secret is no project's id, even where it is written like one.
        guesses.note(Guess::project(&ProjectId::from("a")), HERE, now);
        assert!(guesses.is_refused(&Guess::project(&ProjectId::from("a")), now));
        assert!(!guesses.is_refused(&secret("a"), now));
    }

    #[tokio::test(start_paused = true)]
    async fn those_over_their_limit_take_turns_and_few_may_wait() {
        let guesses = Guesses::new(1);
        let first = guesses.turn().await.unwrap();
        let mut others: Vec<_> = (1..MAX_WAITING).map(|_| Box::pin(guesses.turn())).collect();
        for other in &mut others {
            assert!(futures_util::poll!(other.as_mut()).is_pending());
        }
        assert!(matches!(guesses.turn().await, Err(TooManyGuesses)));
        let began = Instant::now();
        first.pass().await;
        assert_eq!(began.elapsed(), TURN);
        assert!(others.remove(0).await.is_ok());
    }
}

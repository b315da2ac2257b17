//! Keys in memory: those whose call is under way, and the answers to calls that the store keeps nothing of.
//!
//! A machine: what happens and when comes in as an argument.

use crate::domain::{Digest, FirstCall, KeptAnswer, KeyBounds, KeyScope, KeyedCall, Reused};
use indexmap::IndexMap;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::time::Instant;

/// What a key costs besides the bytes of its answer: its entry, and its place in the order.
const ENTRY_BYTES: usize = 256;
/// How many keys that are too old go in one step, of those that are asked about and of others.
const STEP: usize = 32;

/// What is known of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyState {
    /// Nothing; from now on its call is under way, under this number.
    New(u64),
    /// Its call is under way.
    UnderWay,
    /// The answer to its call.
    Answered(Arc<KeptAnswer>),
    /// It is no good for this call.
    Reused(Reused),
}

/// One key.
struct KeyEntry {
    /// What it stands for.
    first: FirstCall,
    /// Tells it from a later entry of the same key.
    number: u64,
    /// The answer and when it was given; none while the call is under way.
    answer: Option<(Instant, Arc<KeptAnswer>)>,
}

/// The keys of one scope.
#[derive(Default)]
struct ScopeKeys {
    /// By key.
    entries: HashMap<Digest, KeyEntry>,
    /// Those that are answered, oldest first.
    order: VecDeque<(u64, Digest)>,
    /// What those cost, bytes.
    bytes: usize,
}

/// All keys.
pub(super) struct KeyMemory {
    /// The bounds of each scope.
    bounds: KeyBounds,
    /// The bound on what all cost together, bytes.
    most_bytes: usize,
    /// Scopes that have keys.
    scopes: IndexMap<KeyScope, ScopeKeys>,
    /// What all cost, bytes.
    bytes: usize,
    /// The last number given out.
    number: u64,
    /// The scope that is looked through next for what is too old.
    next: usize,
}

/// What a kept answer costs.
fn cost(answer: &KeptAnswer) -> usize {
    answer.len_bytes().saturating_add(ENTRY_BYTES)
}

impl ScopeKeys {
    /// Drops the oldest answer; returns what that frees.
    fn drop_oldest(&mut self) -> usize {
        let Some((number, key)) = self.order.pop_front() else { return 0 };
        if self.entries.get(&key).is_none_or(|entry| entry.number != number) {
            return 0;
        }
        let dropped = self.entries.remove(&key).and_then(|entry| entry.answer);
        let freed = dropped.map_or(0, |(_, answer)| cost(&answer));
        self.bytes = self.bytes.saturating_sub(freed);
        freed
    }

    /// Drops some of those that were answered before that time; returns what that frees.
    fn drop_before(&mut self, oldest: Option<Instant>) -> usize {
        let mut freed = 0;
        for _ in 0..STEP {
            let Some((number, key)) = self.order.front() else { break };
            let entry = self.entries.get(key).filter(|entry| entry.number == *number);
            let entry = entry.and_then(|entry| entry.answer.as_ref());
            if entry.is_some_and(|(at, _)| oldest.is_none_or(|oldest| *at > oldest)) {
                break;
            }
            freed += self.drop_oldest();
        }
        freed
    }
}

impl KeyMemory {
    /// An empty one.
    pub(super) fn new(bounds: KeyBounds, most_bytes: usize) -> Self {
        let scopes = IndexMap::new();
        Self { bounds, most_bytes, scopes, bytes: 0, number: 0, next: 0 }
    }

    /// The time before which answers are too old, if there is one yet.
    fn oldest(&self, now: Instant) -> Option<Instant> {
        now.checked_sub(self.bounds.window)
    }

    /// Looks a key up, and takes it for this call if it is free.
    pub(super) fn claim(&mut self, call: &KeyedCall, now: Instant) -> KeyState {
        self.drop_some(&call.scope, now);
        let oldest = self.oldest(now);
        self.number += 1;
        let number = self.number;
        let keys = self.scopes.entry(call.scope.clone()).or_default();
        if let Some(entry) = keys.entries.get(&call.key) {
            match (&entry.answer, call.repeats(&entry.first)) {
                (Some((at, _)), _) if oldest.is_some_and(|oldest| *at <= oldest) => {}
                (_, Err(reused)) => return KeyState::Reused(reused),
                (Some((_, answer)), Ok(())) => return KeyState::Answered(Arc::clone(answer)),
                (None, Ok(())) => return KeyState::UnderWay,
            }
        }
        let before =
            keys.entries.insert(call.key, KeyEntry { first: call.call, number, answer: None });
        let freed = before.and_then(|entry| entry.answer).map_or(0, |(_, answer)| cost(&answer));
        keys.bytes = keys.bytes.saturating_sub(freed);
        self.bytes = self.bytes.saturating_sub(freed);
        KeyState::New(number)
    }

    /// The call of this number has ended, and its key is free again.
    pub(super) fn release(&mut self, call: &KeyedCall, number: u64) {
        let Some(keys) = self.scopes.get_mut(&call.scope) else { return };
        if is_under_way(keys, &call.key, number) {
            keys.entries.remove(&call.key);
        }
        self.forget_empty(&call.scope);
    }

    /// The call of this number was answered.
    pub(super) fn keep(&mut self, call: &KeyedCall, number: u64, answer: KeptAnswer, now: Instant) {
        let Some(keys) = self.scopes.get_mut(&call.scope) else { return };
        if !is_under_way(keys, &call.key, number) {
            return;
        }
        let bytes = cost(&answer);
        if let Some(entry) = keys.entries.get_mut(&call.key) {
            entry.answer = Some((now, Arc::new(answer)));
        }
        keys.order.push_back((number, call.key));
        keys.bytes = keys.bytes.saturating_add(bytes);
        self.bytes = self.bytes.saturating_add(bytes);
        let KeyBounds { keys: most, bytes: most_bytes, .. } = self.bounds;
        while keys.order.len() > most || (keys.bytes > most_bytes && keys.order.len() > 1) {
            self.bytes = self.bytes.saturating_sub(keys.drop_oldest());
        }
        self.make_room(&call.scope);
        self.forget_empty(&call.scope);
    }

    /// Drops the oldest of whoever has most, until all together are within their bound; of the one who has just been
    /// answered the newest stays.
    fn make_room(&mut self, newest: &KeyScope) {
        while self.bytes > self.most_bytes {
            let largest = self.scopes.iter_mut().max_by_key(|(_, keys)| keys.bytes);
            let Some((scope, keys)) = largest else { return };
            let least = usize::from(scope == newest);
            if keys.order.len() <= least {
                return;
            }
            for _ in 0..STEP.min(keys.order.len() - least) {
                self.bytes = self.bytes.saturating_sub(keys.drop_oldest());
            }
            let scope = scope.clone();
            self.forget_empty(&scope);
        }
    }

    /// Drops some of what is too old, of this scope and of one more, each in its turn.
    fn drop_some(&mut self, scope: &KeyScope, now: Instant) {
        let oldest = self.oldest(now);
        if oldest.is_none() {
            return;
        }
        self.next = if self.next + 1 < self.scopes.len() { self.next + 1 } else { 0 };
        let turn = self.scopes.get_index(self.next).map(|(scope, _)| scope.clone());
        for scope in [Some(scope), turn.as_ref()].into_iter().flatten() {
            let Some(keys) = self.scopes.get_mut(scope) else { continue };
            self.bytes = self.bytes.saturating_sub(keys.drop_before(oldest));
            self.forget_empty(scope);
        }
    }

    /// Forgets a scope that has no keys.
    fn forget_empty(&mut self, scope: &KeyScope) {
        if self.scopes.get(scope).is_some_and(|keys| keys.entries.is_empty()) {
            self.scopes.swap_remove(scope);
        }
    }
}

/// Whether a key is under way by the call of this number.
fn is_under_way(keys: &ScopeKeys, key: &Digest, number: u64) -> bool {
    let entry = keys.entries.get(key);
    entry.is_some_and(|entry| entry.number == number && entry.answer.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Permissions, ProjectId};
    use bytes::Bytes;
    use std::time::Duration;

    /// A call of a project with a key and a body.
    fn call(project: &str, key: &str, body: &str) -> KeyedCall {
        let asked = Digest::of(&[body.as_bytes()]);
        KeyedCall {
            scope: KeyScope::Project(ProjectId::from(project)),
            key: Digest::of_key(key.as_bytes()).unwrap(),
            call: FirstCall { asked, permissions: Permissions::OWNER },
        }
    }

    /// An answer with so many bytes.
    fn answer(bytes: usize) -> KeptAnswer {
        KeptAnswer { status: 200, headers: Vec::new(), body: Bytes::from(vec![b'x'; bytes]) }
    }

    /// A memory with these bounds, and so many bytes in all.
    fn memory(keys: usize, bytes: usize, most_bytes: usize) -> KeyMemory {
        let window = Duration::from_mins(1);
        KeyMemory::new(KeyBounds { window, keys, bytes }, most_bytes)
    }

    impl KeyMemory {
        /// Carries a call out if it is new; whether it was.
        fn run(&mut self, call: &KeyedCall, bytes: usize, now: Instant) -> bool {
            let KeyState::New(number) = self.claim(call, now) else { return false };
            self.keep(call, number, answer(bytes), now);
            true
        }

        /// Asserts that what is counted is what is there.
        fn assert_sound(&self) {
            let of = |keys: &ScopeKeys| -> usize {
                keys.entries.values().filter_map(|e| e.answer.as_ref()).map(|(_, a)| cost(a)).sum()
            };
            for keys in self.scopes.values() {
                assert_eq!(keys.bytes, of(keys));
                assert!(!keys.entries.is_empty());
            }
            assert_eq!(self.bytes, self.scopes.values().map(of).sum::<usize>());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_free_then_under_way_then_answered_then_free_again() {
        let (mut memory, now) = (memory(10, 1 << 20, 1 << 20), Instant::now());
        let (one, other) = (call("a", "k", "1"), call("a", "k", "2"));
        let KeyState::New(number) = memory.claim(&one, now) else { panic!("not new") };
        assert_eq!(memory.claim(&one, now), KeyState::UnderWay);
        assert_eq!(memory.claim(&other, now), KeyState::Reused(Reused::AnotherCall));
        memory.keep(&one, number, answer(3), now);
        assert_eq!(memory.claim(&one, now), KeyState::Answered(Arc::new(answer(3))));
        assert_eq!(memory.claim(&other, now), KeyState::Reused(Reused::AnotherCall));
        assert!(memory.run(&call("b", "k", "2"), 1, now), "another project's key is another");
        memory.assert_sound();
        let later = now + Duration::from_mins(1);
        assert!(memory.run(&other, 5, later));
        assert_eq!(memory.claim(&other, later), KeyState::Answered(Arc::new(answer(5))));
        memory.assert_sound();
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_not_remembered_frees_its_key_and_no_other() {
        let (mut memory, now) = (memory(10, 1 << 20, 1 << 20), Instant::now());
        let one = call("a", "k", "1");
        let KeyState::New(first) = memory.claim(&one, now) else { panic!("not new") };
        memory.release(&one, first);
        assert!(memory.scopes.is_empty(), "nothing is left of it");
        let KeyState::New(second) = memory.claim(&one, now) else { panic!("not free") };
        memory.release(&one, first);
        memory.keep(&one, first, answer(1), now);
        assert_eq!(memory.claim(&one, now), KeyState::UnderWay, "the late one touched the next");
        memory.keep(&one, second, answer(2), now);
        memory.release(&one, second);
        assert_eq!(memory.claim(&one, now), KeyState::Answered(Arc::new(answer(2))));
        memory.assert_sound();
    }

    #[tokio::test(start_paused = true)]
    async fn past_a_projects_bounds_the_oldest_go() {
        let (mut memory, now) = (memory(3, 10_000, 1 << 20), Instant::now());
        for key in ["1", "2", "3", "4"] {
            assert!(memory.run(&call("a", key, ""), 10, now));
        }
        assert!(!memory.run(&call("a", "2", ""), 10, now));
        assert!(memory.run(&call("a", "1", ""), 10, now), "the oldest was forgotten");
        // The newest stays, whatever its size.
        assert!(memory.run(&call("a", "big", ""), 20_000, now));
        assert!(!memory.run(&call("a", "big", ""), 10, now));
        assert!(memory.run(&call("a", "4", ""), 10, now));
        assert!(memory.run(&call("a", "big", ""), 10, now), "it was the first to go");
        memory.assert_sound();
    }

    #[tokio::test(start_paused = true)]
    async fn past_the_bound_of_all_whoever_has_most_loses_the_oldest() {
        let one = ENTRY_BYTES + 100;
        let (mut memory, now) = (memory(1000, 1 << 20, 100 * one), Instant::now());
        assert!(memory.run(&call("small", "k", ""), 100, now));
        for n in 0..1000 {
            assert!(memory.run(&call("greedy", &n.to_string(), ""), 100, now));
            assert!(memory.bytes <= 100 * one);
        }
        assert!(!memory.run(&call("small", "k", ""), 100, now));
        assert!(!memory.run(&call("greedy", "999", ""), 100, now));
        assert!(memory.run(&call("greedy", "0", ""), 100, now));
        memory.assert_sound();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_old_goes_in_small_steps_also_of_those_who_do_not_ask() {
        let (mut memory, now) = (memory(1000, 1 << 20, 1 << 20), Instant::now());
        for n in 0..200 {
            assert!(memory.run(&call("silent", &n.to_string(), ""), 1, now));
        }
        let later = now + Duration::from_secs(61);
        let held =
            |memory: &KeyMemory| memory.scopes.values().map(|k| k.order.len()).sum::<usize>();
        let mut before = held(&memory);
        for n in 0..20 {
            assert!(memory.run(&call("busy", &n.to_string(), ""), 1, later));
            let now = held(&memory);
            assert!(before < now + 2 * STEP, "{before} {now}");
            before = now;
        }
        assert_eq!(held(&memory), 20);
        memory.assert_sound();
    }
}

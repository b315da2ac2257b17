//! Who is alive: a map from ids to handles in which each id is loaded, held or ended by one at a time.

use crate::ask::AskError;
use crate::store::StoreError;
use std::collections::HashMap;
use std::hash::Hash;
use tokio::sync::oneshot;

/// Somebody who waits for a handle.
pub type Waiter<V> = oneshot::Sender<Result<V, AskError>>;
/// What a waiter waits at.
pub type DirectoryAnswer<V> = oneshot::Receiver<Result<V, AskError>>;

/// What is known of one id.
enum Slot<V> {
    /// It runs.
    Live(V),
    /// It is being loaded or is just ending; these wait for what comes of it.
    Busy {
        /// Those who wait.
        waiters: Vec<Waiter<V>>,
        /// How many of them did so when the loading began.
        before: usize,
        /// What is just ending, if that is it.
        ending: Option<V>,
    },
}

/// What came of a question.
pub enum Resolution<V> {
    /// It runs.
    Live(V),
    /// Somebody is at it already.
    Wait(DirectoryAnswer<V>),
    /// Nobody is: the asker has to load it and then call [`Directory::loaded`].
    Load(DirectoryAnswer<V>),
}

/// It is just being loaded, or is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsettled;

/// Handles by id.
pub struct Directory<K, V> {
    /// The slots.
    slots: HashMap<K, Slot<V>>,
}

impl<K, V> Default for Directory<K, V> {
    fn default() -> Self {
        Self { slots: HashMap::new() }
    }
}

impl<K: Hash + Eq + Clone, V: Clone + PartialEq> Directory<K, V> {
    /// Asks for a handle, to be loaded if need be.
    pub fn ask(&mut self, key: &K) -> Resolution<V> {
        let (waiter, answer) = oneshot::channel();
        match self.slots.get_mut(key) {
            Some(Slot::Live(handle)) => Resolution::Live(handle.clone()),
            Some(Slot::Busy { waiters, .. }) => {
                waiters.push(waiter);
                Resolution::Wait(answer)
            }
            None => {
                let busy = Slot::Busy { waiters: vec![waiter], before: 1, ending: None };
                self.slots.insert(key.clone(), busy);
                Resolution::Load(answer)
            }
        }
    }

    /// Asks for a handle only if there is one or will be.
    pub fn find(&mut self, key: &K) -> Option<Resolution<V>> {
        if self.slots.contains_key(key) { Some(self.ask(key)) } else { None }
    }

    /// The handle of what lives; an error of what is just being loaded or is ending, none of what is not there.
    pub fn peek(&self, key: &K) -> Option<Result<V, Unsettled>> {
        match self.slots.get(key)? {
            Slot::Live(handle) => Some(Ok(handle.clone())),
            Slot::Busy { .. } => Some(Err(Unsettled)),
        }
    }

    /// Ends a loading: everybody who waits gets the outcome. Where there was nothing to load, it is true of those alone who
    /// asked before: for the others it may have been made since, and the caller has to load it once more. Returns whether.
    #[must_use]
    pub fn loaded(&mut self, key: &K, outcome: &Result<V, AskError>) -> bool {
        let (mut waiters, before) = match self.slots.remove(key) {
            Some(Slot::Busy { waiters, before, .. }) => (waiters, before),
            Some(live @ Slot::Live(_)) => {
                self.slots.insert(key.clone(), live);
                return false;
            }
            None => (Vec::new(), 0),
        };
        if let Ok(handle) = outcome {
            self.slots.insert(key.clone(), Slot::Live(handle.clone()));
        }
        let is_missing = matches!(outcome, Err(AskError::Store(StoreError::NotFound(_))));
        let late =
            if is_missing { waiters.split_off(before.min(waiters.len())) } else { Vec::new() };
        let must_load = !late.is_empty();
        if must_load {
            let before = late.len();
            let busy = Slot::Busy { waiters: late, before, ending: None };
            self.slots.insert(key.clone(), busy);
        }
        for waiter in waiters {
            // A waiter that has gone needs no answer.
            let _ = waiter.send(outcome.clone());
        }
        must_load
    }

    /// Begins to end a live one; false if it is not the one that lives here.
    pub fn begin_end(&mut self, key: &K, handle: &V) -> bool {
        let is_live = self.is_live(key, handle);
        if is_live {
            let ending = Some(handle.clone());
            let busy = Slot::Busy { waiters: Vec::new(), before: 0, ending };
            self.slots.insert(key.clone(), busy);
        }
        is_live
    }

    /// It did end: true if somebody asked meanwhile, who now waits for a new loading.
    pub fn ended(&mut self, key: &K) -> bool {
        match self.slots.get_mut(key) {
            Some(Slot::Busy { waiters, before, ending }) if !waiters.is_empty() => {
                *before = waiters.len();
                *ending = None;
                true
            }
            _ => {
                self.slots.remove(key);
                false
            }
        }
    }

    /// Forgets one that has gone by itself; whether it did.
    pub fn forget(&mut self, key: &K, handle: &V) -> bool {
        let is_live = self.is_live(key, handle);
        if is_live {
            self.slots.remove(key);
        }
        is_live
    }

    /// What whoever kept it leaves behind in a crash, with the ids of which that is not known: those that run stay, also those
    /// that were to end, and say so if they do. What was being loaded is forgotten: who waits for it has to ask again.
    pub fn salvage(self, is_alive: impl Fn(&V) -> bool) -> (Self, Vec<K>) {
        let (mut left, mut lost) = (Self::default(), Vec::new());
        for (key, slot) in self.slots {
            let (handle, waiters) = match slot {
                Slot::Live(handle) => (Some(handle), Vec::new()),
                Slot::Busy { ending, waiters, .. } => (ending, waiters),
            };
            let Some(handle) = handle.filter(|handle| is_alive(handle)) else {
                lost.push(key);
                continue;
            };
            for waiter in waiters {
                // A waiter that has gone needs no answer.
                let _ = waiter.send(Ok(handle.clone()));
            }
            left.slots.insert(key, Slot::Live(handle));
        }
        (left, lost)
    }

    /// Those that run.
    pub fn live(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots.iter().filter_map(|(key, slot)| match slot {
            Slot::Live(handle) => Some((key, handle)),
            Slot::Busy { .. } => None,
        })
    }

    /// Whether this very one lives here.
    fn is_live(&self, key: &K, handle: &V) -> bool {
        matches!(self.slots.get(key), Some(Slot::Live(live)) if live == handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Thing;

    /// The handle that a waiter got.
    fn got(answer: &mut DirectoryAnswer<u32>) -> Result<u32, AskError> {
        answer.try_recv().unwrap()
    }

    #[test]
    fn one_loads_and_all_who_ask_share_it() {
        let mut directory = Directory::<&str, u32>::default();
        let Resolution::Load(mut first) = directory.ask(&"a") else { panic!("should load") };
        let Resolution::Wait(mut second) = directory.ask(&"a") else { panic!("should wait") };
        assert!(!directory.loaded(&"a", &Ok(7)));
        assert_eq!((got(&mut first), got(&mut second)), (Ok(7), Ok(7)));
        assert!(matches!(directory.ask(&"a"), Resolution::Live(7)));
    }

    #[test]
    fn a_failed_loading_leaves_nothing_behind() {
        let mut directory = Directory::<&str, u32>::default();
        let Resolution::Load(mut answer) = directory.ask(&"a") else { panic!("should load") };
        assert!(!directory.loaded(&"a", &Err(AskError::Closed)));
        assert_eq!(got(&mut answer), Err(AskError::Closed));
        assert!(directory.find(&"a").is_none());
    }

    #[test]
    fn that_there_is_none_is_no_answer_to_who_asked_while_it_was_looked_for() {
        let mut directory = Directory::<&str, u32>::default();
        let missing = Err(AskError::not_found(Thing::Channel));
        let Resolution::Load(mut first) = directory.ask(&"a") else { panic!("should load") };
        let mut late = [(); 2].map(|()| match directory.ask(&"a") {
            Resolution::Wait(answer) => answer,
            _ => panic!("should wait"),
        });
        assert!(directory.loaded(&"a", &missing), "to be loaded once more");
        assert_eq!(got(&mut first), missing);
        let Resolution::Wait(mut later) = directory.ask(&"a") else { panic!("should wait") };
        assert!(directory.loaded(&"a", &missing), "for the last one");
        assert!(late.iter_mut().all(|answer| got(answer) == missing));
        assert!(!directory.loaded(&"a", &Ok(7)));
        assert_eq!(got(&mut later), Ok(7));
    }

    #[test]
    fn who_asks_during_an_end_gets_what_comes_after() {
        let mut directory = Directory::<&str, u32>::default();
        assert!(!directory.loaded(&"a", &Ok(1)));
        assert!(!directory.begin_end(&"a", &2), "another incarnation");
        assert!(directory.begin_end(&"a", &1));
        let Resolution::Wait(mut answer) = directory.ask(&"a") else { panic!("should wait") };
        assert!(directory.ended(&"a"));
        assert!(!directory.loaded(&"a", &Ok(3)));
        assert_eq!(got(&mut answer), Ok(3));
    }

    #[test]
    fn one_that_is_still_in_use_lives_on() {
        let mut directory = Directory::<&str, u32>::default();
        assert!(!directory.loaded(&"a", &Ok(1)));
        assert!(directory.begin_end(&"a", &1));
        assert!(!directory.loaded(&"a", &Ok(1)));
        assert!(matches!(directory.ask(&"a"), Resolution::Live(1)));
        directory.forget(&"a", &2);
        assert!(directory.find(&"a").is_some());
        directory.forget(&"a", &1);
        assert!(directory.find(&"a").is_none());
    }

    #[test]
    fn what_a_crash_leaves_behind_are_those_that_run() {
        let mut directory = Directory::<&str, u32>::default();
        for (key, handle) in [("runs", 1), ("ends", 2), ("has ended", 3), ("is dead", 4)] {
            assert!(!directory.loaded(&key, &Ok(handle)));
        }
        assert!(directory.begin_end(&"ends", &2) && directory.begin_end(&"has ended", &3));
        let mut waits = |key| match directory.ask(&key) {
            Resolution::Wait(answer) | Resolution::Load(answer) => answer,
            Resolution::Live(_) => panic!("should wait"),
        };
        let mut of_ending = waits("ends");
        let (mut of_ended, mut of_loading) = (waits("has ended"), waits("loads"));
        let (mut left, mut lost) = directory.salvage(|handle| *handle < 3);
        lost.sort_unstable();
        assert_eq!(lost, ["has ended", "is dead", "loads"]);
        assert!(lost.iter().all(|key| left.find(key).is_none()));
        assert!(matches!(left.ask(&"runs"), Resolution::Live(1)));
        assert!(matches!(left.ask(&"ends"), Resolution::Live(2)), "it says so when it has ended");
        assert_eq!(got(&mut of_ending), Ok(2));
        assert!(of_ended.try_recv().is_err() && of_loading.try_recv().is_err(), "to ask again");
    }
}

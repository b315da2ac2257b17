//! A channel's state changes on their way to the disk, in order.
//!
//! One that takes long to apply is applied elsewhere, and those that come meanwhile wait behind it. A change is made on top of the last accepted state, though that may not be durable yet; it is shown only after its
//! own commit and all before it. When a commit fails, those behind it fail as well, because each was stored on the
//! condition that the version before it is there.

use super::effects::{Answers, Application};
use crate::ask::{AskError, ChangeError};
use crate::domain::{Position, State, StateChange, Version};
use crate::faults::{Fault, is_planted};
use crate::store::{StoreError, Thing};
use std::collections::VecDeque;

/// The most changes that wait behind one that is being applied; one more is refused.
const MOST_WAITING: usize = 1024;
/// The most bytes that those may have; one change of any size may wait.
const MOST_WAITING_BYTES: usize = 16 << 20;

/// A change that waits for its turn, or is being applied.
struct WaitingChange<A> {
    /// The change.
    change: StateChange,
    /// Only if the state is at this version.
    if_version: Option<Version>,
    /// Who asked.
    asker: A,
}

/// What has to be done next.
pub enum Next {
    /// Store what a change has made.
    Store {
        /// The state.
        state: State,
        /// Its number.
        version: Version,
    },
    /// Apply one that takes long; nothing follows before [`StateChanges::applied`] has said what came of it.
    Apply(Application),
}

/// A change that was accepted.
struct Pending<A> {
    /// The state that it makes.
    state: State,
    /// The version that it makes.
    version: Version,
    /// Who asked.
    asker: A,
    /// How its commit ended, once it has, and which place it took on a line that the store counts.
    outcome: Option<Result<Option<Position>, AskError>>,
}

/// A change that is durable and was proposed.
struct Proposed<A> {
    /// The state that it made.
    state: State,
    /// Its version.
    version: Version,
    /// Who asked; to be told after the change was dispatched.
    asker: A,
}

/// The changes of one channel that are under way.
pub struct StateChanges<A> {
    /// The last accepted state.
    state: State,
    /// Its version.
    version: Version,
    /// The changes under way to the store, oldest first.
    pending: VecDeque<Pending<A>>,
    /// Those that are durable and were not shown yet.
    proposed: VecDeque<Proposed<A>>,
    /// Why a commit failed, if one did: the accepted state is not the stored one any more.
    fault: Option<AskError>,
    /// Whether something else makes the channel doubtful.
    is_doubtful: bool,
    /// The changes that wait for their turn, oldest first; that one may be under way elsewhere.
    waiting: VecDeque<WaitingChange<A>>,
    /// The bytes that they have.
    waiting_bytes: usize,
    /// What the oldest one is being applied to elsewhere, and its ticket.
    applying: Option<(u64, State, Version)>,
    /// The last ticket.
    ticket: u64,
}

impl<A> StateChanges<A> {
    /// Nothing under way.
    pub const fn new(state: State, version: Version) -> Self {
        Self {
            state,
            version,
            pending: VecDeque::new(),
            proposed: VecDeque::new(),
            fault: None,
            is_doubtful: false,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            applying: None,
            ticket: 0,
        }
    }

    /// Takes a change in, behind those that wait; refuses it where too many do.
    pub fn ask(
        &mut self,
        change: StateChange,
        if_version: Option<Version>,
        asker: A,
        answers: &mut impl Answers<Asker = A>,
    ) {
        let bytes = self.waiting_bytes.saturating_add(change.len_bytes());
        let is_first = self.waiting.is_empty();
        if self.waiting.len() >= MOST_WAITING || (bytes > MOST_WAITING_BYTES && !is_first) {
            return answers.answer(asker, Err(AskError::Overloaded.into()));
        }
        self.waiting_bytes = bytes;
        self.waiting.push_back(WaitingChange { change, if_version, asker });
    }

    /// The oldest of those that wait, which does not any more.
    fn take_waiting(&mut self) -> Option<WaitingChange<A>> {
        let waiting = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.change.len_bytes());
        Some(waiting)
    }

    /// What has to be done next, on top of the last accepted state; what cannot be accepted is refused.
    pub fn next(&mut self, limit: usize, answers: &mut impl Answers<Asker = A>) -> Option<Next> {
        while self.applying.is_none()
            && let Some(waiting) = self.take_waiting()
        {
            if let Err(refused) = self.check(waiting.if_version) {
                answers.answer(waiting.asker, Err(refused));
            } else if waiting.change.is_heavy_on(&self.state) {
                return Some(Next::Apply(self.begin(waiting)));
            } else {
                match self.state.apply(&waiting.change, limit) {
                    Ok(state) => {
                        let (state, version) = self.accept(state, waiting.asker);
                        return Some(Next::Store { state, version });
                    }
                    Err(refused) => answers.answer(waiting.asker, Err(refused.into())),
                }
            }
        }
        None
    }

    /// Whether a change can be made that is meant for this version.
    fn check(&self, if_version: Option<Version>) -> Result<(), ChangeError> {
        match &self.fault {
            Some(fault) => Err(fault.clone().into()),
            None if if_version.is_some_and(|expected| expected != self.version) => {
                Err(ChangeError::Stale(self.version))
            }
            None => Ok(()),
        }
    }

    /// The change is being applied elsewhere from now on; it stays the oldest one that waits.
    fn begin(&mut self, waiting: WaitingChange<A>) -> Application {
        self.ticket += 1;
        let (ticket, state, change) = (self.ticket, self.state.clone(), waiting.change.clone());
        self.applying = Some((ticket, state.clone(), self.version));
        self.waiting_bytes = self.waiting_bytes.saturating_add(waiting.change.len_bytes());
        self.waiting.push_front(waiting);
        Application { ticket, state, change }
    }

    /// Takes what came of a change that was applied elsewhere. If the state is another one by now, the change is still
    /// the next.
    pub fn applied(
        &mut self,
        ticket: u64,
        outcome: Result<State, ChangeError>,
        answers: &mut impl Answers<Asker = A>,
    ) -> Option<(State, Version)> {
        let (_, state, version) = self.applying.take_if(|(begun, ..)| *begun == ticket)?;
        if self.fault.is_none() && (version != self.version || state != self.state) {
            return None;
        }
        let WaitingChange { asker, if_version, .. } = self.take_waiting()?;
        match self.check(if_version).and(outcome) {
            Ok(state) => Some(self.accept(state, asker)),
            Err(refused) => {
                answers.answer(asker, Err(refused));
                None
            }
        }
    }

    /// The next change goes on top of this state, which is under way to the store from now on.
    fn accept(&mut self, state: State, asker: A) -> (State, Version) {
        self.state = state.clone();
        self.version = self.version.next();
        let version = self.version;
        self.pending.push_back(Pending { state: state.clone(), version, asker, outcome: None });
        (state, version)
    }

    /// Who asked for the change that makes this version and is under way to the store.
    pub fn asker(&self, version: Version) -> Option<&A> {
        let pending = self.pending.iter().find(|pending| pending.version == version);
        pending.map(|pending| &pending.asker)
    }

    /// The state before one that is under way to the store, if it was not shown.
    pub fn before(&self, version: Version) -> Option<&State> {
        let pending = self.pending.iter().find(|pending| pending.version.next() == version);
        let proposed = self.proposed.iter().find(|proposed| proposed.version.next() == version);
        pending.map(|pending| &pending.state).or_else(|| proposed.map(|proposed| &proposed.state))
    }

    /// Notes how a commit ended.
    pub fn committed(&mut self, version: Version, outcome: Result<Option<Position>, AskError>) {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.version == version) {
            pending.outcome = Some(outcome);
        }
        if is_planted(Fault::StateBeforeCommit) {
            self.pending.iter_mut().for_each(|pending| pending.outcome = Some(Ok(None)));
        }
    }

    /// The next state that is durable, with all before it, and can be proposed; whoever made one that is not is told.
    pub fn next_durable(
        &mut self,
        answers: &mut impl Answers<Asker = A>,
    ) -> Option<(State, Version, Option<Position>)> {
        while let Some(Pending { outcome: Some(outcome), state, version, asker }) =
            self.pending.pop_front_if(|pending| pending.outcome.is_some())
        {
            match outcome {
                Err(_) if is_planted(Fault::FailedCommitPassedOver) => {
                    self.proposed.push_back(Proposed { state: state.clone(), version, asker });
                    return Some((state, version, None));
                }
                Ok(position) => {
                    let shown = state.clone();
                    self.proposed.push_back(Proposed { state, version, asker });
                    return Some((shown, version, position));
                }
                Err(error) => {
                    let fault = self.fault.get_or_insert_with(|| cause(error));
                    answers.answer(asker, Err(fault.clone().into()));
                }
            }
        }
        None
    }

    /// Everything up to this version was shown: whoever made it is told.
    pub fn shown(&mut self, upto: Version, answers: &mut impl Answers<Asker = A>) {
        while let Some(Proposed { state, version, asker }) =
            self.proposed.pop_front_if(|proposed| proposed.version <= upto)
        {
            answers.answer(asker, Ok((state, version)));
        }
    }

    /// A state was shown that may be somebody else's; if nothing of ours is under way, the next change goes on top of it.
    pub fn observe(&mut self, state: &State, version: Version) {
        if version > self.version && self.pending.is_empty() {
            (self.state, self.version) = (state.clone(), version);
        }
    }

    /// The channel was deleted behind all that is under way: whoever has no answer yet finds no channel.
    pub fn end(&mut self, answers: &mut impl Answers<Asker = A>) {
        let proposed = self.proposed.drain(..).map(|proposed| proposed.asker);
        let pending = self.pending.drain(..).map(|pending| pending.asker);
        let waiting = self.waiting.drain(..).map(|waiting| waiting.asker);
        for asker in proposed.chain(pending).chain(waiting) {
            answers.answer(asker, Err(AskError::not_found(Thing::Channel).into()));
        }
        (self.applying, self.waiting_bytes) = (None, 0);
    }

    /// Whether nothing is under way.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.proposed.is_empty() && self.waiting.is_empty()
    }

    /// Whether nothing is on its way to the store.
    pub fn is_stored(&self) -> bool {
        self.pending.is_empty()
    }

    /// Why nothing is taken until the channel was read again; none where it is taken.
    pub fn trouble(&self) -> Option<AskError> {
        let doubt = || self.is_doubtful.then_some(AskError::Overloaded);
        self.fault.clone().or_else(doubt)
    }

    /// The channel may be another in the store than is known: it must be read again.
    pub const fn doubt(&mut self) {
        self.is_doubtful = true;
    }

    /// Whether the channel must be read again from the store: a commit failed, or something else is doubtful, and nothing is
    /// under way any more.
    pub fn needs_reload(&self) -> bool {
        (self.fault.is_some() || self.is_doubtful) && self.pending.is_empty()
    }

    /// Goes on from what the store has.
    pub fn reloaded(&mut self, state: State, version: Version) {
        (self.state, self.version, self.fault) = (state, version, None);
        self.is_doubtful = false;
    }
}

/// Why a line of changes broke, from its first failure: the later ones only follow from it. That the stored version is not
/// the one that was accepted before is nobody's stale picture but ours, and that one of them was made before, nobody else's.
fn cause(first: AskError) -> AskError {
    match first {
        AskError::Store(StoreError::VersionConflict | StoreError::Answered) => AskError::Overloaded,
        other => other,
    }
}

#[cfg(test)]
mod tests;

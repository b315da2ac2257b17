//! Faults that tests plant, to see that they are found: one switch for each, and none of them outside tests. And places at
//! which tests have something crash.

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A line takes what comes as the next, whatever is missing before it.
    LineIgnoresGaps,
    /// A line takes again what it has taken.
    LineTakesRepeats,
    /// A channel proposes a state that is not stored yet.
    StateBeforeCommit,
    /// A failed commit is passed over, and the state that it made built upon.
    FailedCommitPassedOver,
    /// What a connection that has gone has not heard is forgotten.
    UnheardForgotten,
    /// What was written counts as heard.
    WrittenIsHeard,
    /// A session that keeps too much does not count what it lets go.
    DroppedUncounted,
    /// What is held back for INIT is dropped.
    HeldBackDropped,
    /// A connection is handed its snapshot without hearing the channel from then on.
    SnapshotWithoutJoin,
    /// A session ends after its grace though somebody has come back.
    EndsThoughAttended,
    /// A session does not look for a channel that has ended.
    DeathIgnored,
    /// What a connection was given and has not taken is not kept again.
    ReturnedForgotten,
    /// A state is shown though a newer one was.
    OldStatesShown,
    /// A session that leaves is not told as offline.
    LeavingUntold,
    /// Who leaves stays in the list of who is in.
    LeavesNobodySees,
    /// A node that was cut off does not look at what it has missed.
    #[cfg(test)]
    NothingReadAfterCut,
    /// A channel that ended by itself is read again before what it had stored is written.
    #[cfg(test)]
    LoadedBeforeWritten,
    /// A connection that came while a channel was asked is not made known to it.
    NewcomersLeftOut,
    /// A channel that is asked does not hear that a connection has gone.
    AskedNotTold,
    /// A client is told that nothing is gone, whatever the window has let go of.
    GoneCalledRecovered,
    /// Beside what came after the position that a client names, it gets what its session kept.
    KeptBesideRecovered,
    /// `AVAILABLE` stands behind what follows it.
    AvailableAhead,
    /// A channel stays when its last subscriber has gone.
    PassingStays,
    /// That a channel has had a subscriber is not noted in the store.
    SubscriberUnnoted,
    /// A server that was started again ends channels that somebody has come back to.
    SweptThoughHeard,
    /// A session without a token stays when its connection has gone.
    AnonymousStays,
    /// A line begins in the epoch that the one before it had.
    #[cfg(test)]
    EpochAgain,
    /// A channel of another project with the same name is taken for one's own.
    ProjectsMixed,
}

#[cfg(test)]
impl Fault {
    /// Every one.
    pub(crate) const ALL: &[Self] = &[
        Self::LineIgnoresGaps,
        Self::LineTakesRepeats,
        Self::StateBeforeCommit,
        Self::FailedCommitPassedOver,
        Self::UnheardForgotten,
        Self::WrittenIsHeard,
        Self::DroppedUncounted,
        Self::HeldBackDropped,
        Self::SnapshotWithoutJoin,
        Self::EndsThoughAttended,
        Self::DeathIgnored,
        Self::ReturnedForgotten,
        Self::OldStatesShown,
        Self::LeavingUntold,
        Self::LeavesNobodySees,
        Self::NothingReadAfterCut,
        Self::LoadedBeforeWritten,
        Self::NewcomersLeftOut,
        Self::AskedNotTold,
        Self::GoneCalledRecovered,
        Self::KeptBesideRecovered,
        Self::AvailableAhead,
        Self::PassingStays,
        Self::SubscriberUnnoted,
        Self::SweptThoughHeard,
        Self::AnonymousStays,
        Self::EpochAgain,
        Self::ProjectsMixed,
    ];
}

#[cfg(test)]
thread_local! {
    /// The fault that is planted on this thread.
    static PLANTED: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault on this thread, or none.
#[cfg(test)]
pub(crate) fn plant(fault: Option<Fault>) {
    PLANTED.set(fault);
}

/// Whether a fault is planted.
#[cfg(test)]
pub(crate) fn is_planted(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

/// None is.
#[cfg(not(test))]
pub(crate) const fn is_planted(_: Fault) -> bool {
    false
}

/// A client's text with this in it crashes its connection's actor, wherever that runs: for tests with sockets, whose actors
/// are on other threads.
#[cfg(test)]
pub(crate) const CRASH_WORD: &str = "a test wants this connection to crash";

/// Crashes over a client's text if a test wants it.
#[cfg(test)]
pub(crate) fn read(text: &str) {
    assert!(!text.contains(CRASH_WORD), "a test wants it");
}

/// Does nothing.
#[cfg(not(test))]
pub(crate) const fn read(_: &str) {}

/// A place at which tests have something crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    /// A shard is about to ask a session whether it may end.
    SessionEnds,
    /// The event log puts what it took out together.
    EventAdded,
    /// What the event log took out is about to be stored.
    EventsStored,
    /// The webhook sender has the answer to a question of a session and is about to tell it.
    VerdictTold,
}

#[cfg(test)]
thread_local! {
    /// Where those on this thread who pass next crash, and how many of them.
    static CRASHES: std::cell::Cell<Option<(CrashPoint, u32)>> = const { std::cell::Cell::new(None) };
}

/// Has so many who pass there next, on this thread, crash.
#[cfg(test)]
pub(crate) fn crash_at(point: CrashPoint, times: u32) {
    CRASHES.set(Some((point, times)));
}

/// Whether all have crashed that were to.
#[cfg(test)]
pub(crate) fn has_crashed() -> bool {
    CRASHES.get().is_none()
}

/// Crashes if a test wants it.
#[cfg(test)]
pub(crate) fn pass(point: CrashPoint) {
    if let Some((wanted, times)) = CRASHES.get()
        && wanted == point
    {
        CRASHES.set((times > 1).then_some((point, times - 1)));
        panic!("a test wants it");
    }
}

/// Does nothing.
#[cfg(not(test))]
pub(crate) const fn pass(_: CrashPoint) {}

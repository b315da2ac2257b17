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

/// A place at which tests have something crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrashPoint {
    /// A shard is about to ask a session whether it may end.
    SessionEnds,
    /// The event log puts what it took out together.
    EventAdded,
    /// What the event log took out is about to be stored.
    EventsStored,
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

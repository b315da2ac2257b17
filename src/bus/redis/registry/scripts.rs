//! The registry's scripts. Redis has no way to share a function among them, so what they share stands in front of each.

use redis::Script;

/// A script behind what every one begins with, and perhaps more.
macro_rules! script {
    ($($file:literal),+) => {
        Script::new(concat!(include_str!("scripts/prelude.lua"), $(include_str!($file)),+))
    };
}

/// All of them.
pub(super) struct RegistryScripts {
    /// A node lives on.
    pub(super) beat: Script,
    /// Who lives.
    pub(super) living: Script,
    /// A node ends.
    pub(super) depart: Script,
    /// Who is gone.
    pub(super) judge: Script,
    /// What one of those held.
    pub(super) reap: Script,
    /// A connection came.
    pub(super) enter: Script,
    /// It went.
    pub(super) exit: Script,
    /// A session ends.
    pub(super) end: Script,
    /// Which ones should.
    pub(super) due: Script,
    /// A session came to a channel.
    pub(super) join: Script,
    /// It went from there.
    pub(super) leave: Script,
    /// Its place is kept.
    pub(super) inherit: Script,
    /// Who does something that all need.
    pub(super) once: Script,
    /// What came of that.
    pub(super) verdict: Script,
}

impl RegistryScripts {
    /// They, with their sums.
    pub(super) fn new() -> Self {
        Self {
            beat: script!("scripts/leases.lua", "scripts/beat.lua"),
            living: script!("scripts/leases.lua", "scripts/living.lua"),
            depart: script!("scripts/depart.lua"),
            judge: script!("scripts/judge.lua"),
            reap: script!("scripts/reap.lua"),
            enter: script!("scripts/enter.lua"),
            exit: script!("scripts/exit.lua"),
            end: script!("scripts/end.lua"),
            due: script!("scripts/due.lua"),
            join: script!("scripts/counting.lua", "scripts/join.lua"),
            leave: script!("scripts/counting.lua", "scripts/leave.lua"),
            inherit: script!("scripts/counting.lua", "scripts/inherit.lua"),
            once: script!("scripts/once.lua"),
            verdict: script!("scripts/verdict.lua"),
        }
    }
}

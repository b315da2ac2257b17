//! How long things last.

use std::time::Duration;

/// How long things last; the same on all nodes. Tests take shorter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistryTerms {
    /// For how long a beat lets a node live.
    pub lease: Duration,
    /// For how long after a ground began nobody is declared gone: nodes say in this time who lives.
    pub youth: Duration,
    /// How long a session waits for a connection of its token.
    pub grace: Duration,
    /// How long a reaper may take for what was handed to him, before the next one goes on.
    pub claim: Duration,
}

impl Default for RegistryTerms {
    fn default() -> Self {
        let lease = Duration::from_secs(10);
        Self { lease, youth: lease, grace: Duration::from_secs(30), claim: lease }
    }
}

//! A scenario: what a file says (`docs/BENCH.md`, Scenarios, has every key with its unit, default and bound).

mod check;
#[cfg(test)]
mod tests;

use super::error::BenchError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The whole file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    /// What it is called in reports.
    pub(super) title: String,
    /// The server that the run starts for itself.
    #[serde(default)]
    pub(super) server: Server,
    /// The load generator itself.
    #[serde(default)]
    pub(super) generator: Generator,
    /// How connections come up.
    #[serde(default)]
    pub(super) connect: Connect,
    /// The run's parts.
    #[serde(default)]
    pub(super) run: Run,
    /// Channels and who listens to them.
    #[serde(rename = "group")]
    pub(super) groups: Vec<Group>,
    /// What is published.
    #[serde(default, rename = "publish")]
    pub(super) flows: Vec<Flow>,
    /// Moments at which connections break off.
    #[serde(default, rename = "storm")]
    pub(super) storms: Vec<Storm>,
    /// What the figures must be for the run to pass.
    #[serde(default)]
    pub(super) thresholds: BTreeMap<String, f64>,
    /// The comparison with a bare server.
    #[serde(default)]
    pub(super) baseline: Baseline,
}

/// The server that the run starts for itself.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Server {
    /// The CPUs that it is pinned to; empty for any.
    pub(super) cpus: Vec<usize>,
    /// Its threads; 0 for its own default.
    pub(super) workers: usize,
    /// Its configuration file; never shown in reports, because it may hold secrets.
    #[serde(skip_serializing)]
    pub(super) config: toml::Table,
}

/// The load generator itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Generator {
    /// Threads that drive connections.
    pub(super) threads: usize,
    /// The CPUs that they are pinned to, in turns; empty for any.
    pub(super) cpus: Vec<usize>,
    /// Whether they never sleep, so that the server pays for no wake-up.
    pub(super) spin: bool,
    /// The share of one core past which a thread counts as the bottleneck.
    pub(super) max_busy: f64,
    /// How late a publish may leave.
    pub(super) max_late_ms: f64,
    /// Source addresses on loopback; 0 for as many as needed.
    pub(super) addresses: usize,
}

impl Default for Generator {
    fn default() -> Self {
        let (threads, cpus) = (1, Vec::new());
        Self { threads, cpus, spin: false, max_busy: 0.9, max_late_ms: 10.0, addresses: 0 }
    }
}

/// How connections come up.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Connect {
    /// Connections opened a second; 0 for as fast as they come up.
    pub(super) rate: f64,
    /// Connections that may be on their way up at once.
    pub(super) at_once: usize,
    /// How long all of them together may take.
    pub(super) timeout_s: f64,
}

impl Default for Connect {
    fn default() -> Self {
        Self { rate: 0.0, at_once: 128, timeout_s: 120.0 }
    }
}

/// The run's parts, in their order.
#[expect(clippy::struct_field_names, reason = "keys of a scenario end with their unit")]
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Run {
    /// Quiet after connecting, before memory is read.
    pub(super) settle_s: f64,
    /// Quiet that is measured.
    pub(super) hold_s: f64,
    /// Load that is not measured.
    pub(super) warmup_s: f64,
    /// Load that is measured; the stages' length where a flow has stages.
    pub(super) duration_s: f64,
    /// How long to wait at the end for what is on its way.
    pub(super) drain_s: f64,
}

impl Default for Run {
    fn default() -> Self {
        Self { settle_s: 0.5, hold_s: 0.0, warmup_s: 1.0, duration_s: 5.0, drain_s: 5.0 }
    }
}

/// Channels of one kind, and who listens to them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    /// What publishers call it.
    pub(super) name: String,
    /// How many channels.
    #[serde(default = "one")]
    pub(super) channels: usize,
    /// Connections that listen to each of them.
    #[serde(default = "one")]
    pub(super) subscribers: usize,
    /// Channels that each connection listens to.
    #[serde(default = "one")]
    pub(super) channels_per_connection: usize,
    /// The kind of channel.
    #[serde(default, rename = "type")]
    pub(super) visibility: Visibility,
    /// As whom the connections come; a project token for channels that need a token.
    pub(super) identity: Option<Identity>,
    /// Connections that leave, and come back as new ones, each second.
    #[serde(default)]
    pub(super) churn_per_s: f64,
    /// Makes the readers slow: bytes that each reads a second once it is subscribed.
    pub(super) read_bytes_per_s: Option<u64>,
    /// The readers' receive buffer in the kernel; its own default when left out.
    pub(super) receive_buffer: Option<usize>,
}

/// The kind of channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Visibility {
    /// Anybody may listen.
    #[default]
    Unprotected,
    /// Whoever has a token may.
    Public,
    /// Whoever was admitted may.
    Private,
}

/// As whom a connection comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Identity {
    /// Without a token.
    Anonymous,
    /// With the project token.
    Project,
}

/// What is published to one group.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flow {
    /// The group's name.
    pub(super) group: String,
    /// How it is published.
    #[serde(default)]
    pub(super) kind: Kind,
    /// Who publishes: HTTP connections, or the first subscribers of the group.
    #[serde(default = "one")]
    pub(super) publishers: usize,
    /// Publishes a second, whether or not the server keeps up; with stages the rate to begin with.
    pub(super) rate: Option<f64>,
    /// Ramps: each from the rate before to its own.
    #[serde(default)]
    pub(super) stages: Vec<Stage>,
    /// Publishes that are not yet delivered everywhere, at most; 0 for one on each publisher's connection.
    pub(super) window: Option<u64>,
    /// Bytes of a payload.
    #[serde(default)]
    pub(super) payload: Payload,
}

/// How something is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// `POST /v1/channels/:id/messages` over a connection that is kept.
    #[default]
    Http,
    /// A `MESSAGE` frame on a subscriber's socket.
    Socket,
    /// `PATCH /v1/channels/:id/state`, which is durable when it is answered.
    State,
}

/// A ramp.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stage {
    /// How long it takes.
    pub(super) seconds: f64,
    /// The rate at its end.
    pub(super) rate: f64,
}

/// Bytes of a payload.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Payload {
    /// Always as many.
    Fixed(usize),
    /// In turns, by their shares.
    Mix(Vec<Size>),
}

impl Default for Payload {
    fn default() -> Self {
        Self::Fixed(128)
    }
}

/// One size of a mix.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Size {
    /// Bytes.
    pub(super) bytes: usize,
    /// Its share, relative to the others'.
    pub(super) share: u32,
}

/// A moment at which connections break off and come back.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Storm {
    /// Seconds after the measured part began.
    pub(super) at_s: f64,
    /// The share of all connections that break off.
    #[serde(default = "all")]
    pub(super) share: f64,
}

/// The comparison with a bare server.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Baseline {
    /// How often each of the two is measured; 0 for no comparison.
    pub(super) pairs: usize,
    /// Whether the bare server puts what waits for a connection into one write.
    pub(super) coalesce: bool,
}

/// The default of what is counted.
const fn one() -> usize {
    1
}

/// The default of a share.
const fn all() -> f64 {
    1.0
}

impl Scenario {
    /// Reads a scenario, with some of its keys replaced: `run.duration_s=2`, `group.0.subscribers=10`.
    ///
    /// # Errors
    /// [`BenchError::Toml`], [`BenchError::Scenario`] and [`BenchError::Usage`] name the key.
    pub(super) fn read(text: &str, changes: &[String]) -> Result<Self, BenchError> {
        let mut table: toml::Table =
            toml::from_str(text).map_err(|error| BenchError::Toml(Box::new(error)))?;
        for change in changes {
            check::replace(&mut table, change)?;
        }
        let scenario: Self = if changes.is_empty() {
            // From the text, so that a mistake is shown with its line.
            toml::from_str(text).map_err(|error| BenchError::Toml(Box::new(error)))?
        } else {
            table.try_into().map_err(|error| BenchError::Toml(Box::new(error)))?
        };
        scenario.check()?;
        Ok(scenario)
    }

    /// The group of a name.
    pub(super) fn group(&self, name: &str) -> Option<usize> {
        self.groups.iter().position(|group| group.name == name)
    }

    /// Connections of all groups.
    pub(super) fn connections(&self) -> usize {
        self.groups.iter().map(Group::connections).sum()
    }

    /// How long the measured load takes, seconds.
    pub(super) fn duration(&self) -> f64 {
        let staged = |flow: &Flow| flow.stages.iter().map(|stage| stage.seconds).sum::<f64>();
        let longest = self.flows.iter().map(staged).fold(0.0, f64::max);
        if longest > 0.0 { longest } else { self.run.duration_s }
    }

    /// Whether anything happens once all are connected and quiet.
    pub(super) fn has_load(&self) -> bool {
        let churns = self.groups.iter().any(|group| group.churn_per_s > 0.0);
        churns || !self.flows.is_empty() || !self.storms.is_empty()
    }
}

impl Group {
    /// Connections of this group.
    pub(super) fn connections(&self) -> usize {
        self.channels.saturating_mul(self.subscribers) / self.channels_per_connection.max(1)
    }

    /// The channels that a connection listens to, by their place in the group: as many as each, in turns.
    pub(super) fn channels_of(&self, connection: usize) -> impl Iterator<Item = usize> + use<> {
        let (each, channels) = (self.channels_per_connection, self.channels.max(1));
        (0..each).map(move |ear| (connection * each + ear) % channels)
    }

    /// As whom they come.
    pub(super) fn identity(&self) -> Identity {
        let usual = match self.visibility {
            Visibility::Unprotected => Identity::Anonymous,
            Visibility::Public | Visibility::Private => Identity::Project,
        };
        self.identity.unwrap_or(usual)
    }
}

impl Flow {
    /// Whether publishes have due times of their own, and do not wait for deliveries.
    pub(super) const fn is_open(&self) -> bool {
        self.window.is_none()
    }
}

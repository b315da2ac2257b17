//! Whether a scenario's values fit together, and keys replaced from the command line.

use super::super::error::BenchError;
use super::super::mark::MARK;
use super::super::verdict;
use super::{Flow, Group, Kind, Payload, Scenario};

/// The most connections: more than that many sockets one machine does not have.
const MAX_CONNECTIONS: usize = 1_000_000;
/// The most channels.
const MAX_CHANNELS: usize = 100_000;
/// The most publishers: marks have 16 bits for their number.
const MAX_PUBLISHERS: usize = 65_535;
/// The most streams, which are publishers times channels.
const MAX_STREAMS: usize = 16_000_000;
/// The largest payload.
const MAX_PAYLOAD: usize = 16 << 20;
/// The most publishes a second that anybody can mean.
const MAX_RATE: f64 = 1e7;
/// The longest part of a run, seconds.
const MAX_SECONDS: f64 = 86_400.0;

/// A mistake, unless all is well.
fn must(is_well: bool, mistake: impl FnOnce() -> String) -> Result<(), BenchError> {
    if is_well { Ok(()) } else { Err(BenchError::Scenario(mistake())) }
}

/// A value within its bounds.
fn within(name: &str, value: f64, low: f64, high: f64) -> Result<(), BenchError> {
    must((low..=high).contains(&value), || format!("{name} must be {low} to {high}"))
}

impl Scenario {
    /// Refuses what cannot be run.
    ///
    /// # Errors
    /// [`BenchError::Scenario`] names the key.
    pub(super) fn check(&self) -> Result<(), BenchError> {
        self.check_times()?;
        must(!self.groups.is_empty(), || "there must be a [[group]]".to_owned())?;
        for group in &self.groups {
            self.check_group(group)?;
        }
        let connections =
            self.groups.iter().fold(0, |sum: usize, it| sum.saturating_add(it.connections()));
        must(connections <= MAX_CONNECTIONS, || {
            format!("{connections} connections; {MAX_CONNECTIONS} is the most")
        })?;
        let channels = self.groups.iter().fold(0, |sum: usize, it| sum.saturating_add(it.channels));
        must(channels <= MAX_CHANNELS, || {
            format!("{channels} channels; {MAX_CHANNELS} is the most")
        })?;
        for flow in &self.flows {
            self.check_flow(flow)?;
        }
        let publishers = self.flows.iter().map(|flow| flow.publishers).sum::<usize>();
        let streams = publishers.saturating_mul(channels);
        must(publishers <= MAX_PUBLISHERS && streams <= MAX_STREAMS, || {
            format!("{publishers} publishers on {channels} channels are too many")
        })?;
        for name in self.thresholds.keys() {
            must(verdict::is_known(name), || format!("thresholds: there is no figure {name}"))?;
        }
        Ok(())
    }

    /// Refuses times, rates and shares out of their bounds.
    fn check_times(&self) -> Result<(), BenchError> {
        let (run, connect, generator) = (&self.run, &self.connect, &self.generator);
        for (name, value) in [
            ("run.settle_s", run.settle_s),
            ("run.hold_s", run.hold_s),
            ("run.warmup_s", run.warmup_s),
            ("run.drain_s", run.drain_s),
            ("generator.max_late_ms", generator.max_late_ms),
        ] {
            within(name, value, 0.0, MAX_SECONDS)?;
        }
        within("run.duration_s", run.duration_s, 0.1, MAX_SECONDS)?;
        within("connect.timeout_s", connect.timeout_s, 0.1, MAX_SECONDS)?;
        within("connect.rate", connect.rate, 0.0, MAX_RATE)?;
        within("generator.max_busy", generator.max_busy, 0.01, 1.0)?;
        must((1..=64).contains(&generator.threads), || {
            "generator.threads must be 1 to 64".to_owned()
        })?;
        must(generator.addresses <= 250, || "generator.addresses must be 0 to 250".to_owned())?;
        must((1..=100_000).contains(&connect.at_once), || {
            "connect.at_once must be 1 to 100000".to_owned()
        })?;
        must(self.baseline.pairs <= 1000, || "baseline.pairs must be 0 to 1000".to_owned())?;
        for storm in &self.storms {
            within("storm.at_s", storm.at_s, 0.0, self.duration())?;
            within("storm.share", storm.share, 0.0, 1.0)?;
        }
        Ok(())
    }

    /// Refuses a group that cannot be.
    fn check_group(&self, group: &Group) -> Result<(), BenchError> {
        let name = &group.name;
        let twins = self.groups.iter().filter(|other| other.name == *name).count();
        must(twins == 1, || format!("two groups are called {name}"))?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        must((1..=64).contains(&name.len()) && name.chars().all(is_plain), || {
            format!("group {name}: a name has 1 to 64 letters, digits, - and _")
        })?;
        must(group.channels > 0, || format!("group {name}: channels must be 1 or more"))?;
        let each = group.channels_per_connection;
        must((1..=group.channels).contains(&each), || {
            format!("group {name}: channels_per_connection must be 1 to {}", group.channels)
        })?;
        must(group.channels.saturating_mul(group.subscribers).is_multiple_of(each), || {
            format!(
                "group {name}: channels × subscribers must be a multiple of channels_per_connection"
            )
        })?;
        within("group.churn_per_s", group.churn_per_s, 0.0, MAX_RATE)?;
        must(group.churn_per_s <= 0.0 || group.read_bytes_per_s.is_none(), || {
            format!("group {name}: slow readers cannot churn too")
        })
    }

    /// Refuses a flow that cannot be.
    fn check_flow(&self, flow: &Flow) -> Result<(), BenchError> {
        let name = &flow.group;
        let Some(group) = self.groups.iter().find(|group| group.name == *name) else {
            return Err(BenchError::Scenario(format!("publish: there is no group {name}")));
        };
        must(flow.publishers > 0, || format!("publish to {name}: publishers must be 1 or more"))?;
        let has_rate = flow.rate.is_some() || !flow.stages.is_empty();
        must(has_rate != flow.window.is_some(), || {
            format!("publish to {name}: give a rate (or stages) or a window, one of the two")
        })?;
        within("publish.rate", flow.rate.unwrap_or(0.0), 0.0, MAX_RATE)?;
        for stage in &flow.stages {
            within("stages.rate", stage.rate, 0.0, MAX_RATE)?;
            within("stages.seconds", stage.seconds, 0.001, MAX_SECONDS)?;
        }
        if flow.kind == Kind::Socket {
            must(flow.publishers <= group.connections(), || {
                format!("publish to {name}: a socket publisher is a subscriber; there are too few")
            })?;
            must(group.churn_per_s <= 0.0 && group.read_bytes_per_s.is_none(), || {
                format!(
                    "publish to {name}: who publishes over the socket can neither churn nor be slow"
                )
            })?;
        }
        let sizes = match &flow.payload {
            Payload::Fixed(bytes) => vec![*bytes],
            Payload::Mix(sizes) => sizes.iter().map(|size| size.bytes).collect(),
        };
        let is_share = match &flow.payload {
            Payload::Fixed(_) => true,
            Payload::Mix(sizes) => sizes.iter().map(|size| u64::from(size.share)).sum::<u64>() > 0,
        };
        must(is_share, || format!("publish to {name}: a mix of payloads needs shares"))?;
        must(sizes.iter().all(|bytes| (MARK..=MAX_PAYLOAD).contains(bytes)), || {
            format!("publish to {name}: a payload has {MARK} to {MAX_PAYLOAD} bytes")
        })
    }
}

/// Replaces one key, `path.to.key=value`; a number in the path is a place in a list, from 0.
///
/// # Errors
/// [`BenchError::Usage`] when the path leads nowhere.
pub(super) fn replace(table: &mut toml::Table, change: &str) -> Result<(), BenchError> {
    let wrong = |why: &str| BenchError::Usage(format!("--set {change}: {why}"));
    let (path, text) = change.split_once('=').ok_or_else(|| wrong("it must be KEY=VALUE"))?;
    let (path, key) = path.trim().rsplit_once('.').map_or(("", path.trim()), |it| it);
    let mut at = table;
    let mut steps = path.split('.').filter(|step| !step.is_empty()).peekable();
    while let Some(step) = steps.next() {
        let place = steps.peek().and_then(|next| next.parse::<usize>().ok());
        let next = at.entry(step).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let next = match (next, place) {
            (toml::Value::Array(list), Some(place)) => {
                steps.next();
                list.get_mut(place).and_then(toml::Value::as_table_mut)
            }
            (toml::Value::Table(table), _) => Some(table),
            _ => None,
        };
        at = next.ok_or_else(|| wrong("there is no such place"))?;
    }
    // What is no value of TOML is taken as text, so that nobody has to quote twice in a shell.
    let line = format!("value = {text}");
    let value = toml::from_str::<toml::Table>(&line).ok().and_then(|mut it| it.remove("value"));
    at.insert(key.to_owned(), value.unwrap_or_else(|| toml::Value::String(text.to_owned())));
    Ok(())
}

//! A scenario, counted out: every channel, connection and publisher has its number, and its thread by that number.

use super::error::BenchError;
use super::num;
use super::scenario::{Flow, Kind, Payload, Scenario, Size};
use super::schedule::Schedule;
use super::target::Target;
use std::net::{IpAddr, Ipv4Addr};

/// Connections for which one source address is used. Systems usually have 28,000 ports for each, but look long for a free
/// one when few are left, and those of the last minute are not free yet.
const PORTS: usize = 5_000;
/// Seconds for which a port stays taken after its connection was closed.
const PORT_REST: f64 = 60.0;
/// The longest cycle of payload sizes.
const MAX_CYCLE: u32 = 10_000;

/// What is to be done, and to whom.
pub(super) struct Plan {
    /// What was asked for.
    pub(super) scenario: Scenario,
    /// The server.
    pub(super) target: Target,
    /// All channels.
    pub(super) channels: Vec<String>,
    /// By group: the numbers of its first channel and its first connection.
    pub(super) firsts: Vec<First>,
    /// What is published.
    pub(super) flows: Vec<FlowPlan>,
    /// By publisher: its flow.
    pub(super) flow_of: Vec<usize>,
    /// Addresses that connections come from; empty for the system's choice.
    pub(super) sources: Vec<IpAddr>,
}

/// Where a group begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct First {
    /// The number of its first channel.
    pub(super) channel: usize,
    /// The number of its first connection.
    pub(super) connection: usize,
}

/// What is published to one group.
pub(super) struct FlowPlan {
    /// What was asked for.
    pub(super) flow: Flow,
    /// The group's number.
    pub(super) group: usize,
    /// When publishes are due; none where they wait for deliveries.
    pub(super) schedule: Option<Schedule>,
    /// The number of its first publisher.
    pub(super) first_publisher: usize,
    /// Payload sizes, in the order in which they come round.
    pub(super) sizes: Vec<usize>,
    /// By channel of the group: a request's head.
    pub(super) heads: Vec<Vec<u8>>,
}

impl Plan {
    /// Counts a scenario out.
    pub(super) fn new(scenario: Scenario, target: Target, run_name: &str) -> Self {
        let (mut channels, mut firsts) = (Vec::new(), Vec::new());
        let mut connection = 0;
        for group in &scenario.groups {
            firsts.push(First { channel: channels.len(), connection });
            let name = |number| format!("bench-{run_name}-{}-{number}", group.name);
            channels.extend((0..group.channels).map(name));
            connection += group.connections();
        }
        let (mut flows, mut flow_of) = (Vec::new(), Vec::new());
        for flow in &scenario.flows {
            let group = scenario.group(&flow.group).unwrap_or(0);
            let first = firsts.get(group).map_or(0, |it| it.channel);
            let count = scenario.groups.get(group).map_or(0, |it| it.channels);
            let own = channels.iter().skip(first).take(count);
            let (warmup, duration) = (scenario.run.warmup_s, scenario.duration());
            let first_publisher = flow_of.len();
            flow_of.resize(first_publisher + flow.publishers, flows.len());
            flows.push(FlowPlan {
                group,
                schedule: flow.is_open().then(|| Schedule::new(flow, warmup, duration)),
                first_publisher,
                sizes: sizes(&flow.payload),
                heads: own.map(|channel| target.publish_head(flow.kind, channel)).collect(),
                flow: flow.clone(),
            });
        }
        let sources = sources(&scenario, &target);
        Self { scenario, target, channels, firsts, flows, flow_of, sources }
    }

    /// Which thread has what has this number.
    pub(super) const fn lane_of(&self, number: usize) -> usize {
        number % self.scenario.generator.threads
    }

    /// The number of a flow's publisher's connection for the choice of its thread: over the socket that of a
    /// subscriber.
    pub(super) fn seat(&self, flow: &FlowPlan, publisher: usize) -> usize {
        match flow.flow.kind {
            Kind::Socket => self.firsts.get(flow.group).map_or(0, |it| it.connection) + publisher,
            Kind::Http | Kind::State => publisher,
        }
    }

    /// The threads that publish for a flow.
    pub(super) fn lanes_of(&self, flow: &FlowPlan) -> Vec<usize> {
        let mut lanes: Vec<_> = (0..flow.flow.publishers.min(self.scenario.generator.threads))
            .map(|publisher| self.lane_of(self.seat(flow, publisher)))
            .collect();
        lanes.sort_unstable();
        lanes.dedup();
        lanes
    }

    /// Whether a group's connections read as slowly as they were told to.
    pub(super) fn is_slow(&self, group: usize) -> bool {
        self.scenario.groups.get(group).is_some_and(|it| it.read_bytes_per_s.is_some())
    }

    /// Open files that the generator and its server need, each for itself.
    ///
    /// # Errors
    /// [`BenchError::Generator`] where the machine does not allow that many.
    pub(super) fn claim_files(&self) -> Result<(), BenchError> {
        super::machine::open_files(self.scenario.connections() + self.flow_of.len() + 200)
    }
}

/// Payload sizes in the order in which they come round, each as often as its share says and well mixed.
fn sizes(payload: &Payload) -> Vec<usize> {
    let mix = match payload {
        Payload::Fixed(bytes) => return vec![*bytes],
        Payload::Mix(mix) => mix,
    };
    let total = mix.iter().map(|size| size.share).fold(0, u32::saturating_add).clamp(1, MAX_CYCLE);
    let mut credits = vec![0_i64; mix.len()];
    let mut cycle = Vec::new();
    for _ in 0..total {
        for (credit, Size { share, .. }) in credits.iter_mut().zip(mix) {
            *credit += i64::from(*share);
        }
        // The one that waited longest comes next, as in a weighted round.
        let most = credits.iter_mut().zip(mix).max_by_key(|(credit, _)| **credit);
        if let Some((credit, size)) = most {
            *credit -= i64::from(total);
            cycle.push(size.bytes);
        }
    }
    cycle
}

/// Source addresses on loopback, where one address has fewer ports than connections are wanted.
fn sources(scenario: &Scenario, target: &Target) -> Vec<IpAddr> {
    let IpAddr::V4(address) = target.address.ip() else { return Vec::new() };
    if !address.is_loopback() {
        return Vec::new();
    }
    let connections = scenario.connections();
    let churn = scenario.groups.iter().map(|group| group.churn_per_s).sum::<f64>();
    let storms = scenario.storms.len().saturating_mul(connections);
    let rest = PORT_REST.min(scenario.run.warmup_s + scenario.duration());
    let wanted = connections + storms + num::index(num::whole(churn * rest));
    let count = match scenario.generator.addresses {
        0 => wanted.div_ceil(PORTS),
        given => given,
    };
    if count <= 1 && scenario.generator.addresses == 0 {
        return Vec::new();
    }
    let last = u8::try_from(count.min(250)).unwrap_or(250);
    (0..last).map(|number| IpAddr::V4(Ipv4Addr::new(127, 0, 0, number + 2))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The plan of a scenario's text.
    fn plan(text: &str) -> Plan {
        let target = Target::at("http://127.0.0.1:1", "project_x", "ptk_x").unwrap();
        Plan::new(Scenario::read(text, &[]).unwrap(), target, "r")
    }

    #[test]
    fn everything_has_its_number() {
        let plan = plan(
            "title = \"t\"\n[generator]\nthreads = 2\n[[group]]\nname = \"a\"\nchannels = 3\nsubscribers = 2\n\
             [[group]]\nname = \"b\"\nchannels = 2\n[[publish]]\ngroup = \"a\"\npublishers = 2\nwindow = 1\n\
             [[publish]]\ngroup = \"b\"\nrate = 1.0\nkind = \"socket\"\n",
        );
        assert_eq!(plan.channels.len(), 5);
        assert_eq!((plan.firsts[1].channel, plan.firsts[1].connection), (3, 6));
        assert_eq!(plan.flow_of, [0, 0, 1]);
        assert_eq!(plan.flows[0].heads.len(), 3);
        assert!(plan.flows[0].schedule.is_none() && plan.flows[1].schedule.is_some());
        assert_eq!(
            (plan.lanes_of(&plan.flows[0]), plan.lanes_of(&plan.flows[1])),
            (vec![0, 1], vec![0])
        );
        assert!(plan.sources.is_empty());
    }

    #[test]
    fn many_connections_have_many_addresses() {
        let text = "title = \"t\"\n[[group]]\nname = \"a\"\nsubscribers = 9000\n";
        assert_eq!(plan(text).sources.len(), 2);
    }

    #[test]
    fn a_mix_has_its_shares() {
        let mix = [Size { bytes: 1, share: 3 }, Size { bytes: 2, share: 1 }];
        assert_eq!(sizes(&Payload::Mix(mix.to_vec())), [1, 2, 1, 1]);
        assert_eq!(sizes(&Payload::Fixed(7)), [7]);
    }
}

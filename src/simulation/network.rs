//! A bus that orders for several nodes, and may delay, repeat, be cut off and lose its memory.

use crate::bus::{Bus, LineEntry, Local, Ordered};
use crate::domain::{ChannelId, Epoch, Message, Position, Version};
use crate::line::Line;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

/// How many entries of a line can be read again.
const WINDOW: usize = 12;

/// The order of one channel.
struct Log {
    /// Where it stands.
    position: Position,
    /// The last state that was ordered.
    durable: Version,
    /// States that came before their turn.
    early: BTreeMap<Version, LineEntry>,
    /// The newest entries.
    window: VecDeque<Ordered>,
}

/// The bus.
#[derive(Default)]
pub(super) struct Network {
    /// The order of each channel.
    logs: BTreeMap<ChannelId, Log>,
    /// The last epoch that a line was given.
    epoch: u64,
    /// What is on its way to each node that has the channel in use.
    ways: BTreeMap<(usize, ChannelId), VecDeque<Ordered>>,
    /// The nodes that hear nothing now.
    cut: Vec<usize>,
    /// Every message of each channel, in order.
    order: BTreeMap<ChannelId, Vec<u64>>,
    /// How many of those had been said at each place.
    upto: HashMap<(ChannelId, Position), usize>,
}

/// The bus, as nodes share it.
pub(super) type Shared = Rc<RefCell<Network>>;

impl Network {
    /// A node has a channel in use from now on, whose last state is at this version in the store; where its line stands.
    pub(super) fn open(&mut self, node: usize, channel: &ChannelId, stored: Version) -> Position {
        if !self.logs.contains_key(channel) {
            self.epoch += 1;
            let position = Position::start(Epoch(self.epoch));
            let said = self.order.get(channel).map_or(0, Vec::len);
            self.upto.insert((channel.clone(), position), said);
            let (early, window) = (BTreeMap::new(), VecDeque::new());
            let log = Log { position, durable: stored, early, window };
            self.logs.insert(channel.clone(), log);
        }
        self.ways.insert((node, channel.clone()), VecDeque::new());
        self.logs[channel].position
    }

    /// A node does not use a channel any more.
    pub(super) fn close(&mut self, node: usize, channel: &ChannelId) {
        self.ways.remove(&(node, channel.clone()));
    }

    /// A channel was deleted: one that is made again is another.
    pub(super) fn forget(&mut self, channel: &ChannelId) {
        self.logs.remove(channel);
    }

    /// Orders an entry: a message behind everything, a state behind the one before it.
    pub(super) fn propose(&mut self, channel: &ChannelId, entry: LineEntry) {
        let LineEntry::State { version, .. } = entry else { return self.append(channel, entry) };
        let Some(log) = self.logs.get_mut(channel) else { return };
        if version > log.durable {
            log.early.insert(version, entry);
        }
        while let Some(log) = self.logs.get_mut(channel)
            && let Some(next) = log.early.remove(&log.durable.next())
        {
            log.durable = log.durable.next();
            self.append(channel, next);
        }
    }

    /// A state that is in the store stands for all before it: whoever should have proposed those cannot.
    pub(super) fn repair(&mut self, channel: &ChannelId, entry: LineEntry) {
        let LineEntry::State { version, .. } = entry else { return };
        if let Some(log) = self.logs.get_mut(channel)
            && version > log.durable
        {
            log.durable = version;
            log.early.retain(|early, _| *early > version);
            self.append(channel, entry);
        }
    }

    /// Puts an entry behind everything and sends it to every node that hears.
    fn append(&mut self, channel: &ChannelId, entry: LineEntry) {
        let Some(log) = self.logs.get_mut(channel) else { return };
        log.position = log.position.next();
        let order = self.order.entry(channel.clone()).or_default();
        if let LineEntry::Message(message) = &entry {
            order.push(number_of(message));
        }
        self.upto.insert((channel.clone(), log.position), order.len());
        let ordered = Ordered { position: log.position, entry };
        log.window.push_back(ordered.clone());
        if log.window.len() > WINDOW {
            log.window.pop_front();
        }
        for ((node, name), way) in &mut self.ways {
            if name == channel && !self.cut.contains(node) {
                way.push_back(ordered.clone());
            }
        }
    }

    /// Every message of a channel, in order.
    pub(super) fn order(&self, channel: &ChannelId) -> Vec<u64> {
        self.order.get(channel).cloned().unwrap_or_default()
    }

    /// How many of those had been said at a place.
    pub(super) fn upto(&self, channel: &ChannelId, at: Position) -> usize {
        let start = || self.order.get(channel).map_or(0, Vec::len);
        self.upto.get(&(channel.clone(), at)).copied().unwrap_or_else(start)
    }

    /// An entry could not be taken yet.
    pub(super) fn put_back(&mut self, to: &(usize, ChannelId), ordered: Ordered) {
        if let Some(way) = self.ways.get_mut(to) {
            way.push_front(ordered);
        }
    }

    /// The ways that have something.
    pub(super) fn under_way(&self) -> Vec<(usize, ChannelId)> {
        let full = self.ways.iter().filter(|(_, way)| !way.is_empty());
        full.map(|(to, _)| to.clone()).collect()
    }

    /// The next entry of a way; it stays there if it comes twice.
    pub(super) fn take(&mut self, to: &(usize, ChannelId), is_twice: bool) -> Option<Ordered> {
        let way = self.ways.get_mut(to)?;
        if is_twice { way.front().cloned() } else { way.pop_front() }
    }

    /// What lies behind a place, as far as it is at hand, and where the line stands.
    pub(super) fn read(&self, channel: &ChannelId, after: Position) -> (Vec<Ordered>, Position) {
        let Some(log) = self.logs.get(channel) else { return (Vec::new(), after) };
        let is_new = |ordered: &&Ordered| {
            ordered.position.epoch != after.epoch || ordered.position.offset > after.offset
        };
        (log.window.iter().filter(is_new).cloned().collect(), log.position)
    }

    /// A node hears nothing from now on; what is on its way to it is lost.
    pub(super) fn cut(&mut self, node: usize) {
        self.cut.push(node);
        let ways = self.ways.iter_mut().filter(|((to, _), _)| *to == node);
        ways.for_each(|(_, way)| way.clear());
    }

    /// It hears again.
    pub(super) fn heal(&mut self, node: usize) {
        self.cut.retain(|cut| *cut != node);
    }

    /// Whether a node hears nothing.
    pub(super) fn is_cut(&self, node: usize) -> bool {
        self.cut.contains(&node)
    }

    /// The bus loses its memory, with what is on its way; what is stored stays.
    pub(super) fn lose(&mut self, stored: impl Fn(&ChannelId) -> Version) {
        self.epoch += 1;
        for (channel, log) in &mut self.logs {
            log.position = Position::start(Epoch(self.epoch));
            log.durable = stored(channel);
            log.early.clear();
            log.window.clear();
            let said = self.order.get(channel).map_or(0, Vec::len);
            self.upto.insert((channel.clone(), log.position), said);
        }
        self.ways.values_mut().for_each(VecDeque::clear);
    }
}

/// The number in a message.
pub(super) fn number_of(message: &Message) -> u64 {
    let data: serde_json::Value = serde_json::from_str(message.data.as_str()).unwrap();
    data["n"].as_u64().unwrap()
}

/// What a channel proposes to.
pub(super) enum Ways {
    /// A server that is alone.
    Local(Local),
    /// The bus, for one channel.
    Network(Shared, ChannelId),
}

impl Bus for Ways {
    fn propose(&mut self, line: &Line, entry: LineEntry) -> Option<Ordered> {
        match self {
            Self::Local(local) => local.propose(line, entry),
            Self::Network(network, channel) => {
                network.borrow_mut().propose(channel, entry);
                None
            }
        }
    }
}

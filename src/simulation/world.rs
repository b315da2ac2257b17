//! The simulated world: servers, their clients, and what happens to them.

use super::acting::{GRACE, Live};
use super::client::{Socket, Told};
use super::following::Following;
use super::happening::{ForChannel, ForSession, Happening, Place, Post, Reported, Seat};
use super::network::Shared;
use super::node::{Node, PROJECT};
use super::random::Random;
use super::store::{Kind, Store};
use crate::delivery::fanout::ConnectionUid;
use crate::delivery::pressure::QueueBounds;
use crate::delivery::{Link, Note};
use crate::domain::{
    Capabilities, Channel, ChannelId, ChannelKey, Epoch, Message, Position, ProjectId, RawJson,
    SessionId, State, Timestamp, Version, Visibility,
};
use actix::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// The channels that there may be.
pub(super) const CHANNELS: [&str; 4] = ["a", "b", "c", PASSING];

/// The one that goes with its last subscriber; there is none where several servers might each take themselves for its last.
pub(super) const PASSING: &str = "passing";

/// How many clients have a token; those after them have none.
pub(super) const TOKENS: usize = 4;
/// How many clients there are.
const CLIENTS: usize = 6;

/// The queues of connections: small ones, so that they are met.
pub(super) const QUEUES: QueueBounds =
    QueueBounds { queue: 4000, patience: Duration::from_secs(2), together: 1 << 20 };

/// After so long a server notices that a client has gone without a word.
pub(super) const SILENCE: Duration = Duration::from_secs(20);

/// The notes of all connections.
pub(super) type Notes = Rc<RefCell<Vec<(ConnectionUid, Note)>>>;

/// Takes the notes of one connection, as its actor does.
pub(super) struct Ear {
    /// Which.
    pub(super) uid: ConnectionUid,
    /// Where they go.
    pub(super) notes: Notes,
}

impl Actor for Ear {
    type Context = Context<Self>;
}

impl Handler<Note> for Ear {
    type Result = ();

    fn handle(&mut self, note: Note, _: &mut Context<Self>) {
        self.notes.borrow_mut().push((self.uid, note));
    }
}

/// From where on a token hears a channel, and what it must have been told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tenure {
    /// How many messages came before.
    pub(super) since: usize,
    /// Whether something was lost that nobody can count.
    pub(super) has_gap: bool,
}

/// A token and its client, or a client without one.
pub(super) struct Client {
    /// The node where its session is, if it has one, and where it goes next.
    pub(super) home: usize,
    /// Its connection, if it has one.
    pub(super) socket: Option<Socket>,
    /// What it remembers, if it goes on by itself.
    pub(super) following: Option<Following>,
    /// What it was told since its session began.
    pub(super) told: Told,
    /// The channels that it hears.
    pub(super) tenures: BTreeMap<ChannelId, Tenure>,
    /// The channels that its token is subscribed to in the store.
    pub(super) stored: BTreeSet<ChannelId>,
    /// The messages that were sent to the token since its session began.
    pub(super) direct: Vec<u64>,
    /// The messages that were sent to it in all.
    pub(super) all_direct: Vec<u64>,
    /// How many of those had been said at each place of its line.
    pub(super) direct_upto: HashMap<Position, usize>,
}

/// What happens later.
pub(super) enum Later {
    /// Something comes to a session.
    Session(Seat, ForSession),
    /// Newcomers are shown who is in.
    Show(Place),
    /// A server that was started again looks for channels that nobody has come back to.
    Sweep(usize),
    /// A server gives a socket up, whose client may not have read what arrived, or closes what has lingered.
    End(Rc<Link>, bool),
}

/// Everything.
pub(super) struct World {
    /// What chance brings.
    pub(super) random: Random,
    /// The servers.
    pub(super) nodes: Vec<Node>,
    /// The bus, if there are several.
    pub(super) network: Option<Shared>,
    /// The store.
    pub(super) store: Store,
    /// The clients, by token.
    pub(super) clients: Vec<Client>,
    /// What the last steps brought about.
    pub(super) post: Post,
    /// What connections reported.
    pub(super) reported: Reported,
    /// The channels that have not ended.
    pub(super) live: Live,
    /// The notes of connections.
    pub(super) notes: Notes,
    /// What happens later, and in which order it was planned.
    pub(super) later: Vec<(Instant, u64, Later)>,
    /// The messages of each channel, in their order, where a server is alone.
    pub(super) order: BTreeMap<ChannelId, Vec<u64>>,
    /// How many messages of a channel had been said at each place of its line, where a server is alone.
    pub(super) said: HashMap<(ChannelId, Position), usize>,
    /// The channels that somebody has heard, with their beginnings.
    pub(super) used: BTreeSet<(ChannelId, Timestamp)>,
    /// Who is online on a channel of a node, as webhooks were told.
    pub(super) online: BTreeMap<(usize, ChannelId), BTreeSet<SessionId>>,
    /// The versions that were answered for, with the channel's beginning.
    pub(super) answered: HashMap<(ChannelId, Timestamp, Version), String>,
    /// Counts.
    pub(super) count: u64,
    /// What happened, in short: the same in every run of a seed.
    pub(super) transcript: u64,
    /// Whether it is told while it happens.
    pub(super) is_told: bool,
    /// When it began.
    pub(super) began: Instant,
}

impl World {
    /// One server by itself.
    pub(super) fn alone() -> Self {
        Self::with(Random::new(0), 1, None, 0)
    }

    /// Some servers, on a bus if there are several or chance wants it, and some clients.
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let nodes = 1 + random.below(3);
        let network = (nodes > 1 || random.chance(30)).then(Shared::default);
        Self::with(random, nodes, network, seed)
    }

    /// So many servers.
    pub(super) fn with(random: Random, nodes: usize, network: Option<Shared>, seed: u64) -> Self {
        let client = |index: usize| Client {
            home: index % nodes,
            socket: None,
            following: (index < TOKENS && index % 2 == 1).then(Following::default),
            told: Told::default(),
            tenures: BTreeMap::new(),
            stored: BTreeSet::new(),
            direct: Vec::new(),
            all_direct: Vec::new(),
            direct_upto: HashMap::new(),
        };
        let mut world = Self {
            random,
            nodes: (0..nodes).map(Node::new).collect(),
            network,
            store: Store::default(),
            clients: (0..CLIENTS).map(client).collect(),
            post: Post::default(),
            reported: Reported::default(),
            live: Live::default(),
            notes: Notes::default(),
            later: Vec::new(),
            order: BTreeMap::new(),
            said: HashMap::new(),
            used: BTreeSet::new(),
            online: BTreeMap::new(),
            answered: HashMap::new(),
            count: 0,
            transcript: seed,
            began: Instant::now(),
            is_told: std::env::var_os("WARREN_TELL").is_some(),
        };
        for name in CHANNELS {
            world.create(name);
        }
        world
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Tells what happens, where `WARREN_TELL` is set.
    pub(super) fn tell(&self, what: impl FnOnce() -> String) {
        if self.is_told {
            println!("{:>6} {}", self.count, what());
        }
    }

    /// Notes something in the transcript.
    pub(super) fn note(&mut self, what: u64) {
        self.transcript = (self.transcript ^ what).wrapping_mul(0x0100_0000_01B3).rotate_left(17);
    }

    /// The node where a client's session is.
    pub(super) fn node_of(&self, token: usize) -> usize {
        self.clients[token].home
    }

    /// Makes a channel, if there is none of that name.
    pub(super) fn create(&mut self, name: &str) {
        let id = ChannelId::trusted(name);
        let is_possible = name != PASSING || self.network.is_none();
        if self.store.find(&id).is_some() || !is_possible {
            return;
        }
        let at = self.next();
        let capabilities = match name {
            "c" => Capabilities::PRESENCE,
            PASSING => Capabilities::EPHEMERAL,
            _ => Capabilities::default(),
        };
        self.store.create(Channel {
            key: ChannelKey { project: ProjectId::from(PROJECT), id },
            visibility: Visibility::Public,
            capabilities,
            state: State::empty(),
            version: Version::FIRST,
            created_at: Timestamp(i64::try_from(at).unwrap()),
        });
    }

    /// One of the channels' names.
    pub(super) fn some_channel(&mut self) -> ChannelId {
        ChannelId::trusted(CHANNELS[self.random.below(CHANNELS.len())])
    }

    /// A message, and its number.
    pub(super) fn message(&mut self) -> (u64, Message) {
        let number = self.next();
        let text = "x".repeat(self.random.below(300));
        let data = format!(r#"{{"project":"{PROJECT}","n":{number},"x":"{text}"}}"#);
        (number, Message { event: "m".into(), data: RawJson::trusted(data) })
    }

    /// The messages of a channel, in order.
    pub(super) fn order(&self, channel: &ChannelId) -> Vec<u64> {
        match &self.network {
            Some(network) => network.borrow().order(channel),
            None => self.order.get(channel).cloned().unwrap_or_default(),
        }
    }

    /// How many messages a channel's incarnation on a node has shown.
    pub(super) fn shown(&self, node: usize, channel: &ChannelId) -> usize {
        let Some(here) = self.nodes[node].channels.get(channel) else { return 0 };
        match &self.network {
            Some(network) => network.borrow().upto(channel, here.machine.line().position()),
            None => self.order.get(channel).map_or(0, Vec::len),
        }
    }

    /// How many messages of a channel had been said at a place of its line.
    pub(super) fn upto(&self, channel: &ChannelId, at: Position) -> usize {
        match &self.network {
            Some(network) => network.borrow().upto(channel, at),
            None => self.said[&(channel.clone(), at)],
        }
    }

    /// A server that is alone says how far a channel's line has come, from one place on.
    pub(super) fn note_said(&mut self, channel: &ChannelId, from: Position) {
        let Some(here) = self.nodes[0].channels.get(channel) else { return };
        let (to, count) = (here.machine.line().position(), self.order(channel).len());
        for offset in from.offset..=to.offset {
            let at = Position { offset, ..to };
            self.said.entry((channel.clone(), at)).or_insert(count);
        }
    }

    /// The incarnation of a channel on a node, which takes it into use; none if there is no such channel.
    pub(super) fn resolve(&mut self, node: usize, channel: &ChannelId) -> Option<Place> {
        if let Some(here) = self.nodes[node].channels.get(channel) {
            return Some(here.acting.place.clone());
        }
        while !crate::faults::is_planted(crate::faults::Fault::LoadedBeforeWritten)
            && self.store.jobs.iter().any(|job| job.by.channel == *channel)
        {
            // An incarnation that ended by itself may have left something: the next is read behind that.
            self.step_store(false);
        }
        let stored = self.store.find(channel)?;
        let incarnation = self.next();
        let place = self.nodes[node].open(stored, incarnation, self.network.as_ref(), &self.post);
        self.live.borrow_mut().insert(place.clone());
        self.online.insert((node, channel.clone()), BTreeSet::new());
        if self.network.is_none() {
            self.note_said(channel, Position::start(Epoch(incarnation)));
        }
        Some(place)
    }

    /// Hands something to a channel; false if that incarnation has ended.
    pub(super) fn hand_channel(&mut self, place: &Place, what: ForChannel) -> bool {
        let here = self.nodes[place.node].channels.get_mut(&place.channel);
        match here.filter(|here| here.acting.place == *place) {
            Some(here) => {
                here.inbox.push_back(what);
                true
            }
            None => false,
        }
    }

    /// Hands something to a session, if that incarnation lives.
    pub(super) fn hand_session(&mut self, seat: Seat, what: ForSession) {
        let here = self.nodes[seat.node].sessions.get_mut(&seat.token);
        if let Some(here) = here.filter(|here| here.seat == seat) {
            here.inbox.push_back(what);
        }
    }

    /// Plans something.
    pub(super) fn plan(&mut self, at: Instant, later: Later) {
        let turn = self.next();
        self.later.push((at, turn, later));
    }

    /// Does what the last step brought about.
    pub(super) fn deliver(&mut self) {
        let reports = std::mem::take(&mut *self.reported.lock().unwrap());
        for (seat, report) in reports {
            self.hand_session(seat, ForSession::Report(report));
        }
        loop {
            let happenings = std::mem::take(&mut *self.post.borrow_mut());
            if happenings.is_empty() {
                return;
            }
            for happening in happenings {
                self.happen(happening);
            }
        }
    }

    /// Does one thing that a step brought about.
    pub(super) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Channel(place, what) => {
                let unheard = what.unheard(&place.channel);
                if !self.hand_channel(&place, what)
                    && let Some((seat, word)) = unheard
                {
                    self.hand_session(seat, word);
                }
            }
            Happening::Session(seat, what) => self.hand_session(seat, what),
            Happening::Later(at, seat, what) => self.plan(at, Later::Session(seat, what)),
            Happening::ShowLater(at, place) => self.plan(at, Later::Show(place)),
            Happening::StopGrace(seat) => {
                let is_grace = |later: &Later| matches!(later, Later::Session(to, ForSession::GraceOver) if *to == seat);
                self.later.retain(|(_, _, later)| !is_grace(later));
            }
            Happening::Store(job) => {
                let here = self.nodes[job.by.node].channels.get_mut(&job.by.channel);
                if let Some(here) = here.filter(|here| here.acting.place == job.by) {
                    here.is_ending |= matches!(job.kind, Kind::DeleteItself);
                }
                if matches!(job.kind, Kind::Mark) {
                    self.store.unnoted.insert(job.by.channel.clone());
                }
                self.store.jobs.push_back(job);
            }
            Happening::Reload(place) => {
                let here = self.nodes[place.node].channels.get_mut(&place.channel);
                if let Some(here) = here.filter(|here| here.acting.place == place) {
                    here.is_reloading = true;
                }
            }
            Happening::EndChannel(place) => self.end_channel(&place),
            Happening::EndSession(seat, is_asked) => self.end_session(seat, is_asked),
            Happening::Online(place, session, is_online) => {
                let online = self.online.entry((place.node, place.channel.clone())).or_default();
                if is_online {
                    assert!(online.insert(session), "told twice that somebody came");
                } else {
                    online.remove(&session);
                }
            }
            Happening::Answer(channel, created_at, outcome) => {
                if let Ok((state, version)) = outcome {
                    let state = state.json().as_str().to_owned();
                    let before = self.answered.insert((channel, created_at, version), state);
                    assert!(before.is_none(), "two changes made version {version}");
                }
            }
        }
    }

    /// So much time passes.
    pub(super) async fn pass(&mut self, time: Duration) {
        tokio::time::advance(time).await;
        let now = Instant::now();
        loop {
            let due = self.later.iter().enumerate().filter(|(_, (at, ..))| *at <= now);
            let Some((index, _)) = due.min_by_key(|(_, (at, turn, _))| (*at, *turn)) else { break };
            match self.later.remove(index).2 {
                Later::Session(seat, what) => self.hand_session(seat, what),
                Later::Sweep(node) => self.sweep(node),
                Later::Show(place) => drop(self.hand_channel(&place, ForChannel::ShowNewcomers)),
                Later::End(link, is_doubtful) => self.end(&link, is_doubtful),
            }
        }
        self.settle_tasks().await;
    }

    /// Lets the fan-outs do what they have to, and connections what they are told.
    pub(super) async fn settle_tasks(&mut self) {
        for _ in 0..12 {
            tokio::task::yield_now().await;
        }
        let notes = std::mem::take(&mut *self.notes.borrow_mut());
        for (uid, note) in notes {
            let sockets = self.clients.iter().filter_map(|client| client.socket.as_ref());
            let known = sockets.map(|socket| &socket.link).find(|link| link.uid() == uid);
            let Some(link) = known.map(Rc::clone) else { continue };
            match note {
                Note::Initialised => {}
                Note::Close(close) => self.close(&link, &close),
                Note::Overrun => {
                    self.fanout_of(&link).unregister(&link);
                    self.plan(Instant::now() + Duration::from_secs(1), Later::End(link, false));
                }
            }
        }
        self.deliver();
    }

    /// The fan-out where a connection is.
    pub(super) fn fanout_of(&self, link: &Rc<Link>) -> crate::delivery::fanout::LocalFanout {
        let has = |client: &Client| {
            client.socket.as_ref().is_some_and(|socket| Rc::ptr_eq(&socket.link, link))
        };
        let token = self.clients.iter().position(has).unwrap_or(0);
        self.nodes[self.node_of(token)].fanout.clone()
    }

    /// Everybody comes to rest: nothing fails any more, and all that is under way arrives.
    pub(super) async fn rest(&mut self) {
        self.store.is_failing = false;
        for node in 0..self.nodes.len() {
            self.heal(node);
        }
        for _ in 0..6 {
            self.rest_briefly().await;
            self.repair();
            self.rest_briefly().await;
            for token in 0..self.clients.len() {
                while self.has_unread(token) {
                    self.read(token, 1 << 20);
                    self.settle_tasks().await;
                }
            }
            self.pass(Duration::from_millis(400)).await;
        }
        self.rest_briefly().await;
    }

    /// States that were stored and never proposed, because whoever should have is not there any more.
    pub(super) fn repair(&mut self) {
        let Some(network) = &self.network else { return };
        for channel in self.store.channels() {
            let (state, version) = (channel.state.clone(), channel.version);
            let entry = crate::bus::LineEntry::State { state, version };
            network.borrow_mut().repair(&channel.key.id, entry);
        }
    }

    /// Every client comes back once more, so that it is told what it has missed.
    pub(super) async fn come_back(&mut self) {
        for token in 0..self.clients.len() {
            self.disconnect(token, false);
        }
        self.rest_briefly().await;
        for token in 0..TOKENS {
            let has_session = self.nodes[self.node_of(token)].sessions.contains_key(&token);
            // Who remembers how far it has heard may come back at any time.
            if has_session || self.clients[token].following.is_some() {
                self.connect(token, 1 << 20);
            }
        }
        self.rest().await;
    }

    /// Everybody goes for good.
    pub(super) async fn leave(&mut self) {
        for token in 0..self.clients.len() {
            self.disconnect(token, false);
        }
        self.rest().await;
        for _ in 0..2 {
            self.pass(GRACE).await;
            self.rest().await;
        }
        for node in 0..self.nodes.len() {
            self.put_to_sleep(node, &ChannelId::trusted(PASSING));
        }
        self.rest().await;
    }

    /// What is under way arrives, in no time.
    pub(super) async fn rest_briefly(&mut self) {
        self.settle_tasks().await;
        for _ in 0..10_000 {
            if !self.step() {
                return;
            }
            self.settle_tasks().await;
        }
        panic!("it comes to no rest");
    }
}

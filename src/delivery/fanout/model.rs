//! The registry against the plainest thing that could be right: a list for each connection, written to at once. And whose
//! turn it is: nobody is written to again and again while another waits.

use super::super::connection_info::Origin;
use super::super::link::Link;
use super::super::owed::Kept;
use super::super::pressure::{Pressure, QueueBounds};
use super::super::send_queue::Sink;
use super::order::Order;
use super::registry::Registry;
use super::uid::ConnectionUid;
use crate::domain::{
    ChannelId, ConnectionId, LineId, Member, Message, Place, ProjectId, RawJson, Timestamp,
};
use crate::protocol::{EncodedEvent, Event, Extension, Extensions, PresentMember, Wire};
use proptest::prelude::*;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

/// How many connections there are.
const LINKS: usize = 6;
/// How many channels.
const ROOMS: usize = 3;

/// How often a connection may be served while another waits. Each has at most two turns in line, its own and that of its
/// channel, and who waits for the channel's turn waits for their own instead once something else was said to them.
const MOST: usize = 4;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A connection joins a channel.
    Join(usize, usize),
    /// A connection leaves a channel.
    Leave(usize, usize),
    /// A connection goes for good.
    Unregister(usize),
    /// Something is said in a channel.
    Deliver(usize),
    /// Something is said in a channel that only those hear who asked for an extension.
    Hint(usize),
    /// Something is said to a connection.
    Direct(usize),
    /// A channel ends.
    Dissolve(usize),
    /// So many connections are served.
    Flush(usize),
}

/// Any step; words in channels are the most frequent.
fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..LINKS, 0..ROOMS).prop_map(|(link, room)| Step::Join(link, room)),
        2 => (0..LINKS, 0..ROOMS).prop_map(|(link, room)| Step::Leave(link, room)),
        1 => (0..LINKS).prop_map(Step::Unregister),
        6 => (0..ROOMS).prop_map(Step::Deliver),
        3 => (0..ROOMS).prop_map(Step::Hint),
        2 => (0..LINKS).prop_map(Step::Direct),
        1 => (0..ROOMS).prop_map(Step::Dissolve),
        4 => (1..4_usize).prop_map(Step::Flush),
    ]
}

/// An event with a number.
fn event(number: usize) -> Arc<EncodedEvent> {
    let message = Message { event: format!("n{number}").into(), data: RawJson::null() };
    Arc::new(EncodedEvent::new(Event::DirectMessage { message, is_unicast: false }))
}

/// The same for those who asked for an extension.
fn hint(number: usize) -> Arc<EncodedEvent> {
    let id = format!("n{number}").into();
    let member = Arc::new(Member { id, data: RawJson::null(), token: None });
    let member = PresentMember { member, connections: 1, since: Timestamp(1) };
    let channel = ChannelId::trusted("room");
    Arc::new(EncodedEvent::new(Event::PresenceJoin { channel, member }))
}

/// The extensions of a connection: every other one has some.
fn extensions(link: usize) -> Extensions {
    let has = Extensions::default().with(Extension::Presence);
    if link.is_multiple_of(2) { Extensions::default() } else { has }
}

/// A socket that takes everything.
#[derive(Default)]
struct Socket {
    /// What was written.
    bytes: RefCell<Vec<u8>>,
    /// Which connection it is.
    number: usize,
    /// All connections in the order in which they were written to.
    served: Rc<RefCell<Vec<usize>>>,
}

impl Sink for Socket {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.borrow_mut().extend_from_slice(bytes);
        self.served.borrow_mut().push(self.number);
        Ok(bytes.len())
    }

    fn poll_writable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn touch(&self) {}

    fn unacknowledged(&self) -> Option<u64> {
        Some(0)
    }

    fn finish(&self) {}

    fn abandon(&self) {}
}

impl Socket {
    /// The numbers of the events that were written.
    fn heard(&self) -> Vec<usize> {
        let text = String::from_utf8_lossy(&self.bytes.borrow()).into_owned();
        let text = text.replace(r#""d":{"member":{"id":"n"#, r#""d":{"e":"n"#);
        let numbers = text.split(r#""d":{"e":"n"#).skip(1);
        numbers.map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect()
    }
}

/// Before everything that a line says.
const fn beginning(line: LineId) -> Place {
    Place { line, number: 0 }
}

/// A connection that has had its INIT.
fn connection(registry: &mut Registry, socket: &Rc<Socket>) -> Rc<Link> {
    let origin = Origin { address: None, user_agent: None, since: Timestamp(1), nonce: 0 };
    let link = Link::new(
        ConnectionUid::next(),
        ConnectionId::from("cid"),
        origin,
        &Rc::new(Pressure::new(QueueBounds::default())),
    );
    link.set_identity(ProjectId::from("p"), extensions(socket.number), Wire::default());
    link.push_to(Rc::<Socket>::clone(socket));
    let link = Rc::new(link);
    registry.register(&link);
    link.initialise(&event(0), Kept::default(), beginning(LineId::next()));
    socket.bytes.borrow_mut().clear();
    link
}

/// The registry, and what should come of what is done to it.
struct World {
    /// The connections.
    links: Vec<Rc<Link>>,
    /// Their sockets.
    sockets: Vec<Rc<Socket>>,
    /// The channels.
    rooms: Vec<LineId>,
    /// Which connection hears which channel.
    members: [[bool; LINKS]; ROOMS],
    /// Which connections have gone.
    gone: [bool; LINKS],
    /// What each should have heard in the end.
    expected: Vec<Vec<usize>>,
    /// For each that waits: how often each other one was written to meanwhile.
    waiting: [Option<[usize; LINKS]>; LINKS],
    /// All connections in the order in which they were written to.
    served: Rc<RefCell<Vec<usize>>>,
    /// What is tested.
    registry: Registry,
}

impl World {
    /// Nobody has joined yet.
    fn new() -> Self {
        let mut registry = Registry::default();
        let served = Rc::<RefCell<Vec<usize>>>::default();
        let socket = |number| Socket { number, served: Rc::clone(&served), ..Socket::default() };
        let sockets: Vec<_> = (0..LINKS).map(socket).map(Rc::new).collect();
        let links = sockets.iter().map(|socket| connection(&mut registry, socket)).collect();
        served.borrow_mut().clear();
        Self {
            links,
            sockets,
            rooms: (0..ROOMS).map(|_| LineId::next()).collect(),
            members: [[false; LINKS]; ROOMS],
            gone: [false; LINKS],
            expected: vec![Vec::new(); LINKS],
            waiting: [None; LINKS],
            served,
            registry,
        }
    }

    /// A connection should hear an event.
    fn expect(&mut self, link: usize, number: usize) {
        if !self.gone[link] {
            self.expected[link].push(number);
            self.waiting[link].get_or_insert([0; LINKS]);
        }
    }

    /// All connections of a channel should hear an event.
    fn expect_in(&mut self, room: usize, number: usize) {
        for link in (0..LINKS).filter(|link| self.members[room][*link]).collect::<Vec<_>>() {
            self.expect(link, number);
        }
    }

    /// Lets one thing happen.
    fn take(&mut self, number: usize, step: Step) {
        let dispatch = event(number);
        match step {
            Step::Join(link, room) => {
                let (connection, name) = (self.links[link].uid(), ChannelId::trusted("room"));
                let (from, dispatch) = (beginning(self.rooms[room]), Some(dispatch));
                self.registry.perform(Order::Attach { from, name, connection, dispatch });
                self.members[room][link] = !self.gone[link];
                self.expect(link, number);
            }
            Step::Leave(link, room) => {
                let (channel, connection) = (self.rooms[room], self.links[link].uid());
                let dispatch = Some(dispatch);
                self.registry.perform(Order::Detach { channel, connection, dispatch });
                self.members[room][link] = false;
                self.expect(link, number);
            }
            Step::Unregister(link) => {
                // What a connection that goes has not heard yet is lost to it; here it has heard all.
                self.registry.catch_up(&self.links[link]);
                self.registry.unregister(&self.links[link]);
                self.gone[link] = true;
                self.members.iter_mut().for_each(|room| room[link] = false);
            }
            Step::Deliver(room) => {
                self.registry.perform(Order::Deliver { channel: self.rooms[room], dispatch });
                self.expect_in(room, number);
            }
            Step::Hint(room) => {
                let (channel, dispatch) = (self.rooms[room], hint(number));
                self.registry.perform(Order::Deliver { channel, dispatch });
                for link in (0..LINKS).filter(|link| self.members[room][*link]).collect::<Vec<_>>()
                {
                    if extensions(link).has(Extension::Presence) {
                        self.expect(link, number);
                    }
                }
            }
            Step::Direct(link) => {
                let connection = self.links[link].uid();
                self.registry.perform(Order::Direct { connection, dispatch });
                self.expect(link, number);
            }
            Step::Dissolve(room) => {
                self.registry.perform(Order::Dissolve {
                    channel: self.rooms[room],
                    dispatch: Some(dispatch),
                });
                self.expect_in(room, number);
                self.members[room] = [false; LINKS];
                self.rooms[room] = LineId::next();
            }
            Step::Flush(most) => self.flush(most),
        }
    }

    /// Serves at most so many connections, and looks whose turn it was.
    fn flush(&mut self, most: usize) {
        let writes = self.registry.flush(most);
        assert!(writes <= most, "{writes}");
        for link in self.served.take() {
            for (waits, others) in self.waiting.iter_mut().enumerate() {
                if let Some(others) = others.as_mut().filter(|_| waits != link) {
                    others[link] += 1;
                    assert!(others[link] <= MOST, "{link} over and over while {waits} waited");
                }
            }
            let has_all = self.sockets[link].heard() == self.expected[link];
            self.waiting[link] = (!has_all).then_some([0; LINKS]);
        }
    }
}

/// Lets all that happen, sees that turns are kept, and compares what each connection has heard in the end.
fn check(steps: &[Step]) {
    let mut world = World::new();
    for (number, step) in steps.iter().enumerate() {
        world.take(number + 1, *step);
    }
    while world.registry.has_news() {
        world.flush(2);
    }
    for (socket, expected) in world.sockets.iter().zip(world.expected) {
        assert_eq!(socket.heard(), expected);
    }
}

/// Two channels heard by everybody, and less served at a time than is said.
#[test]
fn whoever_hears_several_channels_gets_their_turn_however_much_is_said() {
    let joins = (0..LINKS).flat_map(|link| [Step::Join(link, 0), Step::Join(link, 1)]);
    let talk = (0..40).flat_map(|n| [Step::Deliver(n % 2), Step::Flush(2)]);
    check(&joins.chain(talk).collect::<Vec<_>>());
}

/// The same with channels that have their listeners for themselves: one room must not starve another.
#[test]
fn a_channel_that_is_always_loud_does_not_silence_another() {
    let joins = (0..LINKS).map(|link| Step::Join(link, link % ROOMS));
    let talk = (0..60).flat_map(|n| [Step::Deliver(n % ROOMS), Step::Flush(1)]);
    check(&joins.chain(talk).collect::<Vec<_>>());
}

/// And with both kinds: what waits for single connections must not starve those of a channel.
#[test]
fn words_to_single_connections_do_not_silence_a_channel() {
    let joins = (0..LINKS).map(|link| Step::Join(link, 0));
    let talk = (0..60).flat_map(|n| [Step::Deliver(0), Step::Direct(n % 3), Step::Flush(1)]);
    check(&joins.chain(talk).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn everybody_hears_what_they_should_once_in_order_and_in_turn(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        check(&steps);
    }
}

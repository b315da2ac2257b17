//! What the outgoing queues of one worker hold together, and who goes first where that is too much.
//!
//! Counted is what waits for sockets that take no more. A frame that waits for many is in memory once, and counts once;
//! each of them adds what it costs to remember it.

use super::fanout::ConnectionUid;
use crate::metrics::{self, ThreadCells};
use crate::num;
use bytes::Bytes;
use foldhash::fast::RandomState;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a queue needs to remember a piece, about.
const PIECE_BYTES: usize = 64;
/// For so long a reader may take nothing and count as one that reads, where somebody has to go.
pub(super) const STILL: Duration = Duration::from_secs(1);

/// The bounds of outgoing queues.
#[derive(Clone, Copy, Debug)]
pub struct QueueBounds {
    /// The bytes of one queue that may wait for a reader that takes nothing.
    pub queue: usize,
    /// For so long a reader may take nothing while more than that waits.
    pub patience: Duration,
    /// The bytes in all queues of a worker.
    pub together: usize,
}

impl Default for QueueBounds {
    fn default() -> Self {
        Self { queue: 1 << 20, patience: Duration::from_secs(10), together: 256 << 20 }
    }
}

/// A frame that waits.
struct HeldFrame {
    /// Its bytes.
    bytes: usize,
    /// In how many queues.
    queues: usize,
}

/// What waits, each frame once.
#[derive(Default)]
struct Ledger {
    /// The frames, by where they end in memory: that stays the same while their beginning is written.
    frames: HashMap<usize, HeldFrame, RandomState>,
    /// Their bytes, and what queues need to remember them.
    bytes: usize,
}

impl Ledger {
    /// A frame waits in one queue more.
    fn hold(&mut self, frame: &Bytes) {
        let size = frame.len();
        let held = self.frames.entry(end_of(frame)).or_insert(HeldFrame { bytes: size, queues: 0 });
        let is_new = held.queues == 0;
        held.queues += 1;
        self.bytes += PIECE_BYTES + if is_new { size } else { 0 };
    }

    /// A frame, or the rest of it, waits in one queue less.
    fn release(&mut self, frame: &Bytes) {
        let at = end_of(frame);
        let Some(held) = self.frames.get_mut(&at) else { return };
        held.queues -= 1;
        let (bytes, is_last) = (held.bytes, held.queues == 0);
        self.bytes = self.bytes.saturating_sub(PIECE_BYTES + if is_last { bytes } else { 0 });
        if is_last {
            self.frames.remove(&at);
        }
    }
}

/// Where a frame ends in memory.
fn end_of(frame: &Bytes) -> usize {
    frame.as_ptr_range().end.addr()
}

/// How much speaks for letting a connection go; the greatest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// It was given up already and still has not taken the rest.
    is_closed: bool,
    /// For how long it has taken nothing; zero as long as it counts as one that reads.
    stalled: Duration,
    /// The bytes that wait for it.
    queued: usize,
}

impl Rank {
    /// That of a connection.
    pub fn new(is_closed: bool, stalled: Duration, queued: usize) -> Self {
        let stalled = if stalled < STILL { Duration::ZERO } else { stalled };
        Self { is_closed, stalled, queued }
    }
}

/// A connection for which something waits, as far as its worker's account knows it.
pub(super) trait Laggard {
    /// The connection.
    fn uid(&self) -> ConnectionUid;

    /// How much speaks for giving it up where somebody has to go.
    fn rank(&self, now: Instant) -> Option<Rank>;

    /// Its worker holds more than so many bytes, and it is the slowest: it is closed, and if it was already, cut.
    fn give_up(self: Rc<Self>, together: usize);
}

/// What the queues of one worker share.
pub struct Pressure {
    /// The bounds.
    bounds: QueueBounds,
    /// What waits.
    ledger: RefCell<Ledger>,
    /// The connections for which something waits.
    waiting: RefCell<HashMap<ConnectionUid, Weak<dyn Laggard>, RandomState>>,
    /// Whether somebody is being given up now.
    is_relieving: Cell<bool>,
    /// Where the worker counts.
    cells: Arc<ThreadCells>,
}

impl Pressure {
    /// Nothing waits.
    pub fn new(bounds: QueueBounds) -> Self {
        Self {
            bounds,
            ledger: RefCell::default(),
            waiting: RefCell::default(),
            is_relieving: Cell::default(),
            cells: metrics::here(),
        }
    }

    /// Where the worker counts.
    pub(super) fn cells(&self) -> &ThreadCells {
        &self.cells
    }

    /// The bounds.
    pub(super) const fn bounds(&self) -> &QueueBounds {
        &self.bounds
    }

    /// A socket took so many bytes in one write.
    pub(super) fn note_write(&self, bytes: usize) {
        self.cells.tallies.socket_writes.add(1);
        self.cells.tallies.bytes_sent.add_size(bytes);
    }

    /// A frame waits in one queue more.
    pub(super) fn hold(&self, frame: &Bytes) {
        self.ledger.borrow_mut().hold(frame);
        self.show();
    }

    /// A frame waits in one queue less.
    pub(super) fn release(&self, frame: &Bytes) {
        self.ledger.borrow_mut().release(frame);
        self.show();
    }

    /// Shows how much waits.
    fn show(&self) {
        self.cells.send_queue_bytes.set(num::counter(self.bytes()));
    }

    /// The bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.ledger.borrow().bytes
    }

    /// Whether more waits than may.
    pub(super) fn is_over(&self) -> bool {
        self.bytes() > self.bounds.together
    }

    /// Something waits for a connection.
    pub(super) fn enlist<B: Laggard + 'static>(&self, behind: &Rc<B>) {
        self.waiting.borrow_mut().entry(behind.uid()).or_insert_with(|| {
            let weak: Weak<B> = Rc::downgrade(behind);
            weak
        });
    }

    /// Nothing waits for a connection any more.
    pub(super) fn strike(&self, uid: ConnectionUid) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.remove(&uid).is_some() && waiting.is_empty() {
            // Quiet times should not keep the room that a crowd needed.
            *waiting = HashMap::default();
        }
    }

    /// Where more waits than may, gives up connections until it is an eighth less, the slowest first.
    pub(super) fn relieve(&self, now: Instant) {
        if !self.is_over() || self.is_relieving.replace(true) {
            return;
        }
        let enough = self.bounds.together - self.bounds.together / 8;
        let waiting: Vec<_> = self.waiting.borrow().values().filter_map(Weak::upgrade).collect();
        let mut ranked: Vec<_> =
            waiting.into_iter().filter_map(|link| Some((link.rank(now)?, link))).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        while self.bytes() > enough
            && let Some((_, link)) = ranked.pop()
        {
            link.give_up(self.bounds.together);
        }
        self.is_relieving.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::super::connection_info::Origin;
    use super::super::link::Link;
    use super::super::owed::Kept;
    use super::super::send_queue::Sink;
    use super::*;
    use crate::domain::{
        Capabilities, Channel, ChannelId, ChannelKey, ConnectionId, LineId, Message, Place,
        ProjectId, RawJson, State, Timestamp, Version, Visibility,
    };
    use crate::protocol::{Close, CloseCode, EncodedEvent, Event, Extensions, Scope, Wire};
    use std::io;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    #[test]
    fn a_frame_in_many_queues_counts_once_until_it_has_left_the_last() {
        let mut ledger = Ledger::default();
        let frame = Bytes::from(vec![0; 20 << 20]);
        let mut queues = vec![frame; 1000];
        for held in &queues {
            ledger.hold(held);
        }
        let other = Bytes::from(vec![0; 100]);
        ledger.hold(&other);
        assert_eq!(ledger.bytes, (20 << 20) + 100 + 1001 * PIECE_BYTES);
        // A part of it has left some of the queues.
        for (n, held) in queues.iter_mut().enumerate() {
            drop(held.split_to(n));
        }
        let last = queues.pop().unwrap();
        for held in &queues {
            ledger.release(held);
        }
        assert_eq!(ledger.bytes, (20 << 20) + 100 + 2 * PIECE_BYTES);
        ledger.release(&last);
        ledger.release(&other);
        assert_eq!((ledger.bytes, ledger.frames.len()), (0, 0));
    }

    /// A socket that takes so many bytes.
    #[derive(Default)]
    struct Socket(Cell<usize>);

    impl Sink for Socket {
        fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0.get());
            self.0.set(self.0.get() - taken);
            if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
        }

        fn poll_writable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn touch(&self) {}

        fn unacknowledged(&self) -> Option<u64> {
            None
        }

        fn finish(&self) {}

        fn abandon(&self) {}
    }

    /// A connection that waits for its INIT.
    fn newcomer(pressure: &Rc<Pressure>) -> Rc<Link> {
        let origin = Origin { address: None, user_agent: None, since: Timestamp(1), nonce: 0 };
        let link = Link::new(ConnectionUid::next(), ConnectionId::from("cid"), origin, pressure);
        link.set_identity(ProjectId::from("p"), Extensions::default(), Wire::default());
        Rc::new(link)
    }

    /// The beginning of a line.
    fn place() -> Place {
        Place { line: LineId::next(), number: 0 }
    }

    /// A connection that has had its INIT, and whose socket takes nothing any more.
    fn connection(pressure: &Rc<Pressure>) -> Rc<Link> {
        let link = newcomer(pressure);
        let socket = Rc::new(Socket(Cell::new(1 << 20)));
        link.push_to(Rc::<Socket>::clone(&socket));
        link.initialise(&message(10), Kept::default(), place());
        socket.0.set(0);
        link
    }

    /// A message of so many bytes.
    fn message(bytes: usize) -> Arc<EncodedEvent> {
        let data = RawJson::trusted(format!("\"{}\"", "x".repeat(bytes)));
        let message = Message { event: "e".into(), data };
        Arc::new(EncodedEvent::new(Event::DirectMessage { message, is_unicast: false }))
    }

    /// Hands a connection something.
    fn deliver(link: &Rc<Link>, dispatch: &Arc<EncodedEvent>) {
        if link.deliver(dispatch) {
            link.flush();
        }
    }

    /// An account of so many bytes.
    fn pressure(together: usize) -> Rc<Pressure> {
        let bounds = QueueBounds { queue: 100, patience: Duration::from_mins(1), together };
        Rc::new(Pressure::new(bounds))
    }

    #[actix_rt::test]
    async fn a_thousand_readers_of_one_large_message_are_no_more_than_one() {
        let pressure = pressure(30 << 20);
        let links: Vec<_> = (0..1000).map(|_| connection(&pressure)).collect();
        let large = message(20 << 20);
        for link in &links {
            deliver(link, &large);
        }
        assert!(links.iter().all(|link| !link.is_gone()));
        assert_eq!(pressure.waiting.borrow().len(), 1000);
        drop(links);
        // What waits for its socket is held by who waits for it.
        assert!(pressure.bytes() < 30 << 20);
    }

    #[actix_rt::test]
    async fn a_large_state_in_the_init_of_many_waits_once() {
        let (pressure, socket) = (pressure(30 << 20), Rc::new(Socket::default()));
        let state = State::trusted(&format!(r#"{{"x":"{}"}}"#, "x".repeat(1 << 20)));
        let channel = Channel {
            key: ChannelKey { project: ProjectId::from("p"), id: ChannelId::trusted("room") },
            visibility: Visibility::Public,
            capabilities: Capabilities::default(),
            state,
            version: Version(1),
            created_at: Timestamp(0),
        };
        let links: Vec<_> = (0..100).map(|_| newcomer(&pressure)).collect();
        for link in &links {
            link.push_to(Rc::<Socket>::clone(&socket));
            let init = Event::Init {
                cid: ConnectionId::from("cid"),
                connection_count: 1,
                metadata: RawJson::null(),
                scope: Scope::Token,
                channels: vec![channel.clone()],
                missed: 0,
                extensions: None,
                standing: None,
            };
            link.initialise(&EncodedEvent::new(init), Kept::default(), place());
            assert!(link.is_behind() && link.left_bytes() > 1 << 20);
        }
        assert!(((1 << 20)..(1 << 20) + (100 << 10)).contains(&pressure.bytes()));
        drop(links);
    }

    #[actix_rt::test]
    async fn where_all_hold_too_much_the_slowest_go_first_and_no_more_than_have_to() {
        tokio::time::pause();
        let pressure = pressure(100_000);
        let links: Vec<_> = (0..5).map(|_| connection(&pressure)).collect();
        // Each has waited for longer than the next, and all for long enough.
        for link in &links {
            deliver(link, &message(15_000));
            tokio::time::advance(Duration::from_secs(2)).await;
        }
        assert!(links.iter().all(|link| !link.is_gone()));
        let gone = || links.iter().map(|link| link.is_gone()).collect::<Vec<_>>();
        deliver(&links[4], &message(40_000));
        assert_eq!(gone(), [true, true, false, false, false], "an eighth less than the bound");
        deliver(&links[4], &message(16_000));
        assert_eq!(gone(), [true, true, true, false, false]);
        assert!(pressure.bytes() <= 100_000);
    }

    #[actix_rt::test]
    async fn of_those_who_read_goes_first_who_has_most_waiting() {
        tokio::time::pause();
        let pressure = pressure(100_000);
        let links: Vec<_> = (0..3).map(|_| connection(&pressure)).collect();
        for (link, bytes) in links.iter().zip([20_000, 50_000, 20_000]) {
            deliver(link, &message(bytes));
        }
        deliver(&links[0], &message(20_000));
        let gone: Vec<_> = links.iter().map(|link| link.is_gone()).collect();
        assert_eq!(gone, [false, true, false]);
    }

    #[actix_rt::test]
    async fn one_that_was_given_up_and_takes_nothing_is_cut_before_another_goes() {
        tokio::time::pause();
        let pressure = pressure(100_000);
        let [first, second] = [connection(&pressure), connection(&pressure)];
        first.push_to(Rc::new(Socket(Cell::new(1))));
        deliver(&first, &message(90_000));
        assert!(first.is_behind());
        first.close(&Close::new(CloseCode::Unknown, ""));
        first.leave();
        deliver(&second, &message(50_000));
        assert!(!first.is_behind() && !second.is_gone());
        assert!((50_000..52_000).contains(&pressure.bytes()));
    }

    #[test]
    fn who_has_taken_nothing_for_longest_goes_first_and_who_reads_last() {
        let seconds = Duration::from_secs;
        let mut ranks = [
            Rank::new(false, STILL / 2, 10),
            Rank::new(false, seconds(3), 1 << 30),
            Rank::new(true, Duration::ZERO, 1),
            Rank::new(false, STILL / 4, 20),
            Rank::new(false, seconds(9), 1),
        ];
        ranks.sort();
        let order = ranks.map(|rank| (rank.is_closed, rank.stalled.as_secs(), rank.queued));
        let expected =
            [(false, 0, 10), (false, 0, 20), (false, 3, 1 << 30), (false, 9, 1), (true, 0, 1)];
        assert_eq!(order, expected);
    }
}

//! A link on a socket that takes as much as a test lets it: what leaves, what its actor is told, what its owner is told.

use super::*;
use crate::delivery::pressure::QueueBounds;
use crate::delivery::report::{Report, Reports};
use crate::domain::{Message as Said, RawJson, Timestamp};
use crate::protocol::frame;
use std::io;
use std::sync::Mutex;

/// The bound of a queue.
const QUEUE: usize = 1000;
/// For so long a reader may take nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any test sends.
const PLENTY: usize = 1 << 20;

/// A socket that takes so many bytes.
#[derive(Default)]
struct FakeSocket {
    /// How many more.
    room: Cell<usize>,
    /// What it took.
    taken: RefCell<Vec<u8>>,
    /// How many of these the peer has not acknowledged.
    under_way: Cell<u64>,
    /// Whether it is broken.
    is_broken: Cell<bool>,
    /// Whether its peer was told that this was the end.
    is_finished: Cell<bool>,
    /// Whether it is of no use any more.
    is_abandoned: Cell<bool>,
    /// Who waits until it takes more.
    waiting: RefCell<Option<std::task::Waker>>,
}

impl FakeSocket {
    /// It has room for so much more, and says so.
    async fn open(&self, bytes: usize) {
        self.room.set(self.room.get() + bytes);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
        turn().await;
    }

    /// The frames that it took since it was last looked at; a half one is none.
    fn frames(&self) -> Vec<String> {
        let mut taken = self.taken.borrow_mut();
        let mut frames = Vec::new();
        while let Some((frame, length)) = first_frame(&taken) {
            frames.push(frame);
            taken.drain(..length);
        }
        frames
    }
}

/// The first whole frame, in short, and its length.
fn first_frame(bytes: &[u8]) -> Option<(String, usize)> {
    let (start, size) = match bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()))),
        size => (2, usize::from(*size)),
    };
    let payload = bytes.get(start..start + size)?;
    let short = if bytes[0] == 0x88 {
        format!("close {}", u16::from_be_bytes([payload[0], payload[1]]))
    } else {
        let value: serde_json::Value = serde_json::from_slice(payload).unwrap();
        let named = value["d"]["d"]["e"].as_str().or_else(|| value["d"]["e"].as_str());
        named.map_or_else(|| format!("op {}", value["op"]), str::to_owned)
    };
    Some((short, start + size))
}

impl Sink for FakeSocket {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_broken.get() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let taken = bytes.len().min(self.room.get());
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room.set(self.room.get() - taken);
        self.taken.borrow_mut().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_broken.get() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if self.room.get() > 0 {
            return Poll::Ready(Ok(()));
        }
        self.waiting.replace(Some(cx.waker().clone()));
        Poll::Pending
    }

    fn touch(&self) {}

    fn unacknowledged(&self) -> Option<u64> {
        Some(self.under_way.get())
    }

    fn finish(&self) {
        self.is_finished.set(true);
    }

    fn abandon(&self) {
        self.is_abandoned.set(true);
    }
}

/// Notes what a connection's actor is told.
struct Ear(Rc<RefCell<Vec<Note>>>);

impl Actor for Ear {
    type Context = actix::Context<Self>;
}

impl Handler<Note> for Ear {
    type Result = ();

    fn handle(&mut self, note: Note, _: &mut actix::Context<Self>) {
        self.0.borrow_mut().push(note);
    }
}

/// Notes what a connection's owner is told, in short.
#[derive(Default)]
struct Owning(Mutex<Vec<String>>);

impl Reports for Owning {
    fn report(&self, report: Report) {
        let names = |kept: &[Arc<EncodedEvent>]| kept.iter().map(|kept| name(kept)).collect();
        let short = match report {
            Report::Exit(exit) => {
                let kept: Vec<String> = names(&exit.undelivered.kept);
                let (missed, lost) = (exit.undelivered.missed, exit.undelivered.lost);
                let end = if exit.is_settled { "gone" } else { "left" };
                format!("{end} {kept:?} missed {missed} lost {lost}")
            }
            Report::Settled(settled) => {
                let kept: Vec<String> = names(&settled.undelivered.kept);
                let (missed, lost) = (settled.undelivered.missed, settled.undelivered.lost);
                format!("settled {kept:?} missed {missed} lost {lost}")
            }
            Report::Heard(heard) => format!("heard {}", heard.upto),
            Report::Returned(undelivered) => {
                let kept: Vec<String> = names(&undelivered.kept);
                format!("returned {kept:?} missed {}", undelivered.missed)
            }
        };
        self.0.lock().unwrap().push(short);
    }
}

/// A link with everything around it.
struct Rig {
    /// The link.
    link: Rc<Link>,
    /// Its socket.
    socket: Rc<FakeSocket>,
    /// What its actor was told.
    notes: Rc<RefCell<Vec<Note>>>,
    /// Its owner.
    owner: Arc<Owning>,
}

impl Rig {
    /// A connection that waits for its INIT, on a socket with so much room.
    fn new(room: usize) -> Self {
        let bounds = QueueBounds { queue: QUEUE, patience: PATIENCE, together: PLENTY };
        let origin = Origin { address: None, user_agent: None, since: Timestamp(1), nonce: 0 };
        let cid = ConnectionId::from("cid");
        let pressure = Rc::new(Pressure::new(bounds));
        let link = Rc::new(Link::new(ConnectionUid::next(), cid, origin, &pressure));
        let extensions = Extensions::granted(&["presence".to_owned()]);
        link.set_identity(ProjectId::from("p"), extensions, Wire::default());
        let (socket, notes) = (Rc::new(FakeSocket::default()), Rc::default());
        socket.room.set(room);
        link.set_actor(Ear(Rc::clone(&notes)).start().recipient());
        link.push_to(Rc::<FakeSocket>::clone(&socket));
        Self { link, socket, notes, owner: Arc::default() }
    }

    /// One that is counted, has an owner and its INIT.
    fn entered(room: usize) -> Self {
        let rig = Self::new(room);
        rig.link.count();
        rig.own();
        rig.link.initialise(&event("init"), Kept::default(), place());
        rig
    }

    /// Gives it its owner.
    fn own(&self) {
        self.link.set_session(self.home());
    }

    /// The way to its owner.
    fn home(&self) -> Home {
        Arc::<Owning>::clone(&self.owner)
    }

    /// Hands it something, with the turn that follows.
    fn deliver(&self, event: &Arc<EncodedEvent>) {
        if self.link.deliver(event) {
            self.link.flush();
        }
    }

    /// Fills its socket, and its queue to the bound, and lets its reader's time run out.
    async fn stall(&self) {
        self.deliver(&sized("stuck", QUEUE - 300));
        assert!(self.link.is_behind());
        turn().await;
        tokio::time::advance(PATIENCE).await;
    }

    /// What its owner was told.
    fn told(&self) -> Vec<String> {
        self.owner.0.lock().unwrap().clone()
    }

    /// What its actor was told.
    async fn noted(&self) -> Vec<Note> {
        turn().await;
        self.notes.borrow().clone()
    }
}

/// Lets everybody else do what they have to.
async fn turn() {
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
}

/// The beginning of a line.
fn place() -> Place {
    Place { line: LineId::next(), number: 0 }
}

/// A direct message, which stands on no line.
fn event(name: &str) -> Arc<EncodedEvent> {
    sized(name, 2)
}

/// One with so many bytes of data.
fn sized(name: &str, bytes: usize) -> Arc<EncodedEvent> {
    let data = RawJson::trusted(format!("\"{}\"", "x".repeat(bytes - 2)));
    let message = Said { event: name.into(), data };
    Arc::new(EncodedEvent::new(Event::DirectMessage { message, is_unicast: false }))
}

/// The name of such a message.
fn name(event: &EncodedEvent) -> String {
    match event.event() {
        Event::DirectMessage { message, .. } => message.event.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The last words to a client.
fn close() -> Close {
    Close::new(CloseCode::Unknown, "bye")
}

#[actix_rt::test]
async fn a_full_queue_of_a_reader_that_takes_nothing_ends_it_behind_the_frame_that_has_begun() {
    tokio::time::pause();
    let rig = Rig::entered(PLENTY);
    assert_eq!(rig.socket.frames(), ["init"]);
    rig.socket.room.set(20);
    rig.stall().await;
    rig.deliver(&event("second"));
    assert!(!rig.link.is_gone(), "within the bound there is all the time");
    rig.deliver(&sized("too much", 200));
    assert!(rig.link.is_gone());
    // At once, before its actor has had a turn: from now on its session keeps what comes.
    assert_eq!(rig.told(), ["left [] missed 0 lost 2"]);
    rig.deliver(&event("late"));
    rig.deliver(&sized("and more", 2000));
    assert_eq!(rig.noted().await, [Note::Initialised, Note::Overrun], "once");
    assert_eq!(rig.socket.frames(), [""; 0], "the first one is half out");
    rig.socket.open(PLENTY).await;
    assert_eq!(rig.socket.frames(), ["stuck", "close 4009"]);
    assert!(rig.socket.is_finished.get() && !rig.socket.is_abandoned.get());
    rig.link.end();
    assert_eq!(rig.told()[1..], ["settled [] missed 0 lost 2"], "those that came after its end");
}

#[actix_rt::test]
async fn a_reader_that_takes_a_little_is_not_closed_however_much_waits() {
    tokio::time::pause();
    let rig = Rig::entered(PLENTY);
    rig.socket.room.set(0);
    rig.stall().await;
    for n in 0..20 {
        rig.socket.open(1).await;
        rig.deliver(&sized(&n.to_string(), 500));
        tokio::time::advance(PATIENCE.mul_f32(0.99)).await;
    }
    assert!(!rig.link.is_gone());
    rig.socket.open(PLENTY).await;
    let frames = rig.socket.frames();
    assert_eq!((frames.len(), frames[21].as_str()), (22, "19"), "{frames:?}");
    assert!(!rig.link.is_behind());
}

#[actix_rt::test]
async fn answers_past_the_bound_close_it_and_a_list_that_finds_no_room_is_left_out() {
    tokio::time::pause();
    let rig = Rig::entered(PLENTY);
    rig.socket.room.set(0);
    rig.stall().await;
    let channel = ChannelId::trusted("room");
    let (members, from, count) = (Vec::new(), 0, 0);
    let list = Arc::new(EncodedEvent::new(Event::PresenceState { channel, members, from, count }));
    rig.deliver(&sized("more", 100));
    rig.deliver(&list);
    let waiting = rig.link.left_bytes();
    let most = u64::try_from(QUEUE).unwrap();
    assert!(waiting + u64::try_from(list.frame(rig.link.profile()).len()).unwrap() > most);
    assert!(waiting <= most && !rig.link.is_gone());
    for _ in 0..QUEUE / 100 {
        rig.link.send(frame::text(&"\"x\"".repeat(32)));
    }
    assert!(!rig.link.is_gone(), "they have a bound of their own");
    rig.link.send(frame::text(&"\"x\"".repeat(32)));
    assert!(rig.link.is_gone());
    assert_eq!(rig.noted().await, [Note::Initialised, Note::Overrun]);
    rig.socket.open(PLENTY).await;
    assert_eq!(rig.socket.frames(), ["init", "close 4009"]);
}

#[actix_rt::test]
async fn before_init_its_own_answers_leave_and_what_is_said_to_it_waits_behind_what_was_kept() {
    let rig = Rig::new(PLENTY);
    rig.link.count();
    rig.deliver(&event("held 1"));
    rig.link.send(frame::text(r#"{"op":3}"#));
    rig.deliver(&event("held 2"));
    assert_eq!(rig.socket.frames(), ["op 3"]);
    assert!(rig.link.is_gated());
    rig.own();
    let kept = Kept { events: vec![event("kept")], missed: 3, home: Some(rig.home()) };
    rig.link.initialise(&event("init"), kept, place());
    assert_eq!(rig.socket.frames(), ["init", "kept", "held 1", "held 2"]);
    assert_eq!(rig.noted().await, [Note::Initialised]);
    rig.deliver(&event("live"));
    assert_eq!((rig.socket.frames(), rig.told()), (vec!["live".to_owned()], Vec::new()));
}

#[actix_rt::test]
async fn one_that_goes_before_its_init_tells_what_was_held_back_and_gives_back_what_it_is_given() {
    for is_counted in [true, false] {
        let rig = Rig::new(PLENTY);
        if is_counted {
            rig.link.count();
        }
        rig.deliver(&event("held 1"));
        rig.deliver(&event("held 2"));
        assert!(!rig.link.leave(), "nobody knows of it yet");
        rig.own();
        let left = if is_counted { "left" } else { "gone" };
        assert_eq!(rig.told(), [format!("{left} [] missed 0 lost 2")]);
        let kept = Kept { events: vec![event("kept")], missed: 3, home: Some(rig.home()) };
        rig.link.initialise(&event("init"), kept, place());
        assert_eq!(rig.told()[1..], ["returned [\"kept\"] missed 3"]);
        assert!(rig.link.end());
        let settled = ["settled [] missed 0 lost 0"];
        assert_eq!(rig.told()[2..], settled[..usize::from(is_counted)]);
        rig.link.initialise(&event("init"), Kept::default(), place());
        assert_eq!(rig.told().len(), 2 + usize::from(is_counted), "nothing was given");
        assert_eq!(rig.socket.frames(), [""; 0]);
    }
}

#[actix_rt::test]
async fn a_close_leaves_behind_all_that_waits_and_nothing_after_it() {
    let rig = Rig::entered(PLENTY);
    rig.socket.room.set(0);
    rig.deliver(&event("before"));
    rig.link.close(&close());
    rig.link.close(&Close::new(CloseCode::GoingAway, "again"));
    rig.deliver(&event("after"));
    rig.link.send(frame::text(r#"{"op":3}"#));
    assert!(!rig.socket.is_finished.get());
    // So long as its socket is there, what waits may still arrive.
    assert!(rig.link.leave());
    assert_eq!(rig.told(), ["left [] missed 0 lost 1"]);
    rig.socket.open(PLENTY).await;
    assert_eq!(rig.socket.frames(), ["init", "before", "close 4000"]);
    assert!(rig.socket.is_finished.get() && !rig.socket.is_abandoned.get());
    assert!(rig.link.end());
    assert!(rig.socket.is_abandoned.get());
    assert_eq!(rig.told()[1..], ["settled [] missed 0 lost 0"]);
    assert!(rig.link.leave() && rig.link.end());
    assert_eq!(rig.told().len(), 2, "each is told once");
}

#[actix_rt::test]
async fn what_was_written_and_not_acknowledged_is_told_when_its_socket_ends() {
    let rig = Rig::entered(PLENTY);
    for name in ["arrived", "not whole", "half"] {
        rig.deliver(&event(name));
    }
    let size = |name: &str| u64::try_from(event(name).frame(rig.link.profile()).len()).unwrap();
    rig.socket.room.set(0);
    rig.deliver(&event("waits"));
    rig.socket.under_way.set(size("half") + 1);
    assert_eq!(rig.link.left_bytes(), size("half") + 1 + size("waits"));
    assert!(rig.link.end());
    assert_eq!(rig.told(), ["gone [] missed 0 lost 3"], "the end alone says all");
    assert!(rig.socket.is_abandoned.get());
    rig.deliver(&event("late"));
    assert_eq!(rig.socket.frames(), ["init", "arrived", "not whole", "half"]);
}

#[actix_rt::test]
async fn what_it_was_given_at_its_beginning_comes_back_unless_its_client_was_heard() {
    tokio::time::pause();
    for (is_heard, is_doubtful, lives, expected) in [
        (false, false, 0, "gone [\"kept\"] missed 2 lost 0"),
        (false, false, 2, "gone [] missed 0 lost 0"),
        (false, true, 2, "gone [\"kept\"] missed 2 lost 0"),
        (true, true, 0, "gone [] missed 0 lost 0"),
    ] {
        let rig = Rig::new(PLENTY);
        rig.link.count();
        rig.own();
        let kept = Kept { events: vec![event("kept")], missed: 2, home: Some(rig.home()) };
        rig.link.initialise(&event("init"), kept, place());
        tokio::time::advance(Duration::from_secs(lives)).await;
        if is_heard {
            rig.link.heard(Duration::from_secs(5));
        }
        if is_doubtful {
            rig.link.doubt();
        }
        rig.link.end();
        assert_eq!(rig.told(), [expected], "{is_heard} {is_doubtful} {lives}");
    }
}

#[actix_rt::test]
async fn a_socket_that_breaks_under_what_waits_is_given_up_and_its_owner_hears_of_the_rest() {
    let rig = Rig::entered(PLENTY);
    rig.socket.room.set(0);
    rig.deliver(&event("waits 1"));
    rig.deliver(&event("waits 2"));
    turn().await;
    rig.socket.is_broken.set(true);
    rig.socket.open(0).await;
    assert!(rig.socket.is_abandoned.get() && !rig.link.is_behind());
    rig.deliver(&event("late"));
    assert!(!rig.link.is_gone(), "its actor learns of it by reading");
    rig.link.end();
    assert_eq!(rig.told(), ["gone [] missed 0 lost 3"]);
}

//! What presence costs, counted in what a channel orders: no time, no threads.

mod keeping;
mod starting;

use super::*;
use crate::bus::Local;
use crate::delivery::fanout::ConnectionUid;
use crate::domain::{
    ChannelId, LeapTokenId, Member, Message, ProjectId, RawJson, SessionId, SessionRef,
};
use crate::line::WindowBudget;
use crate::protocol::{Profile, Profiles};
use std::collections::HashSet;
use std::time::Duration;

/// A worker that is a number.
#[derive(Clone)]
struct Thread(usize);

impl Worker for Thread {
    fn index(&self) -> usize {
        self.0
    }
}

/// Writes down what a channel does.
#[derive(Default)]
struct Notes {
    /// Who orders what is said.
    bus: Local,
    /// Orders to workers.
    orders: Vec<Order>,
    /// What sessions without a connection were handed: whether it is a message, and how many were missed before it.
    kept: Vec<(bool, u64)>,
    /// How many messages sessions were told to have missed.
    lost: u64,
    /// Whether such sessions have no room.
    is_full: bool,
    /// How often newcomers were to be shown who is in.
    shows: usize,
    /// Messages that are to be kept.
    asked: Vec<Message>,
    /// What publishers were told.
    answers: Vec<(u64, Result<Position, AskError>)>,
    /// How many were told of their state change.
    changed: usize,
    /// How often the channel was to be read again.
    reloads: usize,
    /// After how long it was to be tried again.
    pauses: Vec<Duration>,
    /// Whether it was to end.
    is_stopped: bool,
}

impl Notes {
    /// The positions of what rooms were handed.
    fn positions(&self) -> Vec<Option<Position>> {
        let position = |order: &Order| match order {
            Order::Deliver { dispatch, .. } => Some(dispatch.position()),
            _ => None,
        };
        self.orders.iter().filter_map(position).collect()
    }
}

impl Answers for Notes {
    type Asker = ();

    fn answer(&mut self, (): (), _: Result<(State, Version), ChangeError>) {
        self.changed += 1;
    }
}

impl ChannelEffects for Notes {
    type Session = SessionUid;
    type Worker = Thread;
    type Bus = Local;
    type Stored = ();
    type Publisher = u64;

    fn bus(&mut self) -> &mut Local {
        &mut self.bus
    }

    fn order(&mut self, _: &Thread, order: Order, _: Profiles) {
        self.orders.push(order);
    }

    fn tell(&mut self, _: &SessionUid, word: Word) {
        if let Word::Missing { missing, .. } = word {
            self.lost += missing.lost;
        }
    }

    fn keep(&mut self, _: &SessionUid, dispatch: &Arc<EncodedEvent>, missed: u64) -> bool {
        self.kept.push((dispatch.event().is_message(), missed));
        !self.is_full
    }

    fn store(&mut self, _: &State, _: Version) {}

    fn keep_message(&mut self, message: Message, _: u64) {
        self.asked.push(message);
    }

    fn published(&mut self, publisher: u64, outcome: Result<Position, AskError>) {
        self.answers.push((publisher, outcome));
    }

    fn apply(&mut self, _: Application) {}

    fn reload(&mut self) {
        self.reloads += 1;
    }

    fn reload_in(&mut self, pause: Duration) {
        self.pauses.push(pause);
    }

    fn mark_subscribed(&mut self) {}

    fn delete(&mut self) {}

    fn show_newcomers_in(&mut self, _: Duration) {
        self.shows += 1;
    }

    fn came(&mut self, _: &Arc<SessionRef>, _: impl FnOnce() -> Vec<Arc<SessionRef>>) {}

    fn went(&mut self, _: &Arc<SessionRef>, _: impl FnOnce() -> Vec<Arc<SessionRef>>) {}

    fn forget(&mut self) {}

    fn stop(&mut self) {
        self.is_stopped = true;
    }
}

/// A channel with presence that nobody hears yet.
fn channel() -> ChannelMachine<Notes> {
    let project = ProjectId::from("p");
    let share = WindowBudget::new(1 << 20).share(&project);
    let window = WindowBounds { events: 9, bytes: 1 << 20, age: Duration::from_mins(1) };
    let channel = Channel {
        key: ChannelKey { project, id: ChannelId::trusted("room") },
        visibility: Visibility::Public,
        capabilities: Capabilities::PRESENCE,
        state: State::empty(),
        version: Version::FIRST,
        created_at: Timestamp(0),
    };
    ChannelMachine::new(channel, Epoch(1), window, share, 1 << 20, Instant::now())
}

/// Now.
fn now() -> Moment {
    Moment { instant: Instant::now(), time: Timestamp(1) }
}

/// A session, as it shows itself.
fn card(number: usize) -> Card {
    let token = LeapTokenId::from(format!("leap_token_{number}").as_str());
    let member = Arc::new(Member::of_token(&token, &RawJson::trusted("{}")));
    let id = SessionId::from(format!("session_{number}").as_str());
    Card { uid: SessionUid::next(), member, named: Arc::new(SessionRef { id, token: Some(token) }) }
}

/// A connection.
fn connection(number: usize) -> ConnectionRef<Thread> {
    let (uid, worker) = (ConnectionUid::next(), Thread(number % 2));
    ConnectionRef { uid, worker, profile: Profile::default() }
}

/// Lets a session with one connection in.
fn come_in(machine: &mut ChannelMachine<Notes>, notes: &mut Notes, number: usize) -> SessionUid {
    let card = card(number);
    let uid = card.uid;
    let connection = connection(number);
    let connections = vec![connection];
    let arrival = SessionArrival {
        session: card,
        way: uid,
        connections,
        who: None,
        start: None,
        is_return: false,
    };
    assert!(matches!(machine.subscribe(arrival, now(), notes), Admission::Heard));
    uid
}

/// The events of this kind that connections were handed one by one, and those that rooms were.
fn events(notes: &Notes, name: &str) -> (Vec<Arc<EncodedEvent>>, Vec<Arc<EncodedEvent>>) {
    let (mut direct, mut broadcast) = (Vec::new(), Vec::new());
    for order in &notes.orders {
        let (list, dispatch) = match order {
            Order::Direct { dispatch, .. } => (&mut direct, dispatch),
            Order::Deliver { dispatch, .. } => (&mut broadcast, dispatch),
            _ => continue,
        };
        if format!("{:?}", dispatch.event()).starts_with(name) {
            list.push(Arc::clone(dispatch));
        }
    }
    (direct, broadcast)
}

/// How many different ones these are: each is spelled once for each form, however often it is handed out.
fn different(events: &[Arc<EncodedEvent>]) -> usize {
    events.iter().map(Arc::as_ptr).collect::<HashSet<_>>().len()
}

#[test]
fn a_wave_of_joins_is_spelled_once_each_and_shown_in_one_list() {
    let (mut machine, mut notes) = (channel(), Notes::default());
    for number in 0..4 {
        come_in(&mut machine, &mut notes, number);
    }
    machine.show_newcomers(&mut notes);
    notes = Notes::default();
    for number in 4..104 {
        come_in(&mut machine, &mut notes, number);
    }
    let (direct, broadcast) = events(&notes, "PresenceJoin");
    assert!(direct.is_empty(), "nobody is told by themselves");
    assert_eq!((broadcast.len(), different(&broadcast)), (200, 100), "one order for each worker");
    assert_eq!(notes.shows, 1, "the whole wave waits for one list");
    machine.show_newcomers(&mut notes);
    let (direct, broadcast) = events(&notes, "PresenceState");
    assert!(broadcast.is_empty());
    assert_eq!((direct.len(), different(&direct)), (100, 1), "one list for all of them");
}

#[test]
fn sessions_without_a_connection_are_handed_messages_and_miss_no_others() {
    let (mut machine, mut notes) = (channel(), Notes::default());
    let away = come_in(&mut machine, &mut notes, 0);
    let connection = machine.subscribers().with_sessions()[0].1.uid;
    machine.detach(away, connection, None, true, &mut notes);
    let message = Message { event: "e".into(), data: RawJson::null() };
    let say = |machine: &mut ChannelMachine<Notes>, notes: &mut Notes| {
        machine.propose(LineEntry::Message(message.clone()), Instant::now(), notes);
    };
    come_in(&mut machine, &mut notes, 1);
    assert!(notes.kept.is_empty(), "who comes is told afresh");
    say(&mut machine, &mut notes);
    notes.is_full = true;
    say(&mut machine, &mut notes);
    come_in(&mut machine, &mut notes, 2);
    notes.is_full = false;
    come_in(&mut machine, &mut notes, 3);
    come_in(&mut machine, &mut notes, 4);
    let expected = [(true, 0), (true, 0), (false, 1), (false, 1)];
    assert_eq!(notes.kept, expected, "what comes next tells of the one message that was missed");
}

#[test]
fn what_a_session_had_no_room_for_is_told_though_nothing_else_is_said() {
    let (mut machine, mut notes) = (channel(), Notes::default());
    let away = come_in(&mut machine, &mut notes, 0);
    let connection = machine.subscribers().with_sessions()[0].1.uid;
    machine.detach(away, connection, None, true, &mut notes);
    notes.is_full = true;
    for _ in 0..2 {
        let message = Message { event: "e".into(), data: RawJson::null() };
        machine.propose(LineEntry::Message(message), Instant::now(), &mut notes);
    }
    assert_eq!(notes.lost, 0);
    for _ in 0..2 {
        machine.tell_missed(away, &mut notes);
        assert_eq!(notes.lost, 2, "once");
    }
}

#[test]
fn it_is_settled_when_nothing_of_it_is_on_its_way_to_the_store() {
    let (mut machine, mut notes) = (channel(), Notes::default());
    assert!(machine.is_settled());
    let change = || StateChange::Shallow(RawJson::trusted(r#"{"n":1}"#));
    machine.change(change(), None, (), Instant::now(), &mut notes);
    assert!(!machine.is_settled());
    machine.committed(Version(2), Ok(None), Instant::now(), &mut notes);
    assert!(machine.is_settled());
    machine.begin_deletion();
    assert!(!machine.is_settled());
    machine.change(change(), None, (), Instant::now(), &mut notes);
    machine.end_deletion(true, &mut notes);
    assert!(machine.is_settled(), "what follows a deletion finds no channel");
}

#[tokio::test]
async fn a_channel_does_not_sleep_while_it_remembers_ids_that_may_come_again() {
    let (mut machine, mut notes) = (channel(), Notes::default());
    let id = SessionId::from("session_1");
    let session = SessionRef { id, token: Some(LeapTokenId::from("leap_token_1")) };
    let (name, start) = (Arc::<str>::from("a"), Instant::now());
    let message = Message { event: "x".into(), data: RawJson::null() };
    assert!(machine.is_idle());
    let said = (message, Some(Arc::clone(&name)));
    let first = machine.publish_for(&session, said, (), start, &mut notes);
    assert_eq!(first.position, Some(machine.line().position()));
    let almost = start + Duration::from_secs(299);
    machine.expire(almost);
    assert!(!machine.is_idle());
    assert_eq!(machine.sent_before(&session, &name, almost), Some(first));
    machine.expire(start + Duration::from_mins(5));
    assert!(machine.is_idle());
    assert_eq!(machine.sent_before(&session, &name, almost), None);
}

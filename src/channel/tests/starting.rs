//! Connections that want what is kept and not at hand: what they hear, and what they do not, until that was read.

use super::*;
use crate::domain::{Since, StartingPoint};

/// Where the store stands when a machine begins: all of that is kept, and none of it at hand.
const START: u64 = 10;

/// How many messages are at hand here.
const WINDOW: u64 = 9;

/// A place on the line that the store counts.
fn at(offset: u64) -> Position {
    Position { epoch: Epoch(7), offset }
}

/// A message that says its place.
fn message(offset: u64) -> Message {
    Message { event: "m".into(), data: RawJson::trusted(offset.to_string()) }
}

/// A channel that keeps its messages.
fn keeping() -> (ChannelMachine<Notes>, Notes) {
    let (mut machine, notes) = (channel(), Notes::default());
    machine.open_history(at(START));
    (machine, notes)
}

/// A message is kept there.
fn say(machine: &mut ChannelMachine<Notes>, notes: &mut Notes, offset: u64) {
    machine.keep(message(offset), offset, now().instant, notes);
    machine.kept(message(offset), offset, Ok(at(offset)), now().instant, notes);
}

/// What the store has behind one place up to another.
fn stored(after: u64, upto: u64) -> KeptEvents {
    let one = |offset| {
        let event =
            Event::Message { channel: ChannelId::trusted("room"), message: message(offset) };
        Arc::new(EncodedEvent::new(event).said_at(at(offset)))
    };
    KeptEvents { events: (after + 1..=upto).map(one).collect(), ..KeptEvents::default() }
}

/// Behind this place.
fn behind(offset: u64) -> StartingPoint {
    StartingPoint::After(Since(Some(at(offset))))
}

/// A session whose one connection wants that subscribes; it is to wait for what is read.
fn begin(
    machine: &mut ChannelMachine<Notes>,
    notes: &mut Notes,
    point: StartingPoint,
) -> (SessionUid, ConnectionUid, LateStart<Thread>) {
    let (session, connection) = (card(0), connection(0));
    let (uid, asker) = (session.uid, connection.uid);
    let arrival = SessionArrival {
        session,
        way: uid,
        connections: vec![connection],
        who: None,
        start: Some((asker, point)),
        is_return: false,
    };
    match machine.subscribe(arrival, now(), notes) {
        Admission::Late(late) => (uid, asker, *late),
        _ => panic!("it has all at hand"),
    }
}

/// What the connection was handed, spelled: `AVAILABLE` with what it says of the position that was named, messages by what
/// they say.
fn handed(notes: &Notes) -> Vec<String> {
    let dispatches = notes.orders.iter().filter_map(|order| match order {
        Order::Attach { dispatch, .. } => dispatch.as_ref(),
        Order::Direct { dispatch, .. } | Order::Deliver { dispatch, .. } => Some(dispatch),
        _ => None,
    });
    let spelled = dispatches.filter_map(|dispatch| match dispatch.event() {
        Event::Available { recovered, .. } => {
            let place = dispatch.position().unwrap().offset;
            Some(format!("available {recovered:?} at {place}"))
        }
        Event::Message { message, .. } => Some(message.data.as_str().to_owned()),
        Event::Unavailable { .. } => Some("unavailable".to_owned()),
        _ => None,
    });
    spelled.collect()
}

/// From which number on the connection hears the line.
fn heard_from(notes: &Notes) -> Vec<u64> {
    let from = |order: &Order| match order {
        Order::Attach { from, .. } => Some(from.number),
        _ => None,
    };
    notes.orders.iter().filter_map(from).collect()
}

#[test]
fn nothing_is_heard_before_what_is_read_and_what_is_said_meanwhile_comes_behind_it() {
    let (mut machine, mut notes) = keeping();
    let (_, _, late) = begin(&mut machine, &mut notes, behind(7));
    assert_eq!((late.next, late.upto), (behind(7), at(START)));
    say(&mut machine, &mut notes, 11);
    assert!(heard_from(&notes).is_empty());
    notes.orders.clear();
    assert!(machine.start_late(late, Some(stored(7, 10)), &mut notes).is_none());
    assert_eq!(handed(&notes), ["available Some(true) at 11", "8", "9", "10", "11"]);
    assert_eq!(heard_from(&notes), [0], "it hears what has a number from the first on");
    say(&mut machine, &mut notes, 12);
    assert_eq!(handed(&notes).last().map(String::as_str), Some("12"));
}

#[test]
fn what_the_window_lets_go_meanwhile_is_read_too() {
    let (mut machine, mut notes) = keeping();
    let (_, _, late) = begin(&mut machine, &mut notes, behind(9));
    // More than the window of these tests holds.
    let last = START + WINDOW + 5;
    (START + 1..=last).for_each(|offset| say(&mut machine, &mut notes, offset));
    let more = machine.start_late(late, Some(stored(9, 10)), &mut notes).unwrap();
    assert_eq!((more.next, more.upto), (behind(START), at(last)));
    assert_eq!(more.read.events.len(), 1);
    say(&mut machine, &mut notes, last + 1);
    notes.orders.clear();
    assert!(machine.start_late(more, Some(stored(9, last)), &mut notes).is_none());
    let mut expected = vec![format!("available Some(true) at {}", last + 1)];
    expected.extend((10..=last + 1).map(|offset| offset.to_string()));
    assert_eq!(handed(&notes), expected);
    assert_eq!(heard_from(&notes), [WINDOW + 5]);
}

#[test]
fn what_cannot_be_read_is_told_and_a_rewind_gets_what_is_at_hand() {
    let (mut machine, mut notes) = keeping();
    let (_, _, late) = begin(&mut machine, &mut notes, behind(7));
    say(&mut machine, &mut notes, 11);
    notes.orders.clear();
    assert!(machine.start_late(late, None, &mut notes).is_none());
    assert_eq!(handed(&notes), ["available Some(false) at 11"]);
    let (_, _, late) = begin(&mut machine, &mut notes, StartingPoint::Newest(5));
    notes.orders.clear();
    assert!(machine.start_late(late, None, &mut notes).is_none());
    assert_eq!(handed(&notes), ["available None at 11", "11"]);
}

#[test]
fn another_line_recovers_nothing_of_this_one() {
    let (mut machine, mut notes) = keeping();
    let (_, _, late) = begin(&mut machine, &mut notes, behind(7));
    machine.close_history(now().instant, &mut notes);
    machine.open_history(Position::start(Epoch(8)));
    notes.orders.clear();
    assert!(machine.start_late(late, Some(stored(7, 10)), &mut notes).is_none());
    assert_eq!(handed(&notes), ["available Some(false) at 0"]);
}

#[test]
fn who_has_gone_meanwhile_is_handed_nothing() {
    let (mut machine, mut notes) = keeping();
    let (session, connection, late) = begin(&mut machine, &mut notes, behind(7));
    machine.detach(session, connection, None, true, &mut notes);
    notes.orders.clear();
    assert!(machine.start_late(late, Some(stored(7, 10)), &mut notes).is_none());
    assert!(notes.orders.is_empty(), "its connection has gone");
    let (session, _, late) = begin(&mut machine, &mut notes, behind(7));
    let named = card(0).named;
    machine.unsubscribe(session, &named, None, now(), &mut notes);
    notes.orders.clear();
    assert!(machine.start_late(late, Some(stored(7, 10)), &mut notes).is_none());
    assert!(notes.orders.is_empty(), "it is not subscribed any more");
}

#[test]
fn who_waits_hears_that_the_channel_was_deleted() {
    let (mut machine, mut notes) = keeping();
    let (_, connection, _) = begin(&mut machine, &mut notes, behind(7));
    machine.deleted(&mut notes);
    let told = notes.orders.iter().any(|order| match order {
        Order::Direct { connection: to, .. } => *to == connection,
        _ => false,
    });
    assert!(told);
    assert_eq!(handed(&notes), ["unavailable"]);
}

#[test]
fn what_is_at_hand_is_given_at_once() {
    let (mut machine, mut notes) = keeping();
    come_in(&mut machine, &mut notes, 1);
    say(&mut machine, &mut notes, 11);
    for point in
        [behind(10), behind(11), behind(12), StartingPoint::Newest(1), StartingPoint::Newest(0)]
    {
        let (session, connection) = (card(2), connection(2));
        let (uid, asker) = (session.uid, connection.uid);
        let start = Some((asker, point));
        let connections = vec![connection];
        let (who, is_return) = (None, false);
        let arrival = SessionArrival { session, way: uid, connections, who, start, is_return };
        let admitted = machine.subscribe(arrival, now(), &mut notes);
        assert!(matches!(admitted, Admission::Heard), "{point:?}");
    }
}

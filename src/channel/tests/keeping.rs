//! Messages that are kept: what is said, in which order, and who is answered, whatever the store does.

mod together;

use super::*;
use crate::domain::{KeptMessage, Since};
use crate::store::StoreError;

/// Where the store stands when a machine begins.
const START: u64 = 10;

/// A place on the line that the store counts.
fn at(offset: u64) -> Position {
    Position { epoch: Epoch(7), offset }
}

/// A message that says its number.
fn message(number: u64) -> Message {
    Message { event: "m".into(), data: RawJson::trusted(number.to_string()) }
}

/// A channel that keeps its messages, and one subscriber.
fn keeping() -> (ChannelMachine<Notes>, Notes) {
    let (mut machine, mut notes) = (channel(), Notes::default());
    machine.open_history(at(START));
    come_in(&mut machine, &mut notes, 0);
    (machine, Notes::default())
}

/// Takes the messages of these numbers, whose publishers have the same.
fn keep(machine: &mut ChannelMachine<Notes>, notes: &mut Notes, numbers: &[u64]) {
    for number in numbers {
        machine.keep(message(*number), *number, now().instant, notes);
    }
}

/// What came of keeping one.
fn kept(
    machine: &mut ChannelMachine<Notes>,
    notes: &mut Notes,
    number: u64,
    outcome: Result<Position, AskError>,
) {
    machine.kept(message(number), number, outcome, now().instant, notes);
}

/// What was said: what it says and where it stands.
fn said(notes: &Notes) -> Vec<(String, Option<Position>)> {
    let told = notes.orders.iter().filter_map(|order| match order {
        Order::Deliver { dispatch, .. } => Some(dispatch),
        _ => None,
    });
    let spelled = told.map(|dispatch| match dispatch.event() {
        Event::Message { message, .. } => message.data.as_str().to_owned(),
        Event::StateUpdate { version, .. } => format!("version {}", version.0),
        Event::Available { .. } => "available".to_owned(),
        other => panic!("{other:?}"),
    });
    spelled.zip(notes.positions()).collect()
}

/// A database that takes nothing.
fn failure() -> AskError {
    AskError::Store(StoreError::Unavailable("full".into()))
}

/// The channel as the store has it, with these messages behind the machine's place.
fn stored(
    machine: &ChannelMachine<Notes>,
    position: Position,
    messages: &[(u64, u64)],
    is_whole: bool,
) -> StoredChannel {
    let messages = messages.iter().map(|(offset, number)| KeptMessage {
        position: at(*offset),
        at: Timestamp(1),
        from: None,
        message: message(*number),
    });
    let line = Some(CaughtUp { position, messages: messages.collect(), is_whole, oldest: 0 });
    StoredChannel { channel: machine.channel().clone(), line }
}

#[test]
fn nothing_is_said_or_answered_before_it_is_durable() {
    let (mut machine, mut notes) = keeping();
    keep(&mut machine, &mut notes, &[1]);
    assert_eq!((said(&notes), notes.answers.len(), notes.asked.len()), (vec![], 0, 1));
    assert!(!machine.is_settled());
    kept(&mut machine, &mut notes, 1, Ok(at(11)));
    assert_eq!(said(&notes), [("1".to_owned(), Some(at(11)))]);
    assert_eq!(notes.answers, [(1, Ok(at(11)))]);
    assert!(machine.is_settled());
}

#[test]
fn what_is_durable_is_said_in_the_stores_order_whatever_comes_back_first() {
    let (mut machine, mut notes) = keeping();
    keep(&mut machine, &mut notes, &[1, 2, 3]);
    kept(&mut machine, &mut notes, 3, Ok(at(13)));
    kept(&mut machine, &mut notes, 2, Ok(at(12)));
    assert_eq!((said(&notes), notes.answers.len()), (vec![], 0));
    kept(&mut machine, &mut notes, 1, Ok(at(11)));
    let order: Vec<_> = said(&notes).into_iter().map(|(text, _)| text).collect();
    assert_eq!(order, ["1", "2", "3"]);
    assert_eq!(notes.answers, [1, 2, 3].map(|n| (n, Ok(at(START + n)))));
    assert_eq!(notes.reloads, 0);
}

#[test]
fn states_and_messages_stand_in_one_order() {
    let (mut machine, mut notes) = keeping();
    let change = StateChange::Shallow(RawJson::trusted(r#"{"n":1}"#));
    machine.change(change, None, (), now().instant, &mut notes);
    keep(&mut machine, &mut notes, &[1]);
    kept(&mut machine, &mut notes, 1, Ok(at(12)));
    assert_eq!(said(&notes), []);
    machine.committed(Version(2), Ok(Some(at(11))), now().instant, &mut notes);
    let expected = [("version 2".to_owned(), Some(at(11))), ("1".to_owned(), Some(at(12)))];
    assert_eq!(said(&notes), expected);
    assert_eq!(notes.changed, 1, "who made the state is answered");
    assert!(machine.is_settled());
}

#[test]
fn what_was_refused_takes_no_place_and_leaves_no_doubt() {
    let (mut machine, mut notes) = keeping();
    keep(&mut machine, &mut notes, &[1, 2]);
    let refused = AskError::Store(StoreError::Answered);
    kept(&mut machine, &mut notes, 1, Err(refused.clone()));
    kept(&mut machine, &mut notes, 2, Ok(at(11)));
    assert_eq!(notes.answers, [(1, Err(refused)), (2, Ok(at(11)))]);
    assert_eq!((said(&notes).len(), notes.reloads), (1, 0));
}

#[test]
fn what_failed_and_stands_all_the_same_is_said_when_the_store_is_read() {
    let (mut machine, mut notes) = keeping();
    keep(&mut machine, &mut notes, &[1, 2]);
    kept(&mut machine, &mut notes, 1, Err(failure()));
    assert_eq!(notes.reloads, 0, "something is under way yet");
    keep(&mut machine, &mut notes, &[3]);
    assert_eq!(notes.asked.len(), 2, "nothing is taken meanwhile");
    kept(&mut machine, &mut notes, 2, Err(failure()));
    assert_eq!(notes.reloads, 1);
    assert_eq!((said(&notes), notes.answers.len()), (vec![], 3));
    assert!(notes.answers.iter().all(|(_, outcome)| outcome.is_err()));
    // The first of them stands.
    let found = stored(&machine, at(11), &[(11, 1)], true);
    machine.reloaded(Ok(Some(found)), now().instant, &mut notes);
    assert_eq!(said(&notes), [("1".to_owned(), Some(at(11)))]);
    keep(&mut machine, &mut notes, &[4]);
    kept(&mut machine, &mut notes, 4, Ok(at(12)));
    assert_eq!(said(&notes).last(), Some(&("4".to_owned(), Some(at(12)))));
    assert_eq!(notes.answers.last(), Some(&(4, Ok(at(12)))));
}

#[test]
fn a_read_that_fails_is_tried_again_and_passes_over_nothing_that_stands() {
    let (mut machine, mut notes) = keeping();
    keep(&mut machine, &mut notes, &[1]);
    kept(&mut machine, &mut notes, 1, Err(failure()));
    for (read, pause) in [100, 200, 400, 800, 1600, 3200, 5000, 5000].into_iter().enumerate() {
        assert_eq!(notes.reloads, read + 1);
        machine.reloaded(Err(failure()), now().instant, &mut notes);
        assert_eq!(notes.pauses.last(), Some(&Duration::from_millis(pause)));
        // Whatever fails meanwhile, the next read is not begun before that.
        machine.doubt(&mut notes);
        keep(&mut machine, &mut notes, &[2]);
        assert_eq!((notes.reloads, notes.asked.len()), (read + 1, 1));
        machine.reload_again(&mut notes);
    }
    assert!(!notes.is_stopped && said(&notes).is_empty());
    let found = stored(&machine, at(11), &[(11, 1)], true);
    machine.reloaded(Ok(Some(found)), now().instant, &mut notes);
    assert_eq!(said(&notes), [("1".to_owned(), Some(at(11)))]);
    assert_eq!(notes.lost, 0);
    // The next one that fails is tried again as soon as the first was.
    machine.doubt(&mut notes);
    machine.reloaded(Err(failure()), now().instant, &mut notes);
    assert_eq!(notes.pauses.last(), Some(&Duration::from_millis(100)));
}

#[test]
fn what_waits_for_what_nobody_knows_of_makes_the_store_be_read() {
    let (mut machine, mut notes) = keeping();
    keep(&mut machine, &mut notes, &[2]);
    // Somebody else's word, or a write of before, stands at 11 and 12 was a state.
    kept(&mut machine, &mut notes, 2, Ok(at(13)));
    assert_eq!((said(&notes), notes.answers.len(), notes.reloads), (vec![], 0, 1));
    let found = stored(&machine, at(14), &[(11, 9), (13, 2), (14, 8)], true);
    machine.reloaded(Ok(Some(found)), now().instant, &mut notes);
    let expected = [("9", 11), ("2", 13), ("8", 14)];
    assert_eq!(said(&notes), expected.map(|(text, place)| (text.to_owned(), Some(at(place)))));
    assert_eq!(notes.answers, [(2, Ok(at(13)))]);
    assert_eq!((machine.line().position(), notes.lost), (at(14), 0));
}

#[test]
fn what_the_store_has_no_more_is_told_as_missing() {
    let (mut machine, mut notes) = keeping();
    keep(&mut machine, &mut notes, &[1]);
    kept(&mut machine, &mut notes, 1, Err(failure()));
    let found = stored(&machine, at(20), &[(19, 9)], false);
    machine.reloaded(Ok(Some(found)), now().instant, &mut notes);
    let texts: Vec<_> = said(&notes).into_iter().map(|(text, _)| text).collect();
    assert_eq!(texts, ["available"], "nothing comes partly");
    assert_eq!(notes.lost, 10);
    assert_eq!(machine.line().position(), at(20));
}

#[test]
fn a_line_that_is_not_kept_any_more_goes_on_by_itself() {
    let (mut machine, mut notes) = keeping();
    keep(&mut machine, &mut notes, &[1, 2]);
    kept(&mut machine, &mut notes, 2, Ok(at(12)));
    machine.close_history(now().instant, &mut notes);
    assert_eq!(said(&notes), [("2".to_owned(), Some(at(11)))], "its place is the line's own now");
    machine.propose(LineEntry::Message(message(3)), now().instant, &mut notes);
    kept(&mut machine, &mut notes, 1, Ok(at(11)));
    let places: Vec<_> = said(&notes).into_iter().map(|(_, place)| place.unwrap()).collect();
    assert_eq!(places, [at(11), at(12), at(13)]);
    assert_eq!(notes.answers, [(2, Ok(at(11))), (1, Ok(at(13)))]);
}

#[test]
fn what_was_kept_on_another_line_is_not_said_on_this_one() {
    let (mut machine, mut notes) = keeping();
    let change = StateChange::Shallow(RawJson::trusted(r#"{"n":1}"#));
    machine.change(change, None, (), now().instant, &mut notes);
    keep(&mut machine, &mut notes, &[1]);
    machine.close_history(now().instant, &mut notes);
    machine.open_history(Position::start(Epoch(8)));
    kept(&mut machine, &mut notes, 1, Ok(at(11)));
    assert_eq!(notes.answers, [(1, Err(AskError::Overloaded))]);
    machine.committed(Version(2), Ok(Some(at(12))), now().instant, &mut notes);
    assert_eq!(
        said(&notes),
        [("version 2".to_owned(), None)],
        "the state is seen, without a place"
    );
    assert_eq!((notes.changed, machine.line().position()), (1, Position::start(Epoch(8))));
}

#[test]
fn only_what_is_known_and_not_at_hand_is_looked_for_in_the_store() {
    let (mut machine, mut notes) = keeping();
    keep(&mut machine, &mut notes, &[1]);
    kept(&mut machine, &mut notes, 1, Ok(at(11)));
    let back =
        |machine: &ChannelMachine<Notes>, position| machine.looks_back(Some(Since(position)));
    assert_eq!(back(&machine, Some(at(4))), Some(4));
    for at_hand in [at(10), at(11)] {
        assert_eq!(back(&machine, Some(at_hand)), None, "{at_hand}");
    }
    for unknown in [Some(at(12)), Some(Position { epoch: Epoch(8), offset: 4 }), None] {
        assert_eq!(back(&machine, unknown), None, "{unknown:?}");
    }
    assert_eq!(machine.looks_back(None), None);
    machine.close_history(now().instant, &mut notes);
    assert_eq!(back(&machine, Some(at(4))), None);
}

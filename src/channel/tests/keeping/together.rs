//! The same where several servers serve the channel: what others have stored, in whatever order it is heard.

use super::*;

/// Where the line of the bus stands when a machine begins.
const BESIDE: u64 = 5;

/// A place on that.
fn beside(offset: u64) -> Position {
    Position { epoch: Epoch(9), offset }
}

/// A channel that keeps its messages, which several servers serve, and one subscriber.
fn together() -> (ChannelMachine<Notes>, Notes) {
    let (mut machine, mut notes) = (channel(), Notes::default());
    machine.open_at(beside(BESIDE));
    machine.open_history(at(START));
    come_in(&mut machine, &mut notes, 0);
    (machine, Notes::default())
}

/// The bus says these, behind what it has said.
fn hear(machine: &mut ChannelMachine<Notes>, notes: &mut Notes, entries: Vec<LineEntry>) {
    for entry in entries {
        let position = machine.heard_to().next();
        machine.hear(Ordered { position, entry }, now().instant, notes);
    }
}

/// A server has stored the message of this number there.
fn stands(offset: u64, number: u64) -> LineEntry {
    LineEntry::Kept { position: at(offset), message: message(number) }
}

/// The channel as the store has it when it keeps nothing.
fn closed(machine: &ChannelMachine<Notes>) -> StoredChannel {
    StoredChannel { channel: machine.channel().clone(), line: None }
}

/// What was said with a place on the store's line, whose offset says which number it was.
fn in_order(numbers: std::ops::RangeInclusive<u64>) -> Vec<(String, Option<Position>)> {
    numbers.map(|number| (number.to_string(), Some(at(START + number)))).collect()
}

#[test]
fn what_others_have_stored_is_said_once_and_in_the_stores_order() {
    let (mut machine, mut notes) = together();
    keep(&mut machine, &mut notes, &[3]);
    kept(&mut machine, &mut notes, 3, Ok(at(13)));
    hear(&mut machine, &mut notes, vec![stands(13, 3), stands(12, 2)]);
    assert_eq!((said(&notes), notes.answers.len(), notes.pauses.len()), (vec![], 0, 1));
    hear(&mut machine, &mut notes, vec![stands(11, 1), stands(12, 2)]);
    assert_eq!(said(&notes), in_order(1..=3));
    assert_eq!(notes.answers, [(3, Ok(at(13)))]);
    let (state, version) = (machine.channel().state.clone(), Version(2));
    let state = LineEntry::KeptState { position: at(14), state, version };
    hear(&mut machine, &mut notes, vec![stands(15, 5), state]);
    let last = [("version 2".to_owned(), Some(at(14))), ("5".to_owned(), Some(at(15)))];
    assert_eq!(said(&notes)[3..], last);
    machine.reload_again(&mut notes);
    assert_eq!((notes.reloads, machine.is_settled()), (0, true));
}

#[test]
fn what_nobody_says_is_read_from_the_store_whatever_is_under_way() {
    let (mut machine, mut notes) = together();
    keep(&mut machine, &mut notes, &[2]);
    hear(&mut machine, &mut notes, vec![stands(13, 3)]);
    machine.reload_again(&mut notes);
    assert_eq!((said(&notes), notes.reloads), (vec![], 1));
    let found = stored(&machine, at(13), &[(11, 1), (12, 2), (13, 3)], true);
    machine.reloaded(Ok(Some(found)), now().instant, &mut notes);
    assert_eq!(said(&notes), in_order(1..=3));
    kept(&mut machine, &mut notes, 2, Ok(at(12)));
    assert_eq!((said(&notes).len(), &notes.answers[..]), (3, &[(2, Ok(at(12)))][..]));
    // Something is said again while that is waited for: it is not stuck.
    hear(&mut machine, &mut notes, vec![stands(15, 5), stands(14, 4), stands(17, 7)]);
    machine.reload_again(&mut notes);
    assert_eq!((notes.reloads, notes.pauses.len()), (1, 3));
    machine.reload_again(&mut notes);
    assert_eq!(notes.reloads, 2);
}

#[test]
fn what_was_not_heard_on_the_bus_or_is_of_another_line_is_read() {
    let (mut machine, mut notes) = together();
    let (position, entry) = (beside(BESIDE + 2), stands(11, 1));
    machine.hear(Ordered { position, entry }, now().instant, &mut notes);
    assert_eq!((said(&notes), notes.reloads), (in_order(1..=1), 1));
    let found = stored(&machine, at(11), &[], true);
    machine.reloaded(Ok(Some(found)), now().instant, &mut notes);
    // The same again is nothing.
    let entry = LineEntry::Reread;
    machine.hear(Ordered { position, entry }, now().instant, &mut notes);
    assert_eq!(notes.reloads, 1);
    let position = Position { epoch: Epoch(3), offset: 1 };
    hear(&mut machine, &mut notes, vec![LineEntry::Kept { position, message: message(2) }]);
    assert_eq!((said(&notes).len(), notes.reloads), (1, 2));
    machine.follow(machine.heard_to(), &mut notes);
    assert_eq!(notes.reloads, 2);
    machine.follow(beside(50), &mut notes);
    assert_eq!((notes.reloads, machine.heard_to()), (3, beside(50)));
}

#[test]
fn whoever_has_heard_more_than_this_server_is_waited_for_and_nobody_else() {
    let (machine, _) = together();
    let since = |position| Some(Since(Some(position)));
    let other = Position { epoch: Epoch(3), offset: START + 1 };
    let named = [since(at(START)), since(at(START + 1)), since(other), Some(Since(None)), None];
    assert_eq!(named.map(|since| machine.is_behind(since)), [false, true, false, false, false]);
    let (alone, _) = keeping();
    assert!(!alone.is_behind(since(at(START + 1))), "nobody else knows more");
}

#[test]
fn when_it_ceases_to_keep_the_bus_counts_again_and_nothing_is_said_twice() {
    let (mut machine, mut notes) = together();
    // Somebody did not know yet that messages are kept.
    hear(&mut machine, &mut notes, vec![LineEntry::Message(message(8)), stands(11, 1)]);
    let found = closed(&machine);
    machine.reloaded(Ok(Some(found)), now().instant, &mut notes);
    assert_eq!(machine.heard_to(), beside(BESIDE + 2));
    let entries = vec![stands(11, 1), stands(12, 2), LineEntry::Message(message(3))];
    hear(&mut machine, &mut notes, entries);
    let expected = [
        ("8", None),
        ("1", Some(at(11))),
        ("2", Some(beside(BESIDE + 4))),
        ("3", Some(beside(BESIDE + 5))),
    ];
    assert_eq!(said(&notes), expected.map(|(text, place)| (text.to_owned(), place)));
    // What comes back from the store was kept on a line that is no more.
    keep(&mut machine, &mut notes, &[4]);
    kept(&mut machine, &mut notes, 4, Ok(at(13)));
    assert_eq!(
        (said(&notes).len(), &notes.answers[..]),
        (4, &[(4, Err(AskError::Overloaded))][..])
    );
    let gone = AskError::not_found(crate::store::Thing::Channel);
    keep(&mut machine, &mut notes, &[5]);
    kept(&mut machine, &mut notes, 5, Err(gone));
    assert_eq!(notes.answers.last(), Some(&(5, Err(AskError::Overloaded))));
    assert_eq!(notes.reloads, 1, "it is looked whether the channel is there");
}

#[test]
fn what_is_missing_when_it_ceases_to_keep_is_told() {
    let (mut machine, mut notes) = together();
    keep(&mut machine, &mut notes, &[3]);
    kept(&mut machine, &mut notes, 3, Ok(at(13)));
    let found = closed(&machine);
    machine.reloaded(Ok(Some(found)), now().instant, &mut notes);
    let texts: Vec<_> = said(&notes).into_iter().map(|(text, _)| text).collect();
    assert_eq!((texts, notes.lost), (vec!["3".to_owned(), "available".to_owned()], 2));
    assert_eq!(notes.answers, [(3, Ok(at(13)))]);
}

//! Claims about messages that are kept, and about the lines on which they stand.

use super::{Bench, channel, key, project_id};
use crate::domain::{Epoch, HistoryBounds, HistoryLimits, Message, Position, RawJson, Timestamp};
use crate::store::{
    Appended, HistoryPage, KeptPage, NewMessage, PruneStep, StoreError, StoreResult, StoredLine,
    Thing,
};
use std::time::Duration;

/// Bounds that are not met.
const WIDE: HistoryBounds =
    HistoryBounds { messages: 1000, bytes: 1 << 20, age: Duration::from_secs(100) };

/// A message that says its number.
fn message(number: u64, at: i64) -> NewMessage {
    let message = Message { event: "m".into(), data: RawJson::trusted(number.to_string()) };
    NewMessage { message, from: None, at: Timestamp(at) }
}

/// What a step of deleting comes to.
const fn step(deleted: u64, has_more: bool) -> PruneStep {
    PruneStep { deleted, has_more }
}

/// Adds a channel that keeps its messages.
fn open(bench: &mut Bench, id: &str, epoch: u64) {
    bench.write(|store| store.create_channel(&channel("a", id, 1))).unwrap();
    bench
        .write(|store| store.open_line(&key("a", id), Epoch(epoch), HistoryLimits::default()))
        .unwrap();
}

/// Keeps a message.
fn append(
    bench: &mut Bench,
    number: u64,
    at: i64,
    bounds: &HistoryBounds,
) -> StoreResult<Appended> {
    let new = message(number, at);
    bench.write(|store| store.append_message(&key("a", "room"), &new, bounds))
}

/// Keeps the messages of these numbers, each at the time of its number.
fn fill(bench: &mut Bench, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let at = i64::try_from(number).unwrap();
        append(bench, number, at, &WIDE).unwrap();
    }
}

/// The whole line.
fn whole(bounds: HistoryBounds, now: i64) -> HistoryPage {
    let (limit, bytes, now) = (1000, 1 << 20, Timestamp(now));
    HistoryPage { after: None, before: None, is_descending: false, limit, bytes, bounds, now }
}

/// A part of what the channel keeps.
fn page(bench: &Bench, page: HistoryPage) -> KeptPage {
    bench.read(|store| store.kept_messages(&key("a", "room"), &page)).unwrap()
}

/// What the messages of a part say.
fn said(page: &KeptPage) -> Vec<u64> {
    page.messages.iter().map(|kept| kept.message.data.as_str().parse().unwrap()).collect()
}

/// The offsets of the messages of a part.
fn offsets(page: &KeptPage) -> Vec<u64> {
    page.messages.iter().map(|kept| kept.position.offset).collect()
}

/// A place on the line of epoch 7.
fn at(offset: u64) -> Position {
    Position { epoch: Epoch(7), offset }
}

pub(crate) fn a_line_goes_on_where_it_was_after_a_restart(bench: &mut Bench) {
    open(bench, "room", 7);
    let limits = HistoryLimits::default();
    let find = |bench: &Bench| bench.read(|store| store.find_line(&key("a", "room")));
    assert_eq!(find(bench), Some(StoredLine { position: at(0), limits }));
    for offset in [1, 2] {
        assert_eq!(append(bench, offset, 5, &WIDE).unwrap().position, at(offset));
    }
    let taken = bench.write(|store| store.take_place(&key("a", "room"))).unwrap();
    assert_eq!(taken, Some(at(3)));
    bench.reopen();
    assert_eq!(append(bench, 4, 6, &WIDE).unwrap().position, at(4));
    let found = page(bench, whole(WIDE, 6));
    assert_eq!(found.line, StoredLine { position: at(4), limits });
    assert_eq!((offsets(&found), found.oldest, found.has_more), (vec![1, 2, 4], 0, false));
    assert_eq!(found.messages[0].position, at(1));
    assert_eq!(found.messages[0].at, Timestamp(5));
    assert_eq!(found.messages[0].message, message(1, 5).message);
}

pub(crate) fn a_channel_that_keeps_nothing_has_no_line(bench: &mut Bench) {
    bench.write(|store| store.create_channel(&channel("a", "room", 1))).unwrap();
    let refused = Err(StoreError::NotFound(Thing::Channel));
    assert_eq!(append(bench, 1, 1, &WIDE), refused);
    assert_eq!(
        bench.write(|store| store.trim_line(&key("a", "room"), at(1))),
        Err(StoreError::NotFound(Thing::Channel))
    );
    assert_eq!(bench.write(|store| store.take_place(&key("a", "room"))), Ok(None));
    bench.write(|store| store.close_line(&key("a", "room"))).unwrap();
    let all = whole(WIDE, 1);
    assert_eq!(bench.read(|store| store.find_line(&key("a", "room"))), None);
    assert_eq!(bench.read(|store| store.kept_messages(&key("a", "room"), &all)), None);
    let limits = HistoryLimits::default();
    let opened = bench.write(|store| store.open_line(&key("a", "none"), Epoch(1), limits));
    assert_eq!(opened, Err(StoreError::NotFound(Thing::Channel)));
}

pub(crate) fn kept_messages_come_in_pages_both_ways(bench: &mut Bench) {
    open(bench, "room", 7);
    fill(bench, 1..=10);
    let some = HistoryPage { limit: 4, ..whole(WIDE, 10) };
    let first = page(bench, some);
    assert_eq!((said(&first), first.has_more), (vec![1, 2, 3, 4], true));
    let next = page(bench, HistoryPage { after: Some(8), ..some });
    assert_eq!((said(&next), next.has_more), (vec![9, 10], false));
    let newest = HistoryPage { is_descending: true, ..some };
    let last = page(bench, newest);
    assert_eq!((said(&last), last.has_more), (vec![10, 9, 8, 7], true));
    let before = page(bench, HistoryPage { before: Some(3), ..newest });
    assert_eq!((said(&before), before.has_more), (vec![2, 1], false));
    let between = page(bench, HistoryPage { after: Some(2), before: Some(5), ..some });
    assert_eq!((said(&between), between.has_more), (vec![3, 4], false));
    let beyond = page(bench, HistoryPage { after: Some(99), ..some });
    assert_eq!((said(&beyond), beyond.has_more), (vec![], false));
    // A part has so many bytes, and one message whatever its size.
    let small = page(bench, HistoryPage { bytes: 1, ..some });
    assert_eq!((said(&small), small.has_more), (vec![1], true));
}

pub(crate) fn what_is_beyond_the_bounds_is_gone_before_it_is_deleted(bench: &mut Bench) {
    open(bench, "room", 7);
    fill(bench, 1..=5);
    bench.write(|store| store.take_place(&key("a", "room"))).unwrap();
    fill(bench, 7..=10);
    let few = HistoryBounds { messages: 4, ..WIDE };
    let found = page(bench, whole(few, 10));
    // The message before the first that is kept has the offset 5; a state took 6.
    assert_eq!((said(&found), found.oldest), (vec![7, 8, 9, 10], 5));
    let young = HistoryBounds { age: Duration::from_millis(2), ..WIDE };
    let found = page(bench, whole(young, 10));
    assert_eq!((said(&found), found.oldest), (vec![9, 10], 8));
    let found = page(bench, whole(young, 100));
    assert_eq!((said(&found), found.oldest), (vec![], 10));
    let light = HistoryBounds { bytes: 3 * 66, ..WIDE };
    let found = page(bench, whole(light, 10));
    assert_eq!((said(&found).len(), found.oldest), (2, 8));
    // The newest one is kept whatever its size.
    let found = page(bench, whole(HistoryBounds { bytes: 1, ..WIDE }, 10));
    assert_eq!(said(&found), [10]);
}

pub(crate) fn a_channel_narrows_what_it_keeps(bench: &mut Bench) {
    open(bench, "room", 7);
    fill(bench, 1..=5);
    let few = HistoryLimits { count: Some(2), seconds: None };
    bench.write(|store| store.narrow_line(&key("a", "room"), few)).unwrap();
    let found = page(bench, whole(WIDE, 5));
    assert_eq!((said(&found), found.line.limits), (vec![4, 5], few));
    let short = HistoryLimits { count: None, seconds: Some(1) };
    bench.write(|store| store.narrow_line(&key("a", "room"), short)).unwrap();
    assert_eq!(said(&page(bench, whole(WIDE, 1003))), [4, 5]);
}

pub(crate) fn what_is_gone_is_deleted_in_small_steps(bench: &mut Bench) {
    open(bench, "room", 7);
    fill(bench, 1..=10);
    let few = HistoryBounds { messages: 3, ..WIDE };
    let prune = |bench: &mut Bench, bounds: HistoryBounds, now: i64| {
        bench.write(|store| store.prune_line(Epoch(7), &bounds, Timestamp(now), 4))
    };
    assert_eq!(prune(bench, WIDE, 10), Ok(step(0, false)));
    assert_eq!(said(&page(bench, whole(WIDE, 10))).len(), 10);
    assert_eq!(prune(bench, few, 10), Ok(step(4, true)));
    let left = page(bench, whole(WIDE, 10));
    assert_eq!((offsets(&left), left.oldest), (vec![5, 6, 7, 8, 9, 10], 4));
    assert_eq!(prune(bench, few, 10), Ok(step(3, false)));
    let left = page(bench, whole(WIDE, 10));
    assert_eq!((offsets(&left), left.oldest), (vec![8, 9, 10], 7));
    // By age, also the newest.
    assert_eq!(prune(bench, WIDE, 1_000_000), Ok(step(3, false)));
    let left = page(bench, whole(WIDE, 10));
    assert_eq!((offsets(&left), left.oldest, left.line.position), (vec![], 10, at(10)));
    assert_eq!(append(bench, 11, 2_000_000, &WIDE).unwrap().position, at(11));
    assert_eq!(prune(bench, WIDE, 2_000_000), Ok(step(0, false)));
    assert_eq!(said(&page(bench, whole(WIDE, 2_000_000))), [11]);
}

pub(crate) fn a_line_says_when_it_has_much_too_much(bench: &mut Bench) {
    open(bench, "room", 7);
    let few = HistoryBounds { messages: 3, ..WIDE };
    let over: Vec<u64> =
        (1..=80).filter(|number| append(bench, *number, 1, &few).unwrap().is_over).collect();
    assert_eq!(over, (68..=80).collect::<Vec<_>>());
    bench.write(|store| store.prune_line(Epoch(7), &few, Timestamp(1), 100)).unwrap();
    assert!(!append(bench, 81, 1, &few).unwrap().is_over);
    let light = HistoryBounds { bytes: 100, ..WIDE };
    assert!(append(bench, 82, 1, &light).unwrap().is_over);
}

pub(crate) fn lines_are_due_when_their_oldest_message_is_too_old(bench: &mut Bench) {
    open(bench, "room", 7);
    open(bench, "other", 8);
    let due = |bench: &Bench, now: i64| bench.read(|store| store.due_lines(Timestamp(now), 10));
    fill(bench, 5..=9);
    // A hundred seconds after it was published.
    assert_eq!(due(bench, 100_004), []);
    assert_eq!(due(bench, 100_005), [Epoch(7)]);
    bench.write(|store| store.prune_line(Epoch(7), &WIDE, Timestamp(100_006), 10)).unwrap();
    assert_eq!(due(bench, 100_006), []);
    assert_eq!(due(bench, 100_007), [Epoch(7)]);
    bench.write(|store| store.prune_line(Epoch(7), &WIDE, Timestamp(200_000), 10)).unwrap();
    assert_eq!(due(bench, i64::MAX - 1), []);
}

pub(crate) fn what_was_trimmed_is_gone_at_once(bench: &mut Bench) {
    open(bench, "room", 7);
    fill(bench, 1..=6);
    bench.write(|store| store.trim_line(&key("a", "room"), at(4))).unwrap();
    let left = page(bench, whole(WIDE, 6));
    assert_eq!((offsets(&left), left.oldest), (vec![4, 5, 6], 3));
    // What was taken back does not come back.
    bench.write(|store| store.trim_line(&key("a", "room"), at(2))).unwrap();
    assert_eq!(offsets(&page(bench, whole(WIDE, 6))), [4, 5, 6]);
    assert_eq!(bench.read(|store| store.due_lines(Timestamp(6), 10)), [Epoch(7)]);
    bench.write(|store| store.prune_line(Epoch(7), &WIDE, Timestamp(6), 10)).unwrap();
    let left = page(bench, whole(WIDE, 6));
    assert_eq!((offsets(&left), left.oldest), (vec![4, 5, 6], 3));
    bench.write(|store| store.trim_line(&key("a", "room"), at(u64::MAX))).unwrap();
    let left = page(bench, whole(WIDE, 6));
    assert_eq!((offsets(&left), left.oldest, left.line.position), (vec![], 6, at(6)));
}

pub(crate) fn messages_go_with_their_channel_and_their_project(bench: &mut Bench) {
    open(bench, "room", 7);
    fill(bench, 1..=3);
    bench.write(|store| store.delete_channel(&key("a", "room"))).unwrap();
    assert_eq!(bench.read(|store| store.find_line(&key("a", "room"))), None);
    let due = |bench: &Bench| bench.read(|store| store.due_lines(Timestamp(1), 10));
    assert_eq!(due(bench), [Epoch(7)]);
    // One of the same name is another.
    open(bench, "room", 8);
    let found = page(bench, whole(WIDE, 3));
    assert_eq!((said(&found), found.line.position.epoch), (vec![], Epoch(8)));
    let prune =
        |bench: &mut Bench| bench.write(|store| store.prune_line(Epoch(7), &WIDE, Timestamp(3), 2));
    assert_eq!((prune(bench), due(bench)), (Ok(step(2, true)), vec![Epoch(7)]));
    assert_eq!((prune(bench), due(bench)), (Ok(step(1, false)), vec![]));
    fill(bench, 1..=1);
    bench.write(|store| store.delete_project(&project_id("a"))).unwrap();
    assert_eq!(due(bench), [Epoch(8)]);
    bench.write(|store| store.prune_line(Epoch(8), &WIDE, Timestamp(3), 2)).unwrap();
    assert_eq!(due(bench), []);
}

pub(crate) fn a_line_that_is_closed_and_opened_begins_anew(bench: &mut Bench) {
    open(bench, "room", 7);
    fill(bench, 1..=3);
    bench.write(|store| store.close_line(&key("a", "room"))).unwrap();
    assert_eq!(bench.read(|store| store.find_line(&key("a", "room"))), None);
    let limits = HistoryLimits { count: Some(5), seconds: Some(6) };
    for epoch in [9, 10] {
        bench.write(|store| store.open_line(&key("a", "room"), Epoch(epoch), limits)).unwrap();
    }
    let found = page(bench, whole(WIDE, 3));
    let position = Position { epoch: Epoch(10), offset: 0 };
    assert_eq!((said(&found), found.line), (vec![], StoredLine { position, limits }));
    assert_eq!(bench.read(|store| store.due_lines(Timestamp(1), 10)).len(), 2);
}

pub(crate) fn a_message_stands_and_falls_with_its_group(bench: &mut Bench) {
    open(bench, "room", 7);
    let both = |store: &mut dyn crate::store::WriteStore, other: &str| {
        store.atomically(&mut |store| {
            store.append_message(&key("a", "room"), &message(1, 1), &WIDE)?;
            store.create_channel(&channel("a", other, 1))
        })
    };
    assert!(bench.write(|store| both(store, "room")).is_err());
    let found = page(bench, whole(WIDE, 1));
    assert_eq!((said(&found), found.line.position), (vec![], at(0)));
    bench.write(|store| both(store, "new")).unwrap();
    assert_eq!(offsets(&page(bench, whole(WIDE, 1))), [1]);
}

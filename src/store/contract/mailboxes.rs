//! Claims about mails: what waits, what has become of it, and what goes.

use super::{Bench, project_id, token};
use crate::domain::{
    Epoch, LeapTokenId, MailId, MailPiece, MailState, MailStatus, MailboxBounds, Message, Position,
    RawJson, Timestamp,
};
use crate::store::mailbox::{REMEMBERED, REMEMBERED_MAILS};
use crate::store::{MailPage, NewMail, StoreError, StoreResult, Thing};

/// Bounds that are not met.
const WIDE: MailboxBounds = MailboxBounds { messages: 100_000, bytes: 1 << 30 };

/// Adds the token `t` to the project `a`.
fn open(bench: &mut Bench) {
    bench.write(|store| store.create_token(&token("a", "t", 1), &[])).unwrap();
}

/// Posts a mail to a token that says when it was posted, and whose time is over then.
fn post_to(
    bench: &mut Bench,
    (project, name): (&str, &str),
    (at, expires_at): (i64, i64),
    bounds: MailboxBounds,
) -> StoreResult<MailId> {
    let message = Message { event: "m".into(), data: RawJson::trusted(at.to_string()) };
    let (at, expires_at) = (Timestamp(at), Timestamp(expires_at));
    let new = NewMail { message, at, expires_at, epoch: Epoch(7) };
    let token = LeapTokenId::from(name);
    bench.write(|store| store.put_mail(&project_id(project), &token, &new, &bounds))
}

/// The same to `t`, within wide bounds.
fn post(bench: &mut Bench, at: i64, expires_at: i64) -> MailId {
    post_to(bench, ("a", "t"), (at, expires_at), WIDE).unwrap()
}

/// The mail of `t` with this number.
fn id(number: u64) -> MailId {
    MailId(Position { epoch: Epoch(7), offset: number })
}

/// A part of what waits for `t`.
fn piece(bench: &Bench, after: u64, limit: u64, bytes: u64, now: i64) -> MailPiece {
    let page = MailPage { after, limit, bytes, now: Timestamp(now) };
    bench.read(|store| store.waiting_mail(&LeapTokenId::from("t"), &page))
}

/// The numbers of all that waits for `t`.
fn waiting(bench: &Bench, now: i64) -> Vec<u64> {
    let all = piece(bench, 0, 100_000, 1 << 30, now);
    all.mails.iter().map(|mail| mail.id.0.offset).collect()
}

/// What has become of a mail of `t`, and when.
fn status(bench: &Bench, id: MailId, now: i64) -> Option<(MailState, i64)> {
    let found = bench.read(|store| store.find_mail(&LeapTokenId::from("t"), id, Timestamp(now)));
    found.map(|MailStatus { state, at }| (state, at.0))
}

/// When something that happened then is forgotten.
fn forgotten(at: i64) -> i64 {
    Timestamp(at).later(REMEMBERED).0
}

pub(crate) fn mails_wait_in_their_order_also_over_a_restart(bench: &mut Bench) {
    open(bench);
    assert_eq!(piece(bench, 0, 9, 1 << 20, 1), MailPiece::default());
    let has_mail = |bench: &Bench| bench.read(|store| store.has_mail(&LeapTokenId::from("t")));
    assert!(!has_mail(bench));
    for at in 1..=5 {
        assert_eq!(post(bench, at, 100), id(at.unsigned_abs()));
    }
    assert!(has_mail(bench));
    bench.reopen();
    assert_eq!(waiting(bench, 6), [1, 2, 3, 4, 5]);
    let some = piece(bench, 2, 2, 1 << 20, 6);
    let ids: Vec<_> = some.mails.iter().map(|mail| mail.id).collect();
    assert_eq!((ids, some.has_more), (vec![id(3), id(4)], true));
    let said: Vec<_> = some.mails.iter().map(|mail| mail.message.data.as_str()).collect();
    assert_eq!(said, ["3", "4"]);
    let large = piece(bench, 0, 9, 1, 6);
    assert_eq!((large.mails.len(), large.has_more), (1, true), "one of any size");
    assert!(!piece(bench, 4, 9, 1 << 20, 6).has_more);
    assert_eq!(post(bench, 6, 100), id(6));
    bench.write(|store| store.deliver_mail(Epoch(7), &(1..=6), Timestamp(9))).unwrap();
    assert!(!has_mail(bench));
}

pub(crate) fn what_was_delivered_waits_no_more_and_is_remembered(bench: &mut Bench) {
    open(bench);
    for at in 1..=4 {
        post(bench, at, 100);
    }
    assert_eq!(status(bench, id(2), 9), Some((MailState::Queued, 2)));
    let deliver = |bench: &mut Bench, from, upto, at| {
        bench.write(|store| store.deliver_mail(Epoch(7), &(from..=upto), Timestamp(at))).unwrap();
    };
    deliver(bench, 2, 3, 10);
    assert_eq!(waiting(bench, 11), [1, 4]);
    deliver(bench, 1, 3, 20);
    assert_eq!(status(bench, id(1), 21), Some((MailState::Delivered, 20)));
    assert_eq!(status(bench, id(2), 21), Some((MailState::Delivered, 10)), "once");
    assert_eq!(status(bench, id(4), 21), Some((MailState::Queued, 4)));
    assert_eq!(status(bench, id(2), forgotten(10)), None);
    assert_eq!(status(bench, id(9), 21), None);
    deliver(bench, 7, 9, 20);
    let other = MailId(Position { epoch: Epoch(8), offset: 1 });
    assert_eq!(status(bench, other, 21), None, "of another mailbox");
}

pub(crate) fn a_mailbox_takes_no_more_than_its_bounds_and_what_left_makes_room(bench: &mut Bench) {
    open(bench);
    // Some have one digit more.
    let size = 64 + 3;
    let put = |bench: &mut Bench, at, expires_at, messages, bytes| {
        post_to(bench, ("a", "t"), (at, expires_at), MailboxBounds { messages, bytes })
    };
    assert!(put(bench, 1, 50, 2, 1000).is_ok() && put(bench, 2, 100, 2, 1000).is_ok());
    assert_eq!(put(bench, 3, 100, 2, 1000), Err(StoreError::MailboxFull));
    assert_eq!(put(bench, 3, 100, 9, 3 * size - 4), Err(StoreError::MailboxFull));
    assert_eq!(put(bench, 3, 100, 9, 3 * size), Ok(id(3)), "what is refused takes no number");
    // The time of the first is over by then.
    assert_eq!(put(bench, 50, 100, 3, 1000), Ok(id(4)));
    assert_eq!(status(bench, id(1), 51), Some((MailState::Expired, 50)));
    assert_eq!(put(bench, 51, 100, 3, 1000), Err(StoreError::MailboxFull));
    bench.write(|store| store.deliver_mail(Epoch(7), &(2..=3), Timestamp(52))).unwrap();
    assert!(put(bench, 53, 100, 3, 1000).is_ok() && put(bench, 54, 100, 3, 3 * size).is_ok());
    assert_eq!(put(bench, 55, 100, 9, 3 * size), Err(StoreError::MailboxFull));
}

pub(crate) fn what_is_over_expires_and_is_forgotten_in_small_steps(bench: &mut Bench) {
    open(bench);
    for (at, expires_at) in [(1, 10), (2, 11), (3, 12), (4, 100)] {
        post(bench, at, expires_at);
    }
    let is_due = |bench: &Bench, now| bench.read(|store| store.is_mail_due(Timestamp(now)));
    let prune = |bench: &mut Bench, now, limit| {
        bench.write(|store| store.prune_mail(Timestamp(now), limit)).unwrap()
    };
    assert!(!is_due(bench, 9));
    assert_eq!(waiting(bench, 11), [3, 4], "before anybody has looked");
    assert_eq!(status(bench, id(1), 11), Some((MailState::Expired, 10)));
    assert!(is_due(bench, 20) && prune(bench, 20, 2) && !prune(bench, 20, 2));
    assert_eq!(status(bench, id(1), 20), Some((MailState::Expired, 10)));
    bench.write(|store| store.deliver_mail(Epoch(7), &(1..=4), Timestamp(21))).unwrap();
    assert_eq!(status(bench, id(3), 21), Some((MailState::Expired, 12)), "it stays what it is");
    assert!(!is_due(bench, forgotten(10) - 1) && is_due(bench, forgotten(10)));
    while prune(bench, forgotten(21), 2) {}
    assert!(!is_due(bench, i64::MAX));
    assert_eq!(status(bench, id(4), 22), None, "forgotten");
    assert_eq!(post(bench, 5, 100), id(5));
}

pub(crate) fn only_the_newest_that_have_ended_are_remembered(bench: &mut Bench) {
    open(bench);
    let last = REMEMBERED_MAILS + 2;
    for _ in 0..last {
        post(bench, 1, 100);
    }
    bench.write(|store| store.deliver_mail(Epoch(7), &(1..=last), Timestamp(2))).unwrap();
    let known: Vec<_> =
        [1, 2, 3, last].into_iter().map(|at| status(bench, id(at), 3).is_some()).collect();
    assert_eq!(known, [false, false, true, true]);
}

pub(crate) fn a_mailbox_is_its_tokens_and_goes_with_it(bench: &mut Bench) {
    open(bench);
    let no_token = Err(StoreError::NotFound(Thing::Token));
    assert_eq!(post_to(bench, ("b", "t"), (1, 100), WIDE), no_token);
    assert_eq!(post_to(bench, ("a", "gone"), (1, 100), WIDE), no_token);
    for at in 1..=5 {
        post(bench, at, 100);
    }
    assert_eq!(post_to(bench, ("b", "t"), (6, 100), WIDE), no_token, "it has a mailbox now");
    bench.write(|store| store.delete_token(&project_id("a"), &LeapTokenId::from("t"))).unwrap();
    assert_eq!(status(bench, id(1), 6), None);
    assert_eq!(post_to(bench, ("a", "t"), (6, 100), WIDE), no_token);
    let is_due = |bench: &Bench| bench.read(|store| store.is_mail_due(Timestamp(7)));
    assert!(is_due(bench));
    let mut steps = 0;
    while bench.write(|store| store.prune_mail(Timestamp(7), 2)).unwrap() {
        steps += 1;
    }
    assert!((3..5).contains(&steps) && !is_due(bench), "{steps}");
}

pub(crate) fn a_deleted_project_takes_its_mailboxes_along_and_no_other(bench: &mut Bench) {
    open(bench);
    bench.write(|store| store.create_token(&token("b", "other", 1), &[])).unwrap();
    post(bench, 1, 100);
    let message = Message { event: "m".into(), data: RawJson::null() };
    let (at, expires_at) = (Timestamp(1), Timestamp(100));
    let new = NewMail { message, at, expires_at, epoch: Epoch(8) };
    let other = LeapTokenId::from("other");
    bench.write(|store| store.put_mail(&project_id("b"), &other, &new, &WIDE)).unwrap();
    bench.write(|store| store.delete_project(&project_id("a"))).unwrap();
    while bench.write(|store| store.prune_mail(Timestamp(7), 2)).unwrap() {}
    let page = MailPage { after: 0, limit: 9, bytes: 1 << 20, now: Timestamp(7) };
    assert_eq!(bench.read(|store| store.waiting_mail(&other, &page)).mails.len(), 1);
    assert_eq!(waiting(bench, 7), [0; 0]);
}

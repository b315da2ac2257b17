//! What is remembered of clients' ids, against a list that is looked through from end to end.

use super::*;
use crate::domain::{Epoch, ProjectId};
use crate::line::WindowBudget;
use proptest::prelude::*;

/// Few ids, so that bounds are met.
const FEW: IdBounds = IdBounds { age: Duration::from_secs(100), channel: 8, sender: 3 };

/// A session of this token, or one without a token.
fn session(number: u8, token: Option<&str>) -> SessionRef {
    let id = SessionId::from(format!("session_{number}").as_str());
    SessionRef { id, token: token.map(LeapTokenId::from) }
}

/// Ids within these bounds, with so many bytes for them.
fn ids(bounds: IdBounds, bytes: usize) -> SentIds<u32> {
    // A project has a quarter.
    let share = WindowBudget::new(4 * bytes).share(&ProjectId::from("p"));
    SentIds::new(bounds, share)
}

/// The message that stands at an offset.
fn message(offset: u64) -> SentMessage<u32> {
    let position = Some(Position { epoch: Epoch(1), offset });
    SentMessage { position, stored: u32::try_from(offset).unwrap() }
}

#[tokio::test]
async fn an_id_is_its_senders_for_five_minutes() {
    let (mut ids, now) = (ids(IdBounds::USUAL, 1 << 20), Instant::now());
    let (first, again) = (session(1, Some("t")), session(2, Some("t")));
    let id: Arc<str> = "a".into();
    assert_eq!(ids.find(&first, &id, now), None);
    ids.remember(SentId::of(&first, &id), message(7), now);
    for other in [session(1, None), session(3, Some("u"))] {
        assert_eq!(ids.find(&other, &id, now), None, "somebody else's");
    }
    assert_eq!(ids.find(&first, &"b".into(), now), None);
    let almost = now + Duration::from_mins(5) - Duration::from_millis(1);
    assert_eq!(ids.find(&again, &id, almost), Some(&message(7)), "a token's next session");
    assert!(!ids.is_empty());
    ids.expire(now + Duration::from_mins(5));
    assert!(ids.is_empty() && ids.owners.is_empty() && ids.numbers.is_empty());
    assert_eq!(ids.find(&first, &id, almost), None);
}

#[tokio::test]
async fn without_a_token_an_id_is_one_connections() {
    let (mut ids, now) = (ids(IdBounds::USUAL, 1 << 20), Instant::now());
    let (one, other) = (session(1, None), session(2, None));
    ids.remember(SentId::of(&one, &"a".into()), message(1), now);
    ids.remember(SentId::of(&other, &"a".into()), message(2), now);
    assert_eq!(ids.find(&one, &"a".into(), now), Some(&message(1)));
    assert_eq!(ids.find(&other, &"a".into(), now), Some(&message(2)));
}

#[tokio::test]
async fn one_sender_pushes_out_its_own_oldest_alone() {
    let (mut ids, now) = (ids(FEW, 1 << 20), Instant::now());
    let (quiet, loud) = (session(1, Some("quiet")), session(2, Some("loud")));
    ids.remember(SentId::of(&quiet, &"q".into()), message(1), now);
    for n in 0..100_u8 {
        ids.remember(SentId::of(&loud, &n.to_string().into()), message(2), now);
    }
    assert!(ids.find(&quiet, &"q".into(), now).is_some());
    let known = (0..100_u8).filter(|n| ids.find(&loud, &n.to_string().into(), now).is_some());
    assert_eq!(known.collect::<Vec<_>>(), [97, 98, 99]);
}

#[tokio::test]
async fn without_room_nothing_is_remembered_and_the_room_comes_back() {
    let room = 2 * (ID_BYTES + 1);
    let budget = WindowBudget::new(4 * room);
    let share = budget.share(&ProjectId::from("p"));
    let (mut one, mut two) =
        (SentIds::new(FEW, Arc::clone(&share)), SentIds::new(FEW, Arc::clone(&share)));
    let (who, now) = (session(1, Some("t")), Instant::now());
    for id in ["a", "b"] {
        one.remember(SentId::of(&who, &id.into()), message(1), now);
    }
    two.remember(SentId::of(&who, &"c".into()), message(1), now);
    assert!(two.is_empty(), "the other channel has it all");
    one.remember(SentId::of(&who, &"d".into()), message(1), now);
    assert!(
        one.find(&who, &"a".into(), now).is_none() && one.find(&who, &"d".into(), now).is_some()
    );
    assert_eq!(budget.used(), room);
    drop(one);
    assert_eq!(budget.used(), 0);
    two.remember(SentId::of(&who, &"c".into()), message(1), now);
    assert!(two.find(&who, &"c".into(), now).is_some());
}

proptest! {
    /// Whatever comes in whatever order: what is remembered is what a list would have, oldest first, and a message is
    /// never taken for another one's repeat.
    #[test]
    fn what_is_remembered_is_what_a_list_remembers(
        steps in prop::collection::vec((0..4_u8, 0..6_u8, 0..40_u64), 1..200),
        channel in 1..10_usize,
        sender in 1..5_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bounds = IdBounds { channel, sender, ..FEW };
            let (mut ids, mut now) = (ids(bounds, 1 << 20), Instant::now());
            let mut list: Vec<(u8, u8, Instant, u64)> = Vec::new();
            for (n, (who, id, pause)) in (1..).zip(steps) {
                now += Duration::from_secs(pause);
                list.retain(|(.., since, _)| now < *since + bounds.age);
                let expected = list.iter().find(|(owner, known, ..)| (*owner, *known) == (who, id));
                let expected = expected.map(|(.., offset)| message(*offset));
                let (from, name) = (session(who, None), Arc::from(id.to_string()));
                assert_eq!(ids.find(&from, &name, now), expected.as_ref());
                if expected.is_some() {
                    continue;
                }
                ids.remember(SentId::of(&from, &name), message(n), now);
                let own = list.iter().filter(|(owner, ..)| *owner == who).count();
                if own == sender {
                    let oldest = list.iter().position(|(owner, ..)| *owner == who).unwrap();
                    list.remove(oldest);
                }
                if list.len() == channel {
                    list.remove(0);
                }
                list.push((who, id, now, n));
                assert_eq!(ids.ids.len(), list.len());
            }
        });
    }
}

//! One order for all.

use super::*;
use std::collections::VecDeque;
use tokio::task::JoinSet;

/// How many publish, how many of each kind they say, and in blocks of how many they mix up what they have stored.
const PUBLISHERS: i64 = 8;
const EACH: i64 = 200;
const BLOCK: i64 = 10;
const READERS: usize = 3;

/// One publisher's versions, out of order within blocks: later ones are often appended before earlier ones of others.
fn versions(publisher: i64) -> Vec<i64> {
    let blocks = 0..EACH / BLOCK;
    let mixed = move |block: i64| {
        (0..BLOCK).map(move |at| block * BLOCK + (at * 7 + publisher * 3) % BLOCK)
    };
    blocks.flat_map(mixed).map(|index| index * PUBLISHERS + publisher + 1).collect()
}

/// Says everything of one publisher; how often a state had to wait for one before it.
async fn publish(wire: RedisWire, epoch: Epoch, publisher: i64) -> usize {
    let mut stashed = 0;
    let mut left: VecDeque<_> = versions(publisher).into();
    while let Some(version) = left.pop_front() {
        match wire.append(&line(), &state(epoch, version)).await.unwrap() {
            AppendOutcome::At(_) => {}
            AppendOutcome::Stashed => stashed += 1,
            AppendOutcome::Full => {
                // The one that all wait for may be among those behind it.
                left.push_back(version);
                continue;
            }
            other => panic!("{other:?}"),
        }
        let number = u64::try_from(version).unwrap();
        ordered(&wire, &message(epoch, number)).await;
        if version % 50 == 0 {
            let again = wire.append(&line(), &state(epoch, version)).await.unwrap();
            assert!(matches!(again, AppendOutcome::Repeat | AppendOutcome::Stashed), "{again:?}");
        }
    }
    stashed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_hear_one_order_whatever_order_states_come_in() {
    let Some(server) = RedisServer::start().await else { return };
    let (first, _hearing) = server.wire().await;
    let epoch = opened(&first).await.position.epoch;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let (wire, hearing) = server.wire().await;
        assert!(wire.subscribe(&line()).await.unwrap().ends_with("c:test:p:c"));
        readers.push((wire, hearing));
    }
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let (wire, _) = server.wire().await;
        publishers.spawn(publish(wire, epoch, publisher));
    }
    let stashed: usize = timeout(PATIENCE, publishers.join_all()).await.unwrap().into_iter().sum();
    assert!(stashed > 100, "only {stashed} states came before their turn");
    let all = usize::try_from(2 * PUBLISHERS * EACH).unwrap();
    let mut orders = Vec::new();
    for (_wire, hearing) in &mut readers {
        let heard = next(hearing, all).await;
        let offsets = heard.iter().map(|ordered| ordered.position.offset);
        assert!(offsets.eq(1..=u64::try_from(all).unwrap()), "no gap, no repeat");
        let words: Vec<_> = heard.iter().map(short).collect();
        let states: Vec<_> = words.iter().filter(|word| word.starts_with('v')).cloned().collect();
        let expected: Vec<_> = (1..=PUBLISHERS * EACH).map(|number| format!("v{number}")).collect();
        assert_eq!(states, expected);
        orders.push(words);
    }
    assert!(orders.windows(2).all(|two| two[0] == two[1]), "everybody hears the same");
}

/// A connection that hears a line which it has opened.
async fn heard(server: &RedisServer) -> (RedisWire, mpsc::Receiver<HeardEntry>, Epoch) {
    let (wire, hearing) = server.wire().await;
    wire.subscribe(&line()).await.unwrap();
    let epoch = opened(&wire).await.position.epoch;
    (wire, hearing, epoch)
}

#[tokio::test]
async fn a_state_waits_for_those_before_it_and_is_said_once() {
    let Some(server) = RedisServer::start().await else { return };
    let (wire, mut hearing, epoch) = heard(&server).await;
    for version in [3, 2] {
        let outcome = wire.append(&line(), &state(epoch, version)).await.unwrap();
        assert_eq!(outcome, AppendOutcome::Stashed);
    }
    ordered(&wire, &message(epoch, 7)).await;
    assert_eq!(ordered(&wire, &state(epoch, 1)).await, 2);
    assert_eq!(wire.append(&line(), &state(epoch, 2)).await.unwrap(), AppendOutcome::Repeat);
    assert_eq!(next_short(&mut hearing, 4).await, ["7", "v1", "v2", "v3"]);
    assert_eq!(wire.open(&line(), 1, fresh()).await.unwrap().durable, Some(Version(3)));
}

#[tokio::test]
async fn a_repair_stands_for_all_before_it() {
    let Some(server) = RedisServer::start().await else { return };
    let (wire, mut hearing, epoch) = heard(&server).await;
    for version in [3, 5, 6] {
        wire.append(&line(), &state(epoch, version)).await.unwrap();
    }
    ordered(&wire, &repair(epoch, 4)).await;
    for late in [1, 2, 3, 4] {
        assert_eq!(wire.append(&line(), &state(epoch, late)).await.unwrap(), AppendOutcome::Repeat);
    }
    assert_eq!(wire.append(&line(), &repair(epoch, 6)).await.unwrap(), AppendOutcome::Repeat);
    ordered(&wire, &state(epoch, 7)).await;
    assert_eq!(next_short(&mut hearing, 4).await, ["v4", "v5", "v6", "v7"]);
}

#[tokio::test]
async fn a_new_line_says_no_state_before_the_stores_is_known() {
    let Some(server) = RedisServer::start().await else { return };
    let (wire, _hearing) = server.wire().await;
    let at = wire.open(&line(), 1, fresh()).await.unwrap();
    assert_eq!(at.durable, None);
    let epoch = at.position.epoch;
    assert_eq!(wire.append(&line(), &state(epoch, 5)).await.unwrap(), AppendOutcome::Unsettled);
    assert_eq!(wire.settle(&line(), epoch, Version(4)).await.unwrap(), Some(Version(4)));
    assert_eq!(wire.settle(&line(), epoch, Version(9)).await.unwrap(), Some(Version(4)));
    assert_eq!(wire.settle(&line(), Epoch(1), Version(9)).await.unwrap(), None);
    assert_eq!(ordered(&wire, &state(epoch, 5)).await, 1);
}

#[tokio::test]
async fn only_so_much_waits() {
    let Some(server) = RedisServer::start().await else { return };
    let (wire, mut hearing, epoch) = heard(&server).await;
    for version in 2..258 {
        let outcome = wire.append(&line(), &state(epoch, version)).await.unwrap();
        assert_eq!(outcome, AppendOutcome::Stashed, "{version}");
    }
    assert_eq!(wire.append(&line(), &state(epoch, 258)).await.unwrap(), AppendOutcome::Full);
    ordered(&wire, &state(epoch, 1)).await;
    assert_eq!(next(&mut hearing, 257).await.len(), 257);
    // What waited is gone, and there is room again.
    ordered(&wire, &state(epoch, 258)).await;
}

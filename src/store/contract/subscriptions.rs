//! Claims about permanent subscriptions.

use super::{Bench, channel, key, token};
use crate::domain::{LeapToken, LeapTokenId, Timestamp};
use crate::store::{Start, StoreError, StoreResult, Thing, TokenCursor};

/// Gives both projects the channels `x` and `y`, and tokens that are called by their project and a number.
fn fill(bench: &mut Bench) {
    for project in ["a", "b"] {
        for id in ["x", "y"] {
            bench.write(|store| store.create_channel(&channel(project, id, 1))).unwrap();
        }
        for (number, at) in [(1, 30), (2, 20), (3, 10)] {
            let new = token(project, &format!("{project}{number}"), at);
            bench.write(|store| store.create_token(&new, &[])).unwrap();
        }
    }
}

/// Subscribes a token.
fn add(bench: &mut Bench, project: &str, channel: &str, token: &str, at: i64) -> StoreResult<bool> {
    let (key, token) = (key(project, channel), LeapTokenId::from(token));
    bench.write(|store| store.add_subscription(&key, &token, Timestamp(at)))
}

/// Ends a subscription.
fn remove(bench: &mut Bench, project: &str, channel: &str, token: &str) -> StoreResult<bool> {
    let (key, token) = (key(project, channel), LeapTokenId::from(token));
    bench.write(|store| store.remove_subscription(&key, &token))
}

/// The tokens that are subscribed to a channel.
fn subscribers(bench: &Bench, project: &str, channel: &str) -> Vec<String> {
    let all =
        bench.read(|store| store.tokens_of_channel(&key(project, channel), &Start::Skip(0), 100));
    all.iter().map(|(_, token)| token.id.as_str().to_owned()).collect()
}

pub(crate) fn a_subscription_is_new_once(bench: &mut Bench) {
    fill(bench);
    assert_eq!(add(bench, "a", "x", "a1", 5), Ok(true));
    assert_eq!(add(bench, "a", "x", "a1", 6), Ok(false));
    let all = bench.read(|store| store.subscriptions_of(&LeapTokenId::from("a1")));
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].channel.as_str(), all[0].created_at), ("x", Timestamp(5)));
}

pub(crate) fn a_subscription_needs_token_and_channel(bench: &mut Bench) {
    fill(bench);
    let no_token = Err(StoreError::NotFound(Thing::Token));
    assert_eq!(add(bench, "a", "x", "gone", 1), no_token);
    assert_eq!(add(bench, "c", "x", "a1", 1), no_token);
    assert_eq!(add(bench, "a", "gone", "a1", 1), Err(StoreError::NotFound(Thing::Channel)));
    assert!(subscribers(bench, "a", "x").is_empty() && bench.subscribed("a1").is_empty());
}

pub(crate) fn subscriptions_do_not_cross_projects(bench: &mut Bench) {
    fill(bench);
    assert_eq!(add(bench, "a", "x", "b1", 1), Err(StoreError::NotFound(Thing::Token)));
    assert!(bench.subscribed("b1").is_empty());
    add(bench, "a", "x", "a1", 1).unwrap();
    add(bench, "b", "x", "b1", 1).unwrap();
    assert_eq!(subscribers(bench, "a", "x"), ["a1"]);
    assert_eq!(subscribers(bench, "b", "x"), ["b1"]);
    assert_eq!(remove(bench, "a", "x", "b1"), Ok(false));
    assert_eq!(remove(bench, "b", "x", "a1"), Ok(false));
    bench.write(|store| store.delete_channel(&key("a", "x"))).unwrap();
    assert_eq!(bench.subscribed("b1"), ["x"]);
}

pub(crate) fn a_subscription_is_removed_alone(bench: &mut Bench) {
    fill(bench);
    for (channel, token) in [("x", "a1"), ("y", "a1"), ("x", "a2")] {
        add(bench, "a", channel, token, 1).unwrap();
    }
    assert_eq!(remove(bench, "a", "x", "a1"), Ok(true));
    assert_eq!(remove(bench, "a", "x", "a1"), Ok(false));
    assert_eq!(bench.subscribed("a1"), ["y"]);
    assert_eq!(bench.subscribed("a2"), ["x"]);
    assert_eq!(remove(bench, "a", "gone", "a1"), Ok(false));
    assert_eq!(remove(bench, "a", "x", "gone"), Ok(false));
}

pub(crate) fn a_walk_through_a_channels_tokens_meets_each_once(bench: &mut Bench) {
    fill(bench);
    for (token, at) in [("a3", 2), ("a1", 2), ("a2", 1)] {
        add(bench, "a", "x", token, at).unwrap();
    }
    add(bench, "a", "y", "a1", 1).unwrap();
    add(bench, "b", "x", "b1", 1).unwrap();
    let all = [("a2", 20, 1), ("a1", 30, 2), ("a3", 10, 2)]
        .map(|(id, created, subscribed)| (Timestamp(subscribed), token("a", id, created)));
    let next = |bench: &Bench, last: Option<&(Timestamp, LeapToken)>, step| {
        let start = last.map_or(Start::Skip(0), |(at, it)| {
            Start::Behind(TokenCursor { created_at: *at, id: it.id.clone() })
        });
        bench.read(|store| store.tokens_of_channel(&key("a", "x"), &start, step))
    };
    for step in 1..=4 {
        let mut met = Vec::new();
        // A walk that stands still must fail the test and not hang it.
        for _ in 0..5 {
            let part = next(bench, met.last(), step);
            assert!(part.len() <= usize::try_from(step).unwrap());
            met.extend(part);
        }
        assert_eq!(met, all, "step {step}");
    }
    for skipped in 0..=3 {
        let rest =
            bench.read(|store| store.tokens_of_channel(&key("a", "x"), &Start::Skip(skipped), 2));
        assert!(rest.iter().eq(all.iter().skip(usize::try_from(skipped).unwrap()).take(2)));
    }
    assert_eq!(bench.read(|store| store.count_tokens_of_channel(&key("a", "x"))), 3);
    remove(bench, "a", "x", "a1").unwrap();
    assert_eq!(next(bench, Some(&all[1]), 9), all[2..], "behind one that has gone");
}

pub(crate) fn a_tokens_channels_come_by_age_of_subscription(bench: &mut Bench) {
    fill(bench);
    add(bench, "a", "x", "a1", 9).unwrap();
    add(bench, "a", "y", "a1", 8).unwrap();
    assert_eq!(bench.subscribed("a1"), ["y", "x"]);
    assert!(bench.subscribed("a2").is_empty());
}

//! Claims about who stands in which register of a channel.

use super::{Bench, channel, key, project_id};
use crate::domain::{LeapTokenId, Listed, Register, SessionId, SessionRef};
use crate::store::{StoreError, Thing};
use std::sync::Arc;

/// A session that is online on a channel.
fn online(project: &str, channel: &str, session: &str) -> Listed {
    let token = (session > "m").then(|| LeapTokenId::from(session));
    let session = Arc::new(SessionRef { id: SessionId::from(session), token });
    Listed { channel: key(project, channel), register: Register::Online, session }
}

/// All that is noted, read in pages of this size.
fn all(bench: &Bench, page: u64) -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::new();
    loop {
        let last = all.last().cloned();
        let next = bench.read(|store| store.listed_after(last.as_ref(), page));
        if next.is_empty() {
            return all;
        }
        all.extend(next);
    }
}

pub(crate) fn registers_are_found_in_order_after_a_restart(bench: &mut Bench) {
    let ephemeral = Listed { register: Register::Ephemeral, ..online("a", "room", "z") };
    let noted = [
        ephemeral,
        online("a", "room", "a"),
        online("a", "room", "z"),
        online("a", "xroom", "a"),
        online("b", "hall", "a"),
    ];
    for one in noted.iter().rev().chain(&noted) {
        bench.write(|store| store.enlist(one)).unwrap();
    }
    bench.reopen();
    for page in 1..7 {
        assert_eq!(all(bench, page), noted, "{page}");
    }
    for one in [&noted[2], &online("a", "room", "nobody")] {
        bench.write(|store| store.strike(one)).unwrap();
    }
    let left = [0, 1, 3, 4].map(|n| noted[n].clone());
    assert_eq!(all(bench, 9), left);
    bench.write(|store| store.strike_all(&project_id("a"), Register::Online)).unwrap();
    assert_eq!(all(bench, 9), [noted[0].clone(), noted[4].clone()]);
}

pub(crate) fn a_register_goes_with_the_project_and_not_with_the_channel(bench: &mut Bench) {
    let noted = online("a", "never-made", "s");
    bench.write(|store| store.enlist(&noted)).unwrap();
    assert_eq!(all(bench, 9), [noted]);
    bench.write(|store| store.delete_project(&project_id("a"))).unwrap();
    assert_eq!(all(bench, 9), []);
    let refused = bench.write(|store| store.enlist(&online("a", "room", "s")));
    assert_eq!(refused, Err(StoreError::NotFound(Thing::Project)));
}

pub(crate) fn ephemeral_subscriptions_go_with_their_channel_and_who_is_online_does_not(
    bench: &mut Bench,
) {
    let ephemeral = |listed: Listed| Listed { register: Register::Ephemeral, ..listed };
    for project in ["a", "b"] {
        for id in ["room", "xroom"] {
            bench.write(|store| store.create_channel(&channel(project, id, 1))).unwrap();
        }
    }
    let stay = [
        ephemeral(online("a", "xroom", "y")),
        online("a", "room", "y"),
        ephemeral(online("b", "room", "y")),
    ];
    let go = [ephemeral(online("a", "room", "y")), ephemeral(online("a", "room", "z"))];
    for one in stay.iter().chain(&go) {
        bench.write(|store| store.enlist(one)).unwrap();
    }
    bench.write(|store| store.delete_channel(&key("a", "room"))).unwrap();
    // As after a crash right behind that write.
    bench.reopen();
    let left = all(bench, 9);
    assert_eq!(left.len(), stay.len());
    assert!(stay.iter().all(|one| left.contains(one)), "{left:?}");
}

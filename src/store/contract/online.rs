//! Claims about which sessions webhooks were told are online.

use super::{Bench, key, project_id};
use crate::domain::{LeapTokenId, Online, OnlineSession, SessionId};
use crate::store::{StoreError, Thing};
use std::sync::Arc;

/// A session on a channel.
fn online(project: &str, channel: &str, session: &str) -> Online {
    let token = (session > "m").then(|| LeapTokenId::from(session));
    let session = Arc::new(OnlineSession { id: SessionId::from(session), token });
    Online { channel: key(project, channel), session }
}

/// All that is noted, read in pages of this size.
fn all(bench: &Bench, page: u64) -> Vec<Online> {
    let mut all: Vec<Online> = Vec::new();
    loop {
        let last = all.last().cloned();
        let next = bench.read(|store| store.online_after(last.as_ref(), page));
        if next.is_empty() {
            return all;
        }
        all.extend(next);
    }
}

pub(crate) fn who_is_noted_as_online_is_found_in_order_after_a_restart(bench: &mut Bench) {
    let noted = [
        online("a", "room", "a"),
        online("a", "room", "z"),
        online("a", "xroom", "a"),
        online("b", "hall", "a"),
    ];
    for one in noted.iter().rev().chain(&noted) {
        bench.write(|store| store.note_online(one)).unwrap();
    }
    bench.reopen();
    for page in 1..6 {
        assert_eq!(all(bench, page), noted, "{page}");
    }
    for one in [&noted[1], &online("a", "room", "nobody")] {
        bench.write(|store| store.note_offline(&one.channel, &one.session.id)).unwrap();
    }
    assert_eq!(all(bench, 9), [noted[0].clone(), noted[2].clone(), noted[3].clone()]);
    bench.write(|store| store.forget_online(&project_id("a"))).unwrap();
    assert_eq!(all(bench, 9), [noted[3].clone()]);
}

pub(crate) fn who_is_online_goes_with_the_project_and_not_with_the_channel(bench: &mut Bench) {
    let noted = online("a", "never-made", "s");
    bench.write(|store| store.note_online(&noted)).unwrap();
    assert_eq!(all(bench, 9), [noted]);
    bench.write(|store| store.delete_project(&project_id("a"))).unwrap();
    assert_eq!(all(bench, 9), []);
    let refused = bench.write(|store| store.note_online(&online("a", "room", "s")));
    assert_eq!(refused, Err(StoreError::NotFound(Thing::Project)));
}

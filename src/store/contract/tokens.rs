//! Claims about leap tokens.

use super::{Bench, channel, key, project_id, token};
use crate::domain::{ChannelId, LeapToken, LeapTokenId, RawJson, Timestamp};
use crate::store::{Start, StoreError, StoreResult, Thing, TokenCursor, TokenUpdate};

/// Adds channels to a project.
fn channels(bench: &mut Bench, project: &str, ids: &[&str]) {
    for id in ids {
        bench.write(|store| store.create_channel(&channel(project, id, 1))).unwrap();
    }
}

/// Adds a token with default channels.
fn create(bench: &mut Bench, token: &LeapToken, channels: &[&str]) -> StoreResult<()> {
    let channels: Vec<ChannelId> = channels.iter().map(|id| ChannelId::trusted(id)).collect();
    bench.write(|store| store.create_token(token, &channels))
}

/// Reads a token.
fn find(bench: &Bench, id: &str) -> Option<LeapToken> {
    bench.read(|store| store.find_token(&LeapTokenId::from(id)))
}

pub(crate) fn a_token_comes_back_as_it_was(bench: &mut Bench) {
    for (id, state, expires_at) in [
        ("1", "null", None),
        ("2", r#"{"b":1.50,"a":12345678901234567890}"#, Some(Timestamp(i64::MAX))),
        ("3", "[1, 2]", Some(Timestamp(0))),
        ("4", r#""\u0000""#, Some(Timestamp(-1))),
    ] {
        let state = RawJson::parse(state).unwrap();
        let new = LeapToken { state, expires_at, ..token("a", id, 7) };
        create(bench, &new, &[]).unwrap();
        assert_eq!(find(bench, id), Some(new));
    }
    assert_eq!(find(bench, "5"), None);
}

/// Walks through the tokens of a project in steps of this length.
fn walk(bench: &Bench, project: &str, step: u64) -> Vec<LeapToken> {
    let mut met: Vec<LeapToken> = Vec::new();
    // A walk that stands still must fail the test and not hang it.
    for _ in 0..10 {
        let last = met.last();
        let start = last.map_or(Start::Skip(0), |it| {
            Start::Behind(TokenCursor { created_at: it.created_at, id: it.id.clone() })
        });
        let part = bench.read(|store| store.tokens_after(&project_id(project), &start, step));
        assert!(part.len() <= usize::try_from(step).unwrap());
        if part.is_empty() {
            break;
        }
        met.extend(part);
    }
    met
}

pub(crate) fn tokens_are_listed_by_project_oldest_first(bench: &mut Bench) {
    for (project, id, at) in [("a", "x", 5), ("a", "y", 3), ("b", "z", 1), ("a", "k", 5)] {
        create(bench, &token(project, id, at), &[]).unwrap();
    }
    for step in 1..5 {
        let of_a = walk(bench, "a", step);
        assert_eq!(of_a, [("y", 3), ("k", 5), ("x", 5)].map(|(id, at)| token("a", id, at)));
        assert!(walk(bench, "c", step).is_empty());
    }
}

pub(crate) fn a_token_needs_its_project(bench: &mut Bench) {
    let refused = Err(StoreError::NotFound(Thing::Project));
    assert_eq!(create(bench, &token("c", "t", 1), &[]), refused);
    assert_eq!(create(bench, &token("c", "t", 1), &["room"]), refused);
    assert_eq!(find(bench, "t"), None);
}

pub(crate) fn a_used_token_id_is_refused(bench: &mut Bench) {
    channels(bench, "b", &["room"]);
    create(bench, &token("a", "t", 1), &[]).unwrap();
    let refused = Err(StoreError::Exists(Thing::Token));
    assert_eq!(create(bench, &token("a", "t", 2), &[]), refused);
    assert_eq!(create(bench, &token("b", "t", 2), &["room"]), refused);
    assert_eq!(find(bench, "t"), Some(token("a", "t", 1)));
    assert!(bench.subscribed("t").is_empty());
}

pub(crate) fn default_channels_are_subscribed(bench: &mut Bench) {
    channels(bench, "a", &["x", "y", "z"]);
    create(bench, &token("a", "t", 4), &["y", "x", "y"]).unwrap();
    let all = bench.read(|store| store.subscriptions_of(&LeapTokenId::from("t")));
    let all: Vec<_> = all.iter().map(|s| (s.channel.as_str(), s.created_at.0)).collect();
    assert_eq!(all, [("x", 4), ("y", 4)]);
}

pub(crate) fn a_missing_default_channel_leaves_no_token(bench: &mut Bench) {
    channels(bench, "a", &["x", "y"]);
    let refused = create(bench, &token("a", "t", 1), &["x", "gone", "y", "lost"]);
    assert_eq!(refused, Err(StoreError::NoSuchChannel(ChannelId::trusted("gone"))));
    assert_eq!(find(bench, "t"), None);
    assert!(
        bench
            .read(|store| store.tokens_of_channel(&key("a", "x"), &Start::Skip(0), 100))
            .is_empty()
    );
    create(bench, &token("a", "t", 1), &["x"]).unwrap();
}

pub(crate) fn another_projects_channel_is_no_default(bench: &mut Bench) {
    channels(bench, "b", &["x"]);
    let refused = create(bench, &token("a", "t", 1), &["x"]);
    assert_eq!(refused, Err(StoreError::NoSuchChannel(ChannelId::trusted("x"))));
    assert_eq!(find(bench, "t"), None);
}

pub(crate) fn an_update_changes_only_what_it_names(bench: &mut Bench) {
    let state = RawJson::parse("[1.0]").unwrap();
    let expires_at = Some(Timestamp(9));
    let updates = [
        TokenUpdate { state: None, expires_at: Some(expires_at) },
        TokenUpdate { state: Some(state.clone()), expires_at: None },
        TokenUpdate::default(),
        TokenUpdate { state: Some(RawJson::null()), expires_at: Some(None) },
    ];
    let original = token("a", "t", 1);
    let expected = [
        LeapToken { expires_at, ..original.clone() },
        LeapToken { state: state.clone(), expires_at, ..original.clone() },
        LeapToken { state, expires_at, ..original.clone() },
        LeapToken { state: RawJson::null(), ..original.clone() },
    ];
    create(bench, &original, &[]).unwrap();
    create(bench, &token("a", "other", 1), &[]).unwrap();
    for (update, expected) in updates.iter().zip(expected) {
        let id = LeapTokenId::from("t");
        let now = bench.write(|store| store.update_token(&project_id("a"), &id, update));
        assert_eq!(now.as_ref(), Ok(&expected));
        assert_eq!(find(bench, "t"), Some(expected));
    }
    assert_eq!(find(bench, "other"), Some(token("a", "other", 1)));
}

pub(crate) fn another_projects_token_is_not_updated(bench: &mut Bench) {
    create(bench, &token("b", "t", 1), &[]).unwrap();
    let change = TokenUpdate { state: Some(RawJson::null()), expires_at: None };
    for update in [change, TokenUpdate::default()] {
        for (project, id) in [("a", "t"), ("b", "gone")] {
            let id = LeapTokenId::from(id);
            let refused =
                bench.write(|store| store.update_token(&project_id(project), &id, &update));
            assert_eq!(refused, Err(StoreError::NotFound(Thing::Token)));
        }
    }
    assert_eq!(find(bench, "t"), Some(token("b", "t", 1)));
}

pub(crate) fn a_deleted_token_takes_its_subscriptions_along(bench: &mut Bench) {
    channels(bench, "a", &["x"]);
    create(bench, &token("a", "t", 1), &["x"]).unwrap();
    create(bench, &token("a", "stays", 1), &["x"]).unwrap();
    let id = LeapTokenId::from("t");
    bench.write(|store| store.delete_token(&project_id("a"), &id)).unwrap();
    assert_eq!(find(bench, "t"), None);
    assert!(bench.subscribed("t").is_empty());
    let left = bench.read(|store| store.tokens_of_channel(&key("a", "x"), &Start::Skip(0), 100));
    assert_eq!(left, [(Timestamp(1), token("a", "stays", 1))]);
    let again = bench.write(|store| store.delete_token(&project_id("a"), &id));
    assert_eq!(again, Err(StoreError::NotFound(Thing::Token)));
}

pub(crate) fn another_projects_token_is_not_deleted(bench: &mut Bench) {
    create(bench, &token("b", "t", 1), &[]).unwrap();
    let id = LeapTokenId::from("t");
    let refused = bench.write(|store| store.delete_token(&project_id("a"), &id));
    assert_eq!(refused, Err(StoreError::NotFound(Thing::Token)));
    assert!(find(bench, "t").is_some());
}

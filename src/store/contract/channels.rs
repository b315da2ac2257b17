//! Claims about channels and their states.

use super::{Bench, channel, key, project, project_id, state, token};
use crate::domain::{Capabilities, Channel, Timestamp, Version, Visibility};
use crate::store::{Start, StoreError, StoreResult, Thing};

/// Adds private channels to a project.
fn add(bench: &mut Bench, project: &str, ids: &[&str]) {
    for id in ids {
        bench.write(|store| store.create_channel(&channel(project, id, 1))).unwrap();
    }
}

/// Reads a channel that must be there.
fn load(bench: &Bench, project: &str, id: &str) -> Channel {
    bench.read(|store| store.find_channel(&key(project, id))).unwrap()
}

/// Writes a state.
fn set(bench: &mut Bench, id: &str, text: &str, version: i64) -> StoreResult<()> {
    bench.write(|store| store.set_state(&key("a", id), &state(text), Version(version)))
}

pub(crate) fn a_channel_comes_back_as_it_was(bench: &mut Bench) {
    let everything = Capabilities::from_bits(63).unwrap();
    let kinds = [
        (Visibility::Private, Capabilities::default()),
        (Visibility::Public, Capabilities::HISTORY),
        (Visibility::Unprotected, everything),
    ];
    for (visibility, capabilities) in kinds {
        let mut new = channel("a", visibility.as_str(), -5);
        (new.visibility, new.capabilities) = (visibility, capabilities);
        new.state = state(r#"{"z":1,"a":[2]}"#);
        bench.write(|store| store.create_channel(&new)).unwrap();
        assert_eq!(load(bench, "a", visibility.as_str()), new);
    }
    for id in ["é ☃", "a:b\"'", "%"] {
        let mut odd = channel("a", "x", 1);
        odd.key.id = crate::domain::ChannelId::trusted(id);
        bench.write(|store| store.create_channel(&odd)).unwrap();
        assert_eq!(bench.read(|store| store.find_channel(&odd.key)), Some(odd));
    }
}

pub(crate) fn a_channel_needs_its_project(bench: &mut Bench) {
    let refused = bench.write(|store| store.create_channel(&channel("c", "room", 1)));
    assert_eq!(refused, Err(StoreError::NotFound(Thing::Project)));
    assert_eq!(bench.read(|store| store.find_channel(&key("c", "room"))), None);
}

pub(crate) fn a_used_channel_id_is_refused(bench: &mut Bench) {
    add(bench, "a", &["room"]);
    let mut twin = channel("a", "room", 2);
    twin.visibility = Visibility::Public;
    let refused = bench.write(|store| store.create_channel(&twin));
    assert_eq!(refused, Err(StoreError::Exists(Thing::Channel)));
    assert_eq!(load(bench, "a", "room"), channel("a", "room", 1));
}

pub(crate) fn one_id_in_two_projects_is_two_channels(bench: &mut Bench) {
    add(bench, "a", &["room"]);
    assert_eq!(bench.read(|store| store.find_channel(&key("b", "room"))), None);
    add(bench, "b", &["room"]);
    set(bench, "room", r#"{"of":"a"}"#, 2).unwrap();
    let update = |store: &mut dyn crate::store::WriteStore| {
        store.update_channel(&key("a", "room"), Visibility::Public, Capabilities::PRESENCE)
    };
    bench.write(update).unwrap();
    assert_eq!(load(bench, "b", "room"), channel("b", "room", 1));
    bench.write(|store| store.delete_channel(&key("a", "room"))).unwrap();
    assert_eq!(load(bench, "b", "room"), channel("b", "room", 1));
}

pub(crate) fn two_projects_with_a_channel_are_enough(bench: &mut Bench) {
    bench.write(|store| store.create_project(&project("c", 1))).unwrap();
    let with = |bench: &Bench| bench.read(|store| store.projects_with_channel(&key("a", "x").id));
    assert!(with(bench).is_empty());
    add(bench, "a", &["other"]);
    add(bench, "b", &["x"]);
    assert_eq!(with(bench), [project_id("b")]);
    add(bench, "a", &["x"]);
    assert_eq!(with(bench).len(), 2);
    add(bench, "c", &["x"]);
    assert_eq!(with(bench).len(), 2);
}

pub(crate) fn an_update_changes_visibility_and_capabilities_only(bench: &mut Bench) {
    add(bench, "a", &["room", "other"]);
    set(bench, "room", r#"{"k":1}"#, 2).unwrap();
    let (visibility, capabilities) = (Visibility::Unprotected, Capabilities::CLIENT_STATE);
    let id = key("a", "room");
    bench.write(|store| store.update_channel(&id, visibility, capabilities)).unwrap();
    let expected = Channel {
        visibility,
        capabilities,
        state: state(r#"{"k":1}"#),
        version: Version(2),
        ..channel("a", "room", 1)
    };
    assert_eq!(load(bench, "a", "room"), expected);
    assert_eq!(load(bench, "a", "other"), channel("a", "other", 1));
    let found = |id| bench.read(|store| store.find_visibility(&key("a", id)));
    let other = channel("a", "other", 1).visibility;
    assert_eq!(["room", "other", "gone"].map(found), [Some(visibility), Some(other), None]);
}

pub(crate) fn a_missing_channel_is_not_updated(bench: &mut Bench) {
    add(bench, "b", &["room"]);
    let id = key("a", "room");
    let refused =
        bench.write(|store| store.update_channel(&id, Visibility::Public, Capabilities::default()));
    assert_eq!(refused, Err(StoreError::NotFound(Thing::Channel)));
    assert_eq!(load(bench, "b", "room"), channel("b", "room", 1));
}

pub(crate) fn a_state_follows_the_version_before(bench: &mut Bench) {
    add(bench, "a", &["room", "other"]);
    for version in 2..5 {
        set(bench, "room", &format!(r#"{{"n":{version}}}"#), version).unwrap();
    }
    let room = load(bench, "a", "room");
    assert_eq!((room.version, room.state), (Version(4), state(r#"{"n":4}"#)));
    assert_eq!(load(bench, "a", "other"), channel("a", "other", 1));
}

pub(crate) fn a_state_of_another_version_is_refused(bench: &mut Bench) {
    add(bench, "a", &["room"]);
    set(bench, "room", r#"{"n":2}"#, 2).unwrap();
    for version in [i64::MIN, 0, 1, 2, 4, i64::MAX] {
        let refused = set(bench, "room", r#"{"n":"wrong"}"#, version);
        assert_eq!(refused, Err(StoreError::VersionConflict), "{version}");
    }
    let room = load(bench, "a", "room");
    assert_eq!((room.version, room.state), (Version(2), state(r#"{"n":2}"#)));
}

pub(crate) fn a_state_needs_its_channel(bench: &mut Bench) {
    add(bench, "b", &["room"]);
    assert_eq!(set(bench, "room", "{}", 2), Err(StoreError::NotFound(Thing::Channel)));
    assert_eq!(load(bench, "b", "room"), channel("b", "room", 1));
}

pub(crate) fn a_state_is_kept_byte_for_byte(bench: &mut Bench) {
    add(bench, "a", &["room"]);
    let text = concat!(
        r#"{ "z":12345678901234567890123,"a":1.10, "e":1E400,"tiny":-0.0000000000000000000001,"#,
        "\n\t",
        r#""nul":"\u0000\ud83d\ude00","quote":"'\";--","é":[{"":null}] }"#
    );
    set(bench, "room", text, 2).unwrap();
    assert_eq!(load(bench, "a", "room").state.json().as_str(), text);
}

pub(crate) fn a_large_state_is_kept(bench: &mut Bench) {
    add(bench, "a", &["room"]);
    let digits: String =
        (0..1 << 20).map(|at: u32| char::from_digit(at % 7, 10).unwrap()).collect();
    let text = format!(r#"{{"text":"{digits}"}}"#);
    set(bench, "room", &text, 2).unwrap();
    assert_eq!(load(bench, "a", "room").state, state(&text));
    set(bench, "room", "{}", 3).unwrap();
    assert_eq!(load(bench, "a", "room").state, state("{}"));
}

pub(crate) fn a_deleted_channel_takes_its_subscriptions_along(bench: &mut Bench) {
    add(bench, "a", &["room", "other"]);
    let default_channels = [key("a", "room").id, key("a", "other").id];
    bench.write(|store| store.create_token(&token("a", "t", 1), &default_channels)).unwrap();
    set(bench, "room", r#"{"old":true}"#, 2).unwrap();
    bench.write(|store| store.delete_channel(&key("a", "room"))).unwrap();
    assert_eq!(bench.read(|store| store.find_channel(&key("a", "room"))), None);
    assert_eq!(bench.subscribed("t"), ["other"]);
    let mut anew = channel("a", "room", 9);
    anew.created_at = Timestamp(9);
    bench.write(|store| store.create_channel(&anew)).unwrap();
    assert_eq!(load(bench, "a", "room"), anew);
    assert!(
        bench
            .read(|store| store.tokens_of_channel(&key("a", "room"), &Start::Skip(0), 100))
            .is_empty()
    );
}

pub(crate) fn a_missing_channel_is_not_deleted(bench: &mut Bench) {
    add(bench, "b", &["room"]);
    let refused = bench.write(|store| store.delete_channel(&key("a", "room")));
    assert_eq!(refused, Err(StoreError::NotFound(Thing::Channel)));
    assert_eq!(bench.channel_ids("b"), ["room"]);
}

pub(crate) fn a_mark_stays_until_its_channel_goes(bench: &mut Bench) {
    add(bench, "a", &["room", "other"]);
    for _ in 0..2 {
        bench.write(|store| store.mark_subscribed(&key("a", "room"))).unwrap();
    }
    let missing = bench.write(|store| store.mark_subscribed(&key("b", "room")));
    assert_eq!(missing, Err(StoreError::NotFound(Thing::Channel)));
    assert_eq!(bench.read(|store| store.marked_channels_after(None, 10)), [key("a", "room")]);
    bench.write(|store| store.delete_channel(&key("a", "room"))).unwrap();
    assert_eq!(bench.read(|store| store.marked_channels_after(None, 10)), []);
}

pub(crate) fn marks_are_read_in_pages(bench: &mut Bench) {
    let names = ["a", "b", "c", "d"];
    for project in ["a", "b"] {
        add(bench, project, &names);
        for id in names {
            bench.write(|store| store.mark_subscribed(&key(project, id))).unwrap();
        }
    }
    let expected: Vec<_> =
        ["a", "b"].iter().flat_map(|project| names.map(|id| key(project, id))).collect();
    for step in [1, 3, 4, 8, 9] {
        let (mut walked, mut last) = (Vec::new(), None);
        loop {
            let page = bench.read(|store| store.marked_channels_after(last.as_ref(), step));
            assert!(page.len() <= usize::try_from(step).unwrap());
            let Some(behind) = page.last() else { break };
            last = Some(behind.clone());
            walked.extend(page);
        }
        assert_eq!(walked, expected, "step {step}");
    }
}

//! Claims about groups: what is committed together, seen together, and lost together.

use super::admin_tokens::admin_token;
use super::{Bench, channel, key, project_id, project_token, state, token, webhook};
use crate::domain::{ChannelId, LeapTokenId, Timestamp, Version};
use crate::store::{Start, StoreError, Thing};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) fn an_empty_group_commits(bench: &mut Bench) {
    bench.group(|_| {}).unwrap();
    bench.group(|_| {}).unwrap();
}

pub(crate) fn a_group_sees_its_own_writes(bench: &mut Bench) {
    let group = bench.group(|store| {
        store.create_channel(&channel("a", "x", 1)).unwrap();
        assert_eq!(store.find_channel(&key("a", "x")), Ok(Some(channel("a", "x", 1))));
        store.set_state(&key("a", "x"), &state("{}"), Version(2)).unwrap();
        store.set_state(&key("a", "x"), &state("{}"), Version(3)).unwrap();
    });
    assert_eq!(group, Ok(()));
    assert_eq!(bench.read(|store| store.find_channel(&key("a", "x"))).unwrap().version.0, 3);
}

pub(crate) fn readers_see_a_group_as_soon_as_it_returns_and_not_before(bench: &mut Bench) {
    let database = bench.database.take().unwrap();
    let count = || {
        let mut rows = None;
        let mut read = |store: &mut dyn crate::store::ReadStore| {
            rows = Some(store.count_channels(&project_id("a")).unwrap());
        };
        database.read(&mut read).unwrap();
        rows.unwrap()
    };
    for round in 0..50 {
        let group = bench.group(|store| {
            store.create_channel(&channel("a", &format!("x{round}"), 1)).unwrap();
            assert_eq!(count(), round, "seen before the commit");
        });
        assert_eq!(group, Ok(()));
        assert_eq!(count(), round + 1, "not seen after the commit");
    }
}

pub(crate) fn a_refused_write_leaves_the_others(bench: &mut Bench) {
    let mut outcomes = Vec::new();
    let group = bench.group(|store| {
        outcomes.push(store.create_channel(&channel("a", "x", 1)));
        outcomes.push(store.create_channel(&channel("a", "x", 2)));
        outcomes.push(store.create_channel(&channel("c", "x", 1)));
        outcomes.push(store.set_state(&key("a", "x"), &state("{}"), Version(7)));
        outcomes.push(store.delete_webhook(&project_id("a"), &webhook("a", "gone", 1).id));
        outcomes.push(store.create_channel(&channel("a", "y", 1)));
    });
    assert_eq!(group, Ok(()));
    let expected = [
        Ok(()),
        Err(StoreError::Exists(Thing::Channel)),
        Err(StoreError::NotFound(Thing::Project)),
        Err(StoreError::VersionConflict),
        Err(StoreError::NotFound(Thing::Webhook)),
        Ok(()),
    ];
    assert_eq!(outcomes, expected);
    bench.reopen();
    assert_eq!(bench.channel_ids("a"), ["x", "y"]);
}

pub(crate) fn a_write_refused_half_way_leaves_nothing_of_itself(bench: &mut Bench) {
    let channels = ["x", "gone"].map(ChannelId::trusted);
    let mut refused = None;
    let group = bench.group(|store| {
        store.create_channel(&channel("a", "x", 1)).unwrap();
        store.create_token(&token("a", "before", 1), &channels[..1]).unwrap();
        refused = Some(store.create_token(&token("a", "t", 1), &channels));
        store.create_token(&token("a", "after", 2), &channels[..1]).unwrap();
    });
    assert_eq!(group, Ok(()));
    assert_eq!(refused, Some(Err(StoreError::NoSuchChannel(channels[1].clone()))));
    let tokens = bench.read(|store| store.tokens_after(&project_id("a"), &Start::Skip(0), 10));
    assert_eq!(tokens, [token("a", "before", 1), token("a", "after", 2)]);
    assert_eq!(bench.subscribed("after"), ["x"]);
}

pub(crate) fn a_failing_commit_gives_none(bench: &mut Bench) {
    bench.fixture.arm_bomb();
    let mut outcomes = Vec::new();
    let group = bench.group(|store| {
        outcomes.push(store.create_channel(&channel("a", "before", 1)));
        outcomes.push(store.create_channel(&channel("a", "bomb", 1)));
        outcomes.push(store.create_channel(&channel("a", "after", 1)));
    });
    assert_eq!(outcomes, [Ok(()), Ok(()), Ok(())], "the commit is what fails");
    assert!(matches!(group, Err(StoreError::Unavailable(_))), "{group:?}");
    assert!(bench.channel_ids("a").is_empty());
    bench.write(|store| store.create_channel(&channel("a", "next", 1))).unwrap();
    bench.reopen();
    assert_eq!(bench.channel_ids("a"), ["next"]);
}

pub(crate) fn a_panicking_group_gives_none(bench: &mut Bench) {
    for _ in 0..3 {
        let crashed = catch_unwind(AssertUnwindSafe(|| {
            bench.group(|store| {
                store.create_channel(&channel("a", "x", 1)).unwrap();
                panic!("a write that crashes");
            })
        }));
        assert!(crashed.is_err());
        assert!(bench.channel_ids("a").is_empty());
    }
    bench.write(|store| store.create_channel(&channel("a", "x", 1))).unwrap();
    bench.reopen();
    assert_eq!(bench.channel_ids("a"), ["x"]);
}

pub(crate) fn a_panicking_read_costs_no_connection(bench: &mut Bench) {
    for _ in 0..10 {
        let crashed = catch_unwind(AssertUnwindSafe(|| {
            bench.read(|_| -> crate::store::StoreResult<()> { panic!("a read that crashes") });
        }));
        assert!(crashed.is_err());
    }
    assert!(bench.read(|store| store.find_project(&project_id("a"))).is_some());
}

pub(crate) fn everything_is_there_after_a_restart(bench: &mut Bench) {
    let group = bench.group(|store| {
        store.create_project_token(&project_token("a", "1", 1), &[1; 32]).unwrap();
        store.create_admin_token(&admin_token("1", 1), &[2; 32]).unwrap();
        store.create_channel(&channel("a", "x", 1)).unwrap();
        store.set_state(&key("a", "x"), &state(r#"{"k":1}"#), Version(2)).unwrap();
        store.create_token(&token("a", "t", 1), &[]).unwrap();
        store.add_subscription(&key("a", "x"), &LeapTokenId::from("t"), Timestamp(1)).unwrap();
        store.create_webhook(&webhook("a", "w", 1)).unwrap();
    });
    assert_eq!(group, Ok(()));
    for _ in 0..2 {
        bench.reopen();
        assert_eq!(bench.read(|store| store.list_projects()).len(), 2);
        assert!(bench.read(|store| store.find_project_token(&[1; 32])).is_some());
        assert!(bench.read(|store| store.find_admin_token(&[2; 32])).is_some());
        let kept = bench.read(|store| store.find_channel(&key("a", "x"))).unwrap();
        assert_eq!((kept.version, kept.state), (Version(2), state(r#"{"k":1}"#)));
        assert!(bench.read(|store| store.find_token(&LeapTokenId::from("t"))).is_some());
        assert_eq!(bench.subscribed("t"), ["x"]);
        assert_eq!(bench.read(|store| store.list_webhooks(&project_id("a"))).len(), 1);
    }
}

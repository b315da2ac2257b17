//! Claims about lists of channels: their orders, their pages, and the walk through all of them.

use super::{Bench, channel, key, project_id};
use crate::domain::{Channel, ChannelId};
use crate::store::{ChannelCursor, ChannelPage, ChannelSort};

/// Channels of project `a`, in creation order: three of them were made in one millisecond.
const CHANNELS: [(&str, i64); 6] =
    [("m", 1), ("b", 2), ("c", 2), ("d", 2), ("a", 3), ("z", i64::MAX)];

/// Adds [`CHANNELS`] out of order, and one of project `b` that must never show.
fn fill(bench: &mut Bench) {
    for at in [3, 0, 5, 4, 2, 1] {
        let (id, created_at) = CHANNELS[at];
        bench.write(|store| store.create_channel(&channel("a", id, created_at))).unwrap();
    }
    bench.write(|store| store.create_channel(&channel("b", "c", 2))).unwrap();
}

/// The ids of a page of project `a`.
fn page(bench: &Bench, page: ChannelPage) -> String {
    let channels = bench.read(|store| store.page_channels(&project_id("a"), page));
    assert!(channels.iter().all(|channel| channel.key.project == project_id("a")));
    channels.iter().map(|channel| channel.key.id.as_str()).collect()
}

/// The next channels of a walk through project `a`.
fn next(bench: &Bench, last: Option<&Channel>, limit: u64) -> Vec<Channel> {
    let cursor = last.map(|channel| ChannelCursor {
        created_at: channel.created_at,
        id: channel.key.id.clone(),
    });
    bench.read(|store| store.channels_after(&project_id("a"), cursor.as_ref(), limit))
}

pub(crate) fn pages_come_in_all_four_orders(bench: &mut Bench) {
    fill(bench);
    for (sort, is_descending, expected) in [
        (ChannelSort::CreatedAt, false, "mbcdaz"),
        (ChannelSort::CreatedAt, true, "zadcbm"),
        (ChannelSort::Id, false, "abcdmz"),
        (ChannelSort::Id, true, "zmdcba"),
    ] {
        let whole = ChannelPage { sort, is_descending, offset: 0, limit: u64::MAX };
        assert_eq!(page(bench, whole), expected, "{whole:?}");
    }
}

pub(crate) fn pages_are_cut_by_offset_and_limit(bench: &mut Bench) {
    fill(bench);
    for (offset, limit, expected) in [
        (0, 0, ""),
        (0, 2, "mb"),
        (2, 2, "cd"),
        (5, 2, "z"),
        (6, 2, ""),
        (3, u64::MAX, "daz"),
        (u64::MAX, 1, ""),
    ] {
        let part =
            ChannelPage { sort: ChannelSort::CreatedAt, is_descending: false, offset, limit };
        assert_eq!(page(bench, part), expected, "{part:?}");
    }
}

pub(crate) fn a_count_is_of_one_project(bench: &mut Bench) {
    fill(bench);
    for (project, expected) in [("a", 6), ("b", 1), ("c", 0)] {
        assert_eq!(bench.read(|store| store.count_channels(&project_id(project))), expected);
    }
}

pub(crate) fn a_walk_of_any_step_meets_each_channel_once(bench: &mut Bench) {
    fill(bench);
    for step in 1..=7 {
        let mut met: Vec<Channel> = Vec::new();
        // A walk that stands still must fail the test and not hang it.
        for _ in 0..10 {
            let part = next(bench, met.last(), step);
            assert!(part.len() <= usize::try_from(step).unwrap());
            if part.is_empty() {
                break;
            }
            met.extend(part);
        }
        let expected = CHANNELS.map(|(id, created_at)| channel("a", id, created_at));
        assert_eq!(met, expected, "step {step}");
    }
}

pub(crate) fn a_walk_goes_on_behind_a_deleted_channel(bench: &mut Bench) {
    fill(bench);
    let first = next(bench, None, 3);
    bench.write(|store| store.delete_channel(&key("a", "c"))).unwrap();
    let rest = next(bench, first.last(), 10);
    let ids: String = rest.iter().map(|channel| channel.key.id.as_str()).collect();
    assert_eq!(ids, "daz");
}

pub(crate) fn ids_are_ordered_by_their_bytes(bench: &mut Bench) {
    let mut ids = ["é", "a", "B", "_", "aa", "A b", "\u{10000}", "\u{ffff}", "1", "-"];
    for id in ids {
        let mut new = channel("a", "x", 1);
        new.key.id = ChannelId::trusted(id);
        bench.write(|store| store.create_channel(&new)).unwrap();
    }
    ids.sort_unstable();
    assert_eq!(bench.channel_ids("a"), ids);
}

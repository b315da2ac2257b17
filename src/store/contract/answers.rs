//! Claims about answers that are kept for who repeats a call.

use super::{Bench, channel, project_id};
use crate::domain::{
    Digest, FirstCall, KeptAnswer, KeyBounds, KeyScope, KeyedCall, Permissions, Timestamp,
};
use crate::store::{StoreError, StoreResult, StoredAnswer, WriteStore};
use bytes::Bytes;

/// A call of a project with a key.
fn call(project: &str, name: &str) -> KeyedCall {
    KeyedCall {
        scope: KeyScope::Project(project_id(project)),
        key: Digest::of_key(name.as_bytes()).unwrap(),
        call: FirstCall { asked: Digest::of(&[b"asked"]), permissions: Permissions::OWNER },
    }
}

/// An answer with so many bytes in its body.
fn answer(bytes: usize) -> KeptAnswer {
    let headers = vec![("etag".to_owned(), "\"x\"".to_owned())];
    KeptAnswer { status: 200, headers, body: Bytes::from(vec![7; bytes]) }
}

/// Bounds of so many keys and bytes.
fn bounds(keys: usize, bytes: usize) -> KeyBounds {
    KeyBounds { keys, bytes, ..KeyBounds::default() }
}

/// Claims the key of a call and keeps an answer.
fn keep(
    store: &mut dyn WriteStore,
    call: &KeyedCall,
    at: i64,
    bytes: usize,
    bounds: &KeyBounds,
) -> StoreResult<()> {
    store.claim_key(call, Timestamp(0))?;
    store.keep_answer(call, Timestamp(at), &answer(bytes), bounds)
}

/// What is kept under the key of a call.
fn found(bench: &Bench, call: &KeyedCall) -> Option<StoredAnswer> {
    bench.read(|store| store.find_answer(&call.scope, &call.key))
}

/// Which of the keys from 0 on stand for an answer.
fn held(bench: &Bench, project: &str, keys: usize) -> Vec<usize> {
    (0..keys).filter(|n| found(bench, &call(project, &n.to_string())).is_some()).collect()
}

pub(crate) fn an_answer_comes_back_as_it_was_after_a_restart(bench: &mut Bench) {
    let (one, wide) = (call("a", "k"), bounds(10, 1 << 20));
    assert_eq!(found(bench, &one), None);
    bench.write(|store| keep(store, &one, 5, 3, &wide)).unwrap();
    bench.reopen();
    let expected = StoredAnswer { first: one.call, at: Timestamp(5), answer: answer(3) };
    assert_eq!(found(bench, &one), Some(expected));
    // Another project's key, and the operator's, are others.
    assert_eq!(found(bench, &call("b", "k")), None);
    let operator = KeyedCall { scope: KeyScope::Operator, ..one };
    assert_eq!(found(bench, &operator), None);
    bench.write(|store| keep(store, &operator, 6, 0, &wide)).unwrap();
    assert_eq!(found(bench, &operator).unwrap().at, Timestamp(6));
}

pub(crate) fn a_key_stands_for_one_call_until_it_is_too_old_or_freed(bench: &mut Bench) {
    let (one, wide) = (call("a", "k"), bounds(10, 1 << 20));
    bench.write(|store| keep(store, &one, 5, 3, &wide)).unwrap();
    assert_eq!(bench.write(|store| store.claim_key(&one, Timestamp(4))), Err(StoreError::Answered));
    bench.write(|store| store.claim_key(&one, Timestamp(5))).unwrap();
    assert_eq!(found(bench, &one), None);
    bench.write(|store| keep(store, &one, 9, 4, &wide)).unwrap();
    assert_eq!(found(bench, &one).unwrap().answer, answer(4));
    bench.write(|store| store.free_key(&one)).unwrap();
    assert_eq!(found(bench, &one), None);
    bench.write(|store| store.free_key(&one)).unwrap();
    bench.write(|store| keep(store, &one, 10, 5, &wide)).unwrap();
    assert_eq!(found(bench, &one).unwrap().answer, answer(5));
}

pub(crate) fn an_answer_stands_and_falls_with_what_was_done(bench: &mut Bench) {
    let (one, wide) = (call("a", "k"), bounds(10, 1 << 20));
    let make = |store: &mut dyn WriteStore, id: &str| {
        store.atomically(&mut |store| {
            store.claim_key(&one, Timestamp(0))?;
            store.create_channel(&channel("a", id, 1))?;
            store.keep_answer(&one, Timestamp(5), &answer(1), &wide)
        })
    };
    bench.write(|store| store.create_channel(&channel("a", "taken", 1))).unwrap();
    assert!(bench.write(|store| make(store, "taken")).is_err());
    assert_eq!(found(bench, &one), None);
    bench.write(|store| make(store, "first")).unwrap();
    assert_eq!(bench.write(|store| make(store, "second")), Err(StoreError::Answered));
    assert_eq!(bench.channel_ids("a"), ["first", "taken"]);
}

pub(crate) fn past_the_bounds_the_oldest_answers_go(bench: &mut Bench) {
    let few = bounds(5, 1 << 20);
    for n in 0..20 {
        bench.write(|store| keep(store, &call("a", &n.to_string()), 5, 1, &few)).unwrap();
    }
    assert_eq!(held(bench, "a", 20), [15, 16, 17, 18, 19]);
    // So many bytes of bodies, and the newest whatever its size.
    let own = answer(100).len_bytes();
    let small = bounds(1000, 3 * own);
    for n in 0..10 {
        bench.write(|store| keep(store, &call("b", &n.to_string()), 5, 100, &small)).unwrap();
    }
    assert_eq!(held(bench, "b", 10), [7, 8, 9]);
    bench.write(|store| keep(store, &call("b", "10"), 5, 1000, &small)).unwrap();
    assert_eq!(held(bench, "b", 11), [10]);
    bench.write(|store| keep(store, &call("b", "11"), 5, 1, &small)).unwrap();
    assert_eq!(held(bench, "b", 12), [11]);
    // A bound that was lowered is reached in small steps.
    for n in 20..22 {
        bench
            .write(|store| keep(store, &call("a", &n.to_string()), 5, 1, &bounds(100, 1 << 20)))
            .unwrap();
    }
    bench.write(|store| keep(store, &call("a", "22"), 5, 1, &bounds(1, 1 << 20))).unwrap();
    assert_eq!(held(bench, "a", 23), [22]);
}

pub(crate) fn old_answers_are_forgotten_in_small_steps(bench: &mut Bench) {
    let wide = bounds(1000, 1 << 20);
    for n in 0..10 {
        bench.write(|store| keep(store, &call("a", &n.to_string()), 10 + n, 1, &wide)).unwrap();
    }
    bench.write(|store| keep(store, &call("b", "0"), 50, 1, &wide)).unwrap();
    let scope = |name: &str| KeyScope::Project(project_id(name));
    let next =
        |bench: &Bench, behind: Option<&KeyScope>| bench.read(|store| store.next_answers(behind));
    assert_eq!(next(bench, None), Some((scope("a"), Timestamp(10))));
    assert_eq!(next(bench, Some(&scope("a"))), Some((scope("b"), Timestamp(50))));
    assert_eq!(next(bench, Some(&scope("b"))), None);
    let prune = |store: &mut dyn WriteStore| store.prune_answers(&scope("a"), Timestamp(14), 3);
    assert_eq!(bench.write(prune), Ok(3));
    assert_eq!(bench.write(prune), Ok(2));
    assert_eq!(bench.write(prune), Ok(0));
    assert_eq!(held(bench, "a", 10), [5, 6, 7, 8, 9]);
    assert_eq!(next(bench, None), Some((scope("a"), Timestamp(15))));
    // Counting goes on.
    bench.write(|store| keep(store, &call("a", "10"), 50, 1, &bounds(2, 1 << 20))).unwrap();
    assert_eq!(held(bench, "a", 11), [9, 10]);
}

pub(crate) fn a_deleted_project_takes_its_answers_along(bench: &mut Bench) {
    let wide = bounds(10, 1 << 20);
    for project in ["a", "b"] {
        bench.write(|store| keep(store, &call(project, "k"), 5, 1, &wide)).unwrap();
    }
    bench.write(|store| store.delete_project(&project_id("a"))).unwrap();
    assert_eq!(found(bench, &call("a", "k")), None);
    assert!(found(bench, &call("b", "k")).is_some());
}

//! Claims about the operator's tokens.

use super::Bench;
use crate::domain::{AdminToken, AdminTokenId, Timestamp};
use crate::store::{StoreError, Thing};

/// An admin token; one with an odd age has no name.
pub(super) fn admin_token(id: &str, created_at: i64) -> AdminToken {
    AdminToken {
        id: AdminTokenId::from(id),
        name: (created_at % 2 == 0).then(|| "Jo\u{e9}'s laptop".to_owned()),
        hint: "pat_abcd".to_owned(),
        created_at: Timestamp(created_at),
    }
}

pub(crate) fn an_admin_token_is_found_by_its_hash(bench: &mut Bench) {
    for (id, hash, at) in [("1", [1; 32], 1), ("2", [2; 32], 2)] {
        bench.write(|store| store.create_admin_token(&admin_token(id, at), &hash)).unwrap();
    }
    assert_eq!(bench.read(|store| store.find_admin_token(&[1; 32])), Some(admin_token("1", 1)));
    assert_eq!(bench.read(|store| store.find_admin_token(&[2; 32])), Some(admin_token("2", 2)));
    assert_eq!(bench.read(|store| store.find_admin_token(&[3; 32])), None);
    // Neither kind of key opens the other's door.
    assert_eq!(bench.read(|store| store.find_project_token(&[1; 32])), None);
}

pub(crate) fn admin_tokens_are_listed_oldest_first(bench: &mut Bench) {
    for (hash, (id, at)) in (0..).zip([("1", 9), ("3", 5), ("0", 9)]) {
        bench.write(|store| store.create_admin_token(&admin_token(id, at), &[hash; 32])).unwrap();
    }
    let expected = [("3", 5), ("0", 9), ("1", 9)].map(|(id, at)| admin_token(id, at));
    assert_eq!(bench.read(|store| store.list_admin_tokens()), expected);
}

pub(crate) fn a_used_admin_secret_or_handle_is_refused(bench: &mut Bench) {
    bench.write(|store| store.create_admin_token(&admin_token("1", 1), &[1; 32])).unwrap();
    for (id, hash) in [("1", [2; 32]), ("2", [1; 32])] {
        let refused = bench.write(|store| store.create_admin_token(&admin_token(id, 2), &hash));
        assert_eq!(refused, Err(StoreError::Exists(Thing::AdminToken)));
    }
    assert_eq!(bench.read(|store| store.list_admin_tokens()), [admin_token("1", 1)]);
}

pub(crate) fn a_deleted_admin_token_returns_its_hash(bench: &mut Bench) {
    for (id, hash) in [("1", [1; 32]), ("2", [2; 32])] {
        bench.write(|store| store.create_admin_token(&admin_token(id, 1), &hash)).unwrap();
    }
    let id = AdminTokenId::from("1");
    assert_eq!(bench.write(|store| store.delete_admin_token(&id)), Ok([1; 32]));
    let again = bench.write(|store| store.delete_admin_token(&id));
    assert_eq!(again, Err(StoreError::NotFound(Thing::AdminToken)));
    assert_eq!(bench.read(|store| store.find_admin_token(&[1; 32])), None);
    assert_eq!(bench.read(|store| store.list_admin_tokens()), [admin_token("2", 1)]);
}

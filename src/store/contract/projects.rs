//! Claims about projects, their back ends' tokens, and the operator's.

use super::{Bench, project, project_id, project_token};
use crate::domain::{Permissions, ProjectTokenId, Timestamp};
use crate::store::{StoreError, Thing};

pub(crate) fn projects_are_found_and_listed_oldest_first(bench: &mut Bench) {
    bench.write(|store| store.create_project(&project("0", 2))).unwrap();
    bench.write(|store| store.create_project(&project("z", 0))).unwrap();
    let all = bench.read(|store| store.list_projects());
    assert_eq!(all, [project("z", 0), project("a", 1), project("b", 1), project("0", 2)]);
    assert_eq!(bench.read(|store| store.find_project(&project_id("z"))), Some(project("z", 0)));
    assert_eq!(bench.read(|store| store.find_project(&project_id("Z"))), None);
}

pub(crate) fn a_used_project_id_or_namespace_is_refused(bench: &mut Bench) {
    let mut twin = project("a", 2);
    twin.namespace = "other".to_owned();
    let refused = Err(StoreError::Exists(Thing::Project));
    assert_eq!(bench.write(|store| store.create_project(&twin)), refused);
    let mut namesake = project("c", 2);
    namesake.namespace = "a".to_owned();
    assert_eq!(bench.write(|store| store.create_project(&namesake)), refused);
    assert_eq!(bench.read(|store| store.list_projects()), [project("a", 1), project("b", 1)]);
}

pub(crate) fn a_project_token_is_found_by_its_hash(bench: &mut Bench) {
    let mut weak = project_token("a", "weak", 3);
    weak.permissions = Permissions::default();
    weak.hint = "ptk_ütf8".to_owned();
    bench.write(|store| store.create_project_token(&weak, &[0; 32])).unwrap();
    let strong = project_token("b", "strong", 2);
    bench.write(|store| store.create_project_token(&strong, &[255; 32])).unwrap();
    assert_eq!(bench.read(|store| store.find_project_token(&[0; 32])), Some(weak));
    assert_eq!(bench.read(|store| store.find_project_token(&[255; 32])), Some(strong));
    assert_eq!(bench.read(|store| store.find_project_token(&[1; 32])), None);
}

pub(crate) fn project_tokens_are_listed_by_project_oldest_first(bench: &mut Bench) {
    for (hash, (project, id, at)) in
        (0..).zip([("a", "1", 9), ("b", "2", 1), ("a", "3", 5), ("a", "0", 9)])
    {
        let token = project_token(project, id, at);
        bench.write(|store| store.create_project_token(&token, &[hash; 32])).unwrap();
    }
    let of_a = bench.read(|store| store.list_project_tokens(&project_id("a")));
    let expected = [("3", 5), ("0", 9), ("1", 9)].map(|(id, at)| project_token("a", id, at));
    assert_eq!(of_a, expected);
    assert!(bench.read(|store| store.list_project_tokens(&project_id("c"))).is_empty());
}

pub(crate) fn a_project_token_needs_its_project(bench: &mut Bench) {
    let orphan = project_token("c", "1", 1);
    let refused = bench.write(|store| store.create_project_token(&orphan, &[1; 32]));
    assert_eq!(refused, Err(StoreError::NotFound(Thing::Project)));
    assert_eq!(bench.read(|store| store.find_project_token(&[1; 32])), None);
}

pub(crate) fn a_used_secret_or_handle_is_refused(bench: &mut Bench) {
    let first = project_token("a", "1", 1);
    bench.write(|store| store.create_project_token(&first, &[1; 32])).unwrap();
    for (id, hash) in [("1", [2; 32]), ("2", [1; 32])] {
        let next = project_token("b", id, 1);
        let refused = bench.write(|store| store.create_project_token(&next, &hash));
        assert_eq!(refused, Err(StoreError::Exists(Thing::ProjectToken)));
    }
    assert!(bench.read(|store| store.list_project_tokens(&project_id("b"))).is_empty());
}

pub(crate) fn a_deleted_project_token_returns_its_hash(bench: &mut Bench) {
    for (id, hash) in [("1", [1; 32]), ("2", [2; 32])] {
        let token = project_token("a", id, 1);
        bench.write(|store| store.create_project_token(&token, &hash)).unwrap();
    }
    let id = ProjectTokenId::from("1");
    let deleted = bench.write(|store| store.delete_project_token(&project_id("a"), &id));
    assert_eq!(deleted, Ok([1; 32]));
    let again = bench.write(|store| store.delete_project_token(&project_id("a"), &id));
    assert_eq!(again, Err(StoreError::NotFound(Thing::ProjectToken)));
    assert_eq!(bench.read(|store| store.find_project_token(&[1; 32])), None);
    assert!(bench.read(|store| store.find_project_token(&[2; 32])).is_some());
}

pub(crate) fn a_project_token_is_deleted_by_its_project_only(bench: &mut Bench) {
    let token = project_token("a", "1", 1);
    bench.write(|store| store.create_project_token(&token, &[1; 32])).unwrap();
    let refused = bench.write(|store| store.delete_project_token(&project_id("b"), &token.id));
    assert_eq!(refused, Err(StoreError::NotFound(Thing::ProjectToken)));
    assert_eq!(bench.read(|store| store.find_project_token(&[1; 32])), Some(token));
}

pub(crate) fn an_admin_token_may_be_added_twice(bench: &mut Bench) {
    for at in [1, 2] {
        bench.write(|store| store.create_admin_token(&[1; 32], Timestamp(at))).unwrap();
    }
    assert!(bench.read(|store| store.is_admin_token(&[1; 32])));
    assert!(!bench.read(|store| store.is_admin_token(&[2; 32])));
    // Neither kind of key opens the other's door.
    assert_eq!(bench.read(|store| store.find_project_token(&[1; 32])), None);
}

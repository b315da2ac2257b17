//! Claims about keys for JSON Web Tokens and revoked subjects.

use super::{Bench, project_id};
use crate::domain::{
    JwtAlgorithm, JwtKey, JwtKeyId, JwtKeyMaterial, JwtRevocation, Subject, Timestamp,
};
use crate::store::{Start, StoreError, Thing};

/// A key.
fn key(project: &str, id: &str, created_at: i64, material: JwtKeyMaterial) -> JwtKey {
    JwtKey {
        id: JwtKeyId::from(id),
        project: project_id(project),
        kid: (created_at > 1).then(|| format!("kid {id}")),
        material,
        issuer: (created_at > 2).then(|| "issuer".to_owned()),
        audience: (created_at > 1).then(|| "audience".to_owned()),
        created_at: Timestamp(created_at),
    }
}

/// A subject that was revoked then.
fn revoked(subject: &str, at: i64) -> JwtRevocation {
    JwtRevocation { subject: Subject::trusted(subject), at: Timestamp(at) }
}

/// The ids of a project's keys.
fn ids(bench: &Bench, project: &str) -> Vec<String> {
    let keys = bench.read(|store| store.jwt_keys(&project_id(project)));
    keys.iter().map(|key| key.id.as_str().to_owned()).collect()
}

pub(crate) fn keys_come_back_as_they_were_oldest_first(bench: &mut Bench) {
    let keys = [
        key("a", "z", 1, JwtKeyMaterial::Secret(JwtAlgorithm::Hs256, "secret".to_owned())),
        key("a", "y", 2, JwtKeyMaterial::PublicKey(JwtAlgorithm::Es384, "pem".to_owned())),
        key("a", "x", 3, JwtKeyMaterial::Jwks("https://a.example".to_owned())),
    ];
    for key in keys.iter().rev() {
        bench.write(|store| store.add_jwt_key(key)).unwrap();
    }
    bench.reopen();
    assert_eq!(bench.read(|store| store.jwt_keys(&project_id("a"))), keys);
    assert_eq!(ids(bench, "b"), [""; 0]);
}

pub(crate) fn a_key_is_of_one_project_and_goes_with_it(bench: &mut Bench) {
    let made = |project: &str, id: &str| {
        key(project, id, 1, JwtKeyMaterial::Jwks("https://a.example".to_owned()))
    };
    let missing = bench.write(|store| store.add_jwt_key(&made("c", "k")));
    assert_eq!(missing, Err(StoreError::NotFound(Thing::Project)));
    bench.write(|store| store.add_jwt_key(&made("a", "k"))).unwrap();
    let again = bench.write(|store| store.add_jwt_key(&made("b", "k")));
    assert_eq!(again, Err(StoreError::Exists(Thing::JwtKey)));
    let delete = |bench: &mut Bench, project: &str| {
        bench.write(|store| store.delete_jwt_key(&project_id(project), &JwtKeyId::from("k")))
    };
    assert_eq!(delete(bench, "b"), Err(StoreError::NotFound(Thing::JwtKey)));
    delete(bench, "a").unwrap();
    assert_eq!(delete(bench, "a"), Err(StoreError::NotFound(Thing::JwtKey)));
    bench.write(|store| store.add_jwt_key(&made("a", "k"))).unwrap();
    bench.write(|store| store.delete_project(&project_id("a"))).unwrap();
    bench.write(|store| store.add_jwt_key(&made("b", "k"))).unwrap();
}

pub(crate) fn a_revocation_stands_and_never_goes_back(bench: &mut Bench) {
    let (a, b) = (project_id("a"), project_id("b"));
    let anna = Subject::trusted("anna");
    assert_eq!(bench.read(|store| store.jwt_revocation(&a, &anna)), None);
    for (at, stands) in [(5, 5), (9, 9), (7, 9)] {
        bench.write(|store| store.revoke_subject(&a, &revoked("anna", at))).unwrap();
        let found = bench.read(|store| store.jwt_revocation(&a, &anna));
        assert_eq!(found, Some(revoked("anna", stands)));
    }
    bench.reopen();
    assert_eq!(bench.read(|store| store.jwt_revocation(&a, &anna)), Some(revoked("anna", 9)));
    assert_eq!(bench.read(|store| store.jwt_revocation(&b, &anna)), None);
    let missing = bench.write(|store| store.revoke_subject(&project_id("c"), &revoked("anna", 1)));
    assert_eq!(missing, Err(StoreError::NotFound(Thing::Project)));
    let forget = |bench: &mut Bench| bench.write(|store| store.forget_revocation(&a, &anna));
    forget(bench).unwrap();
    assert_eq!(bench.read(|store| store.jwt_revocation(&a, &anna)), None);
    assert_eq!(forget(bench), Err(StoreError::NotFound(Thing::JwtRevocation)));
}

pub(crate) fn revocations_are_walked_through_in_the_order_of_subjects(bench: &mut Bench) {
    let a = project_id("a");
    for (subject, at) in [("c", 1), ("a", 2), ("b", 3)] {
        bench.write(|store| store.revoke_subject(&a, &revoked(subject, at))).unwrap();
    }
    let step = |start: Start<Subject>, limit| {
        let step = bench.read(|store| store.jwt_revocations_after(&a, &start, limit));
        step.iter().map(|one| one.subject.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(step(Start::Skip(0), 2), ["a", "b"]);
    assert_eq!(step(Start::Skip(2), 9), ["c"]);
    assert_eq!(step(Start::Behind(Subject::trusted("a")), 9), ["b", "c"]);
    let count =
        |project: &str| bench.read(|store| store.count_jwt_revocations(&project_id(project)));
    assert_eq!((count("a"), count("b")), (3, 0));
}

//! Claims about projects and their back ends' tokens.

use super::{Bench, channel, key, project, project_id, project_token, token, webhook};
use crate::domain::{
    AllowedOrigins, LeapTokenId, Permissions, Project, ProjectToken, ProjectTokenId, Timestamp,
};
use crate::store::{ProjectCursor, ProjectTokenCursor, Start, StoreError, Thing};

/// A part of a project's tokens.
fn tokens(
    bench: &Bench,
    project: &str,
    start: &Start<ProjectTokenCursor>,
    limit: u64,
) -> Vec<ProjectToken> {
    bench.read(|store| store.project_tokens_after(&project_id(project), start, limit))
}

pub(crate) fn a_walk_through_projects_meets_each_that_stays(bench: &mut Bench) {
    for (id, at) in [("d", 1), ("c", 1), ("e", 0)] {
        bench.write(|store| store.create_project(&project(id, at))).unwrap();
    }
    let all = bench.read(|store| store.list_projects());
    assert_eq!(bench.read(|store| store.count_projects()), 5);
    for step in 1..=6 {
        let mut met: Vec<Project> = Vec::new();
        // A walk that stands still must fail the test and not hang it.
        for _ in 0..6 {
            let start = met.last().map_or(Start::Skip(0), |last| {
                Start::Behind(ProjectCursor { created_at: last.created_at, id: last.id.clone() })
            });
            met.extend(bench.read(|store| store.projects_after(&start, step)));
        }
        assert_eq!(met, all, "step {step}");
    }
    assert_eq!(bench.read(|store| store.projects_after(&Start::Skip(3), 9)), all[3..]);
    let gone = all[2].clone();
    bench.write(|store| store.delete_project(&gone.id)).unwrap();
    let behind = Start::Behind(ProjectCursor { created_at: gone.created_at, id: gone.id });
    assert_eq!(bench.read(|store| store.projects_after(&behind, 9)), all[3..]);
}

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
    let expected = [("3", 5), ("0", 9), ("1", 9)].map(|(id, at)| project_token("a", id, at));
    assert_eq!(tokens(bench, "a", &Start::Skip(0), 9), expected);
    assert_eq!(tokens(bench, "a", &Start::Skip(1), 1), expected[1..2]);
    assert!(tokens(bench, "c", &Start::Skip(0), 9).is_empty());
    let gone = ProjectTokenId::from("0");
    bench.write(|store| store.delete_project_token(&project_id("a"), &gone)).unwrap();
    let behind = Start::Behind(ProjectTokenCursor { created_at: Timestamp(9), id: gone });
    assert_eq!(tokens(bench, "a", &behind, 9), expected[2..], "behind one that has gone");
    assert_eq!(bench.read(|store| store.count_project_tokens(&project_id("a"))), 2);
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
    assert!(tokens(bench, "b", &Start::Skip(0), 9).is_empty());
}

pub(crate) fn a_deleted_project_token_returns_its_hash(bench: &mut Bench) {
    for (id, hash) in [("1", [1; 32]), ("2", [2; 32])] {
        let token = project_token("a", id, 1);
        bench.write(|store| store.create_project_token(&token, &hash)).unwrap();
    }
    let id = ProjectTokenId::from("1");
    let deleted = bench.write(|store| store.delete_project_token(&project_id("a"), &id));
    assert_eq!(deleted, Ok((project_token("a", "1", 1), [1; 32])));
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

pub(crate) fn a_renamed_project_keeps_all_else(bench: &mut Bench) {
    let renamed = bench.write(|store| store.rename_project(&project_id("a"), "New")).unwrap();
    let expected = Project { name: "New".to_owned(), ..project("a", 1) };
    assert_eq!(renamed, expected);
    assert_eq!(bench.read(|store| store.list_projects()), [expected, project("b", 1)]);
    let missing = bench.write(|store| store.rename_project(&project_id("c"), "New"));
    assert_eq!(missing, Err(StoreError::NotFound(Thing::Project)));
}

pub(crate) fn a_project_names_the_pages_that_may_come_and_any_again(bench: &mut Bench) {
    let listed = AllowedOrigins::new(&["https://a.example", "https://*.b.example:8443"]).unwrap();
    for origins in [listed, AllowedOrigins::default()] {
        let (id, wanted) = (project_id("a"), origins.clone());
        let changed = bench.write(|store| store.allow_origins(&id, &wanted)).unwrap();
        let expected = Project { allowed_origins: origins, ..project("a", 1) };
        assert_eq!(changed, expected);
        assert_eq!(bench.read(|store| store.find_project(&project_id("a"))), Some(expected));
    }
    let none = AllowedOrigins::default();
    let missing = bench.write(|store| store.allow_origins(&project_id("c"), &none));
    assert_eq!(missing, Err(StoreError::NotFound(Thing::Project)));
}

pub(crate) fn a_deleted_project_takes_everything_along_and_nothing_else(bench: &mut Bench) {
    for (name, hash) in [("a", [1; 32]), ("b", [2; 32])] {
        let (id, key) = (project_token(name, &format!("ptkid_{name}"), 1), key(name, "room"));
        let leap = token(name, &format!("leap_{name}"), 1);
        let hook = webhook(name, &format!("hook_{name}"), 1);
        bench
            .write(|store| {
                store.create_project_token(&id, &hash)?;
                store.create_channel(&channel(name, "room", 1))?;
                store.create_token(&leap, &[])?;
                store.add_subscription(&key, &leap.id, Timestamp(1))?;
                store.create_webhook(&hook)
            })
            .unwrap();
    }
    bench.write(|store| store.delete_project(&project_id("a"))).unwrap();
    for (name, hash, count) in [("a", [1; 32], 0), ("b", [2; 32], 1)] {
        let (id, key) = (project_id(name), key(name, "room"));
        let leap = LeapTokenId::from(format!("leap_{name}").as_str());
        let is_there = count == 1;
        assert_eq!(bench.read(|store| store.find_project(&id)).is_some(), is_there);
        assert_eq!(bench.read(|store| store.find_project_token(&hash)).is_some(), is_there);
        assert_eq!(bench.read(|store| store.find_channel(&key)).is_some(), is_there);
        assert_eq!(bench.read(|store| store.find_token(&leap)).is_some(), is_there);
        assert_eq!(bench.read(|store| store.subscriptions_of(&leap)).len(), count);
        assert_eq!(
            bench.read(|store| store.tokens_of_channel(&key, &Start::Skip(0), 100)).len(),
            count
        );
        assert_eq!(bench.read(|store| store.list_webhooks(&id)).len(), count);
    }
    let again = bench.write(|store| store.delete_project(&project_id("a")));
    assert_eq!(again, Err(StoreError::NotFound(Thing::Project)));
    // Its id and its namespace are free again.
    bench.write(|store| store.create_project(&project("a", 2))).unwrap();
    assert_eq!(bench.read(|store| store.count_channels(&project_id("a"))), 0);
}

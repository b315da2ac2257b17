//! Claims about who answers subscribe requests.

use super::{Bench, project_id};
use crate::domain::{Authorizer, Timestamp};
use crate::store::{StoreError, Thing};

/// The authorizer of a project.
fn authorizer(project: &str, url: &str) -> Authorizer {
    Authorizer {
        project: project_id(project),
        url: url.to_owned(),
        secret: format!("whsec_{url}"),
        created_at: Timestamp(1),
    }
}

pub(crate) fn a_project_has_one_authorizer_or_none(bench: &mut Bench) {
    let find = |bench: &Bench, project: &str| {
        bench.read(|store| store.find_authorizer(&project_id(project)))
    };
    assert_eq!(find(bench, "a"), None);
    for url in ["x", "y"] {
        bench.write(|store| store.set_authorizer(&authorizer("a", url))).unwrap();
        assert_eq!(find(bench, "a"), Some(authorizer("a", url)));
    }
    assert_eq!(find(bench, "b"), None);
    let refused = bench.write(|store| store.set_authorizer(&authorizer("c", "x")));
    assert_eq!(refused, Err(StoreError::NotFound(Thing::Project)));
    bench.reopen();
    assert_eq!(find(bench, "a"), Some(authorizer("a", "y")));
    bench.write(|store| store.delete_authorizer(&project_id("a"))).unwrap();
    assert_eq!(find(bench, "a"), None);
    let again = bench.write(|store| store.delete_authorizer(&project_id("a")));
    assert_eq!(again, Err(StoreError::NotFound(Thing::Authorizer)));
}

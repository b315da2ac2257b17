//! Whether a database is whole: every page read, every index compared with its table, every reference followed.

use super::connection::{self, Role};
use super::migrate;
use crate::store::StoreResult;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Text;

/// The check, which ends after a hundred faults: one is enough to act on.
const CHECK: &str = "SELECT integrity_check FROM pragma_integrity_check";

/// What is wrong with a database; nothing with one that is whole.
pub(super) fn faults(url: &str) -> StoreResult<Vec<String>> {
    let mut connection = connection::open(url, Role::Reader)?;
    let mut found: Vec<String> = match sql::<Text>(CHECK).load(&mut connection) {
        Ok(found) => found,
        // A page that cannot be read ends the check.
        Err(error) => return Ok(vec![error.to_string()]),
    };
    found.retain(|line| line != "ok");
    if found.is_empty() {
        found.extend(
            migrate::check_references(&mut connection).err().map(|error| error.to_string()),
        );
    }
    Ok(found)
}

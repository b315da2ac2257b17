//! A whole database goes to the other kind and back, and is what it was.

use super::*;
use crate::store::diesel::connection as file_connection;
use crate::store::diesel::plans::calls::{change, create};
use crate::store::diesel::postgres::moving::{from_file, to_file};
use crate::store::diesel::store::DieselStore as FileStore;
use crate::store::diesel::{SqliteDatabase, files};
use diesel::dsl::sql;
use diesel::sql_types::BigInt;
use std::path::Path;

/// A file with something of everything in it.
fn filled(path: &Path) {
    drop(SqliteDatabase::open(path, 1).unwrap());
    let url = files::prepare(path).unwrap();
    let mut connection = file_connection::open(&url, file_connection::Role::Writer).unwrap();
    let mut store = FileStore::new(&mut connection);
    create(&mut store);
    change(&mut store);
}

/// How many rows of a table are in one file alone, of either; and how many are in both.
fn differing(one: &Path, other: &Path, table: &str) -> (i64, i64) {
    let url = files::prepare(one).unwrap();
    let mut connection = file_connection::open(&url, file_connection::Role::Migrator).unwrap();
    let attach = format!("ATTACH '{}' AS other", other.display());
    connection.batch_execute(&attach).unwrap();
    let mut count = |of: String| sql::<BigInt>(&of).get_result::<i64>(&mut connection).unwrap();
    let alone = |one: &str, other: &str| {
        format!(
            "SELECT count(*) FROM (SELECT * FROM {one}.{table} EXCEPT SELECT * FROM {other}.{table})"
        )
    };
    let differing = count(alone("main", "other")) + count(alone("other", "main"));
    (differing, count(format!("SELECT count(*) FROM main.{table}")))
}

#[test]
fn everything_goes_to_the_other_database_and_back() {
    let Some(fixture) = PostgresFixture::empty() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (first, back) = (folder.path().join("first.db"), folder.path().join("back.db"));
    filled(&first);
    let mut told = Vec::new();
    from_file(&first, &fixture.url(), &mut |table, rows| told.push((table, rows))).unwrap();
    let mut again = Vec::new();
    to_file(&fixture.url(), &back, &mut |table, rows| again.push((table, rows))).unwrap();
    assert_eq!(told, again);
    let text = include_str!("../../schema.rs");
    let tables = text.matches("diesel::table! {").count();
    assert_eq!(told.len(), tables, "a table that is left out");
    let mut full = 0;
    for (table, rows) in told {
        let (differing, both) = differing(&first, &back, table);
        assert_eq!((differing, both), (0, i64::try_from(rows).unwrap()), "{table}");
        full += u32::from(rows > 0);
    }
    assert!(full > 12, "only {full} tables have rows");
    // It is served from there, and nothing is filled twice.
    let database = fixture.database();
    let mut writer = database.writer().unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    drop((writer, database));
    let twice = from_file(&first, &fixture.url(), &mut |_, _| {});
    assert_refused(twice, "only an empty database is filled");
    assert_refused(to_file(&fixture.url(), &first, &mut |_, _| {}), "only an empty database");
}

#[test]
fn nothing_is_taken_from_a_server() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let folder = tempfile::tempdir().unwrap();
    let _server = fixture.database();
    let taken = to_file(&fixture.url(), &folder.path().join("x.db"), &mut |_, _| {});
    assert_refused(taken, "stop it first");
}

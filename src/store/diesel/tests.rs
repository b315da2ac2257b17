//! What is `SQLite`'s own: the contract run on it, the file, the migrations, and a disk that is full.

mod event_bodies;

use super::SqliteDatabase;
use super::connection::{self, Role};
use super::migrate::{MIGRATIONS, check_references};
use super::pool;
use super::writer::SqliteWriter;
use crate::domain::{Capabilities, ChannelId, LeapTokenId, Visibility};
use crate::domain::{Channel, ChannelKey, Project, ProjectId, State, Timestamp, Version};
use crate::store::contract::{Fixture, run_contract_on};
use crate::store::{Database, GroupStore, StoreError};
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel_migrations::MigrationHarness as _;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// A database file in a folder that goes with the test.
struct SqliteFixture(TempDir);

impl SqliteFixture {
    /// A folder without a database.
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The same for the contract, which asks whether there is one.
    #[expect(clippy::unnecessary_wraps, reason = "another database may be missing")]
    fn fresh() -> Option<Self> {
        Some(Self::new())
    }

    /// Where the file goes.
    fn path(&self) -> PathBuf {
        self.0.path().join("warren.db")
    }

    /// The same for `SQLite`.
    fn url(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    /// Runs SQL on the side, as somebody with another tool might.
    fn tamper(&self, sql: &str) {
        let mut connection = connection::open(&self.url(), Role::Migrator).unwrap();
        connection.batch_execute(sql).unwrap();
    }
}

impl Fixture for SqliteFixture {
    fn open(&self) -> Box<dyn Database> {
        Box::new(SqliteDatabase::open(&self.path(), 2).unwrap())
    }

    /// A deferred foreign key is checked by the commit alone.
    fn arm_bomb(&self) {
        self.tamper(
            "CREATE TABLE target (id BIGINT PRIMARY KEY);
             CREATE TABLE fuse (id BIGINT REFERENCES target (id) DEFERRABLE INITIALLY DEFERRED);
             CREATE TRIGGER bomb AFTER INSERT ON channels WHEN NEW.id = 'bomb'
             BEGIN INSERT INTO fuse VALUES (1); END;",
        );
    }
}

run_contract_on!(SqliteFixture::fresh);

/// The project of the tests below.
fn project() -> Project {
    Project {
        id: ProjectId::from("a"),
        name: String::new(),
        namespace: "a".to_owned(),
        allowed_origins: crate::domain::AllowedOrigins::default(),
        created_at: Timestamp(1),
    }
}

/// A channel with a state of so many bytes, more or less.
fn channel(id: &str, bytes: usize) -> Channel {
    Channel {
        key: ChannelKey { project: ProjectId::from("a"), id: ChannelId::trusted(id) },
        visibility: Visibility::Private,
        capabilities: Capabilities::default(),
        state: State::trusted(&format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes))),
        version: Version::FIRST,
        created_at: Timestamp(1),
    }
}

#[test]
#[cfg(unix)]
fn others_cannot_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixture = SqliteFixture::new();
    let folder = fixture.0.path().join("data/deep");
    let path = folder.join("warren.db");
    let database = SqliteDatabase::open(&path, 1).unwrap();
    let mut writer = database.writer().unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.clone()), 0o700);
    assert_eq!(mode(fixture.0.path().join("data")), 0o700);
    for name in ["warren.db", "warren.db-wal", "warren.db-shm"] {
        assert_eq!(mode(folder.join(name)), 0o600, "{name}");
    }
}

#[test]
fn an_impossible_path_is_a_clear_error() {
    let fixture = SqliteFixture::new();
    std::fs::write(fixture.path(), "not a database, but long enough to be taken for one").unwrap();
    let below_a_file = SqliteDatabase::open(&fixture.path().join("x.db"), 1).map(drop);
    assert!(
        matches!(&below_a_file, Err(StoreError::Unavailable(why)) if why.contains("x.db")),
        "{below_a_file:?}"
    );
    let no_database = SqliteDatabase::open(&fixture.path(), 1).map(drop);
    assert!(
        matches!(&no_database, Err(StoreError::Unavailable(why)) if why.contains("not a database")),
        "{no_database:?}"
    );
}

#[test]
fn a_path_like_a_uri_is_a_path() {
    let fixture = SqliteFixture::new();
    let path = fixture.0.path().join("file:a?mode=memory#b%20c.db");
    let database = SqliteDatabase::open(&path, 1).unwrap();
    let mut writer = database.writer().unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    assert!(std::fs::metadata(path).unwrap().len() > 0);
}

#[test]
fn readers_cannot_write() {
    let fixture = SqliteFixture::new();
    drop(fixture.open());
    let mut reader = connection::open(&fixture.url(), Role::Reader).unwrap();
    assert!(sql_query("DELETE FROM projects").execute(&mut reader).is_err());
    let mut writer = connection::open(&fixture.url(), Role::Writer).unwrap();
    assert!(sql_query("DELETE FROM projects").execute(&mut writer).is_ok());
}

#[test]
fn a_read_waits_for_a_connection_only_so_long() {
    let fixture = SqliteFixture::new();
    drop(fixture.open());
    let readers = pool::open(&fixture.url(), 1, Duration::from_millis(20)).unwrap();
    let held = readers.get().unwrap();
    assert!(readers.get().is_err());
    drop(held);
    assert!(readers.get().is_ok());
}

#[test]
fn a_full_disk_ends_its_group_and_no_other() {
    let fixture = SqliteFixture::new();
    let database = fixture.open();
    let mut cramped = connection::open(&fixture.url(), Role::Writer).unwrap();
    cramped.batch_execute("PRAGMA max_page_count = 60").unwrap();
    let mut writer = SqliteWriter::over(fixture.url(), cramped);
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    let mut outcomes = Vec::new();
    let group = writer.group(&mut |store| {
        for (id, bytes) in [("small", 1), ("huge", 1 << 20), ("next", 1)] {
            outcomes.push(store.create_channel(&channel(id, bytes)));
        }
    });
    let full = Err(StoreError::Unavailable("database or disk is full".to_owned()));
    assert_eq!(outcomes, [Ok(()), full.clone(), full.clone()]);
    assert_eq!(group, full);
    let count = || {
        let mut rows = None;
        let mut read = |store: &mut dyn crate::store::ReadStore| {
            rows = Some(store.count_channels(&ProjectId::from("a")).unwrap());
        };
        database.read(&mut read).unwrap();
        rows
    };
    assert_eq!(count(), Some(0));
    writer.group(&mut |store| store.create_channel(&channel("huge", 1 << 20)).unwrap()).unwrap();
    assert_eq!(count(), Some(1));
}

#[test]
fn a_group_fails_while_another_process_writes() {
    let fixture = SqliteFixture::new();
    drop(fixture.open());
    let mut impatient = connection::open(&fixture.url(), Role::Writer).unwrap();
    impatient.batch_execute("PRAGMA busy_timeout = 0").unwrap();
    let mut writer = SqliteWriter::over(fixture.url(), impatient);
    let mut other = connection::open(&fixture.url(), Role::Writer).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let group = writer.group(&mut |_| panic!("runs without a transaction"));
    assert_eq!(group, Err(StoreError::Unavailable("database is locked".to_owned())));
    other.batch_execute("COMMIT").unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
}

#[test]
fn a_value_that_we_never_write_is_told_apart() {
    let fixture = SqliteFixture::new();
    let database = fixture.open();
    let mut writer = database.writer().unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    writer.group(&mut |store| store.create_channel(&channel("x", 1)).unwrap()).unwrap();
    for (column, value) in [("type", "'secret'"), ("capabilities", "-1"), ("capabilities", "64")] {
        fixture.tamper("UPDATE channels SET type = 'public', capabilities = 0");
        fixture.tamper(&format!("UPDATE channels SET {column} = {value}"));
        let mut found = None;
        database.read(&mut |store| found = Some(store.find_channel(&channel("x", 1).key))).unwrap();
        let expected = StoreError::Corrupt(format!("channels.{column}"));
        assert_eq!(found, Some(Err(expected)), "{column} = {value}");
    }
}

#[test]
fn a_newer_database_is_refused() {
    let fixture = SqliteFixture::new();
    drop(fixture.open());
    fixture.tamper("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')");
    let refused = SqliteDatabase::open(&fixture.path(), 1).map(drop);
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("99990101000000")),
        "{refused:?}"
    );
}

#[test]
fn a_migration_that_leaves_dangling_rows_is_refused() {
    let fixture = SqliteFixture::new();
    drop(fixture.open());
    let mut connection = connection::open(&fixture.url(), Role::Migrator).unwrap();
    assert_eq!(check_references(&mut connection), Ok(()));
    connection.batch_execute("INSERT INTO authorizers VALUES ('gone', '', '', 1)").unwrap();
    let refused = check_references(&mut connection);
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("1 rows")),
        "{refused:?}"
    );
}

/// Every table and index, as SQL.
fn dump(connection: &mut SqliteConnection) -> Vec<String> {
    let everything =
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '\\_\\_%'
                      ESCAPE '\\' ORDER BY name";
    sql::<Text>(everything).load(connection).unwrap()
}

#[test]
fn migrations_go_up_and_down_and_up() {
    let fixture = SqliteFixture::new();
    drop(fixture.open());
    let mut connection = connection::open(&fixture.url(), Role::Migrator).unwrap();
    let fresh = dump(&mut connection);
    assert!(fresh.len() > 7, "{fresh:?}");
    connection.revert_all_migrations(MIGRATIONS).unwrap();
    assert_eq!(dump(&mut connection), Vec::<String>::new());
    connection.run_pending_migrations(MIGRATIONS).unwrap();
    assert_eq!(dump(&mut connection), fresh);
}

/// A column, as `SQLite` knows it.
#[derive(QueryableByName)]
struct Column {
    /// Its name.
    #[diesel(sql_type = Text)]
    name: String,
    /// Its type as the migration spells it.
    #[diesel(sql_type = Text)]
    kind: String,
    /// 1 when it cannot be NULL.
    #[diesel(sql_type = BigInt)]
    is_required: i64,
    /// Its place in the primary key; 0 when it is not part of it.
    #[diesel(sql_type = BigInt)]
    key_place: i64,
}

/// A table as `diesel print-schema` writes it.
fn printed(table: &str, columns: &[Column]) -> String {
    let mut keys: Vec<&Column> = columns.iter().filter(|column| column.key_place > 0).collect();
    keys.sort_by_key(|column| column.key_place);
    let keys: Vec<&str> = keys.iter().map(|column| column.name.as_str()).collect();
    let mut lines = format!("diesel::table! {{\n    {table} ({}) {{\n", keys.join(", "));
    for Column { name, kind, is_required, .. } in columns {
        let kind = match kind.as_str() {
            "TEXT" => "Text",
            "BIGINT" => "BigInt",
            "BLOB" => "Binary",
            other => panic!("a type that PostgreSQL may not know: {other}"),
        };
        let kind = if *is_required == 1 { kind.to_owned() } else { format!("Nullable<{kind}>") };
        if name == "type" {
            lines += "        #[sql_name = \"type\"]\n";
        }
        let suffix = if name == "type" { "_" } else { "" };
        lines.extend(["        ", name, suffix, " -> ", &kind, ",\n"]);
    }
    lines + "    }\n}\n\n"
}

#[test]
fn the_schema_is_what_the_migrations_make() {
    let fixture = SqliteFixture::new();
    drop(fixture.open());
    let mut connection = connection::open(&fixture.url(), Role::Reader).unwrap();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_\\_%'
                  ESCAPE '\\' ORDER BY name";
    let tables: Vec<String> = sql::<Text>(tables).load(&mut connection).unwrap();
    let mut expected = "// @generated automatically by Diesel CLI.\n\n".to_owned();
    for table in tables {
        let columns = sql_query(
            "SELECT name, type AS kind, \"notnull\" AS is_required, pk AS key_place
             FROM pragma_table_info(?)",
        );
        let columns = columns.bind::<Text, _>(&table).load(&mut connection).unwrap();
        expected += &printed(&table, &columns);
    }
    let actual = include_str!("schema.rs");
    assert!(actual.starts_with(&expected), "the tables should be\n{expected}");
}

#[test]
fn an_admin_token_from_before_handles_still_works_and_has_one() {
    let fixture = SqliteFixture::new();
    drop(fixture.open());
    let mut connection = connection::open(&fixture.url(), Role::Migrator).unwrap();
    while dump(&mut connection)
        .iter()
        .any(|sql| sql.contains("admin_tokens") && sql.contains("hint"))
    {
        connection.revert_last_migration(MIGRATIONS).unwrap();
    }
    let old = "INSERT INTO admin_tokens VALUES (zeroblob(32), 7)";
    connection.batch_execute(old).unwrap();
    drop(connection);
    let mut found = None;
    let database = fixture.open();
    database.read(&mut |store| found = store.find_admin_token(&[0; 32]).unwrap()).unwrap();
    let found = found.unwrap();
    assert_eq!((found.id.as_str(), found.name), ("pat_id_0000000000000000", None));
    assert_eq!((found.hint.as_str(), found.created_at), ("pat_", Timestamp(7)));
}

#[test]
fn subscriptions_survive_their_tables_new_shape_and_the_old_one() {
    let fixture = SqliteFixture::new();
    drop(fixture.open());
    let mut connection = connection::open(&fixture.url(), Role::Migrator).unwrap();
    let is_narrow = |connection: &mut SqliteConnection| {
        dump(connection).iter().any(|sql| sql.contains("WITHOUT ROWID"))
    };
    assert!(is_narrow(&mut connection));
    while is_narrow(&mut connection) {
        connection.revert_last_migration(MIGRATIONS).unwrap();
    }
    let old = "INSERT INTO projects VALUES ('p', 'P', 'p', 1);
               INSERT INTO channels VALUES ('p', 'a', 'public', 0, 1, 1, '{}'), ('p', 'b', 'public', 0, 1, 1, '{}');
               INSERT INTO tokens VALUES ('t', 'p', NULL, 1, '{}');
               INSERT INTO subscriptions VALUES ('p', 'b', 't', 5), ('p', 'a', 't', 6);";
    connection.batch_execute(old).unwrap();
    let heard = |database: &dyn Database| {
        let mut found = Vec::new();
        let token = LeapTokenId::from("t");
        database.read(&mut |store| found = store.subscriptions_of(&token).unwrap()).unwrap();
        found
            .into_iter()
            .map(|it| (it.channel.as_str().to_owned(), it.created_at.0))
            .collect::<Vec<_>>()
    };
    let expected = [("b".to_owned(), 5), ("a".to_owned(), 6)];
    assert_eq!(heard(&*fixture.open()), expected);
    connection.revert_last_migration(MIGRATIONS).unwrap();
    assert_eq!(heard(&*fixture.open()), expected);
}

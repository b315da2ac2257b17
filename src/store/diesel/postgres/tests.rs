//! What is `PostgreSQL`'s own: the contract run on it, the lock, the migrations, and connections that break.

mod breaks;
mod claims;
mod failover;
mod moving;
mod plans;
mod together;
mod way;

use super::PostgresDatabase;
use super::address::Address;
use super::cluster::{Cluster, cluster};
use super::connection::{self, SessionRole};
use super::migrate::MIGRATIONS;
use super::store;
use crate::domain::{AllowedOrigins, Capabilities, ChannelId, Visibility};
use crate::domain::{Channel, ChannelKey, Project, ProjectId, State, Timestamp, Version};
use crate::store::contract::{Fixture, run_contract_on};
use crate::store::{Database, ReadStore, StoreError};
use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_migrations::MigrationHarness as _;
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

/// How long a test waits for a database that the one before has just let go.
const WAIT: Duration = Duration::from_secs(30);

/// A database of its own, which goes with the test.
struct PostgresFixture {
    /// Where it is.
    cluster: &'static Cluster,
    /// What it is called.
    name: String,
}

impl PostgresFixture {
    /// One with tables; nothing where there is no `PostgreSQL`.
    fn fresh() -> Option<Self> {
        static TEMPLATE: OnceLock<String> = OnceLock::new();
        let cluster = cluster()?;
        let template = TEMPLATE.get_or_init(|| {
            let name = cluster.create(None);
            drop(PostgresDatabase::open(&cluster.url(&name), 1, WAIT).unwrap());
            name
        });
        Some(Self { cluster, name: cluster.create(Some(template)) })
    }

    /// One without tables.
    fn empty() -> Option<Self> {
        cluster().map(|cluster| Self { cluster, name: cluster.create(None) })
    }

    /// Where it is.
    fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// A connection for somebody with another tool.
    fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.url()).unwrap()
    }

    /// Runs SQL on the side.
    fn tamper(&self, sql: &str) {
        self.connect().batch_execute(sql).unwrap();
    }

    /// The open database.
    fn database(&self) -> PostgresDatabase {
        PostgresDatabase::open(&self.url(), 2, WAIT).unwrap().unwrap()
    }
}

impl Drop for PostgresFixture {
    fn drop(&mut self) {
        self.cluster.remove(&self.name);
    }
}

impl Fixture for PostgresFixture {
    fn open(&self) -> Box<dyn Database> {
        Box::new(self.database())
    }

    fn arm_bomb(&self) {
        self.tamper(
            "CREATE FUNCTION explode() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'a bomb'; END $$;
             CREATE CONSTRAINT TRIGGER bomb AFTER INSERT ON channels DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW WHEN (NEW.id = 'bomb') EXECUTE FUNCTION explode();",
        );
    }
}

run_contract_on!(PostgresFixture::fresh);

/// The project of the tests below.
fn project() -> Project {
    Project {
        id: ProjectId::from("a"),
        name: String::new(),
        namespace: "a".to_owned(),
        allowed_origins: AllowedOrigins::default(),
        created_at: Timestamp(1),
    }
}

/// A channel of it.
fn channel(id: &str) -> Channel {
    Channel {
        key: ChannelKey { project: ProjectId::from("a"), id: ChannelId::trusted(id) },
        visibility: Visibility::Private,
        capabilities: Capabilities::default(),
        state: State::empty(),
        version: Version::FIRST,
        created_at: Timestamp(1),
    }
}

/// How many channels a database has.
fn channels(database: &PostgresDatabase) -> u64 {
    let mut found = None;
    let mut read = |store: &mut dyn ReadStore| {
        found = Some(store.count_channels(&ProjectId::from("a")).unwrap());
    };
    database.read(&mut read).unwrap();
    found.unwrap()
}

/// Asserts that something is refused, with this word.
fn assert_refused<T>(outcome: Result<T, StoreError>, word: &str) {
    let refused = outcome.map(drop);
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains(word)),
        "{refused:?}"
    );
}

#[test]
fn a_database_is_one_servers_until_it_goes() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let first = fixture.database();
    let second = || PostgresDatabase::open(&fixture.url(), 1, Duration::from_millis(50)).unwrap();
    assert!(second().is_none());
    let mut writer = first.writer().unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    assert!(second().is_none());
    let beside = PostgresDatabase::open_beside(&fixture.url()).unwrap();
    let mut other = beside.writer().unwrap();
    other.group(&mut |store| store.create_channel(&channel("x")).unwrap()).unwrap();
    assert_eq!(channels(&first), 1);
    drop(writer);
    drop(first);
    assert!(PostgresDatabase::open(&fixture.url(), 1, WAIT).unwrap().is_some());
}

#[test]
fn two_schemas_of_one_database_are_two_servers() {
    let Some(fixture) = PostgresFixture::empty() else { return };
    fixture.tamper("CREATE SCHEMA one; CREATE SCHEMA two;");
    let url = |schema: &str| format!("{}&options=-csearch_path%3D{schema}", fixture.url());
    let [_one, _two] = ["one", "two"]
        .map(|schema| PostgresDatabase::open(&url(schema), 1, WAIT).unwrap().unwrap());
    assert!(PostgresDatabase::open(&url("one"), 1, Duration::ZERO).unwrap().is_none());
}

#[test]
fn readers_cannot_write_and_see_one_moment() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let address = Address::new(&fixture.url());
    let mut reader = connection::open(&address, SessionRole::Reader).unwrap();
    assert!(sql_query("DELETE FROM projects").execute(&mut reader).is_err());
    let mut other = fixture.connect();
    let count = "SELECT count(*)::text AS word FROM projects";
    let seen = reader.transaction(|reader| {
        let before: Line = sql_query(count).get_result(reader)?;
        other.batch_execute("INSERT INTO projects VALUES ('p', 'P', 'p', 1)")?;
        let after: Line = sql_query(count).get_result(reader)?;
        QueryResult::Ok((before.word, after.word))
    });
    assert_eq!(seen.unwrap(), ("0".to_owned(), "0".to_owned()));
}

#[test]
fn a_text_that_is_none_fails_alone() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let database = fixture.database();
    let mut writer = database.writer().unwrap();
    let mut outcomes = Vec::new();
    let group = writer.group(&mut |store| {
        store.create_project(&project()).unwrap();
        for id in ["x", "no\0text", "y"] {
            outcomes.push(store.create_channel(&channel(id)).is_ok());
        }
    });
    assert_eq!(group, Ok(()));
    assert_eq!(outcomes, [true, false, true]);
    assert_eq!(channels(&database), 2);
}

#[test]
fn a_write_that_fails_for_all_fails_its_group() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let database = fixture.database();
    let mut writer = database.writer().unwrap();
    writer.group(&mut |store| store.create_project(&project()).unwrap()).unwrap();
    fixture.tamper("ALTER TABLE channels RENAME TO gone");
    let mut outcome = None;
    let group = writer.group(&mut |store| {
        store.mark_subscribed(&channel("x").key).unwrap_err();
        outcome = Some(store.create_channel(&channel("x")));
    });
    assert!(matches!(outcome, Some(Err(StoreError::Unavailable(_)))), "{outcome:?}");
    assert_refused(group, "channels");
    fixture.tamper("ALTER TABLE gone RENAME TO channels");
    writer.group(&mut |store| store.create_channel(&channel("x")).unwrap()).unwrap();
    assert_eq!(channels(&database), 1);
}

#[test]
fn nobody_is_there_or_lets_us_in_is_a_clear_error_without_the_password() {
    let nowhere = "postgres://warren:s3cret@127.0.0.1:1/warren";
    for outcome in [
        PostgresDatabase::open(nowhere, 1, WAIT).map(drop),
        PostgresDatabase::open_beside(nowhere).map(drop),
    ] {
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("127.0.0.1") && !error.contains("s3cret"), "{error}");
    }
    let Some(fixture) = PostgresFixture::empty() else { return };
    let missing = fixture.cluster.url("missing");
    assert_refused(PostgresDatabase::open(&missing, 1, WAIT), "\"missing\" does not exist");
}

#[test]
fn a_database_that_loses_commits_is_refused() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    fixture.tamper(&format!("ALTER DATABASE {} SET synchronous_commit = off", fixture.name));
    let opened = PostgresDatabase::open(&fixture.url(), 1, WAIT);
    assert_refused(opened, "synchronous_commit = off");
    assert_refused(PostgresDatabase::examine(&fixture.url()), "synchronous_commit = off");
}

#[test]
fn a_newer_database_is_refused() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    fixture.tamper("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')");
    assert_refused(PostgresDatabase::open(&fixture.url(), 1, WAIT), "99990101000000");
    assert_refused(PostgresDatabase::open_beside(&fixture.url()), "99990101000000");
}

#[test]
fn a_database_without_tables_is_told_apart() {
    let Some(fixture) = PostgresFixture::empty() else { return };
    assert!(!PostgresDatabase::has_tables(&fixture.url()).unwrap());
    assert_refused(PostgresDatabase::open_beside(&fixture.url()), "no tables of Warren");
    drop(fixture.database());
    assert!(PostgresDatabase::has_tables(&fixture.url()).unwrap());
    assert!(PostgresDatabase::examine(&fixture.url()).unwrap().contains("PostgreSQL"));
}

/// One word of an answer.
#[derive(QueryableByName)]
struct Line {
    /// The word.
    #[diesel(sql_type = Text)]
    word: String,
}

/// Every table, index, trigger and function, as words.
fn dump(connection: &mut PgConnection) -> Vec<String> {
    let everything = "
        SELECT indexdef AS word FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE '\\_\\_%'
        UNION ALL SELECT table_name || column_name || data_type FROM information_schema.columns
            WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%'
        UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT proname || prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT sequencename FROM pg_sequences ORDER BY 1";
    let lines: Vec<Line> = sql_query(everything).load(connection).unwrap();
    lines.into_iter().map(|line| line.word).collect()
}

#[test]
fn migrations_go_up_and_down_and_up() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let mut connection = fixture.connect();
    let fresh = dump(&mut connection);
    assert!(fresh.len() > 100, "{fresh:?}");
    connection.revert_all_migrations(MIGRATIONS).unwrap();
    assert_eq!(dump(&mut connection), Vec::<String>::new());
    connection.run_pending_migrations(MIGRATIONS).unwrap();
    assert_eq!(dump(&mut connection), fresh);
}

/// A column, as `PostgreSQL` knows it.
#[derive(QueryableByName)]
struct Column {
    /// Its table.
    #[diesel(sql_type = Text)]
    of_table: String,
    /// Its name.
    #[diesel(sql_type = Text)]
    name: String,
    /// Its type.
    #[diesel(sql_type = Text)]
    kind: String,
    /// NO when it cannot be NULL.
    #[diesel(sql_type = Text)]
    is_nullable: String,
}

#[test]
fn the_tables_are_those_of_the_other_database() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let columns: Vec<Column> = sql_query(
        "SELECT table_name::text AS of_table, column_name::text AS name, data_type::text AS kind,
             is_nullable::text
         FROM information_schema.columns WHERE table_schema = 'public'
         AND table_name NOT LIKE '\\_\\_%' AND table_name NOT IN ('store_probes', 'clusters')
         AND column_name NOT LIKE 'claimed\\_%' AND column_name <> 'incarnation'
         ORDER BY table_name COLLATE \"C\", ordinal_position",
    )
    .load(&mut fixture.connect())
    .unwrap();
    let (mut made, mut table) = (String::new(), String::new());
    for Column { of_table, name, kind, is_nullable } in columns {
        if table != of_table {
            writeln!(made, "{of_table}").unwrap();
            table = of_table;
        }
        let kind = match kind.as_str() {
            "text" => "Text",
            "bigint" => "BigInt",
            "bytea" => "Binary",
            other => panic!("a type that the other database may not know: {other}"),
        };
        let name = if name == "type" { "type_" } else { &name };
        let kind = if is_nullable == "NO" { kind.to_owned() } else { format!("Nullable<{kind}>") };
        writeln!(made, "    {name} -> {kind},").unwrap();
    }
    let mut known = String::new();
    let schema = include_str!("../schema.rs").split("diesel::joinable!").next().unwrap();
    for line in schema.lines() {
        match (line.split_once(" ("), line.contains(" -> ")) {
            (Some((name, _)), false) if line.ends_with('{') => {
                writeln!(known, "{}", name.trim()).unwrap();
            }
            (_, true) => writeln!(known, "    {}", line.trim()).unwrap(),
            _ => {}
        }
    }
    assert_eq!(made, known);
}

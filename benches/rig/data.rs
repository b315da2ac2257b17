//! A data folder that holds as much as wanted, made by the server's own migrations and filled by SQL.

use super::{OWNER, PROJECT};
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use std::path::Path;
use warren::domain::project::{hint_of, secret_hash};
use warren::domain::{
    Minter, Permissions, Project, ProjectId, ProjectToken, ProjectTokenId, Timestamp,
};
use warren::store::Database as _;
use warren::store::diesel::SqliteDatabase;

/// When everything was made; what is stored is older than what happens.
const MADE_AT: i64 = 1_700_000_000_000;
/// Rows in one statement.
const BATCH: usize = 10_000;

/// What a connection that only fills is told: no durability, much memory.
const HASTY: &str =
    "PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000; PRAGMA foreign_keys = OFF;
                     PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 0;";

/// A data folder and what is used of it.
pub struct Data {
    /// The channels that are in use, each public.
    pub channels: Vec<String>,
    /// The leap tokens that are in use.
    pub tokens: Vec<String>,
}

/// Makes the data folder `folder/data` with so many channels and tokens that nobody uses, each token subscribed to a
/// channel, and so many that somebody will use. It begins with what it has already: to be called once for a folder.
pub fn fill(folder: &Path, idle: usize, channels: usize, tokens: usize) -> Data {
    let path = folder.join("data").join("warren.db");
    create(&path);
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute(HASTY).unwrap();
    let minter = Minter::new();
    connection
        .transaction(|connection| {
            for begin in (0..idle).step_by(BATCH) {
                let count = BATCH.min(idle - begin);
                let channels = add_channels(connection, &minter, begin, count, "private")?;
                let tokens = add_tokens(connection, &minter, begin, count)?;
                subscribe(connection, &channels, &tokens)?;
            }
            let data = Data {
                channels: add_channels(connection, &minter, idle, channels, "public")?,
                tokens: add_tokens(connection, &minter, idle, tokens)?,
            };
            QueryResult::Ok(data)
        })
        .and_then(|data| {
            connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?;
            Ok(data)
        })
        .unwrap()
}

/// Makes the tables, and the project with its token, as a first run does.
fn create(path: &Path) {
    let database = SqliteDatabase::open(path, 1).unwrap();
    let project = Project {
        id: ProjectId::from(PROJECT),
        name: "Default".to_owned(),
        namespace: "default".to_owned(),
        allowed_origins: warren::domain::AllowedOrigins::default(),
        created_at: Timestamp(MADE_AT),
    };
    let token = ProjectToken {
        id: ProjectTokenId::from("ptkid_MzA0NzI4Nzc1MTYwMDAwMA"),
        project: project.id.clone(),
        permissions: Permissions::OWNER,
        hint: hint_of(OWNER),
        created_at: Timestamp(MADE_AT),
    };
    let mut writer = database.writer().unwrap();
    writer
        .group(&mut |store| {
            store.create_project(&project).unwrap();
            store.create_project_token(&token, &secret_hash(OWNER)).unwrap();
        })
        .unwrap();
}

/// When the `n`-th thing was made.
fn time(n: usize) -> i64 {
    MADE_AT + i64::try_from(n).unwrap()
}

/// Adds channels with a small state; returns their ids.
fn add_channels(
    connection: &mut SqliteConnection,
    minter: &Minter,
    begin: usize,
    count: usize,
    kind: &str,
) -> QueryResult<Vec<String>> {
    let ids: Vec<String> =
        (begin..begin + count).map(|n| minter.readable("channel", time(n))).collect();
    sql_query(
        r#"INSERT INTO channels (project_id, id, type, capabilities, version, created_at, state)
           SELECT ?, value, ?, 0, 1, ? + key, '{"title":"Room ' || key || '","open":true}' FROM json_each(?)"#,
    )
    .bind::<Text, _>(PROJECT)
    .bind::<Text, _>(kind)
    .bind::<BigInt, _>(time(begin))
    .bind::<Text, _>(serde_json::Value::from(ids.clone()).to_string())
    .execute(connection)?;
    Ok(ids)
}

/// Adds leap tokens with a small state; returns their ids.
fn add_tokens(
    connection: &mut SqliteConnection,
    minter: &Minter,
    begin: usize,
    count: usize,
) -> QueryResult<Vec<String>> {
    let secret = |n| minter.secret("leap_token", time(n), scattered(n));
    let ids: Vec<String> = (begin..begin + count).map(secret).collect();
    sql_query(
        r#"INSERT INTO tokens (id, project_id, expires_at, created_at, state)
           SELECT value, ?, NULL, ? + key, '{"public":{"name":"User ' || key || '"}}' FROM json_each(?)"#,
    )
    .bind::<Text, _>(PROJECT)
    .bind::<BigInt, _>(time(begin))
    .bind::<Text, _>(serde_json::Value::from(ids.clone()).to_string())
    .execute(connection)?;
    Ok(ids)
}

/// Subscribes each token to the channel of its place.
fn subscribe(
    connection: &mut SqliteConnection,
    channels: &[String],
    tokens: &[String],
) -> QueryResult<()> {
    let pairs: Vec<[&str; 2]> =
        channels.iter().zip(tokens).map(|(channel, token)| [&**channel, &**token]).collect();
    sql_query(
        "INSERT INTO subscriptions (project_id, channel_id, token_id, created_at)
         SELECT ?, value ->> 0, value ->> 1, ? FROM json_each(?)",
    )
    .bind::<Text, _>(PROJECT)
    .bind::<BigInt, _>(MADE_AT)
    .bind::<Text, _>(serde_json::json!(pairs).to_string())
    .execute(connection)
    .map(drop)
}

/// Lets every channel that is in use keep its messages, of which each has so many.
pub fn keep(folder: &Path, messages: usize) {
    let path = folder.join("data").join("warren.db");
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute(HASTY).unwrap();
    let numbers: Vec<usize> = (1..=messages).collect();
    let count = i64::try_from(messages).unwrap();
    let kept = connection.transaction(|connection| {
        connection.batch_execute("UPDATE channels SET capabilities = 16 WHERE type = 'public'")?;
        sql_query(
            "INSERT INTO lines
             SELECT rowid, project_id, id, ?1, ?1, ?1 * 100, 0, 0, 0, 0,
                    CAST(unixepoch('subsec') * 1000 AS INTEGER) + 86400000, NULL, NULL
             FROM channels WHERE capabilities = 16",
        )
        .bind::<BigInt, _>(count)
        .execute(connection)?;
        sql_query(
            r#"INSERT INTO messages
               SELECT epoch, value, value, 100, (value - 1) * 100,
                      CAST(unixepoch('subsec') * 1000 AS INTEGER), NULL, 'CHAT_LINE', '{"text":"Hello, Warren"}'
               FROM lines, json_each(?) ORDER BY epoch, value"#,
        )
        .bind::<Text, _>(serde_json::Value::from(numbers).to_string())
        .execute(connection)
    });
    kept.and_then(|_| connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")).unwrap();
}

/// Sixteen bytes that lie anywhere, as random ones do, but the same at every run (splitmix64).
fn scattered(n: usize) -> [u8; 16] {
    let mixed = |n: u64| {
        let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    let n = u64::try_from(n).unwrap();
    (u128::from(mixed(n + 1)) << 64 | u128::from(mixed(!n))).to_be_bytes()
}

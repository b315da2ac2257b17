//! Several stores write into one database, each on several threads, whatever comes to them: none is in another's way, and what one
//! of them acknowledged is there.

mod worker;

use super::*;
use crate::domain::{LeapToken, LeapTokenId, RawJson, Webhook, WebhookId};
use crate::store::WriteStore;
use std::collections::BTreeSet;
use std::thread;
use worker::{Done, Worker};

/// How many stores write.
const STORES: usize = 3;
/// On how many threads each.
const THREADS: usize = 2;

/// Makes the projects, each with a webhook, and the tokens of all threads.
fn prepare(database: &PostgresDatabase, tokens: &[String]) {
    let mut writer = database.writer().unwrap();
    let mut make = |store: &mut dyn WriteStore| {
        for name in ["a", "b"] {
            let id = ProjectId::from(name);
            let made = Project { id: id.clone(), namespace: name.to_owned(), ..project() };
            store.create_project(&made).unwrap();
            let hook = Webhook {
                id: WebhookId::from(name),
                project: id.clone(),
                url: "https://example.com/hook".to_owned(),
                events: vec!["channel.created".to_owned()],
                secret: "whsec_1".to_owned(),
                previous: None,
                disabled_at: None,
                created_at: Timestamp(1),
            };
            store.create_webhook(&hook).unwrap();
            for token in tokens {
                let made = LeapToken {
                    id: LeapTokenId::from(format!("{name}-{token}").as_str()),
                    project: id.clone(),
                    state: RawJson::trusted("{}"),
                    expires_at: None,
                    created_at: Timestamp(1),
                };
                store.create_token(&made, &[]).unwrap();
            }
        }
    };
    writer.group(&mut make).unwrap();
}

/// What a query finds, each row as one word.
fn words(fixture: &PostgresFixture, query: &str) -> Vec<String> {
    let rows: Vec<Line> = sql_query(query).load(&mut fixture.connect()).unwrap();
    rows.into_iter().map(|row| row.word).collect()
}

#[test]
fn what_several_stores_write_into_one_database_is_all_there() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let tokens: Vec<String> = (0..STORES * THREADS).map(|n| format!("t{n}")).collect();
    let open = || PostgresDatabase::open_beside(&fixture.url()).unwrap();
    prepare(&open(), &tokens);
    let stores: Vec<PostgresDatabase> = (0..STORES).map(|_| open()).collect();
    let mut done = Done::default();
    thread::scope(|scope| {
        let workers: Vec<_> = (1u64..)
            .zip(&tokens)
            .zip(stores.iter().cycle())
            .map(|((seed, token), store)| {
                let worker = Worker::new(token, seed);
                scope.spawn(move || worker.work(store))
            })
            .collect();
        for worker in workers {
            done.add(worker.join().unwrap());
        }
    });
    check(&fixture, &done);
}

/// Compares what was acknowledged with what is there.
fn check(fixture: &PostgresFixture, done: &Done) {
    let left: BTreeSet<i64> = done.made.difference(&done.deleted).copied().collect();
    let now = words(fixture, "SELECT created_at::text AS word FROM channels ORDER BY created_at");
    assert_eq!(now, left.iter().map(i64::to_string).collect::<Vec<_>>());
    assert!(done.deleted.is_subset(&done.made) && !done.deleted.is_empty());
    for (at, versions) in &done.versions {
        let given: BTreeSet<i64> = versions.iter().copied().collect();
        let last = i64::try_from(versions.len()).unwrap() + Version::FIRST.0;
        assert_eq!(given, (Version::FIRST.0 + 1..=last).collect(), "{versions:?}");
        if left.contains(at) {
            let query =
                format!("SELECT version::text AS word FROM channels WHERE created_at = {at}");
            assert_eq!(words(fixture, &query), [last.to_string()]);
        }
    }
    for (at, messages) in &done.messages {
        assert!((1..).zip(messages.keys()).all(|(place, key)| place == *key), "{messages:?}");
        if left.contains(at) {
            let query = format!(
                "SELECT data AS word FROM messages WHERE epoch = {at} ORDER BY line_offset"
            );
            assert_eq!(
                words(fixture, &query),
                messages.values().map(i64::to_string).collect::<Vec<_>>()
            );
        }
    }
    let subscribed = done.subscriptions.iter().filter(|(_, at)| left.contains(at));
    let subscribed: BTreeSet<String> =
        subscribed.map(|(token, at)| format!("{token} {at}")).collect();
    let query = "SELECT substr(token_id, 3) || ' ' || channels.created_at AS word FROM subscriptions
                 JOIN channels ON channels.project_id = subscriptions.project_id AND id = channel_id";
    assert_eq!(words(fixture, query).into_iter().collect::<BTreeSet<_>>(), subscribed);
    let told = words(fixture, "SELECT event_id AS word FROM deliveries");
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), done.events);
    let numbers =
        "SELECT count(DISTINCT seq) || ' ' || max(seq) AS word FROM deliveries GROUP BY project_id";
    for line in words(fixture, numbers) {
        let (count, last) = line.split_once(' ').unwrap();
        assert_eq!(count, last, "an event's number was given twice, or left out");
    }
    let answers =
        "SELECT number::text AS word FROM answers WHERE bytes_before = (number - 1) * bytes";
    assert_eq!(words(fixture, answers).len(), done.answers);
}

//! How `SQLite` means to carry out each statement of ours: none walks through a table that grows with what is stored.
//!
//! The statements are not written down here. They are those that a connection hears while the methods of the store run
//! on it, so that a query which changes is looked at as it is.

pub(super) mod calls;

use super::connection::{self, Role};
use super::migrate;
use super::store::DieselStore;
use crate::domain::{
    Epoch, HistoryBounds, HistoryLimits, MailboxBounds, NewVersion, ProjectTokenId, State,
    StateLogBounds, Timestamp, Version,
};
use crate::store::{
    MailPage, ProjectCursor, ProjectTokenCursor, ReadMailbox as _, ReadOutbox as _, ReadStore as _,
    Start, WriteHistory as _, WriteMailbox as _, WriteStateLog as _, WriteStore as _,
};
use calls::{change, create, key, read, remove, token};
use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// The tables that grow with what is stored; the others hold what an operator makes by hand.
pub(super) const BIG: [&str; 13] = [
    "answers",
    "channels",
    "tokens",
    "subscriptions",
    "deliveries",
    "event_bodies",
    "seen_channels",
    "registers",
    "lines",
    "messages",
    "mailboxes",
    "mails",
    "jwt_revocations",
];

/// One line of a plan.
#[derive(QueryableByName)]
struct PlanStep {
    /// What is done, in words.
    #[diesel(sql_type = Text)]
    detail: String,
}

/// Whether a line of a plan reads a big table from one end to the other.
fn is_scan(detail: &str) -> bool {
    let mut words = detail.split_whitespace();
    let is_scan = words.next() == Some("SCAN");
    is_scan && words.next().is_some_and(|table| BIG.contains(&table))
}

/// A statement's plan; nothing for what has none, such as COMMIT.
fn plan(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let steps = sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load::<PlanStep>(connection);
    steps.unwrap_or_default().into_iter().map(|step| step.detail).collect()
}

/// A fresh database and the statements that it heard.
struct HeardStatements {
    /// Each statement once.
    statements: Vec<String>,
    /// Those that stay prepared.
    kept: Vec<String>,
    /// The database.
    connection: SqliteConnection,
    /// Where it is; goes with it.
    _folder: TempDir,
}

/// Every statement that `run` sends to a fresh database.
fn statements(run: impl FnOnce(&mut DieselStore<'_>)) -> HeardStatements {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warren.db");
    let url = super::files::prepare(&path).unwrap();
    migrate::bring_up_to_date(&url).unwrap();
    let mut connection = connection::open(&url, Role::Writer).unwrap();
    let heard = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let hears = Arc::clone(&heard);
    connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        let (statements, kept) = &mut *hears.lock().unwrap();
        match event {
            InstrumentationEvent::StartQuery { query, .. } => {
                let text = query.to_string();
                let statement = text.split(" -- binds: ").next().unwrap_or_default().to_owned();
                if !statements.contains(&statement) {
                    statements.push(statement);
                }
            }
            InstrumentationEvent::CacheQuery { sql, .. } => kept.push(sql.to_owned()),
            _ => {}
        }
    });
    run(&mut DieselStore::new(&mut connection));
    connection.set_instrumentation(None::<Box<dyn Instrumentation>>);
    let (statements, kept) = heard.lock().unwrap().clone();
    HeardStatements { statements, kept, connection, _folder: folder }
}

#[test]
fn no_statement_walks_through_a_table_that_grows() {
    let HeardStatements { statements, mut connection, .. } = statements(|store| {
        create(store);
        change(store);
        read(store);
        remove(store);
    });
    assert!(statements.len() > 50, "only {statements:#?}");
    let mut planned = 0;
    for statement in &statements {
        let steps = plan(&mut connection, statement);
        planned += usize::from(!steps.is_empty());
        let scans: Vec<_> = steps.iter().filter(|step| is_scan(step)).collect();
        assert!(scans.is_empty(), "{statement}: {scans:?}");
    }
    assert!(planned > 40, "only {planned} plans");
}

#[test]
fn a_channel_of_many_projects_is_found_without_looking_at_all_of_them() {
    let HeardStatements { statements, mut connection, .. } = statements(|store| {
        store.projects_with_channel(&key().id).unwrap();
    });
    let steps: Vec<_> =
        statements.iter().flat_map(|statement| plan(&mut connection, statement)).collect();
    assert_eq!(steps, ["SEARCH channels USING COVERING INDEX channels_by_id (id=?)"]);
}

#[test]
fn a_walk_through_a_channels_tokens_sorts_nothing() {
    let HeardStatements { statements, mut connection, .. } = statements(|store| {
        store.tokens_of_channel(&key(), &Start::Skip(0), 1).unwrap();
    });
    let steps: Vec<_> =
        statements.iter().flat_map(|statement| plan(&mut connection, statement)).collect();
    assert!(steps.len() == 2 && steps.iter().all(|step| step.starts_with("SEARCH")), "{steps:?}");
    assert!(
        steps[0].contains("subscriptions_by_age") && steps[0].contains("created_at>?"),
        "{steps:?}"
    );
}

#[test]
fn a_walk_through_projects_and_their_tokens_sorts_nothing() {
    let HeardStatements { statements, mut connection, .. } = statements(|store| {
        let created_at = Timestamp(1);
        let project = key().project;
        let last = ProjectCursor { created_at, id: project.clone() };
        store.projects_after(&Start::Behind(last), 1).unwrap();
        let last = ProjectTokenCursor { created_at, id: ProjectTokenId::from("k") };
        store.project_tokens_after(&project, &Start::Behind(last), 1).unwrap();
    });
    let steps: Vec<_> =
        statements.iter().flat_map(|statement| plan(&mut connection, statement)).collect();
    assert_eq!(
        steps,
        [
            "SEARCH projects USING INDEX projects_by_age (created_at>?)",
            "SEARCH project_tokens USING INDEX project_tokens_by_age (project_id=? AND created_at>?)",
        ]
    );
}

#[test]
fn what_is_due_is_read_in_its_order_and_its_body_by_key() {
    let HeardStatements { statements, mut connection, .. } = statements(|store| {
        store.due_deliveries(&calls::hook(), Timestamp(1), 1).unwrap();
    });
    let steps: Vec<_> =
        statements.iter().flat_map(|statement| plan(&mut connection, statement)).collect();
    assert!(steps.len() == 2 && steps[0].contains("deliveries_by_webhook"), "{steps:?}");
    assert!(steps[1].starts_with("SEARCH event_bodies USING INDEX"), "{steps:?}");
}

#[test]
fn what_goes_with_a_row_is_found_by_key() {
    let HeardStatements { mut connection, .. } = statements(|_| {});
    let triggers: Vec<String> = sql::<Text>("SELECT sql FROM sqlite_schema WHERE type = 'trigger'")
        .load(&mut connection)
        .unwrap();
    assert!(!triggers.is_empty());
    for trigger in triggers {
        let (head, body) = trigger.split_once("BEGIN").unwrap();
        let condition = head.split_once("WHEN").map(|(_, condition)| format!("SELECT {condition}"));
        let body = body.trim_end_matches("END").to_owned();
        for statement in condition.into_iter().chain([body]) {
            let mut named = statement.clone();
            for column in ["event_id", "project_id", "id"] {
                named = named.replace(&format!("OLD.{column}"), "'x'");
            }
            let steps = plan(&mut connection, &named);
            let is_search = |step: &String| step.starts_with("SEARCH") && step.contains("_id=?");
            assert!(steps.iter().any(is_search), "{statement}: {steps:?}");
            assert!(!steps.iter().any(|step| is_scan(step)), "{statement}: {steps:?}");
        }
    }
}

#[test]
fn what_runs_often_is_prepared_once() {
    let HeardStatements { statements, kept, .. } = statements(|store| {
        create(store);
        store.open_line(&key(), Epoch(7), HistoryLimits::default()).unwrap();
        let bounds = MailboxBounds::default();
        let page = MailPage { after: 0, limit: 9, bytes: 1, now: Timestamp(1) };
        for version in 2..5 {
            store.append_message(&key(), &calls::message(), &HistoryBounds::default()).unwrap();
            store.take_place(&key()).unwrap();
            let kept = NewVersion::first(State::empty(), Version(version), Timestamp(1), None);
            store.keep_version(&key(), &kept, &StateLogBounds::default()).unwrap();
            store.set_state(&key(), &State::empty(), Version(version)).unwrap();
            store.add_subscription(&key(), &token(), Timestamp(version)).unwrap();
            store.remove_subscription(&key(), &token()).unwrap();
            store.mark_subscribed(&key()).unwrap();
            store.find_channel(&key()).unwrap();
            store.find_token(&token()).unwrap();
            store.subscriptions_of(&token()).unwrap();
            store.projects_with_channel(&key().id).unwrap();
            store.find_project_token(&[1; 32]).unwrap();
            let id = store.put_mail(&key().project, &token(), &calls::mail(9), &bounds).unwrap();
            let number = id.0.offset;
            store.deliver_mail(id.0.epoch, &(number..=number), Timestamp(2)).unwrap();
            store.waiting_mail(&token(), &page).unwrap();
            store.has_mail(&token()).unwrap();
        }
    });
    let is_rare = |text: &str| {
        // Transactions are no statements to be kept; making an authorizer is an operator's work, and a line is opened once
        // and gets its first message once, as a mailbox does.
        let words = [
            "BEGIN",
            "COMMIT",
            "SAVEPOINT",
            "RELEASE",
            "INSERT INTO `authorizers`",
            "UPDATE `lines`",
            "INSERT INTO `mailboxes`",
        ];
        words.iter().any(|word| text.starts_with(word))
    };
    let not_kept: Vec<_> =
        statements.iter().filter(|text| !is_rare(text) && !kept.contains(text)).collect();
    assert!(not_kept.is_empty(), "prepared anew each time: {not_kept:#?}");
    let mut once = kept.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), kept.len(), "kept twice: {kept:#?}");
}

#[test]
fn a_scan_is_noticed() {
    let HeardStatements { mut connection, .. } = statements(|_| {});
    for (statement, expected) in [
        ("SELECT * FROM channels", true),
        ("SELECT * FROM tokens WHERE created_at = 1", true),
        ("DELETE FROM subscriptions WHERE channel_id = 'c'", true),
        ("SELECT * FROM tokens WHERE id = 't'", false),
        ("SELECT * FROM projects", false),
    ] {
        let steps = plan(&mut connection, statement);
        assert!(!steps.is_empty(), "{statement}");
        assert_eq!(steps.iter().any(|step| is_scan(step)), expected, "{statement}: {steps:?}");
    }
}

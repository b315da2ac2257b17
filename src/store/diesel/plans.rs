//! How `SQLite` means to carry out each statement of ours: none walks through a table that grows with what is stored.
//!
//! The statements are not written down here. They are those that a connection hears while the methods of the store run
//! on it, so that a query which changes is looked at as it is.

use super::connection::{self, Role};
use super::migrate;
use super::store::SqliteStore;
use crate::domain::{
    AdminTokenId, Attempt, Authorizer, Capabilities, Channel, ChannelId, ChannelKey, DeliveryKey,
    EventId, EventKind, HookEvent, LeapToken, LeapTokenId, Outcome, Permissions, Project,
    ProjectId, ProjectToken, ProjectTokenId, RawJson, Stamp, State, Timestamp, Version, Visibility,
    Webhook, WebhookId,
};
use crate::store::{
    ChannelCursor, ChannelPage, ChannelSort, ReadOutbox as _, ReadStore as _, TokenUpdate,
    WebhookUpdate, WriteOutbox as _, WriteStore as _,
};
use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// The tables that grow with what is stored; the others hold what an operator makes by hand.
const BIG: [&str; 5] = ["channels", "tokens", "subscriptions", "deliveries", "seen_channels"];

/// One line of a plan.
#[derive(QueryableByName)]
struct Step {
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
    let steps = sql_query(format!("EXPLAIN QUERY PLAN {statement}")).load::<Step>(connection);
    steps.unwrap_or_default().into_iter().map(|step| step.detail).collect()
}

/// A fresh database and the statements that it heard.
struct Heard {
    /// Each statement once.
    statements: Vec<String>,
    /// The database.
    connection: SqliteConnection,
    /// Where it is; goes with it.
    _folder: TempDir,
}

/// Every statement that `run` sends to a fresh database.
fn statements(run: impl FnOnce(&mut SqliteStore<'_>)) -> Heard {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warren.db");
    let url = super::files::prepare(&path).unwrap();
    migrate::bring_up_to_date(&url).unwrap();
    let mut connection = connection::open(&url, Role::Writer).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let statement = text.split(" -- binds: ").next().unwrap_or_default().to_owned();
            let mut heard = hears.lock().unwrap();
            if !heard.contains(&statement) {
                heard.push(statement);
            }
        }
    });
    run(&mut SqliteStore::new(&mut connection));
    connection.set_instrumentation(None::<Box<dyn Instrumentation>>);
    let statements = heard.lock().unwrap().clone();
    Heard { statements, connection, _folder: folder }
}

/// The project of everything below.
fn project() -> ProjectId {
    ProjectId::from("p")
}

/// Its channel.
fn key() -> ChannelKey {
    ChannelKey { project: project(), id: ChannelId::trusted("c") }
}

/// Its token.
fn token() -> LeapTokenId {
    LeapTokenId::from("t")
}

/// Its webhook.
fn hook() -> WebhookId {
    WebhookId::from("w")
}

/// Its channel, whole.
fn channel() -> Channel {
    Channel {
        key: key(),
        visibility: Visibility::Public,
        capabilities: Capabilities::default(),
        state: State::empty(),
        version: Version::FIRST,
        created_at: Timestamp(1),
    }
}

/// Calls what adds rows.
fn create(store: &mut SqliteStore<'_>) {
    let (id, created_at) = (project(), Timestamp(1));
    store
        .create_project(&Project {
            id: id.clone(),
            name: String::new(),
            namespace: String::new(),
            created_at,
        })
        .unwrap();
    let project_token = ProjectToken {
        id: ProjectTokenId::from("k"),
        project: id.clone(),
        permissions: Permissions::OWNER,
        hint: String::new(),
        created_at,
    };
    store.create_project_token(&project_token, &[1; 32]).unwrap();
    store.create_channel(&channel()).unwrap();
    let state = RawJson::null();
    let token = LeapToken { id: token(), project: id.clone(), state, expires_at: None, created_at };
    store.create_token(&token, &[key().id]).unwrap();
    let webhook = Webhook {
        id: hook(),
        project: id.clone(),
        url: String::new(),
        events: vec![EventKind::ChannelCreated.name().to_owned()],
        secret: String::new(),
        previous: None,
        disabled_at: None,
        created_at,
    };
    store.create_webhook(&webhook).unwrap();
    store
        .set_authorizer(&Authorizer {
            project: id,
            url: String::new(),
            secret: String::new(),
            created_at,
        })
        .unwrap();
}

/// Calls what changes rows.
fn change(store: &mut SqliteStore<'_>) {
    store.set_state(&key(), &State::empty(), Version(2)).unwrap();
    assert!(store.set_state(&key(), &State::empty(), Version(2)).is_err());
    store.update_channel(&key(), Visibility::Public, Capabilities::default()).unwrap();
    store.mark_subscribed(&key()).unwrap();
    let update = TokenUpdate { state: Some(RawJson::null()), expires_at: Some(None) };
    store.update_token(&project(), &token(), &update).unwrap();
    store.add_subscription(&key(), &token(), Timestamp(1)).unwrap();
    assert!(store.add_subscription(&key(), &LeapTokenId::from("gone"), Timestamp(1)).is_err());
    store.rename_project(&project(), "new").unwrap();
    let update = WebhookUpdate {
        url: Some(String::new()),
        secret: Some(String::new()),
        ..WebhookUpdate::default()
    };
    store.update_webhook(&project(), &hook(), &update).unwrap();
    let stamp = Stamp { id: EventId::from("e"), at: Timestamp(1) };
    let event = HookEvent::channel(stamp, EventKind::ChannelCreated, &channel());
    store.atomically(&mut |store| store.record_event(&event).map(drop)).unwrap();
    let delivery = DeliveryKey { webhook: hook(), event: EventId::from("e") };
    let gone = Attempt { at: Timestamp(1), status: None, error: None, outcome: Outcome::Gone };
    store.settle_delivery(&delivery, &gone).unwrap();
    store.resend_delivery(&project(), &delivery, Timestamp(1)).unwrap();
    store.prune_deliveries(Timestamp(1)).unwrap();
}

/// Calls what reads.
fn read(store: &mut SqliteStore<'_>) {
    let (project, now) = (project(), Timestamp(1));
    store.find_project(&project).unwrap();
    store.list_projects().unwrap();
    store.find_project_token(&[1; 32]).unwrap();
    store.list_project_tokens(&project).unwrap();
    store.find_admin_token(&[1; 32]).unwrap();
    store.list_admin_tokens().unwrap();
    store.find_channel(&key()).unwrap();
    store.projects_with_channel(&key().id).unwrap();
    store.count_channels(&project).unwrap();
    for sort in [ChannelSort::CreatedAt, ChannelSort::Id] {
        for is_descending in [false, true] {
            let page = ChannelPage { sort, is_descending, offset: 1, limit: 1 };
            store.page_channels(&project, page).unwrap();
        }
    }
    let cursor = ChannelCursor { created_at: now, id: key().id };
    store.channels_after(&project, None, 1).unwrap();
    store.channels_after(&project, Some(&cursor), 1).unwrap();
    store.marked_channels_after(Some(&key()), 1).unwrap();
    store.find_token(&token()).unwrap();
    store.list_tokens(&project).unwrap();
    store.tokens_of_channel(&key()).unwrap();
    store.subscriptions_of(&token()).unwrap();
    store.list_webhooks(&project).unwrap();
    store.find_webhook(&project, &hook()).unwrap();
    store.due_webhooks(now).unwrap();
    store.due_deliveries(&hook(), now, 1).unwrap();
    store.next_due().unwrap();
    store.list_deliveries(&hook(), 1, 1).unwrap();
    store.count_deliveries(&hook()).unwrap();
    store.find_authorizer(&project).unwrap();
}

/// Calls what removes rows.
fn remove(store: &mut SqliteStore<'_>) {
    store.remove_subscription(&key(), &token()).unwrap();
    store.delete_token(&project(), &token()).unwrap();
    store.delete_channel(&key()).unwrap();
    store.delete_webhook(&project(), &hook()).unwrap();
    store.delete_authorizer(&project()).unwrap();
    store.delete_project_token(&project(), &ProjectTokenId::from("k")).unwrap();
    assert!(store.delete_admin_token(&AdminTokenId::from("a")).is_err());
    store.delete_project(&project()).unwrap();
}

#[test]
fn no_statement_walks_through_a_table_that_grows() {
    let Heard { statements, mut connection, _folder } = statements(|store| {
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
    let Heard { statements, mut connection, _folder } = statements(|store| {
        store.projects_with_channel(&key().id).unwrap();
    });
    let steps: Vec<_> =
        statements.iter().flat_map(|statement| plan(&mut connection, statement)).collect();
    assert_eq!(steps, ["SEARCH channels USING COVERING INDEX channels_by_id (id=?)"]);
}

#[test]
fn a_scan_is_noticed() {
    let Heard { mut connection, _folder, .. } = statements(|_| {});
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

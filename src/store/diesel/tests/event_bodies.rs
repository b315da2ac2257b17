//! What an event tells is in the database once, and not longer than somebody may be told.

use super::{SqliteFixture, channel, dump, project};
use crate::domain::delivery::KEEP_FOR;
use crate::domain::event::body_for;
use crate::domain::{
    Attempt, DeliveryKey, DeliveryOutcome, DueDelivery, EventId, EventKind, HookEvent, ProjectId,
    Stamp, Timestamp, Webhook, WebhookId,
};
use crate::store::contract::Fixture as _;
use crate::store::diesel::connection::{self, Role};
use crate::store::diesel::migrate::MIGRATIONS;
use crate::store::{Database, GroupStore, StoreResult, WriteStore};
use diesel::connection::SimpleConnection as _;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel_migrations::MigrationHarness as _;

/// A webhook that hears of new channels.
fn hook(id: &str) -> Webhook {
    Webhook {
        id: WebhookId::from(id),
        project: ProjectId::from("a"),
        url: String::new(),
        events: vec![EventKind::ChannelCreated.name().to_owned()],
        secret: String::new(),
        previous: None,
        disabled_at: None,
        created_at: Timestamp(1),
    }
}

/// A channel with a state of so many bytes was made.
fn event(id: &str, bytes: usize) -> HookEvent {
    let stamp = Stamp { id: EventId::from(id), at: Timestamp(1) };
    HookEvent::channel(stamp, EventKind::ChannelCreated, &channel("room", bytes))
}

/// Runs one write, which must succeed.
fn write(writer: &mut Box<dyn GroupStore>, run: impl Fn(&mut dyn WriteStore) -> StoreResult<()>) {
    let mut outcome = None;
    writer.group(&mut |store| outcome = Some(run(store))).unwrap();
    outcome.expect("the write ran").unwrap();
}

/// What a webhook is owed.
fn due(database: &dyn Database, id: &str) -> Vec<DueDelivery> {
    let mut found = Vec::new();
    let mut read = |store: &mut dyn crate::store::ReadStore| {
        found = store.due_deliveries(&WebhookId::from(id), Timestamp(1), 100).unwrap();
    };
    database.read(&mut read).unwrap();
    found
}

/// A number that SQL tells.
fn number(fixture: &SqliteFixture, query: &str) -> i64 {
    let mut connection = connection::open(&fixture.url(), Role::Reader).unwrap();
    sql::<BigInt>(query).get_result(&mut connection).unwrap()
}

/// How many bodies there are.
fn bodies(fixture: &SqliteFixture) -> i64 {
    number(fixture, "SELECT count(*) FROM event_bodies")
}

/// A delivery ended well.
fn deliver(writer: &mut Box<dyn GroupStore>, webhook: &str, event: &str) {
    let key = DeliveryKey { webhook: WebhookId::from(webhook), event: EventId::from(event) };
    let outcome = DeliveryOutcome::Delivered;
    let attempt = Attempt { at: Timestamp(2), status: Some(200), error: None, outcome };
    write(writer, |store| store.settle_delivery(&key, &attempt));
}

#[test]
fn a_hundred_webhooks_and_a_large_event_take_the_room_of_one() {
    let fixture = SqliteFixture::new();
    let database = fixture.open();
    let mut writer = database.writer().unwrap();
    let large = event("e", 100_000);
    write(&mut writer, |store| {
        store.create_project(&project())?;
        (0..100).try_for_each(|number| store.create_webhook(&hook(&format!("w{number}"))))?;
        assert_eq!(store.record_event(&large)?, 100);
        Ok(())
    });
    assert_eq!(bodies(&fixture), 1);
    let stored = number(&fixture, "SELECT sum(length(body)) FROM event_bodies");
    assert_eq!(stored, i64::try_from(large.body(1).len()).unwrap());
    let file =
        number(&fixture, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size");
    assert!(file < 1 << 20, "{file} bytes");
    for number in 0..100 {
        let id = format!("w{number}");
        let [owed] = &due(&*database, &id)[..] else { panic!("{id} is owed one event") };
        assert_eq!(owed.body, body_for(&WebhookId::from(id.as_str()), &large.body(1)).unwrap());
    }
}

#[test]
fn a_body_goes_with_its_last_delivery_however_that_goes() {
    let fixture = SqliteFixture::new();
    let database = fixture.open();
    let mut writer = database.writer().unwrap();
    write(&mut writer, |store| {
        store.create_project(&project())?;
        ["1", "2"].iter().try_for_each(|id| store.create_webhook(&hook(id)))?;
        ["x", "y", "z"].iter().try_for_each(|id| store.record_event(&event(id, 9)).map(drop))
    });
    assert_eq!(bodies(&fixture), 3);
    for (webhook, event) in [("1", "x"), ("2", "x"), ("1", "y")] {
        deliver(&mut writer, webhook, event);
    }
    assert_eq!(bodies(&fixture), 3, "what was delivered can be sent again");
    let late = Timestamp(2 + i64::try_from(KEEP_FOR.as_millis()).unwrap());
    write(&mut writer, |store| store.prune_deliveries(late).map(drop));
    assert_eq!(bodies(&fixture), 2, "`y` is owed to the second webhook");
    let delete = |id: &'static str| {
        move |store: &mut dyn WriteStore| {
            store.delete_webhook(&ProjectId::from("a"), &WebhookId::from(id))
        }
    };
    write(&mut writer, delete("1"));
    assert_eq!(due(&*database, "2").len(), 2);
    write(&mut writer, delete("2"));
    assert_eq!(bodies(&fixture), 0);
    write(&mut writer, |store| {
        ["3", "4"].iter().try_for_each(|id| store.create_webhook(&hook(id)))?;
        store.record_event(&event("w", 9)).map(drop)
    });
    assert_eq!(bodies(&fixture), 1);
    write(&mut writer, |store| store.delete_project(&ProjectId::from("a")));
    assert_eq!(bodies(&fixture), 0);
}

/// A body as it was stored for each webhook.
fn whole(webhook: &str, seq: i64) -> String {
    format!(
        r#"{{"webhook_id":"{webhook}","project_id":"a","id":"e{seq}","event":"é","data":{{"n":1.10,"seq":{seq}}}}}"#
    )
}

#[test]
fn what_was_owed_before_is_owed_to_the_byte_and_again_after_the_way_back() {
    let fixture = SqliteFixture::new();
    drop(fixture.open());
    let mut connection = connection::open(&fixture.url(), Role::Migrator).unwrap();
    let is_split = |connection: &mut SqliteConnection| {
        dump(connection).iter().any(|sql| sql.contains("event_bodies"))
    };
    assert!(is_split(&mut connection));
    while is_split(&mut connection) {
        connection.revert_last_migration(MIGRATIONS).unwrap();
    }
    let row = |webhook: &str, seq: i64, state: &str, attempts: i64| {
        let (body, is_retry) = (whole(webhook, seq), i64::from(attempts > 0));
        format!(
            "INSERT INTO deliveries VALUES ('{webhook}', 'e{seq}', 'a', {seq}, 'é', '{state}', 1,
             {attempts}, 1, 99, 500, 'status 500', NULL, '{body}', {is_retry});"
        )
    };
    let hook = |id: &str| {
        format!(
            "INSERT INTO webhooks (id, project_id, url, events, secret, created_at)
             VALUES ('{id}', 'a', '', '[]', '', 1);"
        )
    };
    let old = [
        "INSERT INTO projects VALUES ('a', '', 'a', 1);".to_owned(),
        hook("webhook_1"),
        hook("webhook_22"),
        row("webhook_1", 1, "pending", 3),
        row("webhook_22", 1, "pending", 0),
        row("webhook_22", 2, "delivered", 1),
        row("webhook_1", 2, "pending", 0),
    ];
    connection.batch_execute(&old.concat()).unwrap();
    let owed = |database: &dyn Database, webhook: &str| {
        let all = due(database, webhook).into_iter();
        all.map(|it| (it.key.event, it.body, it.attempts)).collect::<Vec<_>>()
    };
    let expected = |webhook: &str, what: &[(i64, i64)]| {
        let all = what.iter().map(|(seq, attempts)| {
            (EventId::from(format!("e{seq}").as_str()), whole(webhook, *seq), *attempts)
        });
        all.collect::<Vec<_>>()
    };
    for _ in 0..2 {
        let database = fixture.open();
        assert_eq!(owed(&*database, "webhook_1"), expected("webhook_1", &[(1, 3), (2, 0)]));
        assert_eq!(owed(&*database, "webhook_22"), expected("webhook_22", &[(1, 0)]));
        assert_eq!(bodies(&fixture), 2);
        while is_split(&mut connection) {
            connection.revert_last_migration(MIGRATIONS).unwrap();
        }
        let mut texts: Vec<String> =
            sql::<diesel::sql_types::Text>("SELECT body FROM deliveries ORDER BY webhook_id, seq")
                .load(&mut connection)
                .unwrap();
        texts.dedup();
        let all = [("webhook_1", 1), ("webhook_1", 2), ("webhook_22", 1), ("webhook_22", 2)];
        assert_eq!(texts, all.map(|(webhook, seq)| whole(webhook, seq)));
    }
}

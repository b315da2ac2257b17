//! Who takes from one outbox with others takes what they do not.

use super::store::DieselStore;
use super::*;
use crate::domain::{
    Attempt, DeliveryKey, DeliveryOutcome, EventId, EventKind, HookEvent, Stamp, Webhook, WebhookId,
};
use crate::store::{CLAIM, Claim, GroupStore, WriteStore};

/// A database with a webhook that is owed these events, and two writers on it.
fn owed(
    fixture: &PostgresFixture,
    events: &[&str],
) -> (PostgresDatabase, [Box<dyn GroupStore>; 2]) {
    let database = fixture.database();
    let beside = PostgresDatabase::open_beside(&fixture.url()).unwrap();
    let mut writers = [database.writer().unwrap(), beside.writer().unwrap()];
    let webhook = Webhook {
        id: hook(),
        project: project().id,
        url: "http://localhost/".to_owned(),
        events: vec!["channel.created".to_owned()],
        secret: String::new(),
        previous: None,
        disabled_at: None,
        created_at: Timestamp(1),
    };
    let mut fill = |store: &mut dyn WriteStore| {
        store.create_project(&project()).unwrap();
        store.create_webhook(&webhook).unwrap();
        for id in events {
            let stamp = Stamp { id: EventId::from(*id), at: Timestamp(1) };
            let event = HookEvent::channel(stamp, EventKind::ChannelCreated, &channel("x"));
            store.record_event(&event).unwrap();
        }
    };
    writers[0].group(&mut fill).unwrap();
    (database, writers)
}

/// The webhook.
fn hook() -> WebhookId {
    WebhookId::from("w")
}

/// The events that are claimed by somebody at a time.
fn claim(store: &mut dyn WriteStore, by: &str, at: i64, limit: u64) -> Vec<String> {
    let claim = Claim { by, now: Timestamp(at), limit };
    let claimed = store.claim_deliveries(&hook(), claim).unwrap();
    claimed.iter().map(|due| due.key.event.as_str().to_owned()).collect()
}

/// The same as a commit of its own.
fn claimed(writer: &mut dyn GroupStore, by: &str, at: i64, limit: u64) -> Vec<String> {
    let mut found = Vec::new();
    writer.group(&mut |store| found = claim(store, by, at, limit)).unwrap();
    found
}

/// Notes what became of an attempt.
fn settle(writer: &mut dyn GroupStore, event: &str, at: i64, outcome: DeliveryOutcome) {
    let key = DeliveryKey { webhook: hook(), event: EventId::from(event) };
    let attempt = Attempt { at: Timestamp(at), status: Some(500), error: None, outcome };
    writer.group(&mut |store| store.settle_delivery(&key, &attempt).unwrap()).unwrap();
}

/// Milliseconds of a claim.
fn claim_millis() -> i64 {
    i64::try_from(CLAIM.as_millis()).unwrap()
}

#[test]
fn two_that_claim_at_once_get_different_ones_and_nobody_waits() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let (_database, [mut one, _]) = owed(&fixture, &["a", "b", "c", "d", "e"]);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    // The other one claims and commits while this one is not committed yet; not as a writer does, who would wait at the gate.
    let mut other = fixture.connect();
    let mut run = |store: &mut dyn WriteStore| {
        first = claim(store, "one", 10, 2);
        second = claim(&mut DieselStore::new(&mut other), "other", 10, 9);
    };
    one.group(&mut run).unwrap();
    assert_eq!(first, ["a", "b"]);
    assert_eq!(second, ["c", "d", "e"]);
    assert_eq!(claimed(&mut *one, "one", 11, 9), ["a", "b"], "its own alone");
    assert_eq!(claimed(&mut *one, "third", 11, 9), [""; 0]);
}

#[test]
fn what_a_dead_one_had_claimed_is_claimed_again_when_that_is_over() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let (_database, [mut one, mut other]) = owed(&fixture, &["a", "b", "c"]);
    assert_eq!(claimed(&mut *one, "one", 10, 2), ["a", "b"]);
    assert_eq!(claimed(&mut *other, "other", 10, 9), ["c"]);
    drop(one);
    let over = 10 + claim_millis();
    assert_eq!(claimed(&mut *other, "other", over - 1, 9), ["c"]);
    assert_eq!(claimed(&mut *other, "other", over, 9), ["a", "b", "c"]);
    // A claim of a time that cannot have come yet is of a clock that was set back.
    let far = over + 60_000;
    assert_eq!(claimed(&mut *other, "other", far, 9), ["a", "b", "c"]);
    assert_eq!(claimed(&mut *other, "third", over, 9), [""; 0]);
    assert_eq!(claimed(&mut *other, "third", over - 1, 9), ["a", "b", "c"]);
}

#[test]
fn a_claim_ends_with_its_attempt_and_not_before() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let (_database, [mut one, mut other]) = owed(&fixture, &["a", "b", "c"]);
    assert_eq!(claimed(&mut *one, "one", 10, 9), ["a", "b", "c"]);
    settle(&mut *one, "a", 20, DeliveryOutcome::Retry(Timestamp(30)));
    settle(&mut *one, "b", 20, DeliveryOutcome::Delivered);
    let again = DeliveryKey { webhook: hook(), event: EventId::from("c") };
    let mut resend = |store: &mut dyn WriteStore| {
        store.resend_delivery(&project().id, &again, Timestamp(21)).unwrap();
    };
    other.group(&mut resend).unwrap();
    assert_eq!(claimed(&mut *other, "other", 29, 9), [""; 0], "the call is under way");
    assert_eq!(claimed(&mut *other, "other", 30, 9), ["a"]);
}

#[test]
fn a_server_that_has_the_database_alone_waits_for_no_dead_ones_claims() {
    let Some(fixture) = PostgresFixture::fresh() else { return };
    let (database, [mut one, other]) = owed(&fixture, &["a"]);
    assert_eq!(claimed(&mut *one, "one", 10, 9), ["a"]);
    drop((one, other, database));
    let database = fixture.database();
    let mut next = database.writer().unwrap();
    assert_eq!(claimed(&mut *next, "next", 11, 9), ["a"]);
}

//! Claims about events on their way to webhooks.

use super::{Bench, channel, key, project_id, state, webhook};
use crate::domain::delivery::{KEEP_FOR, RETRY_FOR};
use crate::domain::event::body_for;
use crate::domain::{
    Attempt, Delivery, DeliveryKey, DeliveryOutcome, DeliveryState, DueDelivery, EventId,
    EventKind, HookEvent, Stamp, Timestamp, Version, Webhook, WebhookId,
};
use crate::store::{Claim, Start, StoreError, StoreResult, Thing, WebhookUpdate};

/// `channel.created` in a project.
fn created(project: &str, id: &str, at: i64) -> HookEvent {
    let stamp = Stamp { id: EventId::from(id), at: Timestamp(at) };
    HookEvent::channel(stamp, EventKind::ChannelCreated, &channel(project, "room", 1))
}

/// Adds webhooks that hear of `channel.created`.
fn hooks(bench: &mut Bench, project: &str, ids: &[&str]) {
    for id in ids {
        bench.write(|store| store.create_webhook(&webhook(project, id, 1))).unwrap();
    }
}

/// Records an event and returns for how many webhooks.
fn record(bench: &mut Bench, event: &HookEvent) -> usize {
    bench.write(|store| store.record_event(event)).unwrap()
}

/// A webhook's deliveries, newest first.
fn list(bench: &Bench, webhook: &str) -> Vec<Delivery> {
    bench.read(|store| store.list_deliveries(&WebhookId::from(webhook), &Start::Skip(0), 100))
}

/// What a webhook is owed at a time.
fn due(bench: &Bench, webhook: &str, now: i64) -> Vec<DueDelivery> {
    bench.read(|store| store.due_deliveries(&WebhookId::from(webhook), Timestamp(now), 100))
}

/// The webhooks that are owed something at a time.
fn due_webhooks(bench: &Bench, now: i64) -> Vec<String> {
    let all: Vec<Webhook> = bench.read(|store| store.due_webhooks(Timestamp(now)));
    all.iter().map(|hook| hook.id.as_str().to_owned()).collect()
}

/// One delivery.
fn of(webhook: &str, event: &str) -> DeliveryKey {
    DeliveryKey { webhook: WebhookId::from(webhook), event: EventId::from(event) }
}

/// Notes what became of an attempt.
fn settle(bench: &mut Bench, webhook: &str, event: &str, at: i64, outcome: DeliveryOutcome) {
    let status = Some(if outcome == DeliveryOutcome::Delivered { 204 } else { 500 });
    let error = (outcome != DeliveryOutcome::Delivered).then(|| "status 500".to_owned());
    let attempt = Attempt { at: Timestamp(at), status, error, outcome };
    bench.write(|store| store.settle_delivery(&of(webhook, event), &attempt)).unwrap();
}

/// Milliseconds of a duration.
fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

pub(crate) fn an_event_is_stored_for_each_webhook_that_names_it(bench: &mut Bench) {
    assert_eq!(record(bench, &created("a", "none", 1)), 0);
    hooks(bench, "a", &["1", "2"]);
    hooks(bench, "b", &["3"]);
    let deaf = Webhook { events: vec!["channel.updated".to_owned()], ..webhook("a", "4", 1) };
    bench.write(|store| store.create_webhook(&deaf)).unwrap();
    let event = created("a", "event_1", 5);
    assert_eq!(record(bench, &event), 2);
    for (id, count) in [("1", 1), ("2", 1), ("3", 0), ("4", 0)] {
        assert_eq!(list(bench, id).len(), count, "{id}");
    }
    let expected = DueDelivery {
        key: of("2", "event_1"),
        project: project_id("a"),
        body: body_for(&WebhookId::from("2"), &event.body(1)).unwrap(),
        attempts: 0,
        gives_up_at: Timestamp(5 + millis(RETRY_FOR)),
    };
    assert_eq!(due(bench, "2", 5), [expected]);
}

pub(crate) fn numbers_rise_with_each_event_of_a_project(bench: &mut Bench) {
    hooks(bench, "a", &["1", "2"]);
    hooks(bench, "b", &["3"]);
    for (project, event) in [("a", "x"), ("a", "y"), ("b", "z")] {
        record(bench, &created(project, event, 1));
    }
    bench.write(|store| store.delete_webhook(&project_id("a"), &WebhookId::from("1"))).unwrap();
    bench.reopen();
    record(bench, &created("a", "w", 1));
    let seqs = |id: &str| list(bench, id).iter().map(|it| it.seq).collect::<Vec<_>>();
    assert_eq!((seqs("2"), seqs("3")), (vec![3, 2, 1], vec![1]));
}

pub(crate) fn an_event_stored_again_stays_what_it_was(bench: &mut Bench) {
    hooks(bench, "a", &["1"]);
    for event in ["x", "y"] {
        record(bench, &created("a", event, 1));
    }
    let before = due(bench, "1", 1);
    hooks(bench, "a", &["2"]);
    record(bench, &created("a", "x", 1));
    let heard = list(bench, "1");
    let all: Vec<_> = heard.iter().map(|it| (it.key.event.as_str(), it.seq)).collect();
    assert_eq!(all, [("y", 2), ("x", 1)]);
    assert_eq!(due(bench, "1", 1), before);
    assert!(list(bench, "2").is_empty(), "it happened before this one was there");
}

pub(crate) fn an_event_stands_and_falls_with_its_cause(bench: &mut Bench) {
    hooks(bench, "a", &["1"]);
    let mut outcomes = Vec::new();
    let group = bench.group(|store| {
        store.create_channel(&channel("a", "before", 1)).unwrap();
        outcomes.push(store.atomically(&mut |store| {
            store.create_channel(&channel("a", "half", 1))?;
            store.record_event(&created("a", "event_1", 1))?;
            store.set_state(&key("a", "half"), &state("{}"), Version(7))
        }));
        outcomes.push(store.atomically(&mut |store| {
            store.create_channel(&channel("a", "whole", 1))?;
            // One inside the other: the inner one alone falls.
            let inner: StoreResult<()> = store.atomically(&mut |store| {
                store.create_channel(&channel("a", "inner", 1))?;
                store.delete_channel(&key("a", "none"))
            });
            assert_eq!(inner, Err(StoreError::NotFound(Thing::Channel)));
            store.record_event(&created("a", "event_2", 1)).map(drop)
        }));
        store.create_channel(&channel("a", "xafter", 1)).unwrap();
    });
    assert_eq!(group, Ok(()));
    assert_eq!(outcomes, [Err(StoreError::VersionConflict), Ok(())]);
    assert_eq!(bench.channel_ids("a"), ["before", "whole", "xafter"]);
    assert_eq!(
        list(bench, "1").iter().map(|it| it.key.clone()).collect::<Vec<_>>(),
        [of("1", "event_2")]
    );
}

pub(crate) fn what_is_due_comes_by_webhook_and_time(bench: &mut Bench) {
    hooks(bench, "a", &["1", "2"]);
    assert_eq!(bench.read(|store| store.next_due()), None);
    for (event, at) in [("late", 9), ("early", 3), ("middle", 5)] {
        record(bench, &created("a", event, at));
    }
    assert_eq!(bench.read(|store| store.next_due()), Some(Timestamp(3)));
    assert!(due_webhooks(bench, 2).is_empty());
    assert_eq!(due_webhooks(bench, 3), ["1", "2"]);
    let events: Vec<EventId> = due(bench, "1", 5).into_iter().map(|it| it.key.event).collect();
    assert_eq!(events, ["early", "middle"].map(EventId::from));
    for event in ["early", "middle"] {
        settle(bench, "1", event, 6, DeliveryOutcome::Delivered);
    }
    assert_eq!(due_webhooks(bench, 8), ["2"]);
    let one = bench.read(|store| store.due_deliveries(&WebhookId::from("2"), Timestamp(9), 1));
    assert_eq!(one.len(), 1);
}

pub(crate) fn retries_and_first_attempts_take_turns(bench: &mut Bench) {
    hooks(bench, "a", &["1"]);
    for at in 1..=6 {
        record(bench, &created("a", &format!("e{at}"), at));
    }
    settle(bench, "1", "e1", 7, DeliveryOutcome::Retry(Timestamp(50)));
    settle(bench, "1", "e2", 7, DeliveryOutcome::Retry(Timestamp(40)));
    let order = |bench: &Bench, at: i64, limit: u64| {
        let id = WebhookId::from("1");
        let due = bench.read(|store| store.due_deliveries(&id, Timestamp(at), limit));
        due.into_iter().map(|due| due.key.event.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(order(bench, 39, 9), ["e3", "e4", "e5", "e6"]);
    assert_eq!(order(bench, 40, 9), ["e2", "e3", "e4", "e5", "e6"]);
    assert_eq!(order(bench, 50, 3), ["e2", "e3", "e1"]);
    assert_eq!(order(bench, 50, 9), ["e2", "e3", "e1", "e4", "e5", "e6"]);
    assert_eq!(due_webhooks(bench, 50), ["1"]);
}

pub(crate) fn what_waits_for_a_clock_that_was_set_back_is_brought_back(bench: &mut Bench) {
    hooks(bench, "a", &["1"]);
    let (now, longest, minute) = (1000, std::time::Duration::from_millis(100), 60_000);
    for (event, at) in [("now", 1), ("tried", 1), ("paused", 1), ("new", now + minute + 1)] {
        record(bench, &created("a", event, at));
    }
    settle(bench, "1", "tried", 2, DeliveryOutcome::Retry(Timestamp(now + 101 + minute)));
    settle(bench, "1", "paused", 2, DeliveryOutcome::Retry(Timestamp(now + 90)));
    let is_late =
        |bench: &Bench, at| bench.read(|store| store.is_due_too_late(Timestamp(at), longest));
    let times = |bench: &Bench| {
        let all = list(bench, "1").into_iter().map(|it| it.next_attempt_at.0 - now);
        all.collect::<Vec<_>>()
    };
    assert!(!is_late(bench, now + 1), "a minute is no reason to doubt the clock");
    // Either line alone is seen.
    settle(bench, "1", "new", 2, DeliveryOutcome::Retry(Timestamp(now)));
    assert!(is_late(bench, now));
    settle(bench, "1", "tried", 2, DeliveryOutcome::Delivered);
    assert!(!is_late(bench, now));
    record(bench, &created("a", "newer", now + minute + 1));
    assert!(is_late(bench, now));
    settle(bench, "1", "paused", 2, DeliveryOutcome::Retry(Timestamp(now + 101 + minute)));
    let mut bring_back =
        || bench.write(|store| store.bring_back_deliveries(Timestamp(now), longest)).unwrap();
    assert_eq!((bring_back(), bring_back()), (2, 0));
    // Newest first: one that was never tried is due now, one that was after the longest pause.
    assert_eq!(times(bench), [0, 0, 100, 101 + minute, 1 - now]);
    let newer = due(bench, "1", now).into_iter().find(|it| it.key.event == "newer".into());
    assert_eq!(newer.unwrap().gives_up_at, Timestamp(now + millis(RETRY_FOR)));
}

pub(crate) fn a_delivery_is_settled(bench: &mut Bench) {
    hooks(bench, "a", &["1"]);
    record(bench, &created("a", "x", 1));
    settle(bench, "1", "x", 2, DeliveryOutcome::Retry(Timestamp(50)));
    let seen = list(bench, "1").remove(0);
    assert_eq!((seen.state, seen.attempts), (DeliveryState::Pending, 1));
    assert_eq!((seen.last_status, seen.last_error.as_deref()), (Some(500), Some("status 500")));
    assert_eq!(seen.next_attempt_at, Timestamp(50));
    assert!(due(bench, "1", 49).is_empty());
    assert_eq!(due(bench, "1", 50).remove(0).attempts, 1);
    settle(bench, "1", "x", 51, DeliveryOutcome::Delivered);
    let seen = list(bench, "1").remove(0);
    assert_eq!((seen.state, seen.attempts), (DeliveryState::Delivered, 2));
    assert_eq!((seen.last_status, seen.last_error), (Some(204), None));
    assert_eq!(seen.delivered_at, Some(Timestamp(51)));
    record(bench, &created("a", "y", 1));
    settle(bench, "1", "y", 60, DeliveryOutcome::Dead);
    assert_eq!(list(bench, "1").remove(0).state, DeliveryState::Dead);
    assert!(due_webhooks(bench, i64::MAX).is_empty());
    settle(bench, "1", "unknown", 1, DeliveryOutcome::Dead);
}

pub(crate) fn what_is_claimed_is_what_is_due(bench: &mut Bench) {
    hooks(bench, "a", &["1", "2"]);
    for at in 1..=6 {
        record(bench, &created("a", &format!("e{at}"), at));
    }
    settle(bench, "1", "e1", 7, DeliveryOutcome::Retry(Timestamp(50)));
    settle(bench, "1", "e2", 7, DeliveryOutcome::Retry(Timestamp(40)));
    let id = WebhookId::from("1");
    for (now, limit) in [(2, 9), (39, 2), (50, 3), (50, 9)] {
        let now = Timestamp(now);
        let due = bench.read(|store| store.due_deliveries(&id, now, limit));
        let claim = Claim { by: "me", now, limit };
        // What is one's own already is claimed again: nobody else has it.
        assert_eq!(bench.write(|store| store.claim_deliveries(&id, claim)), Ok(due));
    }
    assert_eq!(due(bench, "2", 50).len(), 6, "another webhook's are not touched");
    settle(bench, "1", "e3", 51, DeliveryOutcome::Delivered);
    let claim = Claim { by: "me", now: Timestamp(51), limit: 9 };
    let left = bench.write(|store| store.claim_deliveries(&id, claim)).unwrap();
    let left: Vec<&str> = left.iter().map(|it| it.key.event.as_str()).collect();
    assert_eq!(left, ["e2", "e4", "e1", "e5", "e6"]);
}

pub(crate) fn an_endpoint_that_is_gone_hears_nothing_until_it_is_changed(bench: &mut Bench) {
    hooks(bench, "a", &["1", "2"]);
    for event in ["x", "y"] {
        record(bench, &created("a", event, 1));
    }
    settle(bench, "1", "x", 7, DeliveryOutcome::Gone);
    assert!(list(bench, "1").iter().all(|it| it.state == DeliveryState::Dead));
    assert!(list(bench, "2").iter().all(|it| it.state == DeliveryState::Pending));
    let find = |bench: &Bench| {
        bench.read(|store| store.find_webhook(&project_id("a"), &WebhookId::from("1"))).unwrap()
    };
    assert_eq!(find(bench).disabled_at, Some(Timestamp(7)));
    assert_eq!(record(bench, &created("a", "z", 8)), 1);
    let update = WebhookUpdate { url: Some("u".to_owned()), ..WebhookUpdate::default() };
    bench
        .write(|store| store.update_webhook(&project_id("a"), &WebhookId::from("1"), &update))
        .unwrap();
    assert_eq!(find(bench).disabled_at, None);
    assert_eq!(record(bench, &created("a", "w", 9)), 2);
}

pub(crate) fn a_delivery_can_be_sent_again(bench: &mut Bench) {
    hooks(bench, "a", &["1"]);
    record(bench, &created("a", "x", 1));
    settle(bench, "1", "x", 2, DeliveryOutcome::Dead);
    let mut resend = |project: &str, key: DeliveryKey| {
        bench.write(|store| store.resend_delivery(&project_id(project), &key, Timestamp(100)))
    };
    let missing = Err(StoreError::NotFound(Thing::Delivery));
    assert_eq!(resend("b", of("1", "x")), missing);
    assert_eq!(resend("a", of("1", "y")), missing);
    assert_eq!(resend("a", of("1", "x")), Ok(()));
    let again = due(bench, "1", 100).remove(0);
    assert_eq!((again.attempts, again.gives_up_at), (0, Timestamp(100 + millis(RETRY_FOR))));
}

pub(crate) fn deliveries_are_listed_newest_first(bench: &mut Bench) {
    hooks(bench, "a", &["1", "2"]);
    for at in 0..5 {
        record(bench, &created("a", &format!("e{at}"), at));
    }
    let id = WebhookId::from("1");
    let page = bench.read(|store| store.list_deliveries(&id, &Start::Skip(1), 2));
    assert_eq!(page.iter().map(|it| it.key.event.as_str()).collect::<Vec<_>>(), ["e3", "e2"]);
    let next = bench.read(|store| store.list_deliveries(&id, &Start::Behind(page[1].seq), 9));
    assert_eq!(next.iter().map(|it| it.key.event.as_str()).collect::<Vec<_>>(), ["e1", "e0"]);
    assert_eq!(page[0].event, "channel.created");
    assert_eq!(bench.read(|store| store.count_deliveries(&id)), 5);
}

pub(crate) fn a_delivery_is_found_with_what_is_posted(bench: &mut Bench) {
    hooks(bench, "a", &["1", "2"]);
    hooks(bench, "b", &["3"]);
    let event = created("a", "e", 1);
    record(bench, &event);
    let of = |webhook: &str, event: &str| DeliveryKey {
        webhook: WebhookId::from(webhook),
        event: EventId::from(event),
    };
    for webhook in ["1", "2"] {
        let found =
            bench.read(|store| store.find_delivery(&project_id("a"), &of(webhook, "e"))).unwrap();
        let body = body_for(&WebhookId::from(webhook), &event.body(1)).unwrap();
        assert_eq!((&found.0, found.1.as_str()), (&list(bench, webhook)[0], body.as_str()));
    }
    for (project, webhook, event) in [("b", "1", "e"), ("a", "3", "e"), ("a", "1", "x")] {
        let none =
            bench.read(|store| store.find_delivery(&project_id(project), &of(webhook, event)));
        assert_eq!(none.map(|it| it.0), None, "{project} {webhook} {event}");
    }
}

pub(crate) fn finished_deliveries_are_forgotten_after_a_while(bench: &mut Bench) {
    hooks(bench, "a", &["1"]);
    for (event, at) in [("delivered", 1), ("dead", 1), ("pending", 1), ("young", 1000)] {
        record(bench, &created("a", event, at));
    }
    settle(bench, "1", "delivered", 2, DeliveryOutcome::Delivered);
    settle(bench, "1", "dead", 2, DeliveryOutcome::Dead);
    settle(bench, "1", "young", 1001, DeliveryOutcome::Delivered);
    let mut prune = |at: i64| bench.write(|store| store.prune_deliveries(Timestamp(at))).unwrap();
    assert_eq!(prune(1 + millis(KEEP_FOR)), 0);
    assert_eq!(prune(2 + millis(KEEP_FOR)), 2);
    let left: Vec<EventId> = list(bench, "1").into_iter().map(|it| it.key.event).collect();
    assert_eq!(left, ["young", "pending"].map(EventId::from));
}

pub(crate) fn a_walk_through_deliveries_goes_on_behind_one_that_was_forgotten(bench: &mut Bench) {
    hooks(bench, "a", &["1"]);
    for at in 0..4 {
        record(bench, &created("a", &format!("e{at}"), at));
    }
    let seen = list(bench, "1");
    settle(bench, "1", "e2", 2, DeliveryOutcome::Delivered);
    let gone = bench.write(|store| store.prune_deliveries(Timestamp(3 + millis(KEEP_FOR))));
    assert_eq!(gone.unwrap(), 1);
    record(bench, &created("a", "new", 5));
    let start = Start::Behind(seen[1].seq);
    let rest = bench.read(|store| store.list_deliveries(&WebhookId::from("1"), &start, 9));
    assert_eq!(rest, seen[2..]);
}

pub(crate) fn a_deleted_webhook_takes_its_deliveries_along(bench: &mut Bench) {
    hooks(bench, "a", &["1", "2"]);
    record(bench, &created("a", "x", 1));
    bench.write(|store| store.delete_webhook(&project_id("a"), &WebhookId::from("1"))).unwrap();
    assert!(list(bench, "1").is_empty());
    assert_eq!(due_webhooks(bench, 9), ["2"]);
    settle(bench, "1", "x", 1, DeliveryOutcome::Retry(Timestamp(9)));
    assert!(list(bench, "1").is_empty());
}

pub(crate) fn an_event_is_told_as_long_as_one_delivery_is_left(bench: &mut Bench) {
    hooks(bench, "a", &["1", "2", "3"]);
    let event = created("a", "x", 1);
    record(bench, &event);
    let is_whole = |bench: &Bench, webhook: &str| {
        let body = body_for(&WebhookId::from(webhook), &event.body(1)).unwrap();
        due(bench, webhook, 100).into_iter().map(|it| it.body).eq([body])
    };
    bench.write(|store| store.delete_webhook(&project_id("a"), &WebhookId::from("1"))).unwrap();
    settle(bench, "2", "x", 2, DeliveryOutcome::Delivered);
    assert!(is_whole(bench, "3"));
    bench
        .write(|store| store.resend_delivery(&project_id("a"), &of("2", "x"), Timestamp(9)))
        .unwrap();
    assert!(is_whole(bench, "2"));
    settle(bench, "3", "x", 10, DeliveryOutcome::Dead);
    let late = Timestamp(2 + millis(KEEP_FOR));
    assert_eq!(bench.write(|store| store.prune_deliveries(late)), Ok(1));
    assert!(is_whole(bench, "2"));
    settle(bench, "2", "x", 11, DeliveryOutcome::Delivered);
    assert_eq!(bench.write(|store| store.prune_deliveries(late)), Ok(1));
    // Nothing of it is left that could keep an event of this id from being stored.
    record(bench, &event);
    assert_eq!(list(bench, "3").len(), 1);
}

pub(crate) fn what_is_owed_is_there_after_a_restart(bench: &mut Bench) {
    hooks(bench, "a", &["1"]);
    record(bench, &created("a", "x", 1));
    let before = due(bench, "1", 1);
    bench.reopen();
    assert_eq!(due(bench, "1", 1), before);
}

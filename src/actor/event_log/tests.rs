//! What becomes of events that nobody stores.

use super::*;
use crate::actor::persistence::Persistence;
use crate::domain::event::Sent;
use crate::domain::{
    ChannelId, ConnectionId, EventId, EventKind, Message, Project, RawJson, Stamp, Timestamp,
    Webhook, WebhookId,
};
use crate::faults::{CrashPoint, crash_at, has_crashed};
use crate::store::WriteStore;
use crate::store::diesel::SqliteDatabase;

/// A client's message of about so many bytes.
fn message(bytes: usize) -> HookEvent {
    let stamp = Stamp { id: EventId::from("event_1"), at: clock::now() };
    let data = RawJson::trusted(format!("\"{}\"", "x".repeat(bytes)));
    let sent = Sent {
        channel: &ChannelId::trusted("c"),
        token: None,
        connection: &ConnectionId::from("cid"),
        message: &Message { event: "E".into(), data },
    };
    HookEvent::message(stamp, &ProjectId::from("p"), sent)
}

/// Adds messages of a mebibyte, each of another client; returns what ends when the client may go on.
fn flood(log: &EventLog, count: usize) -> Vec<tokio::task::JoinHandle<()>> {
    let one = |_| {
        let log = log.clone();
        tokio::spawn(async move {
            if let Some((told, stored)) = log.make_room(message(1 << 20)).await {
                log.add(told);
                // Ends without an answer where nobody is to wait.
                let _ = stored.await;
            }
        })
    };
    (0..count).map(one).collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_until_it_is_stored_or_left_out_for_want_of_room() {
    let log = EventLog::default();
    let clients = flood(&log, 40);
    // Nothing is stored, so the clock runs to the end of their patience.
    tokio::time::sleep(2 * MESSAGE_PATIENCE).await;
    let waiting = clients.iter().filter(|client| !client.is_finished()).count();
    assert_eq!(waiting, 31, "as many as find room");
    assert_eq!(log.log().take_dropped(), 9);
    drop(log.next(100).await);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(log.0.messages.available_permits(), MESSAGES_KIB, "the room is given back");
}

#[tokio::test(start_paused = true)]
async fn while_the_store_takes_nothing_no_message_waits() {
    let log = EventLog::default();
    log.0.is_failing.store(true, Ordering::Relaxed);
    let began = tokio::time::Instant::now();
    for client in flood(&log, 40) {
        client.await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!((log.next(100).await.len(), log.log().take_dropped()), (31, 9));
}

#[actix::test]
async fn the_end_leaves_nobody_behind() {
    let folder = tempfile::tempdir().unwrap();
    let database = SqliteDatabase::open(&folder.path().join("warren.db"), 1).unwrap();
    let persistence = Persistence::start(Arc::new(database)).unwrap();
    let log = persistence.hooks().log().clone();
    let before = Arc::strong_count(&log.0);
    let holders = async |wanted| {
        for _ in 0..1000 {
            if Arc::strong_count(&log.0) == wanted {
                return true;
            }
            tokio::task::yield_now().await;
        }
        false
    };
    persistence.launch_event_log().await.unwrap();
    assert!(holders(before + 1).await, "the task holds it");
    persistence.end_event_log().await;
    assert!(holders(before).await, "the task has ended");
}

/// A store with a webhook that hears clients' messages, and its log at work.
async fn at_work(folder: &std::path::Path) -> Persistence {
    let database = SqliteDatabase::open(&folder.join("warren.db"), 1).unwrap();
    let persistence = Persistence::start(Arc::new(database)).unwrap();
    let made = persistence.write(move |store: &mut dyn WriteStore| {
        let (id, created_at) = (ProjectId::from("p"), Timestamp(1));
        let project = Project {
            id,
            name: "P".into(),
            namespace: "p".into(),
            allowed_origins: crate::domain::AllowedOrigins::default(),
            created_at,
        };
        store.create_project(&project)?;
        store.create_webhook(&Webhook {
            id: WebhookId::from("w"),
            project: project.id,
            url: String::new(),
            events: vec![EventKind::ChannelMessage.name().to_owned()],
            secret: String::new(),
            previous: None,
            disabled_at: None,
            created_at,
        })
    });
    made.await.unwrap();
    persistence.load_hooks().await.unwrap();
    persistence.launch_event_log().await.unwrap();
    persistence
}

/// Adds messages with these ids in one step; what came of each, stored or not.
async fn tell(persistence: &Persistence, ids: &[&str]) -> Vec<bool> {
    let log = persistence.hooks().log();
    let mut told = Vec::new();
    for id in ids {
        let event = HookEvent { id: EventId::from(*id), ..message(10) };
        told.push(log.make_room(event).await.unwrap());
    }
    let mut all = Vec::new();
    for (message, stored) in told {
        log.add(message);
        all.push(stored);
    }
    let mut outcomes = Vec::new();
    for stored in all {
        let stored = timeout(Duration::from_secs(30), stored).await;
        outcomes.push(stored.expect("it goes on").is_ok());
    }
    outcomes
}

/// The ids of what the webhook is to hear, sorted.
async fn due(persistence: &Persistence) -> Vec<String> {
    let later = Timestamp(i64::MAX);
    let due = persistence
        .read(move |store| store.due_deliveries(&WebhookId::from("w"), later, 100))
        .await
        .unwrap();
    let mut ids: Vec<_> = due.into_iter().map(|due| due.key.event.to_string()).collect();
    ids.sort();
    ids
}

#[actix::test]
async fn a_crash_over_an_event_costs_that_one_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let persistence = at_work(folder.path()).await;
    for round in 0..3 {
        crash_at(CrashPoint::EventAdded, 1);
        let ids = ["a", "b", "c"].map(|name| format!("{round}{name}"));
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        assert_eq!(tell(&persistence, &ids).await, [false, true, true]);
        assert!(has_crashed());
    }
    assert_eq!(due(&persistence).await, ["0b", "0c", "1b", "1c", "2b", "2c"]);
    let log = persistence.hooks().log();
    assert_eq!(log.0.messages.available_permits(), MESSAGES_KIB, "the room is given back");
    persistence.end_event_log().await;
}

#[actix::test]
async fn what_was_to_be_stored_in_a_crash_is_stored_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let persistence = at_work(folder.path()).await;
    for round in 0..3 {
        crash_at(CrashPoint::EventsStored, 1);
        let ids = ["a", "b"].map(|name| format!("{round}{name}"));
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        assert_eq!(tell(&persistence, &ids).await, [true, true]);
        assert!(has_crashed());
    }
    assert_eq!(due(&persistence).await, ["0a", "0b", "1a", "1b", "2a", "2b"]);
    persistence.end_event_log().await;
}

#[actix::test]
async fn what_is_crashed_over_again_and_again_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let persistence = at_work(folder.path()).await;
    crash_at(CrashPoint::EventsStored, 3);
    assert_eq!(tell(&persistence, &["a", "b"]).await, [false, false]);
    assert!(has_crashed());
    assert_eq!(tell(&persistence, &["c"]).await, [true]);
    assert_eq!(due(&persistence).await, ["c"]);
    persistence.end_event_log().await;
}

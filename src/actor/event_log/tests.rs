//! What becomes of events that nobody stores.

use super::*;
use crate::actor::persistence::Persistence;
use crate::domain::event::Sent;
use crate::domain::{ChannelId, ConnectionId, EventId, Message, RawJson, Stamp};
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

//! What subscribers and publishers see of a channel that keeps its messages while the store fails, or says that it did.

use super::direct::Speaker;
use super::*;
use crate::domain::Message;
use crate::store::{Database, GroupStore, ReadStore, StoreError, StoreResult, WriteStore};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What a test has in its hand.
#[derive(Clone, Default)]
struct Mood {
    /// Whether commits fail.
    refuses: Arc<AtomicBool>,
    /// Whether those that stand are said to have failed.
    lies: Arc<AtomicBool>,
    /// How many reads fail next.
    unreadable: Arc<AtomicUsize>,
}

/// A store that fails as a test wants it.
struct Moody<T>(T, Mood);

/// It is out of order.
fn failure() -> StoreError {
    StoreError::Unavailable("a test wants it".to_owned())
}

impl Database for Moody<SqliteDatabase> {
    fn writer(&self) -> StoreResult<Box<dyn GroupStore>> {
        Ok(Box::new(Moody(self.0.writer()?, self.1.clone())))
    }

    fn read(&self, run: &mut dyn FnMut(&mut dyn ReadStore)) -> StoreResult<()> {
        let one_less = |left: usize| left.checked_sub(1);
        let order = Ordering::SeqCst;
        if self.1.unreadable.fetch_update(order, order, one_less).is_ok() {
            return Err(failure());
        }
        self.0.read(run)
    }
}

impl GroupStore for Moody<Box<dyn GroupStore>> {
    fn group(&mut self, run: &mut dyn FnMut(&mut dyn WriteStore)) -> StoreResult<()> {
        if self.1.refuses.load(Ordering::SeqCst) {
            return Err(failure());
        }
        self.0.group(run)?;
        if self.1.lies.load(Ordering::SeqCst) { Err(failure()) } else { Ok(()) }
    }

    fn check(&mut self) -> StoreResult<()> {
        self.0.check()
    }

    fn probe(&mut self) -> StoreResult<()> {
        self.0.probe()
    }

    fn close(&mut self) -> StoreResult<()> {
        self.0.close()
    }
}

/// A room that keeps its messages, in a store that fails as a test wants it.
async fn room() -> (World, Mood) {
    let mood = Mood::default();
    let all = Capabilities::CLIENT_PUBLISH.union(Capabilities::HISTORY);
    let (before, settings) = (clock::after(Duration::from_mins(1)), Settings::default());
    let moody = mood.clone();
    let made = move |database| -> Arc<dyn Database> { Arc::new(Moody(database, moody)) };
    let world = World::over(made, &[("room", all)], before, &settings).await;
    (world, mood)
}

/// Publishes a message of this name; whether it was.
async fn say(world: &World, name: &str) -> bool {
    let message = Message { event: name.into(), data: RawJson::null() };
    world.supervisor.publish(&key("room"), message).await.is_ok()
}

#[actix_rt::test]
async fn what_stands_though_it_was_said_to_have_failed_is_heard_once_the_store_can_be_read() {
    let (world, mood) = room().await;
    let speaker = Speaker::enter(&world).await;
    assert!(say(&world, "first").await);
    speaker.hears("first").await;
    mood.lies.store(true, Ordering::SeqCst);
    mood.unreadable.store(3, Ordering::SeqCst);
    assert!(!say(&world, "second").await, "nobody knows");
    mood.lies.store(false, Ordering::SeqCst);
    let heard = speaker.hears("second").await;
    assert_eq!(mood.unreadable.load(Ordering::SeqCst), 0, "reading failed before");
    assert!(!heard.contains("AVAILABLE"), "the channel is the one that it was: {heard}");
    assert!(say(&world, "third").await);
    let heard = speaker.hears("third").await;
    assert!(!heard.contains("second"), "{heard}");
}

#[actix_rt::test]
async fn a_client_whose_message_cannot_be_kept_is_told_so_and_says_it_again_under_its_id() {
    let (world, mood) = room().await;
    let speaker = Speaker::enter(&world).await;
    // What it says goes straight to the channel.
    let (_resume, end) = tokio::sync::oneshot::channel();
    direct::session(&world).await.send(direct::Pause(end)).await.unwrap();
    mood.refuses.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        speaker.say_as("a");
        let heard = speaker.hears("storage_unavailable").await;
        assert!(!heard.contains(r#""e":"MESSAGE""#), "{heard}");
    }
    mood.refuses.store(false, Ordering::SeqCst);
    speaker.say_as("a");
    let heard = speaker.hears(r#""ref":"a""#).await;
    assert_eq!(heard.matches(r#""e":"MESSAGE""#).count(), 1, "{heard}");
    assert!(!heard.contains("replayed") && heard.contains(r#""s":""#), "{heard}");
    speaker.say_as("a");
    let heard = speaker.hears(r#""ref":"a""#).await;
    assert!(heard.contains(r#""replayed":true"#) && !heard.contains(r#""e":"MESSAGE""#), "{heard}");
}

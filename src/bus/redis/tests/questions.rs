//! Servers that ask each other.

use crate::bus::others::{Answering, Needed, OtherServers as _};
use crate::bus::redis::RedisBus;
use crate::bus::redis::server::{PATIENCE, RedisServer};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Answers with its name and the question.
struct Named {
    /// The name.
    name: &'static str,
    /// How often it was told that it may have missed something.
    missed: AtomicUsize,
}

impl Answering for Named {
    fn answer(&self, question: String) -> BoxFuture<'static, String> {
        let answer = format!("{}: {question}", self.name);
        async move { answer }.boxed()
    }

    fn missed(&self) {
        self.missed.fetch_add(1, Ordering::Relaxed);
    }
}

/// A server of that name.
async fn joined(redis: &RedisServer, name: &'static str) -> (RedisBus, Arc<Named>) {
    let bus = RedisBus::start(redis.url(), "test".to_owned()).await.unwrap();
    let named = Arc::new(Named { name, missed: AtomicUsize::new(0) });
    let answering: Arc<dyn Answering> = Arc::<Named>::clone(&named);
    bus.answer_by(answering).await.unwrap();
    (bus, named)
}

/// What all others say to a question, in the order of the alphabet.
async fn asked(bus: &RedisBus, needed: Needed) -> Vec<String> {
    let mut answers = bus.ask_others("?".to_owned(), needed).await.unwrap();
    assert!(!answers.is_one_missing);
    answers.said.sort();
    answers.said
}

#[tokio::test]
async fn all_others_answer_each_once_and_one_that_has_left_is_not_waited_for() {
    let Some(redis) = RedisServer::start().await else { return };
    let alone = RedisBus::start(redis.url(), "another".to_owned()).await.unwrap();
    let early = alone.ask_others("?".to_owned(), Needed::AllThatHear).await;
    assert!(early.is_err(), "nobody knows of it yet");
    let (a, _) = joined(&redis, "a").await;
    assert_eq!(asked(&a, Needed::AllThatLive).await, Vec::<String>::new());
    let ((b, _), (c, _)) = (joined(&redis, "b").await, joined(&redis, "c").await);
    for needed in [Needed::AllThatLive, Needed::AllThatHear] {
        assert_eq!(asked(&a, needed).await, ["b: ?", "c: ?"]);
        assert_eq!(asked(&b, needed).await, ["a: ?", "c: ?"]);
    }
    assert_eq!(a.lost_at(), None);
    c.leave_others().await;
    assert_eq!(asked(&a, Needed::AllThatLive).await, ["b: ?"]);
    let too_long = "?".repeat((8 << 20) + 1);
    assert!(a.ask_others(too_long, Needed::AllThatHear).await.is_err());
}

#[tokio::test]
async fn one_that_has_gone_is_seen_to_be_missing_and_waited_for_only_where_it_has_to_be() {
    let Some(redis) = RedisServer::start().await else { return };
    let (a, _) = joined(&redis, "a").await;
    let (b, _) = joined(&redis, "b").await;
    drop(b);
    let gone = async {
        loop {
            let hasty = a.ask_others("?".to_owned(), Needed::AllThatHear).await.unwrap();
            if hasty.said.is_empty() {
                return hasty.is_one_missing;
            }
            // Between two questions: Redis tells nobody that somebody hears no more.
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(PATIENCE, gone).await.unwrap(), "its lease is not over");
    // And then it is.
    let patient = a.ask_others("?".to_owned(), Needed::AllThatLive).await.unwrap();
    assert!(patient.said.is_empty() && !patient.is_one_missing);
    assert!(a.lost_at().is_some());
}

#[tokio::test]
async fn whoever_was_cut_off_is_told_that_it_may_have_missed_something_and_is_asked_again() {
    let Some(mut redis) = RedisServer::start().await else { return };
    let ((a, first), (_b, second)) = (joined(&redis, "a").await, joined(&redis, "b").await);
    assert_eq!(asked(&a, Needed::AllThatLive).await, ["b: ?"]);
    redis.restart().await;
    let back = async {
        while first.missed.load(Ordering::Relaxed) == 0
            || second.missed.load(Ordering::Relaxed) == 0
        {
            // Between two looks.
            sleep(Duration::from_millis(20)).await;
        }
        loop {
            if let Ok(answers) = a.ask_others("?".to_owned(), Needed::AllThatLive).await {
                return answers.said;
            }
        }
    };
    assert_eq!(timeout(PATIENCE, back).await.unwrap(), ["b: ?"]);
}

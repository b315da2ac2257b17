//! What a batch of messages that are kept costs and does: commits, counted in the log of the database.

use super::*;
use actix_web::test::{TestRequest, call_and_read_body_json, init_service};
use actix_web::{App, web};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How many items a batch has.
const ITEMS: u64 = 60;

/// A server with two channels that keep their messages, and the log of its database.
async fn stage(folder: &Path) -> (Warren, [ChannelKey; 2], PathBuf) {
    let warren = Warren::open(config(folder)).await.unwrap();
    let keys = ["one", "two"].map(|id| Warren::channel("project_x", id).unwrap());
    for key in &keys {
        let made = warren.create_channel(key, Visibility::Public, Capabilities::HISTORY);
        made.await.unwrap();
    }
    (warren, keys, folder.join("data/warren.db-wal"))
}

/// How many commits the log of a database holds: each ends with a frame that says how large the database is then.
fn commits(log: &Path) -> usize {
    let bytes = std::fs::read(log).unwrap();
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let page = usize::try_from(number(8)).unwrap();
    let salt = bytes[16..24].to_vec();
    let frames = (32..bytes.len()).step_by(24 + page);
    frames.filter(|at| bytes[at + 8..at + 16] == salt && number(at + 4) > 0).count()
}

/// Does something while no commit ends, until so many more writes wait for it; returns what came of it, and how many
/// commits it took.
async fn held_up<T>(
    warren: &Warren,
    log: &Path,
    writes: usize,
    work: impl Future<Output = T>,
) -> (T, usize) {
    let persistence = &warren.0.app.persistence;
    let earlier = persistence.writes_handed();
    let (end, ended) = mpsc::channel::<()>();
    let (begin, begun) = oneshot::channel();
    let held = persistence.write(move |_| {
        begin.send(()).unwrap();
        ended.recv().unwrap();
        Ok(())
    });
    // From here on nothing joins its commit.
    begun.await.unwrap();
    let before = commits(log);
    let all_are_sent = async {
        for _ in 0..20_000 {
            if persistence.writes_handed() > earlier + writes {
                break;
            }
            // Between two looks.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let seen = persistence.writes_handed() - earlier;
        end.send(()).unwrap();
        seen
    };
    let (done, seen) = futures_util::join!(work, all_are_sent);
    held.await.unwrap();
    assert_eq!(seen, writes + 1, "they wait for each other");
    (done, commits(log) - before)
}

/// A call of the project's back end; what it is answered.
async fn call(warren: &Warren, request: TestRequest) -> Value {
    let service = init_service(App::new().service(web::scope("").configure(warren.configure())));
    let token = warren.first_run().unwrap().project_token().to_owned();
    let request = request.insert_header(("Authorization", token)).to_request();
    call_and_read_body_json(&service.await, request).await
}

/// What a channel keeps: what its messages are called, in order.
async fn kept(warren: &Warren, key: &ChannelKey) -> Vec<String> {
    let path = format!("/v1/channels/{}/messages?limit=1000", key.id.as_str());
    let page = call(warren, TestRequest::get().uri(&path)).await;
    let messages = page["data"]["messages"].as_array().unwrap().iter();
    messages.map(|message| message["e"].as_str().unwrap().to_owned()).collect()
}

/// Asserts that both channels keep what was said there, in order.
async fn assert_kept(warren: &Warren, keys: &[ChannelKey; 2]) {
    for (key, odd) in keys.iter().zip([0, 1]) {
        let said: Vec<_> =
            (0..ITEMS).filter(|n| n % 2 == odd && n % 10 < 8).map(|n| n.to_string()).collect();
        assert_eq!(kept(warren, key).await, said);
    }
}

#[actix_rt::test]
async fn messages_that_are_kept_and_states_share_a_commit() {
    let folder = tempfile::tempdir().unwrap();
    let (warren, keys, log) = stage(folder.path()).await;
    let item = |number: u64| {
        let key = &keys[usize::try_from(number % 2).unwrap()];
        let json = RawJson::parse(&format!("{{\"n\":{number}}}")).unwrap();
        match number % 10 {
            8 | 9 => BatchItem::change(key, StateChange::Shallow(json)),
            _ => BatchItem::publish(key, &number.to_string(), &1).unwrap(),
        }
    };
    let items = (0..ITEMS).map(item).collect();
    let writes = usize::try_from(ITEMS).unwrap();
    let (outcomes, commits) = held_up(&warren, &log, writes, warren.batch(items)).await;
    assert_eq!(commits, 1);
    for (outcome, number) in outcomes.unwrap().into_iter().map(version).zip(0..ITEMS) {
        let made = outcome.unwrap();
        assert_eq!(made.is_some(), number % 10 >= 8, "{number}");
    }
    assert_kept(&warren, &keys).await;
    warren.shutdown().await;
}

#[actix_rt::test]
async fn so_they_do_in_a_request_and_each_has_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (warren, keys, log) = stage(folder.path()).await;
    let item = |number: u64| {
        let channel = keys[usize::try_from(number % 2).unwrap()].id.as_str();
        match number % 10 {
            8 | 9 => json!({"method": "PATCH", "path": format!("/v1/channels/{channel}/state"),
                "body": {"n": number}}),
            _ => json!({"method": "POST", "path": format!("/v1/channels/{channel}/messages"),
                "body": {"e": number.to_string()}}),
        }
    };
    let items: Vec<_> = (0..ITEMS).map(item).collect();
    let request = TestRequest::post().uri("/v1/batch").set_json(json!({"items": items}));
    let call = call(&warren, request);
    let writes = usize::try_from(ITEMS).unwrap();
    let (answer, commits) = held_up(&warren, &log, writes, call).await;
    assert_eq!(commits, 1);
    let results = answer["data"]["results"].as_array().unwrap();
    assert_eq!(results.len(), items.len());
    for (result, number) in results.iter().zip(0..ITEMS) {
        let status = if number % 10 < 8 { 204 } else { 200 };
        assert_eq!(result["status"], status, "{result}");
    }
    assert_kept(&warren, &keys).await;
    warren.shutdown().await;
}

#[actix_rt::test]
async fn what_is_not_kept_is_heard_behind_what_was_stored_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (warren, keys, log) = stage(folder.path()).await;
    let hello = Warren::channel("project_x", "hello").unwrap();
    let say = |key, name| BatchItem::publish(key, name, &1).unwrap();
    let items = vec![say(&keys[0], "a"), say(&keys[1], "b"), say(&hello, "c"), say(&keys[0], "d")];
    // The third waits for the first two, and with it the last.
    let (outcomes, commits) = held_up(&warren, &log, 2, warren.batch(items)).await;
    assert_eq!(commits, 2);
    assert!(outcomes.unwrap().into_iter().all(|outcome| outcome.is_ok()));
    assert_eq!(kept(&warren, &keys[0]).await, ["a", "d"]);
    warren.shutdown().await;
}

mod batches;

use super::*;
use crate::config::ServeArgs;
use crate::domain::{LeapTokenId, MailId, MailState, RawJson, StateChange, Version};
use crate::http::NewToken;
use crate::store::Thing;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// The configuration of a server in this folder, and of no file of the working folder.
fn config(folder: &Path) -> Config {
    let file = folder.join("warren.toml");
    std::fs::write(&file, "workers = 2\nproject = \"project_x\"\n[limits]\nmessage-bytes = 9\n")
        .unwrap();
    let (config, data) = (Some(file), Some(folder.join("data")));
    Config::load(ServeArgs { data, config, ..ServeArgs::default() }).unwrap()
}

#[actix_rt::test]
async fn it_is_opened_once_and_after_its_end_again() {
    let folder = tempfile::tempdir().unwrap();
    let warren = Warren::open(config(folder.path())).await.unwrap();
    let first = warren.first_run().unwrap();
    assert_eq!(first.project().as_str(), "project_x");
    assert!(first.project_token().starts_with("ptk_") && first.admin_token().starts_with("pat_"));
    let second = Warren::open(config(folder.path())).await;
    assert!(matches!(second.err(), Some(ServerError::InUse(_))));

    let key = Warren::channel("project_x", "hello").unwrap();
    let set = warren.state(&key).replace(&json!({"a": 1})).await.unwrap();
    assert_eq!(set.version, Version(2));
    warren.shutdown().await;
    warren.shutdown().await;
    assert_eq!(warren.publish(&key, "A", &()).await, Err(ApiError::Overloaded));

    let again = Warren::open(config(folder.path())).await.unwrap();
    assert!(again.first_run().is_none());
    let kept = again.state(&key).read().await.unwrap();
    assert_eq!((kept.state.json().as_str(), kept.version), (r#"{"a":1}"#, Version(2)));
    again.shutdown().await;
}

#[test]
fn without_an_actix_system_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let opened = runtime.block_on(Warren::open(config(folder.path())));
    assert!(matches!(opened.err(), Some(ServerError::NoSystem)));
}

#[actix_rt::test]
async fn calls_fail_as_the_api_does() {
    let folder = tempfile::tempdir().unwrap();
    let warren = Warren::open(config(folder.path())).await.unwrap();
    assert!(matches!(Warren::channel("project_x", "a/b"), Err(ApiError::InvalidId(_))));
    let missing = Warren::channel("project_x", "missing").unwrap();
    let no_channel = || ApiError::NotFound(Thing::Channel);
    assert_eq!(warren.publish(&missing, "A", &1).await, Err(no_channel()));
    assert_eq!(warren.state(&missing).read().await.unwrap_err(), no_channel());
    assert_eq!(warren.state(&missing).patch(&json!({})).await.unwrap_err(), no_channel());

    let key = Warren::channel("project_x", "room").unwrap();
    let create = |key| warren.create_channel(key, Visibility::Public, Capabilities::default());
    assert_eq!(create(&key).await.unwrap().version, Version::FIRST);
    assert_eq!(create(&key).await, Err(ApiError::Exists(Thing::Channel)));
    let elsewhere = Warren::channel("project_y", "room").unwrap();
    assert_eq!(create(&elsewhere).await, Err(ApiError::NotFound(Thing::Project)));

    assert_eq!(warren.publish(&key, "A", "1234567").await, Ok(()));
    let large = warren.publish(&key, "A", "12345678").await;
    assert_eq!(large, Err(ApiError::TooLarge { limit: 9, size: 10 }));
    let long = warren.publish(&key, &"x".repeat(257), &()).await;
    assert!(matches!(long, Err(ApiError::InvalidBody { field: Some("event"), .. })));

    let state = warren.state(&key).at(Version::FIRST);
    assert_eq!(state.merge(&json!({"a": {"b": 1}})).await.unwrap().version, Version(2));
    let stale = state.merge(&json!({"a": null})).await;
    assert!(matches!(stale, Err(ApiError::VersionConflict { .. })));
    assert!(matches!(warren.state(&key).replace(&[1]).await, Err(ApiError::InvalidBody { .. })));
    warren.shutdown().await;
}

#[actix_rt::test]
async fn tokens_are_made_found_and_deleted_in_their_project() {
    let folder = tempfile::tempdir().unwrap();
    let warren = Warren::open(config(folder.path())).await.unwrap();
    let tokens = warren.tokens("project_x");
    let room = Warren::channel("project_x", "hello").unwrap();
    let wanted = NewToken { permanent: vec![room.id], ..NewToken::default() };
    let token = tokens.create(wanted.clone()).await.unwrap();
    assert_eq!(tokens.find(&token.id).await.unwrap(), token);
    assert!(!tokens.is_online(&token.id));

    let others = warren.tokens("project_y");
    let no_token = || ApiError::NotFound(Thing::Token);
    assert_eq!(others.find(&token.id).await, Err(no_token()));
    assert_eq!(others.delete(&token.id).await, Err(no_token()));
    let refused = others.create(NewToken::default()).await;
    assert_eq!(refused, Err(ApiError::NotFound(Thing::Project)));
    let nowhere = NewToken {
        permanent: vec!["nowhere"].into_iter().map(ChannelId::trusted).collect(),
        ..wanted
    };
    assert!(matches!(tokens.create(nowhere).await, Err(ApiError::NoSuchChannel(_))));

    assert_eq!(tokens.delete(&token.id).await, Ok(()));
    assert_eq!(tokens.find(&token.id).await, Err(no_token()));
    assert_eq!(tokens.delete(&LeapTokenId::from("leap_token_x")).await, Err(no_token()));
    warren.shutdown().await;
}

#[actix_rt::test]
async fn mails_wait_and_can_be_asked_about_in_their_project() {
    let folder = tempfile::tempdir().unwrap();
    let warren = Warren::open(config(folder.path())).await.unwrap();
    let tokens = warren.tokens("project_x");
    let token = tokens.create(NewToken::default()).await.unwrap().id;
    let hour = Duration::from_hours(1);
    let mail = tokens.mail(&token, "A", "1", hour).await.unwrap();
    assert_eq!(tokens.mail_status(&token, mail).await.unwrap().state, MailState::Queued);
    let waiting = BatchItem::direct("project_x", &token, "A", &()).unwrap().waiting(hour);
    let posted = warren.batch(vec![waiting]).await.unwrap().remove(0);
    assert_eq!(version(posted), Ok(None));
    let second = MailId(mail.0.next());
    assert_eq!(tokens.mail_status(&token, second).await.unwrap().state, MailState::Queued);
    let third = tokens.mail_status(&token, MailId(second.0.next())).await;
    assert_eq!(third, Err(ApiError::NotFound(Thing::Mail)));
    for ttl in [Duration::ZERO, Duration::from_hours(1000)] {
        let refused = tokens.mail(&token, "A", "1", ttl).await;
        assert!(matches!(refused, Err(ApiError::InvalidBody { field: Some("ttl"), .. })));
    }
    let others = warren.tokens("project_y");
    let no_token = ApiError::NotFound(Thing::Token);
    assert_eq!(others.mail(&token, "A", "1", hour).await, Err(no_token.clone()));
    assert_eq!(others.mail_status(&token, mail).await, Err(no_token));
    warren.shutdown().await;
}

#[actix_rt::test]
async fn a_batch_is_carried_out_in_order_and_each_item_fails_for_itself() {
    let folder = tempfile::tempdir().unwrap();
    let warren = Warren::open(config(folder.path())).await.unwrap();
    let room = Warren::channel("project_x", "hello").unwrap();
    let missing = Warren::channel("project_x", "missing").unwrap();
    let token = warren.tokens("project_x").create(NewToken::default()).await.unwrap();
    let change = |channel, n: u64| {
        let json = RawJson::parse(&format!("{{\"n\":{n}}}")).unwrap();
        BatchItem::change(channel, StateChange::Shallow(json))
    };
    let outcomes = warren.batch(vec![
        change(&room, 1),
        BatchItem::publish(&room, "A", "1").unwrap(),
        change(&missing, 2),
        change(&room, 3).at(Version(2)),
        change(&room, 4).at(Version(2)),
        BatchItem::publish(&room, "A", "12345678").unwrap(),
        BatchItem::direct("project_x", &token.id, "A", &()).unwrap(),
        BatchItem::direct("project_y", &token.id, "A", &()).unwrap(),
        change(&room, 5),
    ]);
    let outcomes: Vec<_> = outcomes.await.unwrap().into_iter().map(version).collect();
    let conflict = ApiError::VersionConflict { current: Some(Version(3)) };
    assert_eq!(
        outcomes,
        [
            Ok(Some(Version(2))),
            Ok(None),
            Err(ApiError::NotFound(Thing::Channel)),
            Ok(Some(Version(3))),
            Err(conflict),
            Err(ApiError::TooLarge { limit: 9, size: 10 }),
            Ok(None),
            Err(ApiError::NotFound(Thing::Token)),
            Ok(Some(Version(4))),
        ]
    );
    let kept = warren.state(&room).read().await.unwrap();
    assert_eq!(kept.state.json().as_str(), r#"{"n":5}"#);
    let many = vec![change(&room, 6); 1001];
    assert!(matches!(warren.batch(many).await, Err(ApiError::InvalidBody { .. })));
    warren.shutdown().await;
}

/// The version that an item made.
fn version(outcome: BatchOutcome) -> Result<Option<Version>, ApiError> {
    outcome.map(|made| made.map(|changed| changed.version))
}

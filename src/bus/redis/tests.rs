//! What a bus on Redis must do, tried on a real one.

mod fence;
mod order;
mod questions;
mod window;

use super::server::{PATIENCE, RedisServer};
use super::{HeardEntry, LineName, RedisWire, WireError};
use crate::bus::shared::{AppendOutcome, LineOpening, Proposal};
use crate::bus::{LineEntry, Ordered};
use crate::domain::{ChannelId, ChannelKey, Epoch, Message, ProjectId, RawJson, State, Version};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The channel of these tests.
fn line() -> LineName {
    let (project, id) = (ProjectId::from("p"), ChannelId::trusted("c"));
    LineName::channel("test", &ChannelKey { project, id })
}

/// An epoch that no line has had.
fn fresh() -> Epoch {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Epoch(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A message with a number in it.
fn message(epoch: Epoch, number: u64) -> Proposal {
    let data = RawJson::trusted(number.to_string());
    let entry = LineEntry::Message(Message { event: "e".into(), data });
    Proposal { epoch, entry, is_repair: false }
}

/// A state, whose number stands in it too.
fn state(epoch: Epoch, version: i64) -> Proposal {
    let state = State::trusted(&format!("{{\"v\":{version}}}"));
    let entry = LineEntry::State { state, version: Version(version) };
    Proposal { epoch, entry, is_repair: false }
}

/// The same, for all before it that were not said.
fn repair(epoch: Epoch, version: i64) -> Proposal {
    Proposal { is_repair: true, ..state(epoch, version) }
}

/// A line opened, with nothing in the store but a first state.
async fn opened(wire: &RedisWire) -> LineOpening {
    let standing = wire.open(&line(), 1, fresh()).await.unwrap();
    wire.settle(&line(), standing.position.epoch, Version(0)).await.unwrap();
    standing
}

/// What an entry says, in short: the text of a message, `v` and the version of a state.
fn short(ordered: &Ordered) -> String {
    match &ordered.entry {
        LineEntry::Message(message) => message.data.as_str().to_owned(),
        LineEntry::State { version, .. } => format!("v{version}"),
        LineEntry::Kept { position, .. } => format!("kept {position}"),
        LineEntry::KeptState { position, .. } => format!("kept state {position}"),
        LineEntry::Reread => "reread".to_owned(),
    }
}

/// The next so many that are heard.
async fn next(hearing: &mut mpsc::Receiver<HeardEntry>, count: usize) -> Vec<Ordered> {
    let mut found = Vec::new();
    while found.len() < count {
        found.push(timeout(PATIENCE, hearing.recv()).await.unwrap().unwrap().ordered);
    }
    found
}

/// The same, in short.
async fn next_short(hearing: &mut mpsc::Receiver<HeardEntry>, count: usize) -> Vec<String> {
    next(hearing, count).await.iter().map(short).collect()
}

#[tokio::test]
async fn an_address_that_is_none_is_not_quoted() {
    for address in ["rediss://:secret@host", "http://user:secret@host", "secret"] {
        let (heard, _hearing) = mpsc::channel(1);
        let error = RedisWire::connect(address, heard).await.err().unwrap();
        assert_eq!(error, WireError::Address, "{address}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn a_password_that_is_refused_is_not_quoted() {
    let Some(server) = RedisServer::start().await else { return };
    let (heard, _hearing) = mpsc::channel(1);
    let address = format!("redis://user:secret@127.0.0.1:{}", server.port());
    let error = RedisWire::connect(&address, heard).await.err().unwrap();
    assert!(matches!(error, WireError::Lost(_)), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("secret"));
}

#[tokio::test]
async fn who_does_not_keep_up_loses_the_connection() {
    let Some(server) = RedisServer::start().await else { return };
    let (heard, _hearing) = mpsc::channel(2);
    let slow = RedisWire::connect(&server.url(), heard).await.unwrap();
    slow.subscribe(&line()).await.unwrap();
    let (wire, _) = server.wire().await;
    let at = opened(&wire).await.position;
    for number in 0..3 {
        assert!(slow.is_whole(), "{number}");
        wire.append(&line(), &message(at.epoch, number)).await.unwrap();
    }
    timeout(PATIENCE, slow.lost()).await.unwrap();
    let refused = slow.append(&line(), &message(at.epoch, 9)).await;
    assert!(matches!(refused, Err(WireError::Lost(_))), "{refused:?}");
}

#[tokio::test]
async fn a_connection_that_hears_nothing_is_noticed() {
    let Some(server) = RedisServer::start().await else { return };
    let (wire, _hearing) = server.wire().await;
    for _ in 0..3 {
        wire.probe(PATIENCE).await.unwrap();
    }
    wire.deafen().await;
    let patience = Duration::from_millis(200);
    assert!(matches!(wire.probe(patience).await, Err(WireError::Lost(_))));
    assert!(!wire.is_whole());
    let (wire, _hearing) = server.wire().await;
    wire.probe(PATIENCE).await.unwrap();
    server.freeze();
    assert!(matches!(wire.probe(patience).await, Err(WireError::Lost(_))));
    timeout(PATIENCE, wire.lost()).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_ended_is_noticed() {
    let Some(server) = RedisServer::start().await else { return };
    let (wire, _hearing) = server.wire().await;
    server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    timeout(PATIENCE, wire.lost()).await.unwrap();
    assert!(wire.open(&line(), 1, fresh()).await.is_err());
}

/// A standing that has moved on.
fn assert_moved(before: LineOpening, after: LineOpening) {
    assert_ne!(before.position.epoch, after.position.epoch);
    assert_eq!((after.position.offset, after.durable), (0, None));
}

/// What comes of a proposal that has to be ordered.
async fn ordered(wire: &RedisWire, proposal: &Proposal) -> u64 {
    match wire.append(&line(), proposal).await.unwrap() {
        AppendOutcome::At(position) => position.offset,
        other => panic!("{other:?}"),
    }
}

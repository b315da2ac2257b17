//! What can be read again.

use super::*;
use crate::domain::Position;

#[tokio::test]
async fn what_was_missed_is_read_in_order() {
    let Some(server) = RedisServer::start().await else { return };
    let (wire, _hearing) = server.wire().await;
    let at = opened(&wire).await.position;
    for number in 1..=5 {
        ordered(&wire, &message(at.epoch, number)).await;
    }
    let behind = |offset| Position { offset, ..at };
    let found = wire.read(&line(), behind(2)).await.unwrap();
    assert_eq!(found.entries.iter().map(short).collect::<Vec<_>>(), ["3", "4", "5"]);
    assert_eq!(found.entries[0].position, behind(3));
    assert_eq!(found.position, Some(behind(5)));
    assert!(wire.read(&line(), behind(5)).await.unwrap().entries.is_empty());
    let other = Position { epoch: Epoch(1), offset: 4 };
    assert_eq!(wire.read(&line(), other).await.unwrap().entries.len(), 5);
}

#[tokio::test]
async fn a_window_is_bounded_in_number() {
    let Some(server) = RedisServer::start().await else { return };
    let (wire, _hearing) = server.wire().await;
    let at = opened(&wire).await.position;
    for number in 1..=300 {
        ordered(&wire, &message(at.epoch, number)).await;
    }
    let found = wire.read(&line(), at).await.unwrap();
    assert_eq!(found.entries.len(), 256);
    assert_eq!(short(&found.entries[0]), "45");
    assert_eq!(found.position.unwrap().offset, 300);
}

#[tokio::test]
async fn a_window_is_bounded_in_bytes_but_holds_one_of_any_size() {
    let Some(server) = RedisServer::start().await else { return };
    let (wire, _hearing) = server.wire().await;
    let at = opened(&wire).await.position;
    let large = |kib: usize| {
        let data = RawJson::trusted(format!("\"{}\"", "x".repeat(kib << 10)));
        let entry = LineEntry::Message(Message { event: "e".into(), data });
        Proposal { epoch: at.epoch, entry, is_repair: false }
    };
    let offsets = async || {
        let found = wire.read(&line(), at).await.unwrap();
        found.entries.iter().map(|ordered| ordered.position.offset).collect::<Vec<_>>()
    };
    for _ in 0..4 {
        ordered(&wire, &large(300)).await;
    }
    assert_eq!(offsets().await, [2, 3, 4]);
    ordered(&wire, &large(2048)).await;
    assert_eq!(offsets().await, [5]);
    ordered(&wire, &large(1)).await;
    assert_eq!(offsets().await, [6]);
}

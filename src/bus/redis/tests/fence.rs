//! No place is given out twice, whichever server orders.

use super::*;

#[tokio::test]
async fn an_emptied_memory_begins_a_new_epoch() {
    let Some(mut server) = RedisServer::start().await else { return };
    let (wire, _hearing) = server.wire().await;
    let before = opened(&wire).await;
    ordered(&wire, &message(before.position.epoch, 1)).await;
    server.restart().await;
    timeout(PATIENCE, wire.lost()).await.unwrap();
    let (wire, _hearing) = server.wire().await;
    let stale = message(before.position.epoch, 2);
    assert_eq!(wire.append(&line(), &stale).await.unwrap(), AppendOutcome::Moved);
    let gone = wire.read(&line(), before.position).await.unwrap();
    assert!(gone.entries.is_empty() && gone.position.is_none());
    assert_moved(before, wire.open(&line(), 1, fresh()).await.unwrap());
}

#[tokio::test]
async fn a_memory_emptied_under_a_connection_ends_it() {
    let Some(server) = RedisServer::start().await else { return };
    let (wire, _hearing) = server.wire().await;
    let before = opened(&wire).await;
    ordered(&wire, &message(before.position.epoch, 1)).await;
    server.command(&["FLUSHALL"]).await;
    let stale = message(before.position.epoch, 2);
    assert_eq!(wire.append(&line(), &stale).await.unwrap(), AppendOutcome::Moved);
    assert!(matches!(wire.open(&line(), 1, fresh()).await, Err(WireError::Lost(_))));
    assert!(!wire.is_whole());
    let (wire, _hearing) = server.wire().await;
    assert_moved(before, wire.open(&line(), 1, fresh()).await.unwrap());
}

#[tokio::test]
async fn a_promoted_replica_gives_no_place_out_again() {
    let Some(master) = RedisServer::start().await else { return };
    let Some(replica) = RedisServer::start().await else { return };
    let (old, _hearing) = master.wire().await;
    let before = opened(&old).await;
    let epoch = before.position.epoch;
    ordered(&old, &message(epoch, 1)).await;
    replica.command(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]).await;
    let is_there = async {
        while master.command(&["WAIT", "1", "1000"]).await != "int(1)" {
            ordered(&old, &message(epoch, 0)).await;
        }
    };
    timeout(PATIENCE, is_there).await.unwrap();
    let (heard, _rest) = mpsc::channel(1);
    let refused = RedisWire::connect(&replica.url(), heard).await.err();
    assert!(matches!(refused, Some(WireError::Lost(_))), "a replica orders nothing: {refused:?}");
    replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    // The old one acknowledges on, and the new one has none of it.
    ordered(&old, &message(epoch, 2)).await;
    let (new, _hearing) = replica.wire().await;
    assert_eq!(new.append(&line(), &message(epoch, 3)).await.unwrap(), AppendOutcome::Moved);
    let after = new.open(&line(), 1, fresh()).await.unwrap();
    assert_moved(before, after);
    let (second, _hearing) = replica.wire().await;
    assert_eq!(second.open(&line(), 1, fresh()).await.unwrap(), after, "everybody gets the same");
}

#[tokio::test]
async fn a_channel_made_again_is_another_line() {
    let Some(server) = RedisServer::start().await else { return };
    let (wire, _hearing) = server.wire().await;
    let before = opened(&wire).await;
    assert_eq!(wire.open(&line(), 1, fresh()).await.unwrap().position, before.position);
    let after = wire.open(&line(), 2, fresh()).await.unwrap();
    assert_moved(before, after);
    assert_eq!(wire.open(&line(), 1, fresh()).await, Err(WireError::Stale));
    assert!(wire.is_whole(), "that is no fault of the connection");
    let stale = message(before.position.epoch, 1);
    assert_eq!(wire.append(&line(), &stale).await.unwrap(), AppendOutcome::Moved);
    ordered(&wire, &message(after.position.epoch, 1)).await;
}

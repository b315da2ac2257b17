//! What many ask for and one does.

use super::*;
use tokio::task::JoinSet;

/// Asks on a connection of its own.
async fn ask(server: &RedisServer, ttl: Duration) -> FlightOutcome {
    let (wire, _hearing) = server.wire().await;
    let registry = RedisRegistry::new(Arc::new(wire), "test", LASTING);
    registry.once(&registry.flight(&["authorize", "a", "b"]), ttl).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_one_does_it() {
    let Some(server) = RedisServer::start().await else { return };
    let server = Arc::new(server);
    let mut askers = JoinSet::new();
    for _ in 0..20 {
        let server = Arc::clone(&server);
        askers.spawn(async move { ask(&server, LONG).await });
    }
    let outcomes = timeout(PATIENCE, askers.join_all()).await.unwrap();
    let tickets: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            FlightOutcome::First(ticket) => Some(ticket),
            FlightOutcome::Pending(left) if *left <= LONG => None,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(tickets.len(), 1);
    let (wire, _hearing) = server.wire().await;
    let registry = RedisRegistry::new(Arc::new(wire), "test", LASTING);
    let flight = registry.flight(&["authorize", "a", "b"]);
    assert!(registry.verdict(&flight, tickets[0], "yes", LONG).await.unwrap());
    assert!(!registry.verdict(&flight, tickets[0], "no", LONG).await.unwrap(), "once");
    assert_eq!(ask(&server, LONG).await, FlightOutcome::Verdict("yes".to_owned()));
    let other = registry.flight(&["authorize", "ab", ""]);
    assert!(matches!(registry.once(&other, LONG).await.unwrap(), FlightOutcome::First(_)));
}

#[tokio::test]
async fn who_does_not_come_back_is_followed() {
    let Some(server) = RedisServer::start().await else { return };
    let (wire, _hearing) = server.wire().await;
    let registry = RedisRegistry::new(Arc::new(wire), "test", LASTING);
    let flight = registry.flight(&["x"]);
    let FlightOutcome::First(late) = registry.once(&flight, SHORT).await.unwrap() else {
        panic!("nobody else has asked")
    };
    let mut ticket = None;
    until(async || {
        if let FlightOutcome::First(found) = registry.once(&flight, LONG).await.unwrap() {
            ticket = Some(found);
        }
        ticket.is_some()
    })
    .await;
    assert!(!registry.verdict(&flight, &late, "late", LONG).await.unwrap());
    assert!(registry.verdict(&flight, &ticket.unwrap(), "in time", SHORT).await.unwrap());
    until(async || matches!(registry.once(&flight, LONG).await.unwrap(), FlightOutcome::First(_)))
        .await;
}

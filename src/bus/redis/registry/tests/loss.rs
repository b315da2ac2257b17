//! A Redis that has lost something.

use super::*;

#[tokio::test]
async fn an_emptied_registry_is_filled_again() {
    let Some(server) = RedisServer::start().await else { return };
    let (one, other) =
        (TestNode::start(&server, LASTING).await, TestNode::start(&server, LASTING).await);
    let token = token("a");
    one.enters(&token, "c1", "s1").await;
    one.joins("s1").await;
    server.command(&["FLUSHALL"]).await;
    let refused = one.registry.beat(one.id, "node").await;
    assert_eq!(refused, Err(WireError::Lost("FENCED".to_owned())));
    let young = RegistryTerms { youth: LONG, ..LASTING };
    let one = one.reconnected(&server, young).await;
    let other = other.reconnected(&server, young).await;
    assert_eq!(one.beat().await, BeatOutcome::Registered);
    assert_eq!(one.beat().await, BeatOutcome::Renewed);
    assert_eq!(one.registry.estates().await.unwrap(), []);
    // A new connection comes to the other node before the first has said what it has.
    assert_eq!(other.beat().await, BeatOutcome::Registered);
    assert_eq!(other.enters(&token, "c2", "s2").await.session.as_str(), "s2");
    let again = one.enters(&token, "c1", "s1").await;
    assert_eq!((again.count, again.session.as_str()), (2, "s2"), "which the first is told");
    assert_eq!(one.joins("s2").await, (true, 1));
    assert_eq!(one.registry.end(&token).await.unwrap(), EndOutcome::Occupied);
}

#[tokio::test]
async fn on_a_new_ground_a_known_node_says_everything_again() {
    let Some(server) = RedisServer::start().await else { return };
    let node = TestNode::start(&server, LASTING).await;
    assert_eq!(node.beat().await, BeatOutcome::Renewed);
    // As a promoted replica has it, which may lack the newest of what the node has said.
    let ground = node.registry.nodes.ground();
    server.command(&["HSET", &ground, "run", "another server"]).await;
    let node = node.reconnected(&server, LASTING).await;
    assert_eq!(node.beat().await, BeatOutcome::Registered);
    assert_eq!(node.beat().await, BeatOutcome::Renewed);
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_a_ground_young_only_for_a_while() {
    let Some(server) = RedisServer::start().await else { return };
    let node = TestNode::start(&server, LASTING).await;
    grown(&node).await;
    let ground = node.registry.nodes.ground();
    server.command(&["HSET", &ground, "since", "99999999999999"]).await;
    assert!(node.living().await.is_young());
    until(async || !node.living().await.is_young()).await;
}

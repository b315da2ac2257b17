//! Nodes and their leases.

use super::*;

#[tokio::test]
async fn a_node_lives_for_its_lease() {
    let Some(server) = RedisServer::start().await else { return };
    let (one, other) =
        (TestNode::start(&server, LASTING).await, TestNode::start(&server, LASTING).await);
    let beat = other.registry.beat(other.id, "the other: node").await.unwrap();
    assert_eq!(beat.outcome, BeatOutcome::Renewed);
    assert!(beat.living.shows(one.id));
    assert_eq!(beat.living.nodes()[&other.id], "the other: node");
    assert_eq!(other.living().await.nodes(), beat.living.nodes());
    let (wire, _hearing) = server.wire().await;
    let again = RedisRegistry::new(Arc::new(wire), "test", LASTING);
    let dead = one.dies(&server, &other).await;
    assert!(!other.living().await.nodes().contains_key(&dead));
    // Nobody has given away anything of it.
    assert_eq!(again.beat(dead, "node").await.unwrap().outcome, BeatOutcome::Renewed);
    assert!(other.living().await.shows(dead));
}

#[tokio::test]
async fn who_was_declared_gone_stays_so() {
    let Some(server) = RedisServer::start().await else { return };
    let (one, other) =
        (TestNode::start(&server, LASTING).await, TestNode::start(&server, LASTING).await);
    let dead = one.dies(&server, &other).await;
    grown(&other).await;
    assert_eq!(other.registry.estates().await.unwrap(), [], "it has left nothing");
    let beat = other.registry.beat(dead, "node").await.unwrap();
    assert_eq!(beat.outcome, BeatOutcome::Gone);
    assert!(!beat.living.shows(dead));
    // What it says late all the same is found, and given away.
    let late = TestNode { registry: other.registry, id: dead };
    late.enters(&token("a"), "c1", "s1").await;
    let other = TestNode::start(&server, LASTING).await;
    let left = other.registry.estates().await.unwrap();
    assert_eq!(left, [NodeEstate { partition: token("a").partition(), node: dead }]);
}

#[tokio::test]
async fn nobody_is_declared_gone_on_a_young_ground() {
    let Some(server) = RedisServer::start().await else { return };
    let young = RegistryTerms { youth: LONG, ..LASTING };
    let brief = RegistryTerms { lease: SHORT, grace: SHORT, ..young };
    let (one, other) =
        (TestNode::start(&server, brief).await, TestNode::start(&server, young).await);
    one.enters(&token("a"), "c1", "s1").await;
    one.joins("s1").await;
    one.enters(&token("b"), "c2", "s2").await;
    assert_eq!(one.exits(&token("b"), "c2", &positions(1)).await, ExitOutcome::Last);
    until(async || !other.living().await.nodes().contains_key(&one.id)).await;
    assert!(other.living().await.shows(one.id), "it may only not have said so yet");
    assert_eq!(other.sees().await, ["s1"]);
    assert_eq!(other.joins("s2").await, (true, 2));
    assert_eq!(other.registry.estates().await.unwrap(), []);
    let estate = NodeEstate { partition: token("a").partition(), node: one.id };
    let reaped = other.registry.reap(estate, other.id).await.unwrap();
    assert_eq!(reaped, ReapOutcome::Young);
    assert_eq!(other.registry.due(10).await.unwrap(), []);
    assert_eq!(other.registry.end(&token("b")).await.unwrap(), EndOutcome::Young);
    assert_eq!(one.beat().await, BeatOutcome::Renewed);
}

#[tokio::test]
async fn a_lease_by_a_clock_that_went_before_is_cut() {
    let Some(server) = RedisServer::start().await else { return };
    let (one, other) =
        (TestNode::start(&server, LASTING).await, TestNode::start(&server, LASTING).await);
    let brief = other.reconnected(&server, RegistryTerms { lease: SHORT, ..LASTING }).await;
    grown(&brief).await;
    assert_eq!(brief.registry.estates().await.unwrap(), []);
    until(async || !brief.living().await.shows(one.id)).await;
}

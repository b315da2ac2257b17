//! Connections of a token on two nodes.

use super::*;
use tokio::task::JoinSet;

#[tokio::test]
async fn two_nodes_have_one_session_of_a_token() {
    let Some(server) = RedisServer::start().await else { return };
    let (one, other) =
        (TestNode::start(&server, LASTING).await, TestNode::start(&server, LASTING).await);
    grown(&one).await;
    let token = token("a");
    let first = one.enters(&token, "c1", "s1").await;
    assert_eq!((first.count, first.session.as_str(), first.positions), (1, "s1", None));
    assert!(!first.was_away);
    let second = other.enters(&token, "c2", "s2").await;
    assert_eq!((second.count, second.session.as_str()), (2, "s1"));
    assert_eq!(second.nodes, [(one.id, 1), (other.id, 1)].into());
    assert_eq!(one.registry.end(&token).await.unwrap(), EndOutcome::Occupied);
    assert_eq!(one.exits(&token, "c1", &positions(1)).await, ExitOutcome::Others(1));
    assert_eq!(one.exits(&token, "c1", &positions(2)).await, ExitOutcome::Unknown);
    assert_eq!(other.exits(&token, "c2", &positions(3)).await, ExitOutcome::Last);
    let end = one.registry.end(&token).await.unwrap();
    assert!(matches!(end, EndOutcome::Early(left) if left <= LONG), "{end:?}");
    let back = one.enters(&token, "c3", "s3").await;
    assert_eq!((back.count, back.session.as_str()), (1, "s1"));
    assert_eq!((back.was_away, back.positions), (true, Some(positions(3))));
    assert_eq!(back.nodes, [(one.id, 1)].into());
    let next = other.enters(&token, "c4", "s4").await;
    assert_eq!((next.was_away, next.positions), (false, None), "the break is over");
}

#[tokio::test]
async fn a_token_has_only_so_many_connections() {
    let Some(server) = RedisServer::start().await else { return };
    let node = TestNode::start(&server, LASTING).await;
    let (token, session) = (token("a"), SessionId::from("s1"));
    let enter = async |cid: &str| {
        let cid = ConnectionId::from(cid);
        let entered = node.registry.enter(&token, &cid, node.id, &session, 2).await.unwrap();
        matches!(entered, EnterOutcome::In(_))
    };
    assert!(enter("c1").await && enter("c2").await);
    assert!(!enter("c3").await);
    assert!(enter("c1").await, "that one is in");
    assert_eq!(node.exits(&token, "c1", &positions(1)).await, ExitOutcome::Others(1));
    assert!(enter("c3").await);
}

#[tokio::test]
async fn a_node_ends_no_connection_of_another() {
    let Some(server) = RedisServer::start().await else { return };
    let (one, other) =
        (TestNode::start(&server, LASTING).await, TestNode::start(&server, LASTING).await);
    let token = token("a");
    one.enters(&token, "c1", "s1").await;
    assert_eq!(other.exits(&token, "c1", &positions(1)).await, ExitOutcome::Unknown);
    assert_eq!(one.exits(&token, "c1", &positions(1)).await, ExitOutcome::Last);
}

#[tokio::test]
async fn who_is_back_in_time_is_not_ended() {
    let Some(server) = RedisServer::start().await else { return };
    let brief = RegistryTerms { grace: SHORT, ..LASTING };
    let (one, other) =
        (TestNode::start(&server, brief).await, TestNode::start(&server, brief).await);
    let (back, gone) = (token("back"), token("gone"));
    for token in [&back, &gone] {
        one.enters(token, "c1", "s1").await;
        assert_eq!(one.exits(token, "c1", &positions(1)).await, ExitOutcome::Last);
    }
    other.enters(&back, "c2", "s2").await;
    until(async || !one.registry.due(10).await.unwrap().is_empty()).await;
    // The other one's grace began later, so both would be over.
    assert_eq!(one.registry.due(10).await.unwrap(), [gone]);
    assert_eq!(one.registry.end(&back).await.unwrap(), EndOutcome::Occupied);
    assert_eq!(one.registry.due(0).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_once_whoever_ends_it() {
    let Some(server) = RedisServer::start().await else { return };
    let brief = RegistryTerms { grace: SHORT, ..LASTING };
    let node = TestNode::start(&server, brief).await;
    for round in 0..10 {
        let token = token(&format!("token {round}"));
        node.enters(&token, "c1", "s1").await;
        assert_eq!(node.exits(&token, "c1", &positions(round)).await, ExitOutcome::Last);
        let mut enders = JoinSet::new();
        for _ in 0..8 {
            let (ender, token) = (TestNode::start(&server, brief).await, token.clone());
            enders.spawn(async move {
                loop {
                    match ender.registry.end(&token).await.unwrap() {
                        EndOutcome::Early(_) | EndOutcome::Young => {}
                        outcome => return outcome,
                    }
                }
            });
        }
        let outcomes = timeout(PATIENCE, enders.join_all()).await.unwrap();
        let ended = EndOutcome::Ended { session: "s1".into(), positions: Some(positions(round)) };
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == ended).count(), 1);
        let rest = outcomes.iter().filter(|outcome| **outcome == EndOutcome::Unknown).count();
        assert_eq!(rest, outcomes.len() - 1);
        assert_eq!(node.registry.due(10).await.unwrap(), []);
        let anew = node.enters(&token, "c2", "s2").await;
        assert_eq!((anew.session.as_str(), anew.positions), ("s2", None));
    }
}

//! What a node leaves that was killed.

use super::*;
use std::collections::HashSet;
use tokio::task::JoinSet;

/// How many sessions are in the channel, which are more than one handful, and how many tokens have a connection.
const SESSIONS: usize = 700;
const TOKENS: usize = 100;

/// A node that had all that, and is dead; and one that lives.
async fn killed(server: &RedisServer, sessions: usize, tokens: usize) -> (Incarnation, TestNode) {
    let one = TestNode::start(server, LASTING).await;
    let living = one.living().await;
    for number in 0..sessions {
        let (session, member) = (format!("s{number}").as_str().into(), RawJson::null());
        let registry = &one.registry;
        registry.join(&channel(), &session, one.id, &member, &living).await.unwrap();
    }
    for number in 0..tokens {
        one.enters(&token(&format!("t{number}")), "c1", &format!("s{number}")).await;
    }
    let other = TestNode::start(server, LASTING).await;
    grown(&other).await;
    (one.dies(server, &other).await, other)
}

/// What is left in all parts, handed out once.
async fn first_handful(node: &TestNode) -> Vec<Remnant> {
    let mut found = Vec::new();
    for estate in node.registry.estates().await.unwrap() {
        match node.registry.reap(estate, node.id).await.unwrap() {
            ReapOutcome::Held(remnants) => found.extend(remnants),
            ReapOutcome::Claimed => {}
            other => panic!("{other:?}"),
        }
    }
    found
}

/// Takes a remnant from the dead; whether it was there.
async fn take(node: &TestNode, dead: Incarnation, remnant: &Remnant, living: &LivingNodes) -> bool {
    let registry = &node.registry;
    match remnant {
        Remnant::Connection { token, cid } => {
            registry.exit(token, cid, dead, None).await.unwrap() == ExitOutcome::Last
        }
        Remnant::Presence { channel: line, session } => {
            assert_eq!(*line, channel());
            registry.leave(line, session, dead, living).await.unwrap().is_news
        }
    }
}

/// Reaps until nothing is left; what was handed out, and how much of that was there.
async fn reap_all(node: TestNode, dead: Incarnation) -> (Vec<Remnant>, usize) {
    let (mut handed, mut taken, living) = (Vec::new(), 0, node.living().await);
    loop {
        let estates = node.registry.estates().await.unwrap();
        if estates.is_empty() {
            return (handed, taken);
        }
        for estate in estates {
            assert_eq!(estate.node, dead);
            let reaped = node.registry.reap(estate, node.id).await.unwrap();
            let ReapOutcome::Held(remnants) = reaped else { continue };
            assert!(remnants.len() <= 500);
            for remnant in &remnants {
                taken += usize::from(take(&node, dead, remnant, &living).await);
            }
            handed.extend(remnants);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_is_reaped_once_whoever_reaps() {
    let Some(server) = RedisServer::start().await else { return };
    let (dead, other) = killed(&server, SESSIONS, TOKENS).await;
    let mut reapers = JoinSet::new();
    for _ in 0..3 {
        reapers.spawn(reap_all(TestNode::start(&server, LASTING).await, dead));
    }
    let reaped = timeout(PATIENCE, reapers.join_all()).await.unwrap();
    let handed: Vec<_> = reaped.iter().flat_map(|(handed, _)| handed).collect();
    assert_eq!(handed.len(), SESSIONS + TOKENS, "each is handed out once");
    assert_eq!(handed.iter().collect::<HashSet<_>>().len(), handed.len());
    assert_eq!(reaped.iter().map(|(_, taken)| taken).sum::<usize>(), SESSIONS + TOKENS);
    assert_eq!(other.joins("here").await, (true, 1));
    let end = other.registry.end(&token("t0")).await.unwrap();
    assert!(matches!(end, EndOutcome::Early(_)), "its grace runs: {end:?}");
    let back = other.enters(&token("t0"), "c2", "other").await;
    assert_eq!((back.count, back.session.as_str()), (1, "s0"));
    assert_eq!((back.was_away, back.positions), (true, None));
    assert_eq!(other.registry.beat(dead, "node").await.unwrap().outcome, BeatOutcome::Gone);
}

#[tokio::test]
async fn what_a_reaper_leaves_undone_the_next_one_does() {
    let Some(server) = RedisServer::start().await else { return };
    let (dead, other) = killed(&server, 10, 10).await;
    let brief = RegistryTerms { claim: SHORT, ..LASTING };
    let other = other.reconnected(&server, brief).await;
    let handed = first_handful(&other).await;
    assert_eq!(handed.len(), 20);
    let living = other.living().await;
    for remnant in &handed[..7] {
        assert!(take(&other, dead, remnant, &living).await);
    }
    // It stops here, and does not say so.
    let next = TestNode::start(&server, LASTING).await;
    let (rest, taken) = timeout(PATIENCE, reap_all(next, dead)).await.unwrap();
    assert_eq!(taken, 13);
    let rest: HashSet<_> = rest.iter().collect();
    assert_eq!(rest, handed[7..].iter().collect());
}

#[tokio::test]
async fn a_session_of_a_dead_node_has_its_grace() {
    let Some(server) = RedisServer::start().await else { return };
    let (dead, heir) = killed(&server, 2, 0).await;
    for remnant in first_handful(&heir).await {
        let Remnant::Presence { channel, session } = remnant else { panic!("{remnant:?}") };
        let inherit = || heir.registry.inherit(&channel, &session, dead, heir.id);
        assert!(inherit().await.unwrap());
        assert!(!inherit().await.unwrap(), "once");
    }
    assert_eq!(heir.registry.estates().await.unwrap(), [], "nothing is left with the dead");
    assert_eq!(heir.sees().await, Vec::<String>::new());
    let third = TestNode::start(&server, LASTING).await;
    assert_eq!(third.joins("s0").await, (false, 1), "it never left");
    let living = heir.living().await;
    let release = async |session: &str| {
        let released = heir.registry.release(&channel(), &session.into(), heir.id, &living).await;
        let PresenceNews { is_news, count } = released.unwrap();
        (is_news, count)
    };
    assert_eq!(release("s0").await, (false, 1), "it is back");
    assert_eq!(release("s1").await, (true, 1), "nobody came");
    assert_eq!(release("s1").await, (false, 1));
    assert_eq!(third.sees().await, ["s0"]);
}

#[tokio::test]
async fn an_heir_who_dies_has_an_heir() {
    let Some(server) = RedisServer::start().await else { return };
    let (dead, heir) = killed(&server, 2, 0).await;
    // One comes to the heir itself: what it keeps then is no place for somebody else.
    assert!(heir.registry.inherit(&channel(), &"s0".into(), dead, heir.id).await.unwrap());
    assert_eq!(heir.joins("s0").await, (false, 1));
    let living = heir.living().await;
    let released = heir.registry.release(&channel(), &"s0".into(), heir.id, &living).await;
    assert!(!released.unwrap().is_news);
    assert!(heir.registry.inherit(&channel(), &"s1".into(), dead, heir.id).await.unwrap());
    let last = TestNode::start(&server, LASTING).await;
    let heir = heir.dies(&server, &last).await;
    let mut inherited = Vec::new();
    for remnant in first_handful(&last).await {
        let Remnant::Presence { channel, session } = remnant else { panic!("{remnant:?}") };
        assert!(last.registry.inherit(&channel, &session, heir, last.id).await.unwrap());
        inherited.push(session.to_string());
    }
    inherited.sort();
    assert_eq!(inherited, ["s0", "s1"]);
    let living = last.living().await;
    for session in ["s0", "s1"] {
        let released = last.registry.release(&channel(), &session.into(), last.id, &living).await;
        assert!(released.unwrap().is_news, "{session}");
    }
}

//! Who is in a channel.

use super::*;
use std::collections::BTreeSet;

#[tokio::test]
async fn a_session_on_two_nodes_is_one() {
    let Some(server) = RedisServer::start().await else { return };
    let (one, other) =
        (TestNode::start(&server, LASTING).await, TestNode::start(&server, LASTING).await);
    grown(&one).await;
    assert_eq!(one.joins("s1").await, (true, 1));
    assert_eq!(other.joins("s1").await, (false, 1));
    assert_eq!(other.joins("s1").await, (false, 1));
    assert_eq!(other.joins("s2").await, (true, 2));
    assert_eq!(one.sees().await, ["s1", "s2"]);
    assert_eq!(one.leaves("s1").await, (false, 2));
    assert_eq!(one.leaves("s1").await, (false, 2), "it was there only once");
    assert_eq!(other.leaves("s1").await, (true, 1));
    assert_eq!(other.leaves("s1").await, (false, 1));
    assert_eq!(other.sees().await, ["s2"]);
    assert_eq!(other.leaves("s2").await, (true, 0));
    let left = server.command(&["KEYS", "*a room*"]).await;
    assert_eq!(left, "array([])", "nothing is left of it");
}

#[tokio::test]
async fn a_channel_of_many_is_told_in_pages() {
    let Some(server) = RedisServer::start().await else { return };
    let node = TestNode::start(&server, LASTING).await;
    let living = node.living().await;
    let member = |number: usize| RawJson::trusted(format!("{{ \"n\" : {number} }}"));
    for number in 0..1000 {
        let session = SessionId::from(format!("s{number}").as_str());
        for member in [RawJson::null(), member(number)] {
            let registry = &node.registry;
            registry.join(&channel(), &session, node.id, &member, &living).await.unwrap();
        }
    }
    let (mut seen, mut from, mut pages) = (BTreeSet::new(), Some(0), 0);
    while let Some(at) = from {
        let page = node.registry.members(&channel(), &living, at, 40).await.unwrap();
        assert!(page.members.len() < 200, "that is no page");
        for (session, member) in page.members {
            seen.insert((session.to_string(), member.as_str().to_owned()));
        }
        (from, pages) = (page.next, pages + 1);
    }
    let all = (0..1000).map(|number| (format!("s{number}"), member(number).as_str().to_owned()));
    assert_eq!(seen, all.collect());
    assert!(pages > 3, "{pages} pages");
}

#[tokio::test]
async fn a_ghost_is_left_out_at_once() {
    let Some(server) = RedisServer::start().await else { return };
    let (one, other) =
        (TestNode::start(&server, LASTING).await, TestNode::start(&server, LASTING).await);
    let third = TestNode::start(&server, LASTING).await;
    grown(&other).await;
    for session in ["ghost", "both", "two ghosts"] {
        one.joins(session).await;
    }
    third.joins("two ghosts").await;
    other.joins("both").await;
    assert_eq!(other.joins("here").await, (true, 4));
    one.dies(&server, &other).await;
    assert_eq!(other.sees().await, ["both", "here", "two ghosts"]);
    third.dies(&server, &other).await;
    // Nobody has reaped anything.
    assert_eq!(other.sees().await, ["both", "here"]);
    assert_eq!(other.joins("here").await, (false, 2));
    assert_eq!(other.joins("ghost").await, (false, 3), "nobody was told that it had left");
    assert_eq!(other.leaves("here").await, (true, 2));
}

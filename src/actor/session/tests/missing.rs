//! What a session gets of what its connections have not heard, however they came to miss it.

use super::*;
use crate::domain::Message;

/// Publishes to the room.
async fn publish(world: &World, event: &str) {
    let message = Message { event: event.into(), data: RawJson::null() };
    world.supervisor.publish(&key("room"), message).await.unwrap();
}

/// The inner events of the messages in a text, in order.
fn events(text: &str) -> Vec<String> {
    let rest = text.split(r#""e":"MESSAGE","d":{"e":""#).skip(1);
    rest.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// What a connection was sent until a marker of a publish came.
async fn sent_until(link: &Rc<Link>, marker: &str) -> Vec<String> {
    let mut all = String::new();
    let come = until(async || {
        tokio::time::advance(Duration::from_millis(10)).await;
        all += &sent(link);
        all.contains(marker)
    });
    assert!(come.await, "never: {marker}, but {all}");
    events(&all)
}

/// A world with a room, and a connection that hears it.
async fn inside() -> (World, UnboundedSender<Inbound>, Rc<Link>) {
    let world = World::with(&[("room", Capabilities::default())]).await;
    let (socket, link) = open(&world);
    assert!(until(async || sent(&link).contains("INIT")).await);
    let subscribe = r#"{"op":0,"d":{"e":"SUBSCRIBE","c":"room","d":null}}"#;
    socket.send(Inbound::Text(subscribe.into())).unwrap();
    let come = until(async || {
        tokio::time::advance(Duration::from_millis(10)).await;
        sent(&link).contains("AVAILABLE")
    });
    assert!(come.await);
    (world, socket, link)
}

#[actix_rt::test]
async fn what_was_not_written_and_what_is_said_before_the_end_is_heard_of_comes_next() {
    let (world, socket, link) = inside().await;
    publish(&world, "read").await;
    assert_eq!(sent_until(&link, "read").await, ["read"]);
    for event in ["unwritten", "unflushed"] {
        publish(&world, event).await;
    }
    drop(socket);
    // Its actor has not run, nor has anybody heard of it.
    publish(&world, "between").await;
    publish(&world, "after").await;
    let (_socket, next) = open(&world);
    let expected = ["unwritten", "unflushed", "between", "after"];
    assert_eq!(sent_until(&next, "after").await, expected);
}

#[actix_rt::test]
async fn what_is_said_while_a_channels_actor_is_replaced_is_heard_once_the_session_is_back() {
    let (world, _socket, link) = inside().await;
    for round in 0..10 {
        let actor = world.supervisor.channel(&key("room")).await.unwrap();
        assert!(actor.send(Crash).await.is_err());
        let expected = [format!("{round} first"), format!("{round} last")];
        for event in &expected {
            publish(&world, event).await;
        }
        assert_eq!(sent_until(&link, "last").await, expected);
    }
}

#[actix_rt::test]
async fn what_is_said_while_a_channels_actor_is_replaced_is_kept_for_a_session_without_connections()
{
    let (world, socket, link) = inside().await;
    drop(socket);
    let gone = || world.supervisor.online().holds(&LeapTokenId::from("leap_token_t"));
    assert!(until(async || !gone()).await);
    drop(link);
    let actor = world.supervisor.channel(&key("room")).await.unwrap();
    assert!(actor.send(Crash).await.is_err());
    for event in ["first", "last"] {
        publish(&world, event).await;
    }
    let (_socket, next) = open(&world);
    assert_eq!(sent_until(&next, "last").await, ["first", "last"]);
}

#[actix_rt::test]
async fn what_another_connection_hears_does_not_come_again() {
    let (world, socket, link) = inside().await;
    let (_other, other) = open(&world);
    assert!(until(async || sent(&other).contains("INIT")).await);
    publish(&world, "both").await;
    assert_eq!(sent_until(&other, "both").await, ["both"]);
    drop((socket, link));
    pause().await;
    publish(&world, "after").await;
    assert_eq!(sent_until(&other, "after").await, ["after"]);
}

#[actix_rt::test]
async fn what_none_of_the_connections_heard_is_told_by_the_next_init() {
    let (world, socket, link) = inside().await;
    // Frozen: nothing of this is ever taken.
    for event in ["one", "two", "three"] {
        publish(&world, event).await;
    }
    let (second, other) = open(&world);
    assert!(until(async || sent(&other).contains("INIT")).await);
    drop((socket, link));
    pause().await;
    drop((second, other));
    pause().await;
    let (_third, third) = open(&world);
    let mut all = String::new();
    assert!(
        until(async || {
            all += &sent(&third);
            all.contains("INIT")
        })
        .await
    );
    assert!(all.contains(r#""missed":3"#), "{all}");
}

#[actix_rt::test]
async fn what_is_at_hand_goes_with_time_though_nothing_more_is_said() {
    let (world, _socket, link) = inside().await;
    publish(&world, "to all").await;
    assert_eq!(sent_until(&link, "to all").await, ["to all"]);
    let message = Message { event: "to one".into(), data: RawJson::null() };
    let token = LeapTokenId::from("leap_token_t");
    world.supervisor.direct_message(&ProjectId::from("p"), &token, message).await.unwrap();
    assert!(until(async || sent(&link).contains("to one")).await);
    assert!(world.supervisor.windows().used() > 0);
    let said = Instant::now();
    // Before its time nothing goes.
    let age = world.supervisor.settings().window().age;
    advance(said, age / 2).await;
    assert!(world.supervisor.windows().used() > 0);
    advance(said, age * 2).await;
    assert!(until(async || world.supervisor.windows().used() == 0).await);
}

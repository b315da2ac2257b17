//! What a crash of a session or of a connection costs, and whom.

use super::*;
use crate::domain::Message;
use crate::store::{Start, WriteStore};

impl Handler<Crash> for SessionActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("a test wants it");
    }
}

impl Handler<Crash> for Connection<Fed> {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("a test wants it");
    }
}

/// Publishes to a channel.
async fn publish(world: &World, channel: &str, event: &str) {
    let message = Message { event: event.into(), data: RawJson::null() };
    world.supervisor.publish(&key(channel), message).await.unwrap();
}

/// Has a connection sent all of these, in any order; returns what it was sent.
async fn sees(link: &Rc<Link>, all: &[&str]) -> String {
    let mut seen = String::new();
    let come = until(async || {
        tokio::time::advance(Duration::from_millis(10)).await;
        seen += &sent(link);
        all.iter().all(|what| seen.contains(what))
    });
    assert!(come.await, "never: {all:?}, but {seen}");
    seen
}

/// How many connections hear a channel, as the channel itself knows.
async fn hearers(world: &World, channel: &str) -> usize {
    world.supervisor.channel_connections(&key(channel), Start::Skip(0), 10).await.unwrap().total
}

#[actix::test]
async fn a_session_that_crashes_sends_its_connections_away_and_they_come_back_to_a_new_one() {
    let world =
        World::with(&[("lasting", Capabilities::default()), ("passing", Capabilities::default())])
            .await;
    let open_to_all = |store: &mut dyn WriteStore| {
        store.update_channel(&key("lasting"), Visibility::Unprotected, Capabilities::default())
    };
    world.supervisor.persistence().write(open_to_all).await.unwrap();
    let fake = world.connect().await;
    fake.subscribe("lasting", false).await;
    fake.subscribe("passing", true).await;
    let (_stays, first) = open(&world);
    let (_stays_too, second) = open(&world);
    let bystander = world.try_connect("p", None).await.unwrap();
    bystander.subscribe("lasting", true).await;
    for link in [&first, &second] {
        sees(link, &["INIT"]).await;
    }
    assert_eq!((hearers(&world, "lasting").await, hearers(&world, "passing").await), (4, 3));
    assert!(fake.session.send(Crash).await.is_err());
    for link in [&first, &second] {
        let seen = sees(link, &["the session ended, reconnect"]).await;
        assert_eq!(seen.matches("the session ended").count(), 1, "{seen}");
    }
    assert!(until(async || hearers(&world, "lasting").await == 1).await, "its channels forget it");
    assert_eq!(hearers(&world, "passing").await, 0);
    let next = world.connect().await;
    assert_ne!(next.session, fake.session);
    assert_eq!(next.channels(), ["lasting"], "what is stored");
    assert_eq!(next.init["connection_count"], 1);
    publish(&world, "lasting", "after").await;
    tokio::time::advance(Duration::from_millis(10)).await;
    assert_eq!(next.expect("MESSAGE").await["e"], "after");
    assert_eq!(bystander.expect("MESSAGE").await["e"], "after", "it heard nothing of all this");
}

#[actix::test]
async fn a_session_that_crashes_without_connections_takes_along_what_it_kept_and_nothing_stored() {
    let world = World::with(&[("room", Capabilities::default())]).await;
    let fake = world.connect().await;
    fake.subscribe("room", false).await;
    world.disconnect(&fake).await;
    publish(&world, "room", "kept").await;
    assert!(fake.session.send(Crash).await.is_err());
    assert!(until(async || !world.has_session().await).await, "the shard forgets it");
    let next = world.connect().await;
    assert_eq!(next.channels(), ["room"]);
    publish(&world, "room", "after").await;
    tokio::time::advance(Duration::from_millis(10)).await;
    assert_eq!(next.expect("MESSAGE").await["e"], "after");
}

#[actix::test]
async fn a_connection_that_crashes_is_forgotten_and_what_it_has_not_heard_comes_next() {
    let world = World::with(&[("room", Capabilities::default())]).await;
    let fake = world.connect().await;
    fake.subscribe("room", false).await;
    world.disconnect(&fake).await;
    for round in 0..3 {
        let (_socket, link, actor) = open_as(&world);
        let before = sees(&link, &["INIT"]).await;
        assert!(before.contains(r#""connection_count":1"#), "{before}");
        assert_eq!(hearers(&world, "room").await, 1);
        let event = format!("unheard {round}");
        publish(&world, "room", &event).await;
        assert!(actor.send(Crash).await.is_err());
        assert!(until(async || hearers(&world, "room").await == 0).await, "its channel forgets it");
        let (next_socket, next, _) = open_as(&world);
        let seen = sees(&next, &["INIT", &event]).await;
        assert!(seen.contains(r#""connection_count":1"#), "{seen}");
        drop(next_socket);
        assert!(until(async || hearers(&world, "room").await == 0).await);
    }
    assert!(fake.session.connected(), "the session lives on");
}

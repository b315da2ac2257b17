//! What a crash of a shard costs: nobody who lives, and nobody stands twice.

use super::super::super::shard::{FindChannel, RetireChannel, Shard, ShardPlace};
use super::*;
use crate::ask::AskError;
use crate::domain::Message;
use crate::faults::{CrashPoint, crash_at, has_crashed};
use tokio::join;

impl Handler<Crash> for Shard {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("a test wants it");
    }
}

impl World {
    /// The channel's actor, as the only shard knows it.
    async fn live(&self, channel: &str) -> Option<Addr<ChannelActor>> {
        self.shard().ask(|| FindChannel(key(channel))).await.unwrap()
    }

    /// The way to the only shard.
    fn shard(&self) -> ShardPlace {
        self.supervisor.session_shard(&LeapTokenId::from("leap_token_t"))
    }

    /// Publishes to the room.
    async fn say(&self, event: &str) {
        let message = Message { event: event.into(), data: RawJson::null() };
        self.supervisor.publish(&key("room"), message).await.unwrap();
        tokio::time::advance(Duration::from_millis(10)).await;
    }
}

#[actix::test]
async fn a_shard_that_crashed_is_back_and_knows_everybody_who_lives() {
    let world =
        World::with(&[("room", Capabilities::default()), ("hall", Capabilities::default())]).await;
    let fake = world.connect().await;
    fake.subscribe("room", false).await;
    for round in 0..5 {
        let (channel, event) = (world.live("room").await.unwrap(), format!("{round}"));
        world.shard().tell(Crash);
        assert!(world.live("room").await == Some(channel.clone()) && channel.connected());
        world.say(&event).await;
        assert_eq!(fake.expect("MESSAGE").await["e"], event.as_str());
        // The same session.
        let other = world.connect().await;
        assert_eq!(other.init["connection_count"], 2, "{}", other.init);
        assert!(other.session == fake.session);
        world.disconnect(&other).await;
    }
    // What nobody had asked for is loaded.
    fake.subscribe("hall", false).await;
    assert!(world.live("hall").await.is_some());
    let since = world.disconnect(&fake).await;
    advance(since, Duration::from_secs(31)).await;
    assert!(until(async || !world.has_session().await).await, "it ends as always");
}

#[actix::test]
async fn who_asks_while_a_shard_crashes_is_answered_by_the_next_one() {
    let world = World::with(&[("room", Capabilities::default())]).await;
    let missing = AskError::not_found(crate::store::Thing::Channel);
    for _ in 0..20 {
        // One is being loaded, and one is not looked at yet, when it crashes.
        let (room, none) = (key("room"), key("none"));
        let before = world.supervisor.channel(&room);
        let crash = async { world.shard().tell(Crash) };
        let behind = world.supervisor.channel(&none);
        let (before, (), behind) = join!(before, crash, behind);
        assert_eq!(behind.err(), Some(missing.clone()));
        let found = before.unwrap();
        assert!(world.live("room").await == Some(found.clone()));
        // The next round loads it again.
        assert!(found.send(Crash).await.is_err());
        assert!(until(async || !found.connected()).await);
    }
}

#[actix::test]
async fn a_channel_that_ends_while_its_shard_crashes_is_loaded_again() {
    let world = World::with(&[("room", Capabilities::default())]).await;
    let fake = world.connect().await;
    fake.subscribe("room", false).await;
    let mut last = world.live("room").await.unwrap();
    for round in 0..5 {
        // That it has ended is in the mailbox that goes with the shard.
        world.shard().tell(Crash);
        last.try_send(Crash).unwrap();
        assert!(until(async || !last.connected()).await);
        tokio::time::advance(Duration::from_millis(10)).await;
        fake.expect("AVAILABLE").await;
        let next = world.live("room").await.unwrap();
        assert!(next != last && next.connected());
        let event = format!("{round}");
        world.say(&event).await;
        assert_eq!(fake.expect("MESSAGE").await["e"], event.as_str());
        last = next;
    }
}

#[actix::test]
async fn a_channel_that_was_to_end_when_its_shard_crashed_stands_once_and_ends_later() {
    let world = World::with(&[("hall", Capabilities::default())]).await;
    let address = world.supervisor.channel(&key("hall")).await.unwrap();
    let since = Instant::now();
    world.shard().tell(RetireChannel { key: key("hall"), address: address.clone() });
    world.shard().tell(Crash);
    // It was not asked any more, and says itself when nobody has used it for the next while.
    assert!(world.live("hall").await == Some(address));
    advance(since, 2 * world.supervisor.settings().channel_idle).await;
    assert!(until(async || world.live("hall").await.is_none()).await);
}

#[actix::test]
async fn a_session_ends_though_its_shard_crashes_over_that() {
    let world = World::with(&[]).await;
    let fake = world.connect().await;
    let since = world.disconnect(&fake).await;
    crash_at(CrashPoint::SessionEnds, 1);
    advance(since, Duration::from_secs(31)).await;
    assert!(until(async || has_crashed() && !fake.session.connected()).await);
    assert!(!world.has_session().await);
    let back = world.connect().await;
    assert!(back.session != fake.session && back.session.connected());
}

//! Single stories, of one server alone: what chance brings about too rarely.

use super::happening::{ForChannel, ForSession, Place};
use super::in_virtual_time;
use super::world::{PASSING, TOKENS, World};
use crate::domain::channel::SubscriberKind;
use crate::domain::{ChannelId, RawJson, StateChange};

/// Tells a story of one server.
fn story(tell: impl AsyncFnOnce(World)) {
    in_virtual_time(async { tell(World::alone()).await });
}

/// A client connects and subscribes to a channel.
async fn subscribed(world: &mut World, client: usize) -> ChannelId {
    world.connect(client, 1 << 20);
    let (seat, name) = (world.nodes[0].sessions[&client].seat, ChannelId::trusted("a"));
    world.hand_session(seat, ForSession::Subscribe(name.clone(), false));
    world.rest().await;
    name
}

/// Somebody changes a channel's state.
fn change_state(world: &mut World, place: &Place) {
    let change = StateChange::Shallow(RawJson::trusted(r#"{"n":1}"#.to_owned()));
    world.hand_channel(place, ForChannel::Change(change, None));
}

/// The only session takes all that has come to it.
fn hear_everything(world: &mut World) {
    while !world.nodes[0].sessions[&0].inbox.is_empty() {
        world.step_session(0, 0);
        world.deliver();
    }
}

#[test]
fn whose_channel_dies_while_it_comes_in_hears_the_next_one() {
    story(async |mut world| {
        world.connect(0, 1 << 20);
        let seat = world.nodes[0].sessions[&0].seat;
        let names = ["a", "b"].map(ChannelId::trusted);
        for name in &names {
            world.hand_session(seat, ForSession::Subscribe(name.clone(), false));
        }
        world.rest().await;
        world.disconnect(0, false);
        world.rest().await;
        // The new connection has its snapshot of one channel and waits for the other's.
        world.connect(0, 1 << 20);
        world.step_channel(0, &names[0]);
        world.deliver();
        hear_everything(&mut world);
        let place = world.resolve(0, &names[0]).unwrap();
        world.end_channel(&place);
        world.deliver();
        hear_everything(&mut world);
        world.rest().await;
        let place = world.resolve(0, &names[0]).unwrap();
        change_state(&mut world, &place);
        world.rest().await;
        world.check_rest();
    });
}

#[test]
fn a_session_that_was_just_loaded_sends_each_channel_one_message() {
    story(async |mut world| {
        let names = ["a", "b", "c"].map(ChannelId::trusted);
        world.clients[0].stored.extend(names.clone());
        world.connect(0, 1 << 20);
        // The session looks for its channels, which are not in use; then all that it has said waits there.
        hear_everything(&mut world);
        for name in &names {
            let inbox = &world.nodes[0].channels[name].inbox;
            assert_eq!(inbox.len(), 1, "{inbox:?}");
            assert!(matches!(inbox[0], ForChannel::Attach(..)), "{inbox:?}");
        }
        world.rest().await;
        world.check_rest();
        let socket = world.clients[0].socket.as_ref().unwrap();
        assert_eq!(socket.known.len(), 3, "all in INIT");
    });
}

#[test]
fn a_session_that_subscribes_where_nothing_is_stored_sends_one_message() {
    story(async |mut world| {
        world.connect(0, 1 << 20);
        let (seat, name) = (world.nodes[0].sessions[&0].seat, ChannelId::trusted("a"));
        let asked = |who| ForSession::SubscribeForNow(name.clone(), who);
        for (who, is_in) in [
            (SubscriberKind::Anonymous, false),
            (SubscriberKind::Token { is_granted: false }, true),
        ] {
            world.hand_session(seat, asked(who));
            hear_everything(&mut world);
            let here = &world.nodes[0];
            assert_eq!(here.channels[&name].inbox.len(), 1);
            assert!(here.sessions[&0].machine.subscribed(&name).is_err(), "held before the answer");
            // The words of the channel are in front of what a client could do that has heard of it.
            world.step_channel(0, &name);
            world.deliver();
            world.step_session(0, 0);
            let machine = &world.nodes[0].sessions[&0].machine;
            assert_eq!(machine.subscribed(&name).is_ok(), is_in);
            world.rest().await;
            world.check_rest();
        }
    });
}

/// A channel's actor dies with a write under way; whether its next one shows what was written.
pub(super) fn a_write_outlives_its_channel() {
    story(async |mut world| {
        let name = subscribed(&mut world, 0).await;
        let place = world.resolve(0, &name).unwrap();
        change_state(&mut world, &place);
        world.step_channel(0, &name);
        world.deliver();
        world.end_channel(&place);
        world.deliver();
        world.step_session(0, 0);
        world.deliver();
        world.step_session(0, 0);
        world.deliver();
        world.rest().await;
        world.check_rest();
    });
}

#[test]
fn what_a_channel_had_stored_when_it_died_is_seen_by_the_next() {
    a_write_outlives_its_channel();
}

#[test]
fn what_follows_available_is_beyond_it_for_whoever_goes_on_by_itself() {
    story(async |mut world| {
        // This one drops what is not beyond the last position that it has seen.
        assert!(world.clients[1].following.is_some());
        let name = subscribed(&mut world, 1).await;
        let place = world.resolve(0, &name).unwrap();
        world.end_channel(&place);
        // The next one has spoken before the session is back.
        let next = world.resolve(0, &name).unwrap();
        for _ in 0..2 {
            let (_, message) = world.message();
            world.hand_channel(&next, ForChannel::Publish(message));
            world.step_channel(0, &name);
        }
        world.rest().await;
        let client = &world.clients[1];
        assert_eq!(client.following.as_ref().unwrap().stretches.last().unwrap().read.len(), 2);
        world.check_told();
    });
}

#[test]
fn a_channel_that_could_not_be_deleted_with_its_last_subscriber_goes_later() {
    story(async |mut world| {
        let name = ChannelId::trusted(PASSING);
        // A client without a token: its subscription ends with its connection.
        world.connect(TOKENS, 1 << 20);
        let seat = world.nodes[0].sessions[&TOKENS].seat;
        world.hand_session(seat, ForSession::Subscribe(name.clone(), true));
        world.rest().await;
        world.store.is_failing = true;
        world.disconnect(TOKENS, false);
        world.rest_briefly().await;
        assert!(world.store.find(&name).is_some(), "the store takes nothing");
        world.put_to_sleep(0, &name);
        world.rest_briefly().await;
        assert!(
            world.nodes[0].channels.contains_key(&name),
            "it waits for that, and does not sleep"
        );
        world.store.is_failing = false;
        world.put_to_sleep(0, &name);
        world.rest_briefly().await;
        world.check_gone();
        assert!(world.nodes[0].channels.is_empty());
    });
}

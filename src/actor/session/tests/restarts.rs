//! Who comes back after a start of the server gets what its channels have said since then.

use super::*;
use crate::ask::AskError;
use crate::domain::{MISSED_UNKNOWN, Message};
use crate::store::{Thing, Unheard};

/// Longer than a channel stays that nobody hears.
const GRACE: Duration = Duration::from_mins(5);

/// Publishes to the room.
async fn publish(world: &World, event: &str) {
    let message = Message { event: event.into(), data: RawJson::null() };
    world.supervisor.publish(&key("room"), message).await.unwrap();
}

/// A server that has just started, with a room that the token is subscribed to since before, and its start.
async fn restarted() -> (World, Instant) {
    let settings = Settings { session_grace: GRACE, ..Settings::default() };
    let world = World::of(&[("room", Capabilities::default())], Timestamp(1), &settings).await;
    let (room, token) = (key("room"), LeapTokenId::from("leap_token_t"));
    let subscribe = world
        .supervisor
        .persistence()
        .write(move |store| store.add_subscription(&room, &token, Timestamp(2)));
    subscribe.await.unwrap();
    (world, Instant::now())
}

/// A connection of the token, and what it was sent until it heard of this.
struct Comeback {
    /// What it says goes in here.
    socket: UnboundedSender<Inbound>,
    /// What it hears comes out here.
    link: Rc<Link>,
}

impl Comeback {
    /// It comes now.
    fn now(world: &World) -> Self {
        let (socket, link) = open(world);
        Self { socket, link }
    }

    /// What it is sent until this comes, as one text.
    async fn hears(&self, last: &str) -> String {
        let mut all = String::new();
        let come = until(async || {
            tokio::time::advance(Duration::from_millis(10)).await;
            all += &sent(&self.link);
            all.contains(last)
        });
        assert!(come.await, "never: {last}, but {all}");
        all
    }

    /// It ends, and everybody knows.
    async fn leave(self, world: &World) {
        drop(self.socket);
        let token = LeapTokenId::from("leap_token_t");
        assert!(until(async || !world.supervisor.online().holds(&token)).await);
    }
}

/// The names of the messages in a text, in order.
fn messages(text: &str) -> Vec<&str> {
    let rest = text.split(r#""e":"MESSAGE","d":{"e":""#).skip(1);
    rest.map(|rest| rest.split('"').next().unwrap()).collect()
}

#[actix_rt::test]
async fn within_the_grace_of_the_start_it_comes_behind_init_which_says_that_nobody_knows_more() {
    let (world, start) = restarted().await;
    publish(&world, "first").await;
    // Nobody hears the room, and it stays all the same.
    for seconds in [70, 140, 200] {
        advance(start, Duration::from_secs(seconds)).await;
    }
    publish(&world, "second").await;
    advance(start, Duration::from_secs(299)).await;
    let back = Comeback::now(&world);
    let heard = back.hears("second").await;
    assert!(heard.contains(r#""missed":null"#), "{heard}");
    assert_eq!(messages(&heard), ["first", "second"]);
    publish(&world, "live").await;
    assert_eq!(messages(&back.hears("live").await), ["live"]);
    // It has shown that it is there: whoever comes next hears what happened since.
    back.socket.send(Inbound::Text(r#"{"op":3,"d":{"tag":"here"}}"#.into())).unwrap();
    back.hears("here").await;
    back.leave(&world).await;
    publish(&world, "kept").await;
    let next = Comeback::now(&world);
    let heard = next.hears("kept").await;
    assert!(!heard.contains("missed"), "{heard}");
    assert_eq!(messages(&heard), ["kept"]);
}

#[actix_rt::test]
async fn after_it_nothing_of_that_comes() {
    let (world, start) = restarted().await;
    publish(&world, "before").await;
    advance(start, GRACE + Duration::from_millis(100)).await;
    let late = Comeback::now(&world);
    let heard = late.hears("INIT").await;
    assert!(!heard.contains("missed"), "{heard}");
    publish(&world, "live").await;
    assert_eq!(messages(&late.hears("live").await), ["live"]);
}

#[actix_rt::test]
async fn who_ends_before_it_was_told_leaves_it_unknown() {
    let (world, _) = restarted().await;
    publish(&world, "first").await;
    // It takes nothing: nobody saw its INIT.
    let gone = Comeback::now(&world);
    let hello = gone.link.left_bytes();
    assert!(until(async || gone.link.left_bytes() > hello + 200).await, "INIT is on its way");
    gone.leave(&world).await;
    let next = Comeback::now(&world);
    let heard = next.hears("first").await;
    assert!(heard.contains(r#""missed":null"#), "{heard}");
    assert_eq!(messages(&heard), ["first"]);
}

#[actix_rt::test]
async fn a_back_end_that_subscribes_a_token_again_before_it_is_back_takes_nothing_from_it() {
    let (world, _) = restarted().await;
    publish(&world, "first").await;
    let token = LeapTokenId::from("leap_token_t");
    world.add_channel("other", Capabilities::default()).await;
    // The ephemeral one keeps the session; of the other it is only said again that it is there.
    for (channel, is_ephemeral) in [("other", true), ("room", false)] {
        world.supervisor.subscribe(&key(channel), &token, is_ephemeral, None).await.unwrap();
    }
    let back = Comeback::now(&world);
    assert_eq!(messages(&back.hears("first").await), ["first"]);
}

/// The stop before the start left this.
async fn left(world: &World, tokens: &[(&str, u64)], others: u64) {
    let tokens = tokens.iter().map(|(token, missed)| (LeapTokenId::from(*token), *missed));
    let left = Unheard { tokens: tokens.collect(), others };
    let kept = world.supervisor.persistence().write(move |store| store.keep_unheard(&left));
    kept.await.unwrap();
    world.supervisor.take_unheard().await.unwrap();
}

#[actix_rt::test]
async fn what_the_stop_before_it_knew_is_told_and_what_is_said_since_comes() {
    for (tokens, others, told) in [
        (vec![("leap_token_t", 3)], 0, Some(r#""missed":3"#)),
        (vec![("leap_token_t", MISSED_UNKNOWN)], 0, Some(r#""missed":null"#)),
        (vec![("another", 3)], 0, None),
        (vec![("another", 3)], MISSED_UNKNOWN, Some(r#""missed":null"#)),
    ] {
        let (world, _) = restarted().await;
        left(&world, &tokens, others).await;
        publish(&world, "since").await;
        let back = Comeback::now(&world);
        let heard = back.hears("since").await;
        assert_eq!(messages(&heard), ["since"]);
        assert_eq!(heard.contains("missed"), told.is_some(), "{heard}");
        assert!(told.is_none_or(|told| heard.contains(told)), "{heard}");
        // The next world stops the clock itself.
        tokio::time::resume();
    }
}

#[actix_rt::test]
async fn where_what_was_said_since_the_start_is_lost_in_a_crash_nobody_knows() {
    let (world, _) = restarted().await;
    left(&world, &[], 0).await;
    publish(&world, "lost").await;
    let room = world.supervisor.channel(&key("room")).await.unwrap();
    assert!(room.send(Crash).await.is_err());
    assert!(until(async || !room.connected()).await);
    publish(&world, "since").await;
    let heard = Comeback::now(&world).hears("since").await;
    assert!(heard.contains(r#""missed":null"#), "{heard}");
}

#[actix_rt::test]
async fn direct_messages_wait_for_who_may_be_coming_back() {
    let (world, _) = restarted().await;
    left(&world, &[], 0).await;
    let token = LeapTokenId::from("leap_token_t");
    let message = Message { event: "direct".into(), data: RawJson::null() };
    let project = ProjectId::from("p");
    world.supervisor.direct_message(&project, &token, message.clone()).await.unwrap();
    let heard = Comeback::now(&world).hears(r#""DIRECT_MESSAGE","d":{"e":"direct""#).await;
    assert!(!heard.contains("missed"), "{heard}");
    let nobody = LeapTokenId::from("leap_token_nobody");
    let refused = world.supervisor.direct_message(&project, &nobody, message).await;
    assert_eq!(refused, Err(AskError::not_found(Thing::Token)));
}

#[actix_rt::test]
async fn a_session_that_was_begun_for_a_message_alone_ends_with_its_grace() {
    let (world, start) = restarted().await;
    let (project, token) = (ProjectId::from("p"), LeapTokenId::from("leap_token_t"));
    let message = Message { event: "direct".into(), data: RawJson::null() };
    world.supervisor.direct_message(&project, &token, message).await.unwrap();
    assert!(world.has_session().await);
    advance(start, Duration::from_secs(299)).await;
    assert!(world.has_session().await);
    advance(start, Duration::from_secs(301)).await;
    assert!(until(async || !world.has_session().await).await);
}

//! What clients say on channels does not pass through their session, and what it alone knows still counts.

use super::*;
use crate::domain::{EventKind, Message, Webhook, WebhookId};
use tokio::sync::oneshot;

/// Keeps a session from doing anything, until told.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub(super) struct Pause(pub(super) oneshot::Receiver<()>);

impl Handler<Pause> for SessionActor {
    type Result = ();

    fn handle(&mut self, Pause(end): Pause, ctx: &mut Context<Self>) {
        ctx.wait(async { drop(end.await) }.into_actor(self));
    }
}

/// A connection of the token with the extension `errors`, as one that writes and reads.
pub(super) struct Speaker {
    /// What it says goes in here.
    socket: UnboundedSender<Inbound>,
    /// What it hears comes out here.
    pub(super) link: Rc<Link>,
}

impl Speaker {
    /// One that is subscribed to the room, for good.
    pub(super) async fn enter(world: &World) -> Self {
        let (socket, link, _) = open_with(world, r#"["errors","patch"]"#);
        let speaker = Self { socket, link };
        speaker.hears("INIT").await;
        speaker.say("SUBSCRIBE", "null");
        speaker.hears("AVAILABLE").await;
        speaker
    }

    /// Says something on the room, which it calls by its event.
    fn say(&self, event: &str, data: &str) {
        self.send(&format!(r#""d":{{"e":"{event}","c":"room","d":{data}}},"ref":"{event}""#));
    }

    /// Publishes a message under an id, by which it calls it.
    pub(super) fn say_as(&self, id: &str) {
        let d = r#"{"e":"MESSAGE","c":"room","d":{"e":"x"}}"#;
        self.send(&format!(r#""d":{d},"id":"{id}","ref":"{id}""#));
    }

    /// Sends a dispatch.
    fn send(&self, rest: &str) {
        self.socket.send(Inbound::Text(format!(r#"{{"op":0,{rest}}}"#).into())).unwrap();
    }

    /// Waits until it has heard this; returns all that it heard.
    pub(super) async fn hears(&self, what: &str) -> String {
        let mut all = String::new();
        let heard = until(async || {
            tokio::time::advance(Duration::from_millis(10)).await;
            all += &sent(&self.link);
            all.contains(what)
        });
        assert!(heard.await, "never: {what}, but {all}");
        all
    }
}

/// The session of the token.
pub(super) async fn session(world: &World) -> Addr<SessionActor> {
    let token = LeapTokenId::from("leap_token_t");
    let shard = world.supervisor.session_shard(&token);
    shard.ask(|| FindSession(token.clone())).await.unwrap().unwrap()
}

/// A room where clients may say everything.
async fn room() -> World {
    let all = Capabilities::CLIENT_PUBLISH.union(Capabilities::CLIENT_STATE);
    World::with(&[("room", all)]).await
}

#[actix_rt::test]
async fn a_message_and_a_state_change_go_straight_to_the_channel_and_nothing_overtakes_them() {
    let world = room().await;
    let speaker = Speaker::enter(&world).await;
    let (resume, end) = oneshot::channel();
    session(&world).await.send(Pause(end)).await.unwrap();
    speaker.say("MESSAGE", r#"{"e":"straight","d":1}"#);
    speaker.hears(r#"{"ref":"MESSAGE","s":""#).await;
    speaker.say("SET_CHANNEL_STATE", r#"{"a":1}"#);
    speaker.say("PATCH_CHANNEL_STATE", r#"{"patch":{"b":2}}"#);
    let heard = speaker.hears(r#"{"ref":"PATCH_CHANNEL_STATE","version":3}"#).await;
    assert!(heard.contains(r#"{"state":{"a":1,"b":2}}"#), "{heard}");
    // Behind what the session has to do, a message waits for it, and then counts by what it did.
    speaker.say("UNSUBSCRIBE", "null");
    speaker.say("MESSAGE", r#"{"e":"late","d":1}"#);
    for _ in 0..20 {
        pause().await;
    }
    assert_eq!(sent(&speaker.link), "");
    resume.send(()).unwrap();
    let heard = speaker.hears("not_subscribed").await;
    assert!(heard.contains(r#""error_code":"UNKNOWN""#) && !heard.contains("late"), "{heard}");
}

#[actix_rt::test]
async fn who_is_subscribed_is_not_told_otherwise_by_a_channel_that_does_not_know_it_yet() {
    let world = room().await;
    let speaker = Speaker::enter(&world).await;
    let (resume, end) = oneshot::channel();
    session(&world).await.send(Pause(end)).await.unwrap();
    let old = world.supervisor.channel(&key("room")).await.unwrap();
    assert!(old.send(Crash).await.is_err());
    assert!(until(async || !old.connected()).await);
    // The next actor is there, and nobody has told it of the session.
    let message = Message { event: "other".into(), data: RawJson::null() };
    world.supervisor.publish(&key("room"), message).await.unwrap();
    speaker.say("MESSAGE", r#"{"e":"early","d":1}"#);
    for _ in 0..20 {
        pause().await;
    }
    resume.send(()).unwrap();
    let heard = speaker.hears("AVAILABLE").await;
    speaker.say("MESSAGE", r#"{"e":"again","d":1}"#);
    let heard = heard + &speaker.hears(r#""e":"again""#).await;
    assert!(!heard.contains("UNAVAILABLE") && !heard.contains("not_subscribed"), "{heard}");
}

#[actix_rt::test]
async fn without_the_capability_the_channel_itself_refuses() {
    let world = World::with(&[("room", Capabilities::default())]).await;
    let speaker = Speaker::enter(&world).await;
    let (_resume, end) = oneshot::channel();
    session(&world).await.send(Pause(end)).await.unwrap();
    speaker.say("MESSAGE", r#"{"e":"x","d":1}"#);
    speaker.hears("the channel lacks the capability CLIENT_PUBLISH").await;
    speaker.say("SET_CHANNEL_STATE", "{}");
    let heard = speaker.hears("the channel lacks the capability CLIENT_STATE").await;
    assert!(!heard.contains("UNAVAILABLE"), "{heard}");
}

#[actix_rt::test]
async fn what_comes_again_is_not_acknowledged_before_what_the_first_waits_for_is_stored() {
    let world = room().await;
    let (first, second) = (Speaker::enter(&world).await, Speaker::enter(&world).await);
    second.hears("").await;
    let webhook = Webhook {
        id: WebhookId::from("w"),
        project: ProjectId::from("p"),
        url: String::new(),
        events: vec![EventKind::ChannelMessage.name().to_owned()],
        secret: String::new(),
        previous: None,
        disabled_at: None,
        created_at: Timestamp(1),
    };
    let persistence = world.supervisor.persistence().clone();
    persistence.write(move |store| store.create_webhook(&webhook)).await.unwrap();
    persistence.load_hooks().await.unwrap();
    persistence.launch_event_log().await.unwrap();
    // The writer does nothing else until told.
    let (release, held) = mpsc::channel::<()>();
    let write = persistence.write(move |_| {
        let _ = held.recv();
        Ok(())
    });
    let blocked = actix::spawn(write);
    first.say_as("a");
    first.hears(r#""e":"MESSAGE""#).await;
    assert!(second.hears(r#""e":"MESSAGE""#).await.matches("MESSAGE").count() == 1);
    second.say_as("a");
    for _ in 0..50 {
        pause().await;
    }
    assert_eq!((sent(&first.link), sent(&second.link)), (String::new(), String::new()));
    release.send(()).unwrap();
    blocked.await.unwrap().unwrap();
    assert!(!first.hears(r#""ref":"a""#).await.contains("replayed"));
    let heard = second.hears(r#""ref":"a""#).await;
    assert!(heard.contains(r#""replayed":true"#) && !heard.contains("MESSAGE"), "{heard}");
}

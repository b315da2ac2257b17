//! Sessions in virtual time, against a real store: what thirty seconds of grace mean, to the tenth of a second.
//!
//! The clock stands still unless a test moves it. Tokio would move a paused clock by itself as soon as nothing but the
//! store's own threads is at work; a blocking task that lasts as long as the test keeps it from doing so.

use super::super::Settings;
use super::super::channel::{ChannelActor, ConnectionRef};
use super::super::connection::{Connection, Inbound, Socket};
use super::super::persistence::Persistence;
use super::super::shard::FindSession;
use super::*;
use crate::delivery::Undelivered;
use crate::delivery::fanout::{ConnectionUid, LocalFanout};
use crate::delivery::{Exit, Report};
use crate::delivery::{Link, Origin};
use crate::domain::{
    Capabilities, Channel, ChannelKey, ConnectionId, Epoch, HistoryLimits, LeapToken, LeapTokenId,
    Project, RawJson, State, Timestamp, Version, Visibility,
};
use crate::protocol::{ClientCommand, ClientFrame, Extensions, Identify, Profile, Wire};
use crate::store::diesel::SqliteDatabase;
use crate::store::{Database, TokenUpdate};
use futures_util::stream;
use futures_util::task::noop_waker;
use serde_json::Value;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

/// How often something is looked at, a millisecond apart, before it counts as never.
const LOOKS: usize = 20_000;

/// A server without sockets.
struct World {
    /// The way to everything.
    supervisor: Supervisor,
    /// The fan-out of this thread.
    fanout: LocalFanout,
    /// The database.
    _folder: TempDir,
    /// Keeps the clock where it is; the task ends with its sender.
    _brake: mpsc::Sender<()>,
}

/// A connection without a socket.
struct Fake {
    /// What the server writes from.
    link: Rc<Link>,
    /// Its session.
    session: Addr<SessionActor>,
    /// INIT's data.
    init: Value,
}

/// Lets everybody else get on; no time passes.
async fn pause() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    // The clock stands still; the store's threads are real, and this gives them the processor.
    std::thread::sleep(Duration::from_millis(1));
}

/// Moves the clock to so long after a moment.
async fn advance(since: Instant, after: Duration) {
    let left = (since + after).checked_duration_since(Instant::now());
    tokio::time::advance(left.expect("the clock is not beyond it")).await;
    for _ in 0..20 {
        pause().await;
    }
}

/// Whether something becomes so while no time passes.
async fn until(mut is_so: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..LOOKS {
        if is_so().await {
            return true;
        }
        pause().await;
    }
    false
}

impl World {
    /// A project with the token `leap_token_t` and these public channels, each with a capability.
    async fn with(channels: &[(&str, Capabilities)]) -> Self {
        // After the start: nobody was connected before.
        Self::of(channels, clock::after(Duration::from_mins(1)), &Settings::default()).await
    }

    /// The same, with a token that was created then.
    async fn of(
        channels: &[(&str, Capabilities)],
        created_at: Timestamp,
        settings: &Settings,
    ) -> Self {
        Self::over(|database| Arc::new(database), channels, created_at, settings).await
    }

    /// The same, with a database that something is made of before.
    async fn over(
        made: impl FnOnce(SqliteDatabase) -> Arc<dyn Database>,
        channels: &[(&str, Capabilities)],
        created_at: Timestamp,
        settings: &Settings,
    ) -> Self {
        tokio::time::pause();
        let (brake, parked) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || parked.recv().ok());
        let folder = tempfile::tempdir().unwrap();
        let database = SqliteDatabase::open(&folder.path().join("warren.db"), 1).unwrap();
        let persistence = Persistence::start(made(database)).unwrap();
        for name in ["p", "other"] {
            let (id, namespace, name) = (ProjectId::from(name), name.to_owned(), String::new());
            let project = Project {
                id,
                name,
                namespace,
                allowed_origins: crate::domain::AllowedOrigins::default(),
                created_at: Timestamp(1),
            };
            persistence.write(move |store| store.create_project(&project)).await.unwrap();
        }
        for (id, capabilities) in channels {
            let channel = channel_of(id, *capabilities);
            let create = persistence.write(move |store| {
                store.create_channel(&channel)?;
                if channel.capabilities.contains(Capabilities::HISTORY) {
                    store.open_line(&channel.key, Epoch(1), HistoryLimits::default())?;
                }
                Ok(())
            });
            create.await.unwrap();
        }
        let token = LeapToken {
            id: LeapTokenId::from("leap_token_t"),
            project: ProjectId::from("p"),
            state: RawJson::null(),
            expires_at: None,
            created_at,
        };
        persistence.write(move |store| store.create_token(&token, &[])).await.unwrap();
        let supervisor = Supervisor::new(1, persistence, *settings);
        supervisor.settle_here();
        let fanout = supervisor.fanout_here();
        Self { supervisor, fanout, _folder: folder, _brake: brake }
    }

    /// Tries to bring a connection of this project in; none if it is refused.
    async fn try_connect(&self, project: &str, token: Option<&str>) -> Option<Fake> {
        let (uid, cid) = (ConnectionUid::next(), ConnectionId::from("cid"));
        let origin = Origin { address: None, user_agent: None, since: Timestamp(1), nonce: 0 };
        let link = Rc::new(Link::new(
            uid,
            cid.clone(),
            origin,
            &self.fanout.pressure(Settings::default().outgoing()),
        ));
        self.fanout.register(&link);
        let (project_id, token) = (project.to_owned(), token.map(str::to_owned));
        let who = Identify { project_id, token, extensions: None, resume: None };
        let connection =
            ConnectionRef { uid, worker: self.fanout.handle(), profile: Profile::default() };
        let entered =
            self.supervisor.connect(&who, None, connection, cid, None, None).await.ok()?;
        let session = entered.session.clone();
        // Its drop would give the place back; here `disconnect` does.
        std::mem::forget(entered);
        let mut fake = Fake { link, session, init: Value::Null };
        fake.init = fake.expect("INIT").await;
        Some(fake)
    }

    /// Brings a connection of the token in.
    async fn connect(&self) -> Fake {
        self.try_connect("p", Some("leap_token_t")).await.unwrap()
    }

    /// Ends a connection as its socket's end does; returns when that was.
    async fn disconnect(&self, fake: &Fake) -> Instant {
        self.fanout.unregister(&fake.link);
        let (connection, undelivered) = (fake.link.uid(), Undelivered::default());
        let (standing, is_settled, has_spoken) = (None, true, false);
        let exit = Exit { connection, standing, is_settled, has_spoken, undelivered };
        let exit = Report::Exit(exit);
        fake.session.send(exit).await.unwrap();
        Instant::now()
    }

    /// Adds a channel.
    async fn add_channel(&self, id: &str, capabilities: Capabilities) {
        let channel = channel_of(id, capabilities);
        let write =
            self.supervisor.persistence().write(move |store| store.create_channel(&channel));
        write.await.unwrap();
    }

    /// Whether a channel is in the store.
    async fn has(&self, channel: &str) -> bool {
        let key = key(channel);
        self.supervisor
            .persistence()
            .read(move |store| store.find_channel(&key))
            .await
            .unwrap()
            .is_some()
    }

    /// Whether the token has a session in memory.
    async fn has_session(&self) -> bool {
        let token = LeapTokenId::from("leap_token_t");
        self.supervisor
            .session_shard(&token)
            .ask(|| FindSession(token.clone()))
            .await
            .unwrap()
            .is_some()
    }
}

/// A public channel, new.
fn channel_of(id: &str, capabilities: Capabilities) -> Channel {
    Channel {
        key: key(id),
        visibility: Visibility::Public,
        capabilities,
        state: State::empty(),
        version: Version::FIRST,
        created_at: Timestamp(1),
    }
}

/// A channel's full name.
fn key(id: &str) -> ChannelKey {
    ChannelKey { project: ProjectId::from("p"), id: ChannelId::trusted(id) }
}

impl Fake {
    /// The next dispatch, which must be of this kind; returns its data.
    async fn expect(&self, event: &str) -> Value {
        for _ in 0..LOOKS {
            let waker = noop_waker();
            let taken = self.link.poll_take(&std::task::Context::from_waker(&waker));
            if let Poll::Ready(Some(bytes)) = taken {
                let start = bytes.iter().position(|byte| *byte == b'{').unwrap();
                let mut payload: Value = serde_json::from_slice(&bytes[start..]).unwrap();
                assert_eq!(payload["d"]["e"], event, "{payload}");
                return payload["d"]["d"].take();
            }
            pause().await;
        }
        panic!("never: {event}");
    }

    /// Subscribes and waits for the outcome.
    async fn subscribe(&self, channel: &str, is_ephemeral: bool) {
        let command = ClientCommand::Subscribe {
            channel: Some(channel.to_owned()),
            is_ephemeral,
            start: Ok(None),
        };
        let frame = ClientFrame { command, reference: None, bytes: 0 };
        let (connection, extensions) = (self.link.uid(), Extensions::default());
        let served = self
            .session
            .send(Serve { connection, extensions, frame, is_hasty: false })
            .await
            .unwrap();
        assert!(served.is_ok());
        // The fan-out's pause between two flushes.
        tokio::time::advance(Duration::from_millis(10)).await;
        self.expect("AVAILABLE").await;
    }

    /// The ids of INIT's channels.
    fn channels(&self) -> Vec<&str> {
        let channels = self.init["channels"].as_array().unwrap().iter();
        channels.map(|channel| channel["id"].as_str().unwrap()).collect()
    }
}

#[actix_rt::test]
async fn at_29_9_seconds_the_session_is_the_same_and_at_30_1_it_has_ended() {
    let plain = Capabilities::default();
    let world = World::with(&[("lasting", plain), ("passing", plain)]).await;
    let first = world.connect().await;
    first.subscribe("lasting", false).await;
    first.subscribe("passing", true).await;
    let gone = world.disconnect(&first).await;
    advance(gone, Duration::from_millis(29_900)).await;
    let second = world.connect().await;
    assert_eq!(second.session, first.session, "it is the same session");
    assert_eq!(second.channels(), ["lasting", "passing"]);
    // The timer of the first break is off: a minute with a connection ends nothing.
    advance(gone, Duration::from_mins(1)).await;
    assert!(second.session.connected());
    let gone = world.disconnect(&second).await;
    advance(gone, Duration::from_millis(29_900)).await;
    assert!(second.session.connected() && world.has_session().await);
    advance(gone, Duration::from_millis(30_100)).await;
    assert!(until(async || !world.has_session().await).await);
    assert!(!second.session.connected());
    let third = world.connect().await;
    assert_ne!(third.session, first.session, "it is another session");
    assert_eq!(third.channels(), ["lasting"]);
}

#[actix_rt::test]
async fn an_ephemeral_channel_is_there_at_29_9_seconds_and_not_at_30_1() {
    let world = World::with(&[("room", Capabilities::EPHEMERAL)]).await;
    let fake = world.connect().await;
    fake.subscribe("room", false).await;
    let gone = world.disconnect(&fake).await;
    advance(gone, Duration::from_millis(29_900)).await;
    assert!(world.has("room").await);
    advance(gone, Duration::from_millis(30_100)).await;
    assert!(until(async || !world.has("room").await).await, "the channel stays");
}

#[actix_rt::test]
async fn without_a_token_there_is_no_grace() {
    let world = World::with(&[]).await;
    let fake = world.try_connect("p", None).await.unwrap();
    world.disconnect(&fake).await;
    assert!(!fake.session.connected());
}

#[actix_rt::test]
async fn a_session_that_was_only_asked_for_ends_at_once() {
    let world = World::with(&[]).await;
    assert!(world.try_connect("other", Some("leap_token_t")).await.is_none());
    assert!(until(async || !world.has_session().await).await, "the session stays");
}

/// A kind of socket that a test feeds.
struct Fed;

impl Socket for Fed {
    const LINGER: Option<Duration> = None;

    fn has_unread(&self) -> bool {
        false
    }

    fn has_ended_well(&self) -> bool {
        false
    }

    fn take_page(&mut self) -> Option<Box<str>> {
        None
    }

    fn on_identified(&mut self) {}
}

impl Actor for Connection<Fed> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.on_started(ctx);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.on_stopped();
    }
}

impl StreamHandler<Inbound> for Connection<Fed> {
    fn handle(&mut self, inbound: Inbound, ctx: &mut Context<Self>) {
        self.on_inbound(inbound, ctx);
    }
}

/// Opens a connection that reads what it is sent here, and says IDENTIFY.
fn open(world: &World) -> (UnboundedSender<Inbound>, Rc<Link>) {
    let (sender, link, _) = open_as(world);
    (sender, link)
}

/// As [`open`], and the connection's actor.
fn open_as(world: &World) -> (UnboundedSender<Inbound>, Rc<Link>, Addr<Connection<Fed>>) {
    open_with(world, "null")
}

/// The same, with these extensions.
fn open_with(
    world: &World,
    extensions: &str,
) -> (UnboundedSender<Inbound>, Rc<Link>, Addr<Connection<Fed>>) {
    let origin = Origin { address: None, user_agent: None, since: Timestamp(1), nonce: 0 };
    let (supervisor, account) = (world.supervisor.clone(), world.supervisor.inbound_account());
    let (connection, link) = Connection::open(supervisor, Fed, origin, Wire::default(), account);
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let ctx = {
        let mut ctx = Context::new();
        ctx.add_stream(connection.pace(stream::poll_fn(move |cx| receiver.poll_recv(cx))));
        ctx
    };
    let actor = ctx.run(connection);
    let who = r#""project_id":"p","token":"leap_token_t""#;
    let identify = format!(r#"{{"op":2,"d":{{{who},"ext":{extensions}}}}}"#);
    sender.send(Inbound::Text(identify.into())).unwrap();
    (sender, link, actor)
}

/// What a connection was sent since it was last asked, as one text.
fn sent(link: &Rc<Link>) -> String {
    let waker = noop_waker();
    let mut all = String::new();
    while let Poll::Ready(Some(bytes)) = link.poll_take(&std::task::Context::from_waker(&waker)) {
        all += &String::from_utf8_lossy(&bytes);
    }
    all
}

#[actix_rt::test]
async fn a_burst_takes_no_longer_than_its_work() {
    const COUNT: usize = 1000;
    let world = World::with(&[]).await;
    let (sender, link) = open(&world);
    let all = std::cell::RefCell::new(String::new());
    let heard = |what: &str| {
        all.borrow_mut().push_str(&sent(&link));
        all.borrow().matches(what).count()
    };
    assert!(until(async || heard("INIT") == 1).await);
    for n in 0..COUNT {
        let subscribe = format!(r#"{{"op":0,"d":{{"e":"SUBSCRIBE","c":"nowhere-{n}"}}}}"#);
        sender.send(Inbound::Text(subscribe.into())).unwrap();
    }
    sender.send(Inbound::Text(r#"{"op":3,"d":{"tag":"behind"}}"#.into())).unwrap();
    // Each frame waits its 2 ms, 64 at a time; nothing else needs the clock.
    for _ in 0..=COUNT / 64 {
        for _ in 0..10 {
            pause().await;
        }
        tokio::time::advance(Duration::from_millis(3)).await;
    }
    assert!(until(async || heard("behind") == 1).await, "a heartbeat");
    tokio::time::advance(Duration::from_millis(10)).await;
    assert!(until(async || heard("UNAVAILABLE") == COUNT).await, "{}", heard("UNAVAILABLE"));
}

#[actix_rt::test]
async fn a_clock_that_is_set_forward_ends_a_token_within_a_minute() {
    let world = World::with(&[]).await;
    let hour = Duration::from_hours(1);
    let update =
        TokenUpdate { expires_at: Some(Some(clock::after(hour))), ..TokenUpdate::default() };
    let changed = world.supervisor.persistence().write(move |store| {
        store.update_token(&ProjectId::from("p"), &LeapTokenId::from("leap_token_t"), &update)
    });
    changed.await.unwrap();
    let _fake = world.connect().await;
    let connected = Instant::now();
    advance(connected, Duration::from_secs(50)).await;
    assert!(world.has_session().await);
    clock::stepped::forward(hour);
    // A timer that had been set for the hour would run for all of it.
    advance(connected, Duration::from_secs(61)).await;
    assert!(until(async || !world.has_session().await).await);
}

/// Makes a channel's actor crash.
#[derive(actix::Message)]
#[rtype(result = "()")]
struct Crash;

impl Handler<Crash> for ChannelActor {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("a test wants it");
    }
}

#[actix_rt::test]
async fn rooms_go_with_their_channels_actors_however_those_end() {
    let world = World::with(&[("room", Capabilities::default())]).await;
    let fake = world.connect().await;
    let empty = world.fanout.rooms();
    fake.subscribe("room", false).await;
    for _ in 0..5 {
        let actor = world.supervisor.channel(&key("room")).await.unwrap();
        assert!(actor.send(Crash).await.is_err());
        assert!(until(async || world.fanout.rooms() == empty + 1 && !actor.connected()).await);
        tokio::time::advance(Duration::from_millis(10)).await;
        fake.expect("AVAILABLE").await;
    }
    assert_eq!(world.fanout.rooms(), empty + 1);
    for _ in 0..5 {
        world.supervisor.delete_channel(&key("room"), None).await.unwrap();
        assert_eq!(world.fanout.rooms(), empty);
        tokio::time::advance(Duration::from_millis(10)).await;
        fake.expect("UNAVAILABLE").await;
        world.add_channel("room", Capabilities::default()).await;
        fake.subscribe("room", true).await;
        assert_eq!(world.fanout.rooms(), empty + 1);
    }
    world.disconnect(&fake).await;
    assert_eq!(world.fanout.rooms(), empty);
}

mod crashes;
mod direct;
mod missing;
mod online;
mod restarts;
mod shards;
mod troubles;

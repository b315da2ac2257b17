//! A connection's actor: one socket, from its opening to its end.
//!
//! The rules are the machine's; this file hands it frames and time and carries out its actions. It is written for any
//! kind of socket: `K` says which, and the file that knows that kind implements [`Actor`] for `Connection<K>` and feeds
//! it with [`Inbound`]. What goes out, the socket takes from the [`Link`].

use super::channel::ConnectionRef;
use super::fanout::{ConnectionUid, LocalFanout, Order, Owner};
use super::link::{Link, Note, Origin};
use super::session::Serve;
use super::supervisor::{Entered, Supervisor};
use crate::domain::project::secret_hash;
use crate::domain::{ConnectionId, ProjectId, Version};
use crate::protocol::{
    Action, Close, CloseCode, Dispatch, Event, Extension, Extensions, Frame, Identify, Machine,
    Refusal, Wire, frame,
};
use actix::dev::ToEnvelope;
use actix::prelude::*;
use bytes::Bytes;
use bytestring::ByteString;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The most frames that wait to be served; past it, nothing is read until some are.
const MAX_UNSERVED: usize = 64;
/// How long reading pauses then before it is looked at again.
const UNSERVED_PAUSE: Duration = Duration::from_millis(1);

/// A kind of socket.
pub trait Socket: Unpin + 'static {
    /// How long the peer may take to end the stream after the close frame, where that is ours to see to.
    const LINGER: Option<Duration>;
}

/// What a socket reads, its fragments put together.
#[derive(Debug)]
pub enum Inbound {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
    /// A ping, to be echoed.
    Ping(Bytes),
    /// The client closes, with its code if it gave one.
    Close(Option<u16>),
    /// More bytes than a frame or message may have.
    TooBig,
    /// A text message that is not UTF-8.
    NotUtf8,
    /// Not WebSocket any more.
    Broken,
}

/// One socket of kind `K`.
pub struct Connection<K> {
    /// The rules.
    machine: Machine,
    /// HELLO, until the actor runs.
    hello: Option<Action>,
    /// What the machine asked for and is not done, in order.
    actions: VecDeque<Action>,
    /// The way out.
    link: Rc<Link>,
    /// The fan-out of this thread.
    fanout: LocalFanout,
    /// The way to everything else.
    hub: Supervisor,
    /// The session, once identified.
    session: Option<Entered>,
    /// Whether the session has a frame that is not served yet.
    is_serving: bool,
    /// Whether INIT is in the outbox, which may be known before the session is.
    is_initialised: bool,
    /// When the socket opened.
    opened: Instant,
    /// The timer that runs, and for when.
    timer: Option<(Duration, SpawnHandle)>,
    /// What the kind of socket needs to remember.
    pub socket: K,
}

impl<K> Connection<K> {
    /// A connection that has just opened, its payloads spelled as it asked, and the link that its socket writes from.
    pub fn open(hub: Supervisor, socket: K, origin: Origin, wire: Wire) -> (Self, Rc<Link>) {
        let settings = hub.settings();
        let (machine, hello) = Machine::open(settings.timing, wire);
        let fanout = hub.fanout_here();
        let (uid, index) = (ConnectionUid::next(), fanout.handle().index());
        // The public id tells where the connection is, and what nobody can guess proves that it is meant.
        let cid = format!("{index:x}-{:x}-{:016x}", uid.number(), origin.nonce);
        let cid = ConnectionId::from(cid.as_str());
        let link = Rc::new(Link::new(uid, cid, origin, settings.outbox_bytes));
        let connection = Self {
            machine,
            hello: Some(hello),
            actions: VecDeque::new(),
            link: Rc::clone(&link),
            fanout,
            hub,
            session: None,
            is_serving: false,
            is_initialised: false,
            opened: Instant::now(),
            timer: None,
            socket,
        };
        (connection, link)
    }

    /// The time since the opening.
    fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Nobody is to deliver here any more; said once, however often called.
    fn leave(&mut self) {
        self.fanout.unregister(&self.link);
        self.session = None;
    }
}

impl<K: Socket> Connection<K>
where
    Self: Actor,
    <Self as Actor>::Context: AsyncContext<Self>,
{
    /// To be called when the actor has started.
    pub fn on_started(&mut self, ctx: &mut <Self as Actor>::Context)
    where
        <Self as Actor>::Context: ToEnvelope<Self, Note>,
    {
        self.link.set_actor(ctx.address().recipient());
        self.fanout.register(&self.link);
        self.actions.extend(self.hello.take());
        self.carry_on(ctx);
    }

    /// To be called when the actor has stopped, whatever the reason.
    pub fn on_stopped(&mut self) {
        self.leave();
        self.link.end();
    }

    /// Takes what the socket read.
    pub fn on_inbound(&mut self, inbound: Inbound, ctx: &mut <Self as Actor>::Context) {
        let now = self.now();
        let actions = match inbound {
            Inbound::Text(text) => self.machine.on_text(now, &text),
            Inbound::Binary(bytes) => {
                self.machine.on_binary(now, &bytes, self.hub.settings().frame_bytes)
            }
            Inbound::Ping(payload) => vec![Action::Send(frame::pong(&payload))],
            Inbound::Close(code) => self.machine.close(CloseCode::echo(code), ""),
            Inbound::TooBig => {
                let limit = self.hub.settings().frame_bytes;
                let reason = format!("too big: a message from a client has at most {limit} bytes");
                self.machine.close(CloseCode::TooBig, reason)
            }
            Inbound::NotUtf8 => {
                self.machine.close(CloseCode::InvalidPayload, "invalid payload: not UTF-8")
            }
            Inbound::Broken => {
                self.machine.close(CloseCode::ProtocolError, "not a WebSocket frame")
            }
        };
        self.actions.extend(actions);
        self.carry_on(ctx);
        self.pause_if_congested(ctx);
    }

    /// Takes a word of the fan-out.
    pub fn on_note(&mut self, note: Note, ctx: &mut <Self as Actor>::Context) {
        let actions = match note {
            Note::Initialised => {
                self.is_initialised = true;
                self.begin_serving()
            }
            // The close frame is on its way already: this one only ends the machine.
            Note::Overrun => self.machine.close(CloseCode::SlowConsumer, "slow consumer"),
            Note::Close(close) => self.machine.close(close.code, close.reason),
        };
        self.actions.extend(actions);
        self.carry_on(ctx);
    }

    /// Lets the machine go on once INIT is out and the session known; their news come in either order.
    fn begin_serving(&mut self) -> Vec<Action> {
        if self.is_initialised && self.session.is_some() {
            self.machine.identified(self.now())
        } else {
            Vec::new()
        }
    }

    /// Carries out what the machine asked for. A frame for the session waits until the one before is served; everything
    /// else does not: a heartbeat is answered while a back end takes its time about a private channel.
    fn carry_on(&mut self, ctx: &mut <Self as Actor>::Context) {
        let mut unserved = VecDeque::new();
        while let Some(action) = self.actions.pop_front() {
            match action {
                Action::Send(frame) => self.link.send(frame),
                Action::Identify(identify) => self.identify(identify, ctx),
                Action::Close(close) => self.close(&close, ctx),
                Action::Serve(frame) if self.is_serving => unserved.push_back(Action::Serve(frame)),
                Action::Serve(frame) => self.serve(frame, ctx),
            }
        }
        self.actions = unserved;
        self.set_timer(ctx);
    }

    /// Hands a frame to the session and goes on with the next when it is served.
    fn serve(&mut self, frame: Frame, ctx: &mut <Self as Actor>::Context) {
        let Some(Entered { session, .. }) = &self.session else { return };
        let (connection, extensions) = (self.link.uid(), self.link.extensions());
        let reference = frame.reference.clone();
        let served = session.send(Serve { connection, extensions, frame });
        self.is_serving = true;
        let done = served.into_actor(self).map(
            move |served, actor: &mut Self, ctx: &mut <Self as Actor>::Context| {
                actor.is_serving = false;
                // A session that has ended closes its connections itself.
                if let Ok(served) = served {
                    actor.answer(served, reference);
                }
                actor.carry_on(ctx);
            },
        );
        // A crowd is served before anything more is read.
        if self.actions.len() >= MAX_UNSERVED / 2 {
            ctx.wait(done);
        } else {
            ctx.spawn(done);
        }
    }

    /// Tells a client that wants to know what came of its frame, behind what the frame itself made it hear.
    fn answer(&self, served: Result<Option<Version>, Refusal>, reference: Option<String>) {
        if !self.link.extensions().has(Extension::Errors) {
            return;
        }
        let event = match (served, reference) {
            (Err(refusal), reference) => Event::Error { refusal, reference },
            (Ok(version), Some(reference)) => Event::Ack { reference, version },
            (Ok(_), None) => return,
        };
        let (connection, dispatch) = (self.link.uid(), Arc::new(Dispatch::new(event)));
        // Without budget the thread is far behind; the client learns by its own time-out.
        let _ = self.fanout.handle().try_send(Order::Direct { connection, dispatch });
    }

    /// Finds out who this is; meanwhile heartbeats are answered.
    fn identify(&mut self, who: Identify, ctx: &mut <Self as Actor>::Context) {
        let extensions = who.extensions.as_deref().map(Extensions::granted);
        let project = ProjectId::from(who.project_id.as_str());
        self.link.set_identity(project, extensions.unwrap_or_default(), self.machine.wire());
        self.link.set_owners(owners(&who));
        let connection = ConnectionRef { uid: self.link.uid(), fanout: self.fanout.handle() };
        let (cid, address) = (self.link.cid().clone(), self.link.address());
        let hub = self.hub.clone();
        let (reply, entered) = oneshot::channel();
        // On its own, so that it ends also where the socket goes first: a place in the session is then given back.
        actix::spawn(async move {
            let _ = reply.send(hub.enter(&who, extensions, connection, cid, address).await);
        });
        let closed = || Err(Close::new(CloseCode::Unknown, "the server cannot answer, reconnect"));
        let entered = async move { entered.await.unwrap_or_else(|_| closed()) };
        ctx.spawn(entered.into_actor(self).map(
            |outcome, actor: &mut Self, ctx: &mut <Self as Actor>::Context| {
                match outcome {
                    // Dropped with this, and so given back.
                    Ok(_) if actor.machine.is_closed() => {}
                    Ok(entered) => {
                        actor.link.set_session(entered.session.clone());
                        actor.session = Some(entered);
                        let actions = actor.begin_serving();
                        actor.actions.extend(actions);
                    }
                    Err(close) => {
                        actor.actions.extend(actor.machine.close(close.code, close.reason));
                    }
                }
                actor.carry_on(ctx);
            },
        ));
    }

    /// Writes a close frame; the socket ends when it has left.
    fn close(&mut self, close: &Close, ctx: &mut <Self as Actor>::Context) {
        self.fanout.catch_up(&self.link);
        self.link.close(close);
        if let Some(linger) = K::LINGER {
            ctx.run_later(linger, |_, ctx| ctx.stop());
        }
        self.leave();
    }

    /// Stops reading for a moment when too much waits: in the machine for its time, or here to be served.
    fn pause_if_congested(&mut self, ctx: &mut <Self as Actor>::Context) {
        let pause = if self.actions.len() >= MAX_UNSERVED {
            UNSERVED_PAUSE
        } else if self.machine.is_congested() {
            let Some(deadline) = self.machine.deadline() else { return };
            deadline.saturating_sub(self.now())
        } else {
            return;
        };
        ctx.wait(
            tokio::time::sleep(pause)
                .into_actor(self)
                .map(|(), actor: &mut Self, ctx: &mut <Self as Actor>::Context| actor.on_time(ctx)),
        );
    }

    /// Lets the machine do what time has brought.
    fn on_time(&mut self, ctx: &mut <Self as Actor>::Context) {
        let now = self.now();
        self.actions.extend(self.machine.on_timeout(now));
        self.carry_on(ctx);
    }

    /// Sees to it that the machine hears of its deadline; a timer that runs out before is left alone.
    fn set_timer(&mut self, ctx: &mut <Self as Actor>::Context) {
        let Some(deadline) = self.machine.deadline() else { return };
        match self.timer {
            Some((due, _)) if due <= deadline => return,
            Some((_, timer)) => {
                ctx.cancel_future(timer);
            }
            None => {}
        }
        let timer = ctx.run_later(deadline.saturating_sub(self.now()), |actor, ctx| {
            actor.timer = None;
            actor.on_time(ctx);
        });
        self.timer = Some((deadline, timer));
    }
}

/// Whom a connection says that it belongs to: its project, and the project token if it came with one.
fn owners(who: &Identify) -> Vec<Owner> {
    let key = who.token.as_deref().filter(|token| token.starts_with("ptk_"));
    let project = Owner::Project(ProjectId::from(who.project_id.as_str()));
    [Some(project), key.map(|secret| Owner::Key(secret_hash(secret)))]
        .into_iter()
        .flatten()
        .collect()
}

impl<K: Socket> Handler<Note> for Connection<K>
where
    Self: Actor,
    <Self as Actor>::Context: AsyncContext<Self>,
{
    type Result = ();

    fn handle(&mut self, note: Note, ctx: &mut <Self as Actor>::Context) {
        self.on_note(note, ctx);
    }
}

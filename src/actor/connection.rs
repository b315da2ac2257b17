//! A connection's actor: one socket, from its opening to its end.
//!
//! The rules are the machine's; this file hands it frames and time and carries out its actions. It is written for any
//! kind of socket: `K` says which, and the file that knows that kind implements [`Actor`] for `Connection<K>` and feeds
//! it with [`Inbound`], through the [`Valve`]. What goes out, the socket takes from the [`Link`].

mod direct;
#[cfg(feature = "echo")]
mod echo;
mod farewell;
mod linger;
mod recording;
mod serving;
mod speaking;
mod valve;

use super::channel::ConnectionRef;
use super::clock;
use super::inbound::InboundAccount;
use super::session::{CarriedOut, Serve};
use super::supervisor::{Connected, Supervisor};
use crate::delivery::Origin;
use crate::delivery::fanout::{ConnectionUid, LocalFanout, Order, Owner};
use crate::delivery::link::{Link, Note};
use crate::domain::project::secret_hash;
use crate::domain::{ConnectionId, ProjectId};
use crate::faults;
use crate::protocol::{
    Action, ClientCommand, ClientFrame, Close, CloseCode, EncodedEvent, Event, Extension,
    Extensions, Identify, Machine, Refusal, Wire, frame,
};
use crate::recorder::ConnectionTape;
use actix::dev::ToEnvelope;
use actix::prelude::*;
use bytes::Bytes;
use bytestring::ByteString;
use farewell::Farewell;
use linger::Linger;
use serving::{BegunFrame, Serving};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;
use valve::{Valve, Valved};

/// A kind of socket.
pub trait Socket: Unpin + 'static {
    /// How often a peer that was sent a close frame is looked at until it has ended the stream, where that is ours to see
    /// to.
    const LINGER: Option<Duration>;

    /// Whether something of the client lies unread, as far as the socket tells.
    fn has_unread(&self) -> bool;

    /// Whether the client ended the stream in order, as far as the socket tells: then it was there to the end.
    fn has_ended_well(&self) -> bool;

    /// The origin of the page that opened it, if one did; told once.
    fn take_page(&mut self) -> Option<Box<str>>;

    /// Its client is known by now.
    fn on_identified(&mut self);

    /// What is said first in the place of a client that can say nothing: IDENTIFY.
    fn first_words(&self) -> Option<String> {
        None
    }

    /// INIT is on its way: what else is said in its place.
    fn further_words(&mut self, _: &Link) -> Vec<String> {
        Vec::new()
    }

    /// The server closes it.
    fn on_closed(&mut self, _: &Close) {}
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
    /// A frame has stayed half for too long, while others waited for what it takes.
    OutOfRoom,
    /// A text message that is not UTF-8.
    NotUtf8,
    /// Not WebSocket any more.
    Broken,
    /// Nothing more: the client has ended its side, or the connection is broken.
    End,
}

/// An end that the client has brought about.
struct EndOfStream {
    /// The close frame that answers it, where there is one.
    close: Option<Close>,
    /// Whether that has left for the fan-out.
    is_on_its_way: bool,
}

/// One socket of kind `K`.
pub struct Connection<K> {
    /// The rules.
    machine: Machine,
    /// The client's frames that are not served.
    serving: Serving,
    /// What happens once they are.
    ending: Option<EndOfStream>,
    /// Lets reading wait.
    valve: Valve,
    /// What is held of what the client sent, and how much it may send in one piece.
    account: InboundAccount,
    /// Whether there is nothing more to read.
    has_ended: bool,
    /// The way out.
    link: Rc<Link>,
    /// The fan-out of this thread.
    fanout: LocalFanout,
    /// The way to everything else.
    supervisor: Supervisor,
    /// The session, once identified.
    session: Option<Connected>,
    /// Whether INIT is in the send queue, which may be known before the session is.
    is_initialised: bool,
    /// When the socket opened.
    opened: Instant,
    /// The timer that runs, and for when.
    timer: Option<(Duration, SpawnHandle)>,
    /// A stop waits for it.
    _counted: TaskTrackerToken,
    /// How it ends, as far as that is known.
    farewell: Farewell,
    /// Whether it sends back what it is sent, and does nothing else.
    #[cfg(feature = "echo")]
    is_echo: bool,
    /// What the kind of socket needs to remember.
    pub socket: K,
}

impl<K> Connection<K> {
    /// A connection that has just opened, its payloads spelled as it asked, and the link that its socket writes from.
    pub fn open(
        supervisor: Supervisor,
        socket: K,
        origin: Origin,
        wire: Wire,
        account: InboundAccount,
    ) -> (Self, Rc<Link>) {
        let settings = supervisor.settings();
        let machine = Machine::open(settings.timing, wire);
        let fanout = supervisor.fanout_here();
        let (uid, index) = (ConnectionUid::next(), fanout.handle().index());
        // The public id tells where the connection is, and what nobody can guess proves that it is meant.
        let cid = format!("{index:x}-{:x}-{:016x}", uid.number(), origin.nonce);
        let cid = ConnectionId::from(cid.as_str());
        let link = Rc::new(Link::new(uid, cid, origin, &fanout.pressure(settings.outgoing())));
        link.set_wire(wire);
        let counted = supervisor.count_connection();
        let connection = Self {
            machine,
            serving: Serving::default(),
            ending: None,
            valve: Valve::default(),
            account,
            has_ended: false,
            link: Rc::clone(&link),
            fanout,
            supervisor,
            session: None,
            is_initialised: false,
            opened: Instant::now(),
            timer: None,
            _counted: counted,
            farewell: Farewell::new(),
            #[cfg(feature = "echo")]
            is_echo: false,
            socket,
        };
        (connection, link)
    }

    /// Makes what a socket reads wait while too much waits already.
    pub fn pace<S>(&self, stream: S) -> Valved<S> {
        self.valve.before(stream)
    }

    /// The time since the opening.
    fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Nobody is to deliver here any more; said once, however often called.
    fn leave(&mut self) {
        self.fanout.unregister(&self.link);
        let is_told = self.link.leave();
        self.give_back(is_told);
    }

    /// Gives the place in the session back, if it has one.
    fn give_back(&mut self, is_told: bool) {
        if let Some(entered) = self.session.take() {
            entered.give_back(is_told);
        }
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
        let hello = Some(self.machine.hello());
        #[cfg(feature = "echo")]
        let hello = self.unless_echo(hello);
        self.carry_out(hello, ctx);
        self.begin_speaking(ctx);
        if let Some(close) = self.supervisor.late() {
            self.on_note(Note::Close(close), ctx);
        }
    }

    /// To be called when the actor has stopped, whatever the reason.
    pub fn on_stopped(&mut self) {
        self.fanout.unregister(&self.link);
        let is_told = self.link.end();
        self.farewell.log(self.supervisor.settings().log_closes, &self.link, self.now());
        self.give_back(is_told);
        if let Some(tape) = self.link.tape() {
            tape.ended(self.farewell.told());
        }
    }

    /// Takes what the socket read.
    pub fn on_inbound(&mut self, inbound: Inbound, ctx: &mut <Self as Actor>::Context) {
        let now = self.now();
        if !matches!(inbound, Inbound::End) || self.socket.has_ended_well() {
            self.link.heard(now);
        }
        #[cfg(feature = "echo")]
        let inbound = match self.echo(inbound) {
            Ok(actions) => return self.carry_out(actions, ctx),
            Err(inbound) => inbound,
        };
        self.note_inbound(&inbound);
        if self.link.is_watched() {
            self.record_inbound(&inbound);
        }
        let was_stranger = !self.machine.has_heard_identify();
        let actions = match inbound {
            Inbound::Text(text) => {
                faults::read(&text);
                self.machine.on_text(now, &text)
            }
            Inbound::Binary(bytes) => self.machine.on_binary(now, &bytes, self.account.bound()),
            // Behind a close frame nothing counts any more (RFC 6455 §5.5.1).
            Inbound::Ping(_) if self.machine.is_ending() => Vec::new(),
            Inbound::Ping(payload) => vec![Action::Send(frame::pong(&payload))],
            Inbound::Close(code) => self.finish(CloseCode::echo(code), ""),
            Inbound::TooBig => {
                let limit = self.account.bound();
                let reason = format!("too big: a message from a client has at most {limit} bytes");
                self.finish(CloseCode::TooBig, reason)
            }
            Inbound::NotUtf8 => {
                self.finish(CloseCode::InvalidPayload, "invalid payload: not UTF-8")
            }
            Inbound::OutOfRoom => {
                let reason = "half a frame for too long, while too much waits: come back later";
                self.finish(CloseCode::RateLimited, reason)
            }
            Inbound::Broken => self.finish(CloseCode::ProtocolError, "not a WebSocket frame"),
            Inbound::End if self.machine.is_closed() => return ctx.stop(),
            Inbound::End => {
                self.has_ended = true;
                self.machine.finish(now, None)
            }
        };
        if was_stranger && self.machine.has_heard_identify() {
            // A stranger no more; and what comes right behind it is read before it is looked into.
            self.account.raise(self.supervisor.settings().frame_bytes);
        }
        self.carry_out(actions, ctx);
    }

    /// Counts what was read, and notes the end that it may be.
    fn note_inbound(&mut self, inbound: &Inbound) {
        match inbound {
            Inbound::Text(text) => self.farewell.received(text.len()),
            Inbound::Binary(bytes) => self.farewell.received(bytes.len()),
            Inbound::Close(code) => self.farewell.closed_by_client(*code),
            Inbound::End => self.farewell.broke_off(),
            _ => {}
        }
    }

    /// Ends the connection behind what was read before.
    fn finish(&mut self, code: CloseCode, reason: impl Into<String>) -> Vec<Action> {
        self.machine.finish(self.now(), Some(Close::new(code, reason)))
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
        self.carry_out(actions, ctx);
    }

    /// Lets the machine go on once INIT is out and the session known; their news come in either order.
    fn begin_serving(&mut self) -> Vec<Action> {
        if self.is_initialised && self.session.is_some() {
            let mut actions = self.machine.identified(self.now());
            actions.extend(self.speak_on());
            actions
        } else {
            Vec::new()
        }
    }

    /// Carries out what the machine asked for, then whatever may happen now.
    fn carry_out(
        &mut self,
        actions: impl IntoIterator<Item = Action>,
        ctx: &mut <Self as Actor>::Context,
    ) {
        for action in actions {
            match action {
                Action::Send(frame) => self.link.send(frame),
                Action::Identify(identify) => self.identify(identify, ctx),
                Action::Serve(frame) => self.take_in(frame),
                Action::Finish(close) => {
                    self.ending = Some(EndOfStream { close, is_on_its_way: false });
                }
                Action::GiveUp => self.serving.clear(),
                Action::Close(close) => self.close(Some(&close), ctx),
            }
        }
        self.serve(ctx);
        if self.serving.is_empty() {
            self.end(ctx);
        }
        let unserved = self.machine.waiting_bytes().saturating_add(self.serving.bytes());
        self.account.set_unserved(unserved);
        let is_crowded = self.serving.is_crowded() || self.machine.is_congested();
        // Who ends is read on: nothing of it counts but its end.
        self.valve.set(is_crowded && !self.machine.is_ending());
        self.set_timer(ctx);
    }

    /// Takes in a frame to be served. Whether an UNSUBSCRIBE takes back a SUBSCRIBE whose outcome its client has not heard
    /// is known now and not later: `AVAILABLE` may be on its way before the session's answer is here.
    fn take_in(&mut self, frame: ClientFrame) {
        let channel = frame.command.channel().unwrap_or_default();
        let is_unsubscribe = matches!(frame.command, ClientCommand::Unsubscribe { .. });
        let is_hasty = is_unsubscribe && self.link.awaits_available(channel);
        if serving::is_subscribe(&frame) {
            self.link.await_available(channel);
        }
        self.serving.push(frame, is_hasty);
    }

    /// Hands on the frames that may be served now.
    fn serve(&mut self, ctx: &mut <Self as Actor>::Context) {
        let Some(entered) = &self.session else { return };
        while let Some(BegunFrame { frame, is_hasty, ticket }) = self.serving.begin() {
            let (connection, extensions) = (self.link.uid(), self.link.extensions());
            let reference = frame.reference.clone();
            let served = self.hand_on(entered, Serve { connection, extensions, frame, is_hasty });
            ctx.spawn(served.into_actor(self).map(
                move |served, actor: &mut Self, ctx: &mut <Self as Actor>::Context| {
                    let left = actor.serving.end(&ticket);
                    actor.link.settle_available(&ticket.channel, left);
                    if let Some(served) = served {
                        actor.answer(served, reference);
                    }
                    actor.carry_out(None, ctx);
                },
            ));
        }
    }

    /// Ends the connection if its client has ended it: all that came before is served.
    fn end(&mut self, ctx: &mut <Self as Actor>::Context) {
        let (uid, is_late) = (self.link.uid(), self.machine.is_closed());
        let Some(ending) = &mut self.ending else { return };
        if !is_late && ending.is_on_its_way {
            return;
        }
        // Behind what the last frames made this connection hear: it comes the same way, as long as there is time.
        if let Some(close) = ending.close.clone().filter(|_| !is_late) {
            let order = Order::Close { connection: uid, close };
            ending.is_on_its_way = self.fanout.handle().try_send(order).is_ok();
            if ending.is_on_its_way {
                return;
            }
        }
        let close = self.ending.take().and_then(|ending| ending.close);
        self.machine.finished();
        self.close(close.as_ref(), ctx);
    }

    /// Tells a client that wants to know what came of its frame, behind what the frame itself made it hear.
    fn answer(&self, served: Result<CarriedOut, Refusal>, reference: Option<String>) {
        if let Ok(CarriedOut { channel: Some((key, address)), .. }) = &served {
            self.supervisor.remember_channel(key, address);
        }
        if !self.link.extensions().has(Extension::Errors) {
            return;
        }
        let event = match (served, reference) {
            (Err(refusal), reference) => Event::Error { refusal, reference },
            (Ok(CarriedOut { done, .. }), Some(reference)) => Event::Ack { reference, done },
            (Ok(_), None) => return,
        };
        let (connection, dispatch) = (self.link.uid(), Arc::new(EncodedEvent::new(event)));
        // Without budget the thread is far behind; the client learns by its own time-out.
        let _ = self.fanout.handle().try_send(Order::Direct { connection, dispatch });
    }

    /// Finds out who this is; meanwhile heartbeats are answered.
    fn identify(&mut self, who: Box<Identify>, ctx: &mut <Self as Actor>::Context) {
        let extensions = who.extensions.as_deref().map(Extensions::granted);
        let project = ProjectId::from(who.project_id.as_str());
        self.link.set_identity(
            project.clone(),
            extensions.unwrap_or_default(),
            self.machine.wire(),
        );
        self.link.set_owners(owners(&who));
        if who.token.as_deref().is_some_and(|token| !token.starts_with("ptk_")) {
            self.link.count();
        }
        let (uid, profile) = (self.link.uid(), self.link.profile());
        let connection = ConnectionRef { uid, worker: self.fanout.handle(), profile };
        let (cid, address) = (self.link.cid().clone(), self.link.address());
        let page = self.socket.take_page();
        let tape = self.supervisor.tape(&project);
        let tape = ConnectionTape::new(tape, cid.clone(), who.token.as_deref(), clock::now);
        self.link.set_tape(tape);
        let (supervisor, link) = (self.supervisor.clone(), Rc::clone(&self.link));
        let (reply, entered) = oneshot::channel();
        // On its own, so that it ends also where the socket goes first: a place in the session is then given back, with
        // what was on its way to the connection.
        actix::spawn(async move {
            let entered =
                supervisor.connect(&who, extensions, connection, cid, address, page.as_deref());
            let entered = entered.await;
            if let Ok(entered) = &entered {
                link.set_session(Arc::new(entered.session.clone()));
            }
            let _ = reply.send(entered);
        });
        let closed = || Err(Close::new(CloseCode::Unknown, "the server cannot answer, reconnect"));
        let entered = async move { entered.await.unwrap_or_else(|_| closed()) };
        ctx.spawn(entered.into_actor(self).map(
            move |outcome, actor: &mut Self, ctx: &mut <Self as Actor>::Context| {
                match outcome {
                    // Dropped with this, and so given back.
                    Ok(_) if actor.machine.is_closed() => {}
                    Ok(entered) => {
                        actor.socket.on_identified();
                        actor.account.belong_to(&project);
                        actor.know_subject(&entered, &project);
                        if let Some(tape) = actor.link.tape() {
                            tape.came(address);
                        }
                        actor.session = Some(entered);
                        let actions = actor.begin_serving();
                        actor.carry_out(actions, ctx);
                    }
                    Err(close) => {
                        let actions = actor.machine.close(close.code, close.reason);
                        actor.carry_out(actions, ctx);
                    }
                }
            },
        ));
    }

    /// Writes a close frame, if there is one to write; the socket ends when it has left.
    fn close(&mut self, close: Option<&Close>, ctx: &mut <Self as Actor>::Context) {
        self.serving.clear();
        self.ending = None;
        self.fanout.catch_up(&self.link);
        if close.is_some_and(|close| close.code == CloseCode::OutOfSync) {
            self.link.doubt();
        }
        if let Some(close) = close {
            self.farewell.closed_by_server(close);
            self.socket.on_closed(close);
            self.link.close(close);
        }
        self.leave();
        match K::LINGER {
            _ if self.has_ended => ctx.stop(),
            Some(look) => Self::linger(Linger::new(self.link.left_bytes()), look, ctx),
            None => {}
        }
    }

    /// Waits for the peer to take what is left and to end the stream, as long as it takes anything.
    fn linger(mut linger: Linger, look: Duration, ctx: &mut <Self as Actor>::Context) {
        ctx.run_later(look, move |actor, ctx| {
            if linger.goes_on(actor.link.left_bytes()) {
                Self::linger(linger, look, ctx);
            } else {
                ctx.stop();
            }
        });
    }

    /// Lets the machine do what time has brought.
    fn on_time(&mut self, ctx: &mut <Self as Actor>::Context) {
        let now = self.now();
        if self.machine.is_in_doubt() && (self.valve.is_shut() || self.socket.has_unread()) {
            self.machine.put_off(now);
        }
        let actions = self.machine.on_timeout(now);
        self.take_for_heard(now, &actions);
        self.carry_out(actions, ctx);
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
fn owners(who: &Identify) -> Box<[Owner]> {
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

//! One connection as its thread's fan-out sees it: the send queue, behind what is held back for INIT.

mod ending;
mod hearing;
mod streaming;
mod watching;

use super::connection_info::{ConnectionInfo, Origin};
use super::fanout::{ConnectionUid, Owner};
use super::flight::FlightCount;
use super::init_buffer::InitBuffer;
use super::owed::{Kept, Owed};
use super::pressure::{Laggard, Pressure, Rank};
use super::report::Home;
use super::send_queue::{FrameBatch, Overrun, Queued, SendQueue, Sink};
use crate::domain::{ChannelId, ConnectionId, LineId, Place, ProjectId};
use crate::faults::{Fault, is_planted};
use crate::protocol::{
    Close, CloseCode, EncodedEvent, Event, Extension, Extensions, Profile, Wire,
};
use crate::recorder::ConnectionTape;
use actix::prelude::*;
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use streaming::SharedBookmark;
use tokio::time::Instant;

/// How often, at the most, what has arrived is asked about because the client sent something.
const SETTLE_PAUSE: Duration = Duration::from_secs(1);

/// What a connection's actor is told by the fan-out of its thread.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub enum Note {
    /// INIT is in the send queue.
    Initialised,
    /// The send queue is over its bound; the close frame is in it already.
    Overrun,
    /// The server ends the connection.
    Close(Close),
}

/// How far a connection has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum LinkEnd {
    /// It is there.
    Not,
    /// Nobody is to deliver to it any more; what was delivered may still arrive.
    Left,
    /// Its socket has ended.
    Ended,
}

/// A connection's end on its own thread, shared between its actor, its socket and the fan-out.
pub struct Link {
    /// The connection.
    uid: ConnectionUid,
    /// Where it comes from.
    origin: Origin,
    /// Its public id.
    cid: ConnectionId,
    /// The project that it identified with.
    project: RefCell<Option<ProjectId>>,
    /// What it asked for beyond Hop's protocol.
    extensions: Cell<Extensions>,
    /// The form of frames that it gets.
    profile: Cell<Profile>,
    /// How far an event stream has heard each line; none of a socket, whose client remembers that by itself.
    bookmark: SharedBookmark,
    /// What waits to be written.
    send_queue: RefCell<SendQueue>,
    /// What waits for INIT; none once that is out.
    init_buffer: RefCell<Option<Box<InitBuffer>>>,
    /// What the queues of its worker share.
    pressure: Rc<Pressure>,
    /// The channels that the fan-out has it under.
    channels: RefCell<Vec<LineId>>,
    /// Whether something waits that the writer has not been told of.
    is_dirty: Cell<bool>,
    /// The connection's actor, once it runs.
    actor: RefCell<Option<Recipient<Note>>>,
    /// The session, once the connection has entered it.
    session: RefCell<Option<Home>>,
    /// Whether the session wants to know what did not arrive.
    is_counted: Cell<bool>,
    /// How far the connection has gone.
    gone: Cell<LinkEnd>,
    /// How far the session was told of that.
    told: Cell<LinkEnd>,
    /// What it was given at its beginning and has not been seen to take.
    owed: RefCell<Option<Box<Owed>>>,
    /// How many messages its INIT said are missed.
    missed: Cell<u64>,
    /// Whether its client may not have read what arrived since it was last heard.
    is_doubtful: Cell<bool>,
    /// Whether its client has sent anything since INIT went out.
    has_spoken: Cell<bool>,
    /// When it was last asked what has arrived, since the opening.
    settled: Cell<Duration>,
    /// Whom it belongs to, from the moment that it says so: a deletion that falls into the check must hit it too.
    owners: RefCell<Box<[Owner]>>,
    /// The channels that the client has asked for and whose `AVAILABLE` is not in the send queue, once for each question.
    awaited: RefCell<Vec<Box<str>>>,
    /// Records what happens to it, for who looks; once it is known whose it is.
    tape: RefCell<Option<Rc<ConnectionTape>>>,
    /// Whether somebody wants to see its frames.
    is_watched: Cell<bool>,
}

impl Link {
    /// A new connection, which waits for INIT.
    pub fn new(
        uid: ConnectionUid,
        cid: ConnectionId,
        origin: Origin,
        pressure: &Rc<Pressure>,
    ) -> Self {
        Self {
            uid,
            origin,
            cid,
            project: RefCell::default(),
            extensions: Cell::default(),
            profile: Cell::default(),
            bookmark: SharedBookmark::default(),
            send_queue: RefCell::new(SendQueue::new(Rc::clone(pressure))),
            init_buffer: RefCell::new(Some(Box::default())),
            pressure: Rc::clone(pressure),
            channels: RefCell::default(),
            is_dirty: Cell::default(),
            actor: RefCell::default(),
            session: RefCell::default(),
            is_counted: Cell::default(),
            gone: Cell::new(LinkEnd::Not),
            told: Cell::new(LinkEnd::Not),
            owed: RefCell::default(),
            missed: Cell::default(),
            is_doubtful: Cell::default(),
            has_spoken: Cell::default(),
            settled: Cell::default(),
            owners: RefCell::default(),
            awaited: RefCell::default(),
            tape: RefCell::default(),
            is_watched: Cell::default(),
        }
    }

    /// The connection.
    pub const fn uid(&self) -> ConnectionUid {
        self.uid
    }

    /// Says where notes go.
    pub fn set_actor(&self, actor: Recipient<Note>) {
        self.actor.replace(Some(actor));
    }

    /// Says who has to know when it goes, and what did not reach it then; it may have gone already.
    pub fn set_session(&self, session: Home) {
        self.session.replace(Some(session));
        self.tell_session();
    }

    /// Notes what the client said in IDENTIFY.
    pub fn set_identity(&self, project: ProjectId, extensions: Extensions, wire: Wire) {
        self.project.replace(Some(project));
        self.extensions.set(extensions);
        let has_deltas = extensions.has(Extension::Delta);
        let has_versions = has_deltas || extensions.has(Extension::Version);
        let has_positions = extensions.has(Extension::Resume);
        self.profile.set(Profile { has_versions, has_positions, has_deltas, wire });
    }

    /// The project, once the client has said which.
    pub fn project(&self) -> Option<ProjectId> {
        self.project.borrow().clone()
    }

    /// The extensions that it has.
    pub fn extensions(&self) -> Extensions {
        self.extensions.get()
    }

    /// Where its client is, where the socket tells.
    pub const fn address(&self) -> Option<IpAddr> {
        self.origin.address
    }

    /// The connection's public id.
    pub const fn cid(&self) -> &ConnectionId {
        &self.cid
    }

    /// How many messages its INIT said are missed.
    pub const fn missed(&self) -> u64 {
        self.missed.get()
    }

    /// The bytes that were written to its socket.
    pub fn sent_bytes(&self) -> u64 {
        self.send_queue.borrow().written()
    }

    /// Whether this is the connection of that public id, in that project.
    pub(super) fn is(&self, cid: &ConnectionId, project: &ProjectId) -> bool {
        self.cid == *cid && self.project.borrow().as_ref() == Some(project)
    }

    /// The connection as operators see it.
    pub(super) fn info(&self, name_of: impl Fn(LineId) -> Option<ChannelId>) -> ConnectionInfo {
        ConnectionInfo {
            uid: self.uid,
            cid: self.cid.clone(),
            origin: self.origin.clone(),
            profile: self.profile(),
            queue_bytes: self.send_queue.borrow().len_bytes(),
            channels: self.channels.borrow().iter().filter_map(|uid| name_of(*uid)).collect(),
        }
    }

    /// Says whom it belongs to.
    pub fn set_owners(&self, owners: Box<[Owner]>) {
        self.owners.replace(owners);
    }

    /// Whether it belongs to this one.
    pub(super) fn belongs_to(&self, owner: &Owner) -> bool {
        self.owners.borrow().contains(owner)
    }

    /// Queues an event, behind INIT; true if the writer has to be told ([`Self::flush`]) and was not yet going to be.
    pub fn deliver(self: &Rc<Self>, dispatch: &Arc<EncodedEvent>) -> bool {
        let event = dispatch.event();
        let needs = event.needs();
        if needs.is_some_and(|needed| !self.extensions.get().has(needed)) {
            return false;
        }
        self.pressure.cells().tallies.deliveries.add(1);
        if let Some(init_buffer) = self.init_buffer.borrow_mut().as_mut() {
            // Who is in comes fresh behind INIT.
            if needs != Some(Extension::Presence) {
                init_buffer.hold(dispatch, self.pressure.bounds().queue);
            }
            return false;
        }
        if let Event::Available { channel, .. } = event {
            self.heard_available(channel.key.id.as_str());
        }
        if self.is_watched.get() {
            self.record_event(dispatch);
        }
        self.put_bookmark(dispatch);
        let bytes = dispatch.frame(self.profile.get());
        let outcome = if event.is_answer() {
            self.send_queue.borrow_mut().push_answer(bytes)
        } else {
            self.send_queue.borrow_mut().push(FrameBatch { bytes, told: FlightCount::of(dispatch) })
        };
        if outcome.is_err() && matches!(event, Event::PresenceState { .. }) {
            // No reason to close: what there is no room for is left out, and the count says so.
            return false;
        }
        self.see_to(outcome);
        !self.is_dirty.replace(true)
    }

    /// Does what has to be done about something that was queued, or was not.
    fn see_to(self: &Rc<Self>, outcome: Result<Queued, Overrun>) {
        match outcome {
            Ok(Queued::Fits) => {}
            Ok(Queued::Early) => self.wake(),
            Ok(Queued::Waits) => self.enlist(),
            Err(Overrun) => self.overrun(),
        }
    }

    /// Sees to it that its worker knows whether something waits for its socket, and holds no more than it may.
    fn enlist(self: &Rc<Self>) {
        if self.send_queue.borrow().is_behind() {
            self.pressure.enlist(self);
            self.pressure.relieve(Instant::now());
        } else {
            self.pressure.strike(self.uid);
        }
    }

    /// Whether it was given up, or has gone by itself.
    #[cfg(test)]
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.get() > LinkEnd::Not
    }

    /// Whether something waits for its socket.
    #[cfg(test)]
    pub(super) fn is_behind(&self) -> bool {
        self.send_queue.borrow().is_behind()
    }

    /// Whether events are held back for INIT.
    pub(super) fn is_gated(&self) -> bool {
        self.init_buffer.borrow().is_some()
    }

    /// The form of frames that it gets.
    pub const fn profile(&self) -> Profile {
        self.profile.get()
    }

    /// Writes a batch of its profile at once, or queues it and tells the writer; it is of so many events.
    pub(super) fn write(self: &Rc<Self>, batch: &FrameBatch, events: u64) {
        self.pressure.cells().tallies.deliveries.add(events);
        let outcome = self.send_queue.borrow_mut().write(batch);
        match outcome {
            Ok(false) => {}
            Ok(true) => {
                self.wake();
                self.enlist();
            }
            Err(Overrun) => self.overrun(),
        }
    }

    /// Looks at what [`Self::write`] will look at, so that it is in the processor's cache by then.
    pub(super) fn touch(&self) {
        self.send_queue.borrow().touch();
    }

    /// From now on, what goes out is written to this socket.
    pub fn push_to(&self, sink: Rc<dyn Sink>) {
        self.send_queue.borrow_mut().push_to(sink);
    }

    /// Tells the writer of what was delivered: the turn has come that [`Self::deliver`] asked for.
    pub fn flush(self: &Rc<Self>) {
        self.is_dirty.set(false);
        self.wake();
    }

    /// Tells the writer that something waits; a turn that was asked for still comes.
    fn wake(self: &Rc<Self>) {
        let blocked = self.send_queue.borrow_mut().wake();
        if let Some(sink) = blocked {
            actix::spawn(drain(Rc::clone(self), sink));
            self.enlist();
        }
    }

    /// Queues INIT, then what the session kept, then what was held back; from now on everything is let through. What is
    /// said to the session counts from there.
    pub fn initialise(self: &Rc<Self>, init: &EncodedEvent, kept: Kept, direct: Place) {
        if self.gone.get() > LinkEnd::Not {
            kept.give_back();
            return;
        }
        let Some(init_buffer) = self.init_buffer.take() else { return };
        let profile = self.profile.get();
        let missed = kept.missed.saturating_add(init_buffer.dropped());
        self.pressure.cells().tallies.missed.add(missed);
        self.missed.set(missed);
        let told = init.missing(init_buffer.dropped());
        let init = told.as_ref().unwrap_or(init);
        if self.is_watched.get() {
            let kept = kept.events.iter().map(|event| &**event);
            let held = init_buffer.held().map(|event| &**event);
            [init].into_iter().chain(kept).chain(held).for_each(|event| self.record_event(event));
        }
        self.begin_bookmark(init, &kept.events);
        let mut send_queue = self.send_queue.borrow_mut();
        send_queue.hear(direct);
        match init.pieces(profile) {
            Some(pieces) => send_queue.push_pieces(pieces),
            None => send_queue.push_anyway(init.frame(profile), FlightCount::default()),
        }
        let mut owed = Owed::new(send_queue.end_bytes(), missed);
        for dispatch in &kept.events {
            self.put_bookmark_in(&mut send_queue, dispatch);
            send_queue.push_anyway(dispatch.frame(profile), FlightCount::default());
            owed.add(send_queue.end_bytes(), dispatch);
        }
        let held = init_buffer.held().filter(|_| !is_planted(Fault::HeldBackDropped));
        for dispatch in held {
            self.put_bookmark_in(&mut send_queue, dispatch);
            send_queue.push_anyway(dispatch.frame(profile), FlightCount::of(dispatch));
            owed.hold(send_queue.end_bytes());
        }
        drop(send_queue);
        if self.is_counted.get() && !owed.is_settled() {
            self.owed.replace(Some(Box::new(owed)));
        }
        self.wake();
        self.enlist();
        self.note(Note::Initialised);
    }

    /// Writes a frame at once, before INIT too: heartbeats.
    pub fn send(self: &Rc<Self>, frame: Bytes) {
        if self.is_watched.get() {
            self.record_frame(&frame);
        }
        let outcome = self.send_queue.borrow_mut().push_answer(frame);
        self.see_to(outcome);
        self.wake();
    }

    /// Queues bytes that come before every frame: what turns the stream into a socket. They leave with the first frame.
    pub fn precede(&self, bytes: Bytes) {
        self.send_queue.borrow_mut().push_anyway(bytes, FlightCount::default());
    }

    /// Queues what ends the connection; nothing is taken after it.
    pub fn close(self: &Rc<Self>, close: &Close) {
        self.send_queue.borrow_mut().close(self.profile.get().wire.close(close));
        self.wake();
    }

    /// The connection's actor has ended, and the socket with it, as far as that is the actor's to end. Returns whether the
    /// session knows.
    pub fn end(&self) -> bool {
        let is_told = self.go(LinkEnd::Ended);
        self.send_queue.borrow_mut().end();
        is_told
    }

    /// Tells the connection's actor something.
    pub fn note(&self, note: Note) {
        if let Some(actor) = &*self.actor.borrow() {
            // A connection that has gone needs no note; one whose mailbox is full ends by its own timers.
            let _ = actor.try_send(note);
        }
    }

    /// What the socket has to write.
    pub fn poll_take(self: &Rc<Self>, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut send_queue = self.send_queue.borrow_mut();
        let was_behind = send_queue.is_behind();
        let taken = send_queue.poll_take(cx);
        let is_news = was_behind != send_queue.is_behind();
        drop(send_queue);
        if is_news {
            self.enlist();
        }
        taken
    }

    /// Gives up on a reader that takes nothing.
    fn overrun(self: &Rc<Self>) {
        let most = self.pressure.bounds().queue;
        self.close_slow(format!("slow consumer: more than {most} bytes would wait"));
    }

    /// Closes a reader that is too slow: what waits is dropped, a close frame takes its place.
    fn close_slow(self: &Rc<Self>, reason: String) {
        self.pressure.cells().tallies.slow_consumers.add(1);
        self.send_queue.borrow_mut().clear();
        // At once, so that its session keeps what comes from now on: the connection's actor may not run before its socket
        // moves.
        self.leave();
        self.close(&Close::new(CloseCode::SlowConsumer, reason));
        self.note(Note::Overrun);
    }
}

impl Laggard for Link {
    fn uid(&self) -> ConnectionUid {
        self.uid
    }

    /// How much speaks for giving it up where somebody has to go.
    fn rank(&self, now: Instant) -> Option<Rank> {
        self.send_queue.borrow_mut().rank(now)
    }

    /// Its worker holds too much, and it is the slowest: it is closed, and if it was already, cut.
    fn give_up(self: Rc<Self>, together: usize) {
        if self.gone.get() == LinkEnd::Not {
            self.close_slow(format!(
                "slow consumer: more than {together} bytes wait for all, and this one is the slowest"
            ));
        } else {
            self.send_queue.borrow_mut().cut();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.pressure.strike(self.uid);
        let left = self.channels.get_mut().len();
        self.pressure.cells().tallies.subscriptions_ended.add_size(left);
    }
}

/// Writes on, each time the socket can take more, until nothing is left.
async fn drain(link: Rc<Link>, sink: Rc<dyn Sink>) {
    loop {
        if poll_fn(|cx| sink.poll_writable(cx)).await.is_err() {
            link.send_queue.borrow_mut().end();
        }
        let is_left = link.send_queue.borrow_mut().pump(&*sink);
        if !is_left {
            return link.pressure.strike(link.uid);
        }
    }
}

#[cfg(test)]
mod tests;

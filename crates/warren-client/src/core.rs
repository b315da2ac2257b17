//! What a client does, without sockets and clocks: frames and wishes come in, frames go out, streams are filled, and those
//! who wait are answered. Time is an argument.

mod dispatch;
mod ends;
mod init;
mod room;
#[cfg(test)]
mod tests;

use crate::error::{CloseError, Error};
use crate::frame::{self, Incoming};
use crate::heart::{Heart, Mark, Pulse};
use crate::line::Line;
use crate::options::{Options, SocketOptions, Subscribe};
use crate::outbox::{Ask, Outbox};
use crate::position::Positions;
use crate::queue::{Queue, Shared};
use crate::status::{Session, Status};
use crate::view::View;
use room::{Room, Waiter};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// A connection that has lasted so long was a good one: the next pause is the shortest again.
const STEADY: Duration = Duration::from_secs(5);
/// The least time between two reconnects for the sake of a reader that has caught up.
const CATCH_UP_PAUSE: Duration = Duration::from_secs(1);

/// What somebody wants of the client.
#[derive(Debug)]
pub(crate) enum Order {
    /// To hear a channel.
    Subscribe {
        /// The channel.
        id: String,
        /// How.
        how: Subscribe,
        /// Who waits until it is heard.
        waiter: Waiter,
    },
    /// To hear it no more.
    Unsubscribe(Arc<View>),
    /// To say something.
    Ask(Ask),
    /// To be somebody by a newer token, which is said too.
    Refresh(String, Ask),
    /// To end.
    Close,
}

/// The channels that are known, by id.
pub(crate) type Directory = BTreeMap<String, Arc<View>>;

/// Why there is no connection any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It broke.
    Broken(CloseError),
    /// A reader has caught up: what it was not given comes with the next one.
    CatchUp,
    /// There shall be none.
    Closed(Option<CloseError>),
}

/// What others see of the core.
#[derive(Debug)]
pub(crate) struct Outside {
    /// What it is at.
    pub(crate) status: watch::Sender<Status>,
    /// The channels that are known.
    pub(crate) directory: watch::Sender<Directory>,
    /// Positions of channels that nobody has asked for yet, and are not known to the server either.
    pub(crate) stored: watch::Sender<Positions>,
    /// The token's own line.
    pub(crate) direct: Arc<View>,
    /// What all queues share.
    pub(crate) shared: Arc<Shared>,
}

impl Outside {
    /// At the beginning.
    pub(crate) fn new(options: &Options) -> Self {
        let (used, caught_up) = (AtomicUsize::new(0), Notify::new());
        let (events, bytes) = (options.events, options.event_bytes);
        let shared = Arc::new(Shared { events, bytes, used, caught_up });
        let direct = Arc::new(View::new("", Arc::new(Queue::new(Arc::clone(&shared)))));
        let mut stored = options.positions.clone();
        direct.queue.recall(&stored.mails);
        (stored.direct, stored.mails) = (None, Vec::new());
        Self {
            status: watch::Sender::new(Status::Connecting),
            directory: watch::Sender::default(),
            stored: watch::Sender::new(stored),
            direct,
            shared,
        }
    }

    /// Why the client has ended.
    pub(crate) fn why_closed(&self) -> Error {
        match &*self.status.borrow() {
            Status::Closed(Some(close)) => Error::Connection(close.clone()),
            _ => Error::Closed,
        }
    }
}

/// The client.
pub(crate) struct Core {
    /// How it is set.
    options: Options,
    /// What others see of it.
    outside: Arc<Outside>,
    /// Frames to be written.
    out: VecDeque<String>,
    /// The channels that it hears or wants to.
    rooms: HashMap<String, Room>,
    /// The token's own line.
    direct: Line,
    /// What waits to be sent or answered.
    outbox: Outbox,
    /// How often the server wants heartbeats.
    interval: Duration,
    /// The heartbeats, from INIT on.
    heart: Option<Heart>,
    /// Until when INIT has to come.
    handshake_due: Option<Instant>,
    /// Whether the last INIT was for a leap token: only then is there something that outlives a connection, and
    /// only then does the server know messages again that come on another.
    is_token: bool,
    /// The session of the last INIT: while it lives, so does the server that heard what was said before.
    session: Option<String>,
    /// Channels given up while there was no connection.
    left: HashSet<String>,
    /// Channels whose UNSUBSCRIBE is not answered, with its `ref`: what comes of them is from before.
    leaving: HashMap<String, String>,
    /// How many attempts have failed in a row.
    failures: u32,
    /// When INIT came.
    connected_at: Option<Instant>,
    /// The connection's id.
    cid: String,
    /// How many INITs there were.
    connections: u64,
    /// Why the connection is to end.
    end: Option<End>,
}

impl Core {
    /// A client that has no connection.
    pub(crate) fn new(options: Options, outside: Arc<Outside>) -> Self {
        let direct = Line::new(Arc::clone(&outside.direct.queue), options.positions.direct.clone());
        Self {
            outbox: Outbox::new(options.outbox),
            interval: options.heartbeat,
            options,
            outside,
            out: VecDeque::new(),
            rooms: HashMap::new(),
            direct,
            heart: None,
            handshake_due: None,
            is_token: false,
            session: None,
            left: HashSet::new(),
            leaving: HashMap::new(),
            failures: 0,
            connected_at: None,
            cid: String::new(),
            connections: 0,
            end: None,
        }
    }

    /// What others see of it.
    pub(crate) fn outside(&self) -> &Arc<Outside> {
        &self.outside
    }

    /// How many wishes may be on their way here.
    pub(crate) fn orders(&self) -> usize {
        self.options.outbox.frames.max(1)
    }

    /// How sockets are opened.
    pub(crate) fn socket_options(&self) -> SocketOptions {
        self.options.socket.clone()
    }

    /// An attempt to connect begins.
    pub(crate) fn attempt(&mut self, now: Instant) {
        self.handshake_due = Some(now + self.options.handshake);
        self.outside.status.send_replace(Status::Connecting);
    }

    /// Something is wanted.
    pub(crate) fn order(&mut self, order: Order, now: Instant) {
        match order {
            Order::Subscribe { id, how, waiter } => self.subscribe(&id, how, waiter),
            Order::Unsubscribe(view) => self.unsubscribe(&view),
            Order::Ask(ask) => {
                self.outbox.add(ask, now);
                self.flush();
            }
            Order::Refresh(token, ask) => {
                self.options.token = Some(token);
                self.outbox.add(ask, now);
                self.flush();
            }
            Order::Close => self.end = Some(End::Closed(None)),
        }
    }

    /// A frame came.
    pub(crate) fn text(&mut self, text: &str, now: Instant) {
        if let Some(heart) = &mut self.heart {
            heart.heard();
        }
        let read =
            Incoming::read(text).and_then(|incoming| self.incoming(incoming, text.len(), now));
        if let Err(error) = read {
            self.end = Some(End::Broken(CloseError::broken(format!("unreadable frame: {error}"))));
        }
    }

    /// Does what a frame asks for.
    fn incoming(
        &mut self,
        incoming: Incoming<'_>,
        bytes: usize,
        now: Instant,
    ) -> serde_json::Result<()> {
        match incoming {
            Incoming::Hello(interval) => {
                self.interval = Duration::from_millis(interval).min(self.options.heartbeat);
                self.identify();
            }
            Incoming::Heartbeat(tag) => {
                self.out.push_back(frame::heartbeat(&tag.unwrap_or_default()));
            }
            Incoming::Ack(tag) => {
                let tag = tag.and_then(|tag| tag.parse().ok());
                let mark =
                    self.heart.as_mut().zip(tag).and_then(|(heart, tag)| heart.acked(tag, now));
                self.marked(mark);
            }
            Incoming::Dispatch(dispatch) => self.dispatch(dispatch, bytes, now)?,
            Incoming::Unknown => {}
        }
        Ok(())
    }

    /// Says who it is, and how far it has heard everything.
    fn identify(&mut self) {
        let mut from = self.outside.stored.borrow().clone();
        for (id, room) in &self.rooms {
            room.line.queue.resume();
            if let Some(position) = room.line.position() {
                from.channels.insert(id.clone(), position.clone());
            }
        }
        self.direct.queue.resume();
        from.direct = self.direct.position().cloned();
        let Options { project, token, .. } = &self.options;
        self.out.push_back(frame::identify(project, token.as_deref(), &from));
    }

    /// All has come that the server wrote before a moment.
    fn marked(&mut self, mark: Option<Mark>) {
        match mark {
            Some(Mark::Init) => {
                self.direct.settle();
                self.rooms.values_mut().for_each(|room| room.line.settle());
                // Not before: a break from here on skips nothing, whoever else is given what was kept.
                let session = Session { cid: self.cid.clone(), connection: self.connections };
                self.outside.status.send_replace(Status::Connected(session));
            }
            Some(Mark::Begun(id)) => {
                if let Some(room) = self.rooms.get_mut(&id) {
                    room.line.settle();
                }
            }
            Some(Mark::Beat) | None => {}
        }
    }

    /// Sends a heartbeat whose answer means this.
    fn mark(&mut self, mark: Mark) {
        if let Some(heart) = &mut self.heart {
            let tag = heart.tag(mark);
            self.out.push_back(frame::heartbeat(&tag.to_string()));
        }
    }

    /// Sends what waits, if there is a connection.
    fn flush(&mut self) {
        if self.heart.is_some() {
            self.out.extend(self.outbox.unsent());
        }
    }

    /// A reader has read all that it was given, and there is more.
    pub(crate) fn caught_up(&mut self) {
        let lines = self.rooms.values().map(|room| &room.line).chain([&self.direct]);
        // Each of them, and not only the first.
        let ready = lines.filter(|line| line.queue.resume()).count();
        if ready > 0 && self.heart.is_some() {
            self.end = Some(End::CatchUp);
        }
    }

    /// When [`Core::time`] wants to be called next.
    pub(crate) fn due(&self) -> Option<Instant> {
        let heart = self.heart.as_ref().map(Heart::due);
        [heart, self.handshake_due, self.outbox.due()].into_iter().flatten().min()
    }

    /// Time has passed.
    pub(crate) fn time(&mut self, now: Instant) {
        self.outbox.expire(now);
        if self.handshake_due.is_some_and(|due| due <= now) {
            self.end = Some(End::Broken(CloseError::broken("no INIT in time")));
        }
        match self.heart.as_mut().map(|heart| heart.pulse(now)) {
            Some(Pulse::Beat) => {
                self.mark(Mark::Beat);
                self.look_again(now);
            }
            Some(Pulse::Dead) => {
                self.end = Some(End::Broken(CloseError::broken("heartbeat not acknowledged")));
            }
            Some(Pulse::Quiet) | None => {}
        }
    }

    /// Whether there is something to be written.
    pub(crate) fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// The next frame to be written.
    pub(crate) fn output(&mut self) -> Option<String> {
        self.out.pop_front()
    }

    /// Why the connection is to end now, if it is.
    pub(crate) const fn take_end(&mut self) -> Option<End> {
        self.end.take()
    }
}

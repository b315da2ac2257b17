//! The rules of one connection: what each frame and each passing of time makes the server do.
//!
//! Time is counted from the opening of the socket and comes in as an argument, so that every rule can be tested
//! without waiting. What needs an answer from elsewhere leaves as an [`Action`].

mod liveness;

use super::client_frame::{ClientCommand, ClientFrame, DecodeError, Identify};
use super::close::{Close, CloseCode};
use super::etf::EtfError;
use super::extension::{Extension, Extensions};
use super::rate::{Bucket, Rate};
use super::wire::{Encoding, Wire};
use super::{encoded_event, etf};
use bytes::Bytes;
use liveness::{Liveness, Look};
use std::collections::VecDeque;
use std::fmt::Display;
use std::time::Duration;

/// The most frames that wait for their time; past it, the shell stops reading.
const MAX_WAITING: usize = 64;
/// The most bytes in such frames before the shell stops reading.
const MAX_WAITING_BYTES: usize = 256 * 1024;
/// The same before an IDENTIFY was read.
const MAX_STRANGER_BYTES: usize = 16 * 1024;
/// The most frames that wait for INIT, for which nobody can stop reading: past it, the connection is closed.
const MAX_EARLY: usize = 1024;
/// How long what came before the end may take to be served: longer than a back end has to answer for a private channel.
const FINISH: Duration = Duration::from_secs(6);

/// How often browsers wake a page that nobody sees.
const HIDDEN: Duration = Duration::from_mins(1);
/// The shortest silence that ends a connection, if nobody says otherwise.
const LEAST_SILENCE: Duration = Duration::from_secs(90);

/// The intervals that a connection lives by.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How often clients are told to send heartbeats.
    pub heartbeat: Duration,
    /// How long a client may stay without one.
    pub silence: Duration,
    /// How long a client may take to identify.
    pub identify: Duration,
    /// How long after a frame its answer leaves at the soonest.
    pub reply_floor: Duration,
    /// How many messages and state changes a client may send.
    pub publishes: Rate,
}

impl Timing {
    /// How long a client may stay without a heartbeat, if nobody says otherwise: 2.5 intervals, but never less than a page
    /// needs that browsers wake once a minute because nobody sees it.
    pub fn patience(heartbeat: Duration) -> Duration {
        (heartbeat * 5 / 2).max(heartbeat + HIDDEN).max(LEAST_SILENCE)
    }
}

/// What the shell has to do, in this order.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Write this frame.
    Send(Bytes),
    /// Find out who this is, then call [`Machine::identified`] or close.
    Identify(Box<Identify>),
    /// Hand this to the session; never an IDENTIFY or a heartbeat.
    Serve(ClientFrame),
    /// The client has ended the connection, or sent what ends it: once everything that was handed over is served, write
    /// this close frame, where the client is there to read it, and end.
    Finish(Option<Close>),
    /// What was handed over and is not served yet has had its time.
    GiveUp,
    /// Write a close frame and end at once, whatever is not served.
    Close(Close),
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// HELLO was sent.
    Opened,
    /// IDENTIFY came and is being looked into.
    Identifying,
    /// The session has the connection.
    Identified,
    /// All that came before the end was handed over.
    Finishing,
    /// A close was asked for.
    Closed,
}

/// A frame whose time has not come.
#[derive(Debug)]
struct EarlyFrame {
    /// When it may be handled.
    due: Duration,
    /// What it says.
    frame: ClientFrame,
}

/// An end that the client has brought about.
#[derive(Debug)]
struct ClientEnd {
    /// How long what came before may take.
    until: Duration,
    /// The close frame, if there is to be one.
    close: Option<Close>,
}

/// One connection's state.
#[derive(Debug)]
pub struct Machine {
    /// How payloads are spelled.
    wire: Wire,
    /// The intervals.
    timing: Timing,
    /// How far it has come.
    phase: Phase,
    /// Whether the client is there.
    liveness: Liveness,
    /// Frames that wait, in the order they came.
    waiting: VecDeque<EarlyFrame>,
    /// The bytes of them.
    waiting_bytes: usize,
    /// The end that comes behind them; nothing more is taken in.
    ending: Option<ClientEnd>,
    /// What is left of the messages and state changes that the client may send.
    publishes: Bucket,
    /// Whether an IDENTIFY was read, though its time may not have come.
    has_heard_identify: bool,
    /// Whether the client has the extension `resume`.
    has_positions: bool,
}

impl Machine {
    /// A connection that has just opened, and has to say [`Self::hello`].
    pub fn open(timing: Timing, wire: Wire) -> Self {
        Self {
            wire,
            timing,
            phase: Phase::Opened,
            liveness: Liveness::new(timing, wire.encoding.is_one_way()),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            ending: None,
            publishes: Bucket::full(timing.publishes),
            has_heard_identify: false,
            has_positions: false,
        }
    }

    /// What a connection says first.
    pub fn hello(&self) -> Action {
        Action::Send(encoded_event::hello(self.wire, self.timing.heartbeat.as_millis()))
    }

    /// How payloads are spelled.
    pub const fn wire(&self) -> Wire {
        self.wire
    }

    /// Whether an IDENTIFY was read.
    pub const fn has_heard_identify(&self) -> bool {
        self.has_heard_identify
    }

    /// Takes one text frame.
    pub fn on_text(&mut self, now: Duration, text: &str) -> Vec<Action> {
        match self.wire.encoding {
            Encoding::Json | Encoding::Sse => self.on_json(now, text),
            Encoding::Etf => self.refuse(now, "an ETF connection sends binary frames"),
        }
    }

    /// Takes one binary frame, which may say no more than `max_bytes` of JSON.
    pub fn on_binary(&mut self, now: Duration, bytes: &[u8], max_bytes: usize) -> Vec<Action> {
        match self.wire.encoding {
            Encoding::Json | Encoding::Sse => {
                self.refuse(now, "a JSON connection sends text frames")
            }
            Encoding::Etf => match etf::to_json(bytes, max_bytes) {
                Ok(text) => self.on_json(now, &text),
                Err(error @ EtfError::TooBig) => {
                    let close = Close::new(CloseCode::TooBig, error.to_string());
                    self.finish(now, Some(close))
                }
                Err(why) => self.refuse(now, why),
            },
        }
    }

    /// Ends a connection whose payload is none of Leap.
    fn refuse(&mut self, now: Duration, why: impl Display) -> Vec<Action> {
        let close = Close::new(CloseCode::InvalidPayload, format!("invalid payload: {why}"));
        self.finish(now, Some(close))
    }

    /// Takes one payload.
    fn on_json(&mut self, now: Duration, text: &str) -> Vec<Action> {
        if self.is_ending() {
            return Vec::new();
        }
        let frame = match ClientFrame::decode(text) {
            Ok(frame) => frame,
            Err(DecodeError::Opcode) => {
                let close = Close::new(CloseCode::UnknownOpcode, "unknown opcode");
                return self.finish(now, Some(close));
            }
            Err(DecodeError::Payload(why)) => {
                return self.refuse(now, why);
            }
        };
        match frame.command {
            ClientCommand::Heartbeat { .. } => self.liveness.hear(now),
            ClientCommand::Identify(_) => self.has_heard_identify = true,
            _ => {}
        }
        if frame.command.is_publish() && !self.publishes.take(self.timing.publishes, now) {
            let limit = self.timing.publishes.per_second;
            let reason = format!("more than {limit} messages and state changes a second");
            return self.finish(now, Some(Close::new(CloseCode::RateLimited, reason)));
        }
        let is_late = frame.command.wants_late_answer();
        if is_late || !self.waiting.is_empty() || self.must_wait(&frame.command) {
            let due = if is_late { now + self.timing.reply_floor } else { now };
            self.waiting_bytes += frame.bytes;
            let is_full = self.waiting.len() >= MAX_EARLY || self.waiting_bytes > MAX_WAITING_BYTES;
            if is_full && self.phase == Phase::Identifying {
                let close = Close::new(CloseCode::RateLimited, "too many frames before INIT");
                return self.finish(now, Some(close));
            }
            self.waiting.push_back(EarlyFrame { due, frame });
            return Vec::new();
        }
        self.on_frame(now, frame)
    }

    /// The session took the connection and INIT is on its way: what waited for that goes on.
    pub fn identified(&mut self, now: Duration) -> Vec<Action> {
        if self.phase != Phase::Identifying {
            return Vec::new();
        }
        self.phase = Phase::Identified;
        self.liveness.begin(now);
        self.on_timeout(now)
    }

    /// Does what time has brought.
    pub fn on_timeout(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = self.take_due(now);
        if let Some(ending) = &mut self.ending {
            if now >= ending.until {
                let is_waiting = self.phase != Phase::Finishing;
                actions.extend(is_waiting.then(|| Action::Finish(ending.close.take())));
                actions.push(Action::GiveUp);
                self.finished();
            }
        } else if self.phase != Phase::Closed {
            match self.liveness.look(now, self.phase != Phase::Opened) {
                Look::Fine => {}
                Look::Ask(tag) => {
                    actions.push(Action::Send(encoded_event::heartbeat(self.wire, &tag)));
                }
                Look::Gone(Close { code, reason }) => actions.extend(self.close(code, reason)),
            }
        }
        actions
    }

    /// Whether the client seems to be late, and it depends on what lies unread.
    pub const fn is_in_doubt(&self) -> bool {
        self.liveness.is_in_doubt()
    }

    /// Something lies unread: it may be what seems to be late.
    pub fn put_off(&mut self, now: Duration) {
        self.liveness.put_off(now);
    }

    /// When [`Self::on_timeout`] must be called at the latest; never again once closed.
    pub fn deadline(&self) -> Option<Duration> {
        if self.phase == Phase::Closed {
            return None;
        }
        let head = self.waiting.front().filter(|head| !self.must_wait(&head.frame.command));
        let due = head.map(|head| head.due);
        let other = match &self.ending {
            Some(ending) => Some(ending.until),
            None => self.liveness.deadline(self.phase != Phase::Opened),
        };
        [due, other].into_iter().flatten().min()
    }

    /// Whether so much waits that the shell should stop reading until the deadline.
    pub fn is_congested(&self) -> bool {
        let can_pause = self.phase != Phase::Identifying;
        let most = if self.has_heard_identify { MAX_WAITING_BYTES } else { MAX_STRANGER_BYTES };
        can_pause && (self.waiting.len() >= MAX_WAITING || self.waiting_bytes >= most)
    }

    /// The bytes of the frames that wait.
    pub const fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Whether a close was asked for: nothing that comes later counts.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether the end has been brought about: nothing more is taken in.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some() || self.phase == Phase::Closed
    }

    /// Ends the connection behind everything that came before: the client wants it, or can be understood no further.
    pub fn finish(&mut self, now: Duration, close: Option<Close>) -> Vec<Action> {
        if self.is_ending() {
            return Vec::new();
        }
        self.ending = Some(ClientEnd { until: now + FINISH, close });
        self.take_due(now)
    }

    /// What came before the end has been served, or never will be.
    pub fn finished(&mut self) {
        self.phase = Phase::Closed;
        self.drop_waiting();
        self.ending = None;
    }

    /// Drops the frames that wait.
    fn drop_waiting(&mut self) {
        self.waiting = VecDeque::new();
        self.waiting_bytes = 0;
    }

    /// Ends the connection from outside the protocol.
    pub fn close(&mut self, code: CloseCode, reason: impl Into<String>) -> Vec<Action> {
        if self.phase == Phase::Closed {
            return Vec::new();
        }
        self.finished();
        vec![Action::Close(Close::new(code, reason))]
    }

    /// Whether a frame has to wait until INIT is on its way.
    fn must_wait(&self, command: &ClientCommand) -> bool {
        self.phase == Phase::Identifying && command.is_service()
    }

    /// Handles the waiting frames whose time has come.
    fn take_due(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(head) = self.waiting.front() {
            if head.due > now || self.must_wait(&head.frame.command) {
                break;
            }
            let Some(EarlyFrame { frame, .. }) = self.waiting.pop_front() else { break };
            self.waiting_bytes = self.waiting_bytes.saturating_sub(frame.bytes);
            actions.extend(self.on_frame(now, frame));
        }
        if self.waiting.is_empty() && self.waiting.capacity() > 0 {
            // A client that has nothing more to say should not keep the room for what it said.
            self.waiting = VecDeque::new();
        }
        if self.waiting.is_empty()
            && self.phase != Phase::Finishing
            && let Some(ending) = &mut self.ending
        {
            self.phase = Phase::Finishing;
            actions.push(Action::Finish(ending.close.take()));
        }
        actions
    }

    /// Handles one frame.
    fn on_frame(&mut self, now: Duration, frame: ClientFrame) -> Vec<Action> {
        let ClientFrame { command, reference, bytes } = frame;
        match (command, self.phase) {
            (_, Phase::Finishing | Phase::Closed) => Vec::new(),
            (ClientCommand::Heartbeat { tag }, _) => vec![self.on_heartbeat(now, tag.as_deref())],
            (ClientCommand::Identify(identify), Phase::Opened) => {
                self.phase = Phase::Identifying;
                let asked = identify.extensions.as_deref().unwrap_or_default();
                self.has_positions = Extensions::granted(asked).has(Extension::Resume);
                vec![Action::Identify(identify)]
            }
            (ClientCommand::Identify(_), _) => {
                self.drop_waiting();
                self.refuse(now, "identified already")
            }
            (_, Phase::Opened) => {
                self.drop_waiting();
                let reason = "a service payload before IDENTIFY";
                self.finish(now, Some(Close::new(CloseCode::NotAuthenticated, reason)))
            }
            (ClientCommand::Ignored, _) => Vec::new(),
            (ClientCommand::Subscribe { channel, is_ephemeral, start }, _) => {
                let start = if self.has_positions { start } else { Ok(None) };
                if let Err(error) = start {
                    self.drop_waiting();
                    return self.refuse(now, error);
                }
                let command = ClientCommand::Subscribe { channel, is_ephemeral, start };
                vec![Action::Serve(ClientFrame { command, reference, bytes })]
            }
            (command, _) => vec![Action::Serve(ClientFrame { command, reference, bytes })],
        }
    }

    /// Acknowledges a heartbeat; the answer to one of ours tells how long it took.
    fn on_heartbeat(&mut self, now: Duration, tag: Option<&str>) -> Action {
        let latency = self.liveness.answer(now, tag);
        Action::Send(encoded_event::heartbeat_ack(
            self.wire,
            tag,
            latency.map(|latency| latency.as_millis()),
        ))
    }
}

#[cfg(test)]
mod tests;

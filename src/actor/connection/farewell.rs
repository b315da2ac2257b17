//! How a connection ended: who ended it and with which code, noted where that is known and counted when it is over.

use crate::delivery::Link;
use crate::metrics::{self, CountedLife, Family, Label};
use crate::num;
use crate::protocol::{Close, CloseCode};
use crate::telemetry::LogShare;
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

thread_local! {
    /// What this thread has counted and not logged.
    static UNLOGGED: Cell<u32> = const { Cell::new(0) };
}

/// The code of an end without a close frame (RFC 6455 §7.4.1).
const ABNORMAL: u16 = 1006;
/// The code of a close frame without a code.
const NO_CODE: u16 = 1005;

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Initiator {
    /// The client.
    Client,
    /// The server.
    Server,
}

impl Initiator {
    /// As it is counted and logged.
    const fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// How a connection was ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ConnectionEnd {
    /// By whom.
    initiator: Initiator,
    /// With which code.
    code: u16,
    /// Why, in our words; what a client says is not repeated.
    reason: String,
}

/// A connection from its opening to its end, however that comes.
#[derive(Debug)]
pub(super) struct Farewell {
    /// Who ended it, with which code and why; the first that is noted.
    end: Option<Box<ConnectionEnd>>,
    /// The bytes of the frames that the client sent.
    received: u64,
    /// Counts it among those that are open.
    _counted: CountedLife,
}

impl Farewell {
    /// It has just opened.
    pub(super) fn new() -> Self {
        let life = CountedLife::begin(|all| &all.connections_opened, |all| &all.connections_closed);
        Self { end: None, received: 0, _counted: life }
    }

    /// The client sent a frame of so many bytes.
    pub(super) fn received(&mut self, bytes: usize) {
        metrics::count(|cells| cells.tallies.bytes_received.add_size(bytes));
        self.received = self.received.saturating_add(num::counter(bytes));
    }

    /// The client sent a close frame.
    pub(super) fn closed_by_client(&mut self, code: Option<u16>) {
        self.note(Initiator::Client, code.unwrap_or(NO_CODE), "");
    }

    /// The client ended the stream, or it broke.
    pub(super) fn broke_off(&mut self) {
        self.note(Initiator::Client, ABNORMAL, "");
    }

    /// The server closes it.
    pub(super) fn closed_by_server(&mut self, close: &Close) {
        // What is wrong with a payload is told in words that may be the client's.
        let is_quoting = close.code == CloseCode::InvalidPayload;
        let reason = if is_quoting { "invalid payload" } else { &close.reason };
        self.note(Initiator::Server, close.code.number(), reason);
    }

    /// Who ended it, with which code, and why.
    pub(super) fn told(&self) -> (&'static str, u16, Arc<str>) {
        // Without a word of either side our part of it has crashed or the server has stopped.
        let end = self.end.as_deref();
        let (initiator, code) = end.map_or((Initiator::Server, ABNORMAL), ConnectionEnd::said);
        (initiator.word(), code, end.map(|end| Arc::from(&*end.reason)).unwrap_or_default())
    }

    /// Notes an end, if none came before.
    fn note(&mut self, initiator: Initiator, code: u16, reason: &str) {
        let end = || ConnectionEnd { initiator, code, reason: reason.to_owned() };
        self.end.get_or_insert_with(|| Box::new(end()));
    }

    /// Writes the line of a connection that has ended, so long after its opening, if it is one of those that get one.
    pub(super) fn log(&self, share: LogShare, link: &Link, lasted: Duration) {
        if !share.is_any() || !UNLOGGED.with(|left| share.takes(left)) {
            return;
        }
        let end = self.end.as_deref();
        let (initiator, code) = end.map_or((Initiator::Server, ABNORMAL), ConnectionEnd::said);
        let reason = end.map(|end| end.reason.as_str()).filter(|reason| !reason.is_empty());
        tracing::info!(
            target: "warren::close",
            cid = %link.cid(),
            transport = link.profile().wire.encoding.transport(),
            project = link.project().map(tracing::field::display),
            address = link.address().map(tracing::field::display),
            code,
            initiator = initiator.word(),
            reason,
            seconds = lasted.as_secs_f64(),
            sent = link.sent_bytes(),
            received = self.received,
            missed = link.missed(),
            "closed",
        );
    }
}

impl ConnectionEnd {
    /// Who ended it, and with which code.
    const fn said(&self) -> (Initiator, u16) {
        (self.initiator, self.code)
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        // Without a word of either side our part of it has crashed or the server has stopped.
        let end = self.end.as_deref().map(ConnectionEnd::said);
        let (initiator, code) = end.unwrap_or((Initiator::Server, ABNORMAL));
        let labels = [label(initiator, code), Label::Word(initiator.word())];
        metrics::add(Family::ConnectionsClosed, labels);
    }
}

/// A code as it is counted: clients may say any, of which only those that mean something have a series.
const fn label(initiator: Initiator, code: u16) -> Label {
    match (initiator, code) {
        (Initiator::Server, _) | (Initiator::Client, 1000..=1014) => Label::Number(code),
        (Initiator::Client, _) => Label::Word("other"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who ended it, and with which code.
    fn said(farewell: &Farewell) -> Option<(Initiator, u16)> {
        farewell.end.as_deref().map(ConnectionEnd::said)
    }

    #[test]
    fn who_speaks_first_has_ended_it() {
        let mut farewell = Farewell::new();
        farewell.closed_by_client(None);
        farewell.closed_by_server(&Close::new(CloseCode::Normal, ""));
        farewell.broke_off();
        assert_eq!(said(&farewell), Some((Initiator::Client, NO_CODE)));
        let mut farewell = Farewell::new();
        farewell.closed_by_server(&Close::new(CloseCode::SlowConsumer, ""));
        farewell.broke_off();
        assert_eq!(said(&farewell), Some((Initiator::Server, 4009)));
    }

    #[test]
    fn clients_make_no_series_of_their_own() {
        assert_eq!(label(Initiator::Client, 1001), Label::Number(1001));
        for code in [0, 999, 1015, 3000, 4321] {
            assert_eq!(label(Initiator::Client, code), Label::Word("other"), "{code}");
        }
        assert_eq!(label(Initiator::Server, 4009), Label::Number(4009));
    }
}

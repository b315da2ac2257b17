//! A connection that sends back what it is sent: what a conformance test of WebSocket talks to.
//!
//! Only what a message means is another: the way in, the bounds, pings, the send queue and the end are every
//! connection's.

use super::{Connection, Inbound};
use crate::protocol::{Action, Close, CloseCode, frame};

/// Text that is not UTF-8 (RFC 6455 §7.4.1); Leap has a code of its own for it.
const NOT_UTF8: CloseCode = CloseCode::Echo(1007);

impl<K> Connection<K> {
    /// Makes an echo of a connection that has just opened.
    #[must_use]
    pub fn echoing(mut self) -> Self {
        self.is_echo = true;
        // There is nobody to identify.
        self.account.raise(self.supervisor.settings().frame_bytes);
        self
    }

    /// What is said first: nothing by an echo.
    pub(super) fn unless_echo(&self, hello: Option<Action>) -> Option<Action> {
        if self.is_echo {
            // Without HELLO, the answer to the handshake has nothing to leave with.
            self.link.flush();
            return None;
        }
        hello
    }

    /// What an echo does with a message; gives back what is not its own to answer.
    pub(super) fn echo(&mut self, inbound: Inbound) -> Result<Vec<Action>, Inbound> {
        if !self.is_echo || self.machine.is_ending() || self.machine.is_closed() {
            return Err(inbound);
        }
        match inbound {
            Inbound::Text(text) => Ok(vec![Action::Send(frame::text(&text))]),
            Inbound::Binary(bytes) => Ok(vec![Action::Send(frame::binary(&bytes))]),
            Inbound::NotUtf8 => {
                let close = Close::new(NOT_UTF8, "not UTF-8");
                Ok(self.machine.finish(self.now(), Some(close)))
            }
            other => Err(other),
        }
    }
}

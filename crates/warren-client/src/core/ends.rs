//! A connection ends: what is told, and when the next one is tried.

use super::{CATCH_UP_PAUSE, Core, End, Order, STEADY};
use crate::backoff;
use crate::error::{CloseError, Error};
use crate::outbox::Ask;
use crate::random;
use crate::status::Status;
use tokio::time::Instant;

impl Core {
    /// The connection, or an attempt at one, has ended; returns when to try again, or none if that is never.
    pub(crate) fn ended(&mut self, end: End, now: Instant) -> Option<Instant> {
        self.handshake_due = None;
        let since = self.connected_at.take();
        match end {
            End::Closed(close) => {
                self.stop(close);
                None
            }
            End::Broken(close) if close.is_fatal() => {
                self.stop(Some(close));
                None
            }
            End::CatchUp => {
                let close = CloseError { code: 1000, reason: "a reader has caught up".to_owned() };
                self.detach(&close);
                // Not more often than that, however fast a reader is.
                Some(since.map_or(now, |since| now.max(since + CATCH_UP_PAUSE)))
            }
            End::Broken(close) => {
                if since.is_some_and(|since| now >= since + STEADY) {
                    self.failures = 0;
                }
                let (shortest, longest) = self.options.pauses;
                let pause =
                    backoff::pause(&close, self.failures, shortest, longest, random::chance());
                self.failures = self.failures.saturating_add(1);
                self.detach(&close);
                self.outside.status.send_replace(Status::Waiting(close));
                Some(now + pause)
            }
        }
    }

    /// Nothing of the connection counts any more.
    fn detach(&mut self, close: &CloseError) {
        self.heart = None;
        self.out.clear();
        self.outbox.broken(close, self.is_token);
        // Nobody said that they ended.
        let leaving = std::mem::take(&mut self.leaving).into_keys();
        self.left.extend(leaving.filter(|id| !self.rooms.contains_key(id)));
        for room in self.rooms.values_mut() {
            room.asked = None;
            room.looking = None;
        }
    }

    /// Something was wanted of a client that has ended.
    pub(crate) fn refuse(&self, order: Order) {
        let error = self.outside.why_closed();
        // Who has gone needs no answer.
        match order {
            Order::Subscribe { waiter, .. } => drop(waiter.send(Err(error))),
            Order::Ask(Ask { reply, .. }) | Order::Refresh(_, Ask { reply, .. }) => {
                drop(reply.send(Err(error)));
            }
            Order::Unsubscribe(_) | Order::Close => {}
        }
    }

    /// Ends for good.
    fn stop(&mut self, close: Option<CloseError>) {
        let error = close.clone().map_or(Error::Closed, Error::Connection);
        // First: whoever learns of the end by a stream or an answer finds it here.
        self.outside.status.send_replace(Status::Closed(close));
        self.detach(&CloseError { code: 1000, reason: "closed by this client".to_owned() });
        self.outbox.close(&error);
        self.direct.queue.end(error.clone());
        for (_, room) in std::mem::take(&mut self.rooms) {
            // Their positions stay known: whoever asks for them now stores them.
            room.line.queue.end(error.clone());
            room.view.wake();
            for waiter in room.waiters {
                // Who has gone needs no answer.
                let _ = waiter.send(Err(error.clone()));
            }
        }
    }
}

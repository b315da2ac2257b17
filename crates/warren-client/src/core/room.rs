//! Channels: those that this client wants, and those that it was given.

use super::{Core, Directory};
use crate::error::Error;
use crate::event::{Done, State};
use crate::frame;
use crate::line::Line;
use crate::options::Subscribe;
use crate::queue::Queue;
use crate::view::View;
use serde::Serialize;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Who waits until a channel is heard.
pub(crate) type Waiter = oneshot::Sender<Result<Arc<View>, Error>>;

/// What a SUBSCRIBE says, and what is remembered of it until it has an outcome.
#[derive(Debug, Serialize)]
pub(crate) struct Asked {
    /// A subscription that ends with the session.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ephemeral: bool,
    /// Where to go on from.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<crate::position::Position>,
    /// How many kept messages to begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rewind: Option<u32>,
}

/// A channel.
#[derive(Debug)]
pub(crate) struct Room {
    /// What is heard of it.
    pub(super) line: Line,
    /// What others see of it.
    pub(super) view: Arc<View>,
    /// What this client wants of it; none if it was only given.
    pub(super) wanted: Option<Subscribe>,
    /// What the SUBSCRIBE said that has no outcome yet.
    pub(super) asked: Option<Asked>,
    /// Whether it is heard.
    pub(super) is_available: bool,
    /// Whether the server said that it keeps the subscription.
    pub(super) is_kept: bool,
    /// Who waits until it is heard.
    pub(super) waiters: Vec<Waiter>,
    /// The answer to the question for the whole state, which is asked because a change before the last one did not come.
    pub(super) looking: Option<oneshot::Receiver<Result<Done, Error>>>,
}

impl Room {
    /// It is heard, and this is its state.
    pub(super) fn show(&mut self, state: State, bytes: usize) {
        self.is_available = true;
        self.looking = None;
        self.view.show(state.clone());
        self.line.hear(crate::Event::State(state), None, bytes);
        for waiter in self.waiters.drain(..) {
            // Who has gone needs no answer.
            let _ = waiter.send(Ok(Arc::clone(&self.view)));
        }
    }

    /// It is not heard, and will not be.
    pub(super) fn end(mut self, error: &Error) {
        self.line.forget();
        self.line.queue.end(error.clone());
        self.view.wake();
        for waiter in self.waiters.drain(..) {
            // As above.
            let _ = waiter.send(Err(error.clone()));
        }
    }
}

impl Core {
    /// The channel of this id, a new one where none is known.
    pub(super) fn room(&mut self, id: &str) -> &mut Room {
        match self.rooms.entry(id.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let queue = Arc::new(Queue::new(Arc::clone(&self.outside.shared)));
                let stored = self.outside.stored.borrow().channels.get(id).cloned();
                let line = Line::new(Arc::clone(&queue), stored);
                let view = Arc::new(View::new(id, queue));
                let shown = Arc::clone(&view);
                self.outside.directory.send_modify(|all| drop(all.insert(id.to_owned(), shown)));
                // Not before: whoever asks for the positions finds it in one of the two.
                self.outside.stored.send_if_modified(|all| all.channels.remove(id).is_some());
                place.insert(Room {
                    line,
                    view,
                    wanted: None,
                    asked: None,
                    is_available: false,
                    is_kept: false,
                    waiters: Vec::new(),
                    looking: None,
                })
            }
        }
    }

    /// A channel is heard no more.
    pub(super) fn end_room(&mut self, id: &str, error: &Error) {
        if let Some(room) = self.rooms.remove(id) {
            room.end(error);
            self.outside.directory.send_modify(|all: &mut Directory| drop(all.remove(id)));
        }
    }

    /// Somebody wants to hear a channel.
    pub(super) fn subscribe(&mut self, id: &str, how: Subscribe, waiter: Waiter) {
        self.left.remove(id);
        let is_connected = self.heart.is_some();
        let room = self.room(id);
        let is_ephemeral = how.ephemeral;
        let stays = room.wanted.as_ref().is_some_and(|wanted| !wanted.ephemeral);
        room.wanted = Some(Subscribe { ephemeral: is_ephemeral && !stays, ..how });
        if room.is_available {
            // Who has gone needs no answer.
            let _ = waiter.send(Ok(Arc::clone(&room.view)));
        } else {
            room.waiters.push(waiter);
        }
        // What is heard, or asked for, needs to be asked for again only to be kept.
        let is_settled = (room.is_available || room.asked.is_some()) && (is_ephemeral || stays);
        if is_connected && !is_settled {
            self.ask_for(id);
        }
    }

    /// Sends a SUBSCRIBE.
    pub(super) fn ask_for(&mut self, id: &str) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        let Some(wanted) = &mut room.wanted else { return };
        let since = if room.is_available { None } else { room.line.position().cloned() };
        // Kept messages are for the beginning; from there on positions do.
        let rewind = wanted.rewind.take().filter(|_| since.is_none());
        let asked = Asked { ephemeral: wanted.ephemeral, since, rewind };
        self.out.push_back(frame::request("SUBSCRIBE", id, &asked, None, None));
        room.asked = Some(asked);
    }

    /// Somebody wants to hear a channel no more; false if that is over already.
    pub(super) fn unsubscribe(&mut self, view: &Arc<View>) {
        let id = view.id.as_str();
        if !self.rooms.get(id).is_some_and(|room| Arc::ptr_eq(&room.view, view)) {
            return;
        }
        self.end_room(id, &Error::Unsubscribed);
        if self.heart.is_some() {
            self.leave(id);
        } else {
            self.left.insert(id.to_owned());
        }
    }

    /// Sends an UNSUBSCRIBE.
    pub(super) fn leave(&mut self, id: &str) {
        let reference = self.outbox.name_one();
        self.out.push_back(frame::request("UNSUBSCRIBE", id, &(), Some(&reference), None));
        self.leaving.insert(id.to_owned(), reference);
    }
}

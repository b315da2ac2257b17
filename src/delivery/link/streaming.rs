//! An event stream: how far it has heard each line stands in front of what others hear too.

use super::{Link, Note};
use crate::delivery::send_queue::SendQueue;
use crate::domain::{ChannelId, Since};
use crate::protocol::{Bookmark, Close, CloseCode, EncodedEvent, Profile, Wire};
use bytes::Bytes;
use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

/// The bookmark of a stream; empty of a socket.
pub(super) type SharedBookmark = OnceCell<Box<RefCell<Bookmark>>>;

impl Link {
    /// Says how its payloads are spelled, before anything is queued.
    pub fn set_wire(&self, wire: Wire) {
        self.profile.set(Profile { wire, ..self.profile.get() });
        if wire.encoding.is_one_way() {
            self.bookmark.get_or_init(Box::default);
        }
    }

    /// Its client has named these places, of channels that it is to come to.
    pub fn carry_places(&self, named: impl Iterator<Item = (ChannelId, Since)>) {
        if let Some(bookmark) = self.bookmark.get() {
            bookmark.borrow_mut().carry(named);
        }
    }

    /// Whether what it hears differs from what others do: then it is no use to hand it the same bytes.
    pub(in crate::delivery) fn has_bookmark(&self) -> bool {
        self.bookmark.get().is_some()
    }

    /// Whether its stream hears this channel, as far as its client was told.
    pub fn has_told_of(&self, channel: &ChannelId) -> bool {
        self.bookmark.get().is_some_and(|bookmark| bookmark.borrow().has(channel))
    }

    /// The stream begins with INIT, behind which these follow.
    pub(super) fn begin_bookmark(&self, init: &EncodedEvent, following: &[Arc<EncodedEvent>]) {
        let Some(bookmark) = self.bookmark.get() else { return };
        let following = following.iter().map(|event| &**event);
        bookmark.borrow_mut().begin(init.event(), following);
        self.lead(&mut self.send_queue.borrow_mut(), &bookmark.borrow());
    }

    /// This is queued next.
    pub(super) fn put_bookmark(&self, dispatch: &EncodedEvent) {
        if self.has_bookmark() {
            self.put_bookmark_in(&mut self.send_queue.borrow_mut(), dispatch);
        }
    }

    /// The same in a queue that is just being filled.
    pub(super) fn put_bookmark_in(&self, send_queue: &mut SendQueue, dispatch: &EncodedEvent) {
        let Some(bookmark) = self.bookmark.get() else { return };
        if bookmark.borrow_mut().note(dispatch) {
            self.lead(send_queue, &bookmark.borrow());
        }
    }

    /// Queues how far everything was heard. A stream that hears more channels than fit could not go on from there.
    fn lead(&self, send_queue: &mut SendQueue, bookmark: &Bookmark) {
        match bookmark.line() {
            Ok(line) => send_queue.lead(Bytes::from(line)),
            Err(full) => {
                self.note(Note::Close(Close::new(CloseCode::RateLimited, full.to_string())));
            }
        }
    }
}

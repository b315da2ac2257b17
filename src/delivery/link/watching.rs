//! A connection whose frames somebody wants to see.

use super::Link;
use crate::domain::ProjectId;
use crate::protocol::{EncodedEvent, Profile, Wire, frame};
use crate::recorder::{ConnectionTape, RecordKind};
use std::rc::Rc;

/// A larger event is not made once more to be looked at: its text would be too long to be kept.
const MOST_MADE: usize = 64 << 10;
/// The first byte of a whole text frame.
const TEXT: u8 = 0x81;

impl Link {
    /// Says where its frames are recorded, if anybody wants to see them.
    pub fn set_tape(&self, tape: ConnectionTape) {
        self.is_watched.set(tape.is_chosen());
        self.tape.replace(Some(Rc::new(tape)));
    }

    /// Where its frames are recorded, once it is known whose it is.
    pub fn tape(&self) -> Option<Rc<ConnectionTape>> {
        self.tape.borrow().clone()
    }

    /// Whether somebody wants to see its frames.
    pub fn is_watched(&self) -> bool {
        self.is_watched.get()
    }

    /// Somebody began or ceased to want to see frames of a project.
    pub(in crate::delivery) fn watch_again(&self, project: &ProjectId) {
        if self.project.borrow().as_ref() == Some(project) {
            let is_chosen = self.tape.borrow().as_ref().is_some_and(|tape| tape.is_chosen());
            self.is_watched.set(is_chosen);
        }
    }

    /// Records an event that is queued, as JSON whatever its form.
    pub(super) fn record_event(&self, dispatch: &EncodedEvent) {
        let Some(tape) = self.tape() else { return };
        if dispatch.size_hint() > MOST_MADE {
            tape.opaque_frame(RecordKind::FrameOut, dispatch.size_hint());
        } else {
            let frame = dispatch.frame(Profile { wire: Wire::default(), ..self.profile.get() });
            tape.frame(RecordKind::FrameOut, frame::text_of(&frame));
        }
    }

    /// Records a frame that is queued.
    pub(super) fn record_frame(&self, bytes: &[u8]) {
        if let Some(tape) = self.tape() {
            match bytes.first() {
                Some(&TEXT) => tape.frame(RecordKind::FrameOut, frame::text_of(bytes)),
                _ => tape.opaque_frame(RecordKind::FrameOut, frame::payload_of(bytes).len()),
            }
        }
    }
}

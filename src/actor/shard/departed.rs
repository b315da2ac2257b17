//! Sessions that have gone on on another server: what they had is kept until that says that it has it, as its answer may be lost on
//! the way.

use super::super::session::shared::Sharing;
use crate::domain::LeapTokenId;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Them, each with when it went.
#[derive(Default)]
pub(super) struct Departed(HashMap<LeapTokenId, (Instant, Sharing)>);

impl Departed {
    /// One has gone. Those are forgotten that went so long ago that nobody comes for them any more.
    pub(super) fn note(&mut self, token: LeapTokenId, sharing: Sharing, grace: Duration) {
        self.0.retain(|_, (at, _)| at.elapsed() < grace);
        self.0.insert(token, (Instant::now(), sharing));
    }

    /// What one had, which is asked for again.
    pub(super) fn find(&self, token: &LeapTokenId, grace: Duration) -> Option<Sharing> {
        let (at, sharing) = self.0.get(token)?;
        (at.elapsed() < grace).then(|| sharing.clone())
    }

    /// It has got there, or is back.
    pub(super) fn take(&mut self, token: &LeapTokenId) -> Option<Sharing> {
        self.0.remove(token).map(|(_, sharing)| sharing)
    }
}

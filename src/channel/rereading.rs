//! The channel may be another in the store than is known here: it is read again, until that succeeds.
//!
//! Meanwhile it goes on with what it knows, which was durable: nobody is better off without it. What it has at hand stays, and
//! so does the place from which it goes on.

use super::ChannelMachine;
use super::effects::ChannelEffects;
use super::keeping::StoredChannel;
use crate::ask::AskError;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long after a read that failed the next one is begun, at first.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest that it becomes.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Reads that failed, since one succeeded.
#[derive(Default)]
pub(super) struct Rereading {
    /// How long after the last of them the next one is begun; none if none has failed.
    pause: Option<Duration>,
    /// Whether that is waited for.
    is_planned: bool,
}

impl Rereading {
    /// One more has failed; how long to wait.
    fn failed(&mut self) -> Duration {
        let pause =
            self.pause.map_or(FIRST_PAUSE, |last| last.saturating_mul(2).min(LONGEST_PAUSE));
        *self = Self { pause: Some(pause), is_planned: true };
        pause
    }
}

impl<E: ChannelEffects> ChannelMachine<E> {
    /// The channel may be another in the store than is known here: it is read again, behind all that is under way.
    pub fn doubt(&mut self, effects: &mut E) {
        self.changes.doubt();
        self.reload_if_due(effects);
    }

    /// Has the channel read again, if it must be and can be now.
    pub(super) fn reload_if_due(&self, effects: &mut E) {
        let is_due = self.changes.needs_reload() && self.keeping.is_stored();
        if is_due && !self.rereading.is_planned {
            effects.reload();
        }
    }

    /// The pause after a read that failed is over.
    pub fn reload_again(&mut self, effects: &mut E) {
        self.rereading.is_planned = false;
        self.next_is_due(effects);
        self.reload_if_due(effects);
    }

    /// The channel as the store has it: after a commit that was reported as failed and may stand after all, or where the
    /// line has lost something. None if there is no such channel any more.
    pub fn reloaded(
        &mut self,
        stored: Result<Option<StoredChannel>, AskError>,
        now: Instant,
        effects: &mut E,
    ) {
        match stored {
            Ok(found) => {
                self.rereading = Rereading::default();
                match found {
                    Some(stored) => self.go_on_from(stored, now, effects),
                    // Whoever deletes it is about to hear so, and then tells everybody.
                    None if self.deletions > 0 => {}
                    None => self.deleted(effects),
                }
            }
            Err(_) => effects.reload_in(self.rereading.failed()),
        }
    }

    /// Goes on from what the store has.
    fn go_on_from(&mut self, stored: StoredChannel, now: Instant, effects: &mut E) {
        let StoredChannel { channel: stored, line } = stored;
        let (state, version) = (stored.state.clone(), stored.version);
        self.changes.reloaded(state.clone(), version);
        self.catch_up(line, now, effects);
        let update = (version != self.channel.version).then(|| self.take_over(state, version));
        self.channel = stored;
        self.available = None;
        if let Some(update) = update {
            self.used = now;
            // The line has not said this, and may say it yet: it has no place there.
            self.spread(&Arc::new(update), effects);
        }
        // Of what was stored and had not been told, all is by now.
        self.changes.shown(self.channel.version, effects);
        self.change_on(effects);
    }
}

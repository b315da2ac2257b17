//! Who looks at a project, and for how long it is recorded for them.

use crate::domain::{ConnectionId, LeapTokenId};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long after the last look a project is recorded for who looks, where no ring is set up.
const LINGER: Duration = Duration::from_secs(30);
/// The most lookers that are remembered, so that each is logged once and not with every look.
const MAX_LOOKERS: usize = 64;

/// The most connections and tokens of a project whose frames are recorded; past it, those are not any more that were looked at
/// longest ago.
const MAX_CHOSEN: usize = 16;

/// A connection, or all of a token, whose frames somebody wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// This one.
    Connection(ConnectionId),
    /// All of this token.
    Token(LeapTokenId),
}

/// What is new with a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookNews {
    /// Somebody looks who did not, or at something else.
    pub is_new: bool,
    /// The frames of other connections than before are wanted.
    pub is_choice: bool,
}

/// Somebody who looks, and at what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looker {
    /// The handle of its token.
    pub by: Arc<str>,
    /// Where it is.
    pub address: Option<IpAddr>,
    /// What it wants to see, in words without secrets.
    pub filter: String,
}

/// Who looks at a project.
#[derive(Debug, Default)]
pub(super) struct Looking {
    /// Until when it is recorded for them; none while nobody looks.
    until: Option<Instant>,
    /// Who looked lately, and when.
    lookers: Vec<(Looker, Instant)>,
    /// How many wait.
    pub(super) watchers: usize,
    /// Whose frames they want to see, with the time of the last look.
    chosen: Vec<(Chosen, Instant)>,
}

impl Looking {
    /// Somebody looks; whether that is news.
    pub(super) fn look(&mut self, looker: Looker, now: Instant) -> bool {
        self.until = Some(now + LINGER);
        self.lookers.retain(|(_, since)| now.duration_since(*since) < LINGER);
        if let Some((_, last)) = self.lookers.iter_mut().find(|(known, _)| *known == looker) {
            *last = now;
            return false;
        }
        if self.lookers.len() >= MAX_LOOKERS {
            self.lookers.remove(0);
        }
        self.lookers.push((looker, now));
        true
    }

    /// Somebody wants to see frames; whether that is news.
    pub(super) fn choose(&mut self, chosen: Chosen, now: Instant) -> bool {
        if let Some((_, last)) = self.chosen.iter_mut().find(|(known, _)| *known == chosen) {
            *last = now;
            return false;
        }
        let oldest = self.chosen.iter().enumerate().min_by_key(|(_, (_, last))| *last);
        if self.chosen.len() >= MAX_CHOSEN
            && let Some((at, _)) = oldest
        {
            self.chosen.remove(at);
        }
        self.chosen.push((chosen, now));
        true
    }

    /// Whose frames somebody wants to see.
    pub(super) fn chosen(&self) -> impl Iterator<Item = &Chosen> {
        self.chosen.iter().map(|(chosen, _)| chosen)
    }

    /// Forgets whose frames nobody has looked at for long enough; whether there were any.
    pub(super) fn expire_chosen(&mut self, now: Instant) -> bool {
        let before = self.chosen.len();
        self.chosen.retain(|(_, last)| now.duration_since(*last) < LINGER);
        self.chosen.len() < before
    }

    /// Whether nobody has looked for long enough; then nobody looks any more.
    pub(super) fn ends(&mut self, now: Instant) -> bool {
        if self.watchers > 0 || self.until.is_some_and(|until| until > now) {
            return false;
        }
        *self = Self::default();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody with this filter.
    fn looker(filter: &str) -> Looker {
        Looker { by: Arc::from("ptkid_a"), address: None, filter: filter.to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn who_looks_on_is_no_news_and_who_comes_back_later_is() {
        let mut looking = Looking::default();
        assert!(looking.look(looker("a"), Instant::now()));
        assert!(!looking.look(looker("a"), Instant::now()));
        assert!(looking.look(looker("b"), Instant::now()));
        tokio::time::advance(LINGER / 2).await;
        assert!(!looking.look(looker("a"), Instant::now()));
        assert!(!looking.ends(Instant::now()));
        tokio::time::advance(LINGER).await;
        assert!(looking.ends(Instant::now()));
        assert!(looking.look(looker("a"), Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_chosen_and_those_go_that_were_looked_at_longest_ago() {
        let mut looking = Looking::default();
        let token = |number: usize| Chosen::Token(LeapTokenId::from(number.to_string().as_str()));
        for number in 0..MAX_CHOSEN {
            assert!(looking.choose(token(number), Instant::now()));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(!looking.choose(token(0), Instant::now()));
        assert!(looking.choose(token(99), Instant::now()));
        assert_eq!(looking.chosen().count(), MAX_CHOSEN);
        assert!(looking.chosen().all(|chosen| *chosen != token(1)));
        assert!(!looking.expire_chosen(Instant::now()));
        tokio::time::advance(LINGER).await;
        assert!(looking.expire_chosen(Instant::now()));
        assert_eq!(looking.chosen().count(), 0);
    }

    #[tokio::test]
    async fn the_memory_of_lookers_is_bounded() {
        let mut looking = Looking::default();
        for number in 0..3 * MAX_LOOKERS {
            assert!(looking.look(looker(&number.to_string()), Instant::now()));
        }
        assert_eq!(looking.lookers.len(), MAX_LOOKERS);
    }
}

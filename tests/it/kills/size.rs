//! How much there is of everything, and who is who.

use crate::record::ClientId;

/// Threads that change states.
pub const WRITERS: u64 = 2;
/// Clients that a test writes by hand, frame by frame.
const FOLLOWERS: usize = 3;
/// Channels whose messages are not kept.
const PLAIN: usize = 3;

/// What a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes on by itself, and this program does what a client has to (`record::Follower`).
    Follower,
    /// Warren's own, with a token.
    Own,
    /// Warren's own, without a token.
    Guest,
    /// Hop's.
    Official,
    /// Reads what is kept in pages over HTTP.
    Reader,
}

/// How much there is of everything.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Kills.
    pub kills: u64,
    /// Threads that publish.
    pub publishers: u64,
    /// Channels whose messages are kept (`HISTORY`).
    kept: usize,
    /// How many of those each client hears.
    each: usize,
    /// Warren's own clients with tokens.
    own: usize,
    /// Those without.
    guests: usize,
    /// Official ones.
    officials: usize,
}

impl Size {
    /// What the environment says, or what a test run has time for.
    pub fn new() -> Self {
        let count = |name: &str, usual| {
            let said = std::env::var(format!("WARREN_{name}")).ok();
            said.map_or(usual, |text| text.parse().unwrap())
        };
        let many = |name: &str, usual| usize::try_from(count(name, usual)).unwrap();
        let kept = many("KEPT", 4);
        Self {
            kills: count("KILLS", 20),
            publishers: count("PUBLISHERS", 4),
            kept,
            each: many("EACH", 3).min(kept),
            own: many("OWN", 6),
            guests: many("GUESTS", 2),
            officials: many("OFFICIALS", 4),
        }
    }

    /// All channels.
    pub fn channels(&self) -> Vec<String> {
        let kept = (0..self.kept).map(|n| format!("kept-{n}"));
        kept.chain((0..PLAIN).map(|n| format!("plain-{n}"))).collect()
    }

    /// All clients; one more than the tokens' and guests' reads pages.
    pub fn clients(&self) -> std::ops::Range<ClientId> {
        0..FOLLOWERS + self.own + self.guests + self.officials + 1
    }

    /// What a client is.
    pub fn kind(&self, client: ClientId) -> Kind {
        let kinds = [
            (Kind::Follower, FOLLOWERS),
            (Kind::Own, self.own),
            (Kind::Guest, self.guests),
            (Kind::Official, self.officials),
        ];
        let mut upto = 0;
        for (kind, count) in kinds {
            upto += count;
            if client < upto {
                return kind;
            }
        }
        Kind::Reader
    }

    /// Whether a client has a token.
    pub fn has_token(&self, client: ClientId) -> bool {
        !matches!(self.kind(client), Kind::Guest | Kind::Reader)
    }

    /// The channels that a client hears: all that are not kept, and its part of the others.
    pub fn heard_by(&self, client: ClientId) -> Vec<String> {
        let all = self.channels();
        let (kept, plain) = all.split_at(self.kept);
        if self.kind(client) == Kind::Reader {
            return kept.to_vec();
        }
        let its = kept.iter().cycle().skip(client).take(self.each);
        its.chain(plain).cloned().collect()
    }
}

/// Whether a channel's messages are kept.
pub fn is_kept(channel: &str) -> bool {
    channel.starts_with("kept")
}

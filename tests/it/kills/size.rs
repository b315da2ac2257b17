//! How much there is of everything, and who is who.

use crate::record::ClientId;

/// Threads that change states.
pub const WRITERS: u64 = 2;
/// Clients that a test writes by hand, frame by frame.
const FOLLOWERS: usize = 3;

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
    /// As Hop's in a browser: comes back at once, whatever it was told.
    Impatient,
    /// Reads what is kept in pages over HTTP.
    Reader,
}

impl Kind {
    /// Whether it knows no positions.
    pub fn is_official(self) -> bool {
        matches!(self, Self::Official | Self::Impatient)
    }
}

/// A number that an environment variable says.
pub fn number(name: &str, usual: u64) -> u64 {
    let said = std::env::var(format!("WARREN_{name}")).ok();
    said.map_or(usual, |text| text.parse().unwrap())
}

/// How much there is of everything.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Kills.
    pub kills: u64,
    /// Threads that publish.
    pub publishers: u64,
    /// How long a publisher pauses after each message, milliseconds.
    pub pause: u64,
    /// Channels whose messages are kept (`HISTORY`).
    pub kept: usize,
    /// How many of those each client hears.
    pub each: usize,
    /// Channels whose messages are not kept.
    pub plain: usize,
    /// How many of those each client hears.
    pub each_plain: usize,
    /// Warren's own clients with tokens.
    pub own: usize,
    /// Those without.
    pub guests: usize,
    /// Official ones.
    pub officials: usize,
    /// Those that come back at once.
    pub impatient: usize,
}

impl Size {
    /// What the environment says, or what a test run has time for.
    pub fn new() -> Self {
        let many = |name: &str, usual| usize::try_from(number(name, usual)).unwrap();
        let (kept, publishers) = (many("KEPT", 4), number("PUBLISHERS", 4));
        Self {
            kills: number("KILLS", 20),
            publishers,
            pause: 2 * publishers,
            kept,
            each: many("EACH", 3).min(kept),
            plain: 3,
            each_plain: 3,
            own: many("OWN", 6),
            guests: many("GUESTS", 2),
            officials: many("OFFICIALS", 4),
            impatient: 0,
        }
    }

    /// All channels.
    pub fn channels(&self) -> Vec<String> {
        let kept = (0..self.kept).map(|n| format!("kept-{n}"));
        kept.chain((0..self.plain).map(|n| format!("plain-{n}"))).collect()
    }

    /// All clients; one more than the tokens' and guests' reads pages.
    pub fn clients(&self) -> std::ops::Range<ClientId> {
        0..FOLLOWERS + self.own + self.guests + self.officials + self.impatient + 1
    }

    /// How many connections there are whose beginning is counted (`Scene::connected`).
    pub fn connections(&self) -> usize {
        self.own + self.guests + self.officials + self.impatient
    }

    /// What a client is.
    pub fn kind(&self, client: ClientId) -> Kind {
        let kinds = [
            (Kind::Follower, FOLLOWERS),
            (Kind::Own, self.own),
            (Kind::Guest, self.guests),
            (Kind::Official, self.officials),
            (Kind::Impatient, self.impatient),
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
        let part = |all: &[String], each| -> Vec<String> {
            all.iter().cycle().skip(client % all.len()).take(each).cloned().collect()
        };
        [part(kept, self.each), part(plain, self.each_plain)].concat()
    }
}

/// Whether a channel's messages are kept.
pub fn is_kept(channel: &str) -> bool {
    channel.starts_with("kept")
}

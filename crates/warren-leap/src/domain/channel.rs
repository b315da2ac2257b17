//! Channels: visibility, capabilities, and who may subscribe.

use super::{ChannelId, ProjectId, State, Timestamp, Version};
use serde::{Serialize, Serializer};

/// A channel's full name: ids are unique in their project only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChannelKey {
    /// The tenant.
    pub project: ProjectId,
    /// The channel.
    pub id: ChannelId,
}

/// Who may subscribe (`docs/PROTOCOL.md`, Visibility).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Tokens that were granted it, one by one.
    Private,
    /// Every token of the project.
    Public,
    /// Everybody who knows the id.
    Unprotected,
}

/// A visibility that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be private, public or unprotected")]
pub struct UnknownVisibility;

impl Visibility {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Public => "public",
            Self::Unprotected => "unprotected",
        }
    }
}

impl std::str::FromStr for Visibility {
    type Err = UnknownVisibility;

    fn from_str(word: &str) -> Result<Self, UnknownVisibility> {
        match word {
            "private" => Ok(Self::Private),
            "public" => Ok(Self::Public),
            "unprotected" => Ok(Self::Unprotected),
            _ => Err(UnknownVisibility),
        }
    }
}

impl Serialize for Visibility {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What a channel can do besides carrying messages from the server (`docs/PROTOCOL.md`, Capabilities).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Capabilities(u32);

impl Capabilities {
    /// The channel goes when its last subscriber has gone.
    pub const EPHEMERAL: Self = Self(1);
    /// Subscribed clients may publish.
    pub const CLIENT_PUBLISH: Self = Self(1 << 1);
    /// Subscribed clients may set the state.
    pub const CLIENT_STATE: Self = Self(1 << 2);
    /// Members and their coming and going are shown.
    pub const PRESENCE: Self = Self(1 << 3);
    /// Messages are kept.
    pub const HISTORY: Self = Self(1 << 4);
    /// Every version of the state is kept.
    pub const STATE_HISTORY: Self = Self(1 << 5);
    /// Name and bit of each.
    pub const NAMED: [(&'static str, Self); 6] = [
        ("EPHEMERAL", Self::EPHEMERAL),
        ("CLIENT_PUBLISH", Self::CLIENT_PUBLISH),
        ("CLIENT_STATE", Self::CLIENT_STATE),
        ("PRESENCE", Self::PRESENCE),
        ("HISTORY", Self::HISTORY),
        ("STATE_HISTORY", Self::STATE_HISTORY),
    ];

    /// A set from its number; none when it has an unknown bit.
    pub fn from_bits(bits: u64) -> Option<Self> {
        u32::try_from(bits).ok().filter(|bits| *bits < 1 << Self::NAMED.len()).map(Self)
    }

    /// One capability from its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|(known, _)| *known == name).map(|(_, bit)| bit)
    }

    /// The name of one capability; empty for none and for several.
    pub fn name(self) -> &'static str {
        Self::NAMED.into_iter().find(|(_, bit)| *bit == self).map_or("", |(name, _)| name)
    }

    /// The number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in the set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A channel as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Project and id.
    pub key: ChannelKey,
    /// Who may subscribe.
    pub visibility: Visibility,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Its state object.
    pub state: State,
    /// 1 at creation and one more per change of the state.
    pub version: Version,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Who asks to subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriberKind {
    /// A connection without a token.
    Anonymous,
    /// A leap token; `is_granted` when it holds a subscription already or the back end gave it one.
    Token {
        /// Whether the private kind is open to it.
        is_granted: bool,
    },
    /// A project token on the socket.
    Project,
}

impl Visibility {
    /// The table of `docs/PROTOCOL.md`, Visibility; the authorise webhook is the caller's matter.
    pub const fn admits(self, subscriber: SubscriberKind) -> bool {
        match (self, subscriber) {
            (_, SubscriberKind::Project | SubscriberKind::Token { is_granted: true })
            | (Self::Unprotected, _)
            | (Self::Public, SubscriberKind::Token { .. }) => true,
            (Self::Private | Self::Public, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visibility_table_holds() {
        use SubscriberKind::{Anonymous, Project, Token};
        let table = [
            (Visibility::Unprotected, [true, true, true, true]),
            (Visibility::Public, [false, true, true, true]),
            (Visibility::Private, [false, false, true, true]),
        ];
        let who = [Anonymous, Token { is_granted: false }, Token { is_granted: true }, Project];
        for (visibility, expected) in table {
            assert_eq!(who.map(|w| visibility.admits(w)), expected, "{visibility:?}");
        }
    }

    #[test]
    fn visibility_words_are_lower_case_only() {
        for word in ["private", "public", "unprotected"] {
            assert_eq!(word.parse::<Visibility>().unwrap().as_str(), word);
        }
        assert!("Private".parse::<Visibility>().is_err() && "".parse::<Visibility>().is_err());
    }

    #[test]
    fn capabilities_have_five_bits() {
        assert_eq!(Capabilities::from_bits(63).unwrap().bits(), 63);
        assert_eq!(Capabilities::from_bits(64), None);
        assert_eq!(Capabilities::from_name("PRESENCE").unwrap().bits(), 8);
        assert_eq!(Capabilities::from_name("presence"), None);
        for (name, bit) in Capabilities::NAMED {
            assert_eq!(bit.name(), name);
        }
        let both = Capabilities::EPHEMERAL.union(Capabilities::HISTORY);
        assert!(both.contains(Capabilities::HISTORY) && !both.contains(Capabilities::PRESENCE));
    }
}

//! What a client may ask for beyond Hop's protocol (`docs/PROTOCOL.md`, Extensions).

/// One extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// Refused frames are answered with `ERROR`, frames with a `ref` with `ACK`.
    Errors,
    /// States carry their version.
    Version,
    /// Members of a channel and their coming and going.
    Presence,
    /// Changes of the token's own state.
    TokenState,
    /// `PATCH_CHANNEL_STATE` from the client.
    Patch,
    /// Positions on what lines say, and going on from one.
    Resume,
    /// State changes as patches, with versions.
    Delta,
    /// `REFRESH_TOKEN` from the client, and a close code for tokens that have expired.
    Refresh,
}

impl Extension {
    /// All of them, by their name on the wire.
    pub const NAMED: [(&'static str, Self); 8] = [
        ("errors", Self::Errors),
        ("version", Self::Version),
        ("presence", Self::Presence),
        ("token_state", Self::TokenState),
        ("patch", Self::Patch),
        ("resume", Self::Resume),
        ("delta", Self::Delta),
        ("refresh", Self::Refresh),
    ];

    /// The place in a set.
    const fn bit(self) -> u8 {
        match self {
            Self::Errors => 1,
            Self::Version => 1 << 1,
            Self::Presence => 1 << 2,
            Self::TokenState => 1 << 3,
            Self::Patch => 1 << 4,
            Self::Resume => 1 << 5,
            Self::Delta => 1 << 6,
            Self::Refresh => 1 << 7,
        }
    }
}

/// The extensions of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Extensions(u8);

impl Extensions {
    /// What is granted of what was asked for: everything that exists.
    pub fn granted(asked: &[String]) -> Self {
        let known = Extension::NAMED.into_iter();
        let wanted = known.filter(|(name, _)| asked.iter().any(|asked| asked == name));
        Self(wanted.fold(0, |set, (_, extension)| set | extension.bit()))
    }

    /// Whether the connection has this one.
    pub const fn has(self, extension: Extension) -> bool {
        self.0 & extension.bit() != 0
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, extension: Extension) -> Self {
        Self(self.0 | extension.bit())
    }

    /// Those that are among others too.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// The names, for INIT.
    pub fn names(self) -> Vec<&'static str> {
        let known = Extension::NAMED.into_iter();
        known.filter(|(_, extension)| self.has(*extension)).map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exists_is_granted_and_the_rest_is_not() {
        let asked = ["patch", "errors", "telepathy"].map(str::to_owned);
        let granted = Extensions::granted(&asked);
        assert_eq!(granted.names(), ["errors", "patch"]);
        assert!(granted.has(Extension::Errors) && !granted.has(Extension::Version));
    }
}

//! What the registry's keys are called. Everything that one script needs carries one tag, as a line's keys do; so a node's list of
//! what it holds is one list in each part.

use super::incarnation::Incarnation;
use crate::bus::redis::LineName;
use crate::bus::redis::names::{ground, partition};
use crate::domain::{LeapTokenId, ProjectId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// Between the name of what is held and whose it is; no name has one.
const BETWEEN: char = '\n';

/// A leap token, as Redis knows it: nobody who reads the keys can use it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TokenName {
    /// Its part.
    partition: u16,
    /// Its name in there.
    name: String,
}

impl TokenName {
    /// The name of a token in a cluster. No word of it holds a colon.
    pub(super) fn new(cluster: &str, project: &ProjectId, token: &LeapTokenId) -> Self {
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_str().as_bytes()));
        let name = format!("t:{cluster}:{}:{hash}", project.as_str());
        Self { partition: partition(&name), name }
    }

    /// A name as it was written into another key of its part; none where that is no token's.
    pub(super) fn restored(partition: u16, name: &str) -> Option<Self> {
        let name = name.starts_with("t:").then(|| name.to_owned())?;
        Some(Self { partition, name })
    }

    /// The SHA-256 of the token, by which its owner is found: base64url, unpadded.
    pub fn hash(&self) -> &str {
        self.name.rsplit(':').next().unwrap_or_default()
    }

    /// Its part.
    pub(super) const fn partition(&self) -> u16 {
        self.partition
    }

    /// Its name in there.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its connections, and the node of each.
    pub(super) fn connections(&self) -> String {
        format!("{{{}}}i:{}", self.partition, self.name)
    }

    /// Its session, and where that stood at a break.
    pub(super) fn session(&self) -> String {
        format!("{{{}}}s:{}", self.partition, self.name)
    }
}

/// The keys of presence in a channel.
pub(super) struct PresenceKeys<'a>(pub(super) &'a LineName);

impl PresenceKeys<'_> {
    /// Its sessions: of each the nodes where it is, and the member.
    pub(super) fn sessions(&self) -> String {
        format!("{{{}}}p:{}", self.0.partition(), self.0.name())
    }

    /// How many of them have the same nodes.
    pub(super) fn counts(&self) -> String {
        format!("{{{}}}o:{}", self.0.partition(), self.0.name())
    }
}

/// What one part of the keys has for all of its tokens and channels.
pub(super) struct PartKeys<'a> {
    /// The cluster.
    cluster: &'a str,
    /// The part.
    partition: u16,
}

impl<'a> PartKeys<'a> {
    /// Those of a part of a cluster.
    pub(super) const fn new(cluster: &'a str, partition: u16) -> Self {
        Self { cluster, partition }
    }

    /// Which server orders, and since when.
    pub(super) fn ground(&self) -> String {
        ground(self.partition)
    }

    /// The tokens whose grace runs, by when it is over.
    pub(super) fn due(&self) -> String {
        format!("{{{}}}due:{}", self.partition, self.cluster)
    }

    /// The nodes that hold something.
    pub(super) fn holders(&self) -> String {
        format!("{{{}}}holders:{}", self.partition, self.cluster)
    }

    /// What a node holds.
    pub(super) fn held(&self, node: Incarnation) -> String {
        format!("{{{}}}held:{}:{node}", self.partition, self.cluster)
    }

    /// Who gives away what it held.
    pub(super) fn claim(&self, node: Incarnation) -> String {
        format!("{{{}}}claim:{}:{node}", self.partition, self.cluster)
    }
}

/// The keys of the leases of a cluster's nodes, which are in one part.
pub(super) struct NodesKeys {
    /// The part.
    partition: u16,
    /// The name in there.
    name: String,
}

impl NodesKeys {
    /// Those of a cluster.
    pub(super) fn new(cluster: &str) -> Self {
        let name = format!("n:{cluster}");
        Self { partition: partition(&name), name }
    }

    /// The part's ground.
    pub(super) fn ground(&self) -> String {
        ground(self.partition)
    }

    /// The leases.
    pub(super) fn leases(&self) -> String {
        format!("{{{}}}{}", self.partition, self.name)
    }

    /// Who was declared gone.
    pub(super) fn gone(&self) -> String {
        format!("{{{}}}gone:{}", self.partition, self.name)
    }
}

/// How a node's list names what it holds.
pub(super) fn held_as(name: &str, id: &str) -> String {
    format!("{name}{BETWEEN}{id}")
}

/// The two parts of such a word.
pub(super) fn read_held(word: &str) -> Option<(&str, &str)> {
    word.split_once(BETWEEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_in_no_key() {
        let token = LeapTokenId::from("leap_token_secret");
        let name = TokenName::new("test", &ProjectId::from("p"), &token);
        assert_eq!(name.hash().len(), 43);
        for key in [name.connections(), name.session(), format!("{name:?}")] {
            assert!(!key.contains("secret"), "{key}");
        }
        assert_eq!(TokenName::restored(name.partition(), name.name()), Some(name));
        assert_eq!(TokenName::restored(1, "c:test:p:x"), None);
    }
}

//! Nodes: each lives for as long as it says so, by Redis' clock.

use super::answers::ScriptAnswer;
use super::handle::RedisRegistry;
use super::incarnation::Incarnation;
use crate::bus::redis::WireError;
use crate::bus::redis::calls::ms;
use std::collections::BTreeMap;

/// The most nodes of a cluster; one more is refused.
const NODES: usize = 1024;

/// What a beat found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeatOutcome {
    /// It lives on.
    Renewed,
    /// Redis did not know it on this ground: it says again who is connected and present there, and who is in a grace.
    Registered,
    /// It was declared gone, and what it held is given away: it takes another incarnation, and says everything again.
    Gone,
    /// There are too many nodes.
    Full,
}

/// What comes of a beat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeBeat {
    /// What it found.
    pub outcome: BeatOutcome,
    /// Who lives then.
    pub living: LivingNodes,
}

/// The nodes that live, as of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivingNodes {
    /// Them, and their names.
    nodes: BTreeMap<Incarnation, String>,
    /// Whether the ground is so young that some may not have said so yet.
    is_young: bool,
}

impl LivingNodes {
    /// Them, and their names.
    pub const fn nodes(&self) -> &BTreeMap<Incarnation, String> {
        &self.nodes
    }

    /// Whether some may not have said yet that they live: nobody counts as gone then.
    pub const fn is_young(&self) -> bool {
        self.is_young
    }

    /// Whether what a node holds is to be shown.
    pub fn shows(&self, node: Incarnation) -> bool {
        self.is_young || self.nodes.contains_key(&node)
    }

    /// What a script is told of them: nothing where all are to be shown.
    pub(super) fn words(&self) -> Vec<String> {
        match (self.is_young, self.nodes.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => vec!["nobody".to_owned()],
            (false, false) => self.nodes.keys().map(ToString::to_string).collect(),
        }
    }

    /// Reads them.
    fn read(answer: &mut ScriptAnswer) -> Result<Self, WireError> {
        let is_young = answer.text()? == "1";
        let mut nodes = BTreeMap::new();
        while let Some((node, name)) = answer.pair() {
            nodes.insert(node.parse()?, name);
        }
        Ok(Self { nodes, is_young })
    }
}

impl RedisRegistry {
    /// A node lives for one lease more; to be said several times in that time, and before it says anything else.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn beat(&self, node: Incarnation, name: &str) -> Result<NodeBeat, WireError> {
        let mut call = self.scripts.beat.key(self.nodes.ground());
        call.key(self.nodes.leases()).key(self.nodes.gone());
        call.arg(node.to_string()).arg(name).arg(ms(self.terms.lease));
        call.arg(ms(self.terms.youth)).arg(NODES);
        let mut answer = ScriptAnswer::new(self.wire.call_beside(&call).await?);
        let outcome = match answer.text()?.as_str() {
            "renewed" => BeatOutcome::Renewed,
            "registered" => BeatOutcome::Registered,
            "gone" => BeatOutcome::Gone,
            "full" => BeatOutcome::Full,
            _ => return Err(WireError::Garbled),
        };
        Ok(NodeBeat { outcome, living: LivingNodes::read(&mut answer)? })
    }

    /// A node ends that has passed on all that it held: nobody waits for its lease.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn depart(&self, node: Incarnation) -> Result<(), WireError> {
        let mut call = self.scripts.depart.key(self.nodes.ground());
        call.key(self.nodes.leases()).arg(node.to_string());
        self.wire.call::<u64>(&call).await.map(|_| ())
    }

    /// Who lives. A beat says it too, which is soon enough for most.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn living(&self) -> Result<LivingNodes, WireError> {
        let mut call = self.scripts.living.key(self.nodes.ground());
        call.key(self.nodes.leases()).arg(ms(self.terms.youth));
        LivingNodes::read(&mut ScriptAnswer::new(self.wire.call(&call).await?))
    }
}

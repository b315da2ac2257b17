//! What nodes that are gone have left.
//!
//! Who is gone is said in the part of the leases, what he held stands in every part. So it is several steps: nodes that hold
//! something are asked for first, who of them is gone behind that, and what each of those held is taken from it piece by
//! piece. Whoever stops in between has taken away nothing that he did not give away: the next one finds the rest.

use super::handle::RedisRegistry;
use super::incarnation::Incarnation;
use super::keys::{TokenName, read_held};
use super::outcomes::{NodeEstate, ReapOutcome, Remnant};
use crate::bus::redis::calls::ms;
use crate::bus::redis::names::PARTITIONS;
use crate::bus::redis::{LineName, WireError};
use crate::domain::{ConnectionId, SessionId};
use std::collections::BTreeSet;
use std::time::Duration;

/// The most that is handed out at once.
const HANDFUL: usize = 500;
/// How long it is known who is gone: past that, one that comes back registers as if Redis had lost it.
const GONE_AGE: Duration = Duration::from_hours(24);
/// Of how many that is known.
const GONE: usize = 4096;

impl RedisRegistry {
    /// What nodes that are gone have left, part by part. Nobody is gone while the ground is young.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn estates(&self) -> Result<Vec<NodeEstate>, WireError> {
        let mut questions = redis::pipe();
        for partition in 0..PARTITIONS {
            questions.cmd("SMEMBERS").arg(self.part(partition).holders());
        }
        let held: Vec<Vec<String>> = self.wire.ask_all(None, &questions).await?;
        // Whoever held something before this question had registered before that, so the leases know him.
        let holders: BTreeSet<&String> = held.iter().flatten().collect();
        let mut call = self.scripts.judge.key(self.nodes.ground());
        call.key(self.nodes.leases()).key(self.nodes.gone());
        call.arg(ms(self.terms.lease)).arg(ms(self.terms.youth)).arg(ms(GONE_AGE)).arg(GONE);
        for node in holders {
            call.arg(node);
        }
        let gone: BTreeSet<String> = self.wire.call(&call).await?;
        let mut estates = Vec::new();
        for (partition, nodes) in (0..PARTITIONS).zip(held) {
            for node in nodes.iter().filter(|node| gone.contains(*node)) {
                estates.push(NodeEstate { partition, node: node.parse()? });
            }
        }
        Ok(estates)
    }

    /// Some of what one of them has left, to one reaper at a time.
    ///
    /// # Errors
    /// [`WireError::Garbled`], [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn reap(
        &self,
        estate: NodeEstate,
        reaper: Incarnation,
    ) -> Result<ReapOutcome, WireError> {
        let (node, part) = (estate.node, self.part(estate.partition));
        let mut call = self.scripts.reap.key(part.ground());
        call.key(part.holders()).key(part.held(node)).key(part.claim(node));
        call.arg(node.to_string()).arg(reaper.to_string()).arg(ms(self.terms.claim));
        call.arg(HANDFUL).arg(ms(self.terms.youth));
        let found: Vec<String> = self.wire.call(&call).await?;
        let (word, held) = found.split_first().ok_or(WireError::Garbled)?;
        match word.as_str() {
            "held" => {
                let remnants = held.iter().map(|word| remnant(estate.partition, word));
                let remnants = remnants.collect::<Option<_>>().ok_or(WireError::Garbled)?;
                Ok(ReapOutcome::Held(remnants))
            }
            "empty" => Ok(ReapOutcome::Empty),
            "claimed" => Ok(ReapOutcome::Claimed),
            "young" => Ok(ReapOutcome::Young),
            _ => Err(WireError::Garbled),
        }
    }
}

/// What a word in a node's list names.
fn remnant(partition: u16, word: &str) -> Option<Remnant> {
    let (name, id) = read_held(word)?;
    if let Some(token) = TokenName::restored(partition, name) {
        return Some(Remnant::Connection { token, cid: ConnectionId::from(id) });
    }
    let channel = LineName::restored(partition, name)?;
    Some(Remnant::Presence { channel, session: SessionId::from(id) })
}

//! The connections of leap tokens, on all nodes: who comes back within his grace finds his session, and it ends once.

use super::answers::ScriptAnswer;
use super::handle::RedisRegistry;
use super::incarnation::Incarnation;
use super::keys::{TokenName, held_as};
use super::outcomes::{BreakPositions, EndOutcome, EnterOutcome, Entrance, ExitOutcome};
use crate::bus::redis::WireError;
use crate::bus::redis::calls::ms;
use crate::bus::redis::names::PARTITIONS;
use crate::domain::{ChannelId, ConnectionId, SessionId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a session is remembered that nobody is there to end.
const SESSION_AGE: Duration = Duration::from_hours(24);
/// The most that a node may hold in one part, of connections and of presence: 256 times as much in all.
pub(super) const HELD: usize = 1 << 16;
/// Of how many channels a position at a break is noted; of others nobody knows what was missed, which is told.
const POSITIONS: usize = 1024;

/// Positions as Redis holds them.
#[derive(Deserialize, Serialize)]
struct PositionsText {
    /// On channels.
    channels: BTreeMap<String, String>,
    /// On the token's line.
    direct: Option<String>,
}

impl RedisRegistry {
    /// A connection of a token is there. `fresh` is for a session that does not exist yet; `most` is how many connections the
    /// token may have. A node says it again of all that it has when Redis does not know it.
    ///
    /// # Errors
    /// [`WireError::Garbled`], [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn enter(
        &self,
        token: &TokenName,
        cid: &ConnectionId,
        node: Incarnation,
        fresh: &SessionId,
        most: usize,
    ) -> Result<EnterOutcome, WireError> {
        let part = self.part(token.partition());
        let mut call = self.scripts.enter.key(part.ground());
        call.key(token.connections()).key(token.session()).key(part.due());
        call.key(part.holders()).key(part.held(node));
        call.arg(token.name()).arg(cid.as_str()).arg(node.to_string()).arg(fresh.as_str());
        call.arg(most).arg(held_as(token.name(), cid.as_str())).arg(HELD);
        let mut answer = ScriptAnswer::new(self.wire.call(&call).await?);
        if answer.text()? == "full" {
            return Ok(EnterOutcome::Full);
        }
        let (count, session) = (answer.value()?, SessionId::from(answer.text()?.as_str()));
        let was_away = answer.text()? == "1";
        let positions = read_positions(&answer.text()?)?;
        let mut nodes = BTreeMap::new();
        while let Some((node, has)) = answer.pair() {
            nodes.insert(node.parse()?, has.parse().ok().ok_or(WireError::Garbled)?);
        }
        Ok(EnterOutcome::In(Entrance { count, session, was_away, positions, nodes }))
    }

    /// A node has a connection no more. If it was the last one, the grace begins, and the positions, where they are
    /// known, are for who comes back.
    ///
    /// # Errors
    /// [`WireError::Garbled`], [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn exit(
        &self,
        token: &TokenName,
        cid: &ConnectionId,
        node: Incarnation,
        positions: Option<&BreakPositions>,
    ) -> Result<ExitOutcome, WireError> {
        let part = self.part(token.partition());
        let mut call = self.scripts.exit.key(part.ground());
        call.key(token.connections()).key(token.session()).key(part.due());
        call.key(part.holders()).key(part.held(node));
        call.arg(token.name()).arg(cid.as_str()).arg(node.to_string());
        call.arg(positions.map(positions_text).unwrap_or_default())
            .arg(ms(self.terms.grace))
            .arg(ms(SESSION_AGE));
        call.arg(held_as(token.name(), cid.as_str()));
        let mut answer = ScriptAnswer::new(self.wire.call(&call).await?);
        match answer.text()?.as_str() {
            "unknown" => Ok(ExitOutcome::Unknown),
            "others" => Ok(ExitOutcome::Others(answer.value()?)),
            "last" => Ok(ExitOutcome::Last),
            _ => Err(WireError::Garbled),
        }
    }

    /// A token's session ends, if its grace is over: one caller of all is told so.
    ///
    /// # Errors
    /// [`WireError::Garbled`], [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn end(&self, token: &TokenName) -> Result<EndOutcome, WireError> {
        let part = self.part(token.partition());
        let mut call = self.scripts.end.key(part.ground());
        call.key(token.connections()).key(token.session()).key(part.due());
        call.arg(token.name()).arg(ms(self.terms.youth));
        let mut answer = ScriptAnswer::new(self.wire.call(&call).await?);
        match answer.text()?.as_str() {
            "ended" => {
                let session = SessionId::from(answer.text()?.as_str());
                let positions = read_positions(&answer.text()?)?;
                Ok(EndOutcome::Ended { session, positions })
            }
            "early" => Ok(EndOutcome::Early(Duration::from_millis(answer.value()?))),
            "occupied" => Ok(EndOutcome::Occupied),
            "unknown" => Ok(EndOutcome::Unknown),
            "young" => Ok(EndOutcome::Young),
            _ => Err(WireError::Garbled),
        }
    }

    /// Tokens whose grace is over, so many at most: the net under the timers of the nodes, which end their own in time.
    ///
    /// # Errors
    /// [`WireError::Garbled`], [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn due(&self, limit: usize) -> Result<Vec<TokenName>, WireError> {
        let script = &self.scripts.due;
        let mut questions = redis::pipe();
        for partition in 0..PARTITIONS {
            let part = self.part(partition);
            questions.cmd("EVALSHA").arg(script.get_hash()).arg(2).arg(part.ground());
            questions.arg(part.due()).arg(limit);
            questions.arg(ms(self.terms.grace)).arg(ms(self.terms.youth));
        }
        let found: Vec<Vec<String>> = self.wire.ask_all(Some(script), &questions).await?;
        let found = (0..PARTITIONS).zip(&found);
        let found = found.flat_map(|(part, names)| names.iter().map(move |name| (part, name)));
        let tokens = found.map(|(part, name)| TokenName::restored(part, name));
        tokens.take(limit).collect::<Option<_>>().ok_or(WireError::Garbled)
    }
}

/// Positions, as Redis is to hold them.
fn positions_text(positions: &BreakPositions) -> String {
    let noted = positions.channels.iter().take(POSITIONS);
    let channels = noted.map(|(id, at)| (id.as_str().to_owned(), at.to_string())).collect();
    let direct = positions.direct.map(|at| at.to_string());
    // Texts alone: this cannot fail, and without positions what was missed is told as unknown.
    serde_json::to_string(&PositionsText { channels, direct }).unwrap_or_default()
}

/// Reads them; none of the empty text.
fn read_positions(text: &str) -> Result<Option<BreakPositions>, WireError> {
    if text.is_empty() {
        return Ok(None);
    }
    let read = || {
        let PositionsText { channels, direct } = serde_json::from_str(text).ok()?;
        let channel =
            |(id, at): (String, String)| Some((ChannelId::trusted(&id), at.parse().ok()?));
        let channels = channels.into_iter().map(channel).collect::<Option<_>>()?;
        let direct = direct.map(|at| at.parse().ok().ok_or(())).transpose().ok()?;
        Some(BreakPositions { channels, direct })
    };
    read().map(Some).ok_or(WireError::Garbled)
}

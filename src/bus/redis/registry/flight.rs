//! What many ask for at once and one does.

use super::answers::ScriptAnswer;
use super::handle::RedisRegistry;
use crate::bus::redis::WireError;
use crate::bus::redis::calls::ms;
use crate::bus::redis::names::partition;
use crate::bus::redis::wire::fresh_number;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// What is to be done once. Its words stand in no key, so that they may be secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FlightName {
    /// Its part.
    partition: u16,
    /// Its name in there.
    name: String,
}

impl FlightName {
    /// Its key.
    fn key(&self) -> String {
        format!("{{{}}}{}", self.partition, self.name)
    }
}

/// Whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlightTicket(String);

/// What comes of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlightOutcome {
    /// The asker does it, and says what came of it ([`RedisRegistry::verdict`]).
    First(FlightTicket),
    /// Somebody else does it, and is waited for so long; then whoever asks first does it.
    Pending(Duration),
    /// That came of it.
    Verdict(String),
}

impl RedisRegistry {
    /// What those words name.
    pub fn flight(&self, words: &[&str]) -> FlightName {
        let mut hash = Sha256::new();
        for word in words {
            // With its length, so that no two lists of words are one text.
            hash.update(word.len().to_string());
            hash.update(":");
            hash.update(word);
        }
        let hash = URL_SAFE_NO_PAD.encode(hash.finalize());
        let name = format!("f:{}:{hash}", self.cluster);
        FlightName { partition: partition(&name), name }
    }

    /// Asks whose turn it is; who is first has so long.
    ///
    /// # Errors
    /// [`WireError::Garbled`], [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn once(
        &self,
        flight: &FlightName,
        ttl: Duration,
    ) -> Result<FlightOutcome, WireError> {
        let ticket = format!("{:x}", fresh_number()?);
        let mut call = self.scripts.once.key(self.part(flight.partition).ground());
        call.key(flight.key()).arg(&ticket).arg(ms(ttl));
        let mut answer = ScriptAnswer::new(self.wire.call(&call).await?);
        match answer.text()?.as_str() {
            "first" => Ok(FlightOutcome::First(FlightTicket(ticket))),
            "pending" => Ok(FlightOutcome::Pending(Duration::from_millis(answer.value()?))),
            "verdict" => Ok(FlightOutcome::Verdict(answer.text()?)),
            _ => Err(WireError::Garbled),
        }
    }

    /// Leaves what came of it to the others, for so long. Whether it counts: the turn can be another's by now.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn verdict(
        &self,
        flight: &FlightName,
        ticket: &FlightTicket,
        verdict: &str,
        ttl: Duration,
    ) -> Result<bool, WireError> {
        let mut call = self.scripts.verdict.key(self.part(flight.partition).ground());
        call.key(flight.key()).arg(&ticket.0).arg(verdict).arg(ms(ttl));
        let counts: u8 = self.wire.call(&call).await?;
        Ok(counts == 1)
    }
}

//! What a connection asks of lines.

use super::entry::{decode, encode};
use super::error::WireError;
use super::names::LineName;
use super::wire::RedisWire;
use crate::bus::shared::{AppendOutcome, LineOpening, Proposal, WindowRead};
use crate::domain::{Epoch, Position, Version};
use std::time::Duration;

/// The most entries of a window.
const WINDOW_ENTRIES: usize = 256;
/// The most bytes of a window; one entry of any size is admitted.
const WINDOW_BYTES: usize = 1 << 20;
/// How long a window outlives its last entry: a session's grace and some more.
const WINDOW_AGE: Duration = Duration::from_secs(40);
/// How long a line that nobody opens or speaks on is remembered.
const LINE_AGE: Duration = Duration::from_hours(24);
/// The most entries that wait for one before them.
const STASH_ENTRIES: usize = 256;
/// The most bytes of those.
const STASH_BYTES: usize = 4 << 20;

impl RedisWire {
    /// Hears a line from now on: what is said behind the answer is heard. Returns the topic that says so.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn subscribe(&self, line: &LineName) -> Result<String, WireError> {
        let _room = self.take_room()?;
        let topic = line.topic();
        let done = self.connection.clone().subscribe(&topic).await;
        done.map_err(|error| self.failed(error))?;
        Ok(topic)
    }

    /// The same of several lines.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], [`WireError::Lost`].
    pub(super) async fn subscribe_all(&self, lines: &[LineName]) -> Result<(), WireError> {
        self.hear_topics(&lines.iter().map(LineName::topic).collect::<Vec<_>>()).await
    }

    /// Hears these topics, which are no line's, from now on.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], [`WireError::Lost`].
    pub(super) async fn hear_topics(&self, topics: &[String]) -> Result<(), WireError> {
        let _room = self.take_room()?;
        let done = self.connection.clone().subscribe(topics).await;
        done.map_err(|error| self.failed(error))
    }

    /// Says a text on such a topic; how many hear it.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], before anything was sent; [`WireError::Lost`].
    pub(super) async fn say(&self, topic: &str, text: String) -> Result<usize, WireError> {
        self.ask(redis::cmd("PUBLISH").arg(topic).arg(text)).await
    }

    /// The same of an answer, which somebody waits for: however much else waits.
    ///
    /// # Errors
    /// [`WireError::Lost`].
    pub(super) async fn say_beside(&self, topic: &str, text: String) -> Result<(), WireError> {
        let mut connection = self.connection.clone();
        let said: Result<usize, _> =
            redis::cmd("PUBLISH").arg(topic).arg(text).query_async(&mut connection).await;
        said.map(|_| ()).map_err(|error| self.failed(error))
    }

    /// Hears a line of this topic no more.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn unsubscribe(&self, topic: &str) -> Result<(), WireError> {
        let _room = self.take_room()?;
        let done = self.connection.clone().unsubscribe(topic).await;
        done.map_err(|error| self.failed(error))
    }

    /// Where a line stands. `incarnation` tells channels of one name apart, and is larger for the newer one (below 2^53).
    /// To be asked behind [`RedisWire::subscribe`], and the store only behind this: so nothing lies between. `epoch` is one
    /// that no line has had, for where this one begins.
    ///
    /// # Errors
    /// [`WireError::Stale`], [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn open(
        &self,
        line: &LineName,
        incarnation: u64,
        epoch: Epoch,
    ) -> Result<LineOpening, WireError> {
        let mut call = self.scripts.open.key(line.ground());
        call.key(line.meta()).key(line.window()).key(line.stash());
        call.arg(incarnation).arg(epoch.to_string()).arg(ms(LINE_AGE));
        let (at, offset, durable): (String, u64, String) = self.call(&call).await?;
        let epoch = at.parse().ok().ok_or(WireError::Garbled)?;
        let durable = durable.parse().ok().map(Version);
        Ok(LineOpening { position: Position { epoch, offset }, durable })
    }

    /// Says which state the store had after the line was opened; the first who says it counts. Returns what counts, or
    /// nothing where the line is in another epoch by now.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn settle(
        &self,
        line: &LineName,
        epoch: Epoch,
        stored: Version,
    ) -> Result<Option<Version>, WireError> {
        let mut call = self.scripts.settle.key(line.ground());
        call.key(line.meta()).arg(epoch.to_string()).arg(stored.0);
        let durable: String = self.call(&call).await?;
        Ok(durable.parse().ok().map(Version))
    }

    /// Puts something in order, and says it to all who hear. Of a failure nobody knows whether it stands.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], before anything was sent; [`WireError::Lost`].
    pub async fn append(
        &self,
        line: &LineName,
        proposal: &Proposal,
    ) -> Result<AppendOutcome, WireError> {
        let (kind, number, body) = encode(&proposal.entry);
        let mut call = self.scripts.append.key(line.ground());
        call.key(line.meta()).key(line.window()).key(line.stash()).key(line.topic());
        call.arg(proposal.epoch.to_string()).arg(kind).arg(number);
        call.arg(u8::from(proposal.is_repair)).arg(body).arg(WINDOW_ENTRIES).arg(WINDOW_BYTES);
        call.arg(ms(WINDOW_AGE)).arg(ms(LINE_AGE)).arg(STASH_ENTRIES).arg(STASH_BYTES);
        let (word, offset): (String, u64) = self.call(&call).await?;
        match word.as_str() {
            "ordered" => Ok(AppendOutcome::At(Position { epoch: proposal.epoch, offset })),
            "stashed" => Ok(AppendOutcome::Stashed),
            "repeat" => Ok(AppendOutcome::Repeat),
            "moved" => Ok(AppendOutcome::Moved),
            "unsettled" => Ok(AppendOutcome::Unsettled),
            "full" => Ok(AppendOutcome::Full),
            _ => Err(WireError::Garbled),
        }
    }

    /// Reads what lies behind a place.
    ///
    /// # Errors
    /// [`WireError::Garbled`], [`WireError::Overloaded`], [`WireError::Lost`].
    pub async fn read(&self, line: &LineName, after: Position) -> Result<WindowRead, WireError> {
        let mut call = self.scripts.window.key(line.ground());
        call.key(line.meta()).key(line.window()).arg(after.epoch.to_string()).arg(after.offset);
        let found: Vec<String> = self.call(&call).await?;
        let [at, offset, entries @ ..] = found.as_slice() else { return Err(WireError::Garbled) };
        let offset = offset.parse().ok().ok_or(WireError::Garbled)?;
        let position = at.parse().ok().map(|epoch| Position { epoch, offset });
        let entries = entries.iter().map(|entry| decode(entry)).collect::<Result<_, _>>()?;
        Ok(WindowRead { entries, position })
    }
}

/// A duration, as Redis takes it.
pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

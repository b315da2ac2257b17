//! A channel's line is opened: heard first, then asked where it stands, and the store is read only behind that, so that nothing
//! lies between.

use super::super::super::clock;
use super::super::super::persistence::Persistence;
use crate::ask::AskError;
use crate::bus::Ordered;
use crate::bus::error::BusError;
use crate::bus::shared::{OpenLine, SharedBus};
use crate::domain::{Capabilities, Channel, ChannelKey, Position, Version};
use crate::store::{StoredLine, Thing};
use std::sync::Arc;

/// How often it is begun anew where the channel is made anew meanwhile, or the bus loses its memory.
const ATTEMPTS: usize = 4;

/// A channel with its line.
pub struct SharedOpening {
    /// The channel, as the store has it.
    pub channel: Channel,
    /// Its line as the store counts it, where that does.
    pub kept: Option<StoredLine>,
    /// Its line on the bus.
    pub line: OpenLine,
    /// What it has said up to where it stands, as far as that can still be read: in order, and none left out.
    pub window: Vec<Ordered>,
    /// The last state that the line has said.
    pub said: Version,
    /// The bus.
    pub bus: Arc<dyn SharedBus>,
}

impl From<BusError> for AskError {
    fn from(error: BusError) -> Self {
        tracing::warn!(%error, "the bus did not do what it was asked");
        Self::Overloaded
    }
}

/// What a line has said up to a place, as far as it can still be read. None if it is another line by now.
async fn said_before(
    bus: &dyn SharedBus,
    key: &ChannelKey,
    upto: Position,
) -> Result<Option<Vec<Ordered>>, BusError> {
    if upto.offset == 0 {
        return Ok(Some(Vec::new()));
    }
    let read = bus.read(key, Position::start(upto.epoch)).await?;
    if read.position.is_none_or(|found| found.epoch != upto.epoch) {
        return Ok(None);
    }
    let mut said = read.entries;
    // What is behind it comes as news.
    said.retain(|said| said.position.offset <= upto.offset);
    Ok(Some(said))
}

/// Opens a channel's line and reads the channel.
///
/// # Errors
/// `NotFound(Channel)`; [`AskError::Overloaded`] where the bus does not answer.
pub async fn open(
    persistence: &Persistence,
    bus: Arc<dyn SharedBus>,
    key: ChannelKey,
) -> Result<SharedOpening, AskError> {
    for _ in 0..ATTEMPTS {
        let wanted = key.clone();
        let incarnation = persistence.read(move |store| store.incarnation(&wanted)).await?;
        let incarnation = incarnation.ok_or(AskError::not_found(Thing::Channel))?;
        let line = match bus.open(&key, incarnation, clock::epoch()).await {
            Err(BusError::Stale) => continue,
            opened => opened?,
        };
        let Some(window) = said_before(&*bus, &key, line.opening.position).await? else { continue };
        let wanted = key.clone();
        let read = persistence.read(move |store| {
            let Some(channel) = store.find_channel(&wanted)? else { return Ok(None) };
            let is_kept = channel.capabilities.contains(Capabilities::HISTORY);
            let kept = if is_kept { store.find_line(&wanted)? } else { None };
            Ok(store.incarnation(&wanted)?.map(|incarnation| (incarnation, channel, kept)))
        });
        let (now, channel, kept) = read.await?.ok_or(AskError::not_found(Thing::Channel))?;
        if now != incarnation {
            continue;
        }
        let mut said = line.opening.durable;
        if said.is_none() {
            said = bus.settle(&key, line.opening.position.epoch, channel.version).await?;
            // Another one has settled what was stored behind this read.
            said = said.filter(|said| *said <= channel.version);
        }
        if let Some(said) = said {
            return Ok(SharedOpening { channel, kept, line, window, said, bus });
        }
    }
    Err(AskError::Overloaded)
}

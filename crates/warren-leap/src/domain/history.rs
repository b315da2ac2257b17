//! Messages that are kept: how many, and for how long.

use super::{Message, Position, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// What a channel with the capability `HISTORY` keeps at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryBounds {
    /// The most messages.
    pub messages: u64,
    /// The most bytes, roughly; one message may be larger.
    pub bytes: u64,
    /// How old a message may be.
    pub age: Duration,
}

impl Default for HistoryBounds {
    /// 1,000 messages, 16 MiB, a day.
    fn default() -> Self {
        Self { messages: 1000, bytes: 16 << 20, age: Duration::from_hours(24) }
    }
}

/// Narrower bounds of one channel, as its back end sets them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryLimits {
    /// The most messages.
    pub count: Option<u64>,
    /// How old a message may be.
    pub seconds: Option<u64>,
}

impl HistoryBounds {
    /// The narrower of both.
    #[must_use]
    pub fn within(self, limits: HistoryLimits) -> Self {
        let messages = limits.count.map_or(self.messages, |count| count.min(self.messages));
        let age =
            limits.seconds.map_or(self.age, |seconds| self.age.min(Duration::from_secs(seconds)));
        Self { messages, age, ..self }
    }
}

/// A message that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptMessage {
    /// Where it stands on its line.
    pub position: Position,
    /// When it was published.
    pub at: Timestamp,
    /// The member that published it; none where that was a back end.
    pub from: Option<Arc<str>>,
    /// The message.
    pub message: Message,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_can_only_keep_less() {
        let all = HistoryBounds { messages: 10, bytes: 100, age: Duration::from_mins(1) };
        assert_eq!(all.within(HistoryLimits::default()), all);
        let few = HistoryLimits { count: Some(3), seconds: Some(5) };
        let narrow = HistoryBounds { messages: 3, bytes: 100, age: Duration::from_secs(5) };
        assert_eq!(all.within(few), narrow);
        let many = HistoryLimits { count: Some(1000), seconds: Some(1000) };
        assert_eq!(all.within(many), all);
    }
}

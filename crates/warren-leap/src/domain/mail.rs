//! Mails: direct messages that are stored until their token has heard them, or their time is over.

use super::{Message, NoPosition, Position, Timestamp};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How the id of a mail begins.
const PREFIX: &str = "mail_";
/// How many bytes a mail counts for besides its own.
const ROW_BYTES: usize = 64;

/// What may wait for one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxBounds {
    /// The most mails.
    pub messages: u64,
    /// The most bytes of them, roughly.
    pub bytes: u64,
}

impl Default for MailboxBounds {
    /// 1,000 mails, 4 MiB.
    fn default() -> Self {
        Self { messages: 1000, bytes: 4 << 20 }
    }
}

impl MailboxBounds {
    /// How much of them a mail takes: some more than its text.
    pub fn size_of(message: &Message) -> u64 {
        let size = message.event.len() + message.data.as_str().len() + ROW_BYTES;
        u64::try_from(size).unwrap_or(u64::MAX)
    }
}

/// For how long a mail may wait at most.
pub const LONGEST_TTL: Duration = Duration::from_hours(30 * 24);

/// Which mail: its place in its token's mailbox. An epoch is one mailbox, whose mails are counted from 1 without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailId(pub Position);

/// As back ends are shown it, who read nothing in it: `mail_<epoch>-<number>`.
impl fmt::Display for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0)
    }
}

impl FromStr for MailId {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        Ok(Self(text.strip_prefix(PREFIX).ok_or(NoPosition)?.parse()?))
    }
}

/// What has become of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailState {
    /// It waits.
    Queued,
    /// A connection of the token has heard it.
    Delivered,
    /// Its time was over first.
    Expired,
}

impl MailState {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Expired => "expired",
        }
    }
}

/// What has become of a mail, and when it came to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailStatus {
    /// What.
    pub state: MailState,
    /// Since when.
    pub at: Timestamp,
}

/// A mail that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Which one it is.
    pub id: MailId,
    /// What it says.
    pub message: Message,
}

/// Some of the mails that wait, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailPiece {
    /// Them.
    pub mails: Vec<Mail>,
    /// Whether more wait behind them.
    pub has_more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Epoch;

    #[test]
    fn an_id_is_read_as_it_was_written_and_nothing_else_is_one() {
        let id = MailId(Position { epoch: Epoch(0xabc), offset: 7 });
        assert_eq!(id.to_string(), "mail_abc-7");
        assert_eq!(id.to_string().parse(), Ok(id));
        for other in ["", "mail_", "abc-7", "mail_abc-07", "mail_mail_abc-7", "Mail_abc-7"] {
            assert_eq!(other.parse::<MailId>(), Err(NoPosition), "{other}");
        }
    }
}

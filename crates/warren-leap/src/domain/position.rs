//! Where something stands on a line.

use super::ChannelId;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// A stretch of a line within which nothing is left out and nothing said twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// As a position begins with it.
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A place on a line, for everything that is said there: states count as well as messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which stretch.
    pub epoch: Epoch,
    /// How much was said up to there, this included.
    pub offset: u64,
}

impl Position {
    /// Before everything.
    pub const fn start(epoch: Epoch) -> Self {
        Self { epoch, offset: 0 }
    }

    /// The next one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { offset: self.offset.saturating_add(1), ..self }
    }
}

/// As clients are shown it, who hand it back and read nothing in it: `<epoch>-<offset>`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.offset)
    }
}

/// No position of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPosition;

impl FromStr for Epoch {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        u64::from_str_radix(text, 16).map(Self).ok().ok_or(NoPosition)
    }
}

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let (epoch, offset) = text.split_once('-').ok_or(NoPosition)?;
        let epoch = epoch.parse()?;
        let position = Self { epoch, offset: offset.parse().ok().ok_or(NoPosition)? };
        // One place has one spelling: whoever compares the texts of two must not be misled.
        if position.to_string() == text { Ok(position) } else { Err(NoPosition) }
    }
}

/// A position as a client hands it back; none where it is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since(pub Option<Position>);

impl Since {
    /// Reads what a client sent: whatever it is, an unknown place is one that nothing can be recovered from.
    pub fn read(text: &str) -> Self {
        Self(text.parse().ok())
    }
}

/// From where somebody wants to hear a channel that it comes to (`docs/PROTOCOL.md`, Extensions, `resume`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartingPoint {
    /// Behind the last that it has heard.
    After(Since),
    /// From so many messages before now on.
    Newest(u64),
}

/// From where a connection wants to go on, line by line (`docs/PROTOCOL.md`, Extensions, `resume`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    /// The last that was heard of each channel.
    pub channels: HashMap<ChannelId, Since>,
    /// The last that was heard of the token's own line.
    pub direct: Option<Since>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written_and_nothing_else_is_one() {
        for position in [(0, 0), (0x1f, 7), (u64::MAX, u64::MAX)] {
            let position = Position { epoch: Epoch(position.0), offset: position.1 };
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for other in [
            "", "-", "1", "1-", "-1", "+1-1", "1-+1", "01-1", "1-01", "A-1", "g-1", "1-1-1", " 1-1",
        ] {
            assert_eq!(other.parse::<Position>(), Err(NoPosition), "{other}");
        }
    }
}

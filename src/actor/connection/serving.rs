//! In which order a connection's frames are served.
//!
//! The frames of one channel are served one after the other, as they came. A SUBSCRIBE holds up nothing but its own
//! channel, because a back end may take its time about it; while any other frame is served, no frame begins.

use crate::protocol::{Command, Frame};
use std::collections::{BTreeMap, VecDeque};

/// The most frames that are served side by side.
const MAX_UNDER_WAY: usize = 32;

/// A frame that waits.
#[derive(Debug)]
struct Waiting {
    /// Which one it is of all that came.
    number: u64,
    /// The frame.
    frame: Frame,
    /// Whether it takes back a SUBSCRIBE that has no outcome yet.
    is_hasty: bool,
}

/// What there is of one channel.
#[derive(Debug, Default)]
struct Line {
    /// Those that wait for the one before them.
    behind: VecDeque<Waiting>,
    /// How many SUBSCRIBEs have no outcome.
    subscribes: usize,
}

/// A frame that begins to be served.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Begun {
    /// The frame.
    pub(super) frame: Frame,
    /// Whether it is an UNSUBSCRIBE that came before the outcome of the SUBSCRIBE in front of it: its client has forgotten
    /// the channel before it heard `AVAILABLE`, and takes that for news.
    pub(super) is_hasty: bool,
    /// What its end has to be noted with.
    pub(super) ticket: Ticket,
}

/// Stands for a frame that is being served.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    /// The channel, as the client wrote it.
    channel: String,
    /// Whether it is a SUBSCRIBE.
    is_subscribe: bool,
}

/// The frames that came and are not served, in their order.
#[derive(Debug, Default)]
pub(super) struct Serving {
    /// How many came.
    came: u64,
    /// The first of each channel that has none under way.
    first: BTreeMap<u64, Waiting>,
    /// The channels that have frames here.
    lines: BTreeMap<String, Line>,
    /// How many frames wait.
    waiting: usize,
    /// How many are being served.
    under_way: usize,
    /// Whether one of them lets nothing begin beside it.
    is_alone: bool,
}

impl Serving {
    /// Takes a frame in.
    pub(super) fn push(&mut self, frame: Frame) {
        self.came += 1;
        self.waiting += 1;
        let channel = frame.command.channel().unwrap_or_default().to_owned();
        let subscribes = usize::from(matches!(frame.command, Command::Subscribe { .. }));
        let is_unsubscribe = matches!(frame.command, Command::Unsubscribe { .. });
        let number = self.came;
        if let Some(line) = self.lines.get_mut(&channel) {
            let is_hasty = is_unsubscribe && line.subscribes > 0;
            line.subscribes += subscribes;
            line.behind.push_back(Waiting { number, frame, is_hasty });
        } else {
            self.lines.insert(channel, Line { subscribes, ..Line::default() });
            self.first.insert(number, Waiting { number, frame, is_hasty: false });
        }
    }

    /// The next frame that may begin.
    pub(super) fn begin(&mut self) -> Option<Begun> {
        if self.is_alone || self.under_way >= MAX_UNDER_WAY {
            return None;
        }
        let (_, Waiting { frame, is_hasty, .. }) = self.first.pop_first()?;
        self.waiting = self.waiting.saturating_sub(1);
        self.under_way += 1;
        let is_subscribe = matches!(frame.command, Command::Subscribe { .. });
        self.is_alone = !is_subscribe;
        let channel = frame.command.channel().unwrap_or_default().to_owned();
        Some(Begun { frame, is_hasty, ticket: Ticket { channel, is_subscribe } })
    }

    /// Notes that a frame has been served.
    pub(super) fn end(&mut self, ticket: &Ticket) {
        self.under_way = self.under_way.saturating_sub(1);
        self.is_alone &= ticket.is_subscribe;
        let Some(line) = self.lines.get_mut(&ticket.channel) else { return };
        line.subscribes = line.subscribes.saturating_sub(usize::from(ticket.is_subscribe));
        if let Some(next) = line.behind.pop_front() {
            self.first.insert(next.number, next);
        } else {
            self.lines.remove(&ticket.channel);
        }
    }

    /// How many frames are not served.
    pub(super) const fn len(&self) -> usize {
        self.waiting + self.under_way
    }

    /// Whether everything is served.
    pub(super) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives up everything that is not served.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame about a channel; `S`, `U` or `M` in front of it says which, and it is called by both.
    fn frame(name: &str) -> Frame {
        let (kind, channel) = name.split_at(1);
        let channel = Some(channel.to_owned());
        let command = match kind {
            "S" => Command::Subscribe { channel, is_ephemeral: false },
            _ => Command::Unsubscribe { channel },
        };
        Frame { command, reference: Some(name.to_owned()) }
    }

    /// What came, in this order.
    fn serving(names: &[&str]) -> Serving {
        let mut serving = Serving::default();
        for name in names {
            serving.push(frame(name));
        }
        serving
    }

    /// Begins all that may begin now.
    fn begin(serving: &mut Serving) -> Vec<Begun> {
        std::iter::from_fn(|| serving.begin()).collect()
    }

    /// The names of frames.
    fn names(begun: &[Begun]) -> Vec<&str> {
        begun.iter().map(|begun| begun.frame.reference.as_deref().unwrap()).collect()
    }

    #[test]
    fn a_subscribe_holds_up_its_own_channel_alone() {
        let mut serving = serving(&["Sslow", "Uslow", "Sfast", "Ufast", "Uother"]);
        let first = begin(&mut serving);
        assert_eq!(names(&first), ["Sslow", "Sfast", "Uother"]);
        serving.end(&first[1].ticket);
        assert_eq!(begin(&mut serving), [], "one that is alone is under way");
        serving.end(&first[2].ticket);
        let second = begin(&mut serving);
        assert_eq!(names(&second), ["Ufast"]);
        serving.end(&first[0].ticket);
        serving.end(&second[0].ticket);
        let third = begin(&mut serving);
        assert_eq!(names(&third), ["Uslow"]);
        assert!(!serving.is_empty());
        serving.end(&third[0].ticket);
        assert!(serving.is_empty() && serving.lines.is_empty());
    }

    #[test]
    fn all_else_is_served_one_after_the_other() {
        let mut serving = serving(&["Ua", "Ub", "Sc", "Ua"]);
        let mut order = Vec::new();
        loop {
            let begun = begin(&mut serving);
            if begun.is_empty() {
                break;
            }
            order.push(names(&begun).join(" "));
            for begun in begun {
                serving.end(&begun.ticket);
            }
        }
        assert_eq!(order, ["Ua", "Ub", "Sc Ua"]);
    }

    #[test]
    fn an_unsubscribe_before_the_outcome_of_a_subscribe_is_hasty() {
        let mut serving = serving(&["Sa", "Ua", "Sa", "Ub"]);
        let hasty = |begun: &[Begun]| begun.iter().map(|b| b.is_hasty).collect::<Vec<_>>();
        let first = begin(&mut serving);
        assert_eq!((names(&first), hasty(&first)), (vec!["Sa", "Ub"], vec![false, false]));
        serving.end(&first[1].ticket);
        serving.end(&first[0].ticket);
        let second = begin(&mut serving);
        assert_eq!((names(&second), hasty(&second)), (vec!["Ua"], vec![true]));
        serving.push(frame("Ua"));
        serving.end(&second[0].ticket);
        let third = begin(&mut serving);
        serving.end(&third[0].ticket);
        let last = begin(&mut serving);
        assert_eq!((names(&third), names(&last)), (vec!["Sa"], vec!["Ua"]));
        assert_eq!((hasty(&third), hasty(&last)), (vec![false], vec![true]));
        serving.end(&last[0].ticket);
        serving.push(frame("Ua"));
        assert_eq!(hasty(&begin(&mut serving)), [false], "the outcome is known");
    }

    #[test]
    fn side_by_side_has_a_bound() {
        let channels: Vec<String> = (0..2 * MAX_UNDER_WAY).map(|n| format!("S{n}")).collect();
        let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
        let mut serving = serving(&channels);
        let first = begin(&mut serving);
        assert_eq!((first.len(), serving.len()), (MAX_UNDER_WAY, 2 * MAX_UNDER_WAY));
        serving.end(&first[0].ticket);
        assert_eq!(begin(&mut serving).len(), 1);
    }

    #[test]
    fn what_was_given_up_may_still_end() {
        let mut serving = serving(&["Sa", "Ua", "Sb"]);
        let begun = begin(&mut serving);
        serving.clear();
        assert!(serving.is_empty());
        serving.end(&begun[0].ticket);
        assert!(serving.is_empty() && serving.begin().is_none());
    }
}

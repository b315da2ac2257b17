//! In which order a connection's frames are served.
//!
//! The frames of one channel are served one after the other, as they came. A SUBSCRIBE holds up nothing but its own
//! channel, because a back end may take its time about it; while any other frame is served, no frame begins.

use crate::protocol::{ClientCommand, ClientFrame};
use std::collections::{BTreeMap, VecDeque};

/// The most SUBSCRIBEs that are served side by side.
const MAX_SUBSCRIBES: usize = 128;
/// The most frames that are not served; past it, nothing is read until some are.
const MAX_UNSERVED: usize = 1024;
/// The most bytes in such frames.
const MAX_UNSERVED_BYTES: usize = 256 * 1024;

/// A frame that waits.
#[derive(Debug)]
struct WaitingFrame {
    /// Which one it is of all that came.
    number: u64,
    /// The frame.
    frame: ClientFrame,
    /// Whether it takes back a SUBSCRIBE that has no outcome yet.
    is_hasty: bool,
}

/// What there is of one channel.
#[derive(Debug, Default)]
struct ChannelFrames {
    /// Those that wait for the one before them.
    behind: VecDeque<WaitingFrame>,
    /// How many SUBSCRIBEs have no outcome.
    subscribes: usize,
}

/// A frame that begins to be served.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BegunFrame {
    /// The frame.
    pub(super) frame: ClientFrame,
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
    pub(super) channel: String,
    /// Whether it is a SUBSCRIBE.
    is_subscribe: bool,
    /// How long its text was.
    bytes: usize,
}

/// The frames that came and are not served, in their order.
#[derive(Debug, Default)]
pub(super) struct Serving {
    /// How many came.
    came: u64,
    /// The first of each channel that has none under way: the SUBSCRIBEs, and all others.
    first: [BTreeMap<u64, WaitingFrame>; 2],
    /// The channels that have frames here.
    lines: BTreeMap<String, ChannelFrames>,
    /// How many frames are not served.
    unserved: usize,
    /// Their bytes.
    bytes: usize,
    /// How many SUBSCRIBEs are being served.
    subscribing: usize,
    /// Whether a frame is being served that lets nothing begin beside it.
    is_alone: bool,
}

impl Serving {
    /// Takes a frame in; `is_hasty` as in [`BegunFrame`].
    pub(super) fn push(&mut self, frame: ClientFrame, is_hasty: bool) {
        self.came += 1;
        self.unserved += 1;
        self.bytes += frame.bytes;
        let channel = frame.command.channel().unwrap_or_default().to_owned();
        let number = self.came;
        if let Some(line) = self.lines.get_mut(&channel) {
            line.subscribes += usize::from(is_subscribe(&frame));
            line.behind.push_back(WaitingFrame { number, frame, is_hasty });
        } else {
            let line = ChannelFrames {
                subscribes: usize::from(is_subscribe(&frame)),
                ..ChannelFrames::default()
            };
            self.lines.insert(channel, line);
            self.may_begin(WaitingFrame { number, frame, is_hasty });
        }
    }

    /// Nothing of its channel stands before this one.
    fn may_begin(&mut self, waiting: WaitingFrame) {
        let [subscribes, others] = &mut self.first;
        let first = if is_subscribe(&waiting.frame) { subscribes } else { others };
        first.insert(waiting.number, waiting);
    }

    /// The next frame that may begin.
    pub(super) fn begin(&mut self) -> Option<BegunFrame> {
        if self.is_alone {
            return None;
        }
        let [subscribes, others] = &mut self.first;
        let subscribe = subscribes.first_entry().filter(|_| self.subscribing < MAX_SUBSCRIBES);
        let other = others.first_entry();
        let is_other_first = match (&subscribe, &other) {
            (Some(subscribe), Some(other)) => other.key() < subscribe.key(),
            (subscribe, _) => subscribe.is_none(),
        };
        let next = if is_other_first { other } else { subscribe };
        let WaitingFrame { frame, is_hasty, .. } = next?.remove();
        let is_subscribe = is_subscribe(&frame);
        self.subscribing += usize::from(is_subscribe);
        self.is_alone = !is_subscribe;
        let channel = frame.command.channel().unwrap_or_default().to_owned();
        let ticket = Ticket { channel, is_subscribe, bytes: frame.bytes };
        Some(BegunFrame { frame, is_hasty, ticket })
    }

    /// Notes that a frame has been served; how many SUBSCRIBEs of its channel have no outcome yet.
    pub(super) fn end(&mut self, ticket: &Ticket) -> usize {
        let subscribes = usize::from(ticket.is_subscribe);
        self.unserved = self.unserved.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(ticket.bytes);
        self.subscribing = self.subscribing.saturating_sub(subscribes);
        self.is_alone &= ticket.is_subscribe;
        if self.unserved == 0 {
            // A map that has been emptied keeps room for several entries: kilobytes, for a connection that is idle now.
            self.first = Default::default();
            self.lines = BTreeMap::new();
            return 0;
        }
        let Some(line) = self.lines.get_mut(&ticket.channel) else { return 0 };
        line.subscribes = line.subscribes.saturating_sub(subscribes);
        let left = line.subscribes;
        if let Some(next) = line.behind.pop_front() {
            self.may_begin(next);
        } else {
            self.lines.remove(&ticket.channel);
        }
        left
    }

    /// Whether so much is not served that nothing more should be read.
    pub(super) const fn is_crowded(&self) -> bool {
        self.unserved >= MAX_UNSERVED || self.bytes >= MAX_UNSERVED_BYTES
    }

    /// The bytes of what is not served.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether everything is served.
    pub(super) const fn is_empty(&self) -> bool {
        self.unserved == 0
    }

    /// Gives up everything that is not served.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Whether a frame is a SUBSCRIBE.
pub(super) const fn is_subscribe(frame: &ClientFrame) -> bool {
    matches!(frame.command, ClientCommand::Subscribe { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame about a channel; `S`, `U` or `M` in front of it says which, and it is called by both.
    fn frame(name: &str) -> ClientFrame {
        let (kind, channel) = name.split_at(1);
        let channel = Some(channel.to_owned());
        let command = match kind {
            "S" => ClientCommand::Subscribe { channel, is_ephemeral: false, start: Ok(None) },
            _ => ClientCommand::Unsubscribe { channel },
        };
        ClientFrame { command, reference: Some(name.to_owned()), bytes: 100 }
    }

    /// What came, in this order.
    fn serving(names: &[&str]) -> Serving {
        let mut serving = Serving::default();
        for name in names {
            serving.push(frame(name), false);
        }
        serving
    }

    /// Begins all that may begin now.
    fn begin(serving: &mut Serving) -> Vec<BegunFrame> {
        std::iter::from_fn(|| serving.begin()).collect()
    }

    /// The names of frames.
    fn names(begun: &[BegunFrame]) -> Vec<&str> {
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
    fn how_many_subscribes_have_no_outcome_is_told_by_each_end() {
        let mut serving = serving(&["Sa", "Ua", "Sa"]);
        serving.push(frame("Ua"), true);
        let mut ends = Vec::new();
        while let Some(begun) = serving.begin() {
            ends.push((begun.is_hasty, serving.end(&begun.ticket)));
        }
        assert_eq!(ends, [(false, 1), (false, 1), (false, 0), (true, 0)]);
    }

    #[test]
    fn side_by_side_has_a_bound_that_holds_up_no_other_kind() {
        let channels: Vec<String> = (0..2 * MAX_SUBSCRIBES).map(|n| format!("S{n}")).collect();
        let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
        let mut serving = serving(&channels);
        let first = begin(&mut serving);
        assert_eq!(first.len(), MAX_SUBSCRIBES);
        serving.push(frame("Uother"), false);
        let other = begin(&mut serving);
        assert_eq!(names(&other), ["Uother"]);
        serving.end(&first[0].ticket);
        assert!(begin(&mut serving).is_empty(), "it is alone");
        serving.end(&other[0].ticket);
        assert_eq!(begin(&mut serving).len(), 1);
    }

    #[test]
    fn frames_and_bytes_crowd_until_they_are_served() {
        let mut serving = Serving::default();
        for n in 1..MAX_UNSERVED {
            serving.push(frame(&format!("S{n}")), false);
        }
        assert!(!serving.is_crowded());
        serving.push(frame("Slast"), false);
        assert!(serving.is_crowded());
        let begun = begin(&mut serving);
        serving.end(&begun[0].ticket);
        assert!(!serving.is_crowded());
        let mut serving = Serving::default();
        serving.push(ClientFrame { bytes: MAX_UNSERVED_BYTES, ..frame("Ulong") }, false);
        assert!(serving.is_crowded());
        let begun = begin(&mut serving);
        serving.end(&begun[0].ticket);
        assert!(!serving.is_crowded() && serving.is_empty());
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

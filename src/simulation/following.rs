//! A client that goes on by itself (extension `resume`): it remembers how far it has heard each line, names that when it
//! comes back, and drops what is not beyond it.

use super::wire::Dispatch;
use crate::domain::{ChannelId, Position, Resume, Since};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A line: a channel's, or, without a name, the token's own.
pub(super) type LineName = Option<String>;

/// A stretch of a line within which nothing may be missing.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    /// The line.
    pub(super) line: LineName,
    /// Everything behind this place is owed.
    pub(super) from: Position,
    /// What was delivered, in order.
    pub(super) read: Vec<u64>,
    /// Whether it goes on.
    pub(super) is_open: bool,
}

/// What is known of a line.
struct Followed {
    /// The last that was seen of it.
    position: Position,
    /// Its stretch, among all of them.
    stretch: usize,
    /// Whether INIT said on this connection that something is gone: then nothing of it comes partly.
    is_refused: bool,
    /// Whether it was first heard of in an INIT: what its session had kept comes behind that.
    is_first: bool,
}

/// What a client remembers, whatever becomes of its connections.
#[derive(Default)]
pub(super) struct Following {
    /// The lines that it hears.
    lines: BTreeMap<LineName, Followed>,
    /// All stretches.
    pub(super) stretches: Vec<Stretch>,
    /// Every message that was handed to the application.
    delivered: BTreeSet<u64>,
}

impl Following {
    /// From where it wants to go on.
    pub(super) fn resume(&self) -> Resume {
        let since = |followed: &Followed| Since(Some(followed.position));
        let channels = self.lines.iter().filter_map(|(line, followed)| {
            Some((ChannelId::trusted(line.as_deref()?), since(followed)))
        });
        Resume { channels: channels.collect(), direct: self.lines.get(&None).map(since) }
    }

    /// Takes INIT.
    pub(super) fn init(&mut self, data: &Value) {
        let before: BTreeSet<_> = self.lines.keys().cloned().collect();
        let mut is_complete = true;
        let mut heard = BTreeSet::new();
        for channel in data["channels"].as_array().unwrap() {
            let line = Some(channel["id"].as_str().unwrap().to_owned());
            is_complete &= self.stand(&line, channel, before.contains(&line));
            heard.insert(line);
        }
        is_complete &= self.stand(&None, &data["direct"], before.contains(&None));
        let word = if is_complete { "complete" } else { "gap" };
        assert_eq!(data["resume"], word, "{data}");
        for line in before {
            if line.is_some() && !heard.contains(&line) {
                self.close(&line);
            }
        }
    }

    /// Where INIT says that a line stands; whether nothing is gone that was named.
    fn stand(&mut self, line: &LineName, standing: &Value, was_named: bool) -> bool {
        let at = standing["s"].as_str().unwrap().parse().unwrap();
        let recovered = standing["recovered"].as_bool();
        assert_eq!(recovered.is_some(), was_named, "{line:?} is answered for as it was asked");
        match (recovered, self.lines.get_mut(line)) {
            (Some(true), Some(followed)) => followed.is_refused = false,
            _ => self.open(line, at, (recovered == Some(false), recovered.is_none())),
        }
        recovered != Some(false)
    }

    /// A stretch begins. A server that lags behind another one may not know yet what was heard there: within an epoch nobody
    /// goes back.
    fn open(&mut self, line: &LineName, from: Position, (is_refused, is_first): (bool, bool)) {
        let seen = self.lines.get(line).map(|followed| followed.position);
        let ahead = seen.filter(|seen| seen.epoch == from.epoch && seen.offset > from.offset);
        let from = ahead.unwrap_or(from);
        self.close(line);
        let stretch = self.stretches.len();
        let (read, is_open) = (Vec::new(), true);
        self.stretches.push(Stretch { line: line.clone(), from, read, is_open });
        let followed = Followed { position: from, stretch, is_refused, is_first };
        self.lines.insert(line.clone(), followed);
    }

    /// A line is not heard any more, or anew.
    pub(super) fn close(&mut self, line: &LineName) {
        if let Some(followed) = self.lines.remove(line) {
            self.stretches[followed.stretch].is_open = false;
        }
    }

    /// Takes anything else that has a place.
    pub(super) fn take(&mut self, dispatch: &Dispatch) {
        let Dispatch { name, channel, data, at } = dispatch;
        match (name.as_str(), at) {
            ("AVAILABLE", Some(at)) => self.open(channel, *at, (false, false)),
            ("AVAILABLE", None) => panic!("AVAILABLE without a place: {data}"),
            ("UNAVAILABLE", _) => self.close(channel),
            (_, Some(at)) => self.advance(name, channel, data, *at),
            _ => {}
        }
    }

    /// Something stands there on a line: it is delivered if it is beyond all that was seen.
    fn advance(&mut self, name: &str, line: &LineName, data: &Value, at: Position) {
        let Some(followed) = self.lines.get_mut(line) else { return };
        let (seen, is_message) = (followed.position, name.ends_with("MESSAGE"));
        let number = data["d"]["n"].as_u64().unwrap_or(0);
        if at.epoch == seen.epoch && at.offset <= seen.offset {
            let is_known = !is_message || self.delivered.contains(&number);
            assert!(is_known || !followed.is_refused, "a part of what is gone: {data}");
            assert!(is_known || followed.is_first, "{data} at {at} is beyond nothing, and new");
            return;
        }
        followed.position = at;
        if !is_message {
            return;
        }
        assert!(self.delivered.insert(number), "message {number} was delivered twice");
        let stretch = &mut self.stretches[followed.stretch];
        // What was said before may come behind an INIT: kept for whoever comes, or held back of an incarnation that has ended.
        if stretch.from.epoch == at.epoch && stretch.from.offset < at.offset {
            stretch.read.push(number);
        }
    }
}

//! Looking: what is there of a project's entries, newest or next.

use super::entry::{RecordEntry, RecordKind};
use super::flight_recorder::FlightRecorder;
use crate::domain::{ChannelId, ConnectionId, LeapTokenId, ProjectId, Timestamp};

/// How many numbers are looked through under one lock: a few microseconds' worth.
const WINDOW: u64 = 128;
/// About how many bytes a page has at most.
const PAGE_BYTES: usize = 1 << 20;

/// What somebody wants to see.
#[derive(Clone, Debug, Default)]
pub struct RecordQuery {
    /// Only what comes behind this number, the oldest first; without it the newest.
    pub after: Option<u64>,
    /// Only what comes before this number.
    pub before: Option<u64>,
    /// Only what is from then or later.
    pub since: Option<Timestamp>,
    /// Only what is on this channel.
    pub channel: Option<ChannelId>,
    /// Only what is about this token.
    pub token: Option<LeapTokenId>,
    /// Only what is about this connection.
    pub connection: Option<ConnectionId>,
    /// Only these kinds; all, if none is named.
    pub kinds: Vec<RecordKind>,
    /// The most entries.
    pub limit: usize,
}

impl RecordQuery {
    /// Whether an entry is wanted that is not too old.
    fn wants(&self, entry: &RecordEntry, not_before: Timestamp) -> bool {
        let RecordEntry { at, what, .. } = entry;
        *at >= not_before
            && (self.kinds.is_empty() || self.kinds.contains(&what.kind))
            && (self.channel.is_none() || self.channel == what.channel)
            && (self.token.is_none() || self.token == what.token)
            && (self.connection.is_none() || self.connection == what.connection)
    }
}

/// What somebody is shown, in order.
#[derive(Debug, Default)]
pub struct RecordPage {
    /// The entries.
    pub entries: Vec<RecordEntry>,
    /// Behind which number it goes on.
    pub next: u64,
    /// Before which number there may be older ones; none where there are none.
    pub older: Option<u64>,
    /// How many are not there any more that should be among those looked through, whatever they were; none where nobody
    /// knows, because what was seen before was of another time.
    pub lost: Option<u64>,
}

impl FlightRecorder {
    /// What is there for a query, as of now.
    pub fn read(&self, project: &ProjectId, query: &RecordQuery, now: Timestamp) -> RecordPage {
        let Some(known) = self.find(project) else {
            // Nothing was ever recorded, as far as anybody knows.
            let lost = query.after.map_or(Some(0), |_| None);
            return RecordPage { next: query.after.unwrap_or(0), lost, ..RecordPage::default() };
        };
        let not_before = now.earlier(self.bounds().age).max(query.since.unwrap_or(Timestamp(0)));
        let look = PageLook { recorder: self, project, query, not_before };
        let (first, next) = known.numbers();
        match query.after {
            Some(after) => look.next(after, first, next),
            None => look.newest(next),
        }
    }
}

/// One look.
struct PageLook<'a> {
    /// Where.
    recorder: &'a FlightRecorder,
    /// Whose.
    project: &'a ProjectId,
    /// What is wanted.
    query: &'a RecordQuery,
    /// What is older is not shown.
    not_before: Timestamp,
}

impl PageLook<'_> {
    /// The oldest number that is there, if that is below the next one.
    fn oldest(&self, next: u64) -> u64 {
        let oldest = self.recorder.lanes().iter().filter_map(|lane| lane.oldest(self.project));
        oldest.min().map_or(next, |oldest| oldest.min(next))
    }

    /// What is there of a stretch of numbers, wanted or not, in order.
    fn stretch(&self, from: u64, to: u64) -> Vec<(u64, Option<RecordEntry>)> {
        let mut found = Vec::new();
        for lane in self.recorder.lanes() {
            lane.each(self.project, (from, to), |entry| {
                let wanted = self.query.wants(entry, self.not_before).then(|| entry.clone());
                found.push((entry.number, wanted));
            });
        }
        found.sort_unstable_by_key(|(number, _)| *number);
        found
    }

    /// What comes behind a number.
    fn next(&self, after: u64, first: u64, next: u64) -> RecordPage {
        // What was seen then was of another time, or is of none: everything is new.
        let is_known = after.saturating_add(1) >= first && after < next;
        let asked = if is_known { after + 1 } else { first };
        let mut at = self.oldest(next).max(asked);
        let mut lost = at - asked;
        let mut room = PageRoom::new(self.query.limit);
        let mut entries = Vec::new();
        while at < next && !room.is_spent() {
            let mut to = next.min(at + WINDOW);
            let mut there = 0;
            for (number, wanted) in self.stretch(at, to) {
                there += 1;
                if let Some(entry) = wanted {
                    room.take(&entry);
                    entries.push(entry);
                    if room.is_spent() {
                        to = number + 1;
                        break;
                    }
                }
            }
            lost += to - at - there;
            at = to;
        }
        RecordPage { entries, next: at - 1, older: None, lost: is_known.then_some(lost) }
    }

    /// The newest, before the number that the query names.
    fn newest(&self, next: u64) -> RecordPage {
        let mut to = self.query.before.unwrap_or(next).min(next);
        let oldest = self.oldest(next);
        let (mut room, mut entries, mut lost) = (PageRoom::new(self.query.limit), Vec::new(), 0);
        while to > oldest && !room.is_spent() {
            let mut from = to.saturating_sub(WINDOW).max(oldest);
            let mut there = 0;
            for (number, wanted) in self.stretch(from, to).into_iter().rev() {
                there += 1;
                if let Some(entry) = wanted {
                    room.take(&entry);
                    entries.push(entry);
                    if room.is_spent() {
                        from = number;
                        break;
                    }
                }
            }
            lost += to - from - there;
            to = from;
        }
        entries.reverse();
        let older = (to > oldest).then_some(to);
        RecordPage { entries, next: next - 1, older, lost: Some(lost) }
    }
}

/// What still goes on a page.
struct PageRoom {
    /// Entries.
    entries: usize,
    /// Bytes.
    bytes: usize,
}

impl PageRoom {
    /// An empty page for so many entries.
    const fn new(limit: usize) -> Self {
        Self { entries: limit, bytes: PAGE_BYTES }
    }

    /// An entry goes on it.
    fn take(&mut self, entry: &RecordEntry) {
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(entry.cost());
    }

    /// Whether nothing more does.
    const fn is_spent(&self) -> bool {
        self.entries == 0 || self.bytes == 0
    }
}

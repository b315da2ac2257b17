//! Who is in a channel, shown to those who asked for it, where the channel has the capability.
//!
//! A session is in from its first connection until it ends or unsubscribes: its grace hides a flicker.

use super::connection::ConnectionRef;
use super::effects::{ChannelEffects, ChannelRecord};
use super::{ChannelMachine, Moment};
use crate::domain::listing::Start;
use crate::domain::{Capabilities, Member, SessionUid, Timestamp};
use crate::faults::{Fault, is_planted};
use crate::protocol::{EncodedEvent, Event, PresentMember};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// About how much of a list goes into one frame.
const PIECE_BYTES: usize = 64 * 1024;
/// How long newcomers wait for each other, for each member that they are shown.
const PAUSE_PER_MEMBER: Duration = Duration::from_micros(20);
/// How long they wait at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Where a member stands among the others: when it came, then its id.
pub type MemberPlace = (Timestamp, Arc<str>);

/// A part of who is in.
pub struct PresentPart {
    /// The members, in order.
    pub members: Vec<PresentMember>,
    /// How many are in at all.
    pub total: usize,
}

impl<E: ChannelEffects> ChannelMachine<E> {
    /// Whether members are shown.
    pub(super) const fn has_presence(&self) -> bool {
        self.channel.capabilities.contains(Capabilities::PRESENCE)
    }

    /// A part of who is in; none where the channel does not show it.
    pub fn presence(&self, start: &Start<MemberPlace>, limit: u64) -> Option<PresentPart> {
        self.has_presence().then(|| self.subscribers.present_part(start, limit))
    }

    /// Tells those who are in that a session comes in, if that is news; the session itself is not among them yet.
    pub(super) fn announce(&mut self, session: SessionUid, now: Moment, effects: &mut E) {
        if !self.subscribers.is_in(session)
            && let Some(named) = self.subscribers.named(session)
        {
            effects.came(named, || self.subscribers.online());
            effects.record(ChannelRecord::Came(named));
        }
        let news = self.subscribers.come_in(session, now.time);
        if let Some(member) = news.filter(|_| self.has_presence()) {
            let channel = self.key().id.clone();
            self.broadcast(Event::PresenceJoin { channel, member }, now.instant, effects);
        }
    }

    /// Tells those who are in that a session has left.
    pub(super) fn announce_leaving(
        &mut self,
        present: Option<PresentMember>,
        now: Instant,
        effects: &mut E,
    ) {
        let is_told = self.has_presence() && !is_planted(Fault::LeavesNobodySees);
        if let Some(member) = present.filter(|_| is_told) {
            let channel = self.key().id.clone();
            self.broadcast(Event::PresenceLeave { channel, member }, now, effects);
        }
    }

    /// Others see a session differently from now on, which is told to those who are in.
    pub fn rename(
        &mut self,
        session: SessionUid,
        member: Arc<Member>,
        now: Instant,
        effects: &mut E,
    ) {
        let present = self.subscribers.rename(session, member);
        if let Some(member) = present.filter(|_| self.has_presence()) {
            let channel = self.key().id.clone();
            self.broadcast(Event::PresenceUpdate { channel, member }, now, effects);
        }
    }

    /// Sees to it that these connections are shown who is in: in a while, so that the newcomers of a wave share one list.
    pub fn show_presence(
        &mut self,
        newcomers: impl IntoIterator<Item = (SessionUid, ConnectionRef<E::Worker>)>,
        effects: &mut E,
    ) {
        if !self.has_presence() {
            return;
        }
        let is_planned = !self.newcomers.is_empty();
        self.newcomers.extend(newcomers);
        if !is_planned && !self.newcomers.is_empty() {
            effects.show_newcomers_in(pause(self.subscribers.online_count()));
        }
    }

    /// Shows everybody who waits for it who is in.
    pub fn show_newcomers(&mut self, effects: &mut E) {
        let newcomers = std::mem::take(&mut self.newcomers);
        if !self.has_presence() {
            return;
        }
        let members = self.subscribers.present();
        let (channel, count) = (self.key().id.clone(), members.len());
        let mut from = 0;
        for members in pieces(members) {
            let before = from;
            from += members.len();
            let channel = channel.clone();
            let event = Event::PresenceState { channel, members, from: before, count };
            let dispatch = Arc::new(EncodedEvent::new(event));
            for (session, connection) in &newcomers {
                if self.subscribers.has_connection(*session, connection.uid) {
                    effects.hand_one(connection, &dispatch);
                }
            }
        }
    }
}

/// How long newcomers wait for others: about what a list of so many costs, many times over.
fn pause(members: usize) -> Duration {
    let members = u32::try_from(members).unwrap_or(u32::MAX);
    (PAUSE_PER_MEMBER.saturating_mul(members)).min(LONGEST_PAUSE)
}

/// Cuts a list into pieces of about [`PIECE_BYTES`]; one piece at least, and one member at least in each but the empty one.
fn pieces(members: Vec<PresentMember>) -> Vec<Vec<PresentMember>> {
    let mut pieces = vec![Vec::new()];
    let mut bytes = 0;
    for member in members {
        let size = member.size_hint();
        if bytes > 0 && bytes + size > PIECE_BYTES {
            pieces.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(piece) = pieces.last_mut() {
            piece.push(member);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{RawJson, Timestamp};

    /// Members with so many bytes of data each.
    fn members(count: usize, bytes: usize) -> Vec<PresentMember> {
        let data = RawJson::trusted(format!("\"{}\"", "x".repeat(bytes)));
        let member = Arc::new(Member { data, ..Member::of_session("s") });
        vec![PresentMember { member, connections: 1, since: Timestamp(1) }; count]
    }

    #[test]
    fn a_list_is_cut_into_pieces_and_nobody_is_left_out() {
        for (count, bytes, expected) in [(0, 0, 1), (3, 10, 1), (30, 20_000, 10), (3, 100_000, 3)] {
            let pieces = pieces(members(count, bytes));
            assert_eq!(pieces.len(), expected, "{count} of {bytes}");
            assert_eq!(pieces.iter().map(Vec::len).sum::<usize>(), count);
        }
    }

    #[test]
    fn a_wave_waits_in_proportion_to_the_list_and_never_long() {
        assert_eq!(pause(0), Duration::ZERO);
        assert_eq!(pause(1000), Duration::from_millis(20));
        assert_eq!(pause(usize::MAX), LONGEST_PAUSE);
    }
}

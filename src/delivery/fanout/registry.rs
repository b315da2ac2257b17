//! The connections of one thread, and how orders are carried out on them.

use super::super::departures::Departures;
use super::super::link::{Link, Note};
use super::mishap::{guarded, send_away};
use super::order::{LinkVisit, Order};
use super::room::{AHEAD, Progress, Room, ServingQueue, ServingTurn, deliver};
use super::uid::ConnectionUid;
use crate::domain::{ChannelId, LineId};
use crate::metrics;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// The connections of one thread, by themselves and by channel.
#[derive(Default)]
pub(super) struct Registry {
    /// Every connection.
    links: HashMap<ConnectionUid, Rc<Link>, RandomState>,
    /// Those under each channel.
    rooms: HashMap<LineId, Room, RandomState>,
    /// Who waits to be served.
    line: ServingQueue,
    /// Those that are being sent away, from the first time on that anybody was.
    leaving: Option<Leaving>,
}

/// The connections that there were when the first was sent away. Those that come later see by themselves that they have to go.
struct Leaving {
    /// How many there were.
    all: usize,
    /// Those that have not been told.
    left: Vec<ConnectionUid>,
}

impl Registry {
    /// Makes a connection known.
    pub(super) fn register(&mut self, link: &Rc<Link>) {
        self.links.insert(link.uid(), Rc::clone(link));
    }

    /// Forgets a connection.
    pub(super) fn unregister(&mut self, link: &Link) {
        self.links.remove(&link.uid());
        for channel in link.take_channels() {
            if guarded(|| self.detach(channel, link.uid())).is_none() {
                self.give_up_room(channel);
            }
        }
    }

    /// Whether something has to be flushed.
    pub(super) fn has_news(&self) -> bool {
        !self.line.turns.is_empty()
    }

    /// Notes how long it takes from an order that has just been carried out until all who hear of it were written to;
    /// of one at a time.
    pub(super) fn mark(&mut self, ordered: impl FnOnce() -> Instant) {
        self.line.mark(ordered);
    }

    /// How many channels have connections here.
    #[cfg(test)]
    pub(super) fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// Carries out an order.
    pub(super) fn perform(&mut self, order: Order) {
        match order {
            Order::Deliver { channel, dispatch } => {
                if let Some(room) = self.rooms.get_mut(&channel)
                    && room.say(&dispatch, &mut self.line)
                {
                    self.line.turns.push_back(ServingTurn::Room(channel));
                }
            }
            Order::Attach { from, name, connection, dispatch } => {
                let Some(link) = self.current(connection) else { return };
                link.hear(from);
                self.attach(from.line, name, &link);
                if let Some(dispatch) = &dispatch {
                    deliver(&mut self.line, &link, dispatch);
                }
            }
            Order::Detach { channel, connection, dispatch } => {
                let Some(link) = self.current(connection) else { return };
                link.remove_channel(channel);
                if let Some(dispatch) = &dispatch {
                    deliver(&mut self.line, &link, dispatch);
                }
                self.detach(channel, connection);
            }
            Order::Dissolve { channel, dispatch } => {
                let Some(room) = self.rooms.remove(&channel) else { return };
                for link in room.dissolve(&mut self.line) {
                    link.remove_channel(channel);
                    if let Some(dispatch) = &dispatch {
                        deliver(&mut self.line, &link, dispatch);
                    }
                }
            }
            Order::Direct { connection, dispatch } => {
                if let Some(link) = self.current(connection) {
                    deliver(&mut self.line, &link, &dispatch);
                }
            }
            other => self.attend(other),
        }
    }

    /// Carries out an order that concerns connections by themselves.
    fn attend(&mut self, order: Order) {
        match order {
            Order::Init { connection, init, kept, direct } => match self.current(connection) {
                Some(link) => link.initialise(&init, kept, direct),
                None => kept.give_back(),
            },
            Order::Confirm { connection, line } => {
                if let Some(link) = self.links.get(&connection) {
                    link.confirm(line);
                }
            }
            Order::Close { connection, close } => {
                if let Some(link) = self.links.get(&connection) {
                    link.note(Note::Close(close));
                }
            }
            Order::SendAway { departures, since } => self.tell_leaving(&departures, since),
            Order::CloseOf { owner, close } => {
                let theirs = self.links.values().filter(|link| link.belongs_to(&owner));
                theirs.for_each(|link| link.note(Note::Close(close.clone())));
            }
            Order::Watch { project, reply } => {
                self.links.values().for_each(|link| link.watch_again(&project));
                // Whoever asked may have gone.
                let _ = reply.send(());
            }
            Order::Visit { connection, cid, project, visit, reply } => {
                let link = self.links.get(&connection).filter(|link| link.is(&cid, &project));
                // Whoever asked may have gone.
                let _ = reply.send(link.is_some());
                if link.is_none() {
                    return;
                }
                match (self.current(connection), visit) {
                    (Some(link), LinkVisit::Deliver(dispatch)) => {
                        deliver(&mut self.line, &link, &dispatch);
                    }
                    (Some(link), LinkVisit::Close(close)) => link.note(Note::Close(close)),
                    (None, _) => {}
                }
            }
            Order::Describe { connections, reply } => {
                let name_of = |uid| self.rooms.get(&uid).map(|room| room.name.clone());
                let here = connections.iter().filter_map(|uid| self.links.get(uid));
                // Whoever asked may have gone.
                let _ = reply.send(here.map(|link| link.info(name_of)).collect());
            }
            Order::Deliver { .. }
            | Order::Attach { .. }
            | Order::Detach { .. }
            | Order::Dissolve { .. }
            | Order::Direct { .. } => {}
        }
    }

    /// Tells as many that they have to go as are due so long after the first.
    fn tell_leaving(&mut self, departures: &Departures, since: Duration) {
        let leaving = self.leaving.get_or_insert_with(|| {
            let left: Vec<_> = self.links.keys().copied().collect();
            Leaving { all: left.len(), left }
        });
        let remain = leaving.all - departures.due(leaving.all, since).min(leaving.all);
        for uid in leaving.left.drain(remain.min(leaving.left.len())..) {
            if let Some(link) = self.links.get(&uid) {
                link.note(Note::Close(departures.next()));
            }
        }
    }

    /// A connection that has been handed everything that came before.
    fn current(&mut self, uid: ConnectionUid) -> Option<Rc<Link>> {
        let link = Rc::clone(self.links.get(&uid)?);
        self.catch_up(&link);
        Some(link)
    }

    /// Hands a connection what waits for it in the log of its room.
    pub(super) fn catch_up(&mut self, link: &Link) {
        if let Some(channel) = link.only_channel()
            && let Some(room) = self.rooms.get_mut(&channel)
        {
            room.catch_up(link.uid(), &mut self.line);
        }
    }

    /// Puts a connection under a channel; once, however often asked.
    fn attach(&mut self, channel: LineId, name: ChannelId, link: &Rc<Link>) {
        let only = link.only_channel();
        let is_first = !link.has_channels();
        if !link.add_channel(channel) {
            return;
        }
        if let Some(only) = only
            && let Some(room) = self.rooms.get_mut(&only)
        {
            room.share(link.uid(), &mut self.line);
        }
        let room = self.rooms.entry(channel).or_insert_with(|| Room::new(name));
        // A stream's events have a beginning of their own.
        if is_first && !link.has_bookmark() {
            room.add_single_channel(link);
        } else {
            room.add_multi_channel(link);
        }
    }

    /// Takes a connection out of a channel's list; drops a list that has become empty.
    fn detach(&mut self, channel: LineId, connection: ConnectionUid) {
        if let Some(room) = self.rooms.get_mut(&channel) {
            room.remove(connection, &mut self.line);
            // One that still has a turn goes when that comes.
            if room.is_empty() && room.logged() == 0 {
                self.rooms.remove(&channel);
            }
        }
    }

    /// Serves at most so many connections with what waits for them, whoever waits longest first: then nobody is served
    /// over and over while another waits.
    pub(super) fn flush(&mut self, most: usize) -> usize {
        let mut writes = 0;
        let (mut group, mut again) = (Vec::with_capacity(AHEAD), Vec::new());
        while writes < most
            && let Some(turn) = self.line.turns.pop_front()
        {
            match turn {
                ServingTurn::Link(link) => {
                    group.push(link);
                    self.line.take_links(&mut group, AHEAD.min(most - writes));
                    for link in &group {
                        link.touch();
                    }
                    writes += group.len();
                    for link in group.drain(..) {
                        if guarded(|| link.flush()).is_none() {
                            send_away(&link);
                        }
                    }
                }
                // What was said while a room was served is written at its next turn, and that may be what the mark is about.
                ServingTurn::Mark { ordered, is_late: false } if !again.is_empty() => {
                    again.push(ServingTurn::Mark { ordered, is_late: true });
                }
                ServingTurn::Mark { ordered, .. } => {
                    self.line.unmark();
                    metrics::count(|cells| cells.delivery_time.note_time(ordered.elapsed()));
                }
                ServingTurn::Room(channel) => {
                    match guarded(|| self.flush_room(channel, most - writes, &mut again)) {
                        Some(served) => writes += served,
                        None => self.give_up_room(channel),
                    }
                }
            }
        }
        // What was said to a channel while it was served waits for the next flush, and for more to go with it.
        self.line.turns.extend(again);
        writes
    }

    /// An order is half done: whom it concerns is sent away.
    pub(super) fn give_up(&mut self, concerned: (Option<LineId>, Option<ConnectionUid>)) {
        let (channel, connection) = concerned;
        if let Some(channel) = channel {
            self.give_up_room(channel);
        }
        match connection {
            Some(uid) => self.links.get(&uid).into_iter().for_each(|link| send_away(link)),
            None if channel.is_none() => self.links.values().for_each(|link| send_away(link)),
            None => {}
        }
    }

    /// Sends a channel's connections away: who of them has heard what is not known any more.
    fn give_up_room(&mut self, channel: LineId) {
        self.rooms.remove(&channel);
        self.links.values().filter(|link| link.hears(channel)).for_each(|link| send_away(link));
    }

    /// Serves at most so many connections of a channel, and gives it its next turn if it needs one.
    fn flush_room(&mut self, channel: LineId, most: usize, again: &mut Vec<ServingTurn>) -> usize {
        // A channel that was dissolved has left its turn behind.
        let Some(room) = self.rooms.get_mut(&channel) else { return 0 };
        let (progress, writes) = room.flush(most);
        match progress {
            Progress::Done if room.is_empty() => {
                self.rooms.remove(&channel);
            }
            Progress::Done => {}
            Progress::Again => again.push(ServingTurn::Room(channel)),
            Progress::Unfinished => self.line.turns.push_front(ServingTurn::Room(channel)),
        }
        writes
    }
}

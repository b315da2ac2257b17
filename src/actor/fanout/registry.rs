//! The connections of one thread, and how orders are carried out on them.

use super::super::link::{Link, Note};
use super::order::{Order, Visit};
use super::room::{AHEAD, Dirty, Flushed, Progress, Room, deliver};
use super::uid::{ChannelUid, ConnectionUid};
use crate::domain::ChannelId;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::rc::Rc;

/// Once so many bytes wait in logs, they are flushed without a pause.
const MOST_LOGGED: usize = 1 << 20;

/// The connections of one thread, by themselves and by channel.
#[derive(Default)]
pub(super) struct Registry {
    /// Every connection.
    links: HashMap<ConnectionUid, Rc<Link>, RandomState>,
    /// Those under each channel.
    rooms: HashMap<ChannelUid, Room, RandomState>,
    /// The rooms that have something in their log.
    loud: Vec<ChannelUid>,
    /// Those whose writer has to be told.
    dirty: Dirty,
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
            self.leave(channel, link.uid());
        }
    }

    /// Whether something has to be flushed.
    pub(super) fn has_news(&self) -> bool {
        !(self.dirty.links.is_empty() && self.loud.is_empty())
    }

    /// Whether so much waits that a flush cannot wait.
    pub(super) fn is_full(&self) -> bool {
        let logged = self.loud.iter().filter_map(|uid| self.rooms.get(uid)).map(Room::logged);
        logged.sum::<usize>() > MOST_LOGGED
    }

    /// Carries out an order.
    pub(super) fn perform(&mut self, order: Order) {
        match order {
            Order::Deliver { channel, dispatch } => {
                if let Some(room) = self.rooms.get_mut(&channel)
                    && room.say(&dispatch, &mut self.dirty)
                {
                    self.loud.push(channel);
                }
            }
            Order::Join { channel, name, connection, dispatch } => {
                let Some(link) = self.current(connection) else { return };
                self.join(channel, name, &link);
                if let Some(dispatch) = &dispatch {
                    deliver(&mut self.dirty, &link, dispatch);
                }
            }
            Order::Leave { channel, connection, dispatch } => {
                let Some(link) = self.current(connection) else { return };
                link.remove_channel(channel);
                if let Some(dispatch) = &dispatch {
                    deliver(&mut self.dirty, &link, dispatch);
                }
                self.leave(channel, connection);
            }
            Order::Dissolve { channel, dispatch } => {
                let Some(room) = self.rooms.remove(&channel) else { return };
                self.loud.retain(|loud| *loud != channel);
                for link in room.dissolve(&mut self.dirty) {
                    link.remove_channel(channel);
                    deliver(&mut self.dirty, &link, &dispatch);
                }
            }
            Order::Direct { connection, dispatch } => {
                if let Some(link) = self.current(connection) {
                    deliver(&mut self.dirty, &link, &dispatch);
                }
            }
            other => self.attend(other),
        }
    }

    /// Carries out an order that concerns connections by themselves.
    fn attend(&mut self, order: Order) {
        match order {
            Order::Init { connection, init, kept } => {
                if let Some(link) = self.current(connection) {
                    link.initialise(&init, &kept);
                }
            }
            Order::Close { connection, close } => {
                if let Some(link) = self.links.get(&connection) {
                    link.note(Note::Close(close));
                }
            }
            Order::CloseAll { close } => {
                self.links.values().for_each(|link| link.note(Note::Close(close.clone())));
            }
            Order::CloseOf { owner, close } => {
                let theirs = self.links.values().filter(|link| link.belongs_to(&owner));
                theirs.for_each(|link| link.note(Note::Close(close.clone())));
            }
            Order::Visit { connection, cid, project, visit, reply } => {
                let link = self.links.get(&connection).filter(|link| link.is(&cid, &project));
                // Whoever asked may have gone.
                let _ = reply.send(link.is_some());
                if link.is_none() {
                    return;
                }
                match (self.current(connection), visit) {
                    (Some(link), Visit::Deliver(dispatch)) => {
                        deliver(&mut self.dirty, &link, &dispatch);
                    }
                    (Some(link), Visit::Close(close)) => link.note(Note::Close(close)),
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
            | Order::Join { .. }
            | Order::Leave { .. }
            | Order::Dissolve { .. }
            | Order::Direct { .. } => {}
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
            room.catch_up(link.uid(), &mut self.dirty);
        }
    }

    /// Puts a connection under a channel; once, however often asked.
    fn join(&mut self, channel: ChannelUid, name: ChannelId, link: &Rc<Link>) {
        let only = link.only_channel();
        let is_first = !link.has_channels();
        if !link.add_channel(channel) {
            return;
        }
        if let Some(only) = only
            && let Some(room) = self.rooms.get_mut(&only)
        {
            room.share(link.uid(), &mut self.dirty);
        }
        let room = self.rooms.entry(channel).or_insert_with(|| Room::new(name));
        if is_first { room.add_lone(link) } else { room.add_shared(link) }
    }

    /// Takes a connection out of a channel's list; drops a list that has become empty.
    fn leave(&mut self, channel: ChannelUid, connection: ConnectionUid) {
        if let Some(room) = self.rooms.get_mut(&channel) {
            room.remove(connection, &mut self.dirty);
            if room.is_empty() {
                self.rooms.remove(&channel);
                self.loud.retain(|loud| *loud != channel);
            }
        }
    }

    /// Serves at most so many connections with what waits for them.
    pub(super) fn flush(&mut self, most: usize) -> Flushed {
        let at = self.dirty.links.len().saturating_sub(most);
        let links = self.dirty.links.split_off(at);
        let mut all = Flushed { writes: links.len(), saved: std::mem::take(&mut self.dirty.saved) };
        for group in links.chunks(AHEAD) {
            for link in group {
                link.touch();
            }
            for link in group {
                link.flush();
            }
        }
        let mut again = Vec::new();
        while all.writes < most
            && let Some(channel) = self.loud.pop()
        {
            let Some(room) = self.rooms.get_mut(&channel) else { continue };
            let (progress, flushed) = room.flush(most - all.writes);
            all += flushed;
            match progress {
                Progress::Done => {}
                Progress::Again => again.push(channel),
                Progress::Unfinished => self.loud.push(channel),
            }
        }
        self.loud.append(&mut again);
        all
    }
}

//! Whoever has something to do takes a step.

use super::happening::{ForChannel, ForSession, Happening, Place, Seat};
use super::network::number_of;
use super::node::now;
use super::store::Kind;
use super::world::{Tenure, World};
use crate::domain::{ChannelId, Timestamp};
use crate::protocol::Event;
use crate::session::Sought;
use tokio::time::Instant;

impl World {
    /// Lets somebody who has something to do take a step; false if nobody has.
    pub(super) fn step(&mut self) -> bool {
        let mut ready: Vec<(usize, Option<ChannelId>, Option<usize>)> = Vec::new();
        for node in &self.nodes {
            let channels = node.channels.iter();
            let busy = channels.filter(|(_, here)| here.is_reloading || !here.inbox.is_empty());
            ready.extend(busy.map(|(id, _)| (node.index, Some(id.clone()), None)));
            let busy = node.sessions.iter().filter(|(_, here)| !here.inbox.is_empty());
            ready.extend(busy.map(|(token, _)| (node.index, None, Some(*token))));
        }
        let ways = self.network.as_ref().map(|network| network.borrow().under_way());
        let ways = ways.unwrap_or_default();
        let jobs = usize::from(!self.store.jobs.is_empty());
        let choices = ready.len() + ways.len() + jobs;
        if choices == 0 {
            return false;
        }
        let choice = self.random.below(choices);
        self.note(u64::try_from(choice).unwrap());
        if let Some((node, channel, token)) = ready.get(choice) {
            match (channel.clone(), *token) {
                (Some(channel), _) => self.step_channel(*node, &channel),
                (None, Some(token)) => self.step_session(*node, token),
                (None, None) => {}
            }
        } else if let Some((node, channel)) = ways.get(choice - ready.len()) {
            self.step_bus(*node, channel);
        } else {
            let lies = self.random.chance(30);
            self.step_store(lies);
        }
        self.deliver();
        true
    }

    /// A channel does the next thing.
    pub(super) fn step_channel(&mut self, node: usize, id: &ChannelId) {
        let stored = self.store.find(id);
        let before = self.shown(node, id);
        let is_alone = self.network.is_none();
        let Some(here) = self.nodes[node].channels.get_mut(id) else { return };
        if here.is_reloading {
            here.is_reloading = false;
            // A channel that was made again under the name is another: for this one there is none.
            let created_at = here.acting.created_at;
            let stored = stored.filter(|stored| stored.created_at == created_at);
            let (place, is_gone) = (here.acting.place.clone(), stored.is_none());
            here.machine.reloaded(Ok(stored), Instant::now(), &mut here.acting);
            here.acting.outlet.leave_behind();
            if is_gone {
                self.end_elsewhere(&place);
            }
            return;
        }
        let Some(what) = here.inbox.pop_front() else { return };
        if self.is_told {
            println!("{:>6} {node}.{} {what:?}", self.count, id.as_str());
        }
        let seat = match &what {
            ForChannel::Attach(_, seat, ..) | ForChannel::Subscribe(_, seat, ..) => Some(*seat),
            ForChannel::Publish(message) if is_alone => {
                let number = number_of(message);
                self.order.entry(id.clone()).or_default().push(number);
                None
            }
            ForChannel::Leave(_, seat, _) => {
                self.clients[seat.token].tenures.remove(id);
                None
            }
            _ => None,
        };
        here.step(what, &self.post);
        if let Some(seat) = seat {
            let tenure = Tenure { since: before, has_gap: false };
            self.clients[seat.token].tenures.entry(id.clone()).or_insert(tenure);
        }
    }

    /// A session does the next thing.
    pub(super) fn step_session(&mut self, node: usize, token: usize) {
        let Some(here) = self.nodes[node].sessions.get_mut(&token) else { return };
        let Some(what) = here.inbox.pop_front() else { return };
        if self.is_told {
            println!("{:>6} {node}.token {token} {what:?}", self.count);
        }
        let seat = here.seat;
        let (machine, acting, moment) = (&mut here.machine, &mut here.acting, now());
        match what {
            ForSession::Snapshot(uid, channel) => machine.snapshot(uid, *channel, acting),
            ForSession::Word(place, word) => machine.hear(&place.channel, &place, word, acting),
            ForSession::Kept(dispatch, missed) => machine.keep(dispatch, missed, acting),
            ForSession::Report(report) => machine.report(report, acting),
            ForSession::Unanswered(id) => machine.unanswered(&id, acting),
            ForSession::LookFor(id) => {
                let sought = self.resolve(node, &id).map_or(Sought::Missing, Sought::Found);
                let Some(here) = self.nodes[node].sessions.get_mut(&token) else { return };
                here.machine.found(&id, sought, moment.instant, &mut here.acting);
            }
            ForSession::Subscribe(id, true) => self.subscribe(node, seat, &id),
            ForSession::Subscribe(id, false) => {
                machine.give_up(&id, None, acting);
                let client = &mut self.clients[token];
                client.stored.remove(&id);
                client.tenures.remove(&id);
            }
            ForSession::Direct(message) => {
                let number = number_of(&message);
                let event = Event::DirectMessage { message, is_unicast: false };
                machine.dispatch(event, moment.instant, acting);
                self.clients[token].direct.push(number);
            }
            ForSession::AskWhoIsIn(uid) => machine.ask_who_is_in(uid, acting),
            ForSession::GraceOver => machine.grace_over(acting),
            ForSession::Expire => machine.expire(moment.instant, acting),
        }
        if let Some(here) = self.nodes[node].sessions.get_mut(&token) {
            here.acting.outlet.leave_behind();
        }
    }

    /// A token is subscribed for good.
    pub(super) fn subscribe(&mut self, node: usize, seat: Seat, id: &ChannelId) {
        let Some(place) = self.resolve(node, id) else { return };
        let Some(here) = self.nodes[node].sessions.get_mut(&seat.token) else { return };
        if here.machine.want(id, false, false, &here.acting).is_err() {
            return;
        }
        self.clients[seat.token].stored.insert(id.clone());
        here.machine.hold(id, place.clone(), false, Timestamp(1), &mut here.acting);
        let (card, connections) = (here.machine.card(), here.machine.connections());
        let subscribe = ForChannel::Subscribe(card, seat, connections, false);
        self.post.borrow_mut().push(Happening::Channel(place, subscribe));
    }

    /// The store writes what is next.
    pub(super) fn step_store(&mut self, lies: bool) {
        let Some((job, outcome)) = self.store.write(lies) else { return };
        let place = job.by;
        match job.kind {
            Kind::Set(_, version) => {
                self.hand_channel(&place, ForChannel::Committed(version, outcome));
            }
            Kind::Delete => {
                let is_deleted = outcome.is_ok();
                if self.store.find(&place.channel).is_none()
                    && let Some(network) = &self.network
                {
                    network.borrow_mut().forget(&place.channel);
                }
                self.hand_channel(&place, ForChannel::Deleted(is_deleted));
                if is_deleted {
                    self.end_elsewhere(&place);
                }
            }
        }
    }

    /// The other nodes' incarnations of a channel that was deleted hear of it.
    pub(super) fn end_elsewhere(&mut self, place: &Place) {
        for node in &mut self.nodes {
            if node.index != place.node
                && let Some(here) = node.channels.get_mut(&place.channel)
            {
                here.machine.deleted(&mut here.acting);
                here.acting.outlet.leave_behind();
            }
        }
    }
}

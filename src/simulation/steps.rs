//! Whoever has something to do takes a step.

use super::happening::{ForChannel, ForSession, Place, Seat};
use super::network::number_of;
use super::node::now;
use super::store::Kind;
use super::world::{TOKENS, Tenure, World};
use crate::ask::AskError;
use crate::channel::{SessionArrival, StoredChannel};
use crate::domain::channel::SubscriberKind;
use crate::domain::{ChannelId, Position, SessionUid, Timestamp};
use crate::protocol::Event;
use crate::session::{SessionEffects as _, Sought};
use crate::store::StoreError;
use tokio::time::Instant;

impl World {
    /// Lets somebody who has something to do take a step; false if nobody has.
    pub(super) fn step(&mut self) -> bool {
        let mut ready: Vec<(usize, Option<ChannelId>, Option<usize>)> = Vec::new();
        for node in &self.nodes {
            let channels = node.channels.iter();
            let busy = channels.filter(|(_, here)| {
                !here.is_ending && (here.is_reloading || !here.inbox.is_empty())
            });
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
        let stands = self.nodes[node].channels.get(id).map(|here| here.machine.line().position());
        let is_alone = self.network.is_none();
        let is_reloading = self.nodes[node].channels.get(id).is_some_and(|here| here.is_reloading);
        let is_unreadable = is_reloading && self.store.is_failing && self.random.chance(30);
        let Some(here) = self.nodes[node].channels.get_mut(id) else { return };
        if here.is_reloading {
            here.is_reloading = false;
            if is_unreadable {
                let failed = AskError::Store(StoreError::Unavailable("no".into()));
                return here.machine.reloaded(Err(failed), Instant::now(), &mut here.acting);
            }
            // A channel that was made again under the name is another: for this one there is none.
            let created_at = here.acting.created_at;
            let stored = stored.filter(|stored| stored.created_at == created_at);
            let (place, is_gone) = (here.acting.place.clone(), stored.is_none());
            let stored = stored.map(|channel| StoredChannel { channel, line: None });
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
            ForChannel::Attach(session, seat, ..) => Some((*seat, session.uid, true)),
            ForChannel::Subscribe(arrival) => {
                let SessionArrival { session, way: seat, connections, .. } = arrival;
                Some((*seat, session.uid, !connections.is_empty()))
            }
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
        // Whoever was not let in hears nothing from here on.
        let is_in = |card: &SessionUid| here.machine.subscribers().named(*card).is_some();
        let seat = seat.filter(|(_, session, _)| is_in(session));
        let born = here.acting.created_at;
        if let Some(stands) = stands.filter(|_| is_alone) {
            self.note_said(id, stands);
        }
        if let Some((seat, _, is_heard)) = seat {
            if is_heard {
                self.used.insert((id.clone(), born));
            }
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
        // One question about a channel after the other, as behind the lock of the actor.
        if let Some(id) = what.settles()
            && let Some(waiting) = here.asking.get_mut(id)
        {
            return waiting.push(what);
        }
        let (machine, acting, moment) = (&mut here.machine, &mut here.acting, now());
        let stands = machine.line().position();
        match what {
            ForSession::Snapshot(uid, channel) => machine.snapshot(uid, *channel, acting),
            ForSession::Word(place, word) => machine.hear(&place.channel, &place, word, acting),
            ForSession::Kept(dispatch, missed) => machine.keep(dispatch, missed, acting),
            ForSession::Report(report) => machine.report(report, Instant::now(), acting),
            ForSession::Unanswered(id) => machine.unanswered(&id, acting),
            ForSession::LookFor(id) => {
                let sought = self.resolve(node, &id).map_or(Sought::Missing, Sought::Found);
                let Some(here) = self.nodes[node].sessions.get_mut(&token) else { return };
                here.machine.found(&id, sought, moment.instant, &mut here.acting);
            }
            ForSession::Subscribe(id, is_ephemeral) => {
                self.subscribe(node, seat, &id, is_ephemeral || token >= TOKENS);
            }
            ForSession::SubscribeForNow(id, who) => self.ask(node, seat, &id, who),
            ForSession::Answered(id, answer) => {
                if answer == Some(true) {
                    machine.let_in(&id, acting);
                } else if !machine.not_admitted(&id) {
                    acting.look_for(&id);
                }
                machine.settle_wanted(&id);
                here.inbox.extend(here.asking.remove(&id).unwrap_or_default());
            }
            ForSession::Unsubscribe(id) => {
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
                self.clients[token].all_direct.push(number);
            }
            ForSession::AskWhoIsIn(uid) => machine.ask_who_is_in(uid, acting),
            ForSession::GraceOver => machine.grace_over(acting),
            ForSession::Expire => machine.expire(moment.instant, acting),
        }
        if let Some(here) = self.nodes[node].sessions.get_mut(&token) {
            here.acting.outlet.leave_behind();
        }
        self.note_direct(token, stands);
    }

    /// How far a session's own line has come, from one place on.
    pub(super) fn note_direct(&mut self, token: usize, from: Position) {
        let node = self.node_of(token);
        let Some(here) = self.nodes[node].sessions.get(&token) else { return };
        let to = here.machine.line().position();
        let client = &mut self.clients[token];
        for offset in from.offset..=to.offset {
            let at = Position { offset, ..to };
            client.direct_upto.entry(at).or_insert(client.all_direct.len());
        }
    }

    /// A session is subscribed, for good or as long as it lasts.
    pub(super) fn subscribe(
        &mut self,
        node: usize,
        seat: Seat,
        id: &ChannelId,
        is_ephemeral: bool,
    ) {
        let Some(place) = self.resolve(node, id) else { return };
        let Some(here) = self.nodes[node].sessions.get_mut(&seat.token) else { return };
        if here.machine.want(id, is_ephemeral, false, &here.acting).is_err() {
            return;
        }
        if !is_ephemeral {
            self.clients[seat.token].stored.insert(id.clone());
        }
        here.machine.hold(id, place.clone(), is_ephemeral, Timestamp(1), &mut here.acting);
        here.tell(place, None);
    }

    /// A token wants to be subscribed for as long as its session lasts.
    pub(super) fn ask(&mut self, node: usize, seat: Seat, id: &ChannelId, who: SubscriberKind) {
        let Some(place) = self.resolve(node, id) else { return };
        let Some(here) = self.nodes[node].sessions.get_mut(&seat.token) else { return };
        let Ok(wanted) = here.machine.want(id, true, false, &here.acting) else { return };
        if wanted.subscriber.is_none() {
            here.machine.hold(id, place.clone(), true, Timestamp(1), &mut here.acting);
            return here.tell(place, None);
        }
        here.machine.ask(id, place.clone(), true, Timestamp(1));
        here.asking.insert(id.clone(), Vec::new());
        here.tell(place, Some(who));
    }

    /// The store writes what is next.
    pub(super) fn step_store(&mut self, lies: bool) {
        let Some((job, outcome)) = self.store.write(lies) else { return };
        let place = job.by;
        match job.kind {
            Kind::Set(_, version) => {
                self.hand_channel(&place, ForChannel::Committed(version, outcome));
            }
            Kind::Mark => {
                self.hand_channel(&place, ForChannel::Marked(outcome.is_ok()));
            }
            Kind::DeleteItself => self.end_itself(&place, outcome.is_ok()),
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

    /// A channel that waits until it is deleted hears what came of that.
    fn end_itself(&mut self, place: &Place, is_deleted: bool) {
        let here = self.nodes[place.node].channels.get_mut(&place.channel);
        let Some(here) = here.filter(|here| here.acting.place == *place) else { return };
        here.is_ending = false;
        if is_deleted {
            let is_left = here.machine.subscribers().is_empty();
            assert!(is_left, "{place:?} went, and somebody was there");
            here.machine.deleted(&mut here.acting);
        } else {
            here.machine.doubt(&mut here.acting);
        }
        here.acting.outlet.leave_behind();
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

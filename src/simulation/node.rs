//! One simulated server: its fan-out, the channels in use, the sessions.

use super::acting::{LIMITS, Live, SimulatedChannelActing, SimulatedSessionActing};
use super::happening::{ForChannel, ForSession, Happening, Place, Post, Reported, Seat};
use super::network::{Shared, Ways};
use crate::bus::{LineEntry, Local};
use crate::channel::{Admission, ChannelMachine, Moment, SessionArrival};
use crate::delivery::fanout::LocalFanout;
use crate::delivery::outlet::Outlet;
use crate::domain::channel::SubscriberKind;
use crate::domain::{
    Channel, ChannelId, Epoch, LeapToken, ProjectId, RawJson, SessionId, Subscription, Timestamp,
};
use crate::faults::{Fault, is_planted};
use crate::line::WindowBudget;
use crate::session::{Beginning, Identity, SessionMachine, ToChannel};
use std::collections::{BTreeMap, VecDeque};
use tokio::time::Instant;

/// The most bytes of a state.
const STATE_BYTES: usize = 1 << 16;

/// The one project whose clients are simulated.
pub(super) const PROJECT: &str = "p";

/// A channel in use.
pub(super) struct ChannelHere {
    /// What decides.
    pub(super) machine: ChannelMachine<SimulatedChannelActing>,
    /// What acts.
    pub(super) acting: SimulatedChannelActing,
    /// What comes to it.
    pub(super) inbox: VecDeque<ForChannel>,
    /// Whether it waits until it is read again.
    pub(super) is_reloading: bool,
    /// Whether it waits until it is deleted, as it wants to be.
    pub(super) is_ending: bool,
}

/// A session.
pub(super) struct SessionHere {
    /// What decides.
    pub(super) machine: SessionMachine<SimulatedSessionActing>,
    /// What acts.
    pub(super) acting: SimulatedSessionActing,
    /// What comes to it.
    pub(super) inbox: VecDeque<ForSession>,
    /// Which incarnation.
    pub(super) seat: Seat,
    /// The channels that are asked, with what waits for their answers.
    pub(super) asking: BTreeMap<ChannelId, Vec<ForSession>>,
}

/// A server.
pub(super) struct Node {
    /// Its number.
    pub(super) index: usize,
    /// Its fan-out.
    pub(super) fanout: LocalFanout,
    /// The channels in use.
    pub(super) channels: BTreeMap<ChannelId, ChannelHere>,
    /// The sessions, by token.
    pub(super) sessions: BTreeMap<usize, SessionHere>,
}

/// Now.
pub(super) fn now() -> Moment {
    Moment { instant: Instant::now(), time: Timestamp(1) }
}

impl Node {
    /// A server that has just started.
    pub(super) fn new(index: usize) -> Self {
        let (channels, sessions) = (BTreeMap::new(), BTreeMap::new());
        Self { index, fanout: LocalFanout::start(), channels, sessions }
    }

    /// Takes a channel into use.
    pub(super) fn open(
        &mut self,
        channel: Channel,
        incarnation: u64,
        network: Option<&Shared>,
        post: &Post,
    ) -> Place {
        let (id, project) = (channel.key.id.clone(), channel.key.project.clone());
        let place = Place { node: self.index, channel: id.clone(), incarnation };
        let share = WindowBudget::new(1 << 30).share(&project);
        let (version, created_at) = (channel.version, channel.created_at);
        // An epoch that the line before it had too.
        let is_old = is_planted(Fault::EpochAgain);
        let mut machine = ChannelMachine::new(
            channel,
            Epoch(if is_old { 1 } else { incarnation }),
            LIMITS.window,
            share,
            STATE_BYTES,
            Instant::now(),
        );
        let bus = match network {
            Some(network) => {
                machine.open_at(network.borrow_mut().open(self.index, &id, version));
                Ways::Network(network.clone(), id.clone())
            }
            None => Ways::Local(Local),
        };
        let acting = SimulatedChannelActing {
            place: place.clone(),
            created_at,
            bus,
            kept: 0,
            outlet: Outlet::new(project),
            post: post.clone(),
        };
        let (inbox, is_reloading, is_ending) = (VecDeque::new(), false, false);
        let here = ChannelHere { machine, acting, inbox, is_reloading, is_ending };
        self.channels.insert(id, here);
        place
    }

    /// Begins a session, of a token which is subscribed for good to these channels, or without one.
    pub(super) fn begin(
        &mut self,
        identity: Identity,
        seat: Seat,
        permanent: Vec<Subscription>,
        (post, live, reported): (&Post, &Live, &Reported),
    ) {
        let project = ProjectId::from(PROJECT);
        let share = WindowBudget::new(1 << 30).share(&project);
        let name = format!("session-{}-{}-{}", seat.node, seat.token, seat.incarnation);
        let machine = SessionMachine::new(Beginning {
            project: project.clone(),
            identity,
            permanent,
            ephemeral: Vec::new(),
            moved: None,
            broken: None,
            has_mail: false,
            restart: None,
            id: SessionId::from(name.as_str()),
            seed: name,
            epoch: Epoch(seat.incarnation),
            window: LIMITS.window,
            share,
        });
        let acting = SimulatedSessionActing {
            seat,
            reported: reported.clone(),
            live: live.clone(),
            outlet: Outlet::new(project),
            post: post.clone(),
        };
        let (inbox, asking) = (VecDeque::new(), BTreeMap::new());
        self.sessions.insert(seat.token, SessionHere { machine, acting, inbox, seat, asking });
    }
}

impl SessionHere {
    /// Tells a channel of the session and its connections.
    pub(super) fn tell(&self, place: Place, who: Option<SubscriberKind>) {
        let (session, connections) = (self.machine.card(), self.machine.connections());
        let arrival = SessionArrival {
            session,
            way: self.seat,
            connections,
            who,
            start: None,
            is_return: false,
        };
        let subscribe = ForChannel::Subscribe(arrival);
        self.acting.post.borrow_mut().push(Happening::Channel(place, subscribe));
    }
}

impl ChannelHere {
    /// Does the next thing that has come.
    pub(super) fn step(&mut self, what: ForChannel, post: &Post) {
        let (machine, acting, now) = (&mut self.machine, &mut self.acting, now());
        match what {
            ForChannel::Attach(card, seat, connection, since) => {
                machine.tell_missed(card.uid, acting);
                let snapshot =
                    ForSession::Snapshot(connection.uid, Box::new(machine.snapshot(since)));
                post.borrow_mut().push(Happening::Session(seat, snapshot));
                machine.attach(card, seat, &connection, now, acting);
            }
            ForChannel::Subscribe(arrival) => {
                let asker = arrival.who.map(|_| arrival.way);
                let admitted = machine.subscribe(arrival, now, acting);
                let is_in = !matches!(admitted, Admission::Refused);
                if let Some(seat) = asker {
                    let answer =
                        ForSession::Answered(self.acting.place.channel.clone(), Some(is_in));
                    post.borrow_mut().push(Happening::Session(seat, answer));
                }
            }
            ForChannel::Word(session, word) => match word {
                ToChannel::Detach { connection, standing, is_settled } => {
                    machine.detach(session, connection, standing.as_ref(), is_settled, acting);
                }
                ToChannel::Recall { connection, heard, hoped } => {
                    machine.recall(session, connection, &heard, &hoped, acting);
                }
                ToChannel::Rename(member) => machine.rename(session, member, now.instant, acting),
                ToChannel::ShowPresence(connection) => {
                    machine.show_presence([(session, connection)], acting);
                }
            },
            ForChannel::Leave(card, _, asker) => {
                machine.unsubscribe(card.uid, &card.named, asker, now, acting);
            }
            ForChannel::Publish(message) => {
                machine.propose(LineEntry::Message(message), now.instant, acting);
            }
            ForChannel::Change(change, if_version) => {
                machine.change(change, if_version, (), now.instant, acting);
            }
            ForChannel::Committed(version, outcome) => {
                let outcome = outcome.map(|()| None);
                machine.committed(version, outcome, now.instant, acting);
            }
            ForChannel::Deleted(is_deleted) => machine.end_deletion(is_deleted, acting),
            ForChannel::Delete => {
                machine.begin_deletion();
                acting.delete_for_back_end();
            }
            ForChannel::Marked(is_marked) => machine.marked(is_marked),
            ForChannel::Sweep => machine.sweep(acting),
            ForChannel::ShowNewcomers => machine.show_newcomers(acting),
            ForChannel::ReloadAgain => machine.reload_again(acting),
        }
        self.acting.outlet.leave_behind();
    }
}

/// A token of the project.
pub(super) fn token(number: usize) -> LeapToken {
    LeapToken {
        id: format!("leap_token_{number}").as_str().into(),
        project: ProjectId::from(PROJECT),
        state: RawJson::null(),
        expires_at: None,
        created_at: Timestamp(1),
    }
}

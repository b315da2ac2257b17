//! One simulated server: its fan-out, the channels in use, the sessions.

use super::acting::{LIMITS, Live, SimulatedChannelActing, SimulatedSessionActing};
use super::happening::{ForChannel, ForSession, Place, Post, Reported, Seat};
use super::network::{Shared, Ways};
use crate::bus::{LineEntry, Local};
use crate::channel::{ChannelMachine, Moment};
use crate::delivery::fanout::LocalFanout;
use crate::delivery::outlet::Outlet;
use crate::domain::{
    Channel, ChannelId, Epoch, LeapToken, ProjectId, RawJson, SessionId, Subscription, Timestamp,
};
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
        let mut machine = ChannelMachine::new(
            channel,
            Epoch(1),
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
        let here = ChannelHere { machine, acting, inbox: VecDeque::new(), is_reloading: false };
        self.channels.insert(id, here);
        place
    }

    /// Begins the session of a token, which is subscribed for good to these channels.
    pub(super) fn begin(
        &mut self,
        token: LeapToken,
        seat: Seat,
        permanent: Vec<Subscription>,
        (post, live, reported): (&Post, &Live, &Reported),
    ) {
        let project = ProjectId::from(PROJECT);
        let share = WindowBudget::new(1 << 30).share(&project);
        let name = format!("session-{}-{}-{}", seat.node, seat.token, seat.incarnation);
        let machine = SessionMachine::new(Beginning {
            project: project.clone(),
            identity: Identity::Token(token),
            permanent,
            id: SessionId::from(name.as_str()),
            seed: name,
            epoch: Epoch(1),
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
        let inbox = VecDeque::new();
        self.sessions.insert(seat.token, SessionHere { machine, acting, inbox, seat });
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
                post.borrow_mut().push(super::happening::Happening::Session(seat, snapshot));
                machine.attach(card, seat, &connection, now, acting);
            }
            ForChannel::Subscribe(card, seat, connections, is_return) => {
                machine.subscribe(card, seat, connections, is_return, now, acting);
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
                machine.committed(version, outcome, now.instant, acting);
            }
            ForChannel::Deleted(is_deleted) => machine.end_deletion(is_deleted, acting),
            ForChannel::Delete => {
                machine.begin_deletion();
                crate::channel::ChannelEffects::delete(acting);
            }
            ForChannel::ShowNewcomers => machine.show_newcomers(acting),
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

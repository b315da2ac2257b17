//! Clients come, read and go, and servers close them.

use super::client::Socket;
use super::happening::{Back, Seat};
use super::node::{PROJECT, now, token};
use super::world::{Ear, Later, QUEUES, SILENCE, TOKENS, World};
use crate::channel::ConnectionRef;
use crate::delivery::fanout::ConnectionUid;
use crate::delivery::{Link, Origin};
use crate::domain::{ConnectionId, Epoch, Position, ProjectId, Subscription, Timestamp};
use crate::protocol::{Close, Extensions, Wire as Form};
use crate::session::{Connect, Identity};
use actix::Actor as _;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

impl World {
    /// A server closes a connection, behind everything that was said to it.
    pub(super) fn close(&mut self, link: &Rc<Link>, close: &Close) {
        let fanout = self.fanout_of(link);
        fanout.catch_up(link);
        link.close(close);
        fanout.unregister(link);
        link.leave();
        self.plan(Instant::now() + Duration::from_secs(1), Later::End(Rc::clone(link), false));
    }

    /// A socket has ended.
    pub(super) fn end(&mut self, link: &Rc<Link>, is_doubtful: bool) {
        self.tell(|| format!("{:?} ends, doubtful: {is_doubtful}", link.uid()));
        for node in &self.nodes {
            node.fanout.unregister(link);
        }
        if is_doubtful {
            link.doubt();
        }
        link.end();
        self.deliver();
    }

    /// A client's session begins, if there is none.
    fn begin_session(&mut self, client: usize) {
        let node = self.node_of(client);
        if self.nodes[node].sessions.contains_key(&client) {
            return;
        }
        let incarnation = self.next();
        let seat = Seat { node, token: client, incarnation };
        let stored = self.clients[client].stored.iter();
        let stored = stored.filter(|id| self.store.find(id).is_some());
        let permanent =
            stored.map(|id| Subscription { channel: id.clone(), created_at: Timestamp(1) });
        let permanent = permanent.collect();
        let around = (&self.post, &self.live, &self.reported);
        let identity =
            if client < TOKENS { Identity::Token(token(client)) } else { Identity::Anonymous };
        self.nodes[node].begin(identity, seat, permanent, around);
        self.note_direct(client, Position::start(Epoch(incarnation)));
    }

    /// A token's client connects; a session is begun if there is none.
    pub(super) fn connect(&mut self, token_number: usize, room: usize) {
        let node = self.node_of(token_number);
        self.begin_session(token_number);
        let (uid, number) = (ConnectionUid::next(), self.next());
        let cid = ConnectionId::from(format!("cid-{number}").as_str());
        let origin = Origin { address: None, user_agent: None, since: Timestamp(1), nonce: 0 };
        let fanout = self.nodes[node].fanout.clone();
        let link = Rc::new(Link::new(uid, cid.clone(), origin, &fanout.pressure(QUEUES)));
        let wire = Rc::new(super::wire::Wire::new(room));
        let following = self.clients[token_number].following.as_ref();
        let resume = following.map(|following| Arc::new(following.resume()));
        let names = ["version", "presence", "resume"].map(str::to_owned);
        let extensions = Extensions::granted(&names[..if resume.is_some() { 3 } else { 2 }]);
        link.set_identity(ProjectId::from(PROJECT), extensions, Form::default());
        if token_number < TOKENS {
            link.count();
        }
        link.push_to(wire.clone());
        link.set_actor(Ear { uid, notes: Rc::clone(&self.notes) }.start().recipient());
        fanout.register(&link);
        let (worker, profile) = (fanout.handle(), link.profile());
        let connection = ConnectionRef { uid, worker, profile };
        let extensions = Some(extensions);
        let mut connect = Connect {
            project: ProjectId::from("q"),
            connection,
            cid,
            address: None,
            extensions,
            resume,
            expiry: None,
        };
        let Some(here) = self.nodes[node].sessions.get_mut(&token_number) else { return };
        if token_number < TOKENS && here.machine.uid().number() % 3 == 0 {
            let refused = here.machine.connect(connect.clone(), now(), &mut here.acting);
            assert!(refused.is_err(), "a token let in for another project");
        }
        connect.project = ProjectId::from(PROJECT);
        if self.is_told {
            println!("{:>6} token {token_number} comes as {uid:?}", self.count);
        }
        if here.machine.connect(connect, now(), &mut here.acting).is_err() {
            fanout.unregister(&link);
            link.end();
            return self.deliver();
        }
        link.set_session(Back::home(here.seat, &self.reported));
        here.acting.outlet.leave_behind();
        let (known, read) = (BTreeMap::new(), Vec::new());
        let socket = Socket { wire, link, has_init: false, known, read };
        self.clients[token_number].socket = Some(socket);
        self.deliver();
    }

    /// A client reads, and its side acknowledges more than that.
    pub(super) fn read(&mut self, token: usize, bytes: usize) {
        if let Some(socket) = &self.clients[token].socket {
            socket.wire.acknowledge(bytes.saturating_mul(2));
        }
        self.read_on(token, bytes);
    }

    /// Whether there is something that a client could read.
    pub(super) fn has_unread(&self, token: usize) -> bool {
        let socket = self.clients[token].socket.as_ref();
        socket.is_some_and(|socket| socket.wire.has_unread())
    }

    /// A client reads of what has come to its side.
    pub(super) fn read_on(&mut self, token: usize, bytes: usize) {
        let client = &mut self.clients[token];
        let Some(socket) = &mut client.socket else { return };
        let before = socket.read.len();
        let closed = socket.read(bytes, &mut client.told, &mut client.following);
        if socket.wire.is_read() {
            // A client that says something has read what has come to its side.
            socket.link.heard(Instant::now().duration_since(self.began));
        }
        let read: Vec<u64> = socket.read[before..].to_vec();
        let states: Vec<_> = socket
            .known
            .iter()
            .filter_map(|(channel, known)| {
                known.state.clone().map(|(version, state)| (channel.clone(), version, state))
            })
            .collect();
        let is_over = closed.is_some() || (socket.wire.is_over() && socket.wire.is_read());
        let link = Rc::clone(&socket.link);
        if !read.is_empty() {
            self.tell(|| format!("token {token} reads {read:?} on {:?}", link.uid()));
        }
        for number in read {
            self.note(number);
        }
        for (channel, version, state) in states {
            assert!(
                self.store.was(&channel, version, &state),
                "{channel}: shown {state} as version {version}, which was never stored"
            );
        }
        if is_over {
            self.clients[token].socket = None;
            self.end(&link, false);
        }
    }

    /// A client's socket breaks: at once for both sides, or the server notices much later.
    pub(super) fn disconnect(&mut self, token: usize, is_silent: bool) {
        // Of one that the server has closed for being slow, what its system took counts as read (docs/RUNTIME.md).
        let is_closed = |socket: &Socket| socket.link.is_gone();
        let is_silent = is_silent && !self.clients[token].socket.as_ref().is_some_and(is_closed);
        if !is_silent {
            // What has come to its side, a client that lives on reads; what a page that froze had before it, comes again.
            self.read_on(token, usize::MAX);
        }
        let Some(socket) = self.clients[token].socket.take() else { return };
        self.tell(|| {
            format!("token {token} leaves {:?}, silently: {is_silent}", socket.link.uid())
        });
        if is_silent {
            let at = Instant::now() + SILENCE;
            self.plan(at, Later::End(socket.link, true));
        } else {
            socket.wire.cut();
            self.end(&socket.link, false);
        }
    }
}

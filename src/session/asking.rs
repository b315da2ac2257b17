//! Asking a channel to let the session in, where nothing has to be stored: the question subscribes, if the answer is yes.
//!
//! Until then the session does not hold the channel: nobody publishes there or attaches to it. The channel may know the
//! session already, so it is told what every channel is told.

use super::connecting::Newcomers;
use super::effects::SessionEffects;
use super::{Attendant, SessionMachine};
use crate::delivery::fanout::ConnectionUid;
use crate::domain::{ChannelId, Timestamp};
use crate::faults::{Fault, is_planted};

/// A channel that is asked.
pub(super) struct AskedChannel<C> {
    /// The way to it.
    channel: C,
    /// The connections that would hear it.
    connections: Vec<ConnectionUid>,
    /// Whether the subscription would end with the session.
    is_ephemeral: bool,
    /// Since when it would be there.
    since: Timestamp,
    /// Whether the channel has said that it ends, or was deleted.
    has_ended: bool,
}

impl<E: SessionEffects> SessionMachine<E> {
    /// The channels that are asked.
    pub(super) fn asked(&self) -> impl Iterator<Item = (&ChannelId, &E::Channel)> {
        self.joining.iter().filter_map(|(id, asked)| Some((id, &asked.as_ref()?.channel)))
    }

    /// A channel that is wanted is asked to let the session in, with all connections that there are now.
    pub fn ask(
        &mut self,
        id: &ChannelId,
        channel: E::Channel,
        is_ephemeral: bool,
        since: Timestamp,
    ) {
        let connections = self.connections.keys().copied().collect();
        let asked = AskedChannel { channel, connections, is_ephemeral, since, has_ended: false };
        self.joining.insert(id.clone(), Some(asked));
    }

    /// The channel said no, or has ended before it said anything; false if it has let the session in before.
    pub fn not_admitted(&mut self, id: &ChannelId) -> bool {
        self.joining.get_mut(id).is_some_and(|joining| joining.take().is_some())
    }

    /// A channel lets the session in.
    pub(super) fn admitted(&mut self, id: &ChannelId, channel: &E::Channel, effects: &mut E) {
        let asked = self.joining.get(id).and_then(Option::as_ref);
        if asked.is_some_and(|asked| asked.channel == *channel) {
            self.let_in(id, effects);
        }
    }

    /// The channel that is asked lets the session in. Connections that came since are made known to it.
    pub fn let_in(&mut self, id: &ChannelId, effects: &mut E) {
        let Some(AskedChannel { channel, connections, is_ephemeral, since, has_ended }) =
            self.joining.get_mut(id).and_then(Option::take)
        else {
            return;
        };
        self.hold(id, channel.clone(), is_ephemeral, since, effects);
        if has_ended {
            return effects.look_for(id);
        }
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        for (uid, Attendant { connection, connecting, .. }) in &mut self.connections {
            if connections.contains(uid) || is_planted(Fault::NewcomersLeftOut) {
                continue;
            }
            if let Some(connecting) = connecting {
                connecting.waiting.insert(id.clone());
                outside.push(connection.clone());
            } else {
                inside.push(connection.clone());
            }
        }
        if !inside.is_empty() || !outside.is_empty() {
            self.introduce(id, &channel, Newcomers { inside, outside }, false, effects);
        }
    }

    /// A channel that is asked says that it ends, or was deleted: what it answers is out of date.
    pub(super) fn asked_ended(&mut self, id: &ChannelId, channel: &E::Channel) {
        let asked = self.joining.get_mut(id).and_then(Option::as_mut);
        if let Some(asked) = asked.filter(|asked| asked.channel == *channel) {
            asked.has_ended = true;
        }
    }
}

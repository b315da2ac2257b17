//! Subscribing and unsubscribing, as far as the session decides it: what has to be asked and stored, and what is held.

use super::effects::{Ephemeral, SessionEffects};
use super::{HeldSubscription, Identity, SessionMachine};
use crate::delivery::fanout::ConnectionUid;
use crate::domain::channel::SubscriberKind;
use crate::domain::{ChannelId, LeapTokenId, Timestamp};

/// What one subscription takes.
pub struct WantedSubscription<C> {
    /// The way to the channel, as far as known.
    pub channel: Option<C>,
    /// Who asks the channel; none if it need not be asked.
    pub subscriber: Option<SubscriberKind>,
    /// The token to store a permanent subscription for; none if there is nothing to store.
    pub token: Option<LeapTokenId>,
    /// Whether it is one that webhooks have not heard of.
    pub is_news: bool,
}

/// Why there is no way to a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoWay {
    /// The session is subscribed, and the channel is just being looked for.
    LookedFor,
    /// The session is not subscribed.
    NotSubscribed,
}

impl<E: SessionEffects> SessionMachine<E> {
    /// Works out what a subscription takes, which counts as held from now on; `is_granted` in the back end's name.
    ///
    /// # Errors
    /// The most channels that a session may have, if it has as many.
    pub fn want(
        &mut self,
        id: &ChannelId,
        is_ephemeral: bool,
        is_granted: bool,
        effects: &E,
    ) -> Result<WantedSubscription<E::Channel>, usize> {
        let held = self.subscriptions.get(id);
        let limit = effects.limits().channels;
        if held.is_none() && self.subscriptions.len() + self.joining.len() >= limit {
            return Err(limit);
        }
        let subscriber = match &self.identity {
            Identity::Anonymous => SubscriberKind::Anonymous,
            Identity::Token(_) => SubscriberKind::Token { is_granted },
            Identity::Project => SubscriberKind::Project,
        };
        let is_stored = held.is_some_and(|held| !held.is_ephemeral);
        let must_store = !is_ephemeral && !is_stored;
        let wanted = WantedSubscription {
            channel: held.and_then(|held| held.channel.clone()),
            subscriber: (held.is_none() && !is_granted).then_some(subscriber),
            token: self.token().filter(|_| must_store).map(|token| token.id.clone()),
            is_news: held.is_none() || must_store,
        };
        if held.is_none() {
            self.joining.insert(id.clone(), None);
        }
        Ok(wanted)
    }

    /// It comes to nothing, or is held: it counts as that only.
    pub fn settle_wanted(&mut self, id: &ChannelId) {
        self.joining.remove(id);
    }

    /// Holds a subscription that was checked and stored.
    pub fn hold(
        &mut self,
        id: &ChannelId,
        channel: E::Channel,
        is_ephemeral: bool,
        now: Timestamp,
        effects: &mut E,
    ) {
        // An ephemeral grant to an offline token has to outlive this call: the session waits for a connection as after
        // one that has gone.
        self.had_connections |= is_ephemeral;
        // The permanent kind wins.
        let before = self.subscriptions.get(id);
        let was_permanent = before.is_some_and(|held| !held.is_ephemeral);
        let was_ephemeral = before.is_some_and(|held| held.is_ephemeral);
        let is_ephemeral = is_ephemeral && !was_permanent;
        let since = before.map_or(now, |held| held.since);
        let is_behind = before.is_some_and(|held| held.is_behind);
        let held = HeldSubscription { channel: Some(channel), is_ephemeral, since, is_behind };
        self.subscriptions.insert(id.clone(), held);
        self.tell_ephemeral(id, was_ephemeral, is_ephemeral, effects);
        self.joining.remove(id);
    }

    /// Holds a subscription that another server has made, which has told webhooks of it.
    pub fn follow(
        &mut self,
        id: &ChannelId,
        channel: E::Channel,
        is_ephemeral: bool,
        now: Timestamp,
    ) {
        if let Some(held) = self.subscriptions.get_mut(id) {
            held.is_ephemeral &= is_ephemeral;
            return;
        }
        let channel = Some(channel);
        let held = HeldSubscription { channel, is_ephemeral, since: now, is_behind: false };
        self.subscriptions.insert(id.clone(), held);
    }

    /// The channels whose subscription is not one of these, which are stored: those that are missing, and those that are held as
    /// permanent and are not.
    pub fn other_than(&self, stored: &[ChannelId]) -> Vec<ChannelId> {
        let missing = stored.iter().filter(|id| !self.subscriptions.contains_key(*id));
        let gone = self.subscriptions.iter().filter(|(_, held)| !held.is_ephemeral);
        let gone = gone.map(|(id, _)| id).filter(|id| !stored.contains(id));
        missing.chain(gone).cloned().collect()
    }

    /// Tells that an ephemeral subscription was made or has ended. One that becomes permanent has not: that it is
    /// permanent, the store tells.
    pub(super) fn tell_ephemeral(&self, id: &ChannelId, was: bool, is: bool, effects: &mut E) {
        if was == is || self.token().is_none() {
            return;
        }
        let what = match (is, self.subscriptions.contains_key(id)) {
            (true, _) => Ephemeral::Made,
            (false, true) => Ephemeral::Replaced,
            (false, false) => Ephemeral::Ended,
        };
        effects.ephemeral(id, self.card(), what);
    }

    /// Gives up a subscription; `asker` is the connection that wants it, which is not told.
    pub fn give_up(&mut self, id: &ChannelId, asker: Option<ConnectionUid>, effects: &mut E) {
        let Some(held) = self.subscriptions.shift_remove(id) else { return };
        effects.unsubscribe(id, held.channel.as_ref(), self.card(), asker);
        self.tell_ephemeral(id, held.is_ephemeral, false, effects);
        self.stop_waiting_for(id, effects);
    }

    /// The way to a channel that the session is subscribed to.
    ///
    /// # Errors
    /// [`NoWay`] where there is none now.
    pub fn subscribed(&self, id: &ChannelId) -> Result<&E::Channel, NoWay> {
        let held = self.subscriptions.get(id).ok_or(NoWay::NotSubscribed)?;
        held.channel.as_ref().ok_or(NoWay::LookedFor)
    }
}

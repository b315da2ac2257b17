//! What HTTP asks the supervisor.

use super::super::channel::{self, ChannelActor, ConnectionPart, ConnectionRef, Published};
use super::super::clock;
use super::super::receipt::Receipt;
use super::super::session::{self, SessionActor};
use super::super::shard::FindSession;
use super::{ATTEMPTS, Supervisor, recording};
use crate::ask::{AskError, ChangeError};
use crate::channel::{MemberPlace, PresentPart};
use crate::delivery::ConnectionInfo;
use crate::delivery::fanout::{ConnectionUid, FanoutHandle, LinkVisit, Order};
use crate::domain::{
    Capabilities, Channel, ChannelKey, ConnectionId, HistoryLimits, LeapTokenId, Message, Position,
    ProjectId, State, StateChange, Subscription, Version, Visibility,
};
use crate::heavy;
use crate::metrics;
use crate::num;
use crate::protocol::profiles::LEAST_HEAVY;
use crate::protocol::{Close, CloseCode, EncodedEvent, Event, PresentMember, Profiles, Refusal};
use crate::store::{Appended, FoundVersion, Start, Thing, WantedVersion};
use actix::dev::MessageResponse;
use actix::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::oneshot;

impl Supervisor {
    /// Publishes to a channel; done when the message is in the outgoing queue of every live session.
    ///
    /// # Errors
    /// `NotFound(Channel)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn publish(&self, key: &ChannelKey, message: Message) -> Result<Published, AskError> {
        self.publish_once(key, message, None).await
    }

    /// The same for a call that may be repeated, where the channel keeps its messages.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub async fn publish_once(
        &self,
        key: &ChannelKey,
        message: Message,
        receipt: Option<Receipt<Appended>>,
    ) -> Result<Published, AskError> {
        let _publishing = self.publishing()?;
        let ask = || channel::Publish { message: message.clone(), receipt: receipt.clone() };
        self.ask_channel(key, ask).await?
    }

    /// What stands on a channel's line before a position is not kept any more.
    ///
    /// # Errors
    /// `NotFound(Channel)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn trim_channel(
        &self,
        key: &ChannelKey,
        before: Position,
        receipt: Option<Receipt<()>>,
    ) -> Result<(), AskError> {
        self.ask_channel(key, || channel::Trim { before, receipt: receipt.clone() }).await?
    }

    /// Changes a channel's state; done when the change is durable and on its way to every subscriber.
    ///
    /// `expected` refuses the change unless the state is the one that it names.
    ///
    /// # Errors
    /// [`ChangeError`]; `NotFound(Channel)` is in its `Ask`.
    pub async fn change_state(
        &self,
        key: &ChannelKey,
        change: StateChange,
        expected: channel::Expected,
        receipt: Option<Receipt<channel::Changed>>,
    ) -> Result<channel::Changed, ChangeError> {
        let way = self.way_to(key).await?;
        self.send_change(way, change, expected, receipt, None).await
    }

    /// A version of a channel's state that is not in force any more, for one of its subscribers.
    ///
    /// # Errors
    /// [`Refusal::VersionGone`] where it is not kept; what reading fails with.
    pub async fn kept_state(&self, key: &ChannelKey, version: Version) -> Result<State, Refusal> {
        let (wanted, bounds) = (WantedVersion::Number(version), self.settings().state_log);
        let of = key.clone();
        let found = self
            .persistence()
            .read(move |store| store.find_version(&of, wanted, &bounds, clock::now()))
            .await
            .map_err(|error| Refusal::from(&error))?;
        let Some(FoundVersion::Kept(_, stored)) = found else { return Err(Refusal::VersionGone) };
        let rebuilt = heavy::run_in_turn(&key.project, move || stored.rebuilt()).await;
        rebuilt.ok().and_then(Result::ok).ok_or(Refusal::Overloaded)
    }

    /// Changes who may subscribe and what the channel can do; what is `None` stays.
    ///
    /// # Errors
    /// `NotFound(Channel)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn update_channel(
        &self,
        key: &ChannelKey,
        visibility: Option<Visibility>,
        capabilities: Option<Capabilities>,
        history: Option<HistoryLimits>,
        receipt: Option<Receipt<Channel>>,
    ) -> Result<Channel, AskError> {
        let receipt = || receipt.clone();
        let ask = || channel::Update { visibility, capabilities, history, receipt: receipt() };
        self.ask_channel(key, ask).await?
    }

    /// Deletes a channel for good; its subscribers hear of it.
    ///
    /// # Errors
    /// `NotFound(Channel)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn delete_channel(
        &self,
        key: &ChannelKey,
        receipt: Option<Receipt<()>>,
    ) -> Result<(), AskError> {
        self.ask_channel(key, || channel::Delete(receipt.clone())).await?
    }

    /// How many sessions are connected and subscribed now; zero also for a channel that does not exist.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn online_count(&self, key: &ChannelKey) -> Result<u64, AskError> {
        Ok(self.counts(key).await?.0)
    }

    /// Subscribes a token in the back end's name; live connections hear `AVAILABLE`.
    ///
    /// # Errors
    /// `NotFound(Token)` (also for another project's), `NotFound(Channel)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn subscribe(
        &self,
        key: &ChannelKey,
        token: &LeapTokenId,
        is_ephemeral: bool,
        receipt: Option<Receipt<()>>,
    ) -> Result<(), AskError> {
        let ask = || session::Grant {
            project: key.project.clone(),
            channel: key.id.clone(),
            is_ephemeral,
            receipt: receipt.clone(),
        };
        self.ask_session(token, ask).await?
    }

    /// Unsubscribes a token in the back end's name; live connections hear `UNAVAILABLE`. No error where it was not
    /// subscribed.
    ///
    /// # Errors
    /// `NotFound(Token)` (also for another project's), [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn unsubscribe(
        &self,
        key: &ChannelKey,
        token: &LeapTokenId,
        receipt: Option<Receipt<()>>,
    ) -> Result<(), AskError> {
        let ask = || session::Revoke {
            project: key.project.clone(),
            channel: key.id.clone(),
            receipt: receipt.clone(),
        };
        self.ask_session(token, ask).await?
    }

    /// Sends a message to all connections of a token; accepted and dropped when it is offline for good.
    ///
    /// # Errors
    /// `NotFound(Token)` (also for another project's), [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn direct_message(
        &self,
        project: &ProjectId,
        token: &LeapTokenId,
        message: Message,
    ) -> Result<(), AskError> {
        let _publishing = self.publishing()?;
        let was_here = self.bus().is_some() && self.find_session(token).await?.is_some();
        let mut is_elsewhere = self.direct_elsewhere(project, token, &message).await?;
        if self.restart().is_some() && !is_elsewhere {
            // Who was there before the start may be on the way back: the session keeps it for them.
            let (project, message) = (project.clone(), message);
            let make = || session::Direct { project: project.clone(), message: message.clone() };
            return self.ask_session(token, make).await?;
        }
        if let Some(outcome) = self.direct_here(project, token, &message).await? {
            return outcome;
        }
        if was_here && !is_elsewhere {
            // It has gone on elsewhere while that was asked.
            is_elsewhere = self.direct_elsewhere(project, token, &message).await?;
        }
        if is_elsewhere {
            return Ok(());
        }
        let wanted = token.clone();
        let found = self.persistence().read(move |store| store.find_token(&wanted)).await?;
        let is_ours = found.is_some_and(|token| token.project == *project);
        is_ours.then_some(()).ok_or(AskError::not_found(Thing::Token))
    }

    /// Hands a message to this server's session of a token; none where there is none.
    pub(super) async fn direct_here(
        &self,
        project: &ProjectId,
        token: &LeapTokenId,
        message: &Message,
    ) -> Result<Option<Result<(), AskError>>, AskError> {
        for _ in 0..ATTEMPTS {
            let Some(live) = self.find_session(token).await? else { break };
            let direct = session::Direct { project: project.clone(), message: message.clone() };
            if let Ok(outcome) = live.send(direct).await {
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    /// A token's ephemeral subscriptions, which only its live session knows; none where there is no session.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn ephemeral_subscriptions(
        &self,
        token: &LeapTokenId,
    ) -> Result<Vec<Subscription>, AskError> {
        let mut all = self.ephemeral_here(token).await?;
        for held in self.ephemeral_elsewhere(token).await? {
            if !all.iter().any(|known| known.channel == held.channel) {
                all.push(held);
            }
        }
        all.sort_by_key(|held| held.created_at);
        Ok(all)
    }

    /// Tells a live session that its token's state or expiry was changed in the store.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn token_changed(&self, token: &LeapTokenId) -> Result<(), AskError> {
        self.token_changed_here(token).await?;
        self.token_changed_elsewhere(token).await
    }

    /// The same, of this server's session.
    pub(super) async fn token_changed_here(&self, token: &LeapTokenId) -> Result<(), AskError> {
        if let Some(live) = self.find_session(token).await? {
            // One that ends just now is read from the store anew.
            let _ = live.send(session::TokenChanged).await;
        }
        Ok(())
    }

    /// Ends the live session of a token that was deleted from the store: its connections close with 4001.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn token_deleted(&self, token: &LeapTokenId) -> Result<(), AskError> {
        self.token_deleted_here(token).await?;
        self.token_deleted_elsewhere(token).await
    }

    /// The same, of this server's session.
    pub(super) async fn token_deleted_here(&self, token: &LeapTokenId) -> Result<(), AskError> {
        if let Some(live) = self.find_session(token).await? {
            // One that ends just now has no connections any more.
            let _ = live.send(session::TokenEnded("the token was deleted")).await;
        }
        Ok(())
    }

    /// Deletes an ephemeral channel that nobody has come back to.
    ///
    /// # Errors
    /// `NotFound(Channel)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn sweep_channel(&self, key: &ChannelKey) -> Result<(), AskError> {
        self.ask_channel(key, || channel::Sweep).await
    }

    /// A part of who is in a channel; none where the channel does not show it.
    ///
    /// # Errors
    /// `NotFound(Channel)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn presence(
        &self,
        key: &ChannelKey,
        start: &Start<MemberPlace>,
        limit: u64,
    ) -> Result<Option<Vec<PresentMember>>, AskError> {
        if self.bus().is_none() {
            let here = self.presence_here(key, start, limit).await?;
            return Ok(here.map(|part| part.members));
        }
        // How many are before it on other servers, is not known here.
        let (first, most) = match start {
            Start::Skip(count) => (Start::Skip(0), limit.saturating_add(*count)),
            behind @ Start::Behind(_) => (behind.clone(), limit),
        };
        let Some(here) = self.presence_here(key, &first, most).await? else { return Ok(None) };
        Ok(Some(self.present_everywhere(key, start, limit, here.members).await))
    }

    /// How many are in a channel; none where the channel does not show it.
    ///
    /// # Errors
    /// `NotFound(Channel)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn present_count(&self, key: &ChannelKey) -> Result<Option<u64>, AskError> {
        match self.presence_here(key, &Start::Skip(0), 0).await? {
            None => Ok(None),
            Some(here) if self.bus().is_none() => Ok(Some(num::counter(here.total))),
            Some(_) => Ok(Some(self.counts(key).await?.1)),
        }
    }

    /// A part of who is in a channel here, and how many of them there are.
    pub(super) async fn presence_here(
        &self,
        key: &ChannelKey,
        start: &Start<MemberPlace>,
        limit: u64,
    ) -> Result<Option<PresentPart>, AskError> {
        self.ask_channel(key, || channel::ListPresence { start: start.clone(), limit }).await
    }

    /// A part of the live connections that hear a channel.
    ///
    /// # Errors
    /// `NotFound(Channel)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn channel_connections(
        &self,
        key: &ChannelKey,
        start: Start<ConnectionUid>,
        limit: u64,
    ) -> Result<ConnectionPart, AskError> {
        self.ask_channel(key, || channel::ListHearers { start, limit }).await
    }

    /// A part of the live connections of a token.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn token_connections(
        &self,
        project: &ProjectId,
        token: &LeapTokenId,
        start: Start<ConnectionUid>,
        limit: u64,
    ) -> Result<ConnectionPart, AskError> {
        let none = ConnectionPart { connections: Vec::new(), total: 0 };
        let Some(live) = self.find_session(token).await? else { return Ok(none) };
        let asked = session::ListTokenConnections { project: project.clone(), start, limit };
        // One that ends just now has none any more.
        Ok(live.send(asked).await.unwrap_or(none))
    }

    /// Hands one connection a message; false if there is no such connection in the project.
    ///
    /// # Errors
    /// [`AskError::Closed`].
    pub async fn message_connection(
        &self,
        project: &ProjectId,
        cid: &ConnectionId,
        message: Message,
    ) -> Result<bool, AskError> {
        Ok(self.message_here(project, cid, message.clone()).await?
            || self.message_elsewhere(project, cid, &message).await?)
    }

    /// The same, if it is on this server.
    pub(super) async fn message_here(
        &self,
        project: &ProjectId,
        cid: &ConnectionId,
        message: Message,
    ) -> Result<bool, AskError> {
        let _publishing = self.publishing()?;
        metrics::count(|cells| cells.tallies.direct_messages.add(1));
        let tape = self.tape(project);
        let recorded = recording::direct(&tape, &message);
        let event = Event::DirectMessage { message, is_unicast: true };
        let dispatch = Arc::new(EncodedEvent::new(event));
        self.make_for(project, cid, &dispatch).await;
        let is_there = self.visit(project, cid, LinkVisit::Deliver(dispatch)).await?;
        if let Some(recorded) = recorded {
            recorded.handed(cid, is_there);
        }
        Ok(is_there)
    }

    /// Makes a large event in the form that a connection needs, outside its thread.
    async fn make_for(
        &self,
        project: &ProjectId,
        cid: &ConnectionId,
        dispatch: &Arc<EncodedEvent>,
    ) {
        if dispatch.size_hint() < LEAST_HEAVY {
            return;
        }
        let Some((fanout, uid)) = self.place_of(cid) else { return };
        let (reply, answer) = oneshot::channel();
        fanout.send(Order::Describe { connections: vec![uid], reply }).await;
        let profiles = answer.await.unwrap_or_default().into_iter().map(|info| info.profile);
        for forms in profiles.map(Profiles::from) {
            let dispatch = Arc::clone(dispatch);
            // A crash is noticed by the fan-out that needs the frame.
            let _ = heavy::run_in_turn(project, move || forms.make(&dispatch)).await;
        }
    }

    /// Where the connection of a public id is, as far as that says.
    fn place_of(&self, cid: &ConnectionId) -> Option<(FanoutHandle, ConnectionUid)> {
        let mut parts = cid.as_str().splitn(3, '-').map(|part| u64::from_str_radix(part, 16).ok());
        let (index, uid) = (parts.next()??, parts.next()??);
        Some((self.fanout_of(index)?, ConnectionUid::from_number(uid)))
    }

    /// Ends one connection (4000); false if there is no such connection in the project.
    ///
    /// # Errors
    /// [`AskError::Closed`].
    pub async fn close_connection(
        &self,
        project: &ProjectId,
        cid: &ConnectionId,
    ) -> Result<bool, AskError> {
        Ok(self.close_here(project, cid).await? || self.close_elsewhere(project, cid).await?)
    }

    /// The same, if it is on this server.
    pub(super) async fn close_here(
        &self,
        project: &ProjectId,
        cid: &ConnectionId,
    ) -> Result<bool, AskError> {
        let close = Close::new(CloseCode::Unknown, "closed by the operator");
        self.visit(project, cid, LinkVisit::Close(close)).await
    }

    /// Does something to the connection of a public id, which says where it is.
    async fn visit(
        &self,
        project: &ProjectId,
        cid: &ConnectionId,
        visit: LinkVisit,
    ) -> Result<bool, AskError> {
        let Some((fanout, connection)) = self.place_of(cid) else { return Ok(false) };
        let (reply, answer) = oneshot::channel();
        let (cid, project) = (cid.clone(), project.clone());
        fanout.send(Order::Visit { connection, cid, project, visit, reply }).await;
        answer.await.ok().ok_or(AskError::Closed)
    }

    /// The session of a token, only if there is one.
    pub(super) async fn find_session(
        &self,
        token: &LeapTokenId,
    ) -> Result<Option<Addr<SessionActor>>, AskError> {
        self.shard(token).ask(|| FindSession(token.clone())).await
    }

    /// Asks a channel; one that ends just then is looked for again.
    pub(super) async fn ask_channel<M>(
        &self,
        key: &ChannelKey,
        make: impl Fn() -> M,
    ) -> Result<M::Result, AskError>
    where
        ChannelActor: Handler<M>,
        M: actix::Message + Send + 'static,
        M::Result: MessageResponse<ChannelActor, M> + Send,
    {
        for _ in 0..ATTEMPTS {
            if let Ok(answer) = self.channel(key).await?.send(make()).await {
                return Ok(answer);
            }
        }
        Err(AskError::Closed)
    }

    /// Asks a token's session; one that ends just then is looked for again.
    async fn ask_session<M>(
        &self,
        token: &LeapTokenId,
        make: impl Fn() -> M,
    ) -> Result<M::Result, AskError>
    where
        SessionActor: Handler<M>,
        M: actix::Message + Send + 'static,
        M::Result: MessageResponse<SessionActor, M> + Send,
    {
        for _ in 0..ATTEMPTS {
            if let Ok(answer) = self.session(token).await?.send(make()).await {
                return Ok(answer);
            }
        }
        Err(AskError::Closed)
    }
}

/// Asks the fan-outs about their connections; those that have gone are left out.
pub async fn describe(connections: Vec<ConnectionRef>) -> HashMap<ConnectionUid, ConnectionInfo> {
    let mut by_fanout: HashMap<usize, (FanoutHandle, Vec<ConnectionUid>)> = HashMap::new();
    for ConnectionRef { uid, worker, .. } in connections {
        by_fanout.entry(worker.index()).or_insert_with(|| (worker, Vec::new())).1.push(uid);
    }
    let mut all = HashMap::new();
    for (fanout, connections) in by_fanout.into_values() {
        let (reply, answer) = oneshot::channel();
        fanout.send(Order::Describe { connections, reply }).await;
        // A thread that has gone has no connections.
        let described = answer.await.unwrap_or_default();
        all.extend(described.into_iter().map(|info| (info.uid, info)));
    }
    all
}

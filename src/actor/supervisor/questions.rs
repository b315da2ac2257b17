//! What HTTP asks the supervisor.

use super::super::ask::{AskError, ChangeError};
use super::super::channel::{self, ChannelActor};
use super::super::session::{self, SessionActor};
use super::super::shard::{FindChannel, FindSession};
use super::{ATTEMPTS, Supervisor};
use crate::domain::{
    Capabilities, Change, Channel, ChannelKey, LeapToken, LeapTokenId, Message, ProjectId, State,
    Subscription, Version, Visibility,
};
use crate::store::Thing;
use actix::dev::{MessageResponse, ToEnvelope};
use actix::prelude::*;
use std::collections::HashSet;

impl Supervisor {
    /// Publishes to a channel; done when the message is in the outgoing queue of every live session.
    ///
    /// # Errors
    /// `NotFound(Channel)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn publish(&self, key: &ChannelKey, message: Message) -> Result<(), AskError> {
        self.ask_channel(key, || channel::Publish(message.clone())).await
    }

    /// Changes a channel's state; done when the change is durable and on its way to every subscriber.
    ///
    /// `if_version` refuses the change unless the state is at that version.
    ///
    /// # Errors
    /// [`ChangeError`]; `NotFound(Channel)` is in its `Ask`.
    pub async fn change_state(
        &self,
        key: &ChannelKey,
        change: Change,
        if_version: Option<Version>,
    ) -> Result<(State, Version), ChangeError> {
        let ask = || channel::ChangeState { change: change.clone(), if_version, is_client: false };
        self.ask_channel(key, ask).await?
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
    ) -> Result<Channel, AskError> {
        self.ask_channel(key, || channel::Update { visibility, capabilities }).await?
    }

    /// Deletes a channel for good; its subscribers hear of it.
    ///
    /// # Errors
    /// `NotFound(Channel)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn delete_channel(&self, key: &ChannelKey) -> Result<(), AskError> {
        self.ask_channel(key, || channel::Delete).await?
    }

    /// How many sessions are connected and subscribed now; zero also for a channel that does not exist.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn online_count(&self, key: &ChannelKey) -> Result<u64, AskError> {
        match ask(self.shard(key)?, FindChannel(key.clone())).await? {
            // One that ends just now has nobody any more.
            Some(address) => Ok(address.send(channel::OnlineCount).await.unwrap_or(0)),
            None => Ok(0),
        }
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
    ) -> Result<(), AskError> {
        let ask = || session::Grant {
            project: key.project.clone(),
            channel: key.id.clone(),
            is_ephemeral,
        };
        self.ask_session(token, ask).await?
    }

    /// Unsubscribes a token in the back end's name; live connections hear `UNAVAILABLE`. No error where it was not
    /// subscribed.
    ///
    /// # Errors
    /// `NotFound(Token)` (also for another project's), [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn unsubscribe(&self, key: &ChannelKey, token: &LeapTokenId) -> Result<(), AskError> {
        let ask = || session::Revoke { project: key.project.clone(), channel: key.id.clone() };
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
        for _ in 0..ATTEMPTS {
            let Some(live) = self.find_session(token).await? else { break };
            let direct = session::Direct { project: project.clone(), message: message.clone() };
            if let Ok(outcome) = live.send(direct).await {
                return outcome;
            }
        }
        let wanted = token.clone();
        let found = self.persistence().read(move |store| store.find_token(&wanted)).await?;
        let is_ours = found.is_some_and(|token| token.project == *project);
        is_ours.then_some(()).ok_or(AskError::not_found(Thing::Token))
    }

    /// Which of these tokens have a connection now.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn online_tokens(
        &self,
        tokens: Vec<LeapTokenId>,
    ) -> Result<HashSet<LeapTokenId>, AskError> {
        let mut online = HashSet::new();
        for token in tokens {
            if let Some(live) = self.find_session(&token).await?
                && live.send(session::IsOnline).await.unwrap_or(false)
            {
                online.insert(token);
            }
        }
        Ok(online)
    }

    /// A token's ephemeral subscriptions, which only its live session knows; none where there is no session.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn ephemeral_subscriptions(
        &self,
        token: &LeapTokenId,
    ) -> Result<Vec<Subscription>, AskError> {
        match self.find_session(token).await? {
            // One that ends just now takes them along.
            Some(live) => Ok(live.send(session::listing::ListEphemeral).await.unwrap_or_default()),
            None => Ok(Vec::new()),
        }
    }

    /// Tells a live session that its token's state or expiry was changed in the store.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn token_changed(&self, token: LeapToken) -> Result<(), AskError> {
        if let Some(live) = self.find_session(&token.id).await? {
            // One that ends just now is read from the store anew.
            let _ = live.send(session::TokenChanged(token)).await;
        }
        Ok(())
    }

    /// Ends the live session of a token that was deleted from the store: its connections close with 4001.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn token_deleted(&self, token: &LeapTokenId) -> Result<(), AskError> {
        if let Some(live) = self.find_session(token).await? {
            // One that ends just now has no connections any more.
            let _ = live.send(session::TokenEnded("the token was deleted")).await;
        }
        Ok(())
    }

    /// The session of a token, only if there is one.
    async fn find_session(
        &self,
        token: &LeapTokenId,
    ) -> Result<Option<Addr<SessionActor>>, AskError> {
        ask(self.shard(token)?, FindSession(token.clone())).await
    }

    /// Asks a channel; one that ends just then is looked for again.
    async fn ask_channel<M>(
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

/// Asks an actor that is always there.
async fn ask<A, M>(to: &Addr<A>, message: M) -> Result<M::Result, AskError>
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: actix::Message + Send + 'static,
    M::Result: MessageResponse<A, M> + Send,
{
    to.send(message).await.ok().ok_or(AskError::Closed)
}

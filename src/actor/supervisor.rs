//! The supervisor: routes what HTTP asks for to the channel or session that it concerns.

use super::ask::{AskError, ChangeError};
use crate::domain::{
    Capabilities, Change, Channel, ChannelKey, LeapToken, LeapTokenId, Message, ProjectId, State,
    Version, Visibility,
};
use std::collections::HashSet;

/// The way to every channel and session, cheap to clone; each method is one question.
#[derive(Clone)]
pub struct Supervisor {}

impl Supervisor {
    /// Publishes to a channel; done when the message is in the outgoing queue of every live session.
    ///
    /// # Errors
    /// `NotFound(Channel)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn publish(&self, key: &ChannelKey, message: Message) -> Result<(), AskError> {
        unimplemented!("{key:?} {message:?}")
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
        unimplemented!("{key:?} {change:?} {if_version:?}")
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
        unimplemented!("{key:?} {visibility:?} {capabilities:?}")
    }

    /// Deletes a channel for good; its subscribers hear of it.
    ///
    /// # Errors
    /// `NotFound(Channel)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn delete_channel(&self, key: &ChannelKey) -> Result<(), AskError> {
        unimplemented!("{key:?}")
    }

    /// How many sessions are connected and subscribed now; zero also for a channel that does not exist.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn online_count(&self, key: &ChannelKey) -> Result<u64, AskError> {
        unimplemented!("{key:?}")
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
        unimplemented!("{key:?} {token:?} {is_ephemeral:?}")
    }

    /// Unsubscribes a token in the back end's name; live connections hear `UNAVAILABLE`. No error where it was not
    /// subscribed.
    ///
    /// # Errors
    /// `NotFound(Token)` (also for another project's), [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn unsubscribe(&self, key: &ChannelKey, token: &LeapTokenId) -> Result<(), AskError> {
        unimplemented!("{key:?} {token:?}")
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
        unimplemented!("{project:?} {token:?} {message:?}")
    }

    /// Which of these tokens have a connection now.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn online_tokens(
        &self,
        tokens: Vec<LeapTokenId>,
    ) -> Result<HashSet<LeapTokenId>, AskError> {
        unimplemented!("{tokens:?}")
    }

    /// Tells a live session that its token's state or expiry was changed in the store.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn token_changed(&self, token: LeapToken) -> Result<(), AskError> {
        unimplemented!("{token:?}")
    }

    /// Ends the live session of a token that was deleted from the store: its connections close with 4001.
    ///
    /// # Errors
    /// [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn token_deleted(&self, token: &LeapTokenId) -> Result<(), AskError> {
        unimplemented!("{token:?}")
    }
}

//! Questions to channels that are sent one behind the other, without waiting for the answers.

use super::super::channel::{self, ChannelActor, Handed, Published};
use super::super::receipt::Receipt;
use super::Supervisor;
use crate::ask::{AskError, ChangeError};
use crate::domain::{ChannelKey, Message, StateChange};
use crate::store::Appended;
use actix::prelude::*;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// The way to a channel's actor of the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelWay {
    /// The channel.
    key: ChannelKey,
    /// Its actor.
    address: Addr<ChannelActor>,
}

impl ChannelWay {
    /// The channel that it leads to.
    pub const fn key(&self) -> &ChannelKey {
        &self.key
    }
}

/// What became of a message that was handed to a channel.
pub enum Handover {
    /// It is published.
    Published(Published),
    /// It is on its way to the store; this tells when it is kept.
    UnderWay(BoxFuture<'static, Result<Published, AskError>>),
    /// Nothing: its channel keeps no messages, or its actor has just ended.
    Declined,
}

impl Supervisor {
    /// The way to a channel, for who sends it one question behind the other without waiting for the answers.
    ///
    /// # Errors
    /// `NotFound(Channel)`, [`AskError::Overloaded`], [`AskError::Closed`].
    pub async fn way_to(&self, key: &ChannelKey) -> Result<ChannelWay, AskError> {
        Ok(ChannelWay { key: key.clone(), address: self.channel(key).await? })
    }

    /// Changes a channel's state as [`Self::change_state`] does, by a way that is known: the change is with the channel
    /// when this returns, behind all that was sent by the same way before. Where the channel's actor has ended, it goes to
    /// the next one when it is waited for.
    ///
    /// # Errors
    /// [`ChangeError`]; `NotFound(Channel)` is in its `Ask`.
    pub fn send_change(
        &self,
        ChannelWay { key, address }: ChannelWay,
        change: StateChange,
        expected: channel::Expected,
        receipt: Option<Receipt<channel::Changed>>,
        by: Option<Arc<str>>,
    ) -> impl Future<Output = Result<channel::Changed, ChangeError>> + use<> {
        let ask = move || channel::ChangeState {
            change: change.clone(),
            expected,
            receipt: receipt.clone(),
            by: by.clone(),
        };
        let (sent, supervisor) = (address.send(ask()), self.clone());
        async move {
            match sent.await {
                Ok(answer) => answer,
                Err(_ended) => supervisor.ask_channel(&key, ask).await?,
            }
        }
    }

    /// Hands a message to a channel by a way that is known, behind all that was sent by it before. Where the channel keeps
    /// its messages this does not wait until this one is; where it does not, it is published, unless it is to be kept or
    /// nothing.
    ///
    /// # Errors
    /// [`AskError::Closed`].
    pub async fn hand(
        &self,
        ChannelWay { address, .. }: &ChannelWay,
        message: Message,
        receipt: Option<Receipt<Appended>>,
        is_only_kept: bool,
    ) -> Result<Handover, AskError> {
        let publishing = self.publishing()?;
        let handed = address.send(channel::Hand { message, receipt, is_only_kept }).await;
        Ok(match handed.unwrap_or(Handed::Declined) {
            Handed::Published(published) => Handover::Published(published),
            Handed::UnderWay(kept) => {
                let kept = async move {
                    let _publishing = publishing;
                    kept.await.unwrap_or(Err(AskError::Closed))
                };
                Handover::UnderWay(kept.boxed())
            }
            Handed::Declined => Handover::Declined,
        })
    }
}

//! A message to a channel: published and waited for, or handed over as one of many.

use super::answer::{self, Answer};
use super::call::Call;
use crate::actor::{ChannelWay, Handover, Receipt};
use crate::domain::Message;
use crate::store::Appended;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

/// What became of a message to a channel that was sent, or was not.
pub(crate) enum MessageHandover {
    /// It is published, or refused.
    Ended(Answer),
    /// It is on its way to the store or to the bus; what comes of that is the answer.
    UnderWay(LocalBoxFuture<'static, Answer>),
    /// It was not sent, as it would not be kept.
    Declined,
}

/// A message to a channel that only has to be sent.
pub(crate) struct ChannelMessage {
    /// The call that it belongs to.
    call: Call,
    /// The way to its channel.
    way: ChannelWay,
    /// It.
    message: Message,
}

impl ChannelMessage {
    /// A message of this call that is sent by this way.
    pub(super) const fn new(call: Call, way: ChannelWay, message: Message) -> Self {
        Self { call, way, message }
    }

    /// The way that it takes.
    pub(crate) const fn way(&self) -> &ChannelWay {
        &self.way
    }

    /// What the write leaves for who repeats the call, if the message is kept.
    fn receipt(&self) -> Option<Receipt<Appended>> {
        self.call.receipt_if_stored(|kept: &Appended| answer::spelled_position(kept.position))
    }

    /// Sends it by its way: where others wait before it, only if it is kept.
    pub(crate) async fn hand(&self, is_behind: bool) -> MessageHandover {
        let (supervisor, message) = (&self.call.app.supervisor, self.message.clone());
        match supervisor.hand(&self.way, message, self.receipt(), is_behind).await {
            Ok(Handover::Published(published)) => {
                MessageHandover::Ended(Ok(answer::published(published.position)))
            }
            Ok(Handover::UnderWay(kept)) => {
                let key = self.call.claimed_key();
                let answer = async move {
                    let published = kept.await?;
                    // What several servers order is waited for as well, and leaves nothing in the store.
                    if let Some(key) = key.filter(|_| published.is_kept) {
                        key.leave_to_store();
                    }
                    Ok(answer::published(published.position))
                };
                MessageHandover::UnderWay(answer.boxed_local())
            }
            Ok(Handover::Declined) => MessageHandover::Declined,
            Err(error) => MessageHandover::Ended(Err(error.into())),
        }
    }

    /// Publishes it and waits for that.
    pub(crate) async fn publish(self) -> Answer {
        let (receipt, Self { call, way, message }) = (self.receipt(), self);
        let published = call.app.supervisor.publish_once(way.key(), message, receipt).await?;
        if published.is_kept {
            call.leave_to_store();
        }
        Ok(answer::published(published.position))
    }
}

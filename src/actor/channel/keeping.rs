//! Messages that are kept: on their way to the store and back, and what is gone out of it.

use super::super::clock;
use super::super::event_log::{AwaitedEvent, ClientMessage, EventStored};
use super::super::receipt::Receipt;
use super::{ChannelActor, Published};
use crate::ask::AskError;
use crate::bus::LineEntry;
use crate::channel::{CaughtUp, SentId, SentMessage, StoredChannel};
use crate::domain::{ChannelKey, Epoch, HistoryBounds, Message, Position};
use crate::metrics;
use crate::protocol::Refusal;
use crate::store::{Appended, HistoryPage, NewMessage, ReadStore, StoreResult};
use actix::dev::{MessageResponse, OneshotSender};
use actix::prelude::*;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use std::cell::RefCell;
use std::collections::HashSet;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The most that a channel takes up from the store which nobody was told of, in messages and in bytes; what goes beyond is
/// told as missing.
const CAUGHT_UP: (u64, u64) = (1000, 4 << 20);

/// What goes with a message that is to be kept.
#[derive(Default)]
pub(super) struct KeptWith {
    /// The member that publishes; none where that is a back end.
    pub(super) from: Option<Arc<str>>,
    /// What webhooks are told of it.
    pub(super) told: Option<ClientMessage>,
    /// What its client calls it.
    pub(super) named: Option<NamedMessage>,
    /// What the write leaves for who repeats the call.
    pub(super) receipt: Option<Receipt<Appended>>,
}

/// The ids of clients' messages that are on their way to the store.
pub(super) type NamesUnderWay = Rc<RefCell<HashSet<SentId>>>;

/// What a client calls a message that is on its way to the store; while it is, nobody else takes the name.
pub(super) struct NamedMessage {
    /// The name, with whose it is.
    id: SentId,
    /// What tells when it is stored what webhooks hear.
    stored: Option<EventStored>,
    /// Where it stands meanwhile.
    under_way: NamesUnderWay,
}

impl NamedMessage {
    /// The name.
    pub(super) const fn id(&self) -> &SentId {
        &self.id
    }
}

impl Drop for NamedMessage {
    fn drop(&mut self) {
        self.under_way.borrow_mut().remove(&self.id);
    }
}

/// Who waits until a message is kept.
pub(super) struct Publisher {
    /// Where the answer goes.
    reply: oneshot::Sender<Result<Published, AskError>>,
    /// What goes with the message.
    kept: KeptWith,
}

impl Publisher {
    /// Tells it what came of its message; it may have gone.
    pub(super) fn answer(self, outcome: Result<Position, AskError>) {
        let published = outcome.map(|position| Published { position, is_kept: true });
        drop(self.reply.send(published));
    }
}

/// An answer of the actor: one that it gives, or one that comes by itself, for which it spends nothing meanwhile, however
/// many wait.
pub enum ChannelAnswer<T> {
    /// It is there, or waits for the actor's orders to leave.
    OfActor(ActorResponse<ChannelActor, T>),
    /// It comes.
    Comes(LocalBoxFuture<'static, T>),
}

impl<M> MessageResponse<ChannelActor, M> for ChannelAnswer<M::Result>
where
    M: actix::Message,
{
    fn handle(self, ctx: &mut Context<ChannelActor>, to: Option<OneshotSender<M::Result>>) {
        match (self, to) {
            (Self::OfActor(answer), to) => MessageResponse::<_, M>::handle(answer, ctx, to),
            (Self::Comes(answer), Some(to)) => {
                // The asker may have gone.
                actix::spawn(async move { drop(to.send(answer.await)) });
            }
            (Self::Comes(_), None) => {}
        }
    }
}

/// What came of keeping a message.
pub(super) struct KeepOutcome {
    /// The message.
    message: Message,
    /// Who waits.
    publisher: Publisher,
    /// What waited for what webhooks hear, which is stored with it.
    awaited: Option<AwaitedEvent>,
    /// What came.
    appended: Result<Appended, AskError>,
}

/// The messages on their way to the store, in their order. The actor looks at one thing for all of them, and it never
/// ends; it is pushed to on the actor's own turn only, behind which it is looked at.
#[derive(Clone, Default)]
pub(super) struct KeepingWrites(Rc<RefCell<FuturesOrdered<LocalBoxFuture<'static, KeepOutcome>>>>);

impl Stream for KeepingWrites {
    type Item = KeepOutcome;

    fn poll_next(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<KeepOutcome>> {
        match self.0.borrow_mut().poll_next_unpin(cx) {
            Poll::Ready(Some(outcome)) => Poll::Ready(Some(outcome)),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl ChannelActor {
    /// Keeps a message for somebody who waits for that.
    pub(super) fn keep(
        &mut self,
        message: Message,
        kept: KeptWith,
        ctx: &mut Context<Self>,
    ) -> oneshot::Receiver<Result<Published, AskError>> {
        let (reply, answer) = oneshot::channel();
        let publisher = Publisher { reply, kept };
        let now = Instant::now();
        self.step(ctx, |machine, acting| machine.keep(message, publisher, now, acting));
        answer
    }

    /// Takes a client's name for a message that is to be kept.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] while another of its messages is on its way under that name: nobody knows yet whether it is
    /// kept.
    pub(super) fn name(
        &self,
        id: SentId,
        stored: Option<EventStored>,
    ) -> Result<NamedMessage, Refusal> {
        if !self.names.borrow_mut().insert(id.clone()) {
            return Err(Refusal::Overloaded);
        }
        Ok(NamedMessage { id, stored, under_way: Rc::clone(&self.names) })
    }

    /// Sends a message to the store.
    pub(super) fn store_message(
        &mut self,
        message: Message,
        mut publisher: Publisher,
        ctx: &mut Context<Self>,
    ) {
        let (key, bounds) = (self.key().clone(), self.acting.settings().history);
        let from = publisher.kept.from.take();
        let new = NewMessage { message: message.clone(), from, at: clock::now() };
        let (event, awaited) =
            publisher.kept.told.take().map(ClientMessage::with_its_cause).unzip();
        let write = self.acting.persistence().write_once_causing(
            publisher.kept.receipt.take(),
            event.is_some(),
            move |store| store.append_message(&key, &new, &bounds),
            |_| event.into_iter().collect(),
        );
        let write = write.map(|appended| KeepOutcome { message, publisher, awaited, appended });
        if self.under_way.is_none() {
            let under_way = KeepingWrites::default();
            self.under_way = Some(under_way.clone());
            ctx.add_stream(under_way);
        }
        if let Some(under_way) = &self.under_way {
            under_way.0.borrow_mut().push_back(write.boxed_local());
        }
    }

    /// Has some of what is gone of a line deleted, if that is not being done.
    fn prune(&mut self, line: Epoch, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.is_pruning, true) {
            return;
        }
        let bounds = self.acting.settings().history;
        let persistence = self.acting.persistence().clone();
        // What failed is tried again when the next message comes.
        let pruned = async move { drop(persistence.prune_line(line, bounds).await) };
        ctx.spawn(pruned.into_actor(self).map(|(), actor, _| actor.is_pruning = false));
    }
}

impl StreamHandler<KeepOutcome> for ChannelActor {
    fn handle(&mut self, outcome: KeepOutcome, ctx: &mut Context<Self>) {
        let KeepOutcome { message, mut publisher, awaited, appended } = outcome;
        if appended.is_ok() {
            metrics::count(|cells| cells.tallies.history_appends.add(1));
        }
        if let Some(awaited) = awaited.filter(|_| appended.is_ok()) {
            awaited.stored();
        }
        if let (Some(named), Ok(appended)) = (publisher.kept.named.take(), &appended) {
            let position = Some(appended.position);
            let sent = SentMessage { position, stored: named.stored.clone() };
            self.machine.remember_sent(named.id.clone(), sent, Instant::now());
        }
        if let Some(over) = appended.as_ref().ok().filter(|appended| appended.is_over) {
            self.prune(over.position.epoch, ctx);
        }
        if let Some(appended) = appended.as_ref().ok().filter(|_| self.is_shared()) {
            let bytes = message.event.len() + message.data.as_str().len();
            let entry = LineEntry::Kept { position: appended.position, message: message.clone() };
            self.announce(entry, bytes, ctx);
        }
        let (position, now) = (appended.map(|appended| appended.position), Instant::now());
        self.step(ctx, |machine, acting| machine.kept(message, publisher, position, now, acting));
    }
}

/// The channel as the store has it, and what that has of its line behind a place.
pub(super) fn read_again(
    store: &mut dyn ReadStore,
    key: &ChannelKey,
    stands: Option<Position>,
    bounds: HistoryBounds,
) -> StoreResult<Option<StoredChannel>> {
    let Some(channel) = store.find_channel(key)? else { return Ok(None) };
    let after = stands.map(|stands| stands.offset);
    let (limit, bytes) = CAUGHT_UP;
    let now = clock::now();
    let page = HistoryPage { after, before: None, is_descending: false, limit, bytes, bounds, now };
    let found = store.kept_messages(key, &page)?.map(|page| CaughtUp {
        position: page.line.position,
        oldest: page.oldest,
        is_whole: !page.has_more && after.is_some_and(|after| page.oldest <= after),
        messages: page.messages,
    });
    Ok(Some(StoredChannel { channel, line: found }))
}

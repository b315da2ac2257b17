//! A channel that several servers serve: what it says goes to the bus, and is shown when the bus hands it back
//! (`docs/adr/0033-the-order-of-redis.md`).
//!
//! What waits for the bus is sent in its order, what gathers while that is under way behind it. A message is answered for when
//! it is ordered; of one whose call failed nobody knows, and whoever published it is told so. What is in the store is said until
//! that succeeds.

mod announcing;
mod changing;
mod keeping_up;
mod opening;

pub use opening::{SharedOpening, open};

use super::{AskElsewhere, ChannelActor, Published};
use crate::ask::AskError;
use crate::bus::error::BusError;
use crate::bus::shared::{AppendOutcome, LineNews, OpenLine, Proposal, SharedBus};
use crate::bus::{LineEntry, Ordered};
use crate::channel::ChannelMachine;
use crate::domain::{Channel, Epoch, Message, Position, State, Version};
use crate::store::Thing;
use actix::prelude::*;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// The most entries that wait for the bus; one more message is refused.
const MOST_WAITING: usize = 1024;
/// The most bytes of messages that wait; one of any size may.
const MOST_WAITING_BYTES: usize = 16 << 20;
/// How many are sent before what came of them is known.
const AT_ONCE: usize = 24;
/// How long after a failure what has to be said is tried again.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a state that is in the store may wait to be said by whoever stored it, before anybody says it.
const BEHIND: Duration = Duration::from_secs(2);

/// Where the answer to who publishes goes.
type PublishedReply = oneshot::Sender<Result<Published, AskError>>;

/// Something that waits for the bus.
struct Unsaid {
    /// What.
    entry: LineEntry,
    /// Whether a state stands for all before it that were not said.
    is_repair: bool,
    /// Who waits; nobody for what is in the store already, which is said whatever happens.
    publisher: Option<PublishedReply>,
    /// Its bytes, of a message.
    bytes: usize,
}

impl Unsaid {
    /// Something that is in the store.
    const fn stored(entry: LineEntry) -> Self {
        Self { entry, is_repair: false, publisher: None, bytes: 0 }
    }

    /// Whether whoever reads the store finds it there, in its order.
    const fn is_in_store_order(&self) -> bool {
        matches!(
            self.entry,
            LineEntry::Kept { .. } | LineEntry::KeptState { .. } | LineEntry::Reread
        )
    }

    /// Tells who waits what came of it.
    fn answer(self, outcome: Result<Position, AskError>) {
        if let Some(publisher) = self.publisher {
            let published = outcome.map(|position| Published { position, is_kept: false });
            // It may have gone.
            let _ = publisher.send(published);
        }
    }
}

/// A channel's line on the bus.
pub(super) struct SharedLine {
    /// The bus.
    bus: Arc<dyn SharedBus>,
    /// Asks whether other servers have subscribers.
    elsewhere: Option<AskElsewhere>,
    /// The line is heard for as long as this is there.
    hold: Box<dyn Send>,
    /// What comes over it; taken when the actor starts.
    news: Option<mpsc::Receiver<LineNews>>,
    /// The hearing.
    hearing: Option<SpawnHandle>,
    /// Its epoch.
    epoch: Epoch,
    /// The last state that it has said.
    said: Version,
    /// What waits.
    queue: VecDeque<Unsaid>,
    /// The bytes of that.
    bytes: usize,
    /// Whether something is under way, or waited for before anything is sent.
    is_busy: bool,
    /// Whether the line is being opened anew; nothing is sent meanwhile.
    is_opening: bool,
    /// Who waits until a state is shown here.
    awaited: BTreeMap<Version, Vec<oneshot::Sender<()>>>,
    /// What is ordered and was not heard here yet, by where it stands: whoever published it is answered behind that, as one server
    /// alone does.
    unheard: BTreeMap<u64, Unsaid>,
}

impl SharedLine {
    /// A line that was just opened.
    pub(super) fn new(
        bus: Arc<dyn SharedBus>,
        line: OpenLine,
        said: Version,
        elsewhere: Option<AskElsewhere>,
    ) -> Self {
        let OpenLine { opening, news, hold } = line;
        Self {
            bus,
            elsewhere,
            hold,
            news: Some(news),
            hearing: None,
            epoch: opening.position.epoch,
            said,
            queue: VecDeque::new(),
            bytes: 0,
            is_busy: false,
            is_opening: false,
            awaited: BTreeMap::new(),
            unheard: BTreeMap::new(),
        }
    }

    /// Answers whoever published what stands up to there.
    fn answer_heard(&mut self, upto: Position) {
        let upto = if upto.epoch == self.epoch { upto.offset } else { 0 };
        while let Some(first) = self.unheard.first_entry()
            && *first.key() <= upto
        {
            let (epoch, (offset, unsaid)) = (self.epoch, first.remove_entry());
            unsaid.answer(Ok(Position { epoch, offset }));
        }
    }

    /// Puts something behind what waits.
    fn push(&mut self, unsaid: Unsaid) {
        self.bytes += unsaid.bytes;
        self.queue.push_back(unsaid);
    }

    /// Puts a state that is stored behind what waits. Where too much does, it stands for all states that do.
    fn push_state(&mut self, state: State, version: Version) {
        let is_repair = self.queue.len() >= MOST_WAITING;
        if is_repair {
            self.queue.retain(|unsaid| !matches!(unsaid.entry, LineEntry::State { .. }));
        }
        let entry = LineEntry::State { state, version };
        self.push(Unsaid { is_repair, ..Unsaid::stored(entry) });
    }

    /// Puts things before what waits, in their order.
    fn put_back(&mut self, unsaid: Vec<Unsaid>) {
        for unsaid in unsaid.into_iter().rev() {
            self.bytes += unsaid.bytes;
            self.queue.push_front(unsaid);
        }
    }

    /// Takes what is to be sent next.
    fn take(&mut self) -> Vec<Unsaid> {
        let next: Vec<_> = self.queue.drain(..self.queue.len().min(AT_ONCE)).collect();
        self.bytes -= next.iter().map(|unsaid| unsaid.bytes).sum::<usize>();
        next
    }

    /// Tells all who publish that the bus cannot take it; what is in the store waits on.
    fn refuse(&mut self) {
        let waiting = std::mem::take(&mut self.queue);
        let (refused, kept): (VecDeque<_>, _) =
            waiting.into_iter().partition(|unsaid| unsaid.publisher.is_some());
        self.bytes = kept.iter().map(|unsaid| unsaid.bytes).sum();
        self.queue = kept;
        for unsaid in refused {
            unsaid.answer(Err(AskError::Overloaded));
        }
    }
}

/// What is to be done about what the bus did not take.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Todo {
    /// All was taken.
    GoOn,
    /// It is tried again a little later.
    Pause,
    /// The line has to be opened again.
    Open,
}

impl ChannelActor {
    /// Whether several servers serve the channel.
    pub(super) const fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Whether another server has subscribers of the channel, to be waited for; none where this one is alone.
    pub(super) fn asked_elsewhere(&self) -> Option<BoxFuture<'static, Result<bool, AskError>>> {
        let ask = self.shared.as_ref()?.elsewhere.as_ref()?;
        Some(ask(self.key()))
    }

    /// The line is heard from now on, if it is one of the bus.
    pub(super) fn hear_line(&mut self, ctx: &mut Context<Self>) {
        let Some(shared) = &mut self.shared else { return };
        let Some(mut news) = shared.news.take() else { return };
        let heard = stream::poll_fn(move |cx| news.poll_recv(cx));
        if let Some(before) = shared.hearing.replace(ctx.add_stream(heard)) {
            ctx.cancel_future(before);
        }
    }

    /// The store had this channel when the line was opened: if its state has not been said, that is done, unless whoever stored it
    /// does it.
    pub(super) fn mend(&self, stored: &Channel, ctx: &mut Context<Self>) {
        if self.machine.keeps_messages() {
            // Whoever opens the line reads the store, which counts it.
            return;
        }
        if self.shared.as_ref().is_some_and(|shared| stored.version > shared.said) {
            Self::repair_later(stored.state.clone(), stored.version, ctx);
        }
    }

    /// Whether everything that was to be said is, and shown.
    pub(super) fn is_all_said(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| {
            shared.queue.is_empty() && shared.awaited.is_empty() && !shared.is_busy
        })
    }

    /// Says a state that is stored, for all before it, if the line has not said it a while from now: whoever stored one of these may
    /// have ended before it was said.
    fn repair_later(state: State, version: Version, ctx: &mut Context<Self>) {
        ctx.run_later(BEHIND, move |actor, ctx| {
            let Some(shared) = &mut actor.shared else { return };
            if version > shared.said {
                let entry = LineEntry::State { state, version };
                shared.push(Unsaid { is_repair: true, ..Unsaid::stored(entry) });
                actor.fly(ctx);
            }
        });
    }

    /// Publishes a message by the bus; tells where it stands.
    pub(super) fn publish_together(
        &mut self,
        message: Message,
        ctx: &mut Context<Self>,
    ) -> oneshot::Receiver<Result<Published, AskError>> {
        let (reply, answer) = oneshot::channel();
        self.machine.use_now(Instant::now());
        let Some(shared) = &mut self.shared else { return answer };
        let bytes = message.event.len() + message.data.as_str().len();
        let entry = LineEntry::Message(message);
        let unsaid = Unsaid { entry, is_repair: false, publisher: Some(reply), bytes };
        let is_full = shared.queue.len() >= MOST_WAITING
            || (shared.bytes > 0 && shared.bytes + bytes > MOST_WAITING_BYTES);
        if is_full {
            unsaid.answer(Err(AskError::Overloaded));
        } else {
            shared.push(unsaid);
            self.fly(ctx);
        }
        answer
    }

    /// Sends what waits, unless something is under way.
    fn fly(&mut self, ctx: &mut Context<Self>) {
        let key = self.key().clone();
        let Some(shared) = &mut self.shared else { return };
        if shared.is_busy || shared.is_opening || shared.queue.is_empty() {
            return;
        }
        shared.is_busy = true;
        let (bus, epoch, sent) = (Arc::clone(&shared.bus), shared.epoch, shared.take());
        let said = async move {
            let append = |unsaid: &Unsaid| {
                let (entry, is_repair) = (unsaid.entry.clone(), unsaid.is_repair);
                bus.append(&key, Proposal { epoch, entry, is_repair })
            };
            let outcomes = join_all(sent.iter().map(append)).await;
            sent.into_iter().zip(outcomes).collect()
        };
        ctx.spawn(said.into_actor(self).map(|outcomes, actor, ctx| actor.landed(outcomes, ctx)));
    }

    /// What came of what was sent.
    fn landed(
        &mut self,
        outcomes: Vec<(Unsaid, Result<AppendOutcome, BusError>)>,
        ctx: &mut Context<Self>,
    ) {
        let (mut next, mut again, mut is_away) = (Todo::GoOn, Vec::new(), false);
        for (unsaid, outcome) in outcomes {
            let todo = match outcome {
                Ok(AppendOutcome::At(position)) => {
                    if let Some(shared) = &mut self.shared {
                        shared.unheard.insert(position.offset, unsaid);
                    }
                    continue;
                }
                // What finds no room waits here instead, and holds nothing up behind it.
                Ok(AppendOutcome::Stashed | AppendOutcome::Full) => {
                    if let LineEntry::State { state, version } = unsaid.entry {
                        Self::repair_later(state, version, ctx);
                    }
                    continue;
                }
                Ok(AppendOutcome::Repeat) => continue,
                Ok(AppendOutcome::Moved | AppendOutcome::Unsettled) | Err(BusError::Stale) => {
                    Todo::Open
                }
                Err(error @ (BusError::Overloaded | BusError::Unavailable))
                    if unsaid.publisher.is_some() =>
                {
                    is_away |= error == BusError::Unavailable;
                    unsaid.answer(Err(AskError::Overloaded));
                    continue;
                }
                Err(error) => {
                    is_away |= error == BusError::Unavailable;
                    Todo::Pause
                }
            };
            next = next.max(todo);
            again.push(unsaid);
        }
        let heard = self.machine.heard_to();
        let Some(shared) = &mut self.shared else { return };
        shared.answer_heard(heard);
        shared.put_back(again);
        if is_away {
            // They would wait as long, one batch behind the other.
            shared.refuse();
        }
        match next {
            Todo::GoOn => self.go_on(ctx),
            Todo::Pause => {
                ctx.run_later(PAUSE, Self::go_on);
            }
            Todo::Open => {
                shared.is_busy = false;
                self.open_again(ctx);
            }
        }
    }

    /// Nothing is under way any more: what waits is sent.
    fn go_on(&mut self, ctx: &mut Context<Self>) {
        if let Some(shared) = &mut self.shared {
            shared.is_busy = false;
            self.fly(ctx);
        }
    }

    /// Opens the line anew, unless that is under way.
    fn open_again(&mut self, ctx: &mut Context<Self>) {
        let Some(shared) = &mut self.shared else { return };
        if !std::mem::replace(&mut shared.is_opening, true) {
            self.open_until_done(ctx);
        }
    }

    /// Opens the line anew, until that succeeds or the channel is gone.
    fn open_until_done(&mut self, ctx: &mut Context<Self>) {
        let (key, persistence) = (self.key().clone(), self.acting.persistence().clone());
        let Some(shared) = &mut self.shared else { return };
        if let Some(hearing) = shared.hearing.take() {
            ctx.cancel_future(hearing);
        }
        let bus = Arc::clone(&shared.bus);
        let opened = async move { open(&persistence, bus, key).await };
        ctx.spawn(opened.into_actor(self).map(|opened, actor, ctx| match opened {
            Ok(opening) => actor.reopened(opening, ctx),
            Err(error) => {
                if let Some(shared) = &mut actor.shared {
                    shared.refuse();
                }
                if error == AskError::not_found(Thing::Channel) {
                    actor.step(ctx, ChannelMachine::doubt);
                }
                // As long as there is this actor: a channel may be made again in between.
                ctx.run_later(PAUSE, Self::open_until_done);
            }
        }));
    }

    /// The line is open again: of what this actor has not taken of it, it takes what can be read; the rest is lost, and told.
    fn reopened(&mut self, opening: SharedOpening, ctx: &mut Context<Self>) {
        if opening.channel.created_at != self.machine.channel().created_at {
            // That is another one of the same name: this one was deleted.
            return self.step(ctx, ChannelMachine::deleted);
        }
        let Some(shared) = &mut self.shared else { return };
        let position = opening.line.opening.position;
        // It is ordered, though nobody here will hear it.
        shared.answer_heard(Position { epoch: shared.epoch, offset: u64::MAX });
        crate::metrics::count(|cells| cells.tallies.bus_reopenings.add(1));
        shared.epoch = position.epoch;
        shared.said = opening.said;
        shared.news = Some(opening.line.news);
        shared.hold = opening.line.hold;
        shared.is_opening = false;
        opening.window.into_iter().for_each(|entry| self.take_entry(entry, ctx));
        self.step(ctx, |machine, acting| machine.follow(position, acting));
        self.hear_line(ctx);
        self.mend(&opening.channel, ctx);
        self.fly(ctx);
    }

    /// Reads what was missed, before anything else, and then takes what showed that something was.
    fn catch_up(&mut self, behind: Option<Ordered>, ctx: &mut Context<Self>) {
        let (key, at) = (self.key().clone(), self.machine.heard_to());
        let Some(shared) = &self.shared else { return };
        let bus = Arc::clone(&shared.bus);
        let read = async move { bus.read(&key, at).await };
        ctx.wait(read.into_actor(self).map(move |read, actor, ctx| {
            if let Ok(read) = read {
                let Some(position) = read.position.filter(|found| found.epoch == at.epoch) else {
                    return actor.open_again(ctx);
                };
                read.entries.into_iter().for_each(|entry| actor.take_entry(entry, ctx));
                actor.step(ctx, |machine, acting| machine.follow(position, acting));
            } else if behind.is_none()
                && actor.shared.as_ref().is_some_and(|shared| shared.bus.is_there())
            {
                // Nothing may follow that shows the gap; where the bus has gone again, it will be back.
                ctx.run_later(PAUSE, |actor, ctx| actor.catch_up(None, ctx));
            }
            if let Some(entry) = behind {
                actor.take_entry(entry, ctx);
            }
        }));
    }

    /// Takes what was said.
    fn take_entry(&mut self, entry: Ordered, ctx: &mut Context<Self>) {
        if let (Some(shared), LineEntry::State { version, .. }) = (&mut self.shared, &entry.entry) {
            shared.said = shared.said.max(*version);
        }
        let now = Instant::now();
        self.step(ctx, |machine, acting| machine.hear(entry, now, acting));
    }

    /// Whoever waits for a state that is shown by now, or for a message that was heard, hears that.
    pub(super) fn answer_shown(&mut self) {
        let (version, heard) = (self.machine.channel().version, self.machine.heard_to());
        let Some(shared) = &mut self.shared else { return };
        shared.answer_heard(heard);
        while let Some(first) = shared.awaited.first_entry()
            && *first.key() <= version
        {
            for asker in first.remove() {
                let _ = asker.send(());
            }
        }
    }
}

impl StreamHandler<LineNews> for ChannelActor {
    fn handle(&mut self, news: LineNews, ctx: &mut Context<Self>) {
        let at = self.machine.heard_to();
        match news {
            LineNews::Back => {
                self.catch_up(None, ctx);
                // Of an update or a deletion that could not be told meanwhile nobody would know.
                self.step(ctx, ChannelMachine::doubt);
            }
            LineNews::Said(said) if said.position.epoch != at.epoch => self.open_again(ctx),
            LineNews::Said(said) if said.position.offset > at.offset.saturating_add(1) => {
                self.catch_up(Some(said), ctx);
            }
            LineNews::Said(said) => self.take_entry(said, ctx),
        }
    }

    /// More was said than this actor has taken.
    fn finished(&mut self, ctx: &mut Context<Self>) {
        self.open_again(ctx);
    }
}

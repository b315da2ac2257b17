//! The bus of a server: one connection after the other, and the lines that are heard over them.

use super::hearing::HeardWord;
use super::questions::{BEAT, QuestionDesk};
use super::{HeardEntry, LineName, RedisWire, WireError};
use crate::bus::error::BusError;
use crate::bus::others::{Answering, Needed, OtherServers, ServerAnswers};
use crate::bus::shared::{
    AppendOutcome, LineNews, LineOpening, OpenLine, Proposal, SharedBus, WindowRead,
};
use crate::domain::{ChannelKey, Epoch, Position, Version};
use crate::metrics::{self, CountedLife, Family, Label};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

/// How much of what was heard may wait before the connection counts as lost, entries of all lines.
const HEARD: usize = 16_384;
/// How many words of other servers may wait likewise.
const WORDS: usize = 4096;
/// How much of one line may wait for who has opened it; past that it is told that it has lost some.
const NEWS: usize = 1024;
/// How many lines are heard again by one call.
const AT_ONCE: usize = 256;
/// How often the connection has to show that it hears, and how long it has for that.
const PROBE: Duration = Duration::from_secs(2);
/// How long after a connection was lost the next one is made, at first.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest that it becomes.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a question waits for a connection, where there is none.
const WAIT: Duration = Duration::from_secs(2);

/// Somebody who hears a line.
struct LineListener {
    /// Tells it from one before that heard the same line.
    number: u64,
    /// The line.
    line: LineName,
    /// Where news go.
    news: mpsc::Sender<LineNews>,
}

/// Who hears what.
#[derive(Default)]
struct LineListeners {
    /// By topic.
    known: HashMap<String, LineListener>,
    /// The last number.
    last: u64,
}

/// What the thread and all handles share.
struct Shared {
    /// The name of the cluster, which stands in the names of its lines.
    cluster: String,
    /// Where Redis is.
    address: String,
    /// The connection, while there is one.
    wire: watch::Sender<Option<Arc<RedisWire>>>,
    /// Who hears what.
    listeners: Mutex<LineListeners>,
    /// Held while a line begins or ends to be heard, so that Redis and the listeners say the same of it.
    turn: tokio::sync::Mutex<()>,
    /// Lines that are not heard any more, by number.
    left: mpsc::UnboundedSender<(String, u64)>,
    /// Where this server asks others and answers them.
    desk: QuestionDesk,
}

/// What comes over a connection.
struct WireNews {
    /// Entries of lines.
    entries: mpsc::Receiver<HeardEntry>,
    /// Words of other servers.
    words: mpsc::Receiver<HeardWord>,
}

/// The bus of a server, on Redis; cheap to clone. Its thread ends with the last handle.
#[derive(Clone)]
pub struct RedisBus(Arc<Shared>);

/// A line that is heard.
struct LineHold {
    /// Where to say that it is not any more.
    left: mpsc::UnboundedSender<(String, u64)>,
    /// Its topic.
    topic: String,
    /// Which listener.
    number: u64,
    /// Counted as long as this is held.
    _life: CountedLife,
}

impl Drop for LineHold {
    fn drop(&mut self) {
        // Where nobody hears this, the bus has ended.
        let _ = self.left.send((std::mem::take(&mut self.topic), self.number));
    }
}

impl From<WireError> for BusError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Overloaded => Self::Overloaded,
            WireError::Stale => Self::Stale,
            WireError::Address
            | WireError::Version(_)
            | WireError::Lost(_)
            | WireError::Garbled => Self::Unavailable,
        }
    }
}

impl Shared {
    /// Who hears what. A panic leaves nothing half done there.
    fn listeners(&self) -> MutexGuard<'_, LineListeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, for which is waited where there is none.
    async fn wire(&self) -> Result<Arc<RedisWire>, BusError> {
        let mut wires = self.wire.subscribe();
        let found = timeout(WAIT, wires.wait_for(Option::is_some)).await;
        let found = found.ok().and_then(Result::ok);
        found.and_then(|wire| wire.clone()).ok_or(BusError::Unavailable)
    }

    /// A channel's line.
    fn line(&self, key: &ChannelKey) -> LineName {
        LineName::channel(&self.cluster, key)
    }

    /// Hears a line and asks where it stands.
    async fn open(
        &self,
        line: LineName,
        incarnation: u64,
        epoch: Epoch,
    ) -> Result<OpenLine, BusError> {
        let wire = self.wire().await?;
        let (sender, news) = mpsc::channel(NEWS);
        let turn = self.turn.lock().await;
        let hold = {
            let mut listeners = self.listeners();
            listeners.last += 1;
            let number = listeners.last;
            let listener = LineListener { number, line: line.clone(), news: sender };
            listeners.known.insert(line.topic(), listener);
            let life = CountedLife::begin(|all| &all.bus_lines_begun, |all| &all.bus_lines_ended);
            LineHold { left: self.left.clone(), topic: line.topic(), number, _life: life }
        };
        wire.subscribe(&line).await?;
        drop(turn);
        let opening: LineOpening = wire.open(&line, incarnation, epoch).await?;
        Ok(OpenLine { opening, news, hold: Box::new(hold) })
    }

    /// Puts something in order.
    async fn append(
        &self,
        line: &LineName,
        proposal: &Proposal,
    ) -> Result<AppendOutcome, BusError> {
        Ok(self.wire().await?.append(line, proposal).await?)
    }

    /// Hands on what was heard.
    fn hear(&self, heard: HeardEntry) {
        metrics::count(|cells| cells.tallies.bus_entries.add(1));
        let mut listeners = self.listeners();
        let Some(listener) = listeners.known.get(&heard.topic) else { return };
        if listener.news.try_send(LineNews::Said(heard.ordered)).is_err() {
            // Its news end, by which it knows that some are lost.
            listeners.known.remove(&heard.topic);
        }
    }

    /// A line is not heard any more, unless somebody else has opened it since.
    async fn leave(&self, wire: &RedisWire, topic: &str, number: u64) {
        let _turn = self.turn.lock().await;
        {
            let mut listeners = self.listeners();
            if listeners.known.get(topic).is_some_and(|listener| listener.number != number) {
                return;
            }
            listeners.known.remove(topic);
        }
        // What fails here ends the connection, or is heard by nobody until the next one.
        let _ = wire.unsubscribe(topic).await;
    }

    /// Makes a connection that hears all that is listened to, and tells who listens.
    ///
    /// What is heard before they are told is dropped: each of them reads it.
    async fn connect(&self) -> Result<(Arc<RedisWire>, WireNews), WireError> {
        let (heard, mut hearing) = mpsc::channel(HEARD);
        let (said, words) = mpsc::channel(WORDS);
        let wire = Arc::new(RedisWire::connect_for(&self.address, heard, said).await?);
        self.desk.enter(&wire).await?;
        let _turn = self.turn.lock().await;
        let lines: Vec<_> = {
            let mut listeners = self.listeners();
            listeners.known.retain(|_, listener| !listener.news.is_closed());
            listeners.known.values().map(|listener| listener.line.clone()).collect()
        };
        let subscribing = async {
            for some in lines.chunks(AT_ONCE) {
                wire.subscribe_all(some).await?;
            }
            Ok(())
        };
        let dropping = async { while hearing.recv().await.is_some() {} };
        tokio::select! {
            subscribed = subscribing => subscribed,
            () = dropping => Err(WireError::Lost("it ended at once".to_owned())),
        }?;
        self.listeners().known.retain(|_, listener| listener.news.try_send(LineNews::Back).is_ok());
        self.wire.send_replace(Some(Arc::clone(&wire)));
        Ok((wire, WireNews { entries: hearing, words }))
    }
}

impl RedisBus {
    /// A bus that orders for the cluster of this name, by the Redis at this address; it connects once before this returns, so
    /// that what is wrong shows at the start, and again whenever the connection is lost.
    ///
    /// # Errors
    /// As [`RedisWire::connect`].
    pub async fn start(address: String, cluster: String) -> Result<Self, WireError> {
        let (left, leaving) = mpsc::unbounded_channel();
        let desk = QuestionDesk::new(&cluster)?;
        let shared = Arc::new(Shared {
            cluster,
            desk,
            address,
            wire: watch::Sender::new(None),
            listeners: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            left,
        });
        let (told, outcome) = tokio::sync::oneshot::channel();
        let kept = Arc::clone(&shared);
        let lost = |what: &dyn std::fmt::Display| WireError::Lost(what.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| lost(&error))?;
        let thread = thread::Builder::new().name("bus".to_owned());
        let thread = thread.spawn(move || runtime.block_on(keep(kept, leaving, told)));
        thread.map_err(|error| lost(&error))?;
        outcome.await.unwrap_or_else(|_| Err(lost(&"its thread ended")))?;
        Ok(Self(shared))
    }
}

/// Keeps a connection for as long as there is a handle.
async fn keep(
    shared: Arc<Shared>,
    mut leaving: mpsc::UnboundedReceiver<(String, u64)>,
    told: tokio::sync::oneshot::Sender<Result<(), WireError>>,
) {
    let mut told = Some(told);
    let mut pause = FIRST_PAUSE;
    // One is this function's own.
    while Arc::strong_count(&shared) > 1 {
        match shared.connect().await {
            Ok((wire, mut incoming)) => {
                if let Some(told) = told.take() {
                    let _ = told.send(Ok(()));
                } else {
                    tracing::info!("the bus is back");
                    shared.desk.back();
                }
                metrics::count(|cells| cells.tallies.bus_connections.add(1));
                pause = FIRST_PAUSE;
                serve(&shared, &wire, &mut incoming, &mut leaving).await;
                shared.wire.send_replace(None);
                shared.desk.leave();
                if Arc::strong_count(&shared) > 1 {
                    tracing::warn!("the bus is lost, and looked for again");
                    sleep(FIRST_PAUSE).await;
                }
            }
            Err(error) => {
                shared.desk.leave();
                if let Some(told) = told.take() {
                    let _ = told.send(Err(error));
                    return;
                }
                tracing::warn!(%error, "the bus cannot be reached");
                sleep(pause).await;
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Hands on what is heard, until the connection is lost or nobody wants it.
async fn serve(
    shared: &Arc<Shared>,
    wire: &Arc<RedisWire>,
    incoming: &mut WireNews,
    leaving: &mut mpsc::UnboundedReceiver<(String, u64)>,
) {
    let probing = async {
        loop {
            let begin = Instant::now();
            if wire.probe(PROBE).await.is_err() || Arc::strong_count(shared) == 1 {
                return;
            }
            metrics::count(|cells| cells.bus_way_time.note_time(begin.elapsed()));
            tokio::time::sleep_until(begin + PROBE).await;
        }
    };
    let hearing = async {
        while let Some(heard) = incoming.entries.recv().await {
            shared.hear(heard);
        }
    };
    let speaking = async {
        while let Some(word) = incoming.words.recv().await {
            shared.desk.hear(&word, wire);
        }
    };
    let living = async {
        while shared.desk.beat().await.is_ok() {
            sleep(BEAT).await;
        }
    };
    let letting = async {
        while let Some((topic, number)) = leaving.recv().await {
            shared.leave(wire, &topic, number).await;
        }
    };
    tokio::select! {
        () = wire.lost() => {}
        () = probing => {}
        () = hearing => {}
        () = speaking => {}
        () = living => {}
        () = letting => {}
    }
}

impl OtherServers for RedisBus {
    fn ask_others(
        &self,
        question: String,
        needed: Needed,
    ) -> BoxFuture<'_, Result<ServerAnswers, BusError>> {
        async move { self.0.desk.ask(&*self.0.wire().await?, question, needed).await }.boxed()
    }

    fn lost_at(&self) -> Option<Instant> {
        self.0.desk.lost_at()
    }

    fn leave_others(&self) -> BoxFuture<'_, ()> {
        self.0.desk.depart().boxed()
    }

    fn answer_by(&self, answering: Arc<dyn Answering>) -> BoxFuture<'_, Result<(), BusError>> {
        self.0.desk.answer_by(answering);
        async move { Ok(self.0.desk.enter(&self.0.wire().await?).await?) }.boxed()
    }
}

/// Counts what came of an append, and how long the bus took where it said so.
fn count_append(outcome: &Result<AppendOutcome, BusError>, begin: Instant) {
    let word = match outcome {
        Ok(AppendOutcome::At(_)) => "ordered",
        Ok(AppendOutcome::Stashed) => "stashed",
        Ok(AppendOutcome::Repeat) => "repeat",
        Ok(AppendOutcome::Moved) | Err(BusError::Stale) => "moved",
        Ok(AppendOutcome::Unsettled) => "unsettled",
        Ok(AppendOutcome::Full) => "full",
        Err(BusError::Unavailable) => "unavailable",
        Err(BusError::Overloaded) => "overloaded",
    };
    metrics::add(Family::BusAppends, [Label::Word(word)]);
    if outcome.is_ok() {
        metrics::count(|cells| cells.bus_append_time.note_time(begin.elapsed()));
    }
}

impl SharedBus for RedisBus {
    fn open(
        &self,
        key: &ChannelKey,
        incarnation: u64,
        epoch: Epoch,
    ) -> BoxFuture<'_, Result<OpenLine, BusError>> {
        self.0.open(self.0.line(key), incarnation, epoch).boxed()
    }

    fn settle(
        &self,
        key: &ChannelKey,
        epoch: Epoch,
        stored: Version,
    ) -> BoxFuture<'_, Result<Option<Version>, BusError>> {
        let line = self.0.line(key);
        async move { Ok(self.0.wire().await?.settle(&line, epoch, stored).await?) }.boxed()
    }

    fn append(
        &self,
        key: &ChannelKey,
        proposal: Proposal,
    ) -> BoxFuture<'_, Result<AppendOutcome, BusError>> {
        let line = self.0.line(key);
        async move {
            let begin = Instant::now();
            let outcome = self.0.append(&line, &proposal).await;
            count_append(&outcome, begin);
            outcome
        }
        .boxed()
    }

    fn read(
        &self,
        key: &ChannelKey,
        after: Position,
    ) -> BoxFuture<'_, Result<WindowRead, BusError>> {
        let line = self.0.line(key);
        metrics::count(|cells| cells.tallies.bus_reads.add(1));
        async move { Ok(self.0.wire().await?.read(&line, after).await?) }.boxed()
    }

    fn is_there(&self) -> bool {
        self.0.wire.borrow().is_some()
    }
}

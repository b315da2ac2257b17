//! Questions of one server to all others, and the answers: each is published once, heard by all, and answered on a topic of the
//! asker's. Who has to answer is who lives by his lease ([`RedisRegistry::beat`]), so nobody who is gone is waited for longer.
//!
//! A question is heard at most once: who was not connected has missed it, and is told that when he is back
//! ([`Answering::missed`]). Until then he is waited for, and the asker told in the end that nobody knows.

mod word;

use super::hearing::HeardWord;
use super::names::ServerTopics;
use super::registry::{BeatOutcome, Incarnation, LivingNodes, RedisRegistry, RegistryTerms};
use super::{RedisWire, WireError};
use crate::bus::error::BusError;
use crate::bus::others::{Answering, Needed, ServerAnswers};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use word::{ServerWord, WordKind};

/// How often a server says that it lives; its lease is five times as long.
pub(super) const BEAT: Duration = Duration::from_secs(2);
/// How long after the last answer it is looked who still lives.
const LOOK: Duration = Duration::from_secs(1);
/// How long all answers may take: a lease, and what it takes to notice that it is over.
const PATIENCE: Duration = Duration::from_secs(13);
/// The most questions of this server that wait for answers.
const ASKED: usize = 1024;
/// How many of these may be such that wait for all that live, which takes long while one has gone: others go on beside them.
const ASKED_OF_ALL: usize = 512;
/// How long those that hear a question have for the answer, where they are not waited for: one may stand still.
const HASTE: Duration = Duration::from_secs(2);
/// The most questions of others that are being answered; whoever asks one more is told so.
const ANSWERED: usize = 1024;
/// The most bytes of a question or an answer: a larger one could cut off those who hear it (Redis' `client-output-buffer-limit`).
const LONGEST: usize = 8 << 20;

/// What comes back to who asks.
type Answers = mpsc::UnboundedSender<ServerWord>;

/// What of this server changes while it runs.
struct ServerLife {
    /// Which life it is.
    incarnation: Incarnation,
    /// The leases, over the connection of the moment.
    registry: Option<Arc<RedisRegistry>>,
    /// Who lived when that was last known of a ground that is not young.
    known: BTreeSet<String>,
    /// When one of those was gone, or it was not known what they said.
    lost: Option<Instant>,
}

/// What this server has asked.
#[derive(Default)]
struct AskedQuestions {
    /// The last one's number.
    last: u64,
    /// Who waits for answers to which.
    waiting: HashMap<u64, (Needed, Answers)>,
}

/// Where a server asks and answers.
pub(super) struct QuestionDesk {
    /// By what name others answer it; its own for as long as the process runs.
    name: String,
    /// The cluster.
    cluster: String,
    /// Where things are said.
    topics: ServerTopics,
    /// Who answers here, once there is somebody.
    answering: OnceLock<Arc<dyn Answering>>,
    /// What changes.
    life: Mutex<ServerLife>,
    /// What was asked.
    asked: Mutex<AskedQuestions>,
    /// Room for answering.
    room: Arc<Semaphore>,
}

/// Takes a lock; a panic leaves nothing half done behind any of these.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl QuestionDesk {
    /// One for a server of this cluster, that nobody knows of yet.
    ///
    /// # Errors
    /// [`WireError::Lost`] where the system gives no random numbers.
    pub(super) fn new(cluster: &str) -> Result<Self, WireError> {
        let incarnation = Incarnation::fresh()?;
        let known = BTreeSet::new();
        Ok(Self {
            name: uuid::Uuid::new_v4().simple().to_string(),
            cluster: cluster.to_owned(),
            topics: ServerTopics::new(cluster),
            answering: OnceLock::new(),
            life: Mutex::new(ServerLife { incarnation, registry: None, known, lost: None }),
            asked: Mutex::default(),
            room: Arc::new(Semaphore::new(ANSWERED)),
        })
    }

    /// From now on this answers.
    pub(super) fn answer_by(&self, answering: Arc<dyn Answering>) {
        // Asked for once, when a server starts.
        let _ = self.answering.set(answering);
    }

    /// A connection stands: where there is somebody who answers, others are told so, who can ask from then on.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], [`WireError::Lost`].
    pub(super) async fn enter(&self, wire: &Arc<RedisWire>) -> Result<(), WireError> {
        if self.answering.get().is_none() {
            return Ok(());
        }
        // Whoever is known to live hears everything: so in this order.
        wire.hear_topics(&[self.topics.questions(), self.topics.answers(&self.name)]).await?;
        let terms = RegistryTerms::default();
        let registry = RedisRegistry::new(Arc::clone(wire), &self.cluster, terms);
        lock(&self.life).registry = Some(Arc::new(registry));
        self.beat().await
    }

    /// The connection is back, behind one that was lost: what was asked in between is not known.
    pub(super) fn back(&self) {
        lock(&self.life).lost = Some(Instant::now());
        if let Some(answering) = self.answering.get() {
            answering.missed();
        }
    }

    /// When it was last noticed that another server has gone, or that this one has missed what others said.
    pub(super) fn lost_at(&self) -> Option<Instant> {
        lock(&self.life).lost
    }

    /// The connection is lost: nobody is answered any more.
    pub(super) fn leave(&self) {
        lock(&self.life).registry = None;
        lock(&self.asked).waiting.clear();
    }

    /// This server lives on.
    ///
    /// # Errors
    /// [`WireError::Overloaded`], [`WireError::Lost`].
    pub(super) async fn beat(&self) -> Result<(), WireError> {
        loop {
            let (registry, incarnation) = {
                let life = lock(&self.life);
                let Some(registry) = life.registry.clone() else { return Ok(()) };
                (registry, life.incarnation)
            };
            let beat = registry.beat(incarnation, &self.name).await?;
            self.note(&beat.living);
            match beat.outcome {
                BeatOutcome::Renewed | BeatOutcome::Registered => return Ok(()),
                BeatOutcome::Gone => lock(&self.life).incarnation = Incarnation::fresh()?,
                BeatOutcome::Full => {
                    return Err(WireError::Lost("the cluster has too many servers".to_owned()));
                }
            }
        }
    }

    /// This server lives no more, and says so where it can: else others wait for its lease to be over.
    pub(super) async fn depart(&self) {
        let (registry, incarnation) = {
            let mut life = lock(&self.life);
            (life.registry.take(), life.incarnation)
        };
        if let Some(registry) = registry
            && let Err(error) = registry.depart(incarnation).await
        {
            tracing::warn!(%error, "other servers were not told that this one ends");
        }
    }

    /// Who has to answer, of whom it is known that they live. On a young ground some may not have said so yet: who lived before
    /// it counts as well.
    fn note(&self, living: &LivingNodes) -> BTreeSet<String> {
        let mut names: BTreeSet<_> = living.nodes().values().cloned().collect();
        let mut life = lock(&self.life);
        if living.is_young() {
            names.extend(life.known.iter().cloned());
        } else {
            if !life.known.is_subset(&names) {
                life.lost = Some(Instant::now());
            }
            life.known.clone_from(&names);
        }
        names.remove(&self.name);
        names
    }

    /// Asks all others.
    ///
    /// # Errors
    /// [`BusError::Overloaded`] before anything was asked, [`BusError::Unavailable`].
    pub(super) async fn ask(
        &self,
        wire: &RedisWire,
        question: String,
        needed: Needed,
    ) -> Result<ServerAnswers, BusError> {
        if question.len() > LONGEST {
            return Err(BusError::Overloaded);
        }
        let registry = lock(&self.life).registry.clone().ok_or(BusError::Unavailable)?;
        let (said, answers) = mpsc::unbounded_channel();
        let number = {
            let mut asked = lock(&self.asked);
            let of_all = |(other, _): &&(Needed, Answers)| *other == Needed::AllThatLive;
            let is_full = asked.waiting.len() >= ASKED
                || (needed == Needed::AllThatLive
                    && asked.waiting.values().filter(of_all).count() >= ASKED_OF_ALL);
            if is_full {
                return Err(BusError::Overloaded);
            }
            asked.last += 1;
            let number = asked.last;
            asked.waiting.insert(number, (needed, said));
            number
        };
        let outcome = self.wait(wire, &registry, (number, question, needed), answers).await;
        lock(&self.asked).waiting.remove(&number);
        if outcome.is_err() {
            lock(&self.life).lost = Some(Instant::now());
        }
        outcome
    }

    /// Says a question and waits for the answers.
    async fn wait(
        &self,
        wire: &RedisWire,
        registry: &RedisRegistry,
        (number, question, needed): (u64, String, Needed),
        mut answers: mpsc::UnboundedReceiver<ServerWord>,
    ) -> Result<ServerAnswers, BusError> {
        let asked = ServerWord::new(WordKind::Question, &self.name, number, question);
        let topic = self.topics.questions();
        // In this order on the wire: who registers behind the first hears the second all the same, and is not waited for.
        let (living, published) =
            tokio::join!(registry.living(), wire.say(&topic, asked.written()));
        // One of those who hear it is this server.
        let hearing = published?.saturating_sub(1);
        let mut missing = self.note(&living?);
        let (mut found, began) = (Vec::new(), Instant::now());
        while !missing.is_empty() && (needed == Needed::AllThatLive || found.len() < hearing) {
            match timeout(LOOK, answers.recv()).await {
                Ok(Some(ServerWord { kind: WordKind::Answer, from, text, .. })) => {
                    missing.remove(&from);
                    found.push(text);
                }
                Ok(Some(_)) => return Err(BusError::Overloaded),
                Ok(None) => return Err(BusError::Unavailable),
                Err(_) if needed == Needed::AllThatHear && began.elapsed() > HASTE => break,
                Err(_) if began.elapsed() > PATIENCE => return Err(BusError::Unavailable),
                Err(_) => {
                    let living = self.note(&registry.living().await?);
                    missing.retain(|name| living.contains(name));
                }
            }
        }
        Ok(ServerAnswers { said: found, is_one_missing: !missing.is_empty() })
    }

    /// Takes what another server says.
    pub(super) fn hear(&self, HeardWord(text): &HeardWord, wire: &Arc<RedisWire>) {
        let Some(word) = ServerWord::read(text) else {
            return tracing::warn!("a word of another server cannot be read");
        };
        if word.kind == WordKind::Question {
            if word.from != self.name {
                self.answer(word, Arc::clone(wire));
            }
            return;
        }
        if let Some((_, waiting)) = lock(&self.asked).waiting.get(&word.call) {
            // Whoever waits no more has been told.
            let _ = waiting.send(word);
        }
    }

    /// Answers a question, as soon as that is known.
    fn answer(&self, question: ServerWord, wire: Arc<RedisWire>) {
        let Some(answering) = self.answering.get().cloned() else { return };
        if lock(&self.life).registry.is_none() {
            // It has left.
            return;
        }
        let ServerWord { from, call, text, .. } = question;
        let (room, topic) =
            (Arc::clone(&self.room).try_acquire_owned(), self.topics.answers(&from));
        let busy = ServerWord::new(WordKind::Busy, &self.name, call, String::new());
        let name = self.name.clone();
        tokio::spawn(async move {
            // Held until it is said: so many answers wait at most.
            let (_room, word) = match room {
                Ok(room) => {
                    let text = answering.answer(text).await;
                    let fits = text.len() <= LONGEST;
                    let answer = || ServerWord::new(WordKind::Answer, &name, call, text);
                    (Some(room), if fits { answer() } else { busy })
                }
                Err(_) => (None, busy),
            };
            // What fails has ended the connection, and the asker waits for nobody who is not connected.
            let _ = wire.say_beside(&topic, word.written()).await;
        });
    }
}

//! One thread that writes whatever comes to it, and notes what was acknowledged.

use super::*;
use crate::domain::{
    Digest, Epoch, EventId, EventKind, FirstCall, HistoryBounds, HistoryLimits, HookEvent,
    KeptAnswer, KeyBounds, KeyScope, KeyedCall, Message, Permissions, Stamp,
};
use crate::store::{NewMessage, StoreResult};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

/// How many groups each thread commits.
const GROUPS: usize = 150;
/// The most writes of a group.
const WRITES: u64 = 8;
/// Between how many channels they choose, in each of two projects.
const CHANNELS: u64 = 5;
/// Bounds that are not met.
const WIDE: HistoryBounds =
    HistoryBounds { messages: 100_000, bytes: 1 << 30, age: Duration::from_secs(100_000) };

/// Numbers that nothing else has: of a channel's time, its epoch, and what a message says.
static NUMBERS: AtomicI64 = AtomicI64::new(1);

/// One of them.
fn number() -> i64 {
    NUMBERS.fetch_add(1, Ordering::SeqCst)
}

/// What was acknowledged.
#[derive(Default)]
pub(super) struct Done {
    /// Channels, by when they were made, which tells those of one id apart.
    pub(super) made: BTreeSet<i64>,
    /// Those that were deleted.
    pub(super) deleted: BTreeSet<i64>,
    /// Of each, the versions that a state was given.
    pub(super) versions: BTreeMap<i64, Vec<i64>>,
    /// Of each, what its messages say, by their place.
    pub(super) messages: BTreeMap<i64, BTreeMap<u64, i64>>,
    /// Which of them each token was subscribed to at last.
    pub(super) subscriptions: BTreeSet<(String, i64)>,
    /// Events.
    pub(super) events: BTreeSet<String>,
    /// How many answers were kept.
    pub(super) answers: usize,
}

impl Done {
    /// Adds what another thread did.
    pub(super) fn add(&mut self, other: Self) {
        self.made.extend(other.made);
        self.deleted.extend(other.deleted);
        for (channel, versions) in other.versions {
            self.versions.entry(channel).or_default().extend(versions);
        }
        for (channel, messages) in other.messages {
            self.messages.entry(channel).or_default().extend(messages);
        }
        self.subscriptions.extend(other.subscriptions);
        self.events.extend(other.events);
        self.answers += other.answers;
    }
}

/// One write that was done, to be noted once its group has committed.
enum Step {
    /// A channel was made.
    Made(i64),
    /// A channel was deleted.
    Deleted(i64),
    /// A channel has a state of this version.
    Set(i64, i64),
    /// A channel keeps a message in this place.
    Kept(i64, u64, i64),
    /// A token is subscribed to a channel.
    Subscribed(i64),
    /// And not any more.
    Unsubscribed(i64),
    /// An event was recorded.
    Told(String),
    /// An answer was kept.
    Answered,
}

/// One thread.
pub(super) struct Worker {
    /// Its own token, of either project.
    token: String,
    /// What it chooses by.
    dice: u64,
    /// What it did.
    done: Done,
}

impl Worker {
    /// One that has done nothing yet.
    pub(super) fn new(token: &str, seed: u64) -> Self {
        let dice = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self { token: token.to_owned(), dice, done: Done::default() }
    }

    /// A number below this one.
    fn throw(&mut self, below: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % below
    }

    /// A channel of some project.
    fn key(&mut self) -> ChannelKey {
        let project = ["a", "b"][usize::try_from(self.throw(2)).unwrap()];
        let id = ChannelId::trusted(&format!("c{}", self.throw(CHANNELS)));
        ChannelKey { project: ProjectId::from(project), id }
    }

    /// Commits groups of writes.
    pub(super) fn work(mut self, database: &PostgresDatabase) -> Done {
        let mut writer = database.writer().unwrap();
        for _ in 0..GROUPS {
            let count = 1 + self.throw(WRITES);
            let mut steps = Vec::new();
            let mut group = |store: &mut dyn WriteStore| {
                for _ in 0..count {
                    steps.extend(self.write(store).unwrap());
                }
            };
            writer.group(&mut group).unwrap();
            for step in steps {
                self.note(step);
            }
        }
        self.done
    }

    /// Writes something to some channel, which is made if it is not there.
    fn write(&mut self, store: &mut dyn WriteStore) -> StoreResult<Vec<Step>> {
        let (key, id) = (self.key(), number());
        let Some(channel) = store.find_channel(&key)? else {
            let made = Channel { key: key.clone(), created_at: Timestamp(id), ..channel("c") };
            store.create_channel(&made)?;
            store.open_line(&key, Epoch(id.unsigned_abs()), HistoryLimits::default())?;
            return Ok(vec![Step::Made(id)]);
        };
        let (at, token) = (channel.created_at.0, LeapTokenId::from(self.token_of(&key).as_str()));
        Ok(vec![match self.throw(20) {
            0 => {
                store.delete_channel(&key)?;
                Step::Deleted(at)
            }
            1..=3 => {
                store.add_subscription(&key, &token, Timestamp(id))?;
                Step::Subscribed(at)
            }
            4..=5 => {
                store.remove_subscription(&key, &token)?;
                Step::Unsubscribed(at)
            }
            6..=8 => {
                let stamp = Stamp { id: EventId::from(id.to_string().as_str()), at: Timestamp(id) };
                let event = HookEvent::channel(stamp, EventKind::ChannelCreated, &channel);
                assert_eq!(store.record_event(&event)?, 1);
                Step::Told(id.to_string())
            }
            9..=10 => {
                let call = FirstCall { asked: Digest::of(&[]), permissions: Permissions::OWNER };
                let digest = Digest::of(&[&id.to_be_bytes()]);
                let scope = KeyScope::Project(key.project.clone());
                let call = KeyedCall { scope, key: digest, call };
                let answer = KeptAnswer { status: 204, headers: Vec::new(), body: Bytes::new() };
                store.claim_key(&call, Timestamp(0))?;
                store.keep_answer(&call, Timestamp(id), &answer, &KeyBounds::default())?;
                Step::Answered
            }
            11..=13 => {
                let data = RawJson::trusted(id.to_string());
                let message = Message { event: "m".into(), data };
                let new = NewMessage { message, from: None, at: Timestamp(id) };
                Step::Kept(at, store.append_message(&key, &new, &WIDE)?.position.offset, id)
            }
            _ => {
                let version = channel.version.next();
                store.set_state(&key, &State::empty(), version)?;
                Step::Set(at, version.0)
            }
        }])
    }

    /// Its token in a channel's project.
    fn token_of(&self, key: &ChannelKey) -> String {
        format!("{}-{}", key.project.as_str(), self.token)
    }

    /// Notes what stands.
    fn note(&mut self, step: Step) {
        let token = self.token.clone();
        match step {
            Step::Made(at) => assert!(self.done.made.insert(at)),
            Step::Deleted(at) => assert!(self.done.deleted.insert(at)),
            Step::Set(at, version) => self.done.versions.entry(at).or_default().push(version),
            Step::Kept(at, place, data) => {
                self.done.messages.entry(at).or_default().insert(place, data);
            }
            Step::Subscribed(at) => drop(self.done.subscriptions.insert((token, at))),
            Step::Unsubscribed(at) => drop(self.done.subscriptions.remove(&(token, at))),
            Step::Told(id) => assert!(self.done.events.insert(id)),
            Step::Answered => self.done.answers += 1,
        }
    }
}

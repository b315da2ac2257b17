//! A store that takes its time, fails, and sometimes does what it says it did not.

use super::happening::Place;
use crate::ask::AskError;
use crate::domain::{Channel, ChannelId, State, Timestamp, Version};
use crate::store::{StoreError, Thing};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A write.
pub(super) struct Job {
    /// The channel that asks.
    pub(super) by: Place,
    /// What.
    pub(super) kind: Kind,
}

/// What is written.
pub(super) enum Kind {
    /// A state.
    Set(State, Version),
    /// The back end deletes the channel.
    Delete,
    /// The channel deletes itself: it waits for that.
    DeleteItself,
    /// The channel has had a subscriber.
    Mark,
}

/// The store.
#[derive(Default)]
pub(super) struct Store {
    /// The channels.
    rows: BTreeMap<ChannelId, Channel>,
    /// Those that are known to have had a subscriber and to go with the last.
    marked: BTreeSet<ChannelId>,
    /// Those of which that is to be written, and is not.
    pub(super) unnoted: BTreeSet<ChannelId>,
    /// What is to be written, in order.
    pub(super) jobs: VecDeque<Job>,
    /// Whether nothing can be written now.
    pub(super) is_failing: bool,
    /// Every state that was ever stored, by channel and when that was made.
    history: BTreeMap<(ChannelId, Timestamp), Vec<String>>,
}

impl Store {
    /// A channel.
    pub(super) fn find(&self, channel: &ChannelId) -> Option<Channel> {
        self.rows.get(channel).cloned()
    }

    /// Makes a channel.
    pub(super) fn create(&mut self, channel: Channel) {
        let first = vec![channel.state.json().as_str().to_owned()];
        self.history.insert((channel.key.id.clone(), channel.created_at), first);
        self.rows.insert(channel.key.id.clone(), channel);
    }

    /// Every channel.
    pub(super) fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.rows.values()
    }

    /// The channels that are known to have had a subscriber and to go with the last.
    pub(super) fn marked(&self) -> Vec<ChannelId> {
        self.marked.iter().cloned().collect()
    }

    /// Writes what is next; `lies` says whether it stands though it is said to have failed.
    pub(super) fn write(&mut self, lies: bool) -> Option<(Job, Result<(), AskError>)> {
        let job = self.jobs.pop_front()?;
        let failed = || AskError::Store(StoreError::Unavailable("no".into()));
        if self.is_failing && !lies {
            return Some((job, Err(failed())));
        }
        let done = self.perform(&job);
        let outcome = if self.is_failing { Err(failed()) } else { done };
        Some((job, outcome))
    }

    /// Carries a write out.
    pub(super) fn perform(&mut self, job: &Job) -> Result<(), AskError> {
        let id = &job.by.channel;
        let Some(row) = self.rows.get_mut(id) else {
            return Err(AskError::not_found(Thing::Channel));
        };
        match &job.kind {
            Kind::Set(state, version) if *version == row.version.next() => {
                row.state = state.clone();
                row.version = *version;
                let states = self.history.get_mut(&(id.clone(), row.created_at)).unwrap();
                states.push(state.json().as_str().to_owned());
                Ok(())
            }
            Kind::Set(..) => Err(AskError::Store(StoreError::VersionConflict)),
            Kind::Delete | Kind::DeleteItself => {
                self.rows.remove(id);
                self.marked.remove(id);
                Ok(())
            }
            Kind::Mark => {
                self.marked.insert(id.clone());
                self.unnoted.remove(id);
                Ok(())
            }
        }
    }

    /// Whether a channel of that name ever had this state at this version.
    pub(super) fn was(&self, channel: &str, version: i64, state: &str) -> bool {
        let index = usize::try_from(version - 1).unwrap();
        let mut lives = self.history.iter().filter(|((id, _), _)| id.as_str() == channel);
        lives.any(|(_, states)| states.get(index).is_some_and(|stored| stored == state))
    }

    /// The state that one channel had at a version.
    pub(super) fn at(
        &self,
        channel: &ChannelId,
        born: Timestamp,
        version: Version,
    ) -> Option<&str> {
        let states = self.history.get(&(channel.clone(), born))?;
        let index = usize::try_from(version.0).ok()?.checked_sub(1)?;
        states.get(index).map(String::as_str)
    }

    /// The version of a channel.
    pub(super) fn version(&self, channel: &ChannelId) -> Version {
        self.rows.get(channel).map_or(Version::FIRST, |row| row.version)
    }
}

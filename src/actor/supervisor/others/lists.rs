//! Who is on a channel, on all servers together: each session once, however many have it.
//!
//! While other servers cannot be asked, this one tells what it knows.

use super::Supervisor;
use super::question::{ServerAnswer, ServerQuestion, SharedMember};
use crate::ask::AskError;
use crate::bus::others::Needed;
use crate::channel::MemberPlace;
use crate::domain::ChannelKey;
use crate::protocol::PresentMember;
use crate::store::Start;
use indexmap::IndexMap;
use indexmap::map::Entry;
use std::collections::HashSet;
use std::sync::Arc;

/// Whether a server has subscribers of the channel that it was asked about.
const fn has_subscribers(answer: &ServerAnswer) -> bool {
    matches!(answer, ServerAnswer::Count { subscribed: 1.., .. })
}

impl Supervisor {
    /// How many sessions are connected to a channel and how many are in, on all servers.
    pub(in super::super) async fn counts(&self, key: &ChannelKey) -> Result<(u64, u64), AskError> {
        let here = self.counts_here(key).await?;
        let (mut online, mut present) = (here.online, here.present);
        let mut twice: Vec<_> = here.shared.iter().map(SharedMember::from).collect();
        for answer in self.ask_others(&ServerQuestion::count(key)).await.unwrap_or_default() {
            if let ServerAnswer::Count { online: more, present: in_grace, shared, .. } = answer {
                (online, present) = (online + more, present + in_grace);
                twice.extend(shared);
            }
        }
        let (mut connected, mut are_in) = (HashSet::new(), HashSet::new());
        for known in twice {
            let is_twice = known.is_online && !connected.insert(known.member.clone());
            online = online.saturating_sub(u64::from(is_twice));
            let is_twice = known.is_present && !are_in.insert(known.member);
            present = present.saturating_sub(u64::from(is_twice));
        }
        Ok((online, present))
    }

    /// Whether another server has subscribers of a channel; one that may have gone is waited for, as they may come back.
    pub(in crate::actor) async fn is_subscribed_elsewhere(
        &self,
        key: &ChannelKey,
    ) -> Result<bool, AskError> {
        let asked = ServerQuestion::count(key);
        let answers = self.ask_those(&asked, Needed::AllThatLive).await?;
        Ok(answers.iter().any(has_subscribers))
    }

    /// A part of who is in a channel, on all servers, in order.
    pub(in super::super) async fn present_everywhere(
        &self,
        key: &ChannelKey,
        start: &Start<MemberPlace>,
        limit: u64,
        here: Vec<PresentMember>,
    ) -> Vec<PresentMember> {
        let (behind, skipped) = match start {
            Start::Skip(count) => (None, *count),
            Start::Behind((since, id)) => (Some((since.0, id.as_ref().to_owned())), 0),
        };
        let (project, channel) = (key.project.as_str().to_owned(), key.id.as_str().to_owned());
        let limit = limit.saturating_add(skipped);
        let asked = ServerQuestion::Present { project, channel, behind, limit };
        let mut all = here;
        for answer in self.ask_others(&asked).await.unwrap_or_default() {
            if let ServerAnswer::Members(Some(members)) = answer {
                all.extend(members.into_iter().map(PresentMember::from));
            }
        }
        all.sort_by(|one, other| (one.since, &one.member.id).cmp(&(other.since, &other.member.id)));
        let mut merged: IndexMap<Arc<str>, PresentMember> = IndexMap::new();
        for present in all {
            match merged.entry(Arc::clone(&present.member.id)) {
                Entry::Occupied(mut known) => known.get_mut().connections += present.connections,
                Entry::Vacant(place) => {
                    place.insert(present);
                }
            }
        }
        let index = |number| usize::try_from(number).unwrap_or(usize::MAX);
        merged.into_values().take(index(limit)).skip(index(skipped)).collect()
    }
}

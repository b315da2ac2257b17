//! How many calls are under way to which webhook, and how many more may be.

use super::{IN_FLIGHT, PER_ENDPOINT};
use crate::domain::{DeliveryKey, DueDelivery, ProjectId, Timestamp, Webhook, WebhookId};
use crate::num;
use crate::store::{Claim, ReadStore, StoreResult, WriteStore};
use std::collections::{HashMap, HashSet};

/// The calls to one webhook.
#[derive(Clone, Copy, Debug)]
struct EndpointSlot {
    /// How many are under way.
    busy: usize,
    /// How many may be under way.
    limit: usize,
}

impl Default for EndpointSlot {
    fn default() -> Self {
        Self { busy: 0, limit: PER_ENDPOINT }
    }
}

impl EndpointSlot {
    /// Notes how a call ended. A failure halves the places, so that endpoints which are down cannot take them all from
    /// those that are up: three in a row leave one. A success gives one back, so that one failure among many costs little.
    fn judge(&mut self, is_down: bool) {
        self.limit =
            if is_down { (self.limit / 2).max(1) } else { (self.limit + 1).min(PER_ENDPOINT) };
    }
}

/// How many calls more a project may have under way, of which it has so many already: half of the places that the others
/// leave. So one whose endpoints hang never takes the last place from the others, and one that is alone has half.
const fn share(under_way: usize, of_project: usize) -> usize {
    let others = under_way.saturating_sub(of_project);
    let most = IN_FLIGHT.saturating_sub(others).div_ceil(2);
    let free = IN_FLIGHT.saturating_sub(under_way);
    let room = most.saturating_sub(of_project);
    if room < free { room } else { free }
}

/// All calls under way.
#[derive(Debug, Default)]
pub(super) struct EndpointSlots {
    /// By webhook; one without calls and without trouble is not here.
    by_webhook: HashMap<WebhookId, EndpointSlot>,
    /// How many calls of each project are under way.
    by_project: HashMap<ProjectId, usize>,
    /// What is being delivered.
    under_way: HashSet<DeliveryKey>,
    /// The webhook that was served last: the next look begins behind it.
    last: Option<WebhookId>,
}

/// What a look into the outbox may bring.
pub(super) struct OutboxPlan {
    /// By webhook.
    slots: HashMap<WebhookId, EndpointSlot>,
    /// By project.
    by_project: HashMap<ProjectId, usize>,
    /// What is being delivered already.
    under_way: HashSet<DeliveryKey>,
    /// Behind which webhook to begin.
    last: Option<WebhookId>,
}

/// Due deliveries, each with its webhook.
pub(super) type DueBatch = Vec<(Webhook, Vec<DueDelivery>)>;

impl EndpointSlots {
    /// What may be started now.
    pub(super) fn plan(&self) -> OutboxPlan {
        OutboxPlan {
            slots: self.by_webhook.clone(),
            by_project: self.by_project.clone(),
            under_way: self.under_way.clone(),
            last: self.last.clone(),
        }
    }

    /// Notes a call that begins; false where it must not.
    pub(super) fn enter(&mut self, project: &ProjectId, key: &DeliveryKey) -> bool {
        let slot = self.by_webhook.get(&key.webhook).copied().unwrap_or_default();
        let of_project = self.by_project.get(project).copied().unwrap_or(0);
        let has_room = share(self.under_way.len(), of_project) > 0 && slot.busy < slot.limit;
        if !has_room {
            return false;
        }
        if !self.under_way.insert(key.clone()) {
            return false;
        }
        self.by_webhook.entry(key.webhook.clone()).or_default().busy += 1;
        *self.by_project.entry(project.clone()).or_default() += 1;
        self.last = Some(key.webhook.clone());
        true
    }

    /// Notes a call that ended.
    pub(super) fn leave(&mut self, project: &ProjectId, key: &DeliveryKey, is_down: bool) {
        self.under_way.remove(key);
        if let Some(busy) = self.by_project.get_mut(project) {
            *busy = busy.saturating_sub(1);
        }
        self.by_project.retain(|_, busy| *busy > 0);
        if let Some(slot) = self.by_webhook.get_mut(&key.webhook) {
            slot.busy = slot.busy.saturating_sub(1);
            slot.judge(is_down);
            if slot.busy == 0 && slot.limit == PER_ENDPOINT {
                self.by_webhook.remove(&key.webhook);
            }
        }
    }

    /// Forgets webhooks without calls, among them those that were deleted.
    pub(super) fn forget_idle(&mut self) {
        self.by_webhook.retain(|_, slot| slot.busy > 0);
    }
}

impl OutboxPlan {
    /// Reads as much as may be started, webhook after webhook, and when something is due next.
    pub(super) fn read(
        &self,
        store: &mut dyn ReadStore,
        now: Timestamp,
    ) -> StoreResult<(DueBatch, Option<Timestamp>)> {
        self.walk(store, now, |store, webhook, limit| store.due_deliveries(webhook, now, limit))
    }

    /// The same where others take from the outbox too: what it brings is claimed by this name.
    pub(super) fn claim(
        &self,
        store: &mut dyn WriteStore,
        now: Timestamp,
        by: &str,
    ) -> StoreResult<(DueBatch, Option<Timestamp>)> {
        self.walk(store, now, |store, webhook, limit| {
            store.claim_deliveries(webhook, Claim { by, now, limit })
        })
    }

    /// Takes as much as may be started out of the outbox, in this way.
    fn walk<S: ReadStore + ?Sized>(
        &self,
        store: &mut S,
        now: Timestamp,
        mut take: impl FnMut(&mut S, &WebhookId, u64) -> StoreResult<Vec<DueDelivery>>,
    ) -> StoreResult<(DueBatch, Option<Timestamp>)> {
        let mut under_way = self.under_way.len();
        let mut by_project = self.by_project.clone();
        let mut webhooks = store.due_webhooks(now)?;
        if let Some(last) = &self.last {
            let behind = webhooks.partition_point(|webhook| webhook.id <= *last);
            webhooks.rotate_left(behind);
        }
        let mut batch = Vec::new();
        for webhook in webhooks {
            let slot = self.slots.get(&webhook.id).copied().unwrap_or_default();
            let of_project = by_project.entry(webhook.project.clone()).or_default();
            let room = slot.limit.saturating_sub(slot.busy).min(share(under_way, *of_project));
            if room == 0 {
                continue;
            }
            // What is under way is still due in the outbox.
            let limit = num::counter(room + slot.busy);
            let mut due = take(store, &webhook.id, limit)?;
            due.retain(|due| !self.under_way.contains(&due.key));
            due.truncate(room);
            under_way += due.len();
            *of_project += due.len();
            batch.push((webhook, due));
        }
        Ok((batch, store.next_due()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EventId;

    /// One delivery.
    fn key(webhook: usize, event: usize) -> DeliveryKey {
        DeliveryKey {
            webhook: WebhookId::from(webhook.to_string().as_str()),
            event: EventId::from(event.to_string().as_str()),
        }
    }

    /// A project.
    fn project(number: usize) -> ProjectId {
        ProjectId::from(number.to_string().as_str())
    }

    /// How many calls to a webhook may begin; they are ended without a judgement.
    fn places_of(slots: &mut EndpointSlots, webhook: usize) -> usize {
        let before = slots.by_webhook.get(&key(webhook, 0).webhook).copied();
        let taken: Vec<_> = (100..200)
            .map(|event| key(webhook, event))
            .filter(|key| slots.enter(&project(1), key))
            .collect();
        for key in &taken {
            slots.leave(&project(1), key, false);
        }
        if let Some(slot) = before {
            slots.by_webhook.insert(key(webhook, 0).webhook, slot);
        }
        taken.len()
    }

    #[test]
    fn an_endpoint_that_is_down_has_one_place_and_a_success_gives_one_back() {
        let (mut slots, home) = (EndpointSlots::default(), project(1));
        assert!((0..PER_ENDPOINT).all(|event| slots.enter(&home, &key(1, event))));
        assert!(!slots.enter(&home, &key(1, 99)));
        for event in 0..PER_ENDPOINT {
            slots.leave(&home, &key(1, event), true);
        }
        assert!(slots.enter(&home, &key(1, 1)));
        assert!(!slots.enter(&home, &key(1, 2)), "one at a time while it is down");
        assert!(slots.enter(&home, &key(2, 1)), "another has its own places");
        for places in 2..=PER_ENDPOINT {
            slots.leave(&home, &key(1, 1), false);
            assert_eq!(places_of(&mut slots, 1), places);
            slots.enter(&home, &key(1, 1));
        }
        slots.leave(&home, &key(1, 1), false);
        assert!(!slots.by_webhook.contains_key(&key(1, 1).webhook), "nothing is left to remember");
    }

    #[test]
    fn one_failure_leaves_half_of_the_places() {
        let (mut slots, home) = (EndpointSlots::default(), project(1));
        for (left, is_down) in [(4, true), (2, true), (3, false), (1, true), (1, true), (2, false)]
        {
            assert!(slots.enter(&home, &key(1, 0)));
            slots.leave(&home, &key(1, 0), is_down);
            assert_eq!(places_of(&mut slots, 1), left);
        }
    }

    #[test]
    fn a_delivery_is_under_way_once_and_all_together_are_bounded() {
        let mut slots = EndpointSlots::default();
        assert!(slots.enter(&project(1), &key(1, 1)));
        assert!(!slots.enter(&project(1), &key(1, 1)));
        let mut enter = |n: usize| slots.enter(&project(n / 100), &key(n, 7));
        assert_eq!((100..10_000).filter(|n| enter(*n)).count(), IN_FLIGHT - 1);
        assert!(slots.under_way.len() == IN_FLIGHT);
    }

    #[test]
    fn a_project_leaves_half_of_the_places_to_the_others() {
        let mut slots = EndpointSlots::default();
        let take = |slots: &mut EndpointSlots, owner: usize| {
            let hook = |n: usize| key(owner * 1000 + n, 1);
            (0..100).filter(|n| slots.enter(&project(owner), &hook(*n))).count()
        };
        assert_eq!(take(&mut slots, 1), IN_FLIGHT / 2);
        assert_eq!(take(&mut slots, 2), IN_FLIGHT / 4);
        assert_eq!(take(&mut slots, 3), IN_FLIGHT / 8);
        for n in 0..IN_FLIGHT / 2 {
            slots.leave(&project(1), &key(1000 + n, 1), false);
        }
        assert!(!slots.by_project.contains_key(&project(1)));
        assert!(take(&mut slots, 4) > IN_FLIGHT / 4);
    }
}

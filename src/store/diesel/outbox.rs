//! One connection as the outbox: which file answers which method, and what "atomically" is.

use super::store::DieselStore;
use super::{authorizers, claims, deliveries, registers, sending};
use crate::domain::{
    Attempt, Authorizer, Delivery, DeliveryKey, DueDelivery, HookEvent, Listed, ProjectId, RawJson,
    Register, Timestamp, Webhook, WebhookId,
};
use crate::store::{AtomicWrite, Claim, ReadOutbox, Start, StoreResult, WriteOutbox};
use diesel::connection::{AnsiTransactionManager, TransactionManager as _};
use std::time::Duration;

impl ReadOutbox for DieselStore<'_> {
    fn due_webhooks(&mut self, now: Timestamp) -> StoreResult<Vec<Webhook>> {
        sending::due_webhooks(self.connection, now)
    }

    fn due_deliveries(
        &mut self,
        webhook: &WebhookId,
        now: Timestamp,
        limit: u64,
    ) -> StoreResult<Vec<DueDelivery>> {
        sending::due(self.connection, webhook, now, limit)
    }

    fn next_due(&mut self) -> StoreResult<Option<Timestamp>> {
        sending::next_due(self.connection)
    }

    fn is_due_too_late(&mut self, now: Timestamp, longest: Duration) -> StoreResult<bool> {
        sending::is_due_too_late(self.connection, now, longest)
    }

    fn list_deliveries(
        &mut self,
        webhook: &WebhookId,
        start: &Start<i64>,
        limit: u64,
    ) -> StoreResult<Vec<Delivery>> {
        deliveries::list(self.connection, webhook, start, limit)
    }

    fn find_delivery(
        &mut self,
        project: &ProjectId,
        key: &DeliveryKey,
    ) -> StoreResult<Option<(Delivery, RawJson)>> {
        deliveries::find(self.connection, project, key)
    }

    fn count_deliveries(&mut self, webhook: &WebhookId) -> StoreResult<u64> {
        deliveries::count(self.connection, webhook)
    }

    fn find_authorizer(&mut self, project: &ProjectId) -> StoreResult<Option<Authorizer>> {
        authorizers::find(self.connection, project)
    }

    fn listed_after(&mut self, last: Option<&Listed>, limit: u64) -> StoreResult<Vec<Listed>> {
        registers::after(self.connection, last, limit)
    }
}

impl WriteOutbox for DieselStore<'_> {
    /// A savepoint. After a failure that leaves the transaction in doubt nothing is sent any more, not even the way
    /// back: the whole group is given up then.
    fn atomically(&mut self, run: AtomicWrite<'_>) -> StoreResult<()> {
        self.control(AnsiTransactionManager::begin_transaction)?;
        let outcome = run(self);
        if self.has_failed() {
            return outcome;
        }
        self.control(if outcome.is_ok() {
            AnsiTransactionManager::commit_transaction
        } else {
            AnsiTransactionManager::rollback_transaction
        })?;
        outcome
    }

    fn record_event(&mut self, event: &HookEvent) -> StoreResult<usize> {
        self.write(|connection| deliveries::record(connection, event))
    }

    fn claim_deliveries(
        &mut self,
        webhook: &WebhookId,
        claim: Claim<'_>,
    ) -> StoreResult<Vec<DueDelivery>> {
        self.write_surely(|connection| claims::claim(connection, webhook, claim))
    }

    fn settle_delivery(&mut self, key: &DeliveryKey, attempt: &Attempt) -> StoreResult<()> {
        self.write(|connection| sending::settle(connection, key, attempt))
    }

    fn bring_back_deliveries(&mut self, now: Timestamp, longest: Duration) -> StoreResult<u64> {
        self.write(|connection| sending::bring_back(connection, now, longest))
    }

    fn resend_delivery(
        &mut self,
        project: &ProjectId,
        key: &DeliveryKey,
        now: Timestamp,
    ) -> StoreResult<()> {
        self.write(|connection| sending::resend(connection, project, key, now))
    }

    fn prune_deliveries(&mut self, now: Timestamp) -> StoreResult<u64> {
        self.write(|connection| deliveries::prune(connection, now))
    }

    fn set_authorizer(&mut self, authorizer: &Authorizer) -> StoreResult<()> {
        self.write(|connection| authorizers::set(connection, authorizer))
    }

    fn delete_authorizer(&mut self, project: &ProjectId) -> StoreResult<()> {
        self.write(|connection| authorizers::delete(connection, project))
    }
    fn enlist(&mut self, listed: &Listed) -> StoreResult<()> {
        self.write(|connection| registers::enlist(connection, listed))
    }

    fn strike(&mut self, listed: &Listed) -> StoreResult<()> {
        self.write(|connection| registers::strike(connection, listed))
    }

    fn strike_all(&mut self, project: &ProjectId, register: Register) -> StoreResult<()> {
        self.write(|connection| registers::strike_all(connection, project, register))
    }
}

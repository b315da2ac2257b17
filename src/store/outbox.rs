//! What webhooks are owed: events on their way, and who answers subscribe requests.

use super::{Start, StoreResult, WriteStore};
use crate::domain::{
    Attempt, Authorizer, Delivery, DeliveryKey, DueDelivery, HookEvent, Listed, ProjectId, RawJson,
    Register, Timestamp, Webhook, WebhookId,
};
use std::time::Duration;

/// What is read of it.
#[expect(clippy::missing_errors_doc, reason = "the same errors everywhere, as in ReadStore")]
pub trait ReadOutbox {
    /// The webhooks that have a delivery due at `now`.
    fn due_webhooks(&mut self, now: Timestamp) -> StoreResult<Vec<Webhook>>;
    /// A webhook's deliveries that are due at `now`, at most `limit`: one that was tried before and one that was not by
    /// turns, of either kind the longest due first.
    fn due_deliveries(
        &mut self,
        webhook: &WebhookId,
        now: Timestamp,
        limit: u64,
    ) -> StoreResult<Vec<DueDelivery>>;
    /// When a delivery is due next; also in the past.
    fn next_due(&mut self) -> StoreResult<Option<Timestamp>>;
    /// Whether a delivery is due so much later that no pause explains it, because the clock has been set back: more than
    /// a minute after `now` where it was not tried yet, and after `now` and the `longest` pause where it was.
    fn is_due_too_late(&mut self, now: Timestamp, longest: Duration) -> StoreResult<bool>;
    /// A webhook's deliveries, newest first, at most `limit`; behind the one of the event with a number.
    fn list_deliveries(
        &mut self,
        webhook: &WebhookId,
        start: &Start<i64>,
        limit: u64,
    ) -> StoreResult<Vec<Delivery>>;
    /// A delivery of the project, with what the webhook is posted.
    fn find_delivery(
        &mut self,
        project: &ProjectId,
        key: &DeliveryKey,
    ) -> StoreResult<Option<(Delivery, RawJson)>>;
    /// How many deliveries a webhook has.
    fn count_deliveries(&mut self, webhook: &WebhookId) -> StoreResult<u64>;
    /// Who answers a project's subscribe requests.
    fn find_authorizer(&mut self, project: &ProjectId) -> StoreResult<Option<Authorizer>>;
    /// The sessions that are noted in registers: the next behind one, in the order of their keys, at most `limit`.
    fn listed_after(&mut self, last: Option<&Listed>, limit: u64) -> StoreResult<Vec<Listed>>;
}

/// A write that is tried as one; what it returns decides whether it stands.
pub type AtomicWrite<'a> = &'a mut dyn FnMut(&mut dyn WriteStore) -> StoreResult<()>;

/// Who takes deliveries out of the outbox to post them.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// A name that nobody else has. What was claimed under it may be claimed under it again.
    pub by: &'a str,
    /// When. What is claimed is its own for [`CLAIM`] from then on.
    pub now: Timestamp,
    /// How many at most.
    pub limit: u64,
}

/// How long a delivery is nobody else's once it is claimed: three times what a call may take, for clocks that differ.
pub const CLAIM: Duration = Duration::from_secs(30);

/// What is written of it.
#[expect(clippy::missing_errors_doc, reason = "each method names its refusals in its own sentence")]
pub trait WriteOutbox {
    /// Runs several writes of which all stand or, when `run` fails, none. Errors: those of `run`.
    fn atomically(&mut self, run: AtomicWrite<'_>) -> StoreResult<()>;
    /// Stores an event for each webhook of its project that names it and is not disabled; returns for how many. The
    /// event gets its number here, so that numbers rise in the order in which causes become durable. Stored again, it stays
    /// what it was.
    fn record_event(&mut self, event: &HookEvent) -> StoreResult<usize>;
    /// What [`ReadOutbox::due_deliveries`] tells, less what somebody else has claimed. Where several may take from one outbox
    /// ([`Database::has_claims`](super::Database::has_claims)), what is returned is claimed; elsewhere nothing is written.
    fn claim_deliveries(
        &mut self,
        webhook: &WebhookId,
        claim: Claim<'_>,
    ) -> StoreResult<Vec<DueDelivery>>;
    /// Notes what became of an attempt, which ends its claim; nothing where the delivery has gone meanwhile.
    fn settle_delivery(&mut self, key: &DeliveryKey, attempt: &Attempt) -> StoreResult<()>;
    /// Brings deliveries of which [`ReadOutbox::is_due_too_late`] speaks back to the latest time that a pause explains, and
    /// the end of their time with them; returns how many.
    fn bring_back_deliveries(&mut self, now: Timestamp, longest: Duration) -> StoreResult<u64>;
    /// Makes a delivery of the project due at `now`, whatever became of it before, and lets it be tried as long as a
    /// new one. Errors: `NotFound(Delivery)`.
    fn resend_delivery(
        &mut self,
        project: &ProjectId,
        key: &DeliveryKey,
        now: Timestamp,
    ) -> StoreResult<()>;
    /// Forgets finished deliveries that are old or too many; returns how many.
    fn prune_deliveries(&mut self, now: Timestamp) -> StoreResult<u64>;
    /// Sets who answers a project's subscribe requests. Errors: `NotFound(Project)`.
    fn set_authorizer(&mut self, authorizer: &Authorizer) -> StoreResult<()>;
    /// Nobody answers them any more. Errors: `NotFound(Authorizer)`.
    fn delete_authorizer(&mut self, project: &ProjectId) -> StoreResult<()>;
    /// Notes that a session stands in a register, as webhooks were told; doing so twice changes nothing. Errors:
    /// `NotFound(Project)`.
    fn enlist(&mut self, listed: &Listed) -> StoreResult<()>;
    /// Takes that back; nothing where it was not noted.
    fn strike(&mut self, listed: &Listed) -> StoreResult<()>;
    /// Takes back everybody in such a register of a project's channels.
    fn strike_all(&mut self, project: &ProjectId, register: Register) -> StoreResult<()>;
}

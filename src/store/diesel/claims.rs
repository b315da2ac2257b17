//! Claims of deliveries, here of a file, which one server has alone: there is nobody to claim them from.

use super::backend::Conn;
use super::sending;
use crate::domain::{DueDelivery, WebhookId};
use crate::store::{Claim, StoreResult};

/// `WriteStore::claim_deliveries`: what is due.
pub(super) fn claim(
    connection: &mut Conn,
    webhook: &WebhookId,
    claim: Claim<'_>,
) -> StoreResult<Vec<DueDelivery>> {
    sending::due(connection, webhook, claim.now, claim.limit)
}

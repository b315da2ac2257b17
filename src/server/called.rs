//! What the server calls: the addresses that webhooks and channel authorizers have, and which of them are refused.

use crate::actor::Persistence;
use crate::store::{ReadStore, StoreResult};
use crate::webhook::Policy;
use crate::webhook::check;
use crate::webhook::target::SystemResolver;

/// The most addresses that a start looks at.
const LOOKED_AT: usize = 1000;
/// The most of which it has a line in the log.
const TOLD: usize = 20;

/// An address that a project has set.
pub(crate) struct CalledAddress {
    /// What it is, and of which project.
    pub(crate) name: String,
    /// The address.
    pub(crate) url: String,
    /// Whether it hears nothing since it answered that it is gone.
    pub(crate) is_disabled: bool,
}

/// All addresses that are set.
///
/// # Errors
/// Those of the store.
pub(crate) fn addresses(store: &mut dyn ReadStore) -> StoreResult<Vec<CalledAddress>> {
    let mut all = Vec::new();
    for project in store.list_projects()? {
        for webhook in store.list_webhooks(&project.id)? {
            let name = format!("webhook {} of {}", webhook.id, project.id);
            let is_disabled = webhook.disabled_at.is_some();
            all.push(CalledAddress { name, url: webhook.url, is_disabled });
        }
        if let Some(authorizer) = store.find_authorizer(&project.id)? {
            let name = format!("the channel authorizer of {}", project.id);
            all.push(CalledAddress { name, url: authorizer.url, is_disabled: false });
        }
    }
    Ok(all)
}

/// Says in the log which addresses nothing is sent to. The addresses themselves may have secrets in them and are not said.
pub(super) async fn warn_of_refused(persistence: Persistence, policy: Policy) {
    let all = match persistence.read(addresses).await {
        Ok(all) => all,
        Err(error) => {
            tracing::warn!(%error, "the addresses of webhooks were not looked at");
            return;
        }
    };
    let mut refused: usize = 0;
    for CalledAddress { name, url, .. } in all.iter().take(LOOKED_AT) {
        let Some(obstacle) = check::obstacle(url, &policy, &SystemResolver).await else { continue };
        refused += 1;
        if refused <= TOLD {
            tracing::warn!(of = %name, code = obstacle.code, "{}", obstacle.message);
        }
    }
    if refused > TOLD {
        let more = refused - TOLD;
        tracing::warn!(more, "more addresses are not called: `warren doctor` names them all");
    }
}

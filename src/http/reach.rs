//! Warnings about addresses that are set and would not be called.

use super::call::Call;
use crate::webhook::Policy;
use crate::webhook::check::{self, Obstacle};
use crate::webhook::target::SystemResolver;
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The most names that are resolved at a time for warnings, in the whole process; past it none is given. The operating
/// system may hold a thread for each, longer than anybody waits for it.
const AT_ONCE: usize = 8;

/// Says what keeps an address from being called.
#[derive(Clone)]
pub(crate) struct Reach {
    /// What webhooks may call.
    policy: Policy,
    /// The places.
    places: Arc<Semaphore>,
}

/// `{code, field, message}`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Warning {
    /// `private_address`, `port`, `dns` or `address`.
    code: &'static str,
    /// The field that it is about.
    field: &'static str,
    /// For people.
    message: String,
}

impl Reach {
    /// Judges by this policy.
    pub(crate) fn new(policy: Policy) -> Self {
        Self { policy, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Whether keys that come from there may be believed: whoever writes on the way could let anybody in.
    pub(crate) fn may_believe(&self, url: &str) -> bool {
        self.policy.may_believe(url)
    }
}

/// What is to be said of an address that was just set in this field; also in the log.
pub(crate) async fn warnings(call: &Call, field: &'static str, url: &str) -> Vec<Warning> {
    let reach = &call.app.reach;
    let Ok(_place) = reach.places.try_acquire() else { return Vec::new() };
    let found = check::obstacle(url, &reach.policy, &SystemResolver).await;
    let Some(Obstacle { code, message }) = found else { return Vec::new() };
    // The path of an address may be a secret.
    tracing::warn!(
        path = call.request.path(),
        field,
        code,
        "an address was set that is not called"
    );
    vec![Warning { code, field, message }]
}

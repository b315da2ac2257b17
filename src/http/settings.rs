//! The settings in force, for the operator.

use super::answer::{self, Answer};
use super::call::Call;
use super::mounted::{Mounted, on};
use actix_web::http::Method;
use arc_swap::ArcSwap;
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![on(Method::GET, "settings", show)]
}

/// What is shown of the settings; all clones show the same.
#[derive(Clone, Default)]
pub(crate) struct ShownSettings(Arc<ArcSwap<Map<String, Value>>>);

impl ShownSettings {
    /// From now on these are shown, which hide their secrets.
    pub(crate) fn change(&self, settings: Map<String, Value>) {
        self.0.store(Arc::new(settings));
    }
}

/// `{settings}`.
#[derive(Serialize)]
struct SettingsBody<'a> {
    /// Values by their keys.
    settings: &'a Map<String, Value>,
}

/// `GET /settings`.
async fn show(call: Call) -> Answer {
    answer::data(SettingsBody { settings: &call.app.settings.0.load() })
}

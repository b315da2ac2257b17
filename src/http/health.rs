//! Health checks: is the process alive, and can it answer; and if not, why.

use super::App;
use super::answer::{self, Answer};
use super::envelope::{self, Details, HealthReason};
use super::error::ApiError;
use super::front::front;
use super::observed::RoutePattern;
use crate::actor::AskError;
use crate::metrics::Label;
use crate::store::StoreError;
use actix_web::ResponseError as _;
use actix_web::body::BoxBody;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource};
use serde::Serialize;
use std::path::Path;

/// With less room on its disk the store will not take much more.
const LOW_BYTES: u64 = 256 << 20;
/// With less, a commit that failed has failed for want of room.
const FULL_BYTES: u64 = 1 << 20;

/// `{status}`, and what may go wrong soon.
#[derive(Serialize)]
struct HealthView {
    /// `live` or `ready`.
    status: &'static str,
    /// What somebody should look after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<HealthReason>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HealthAudience {
    /// Anybody.
    Public,
    /// The operator, who is told what the system says.
    Operator,
}

/// What is looked at.
struct HealthFacts {
    /// Whether the server was told to stop.
    is_stopping: bool,
    /// How many connections have still to go, while they are being sent away.
    leaving: Option<usize>,
    /// What the store says.
    store: Result<(), AskError>,
    /// Whether the bus can be reached, if there is one.
    is_ordered: bool,
    /// The room on its disk, where that is known.
    free_bytes: Option<u64>,
}

/// Where they are.
pub(super) const PATHS: [&str; 2] = ["/health/live", "/health/ready"];

/// Mounts both.
pub(crate) fn mount(config: &mut ServiceConfig, app: &web::Data<App>, audience: HealthAudience) {
    let resource = |path| -> Resource {
        web::resource(path).app_data(RoutePattern(Label::Word(path))).app_data(app.clone())
    };
    let ready = move |app: web::Data<App>| async move { ready(&app, audience).await };
    let [live_path, ready_path] = PATHS;
    config.service(resource(live_path).route(web::get().to(live)).wrap(from_fn(front)));
    config.service(resource(ready_path).route(web::get().to(ready)).wrap(from_fn(front)));
}

/// `GET /health/live`: always, while the process runs.
async fn live() -> Answer {
    answer::data(HealthView { status: "live", warnings: Vec::new() })
}

/// `GET /health/ready`: when the store answers, its last commit succeeded, the bus is there if there has to be one, and the
/// server is not about to go.
async fn ready(app: &App, audience: HealthAudience) -> Answer {
    let facts = HealthFacts::look(app).await;
    match facts.error() {
        None => answer::data(HealthView { status: "ready", warnings: facts.warnings() }),
        Some(error) => Ok(refusal(&error, &facts.reasons(audience))),
    }
}

/// Why the server is not ready, as any error with its reasons.
fn refusal(error: &ApiError, reasons: &[HealthReason]) -> HttpResponse {
    let details = Details { reasons, ..Details::default() };
    let text = envelope::failure(error.code().word(), &error.to_string(), details);
    error.error_response().set_body(BoxBody::new(text))
}

impl HealthFacts {
    /// As things are.
    async fn look(app: &App) -> Self {
        let is_stopping = app.supervisor.is_stopping();
        let store = match app.persistence.check() {
            Ok(()) => app.persistence.read(|store| store.find_admin_token(&[0; 32])).await,
            Err(error) => Err(error),
        };
        let free_bytes = app.database.as_deref().and_then(free);
        let leaving = app.supervisor.leaving();
        let is_ordered = app.supervisor.is_ordered();
        Self { is_stopping, leaving, store: store.map(drop), is_ordered, free_bytes }
    }

    /// What is answered instead of 200.
    fn error(&self) -> Option<ApiError> {
        if self.is_stopping {
            return Some(ApiError::Stopping);
        }
        let store = self.store.as_ref().err().map(|error| error.clone().into());
        store.or((!self.is_ordered).then_some(ApiError::Overloaded))
    }

    /// All that is wrong.
    fn reasons(&self, audience: HealthAudience) -> Vec<HealthReason> {
        let mut reasons = Vec::new();
        if self.is_stopping {
            reasons.push(because("stopping", "the server was told to stop"));
        }
        if let Some(leaving) = self.leaving {
            let message = format!("connections are being closed: {leaving} are left");
            reasons.push(HealthReason { reason: "draining", message });
        }
        if let Err(error) = &self.store {
            reasons.push(self.store_reason(error, audience));
        }
        if !self.is_ordered {
            reasons.push(because("bus", "the bus that orders for several servers does not answer"));
        }
        reasons
    }

    /// What is wrong with the store.
    fn store_reason(&self, error: &AskError, audience: HealthAudience) -> HealthReason {
        let is_unavailable = matches!(error, AskError::Store(StoreError::Unavailable(_)));
        let is_full = is_unavailable && self.free_bytes.is_some_and(|free| free < FULL_BYTES);
        let (reason, message) = match error {
            _ if is_full => ("disk_full", "there is no room on the database's disk"),
            AskError::Store(_) => ("store", "the database takes nothing"),
            _ => ("overloaded", "the database has too much to do"),
        };
        let message = match audience {
            HealthAudience::Public => message.to_owned(),
            HealthAudience::Operator => format!("{message}: {error}"),
        };
        HealthReason { reason, message }
    }

    /// What may go wrong soon.
    fn warnings(&self) -> Vec<HealthReason> {
        let is_low = self.free_bytes.is_some_and(|free| free < LOW_BYTES);
        let low = || because("disk_low", "there is little room left on the database's disk");
        is_low.then(low).into_iter().collect()
    }
}

/// A reason in these words.
fn because(reason: &'static str, message: &str) -> HealthReason {
    HealthReason { reason, message: message.to_owned() }
}

/// The room on the disk that has a file.
pub(super) fn free(file: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(file).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong where the store says this and has so much room.
    fn facts(store: Result<(), &str>, free_bytes: Option<u64>) -> HealthFacts {
        let store = store.map_err(|why| AskError::Store(StoreError::Unavailable(why.to_owned())));
        HealthFacts { is_stopping: false, leaving: None, store, is_ordered: true, free_bytes }
    }

    /// The words of the reasons.
    fn words(reasons: &[HealthReason]) -> Vec<&'static str> {
        reasons.iter().map(|reason| reason.reason).collect()
    }

    #[test]
    fn each_fault_has_its_word_and_its_answer() {
        let well = facts(Ok(()), Some(LOW_BYTES));
        assert!(well.error().is_none() && well.warnings().is_empty());
        let low = facts(Ok(()), Some(LOW_BYTES - 1));
        assert!(low.error().is_none());
        assert_eq!(words(&low.warnings()), ["disk_low"]);
        let failing = facts(Err("disk I/O error"), Some(LOW_BYTES));
        assert_eq!(failing.error(), Some(ApiError::StorageUnavailable));
        assert_eq!(words(&failing.reasons(HealthAudience::Public)), ["store"]);
        let full = facts(Err("database or disk is full"), Some(FULL_BYTES - 1));
        assert_eq!(words(&full.reasons(HealthAudience::Public)), ["disk_full"]);
        let stopping = HealthFacts { is_stopping: true, ..failing };
        assert_eq!(stopping.error(), Some(ApiError::Stopping));
        assert_eq!(words(&stopping.reasons(HealthAudience::Public)), ["stopping", "store"]);
        let draining = HealthFacts { is_stopping: true, leaving: Some(3), ..facts(Ok(()), None) };
        assert_eq!(words(&draining.reasons(HealthAudience::Public)), ["stopping", "draining"]);
        let busy = HealthFacts { store: Err(AskError::Overloaded), ..facts(Ok(()), None) };
        assert_eq!(words(&busy.reasons(HealthAudience::Public)), ["overloaded"]);
    }

    #[test]
    fn what_the_system_says_only_the_operator_hears() {
        let failing = facts(Err("/srv/secret/warren.db was removed"), None);
        let told = |audience| failing.reasons(audience).remove(0).message;
        assert!(!told(HealthAudience::Public).contains("/srv"), "{}", told(HealthAudience::Public));
        assert!(told(HealthAudience::Operator).contains("/srv/secret/warren.db was removed"));
    }
}

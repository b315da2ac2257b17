//! Health checks: is the process alive, and can it answer.

use super::App;
use super::answer::{self, Answer};
use super::error::ApiError;
use super::front::front;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use serde::Serialize;

/// `{status}`.
#[derive(Serialize)]
struct HealthView {
    /// `live` or `ready`.
    status: &'static str,
}

/// Mounts both.
pub(crate) fn mount(config: &mut ServiceConfig, app: &web::Data<App>) {
    let live = web::resource("/health/live").route(web::get().to(live));
    let ready = web::resource("/health/ready").route(web::get().to(ready));
    config.service(live.wrap(from_fn(front)));
    config.service(ready.app_data(app.clone()).wrap(from_fn(front)));
}

/// `GET /health/live`: always, while the process runs.
async fn live() -> Answer {
    answer::data(HealthView { status: "live" })
}

/// `GET /health/ready`: when the store answers, its last commit succeeded, and the server is not about to go.
async fn ready(app: web::Data<App>) -> Answer {
    if app.supervisor.is_stopping() {
        return Err(ApiError::Stopping);
    }
    app.persistence.check()?;
    app.persistence.read(|store| store.find_admin_token(&[0; 32])).await?;
    answer::data(HealthView { status: "ready" })
}

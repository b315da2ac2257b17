//! `GET /metrics`: what the process counts, for Prometheus; for the operator alone.

use super::App;
use super::auth::secret_of;
use super::error::ApiError;
use super::front::front;
use super::health;
use super::observed::RoutePattern;
use super::permissions::Need;
use crate::metrics::{self, Gauge, Label};
use actix_web::http::header::CONTENT_TYPE;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Route};
use std::path::Path;

/// Where it is.
pub(super) const PATH: &str = "/metrics";

/// Mounts it where the public is, for who has an admin token.
pub(crate) fn mount(config: &mut ServiceConfig, app: &web::Data<App>) {
    mount_route(config, app, web::get().to(for_operator));
}

/// Mounts it where nobody is but who may see it.
pub(crate) fn mount_open(config: &mut ServiceConfig, app: &web::Data<App>) {
    let open = |app: web::Data<App>| async move { shown(&app).await };
    mount_route(config, app, web::get().to(open));
}

/// Mounts it.
fn mount_route(config: &mut ServiceConfig, app: &web::Data<App>, route: Route) {
    let resource = web::resource(PATH).app_data(RoutePattern(Label::Word(PATH))).route(route);
    config.service(resource.app_data(app.clone()).wrap(from_fn(front)));
}

/// `GET /metrics` with an admin token: the numbers tell of all projects.
async fn for_operator(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    let secret = secret_of(request.headers()).ok_or(ApiError::InvalidAuth)?;
    let address = || Some(app.proxies.client_of(request.peer_addr()?.ip(), request.headers()));
    let caller = app.auth.identify(secret, address).await?.ok_or(ApiError::InvalidAuth)?;
    Need::AdminOnly.check(&caller)?;
    shown(&app).await
}

/// The numbers, for whoever may see them.
///
/// # Errors
/// [`ApiError::Internal`] when they cannot be written.
async fn shown(app: &App) -> Result<HttpResponse, ApiError> {
    let levels = levels(app);
    // Adding up and spelling takes some milliseconds where there are many series.
    let text = web::block(move || metrics::exposition(levels)).await;
    let text = text.map_err(|error| ApiError::internal(&error))?;
    let text = text.map_err(|error| ApiError::internal(&error))?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, metrics::CONTENT_TYPE)).body(text))
}

/// The levels that only the server's parts know.
fn levels(app: &App) -> Vec<Gauge> {
    let gauge = |name, help, value| Gauge { name, help, value };
    let size = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    let (writes, reads) = app.persistence.under_way();
    let is_up = i64::from(app.persistence.check().is_ok());
    let mut levels = vec![
        gauge("warren_store_up", "Whether the last commit succeeded", is_up),
        gauge(
            "warren_bus_up",
            "Whether the bus answers, if there is to be one",
            i64::from(app.supervisor.is_ordered()),
        ),
        gauge("warren_store_writes_waiting", "Writes under way", size(writes)),
        gauge("warren_store_reads_waiting", "Reads under way", size(reads)),
        gauge(
            "warren_fanout_orders_waiting",
            "Orders on their way to a worker's connections",
            size(app.supervisor.orders_waiting()),
        ),
        gauge(
            "warren_arrivals_waiting",
            "Sockets that wait for their turn after a restart",
            size(app.arrivals.waiting()),
        ),
        gauge(
            "warren_inbound_bytes",
            "Bytes that clients sent and that are not served",
            size(app.supervisor.inbound_bytes()),
        ),
    ];
    levels.extend(app.certificate_end.seconds().map(|ends| {
        let help = "When the certificate ends that listeners show, since 1970";
        gauge("warren_tls_certificate_end_timestamp_seconds", help, ends)
    }));
    levels.extend(app.database.as_deref().into_iter().flat_map(files));
    levels
}

/// How large the store's files are, and how much room there is for more.
fn files(database: &Path) -> impl Iterator<Item = Gauge> {
    let log = format!("{}-wal", database.display());
    let of = |path: &Path| path.metadata().ok().and_then(|file| i64::try_from(file.len()).ok());
    let free = health::free(database).and_then(|free| i64::try_from(free).ok());
    [
        ("warren_store_file_bytes", "Size of the database", of(database)),
        // Without a log there is nothing in it.
        (
            "warren_store_wal_bytes",
            "Size of the database's log",
            Some(of(Path::new(&log)).unwrap_or(0)),
        ),
        ("warren_store_free_bytes", "Room on the disk that has the database", free),
    ]
    .into_iter()
    .filter_map(|(name, help, value)| Some(Gauge { name, help, value: value? }))
}

//! The HTTP API: Hop's endpoints and ours, thin over the actors and the store.
//!
//! A request passes [`front()`] (paths, CORS, envelope, crashes), is routed (`routes`), and reaches its handler as a
//! `Call` that is authenticated and allowed (`permissions`). What a handler decides is only which question to ask.
//! No rule about channels, states or tokens belongs here: those are in `domain`.

mod addresses;
mod answer;
mod assembly;
mod assets;
mod auth;
mod authorizer;
mod batch;
mod body;
mod body_budget;
mod borders;
mod call;
mod call_head;
mod certificate_end;
mod channel_list;
mod channel_message;
mod channels;
mod client;
mod conditions;
mod connections;
mod cors;
mod declared;
mod deliveries;
mod envelope;
mod error;
mod explained;
mod fields;
mod front;
mod guard;
mod health;
mod held;
mod history;
mod idempotency;
mod in_order;
mod inspect;
mod items;
mod jwt_keys;
mod jwt_revocations;
mod last_words;
mod limits;
mod list;
mod mails;
mod members;
mod messages;
mod metrics;
mod mounted;
mod observed;
mod origin;
mod pace;
mod pages;
mod path;
mod pats;
mod permissions;
mod pieces;
mod plain;
mod presence;
mod project_changes;
mod project_tokens;
mod projects;
mod proxies;
mod query;
mod rates;
mod reach;
#[cfg(test)]
mod read_names;
mod recorded;
#[cfg(test)]
mod reference;
mod request_id;
mod routes;
mod settings;
mod sse;
mod state;
mod state_log;
mod subscribers;
mod text;
mod token_input;
mod token_list;
mod tokens;
pub(crate) mod typed;
pub(crate) mod typed_batch;
mod users;
mod views;
mod visit;
mod webhooks;
pub(crate) mod ws;
mod ws_frame;

pub use auth::{Auth, Caller};
pub(crate) use certificate_end::CertificateEnd;
pub(crate) use declared::bring_about;
pub use declared::{
    BroughtAbout, DeclareError, Declared, DeclaredAuthorizer, DeclaredChannel, DeclaredProject,
    DeclaredWebhook,
};
pub use error::ApiError;
pub use front::front;
pub(crate) use last_words::{instead_of, last_words, last_words_to};
pub use limits::{HttpLimits, LiveLimits};
pub(crate) use observed::{ObservedCall, PUBLISH, SaidOfCall};
pub use permissions::{Need, TABLE};
pub(crate) use plain::{NotPublished, publish, published, published_last};
pub use proxies::TrustedProxies;
pub use rates::RequestLimits;
pub use token_input::NewToken;
pub use typed_batch::{BatchItem, BatchOutcome};
#[cfg(test)]
pub(crate) use visit::KEEP_ALIVE_HINT;
pub(crate) use visit::Visit;

use crate::actor::{Arrivals, Persistence, Supervisor};
use crate::domain::AllowedOrigins;
use crate::webhook::Policy;
use actix_web::web::{self, ServiceConfig};
use addresses::Addresses;
use body_budget::BodyBudget;
use health::HealthAudience;
use idempotency::CallKeys;
use pages::LivePages;
use rates::RequestRates;
use reach::Reach;
use settings::ShownSettings;
use std::path::Path;
use std::sync::Arc;

/// What every handler works with; cheap to clone, one for all worker threads.
#[derive(Clone)]
pub struct App {
    /// The way to the store.
    pub persistence: Persistence,
    /// The way to channels and sessions.
    pub supervisor: Supervisor,
    /// Who a secret belongs to.
    pub auth: Auth,
    /// The bounds in force.
    pub limits: LiveLimits,
    /// Counts the calls of each token and address.
    pub(crate) rates: RequestRates,
    /// Counts the connections of each address.
    addresses: Addresses,
    /// The same for those that have not identified.
    unidentified: Addresses,
    /// Whose word counts about where a request comes from.
    pub(crate) proxies: TrustedProxies,
    /// Says which addresses would not be called.
    pub(crate) reach: Reach,
    /// Counts the bytes of request bodies that are held at the moment.
    body_budget: BodyBudget,
    /// Calls that are named by a key.
    keys: CallKeys,
    /// What is shown of the settings.
    pub(crate) settings: ShownSettings,
    /// From which pages sockets may be opened and answers read.
    pub(crate) pages: LivePages,
    /// When the certificate ends that listeners show.
    pub(crate) certificate_end: CertificateEnd,
    /// The store's file, where it is one.
    database: Option<Arc<Path>>,
    /// Where those wait who come back after a restart.
    pub(crate) arrivals: Arrivals,
}

impl App {
    /// Puts the parts together; to be made once and cloned for each worker.
    pub fn new(persistence: Persistence, supervisor: Supervisor, limits: HttpLimits) -> Self {
        let is_shared = supervisor.bus().is_some();
        let auth = Auth::new(persistence.clone(), supervisor.guesses().clone(), is_shared);
        let forgetting = auth.clone();
        supervisor.forget_by(Box::new(move |what| forgetting.forget_what(what)));
        let body_budget = BodyBudget::new(limits.body_in_flight_bytes, limits.share());
        let addresses = Addresses::new(limits.address_connections, limits.sockets);
        let unidentified = Addresses::new(limits.address_unidentified, limits.unidentified);
        let proxies = TrustedProxies::default();
        let keys = CallKeys::new(limits.keys, limits.keys_memory_bytes);
        let reach = Reach::new(Policy::default());
        let rates = RequestRates::new(limits.requests);
        Self {
            persistence,
            supervisor,
            auth,
            limits: LiveLimits::new(limits),
            rates,
            addresses,
            unidentified,
            proxies,
            reach,
            body_budget,
            keys,
            settings: ShownSettings::default(),
            pages: LivePages::default(),
            certificate_end: CertificateEnd::default(),
            database: None,
            arrivals: Arrivals::default(),
        }
    }

    /// Changes the bounds for every request that begins from now on. What was made by them, as the places of addresses, stays.
    pub(crate) fn change_limits(&self, limits: HttpLimits) {
        self.limits.change(limits);
        self.rates.change(limits.requests);
    }

    /// Tells of the room that this file of the store takes and has.
    #[must_use]
    pub fn with_database(self, file: &Path) -> Self {
        Self { database: Some(file.into()), ..self }
    }

    /// Lets these in by and by; without it, everybody comes in at once.
    #[must_use]
    pub fn with_arrivals(self, arrivals: Arrivals) -> Self {
        Self { arrivals, ..self }
    }

    /// Warns of addresses that this policy does not let webhooks call; without it, of all that are not public.
    #[must_use]
    pub fn with_webhook_policy(self, policy: Policy) -> Self {
        Self { reach: Reach::new(policy), ..self }
    }

    /// Lets pages of these origins open sockets and read answers, and no others; without it, all.
    #[must_use]
    pub fn with_allowed_origins(self, origins: AllowedOrigins) -> Self {
        self.pages.change(origins);
        self
    }

    /// Believes these proxies about where requests come from; without it, nobody is believed.
    #[must_use]
    pub fn with_proxies(self, proxies: TrustedProxies) -> Self {
        Self { proxies, ..self }
    }
}

/// Mounts what the operator's own listener serves: the metrics and the health checks, without tokens.
pub(crate) fn configure_for_operator(app: App) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        let data = web::Data::new(app);
        health::mount(config, &data, HealthAudience::Operator);
        metrics::mount_open(config, &data);
    }
}

/// Mounts the API under `/v1`, the console at `/` and `/static`, and the health checks.
///
/// Works in anybody's actix-web app. [`front()`] is put around everything mounted here; wrapping it around the whole
/// app as well (`.wrap(from_fn(front))`) adds what only happens before routing: `//v1/…` and `/v1channels/…`, and the
/// envelope for paths that nobody mounted.
pub fn configure(app: App) -> impl FnOnce(&mut ServiceConfig) {
    move |config| {
        let data = web::Data::new(app);
        config.app_data(data.clone());
        config.service(routes::api(data.clone()));
        assets::mount(config);
        health::mount(config, &data, HealthAudience::Public);
        metrics::mount(config, &data);
        ws::mount(config, &data);
        sse::mount(config, &data);
    }
}

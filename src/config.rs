//! Every setting and limit: its name, unit, default and what happens at the limit.
//!
//! A flag wins over its environment variable, that over the configuration file, and that over the default.

mod admin;
mod args;
mod bus;
mod certificate;
mod database;
mod declaring;
mod doctor;
mod draining;
mod error;
mod keys;
mod layers;
mod limits;
mod listening;
mod reloading;
mod show;
mod units;

pub use admin::{AdminArgs, AdminTask, DataPlace};
pub use args::{LogFormat, ServeArgs, SocketWay};
pub use bus::BusPlace;
pub use database::DatabasePlace;
pub use doctor::DoctorArgs;
pub use error::ConfigError;
pub use limits::Limits;
pub use listening::{ListenAddress, ListenAddressError};
pub(crate) use reloading::Reconfigured;
pub use show::{ConfigArgs, ConfigTask, GivenFlags, config_task};

use crate::actor::Settings;
use crate::actor::webhook::Rules;
use crate::delivery::Drain;

use crate::domain::{AllowedOrigins, KeyBounds};
use crate::http::{Declared, TrustedProxies};
use crate::protocol::Timing;
use crate::recorder::{RecordRules, RecorderBounds};
use crate::telemetry::LogShare;
use crate::tls::CertificateSource;
use crate::webhook::Policy;
use crate::webhook::schedule::Schedule;
use ipnet::IpNet;
use layers::Layered;
use limits::lifted;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The configuration file that is read when it is there and none is named.
const DEFAULT_FILE: &str = "warren.toml";
/// The most workers that make sense to ask for.
const MAX_WORKERS: usize = 1024;

/// Everything `serve` needs, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; one place at least.
    pub listen: Vec<ListenAddress>,
    /// What is shown to whoever speaks TLS, where that is spoken.
    pub tls: Option<CertificateSource>,
    /// Where metrics and health checks are served without tokens, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// The folder for everything that is kept.
    pub data: PathBuf,
    /// The database.
    pub database: DatabasePlace,
    /// What orders for several servers that share the database, if there are several: a Redis.
    pub bus: Option<BusPlace>,
    /// Threads that serve.
    pub workers: usize,
    /// How sockets are served.
    pub socket: SocketWay,
    /// How lines of the log are spelled.
    pub log_format: LogFormat,
    /// Which requests get a line in it.
    pub log_requests: LogShare,
    /// What a first run uses instead of generated values.
    pub first_run: FirstRunValues,
    /// What the actors live by.
    pub settings: Settings,
    /// The bound on a message over HTTP, bytes; 0 for none.
    pub message_bytes: usize,
    /// The bound on connections from one address; 0 for none.
    pub address_connections: usize,
    /// How many sockets of one address may be open that have not identified.
    pub address_unidentified: usize,
    /// How many in all.
    pub unidentified: usize,
    /// The bound on webhooks of a project; 0 for none.
    pub project_webhooks: usize,
    /// The bounds on the keys of calls.
    pub keys: KeyBounds,
    /// The bound on what they take in memory, bytes.
    pub keys_memory_bytes: usize,
    /// What is to be there once it runs.
    pub declared: Declared,
    /// All of it as it was set, to change a part.
    set: ServeArgs,
    /// The bounds as they were set.
    pub limits: Limits,
    /// Whose pages may come.
    pub allowed_origins: AllowedOrigins,
    /// Whose word counts about where clients are.
    pub proxies: TrustedProxies,
    /// Where webhooks may call, and when they do so again.
    pub webhooks: Rules,
    /// What is not recorded, or not shown.
    pub recorder_rules: RecordRules,
    /// How connections are sent away at a stop, and how many may come back in a second.
    pub drain: Drain,
}

/// What a first run uses instead of generated values.
#[derive(Clone, Debug, Default)]
pub struct FirstRunValues {
    /// `project_…`.
    pub project: Option<String>,
    /// `ptk_…`.
    pub project_token: Option<String>,
    /// `pat_…`.
    pub admin_token: Option<String>,
}

impl Config {
    /// Puts flags, environment, file and defaults together.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting, what it may be, and where it is from.
    pub fn load(args: ServeArgs) -> Result<Self, ConfigError> {
        Self::resolve(args).map(|(config, _)| config)
    }

    /// The same, and where each setting is from that is in no flag.
    fn resolve(args: ServeArgs) -> Result<(Self, BTreeMap<String, String>), ConfigError> {
        let layered = layers::read(&args, std::env::vars_os())?;
        let set = layered.under(args);
        let Layered { origins, declared, .. } = layered;
        let config = Self::of(set).map_err(|error| error.from(&origins))?;
        let declared = declared.checked(config.settings.state_bytes)?;
        Ok((Self { declared, ..config }, origins))
    }

    /// Checks the settings and puts the defaults where none are.
    fn of(set: ServeArgs) -> Result<Self, ConfigError> {
        let (whole, tls) = (set.clone(), certificate::source(&set)?);
        let data = set.data.unwrap_or_else(|| PathBuf::from("./warren-data"));
        let database = match set.database {
            Some(url) => DatabasePlace::parse(&url)?,
            None => DatabasePlace::File(data.join("warren.db")),
        };
        let bus = set.bus.map(|url| BusPlace::parse(&url, &database)).transpose()?;
        let workers = set.workers.unwrap_or_else(cores);
        if !(1..=MAX_WORKERS).contains(&workers) {
            return Err(ConfigError::OutOfRange { name: "workers", range: "1 to 1024" });
        }
        let first_run = FirstRunValues {
            project: prefixed("project", "project_", set.project)?,
            project_token: prefixed("project-token", "ptk_", set.project_token)?,
            admin_token: prefixed("admin-token", "pat_", set.admin_token)?,
        };
        let limits = set.limits;
        let heartbeat = seconds("heartbeat", set.heartbeat)?;
        let silence = silence(heartbeat, set.heartbeat_timeout)?;
        let has_preface = set.proxy_protocol.unwrap_or(false);
        Ok(Self {
            listen: listening(set.listen)?,
            tls,
            metrics_listen: set.metrics_listen,
            data,
            database,
            bus,
            workers,
            socket: set.socket.unwrap_or_default(),
            log_format: set.log_format.unwrap_or_default(),
            log_requests: share("log-requests", set.log_requests)?,
            limits,
            declared: Declared::default(),
            set: whole,
            proxies: proxies(set.trusted_proxies.unwrap_or_default(), has_preface)?,
            allowed_origins: AllowedOrigins::new(&set.allowed_origins.unwrap_or_default())?,
            first_run,
            settings: Settings {
                timing: Timing { heartbeat, silence, ..limits.timing() },
                session_grace: seconds("session-grace", set.session_grace)?,
                has_zlib: set.zlib.unwrap_or(true),
                log_closes: share("log-closes", set.log_closes)?,
                recorder: recorder(set.recorder_bytes, set.recorder_minutes)?,
                ..limits.settings()
            },
            message_bytes: limits.message_bytes,
            address_connections: limits.address_connections,
            address_unidentified: limits.address_unidentified,
            unidentified: limits.unidentified,
            project_webhooks: limits.project_webhooks,
            keys: limits.keys(),
            keys_memory_bytes: lifted(limits.idempotency_memory_bytes),
            webhooks: Rules {
                policy: policy(set.allow_private_webhooks, set.webhook_networks),
                schedule: schedule(set.webhook_retry_ms)?,
            },
            recorder_rules: rules(set.recorder_hide, set.recorder_redact)?,
            drain: draining::drain(set.drain_seconds, set.reconnect_rate, set.drain_to)?,
        })
    }
}

/// Where to listen.
fn listening(set: Option<Vec<ListenAddress>>) -> Result<Vec<ListenAddress>, ConfigError> {
    let default =
        || vec![ListenAddress::Tcp { host: "127.0.0.1".to_owned(), port: 8080, is_plain: false }];
    match set {
        Some(places) if places.is_empty() => {
            Err(ConfigError::OutOfRange { name: "listen", range: "one place at least" })
        }
        set => Ok(set.unwrap_or_else(default)),
    }
}

/// The proxies that are believed.
fn proxies(networks: Vec<IpNet>, has_preface: bool) -> Result<TrustedProxies, ConfigError> {
    if has_preface && networks.is_empty() {
        let needs = "trusted-proxies: the networks of the proxies that speak it";
        return Err(ConfigError::Missing { name: "proxy-protocol", needs });
    }
    Ok(TrustedProxies::new(networks, has_preface))
}

/// Reads the named file, or the default one when it is there: its path, and what it says.
fn read_file(named: Option<&Path>) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let path = named.unwrap_or_else(|| Path::new(DEFAULT_FILE)).to_owned();
    if named.is_none() && !path.exists() {
        return Ok(None);
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(source) => Err(ConfigError::Unreadable { path, source }),
    }
}

/// A number of seconds, 30 when left out; 0.1 to a day.
fn seconds(name: &'static str, value: Option<f64>) -> Result<Duration, ConfigError> {
    let value = value.unwrap_or(30.0);
    if (0.1..=86_400.0).contains(&value) {
        Ok(Duration::from_secs_f64(value))
    } else {
        Err(ConfigError::OutOfRange { name, range: "0.1 to 86400 seconds" })
    }
}

/// A share, nothing when left out.
fn share(name: &'static str, value: Option<f64>) -> Result<LogShare, ConfigError> {
    let share = LogShare::new(value.unwrap_or_default());
    share.ok_or(ConfigError::OutOfRange { name, range: "0 to 1" })
}

/// How long a client may stay without a heartbeat; less than one interval would end everybody.
fn silence(heartbeat: Duration, value: Option<f64>) -> Result<Duration, ConfigError> {
    let Some(value) = value else { return Ok(Timing::patience(heartbeat)) };
    let silence = seconds("heartbeat-timeout", Some(value))?;
    if silence <= heartbeat {
        let range = "more than heartbeat, and at most 86400 seconds";
        return Err(ConfigError::OutOfRange { name: "heartbeat-timeout", range });
    }
    Ok(silence)
}

/// A first-run value, which must have its prefix and something behind it.
fn prefixed(
    name: &'static str,
    prefix: &'static str,
    value: Option<String>,
) -> Result<Option<String>, ConfigError> {
    let is_fine = |value: &str| {
        value.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty())
            && value.len() <= 256
            && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    };
    match value {
        Some(value) if !is_fine(&value) => Err(ConfigError::OutOfRange {
            name,
            range: "its prefix (project_, ptk_, pat_) and letters, digits, _ or -, 256 at most",
        }),
        value => Ok(value),
    }
}

/// What webhooks may call.
fn policy(allow_private: Option<bool>, allowed: Option<Vec<IpNet>>) -> Policy {
    let (allow_private, allowed) = (allow_private.unwrap_or(false), allowed.unwrap_or_default());
    Policy { allow_private, allowed }
}

/// How much is recorded: at least a mebibyte, or nothing.
fn recorder(bytes: Option<usize>, minutes: Option<u64>) -> Result<RecorderBounds, ConfigError> {
    let usual = RecorderBounds::default();
    let bytes = bytes.unwrap_or(usual.bytes);
    if (1..1 << 20).contains(&bytes) {
        let (name, range) = ("recorder-bytes", "0, or 1 MiB at least");
        return Err(ConfigError::OutOfRange { name, range });
    }
    match minutes {
        None => Ok(RecorderBounds { bytes, ..usual }),
        Some(minutes @ 1..=1440) => Ok(RecorderBounds { bytes, age: Duration::from_mins(minutes) }),
        Some(_) => {
            let (name, range) = ("recorder-minutes", "1 to 1440");
            Err(ConfigError::OutOfRange { name, range })
        }
    }
}

/// What is not recorded, or not shown.
fn rules(
    hidden: Option<Vec<String>>,
    redacted: Option<Vec<String>>,
) -> Result<RecordRules, ConfigError> {
    Ok(RecordRules::new(hidden.unwrap_or_default(), &redacted.unwrap_or_default())?)
}

/// When failed deliveries are tried again; 10 ms to an hour after the first attempt.
fn schedule(retry_ms: Option<u64>) -> Result<Schedule, ConfigError> {
    match retry_ms {
        None => Ok(Schedule::default()),
        Some(ms @ 10..=3_600_000) => Ok(Schedule { first_pause: Duration::from_millis(ms) }),
        Some(_) => {
            let (name, range) = ("webhook-retry-ms", "10 to 3600000 milliseconds");
            Err(ConfigError::OutOfRange { name, range })
        }
    }
}

/// How many cores there are.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests;

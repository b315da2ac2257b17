//! Every setting and limit: its name, unit, default and what happens at the limit.
//!
//! A flag wins over its environment variable, that over the configuration file, and that over the default.

mod admin;
mod bench;
mod limits;

pub use admin::{AdminArgs, AdminTask, DataPlace};
pub use bench::{BaselineArgs, BenchArgs};
pub use limits::Limits;

use crate::actor::Settings;
use crate::actor::webhook::Rules;
use crate::domain::KeyBounds;
use crate::http::TrustedProxies;
use crate::protocol::Timing;
use crate::webhook::Policy;
use crate::webhook::schedule::Schedule;
use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use limits::lifted;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The configuration file that is read when it is there and none is named.
const DEFAULT_FILE: &str = "warren.toml";
/// The most workers that make sense to ask for.
const MAX_WORKERS: usize = 1024;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "warren",
    version,
    about = "A self-hosted realtime channels server",
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// What to do; `serve` when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of `serve`, which may stand alone.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    Serve(Box<ServeArgs>),
    /// Show what a server works with, its projects and their pages; no secrets
    Info(DataPlace),
    /// Make, list and delete admin tokens, whether or not a server is running
    Admin(AdminArgs),
    /// Load a server by a script and measure it
    Bench(Box<BenchArgs>),
    /// Run the bare server that `bench --pairs` compares with
    #[command(hide = true)]
    BenchBaseline(BaselineArgs),
}

/// The flags of `serve` (`docs/OPERATING.md`, Settings); each is also a key of the configuration file.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ServeArgs {
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, env = "WARREN_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// The folder for everything that is kept [default: ./warren-data]
    #[arg(long, env = "WARREN_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The database, `sqlite:PATH` [default: warren.db in the data folder]
    #[arg(long, env = "WARREN_DATABASE", value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,
    /// Threads that serve [default: number of cores]
    #[arg(long, env = "WARREN_WORKERS", value_name = "N")]
    pub workers: Option<usize>,
    /// How sockets are served [default: stream]
    #[arg(long, env = "WARREN_SOCKET", value_name = "WAY")]
    pub socket: Option<SocketWay>,
    /// The configuration file [default: warren.toml when it is there]
    #[arg(long, env = "WARREN_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// First run: the project's id instead of a generated one
    #[arg(long, env = "WARREN_PROJECT", value_name = "project_…")]
    pub project: Option<String>,
    /// First run: the project token instead of a generated one
    #[arg(long, env = "WARREN_PROJECT_TOKEN", value_name = "ptk_…", hide_env_values = true)]
    pub project_token: Option<String>,
    /// First run: the admin token instead of a generated one
    #[arg(long, env = "WARREN_ADMIN_TOKEN", value_name = "pat_…", hide_env_values = true)]
    pub admin_token: Option<String>,
    /// How long a session outlives its last connection [default: 30]
    #[arg(long, env = "WARREN_SESSION_GRACE", value_name = "SECONDS")]
    pub session_grace: Option<f64>,
    /// How often clients send heartbeats [default: 30]
    #[arg(long, env = "WARREN_HEARTBEAT", value_name = "SECONDS")]
    pub heartbeat: Option<f64>,
    /// How long a client may stay without one [default: 2.5 times as long, at least a minute more, at least 90]
    #[arg(long, env = "WARREN_HEARTBEAT_TIMEOUT", value_name = "SECONDS")]
    pub heartbeat_timeout: Option<f64>,
    /// Let webhooks call private addresses: loopback, the local network, link-local
    #[arg(long, env = "WARREN_ALLOW_PRIVATE_WEBHOOKS", num_args = 0..=1, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new(), value_name = "BOOL")]
    pub allow_private_webhooks: Option<bool>,
    /// Compress large frames for socket clients that ask with compression=zlib and send a User-Agent [default: true]
    #[arg(long, env = "WARREN_ZLIB", num_args = 0..=1, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new(), value_name = "BOOL")]
    pub zlib: Option<bool>,
    /// Networks that webhooks may call though they are private, as `10.1.0.0/16,fd00::/8`
    #[arg(long, env = "WARREN_WEBHOOK_NETWORKS", value_delimiter = ',', value_name = "CIDR,…")]
    pub webhook_networks: Option<Vec<IpNet>>,
    /// Proxies whose `Forwarded` or `X-Forwarded-For` says where clients are, as `10.0.0.0/8,::1/128`
    #[arg(long, env = "WARREN_TRUSTED_PROXIES", value_delimiter = ',', value_name = "CIDR,…")]
    pub trusted_proxies: Option<Vec<IpNet>>,
    /// The trusted proxies begin each connection with a header of the PROXY protocol
    #[arg(long, env = "WARREN_PROXY_PROTOCOL", num_args = 0..=1, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new(), value_name = "BOOL")]
    pub proxy_protocol: Option<bool>,
    /// Milliseconds before a failed delivery is tried again; each further pause is twice as long, up to 720 times this
    /// one [default: 5000]
    #[arg(long, env = "WARREN_WEBHOOK_RETRY_MS", value_name = "MS")]
    pub webhook_retry_ms: Option<u64>,
    /// Bounds; only in the configuration file
    #[arg(skip)]
    pub limits: Limits,
}

/// The two ways to a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SocketWay {
    /// On the raw stream: less memory and less work
    #[default]
    Stream,
    /// As a route of the HTTP layer, like in a program that embeds the server
    Route,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The named configuration file cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration file has a mistake.
    #[error("the configuration file {path} has a mistake: {source}")]
    Mistake {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// A value is out of its range.
    #[error("{name} must be {range}")]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// Settings that do not go together.
    #[error("{name} needs {needs}")]
    Missing {
        /// The setting.
        name: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// A database that this version does not speak to.
    #[error("the database must be sqlite:PATH")]
    UnknownDatabase,
}

/// Everything `serve` needs, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The folder for everything that is kept.
    pub data: PathBuf,
    /// The SQLite file.
    pub database: PathBuf,
    /// Threads that serve.
    pub workers: usize,
    /// How sockets are served.
    pub socket: SocketWay,
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
    /// Whose word counts about where clients are.
    pub proxies: TrustedProxies,
    /// Where webhooks may call, and when they do so again.
    pub webhooks: Rules,
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
    /// [`ConfigError`] names the setting and what it may be.
    pub fn load(args: ServeArgs) -> Result<Self, ConfigError> {
        let file = read_file(args.config.as_deref())?;
        let data = args.data.or(file.data).unwrap_or_else(|| PathBuf::from("./warren-data"));
        let database = match args.database.or(file.database) {
            Some(url) => sqlite_path(&url)?,
            None => data.join("warren.db"),
        };
        let workers = args.workers.or(file.workers).unwrap_or_else(cores);
        if !(1..=MAX_WORKERS).contains(&workers) {
            return Err(ConfigError::OutOfRange { name: "workers", range: "1 to 1024" });
        }
        let first_run = FirstRunValues {
            project: prefixed("project", "project_", args.project.or(file.project))?,
            project_token: prefixed(
                "project-token",
                "ptk_",
                args.project_token.or(file.project_token),
            )?,
            admin_token: prefixed("admin-token", "pat_", args.admin_token.or(file.admin_token))?,
        };
        let limits = file.limits;
        let heartbeat = seconds("heartbeat", args.heartbeat.or(file.heartbeat))?;
        let silence = silence(heartbeat, args.heartbeat_timeout.or(file.heartbeat_timeout))?;
        let networks = args.trusted_proxies.or(file.trusted_proxies).unwrap_or_default();
        let has_preface = args.proxy_protocol.or(file.proxy_protocol).unwrap_or(false);
        let proxies = proxies(networks, has_preface)?;
        Ok(Self {
            listen: args
                .listen
                .or(file.listen)
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            data,
            database,
            workers,
            socket: args.socket.or(file.socket).unwrap_or_default(),
            proxies,
            first_run,
            settings: Settings {
                timing: Timing { heartbeat, silence, ..limits.timing() },
                session_grace: seconds("session-grace", args.session_grace.or(file.session_grace))?,
                has_zlib: args.zlib.or(file.zlib).unwrap_or(true),
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
                policy: Policy {
                    allow_private: args
                        .allow_private_webhooks
                        .or(file.allow_private_webhooks)
                        .unwrap_or(false),
                    allowed: args.webhook_networks.or(file.webhook_networks).unwrap_or_default(),
                },
                schedule: schedule(args.webhook_retry_ms.or(file.webhook_retry_ms))?,
            },
        })
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

/// Reads the named file, or the default one when it is there.
fn read_file(named: Option<&Path>) -> Result<ServeArgs, ConfigError> {
    let path = named.unwrap_or_else(|| Path::new(DEFAULT_FILE)).to_owned();
    if named.is_none() && !path.exists() {
        return Ok(ServeArgs::default());
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text)
            .map_err(|source| ConfigError::Mistake { path, source: Box::new(source) }),
        Err(source) => Err(ConfigError::Unreadable { path, source }),
    }
}

/// The file of a `sqlite:` URL.
fn sqlite_path(url: &str) -> Result<PathBuf, ConfigError> {
    let path = url.strip_prefix("sqlite:").ok_or(ConfigError::UnknownDatabase)?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() { Err(ConfigError::UnknownDatabase) } else { Ok(PathBuf::from(path)) }
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

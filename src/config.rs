//! Every setting and limit: its name, unit, default and what happens at the limit.
//!
//! A flag wins over its environment variable, that over the configuration file, and that over the default.

mod admin;
mod bench;

pub use admin::{AdminArgs, AdminTask, DataPlace};
pub use bench::{BaselineArgs, BenchArgs};

use crate::actor::Settings;
use crate::actor::webhook::Rules;
use crate::domain::KeyBounds;
use crate::http::TrustedProxies;
use crate::protocol::{Rate, Timing};
use crate::webhook::Policy;
use crate::webhook::schedule::Schedule;
use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
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

/// The configuration file's table `[limits]`; 0 lifts a bound, but for what is kept for sessions.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Limits {
    /// Bytes of a message over HTTP, default 64 MiB, 0 for none; past it 413.
    pub message_bytes: usize,
    /// Bytes of a channel's or token's state, default 1 MiB; past it 413.
    pub state_bytes: usize,
    /// Bytes of a client's frame or fragmented message, default 1 MiB; past it close 1009.
    pub frame_bytes: usize,
    /// Bytes that wait for a reader that takes nothing, default 1 MiB; past it close 4009.
    pub outbox_bytes: usize,
    /// Milliseconds for which such a reader may take nothing, default 10,000; 0 for none.
    pub outbox_patience_ms: u64,
    /// Bytes that wait for all readers of a worker, default 256 MiB, each frame counted once; past it the slowest are
    /// closed, 4009.
    pub worker_outbox_bytes: usize,
    /// Bytes of the states in one INIT, default 64 MiB; past it close 4008.
    pub init_bytes: usize,
    /// Bytes that the system keeps for a socket whose client does not read, default 256 KiB, 0 for the system's own bound;
    /// past it they wait in the outgoing queue.
    pub send_buffer_bytes: usize,
    /// Events kept for a session without connections, default 256; past it the oldest go and INIT says how many.
    pub replay_events: usize,
    /// Bytes kept likewise, default 1 MiB.
    pub replay_bytes: usize,
    /// Bytes of messages that channels keep at hand for connections that may have broken, all together, default 256 MiB; a
    /// quarter of it for one project. Past it the oldest of a channel go, and INIT says how many are missed.
    pub window_bytes: usize,
    /// Channels of a session, default 1000; past it a subscribe is refused.
    pub session_channels: usize,
    /// Connections of a leap token, default 1000; past it a new one is closed, 4008.
    pub token_connections: usize,
    /// Connections from one address, default 0 for no bound (behind a proxy all share one); past it 429.
    pub address_connections: usize,
    /// Connections of one address that have not identified, default 2,000, 0 for no bound; past it 429.
    pub address_unidentified: usize,
    /// Connections that have not identified in all, default 20,000, 0 for no bound; past it 503.
    pub unidentified: usize,
    /// Bytes of a frame or fragmented message before IDENTIFY, default 16 KiB, at most `frame-bytes`; past it close 1009.
    pub identify_bytes: usize,
    /// Bytes that all connections hold together of what their clients sent and is not served, default 256 MiB, a quarter of it
    /// for one project; past it those wait that would take more, and half frames are closed, 4008.
    pub inbound_bytes: usize,
    /// Tokens that nobody has, tried by one address in a minute, default 60, 0 for no bound; past it 429 for the next that
    /// is wrong.
    pub auth_failures: u32,
    /// Webhooks of a project, default 50, 0 for no bound; past it 409.
    pub project_webhooks: usize,
    /// Seconds for which an `Idempotency-Key` stands for its call, default a day; 0 for none at all.
    pub idempotency_seconds: u64,
    /// Such keys of one project, default 100,000, 0 for no bound; past it the oldest go.
    pub idempotency_keys: usize,
    /// Bytes of the answers to them, default 32 MiB, 0 for no bound; past it the oldest go.
    pub idempotency_bytes: usize,
    /// Bytes that keys and answers take in memory, of all projects, default 128 MiB, 0 for no bound; past it the oldest of
    /// whoever has most go.
    pub idempotency_memory_bytes: usize,
    /// Messages and state changes of one connection a second, default 1000, twice as many at once, 0 for no bound; past
    /// it the connection is closed, 4008.
    pub publishes_per_second: u32,
    /// Milliseconds before the answer to a client's frame leaves, default 2: faster trips two official clients.
    pub reply_floor_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let (settings, keys) = (Settings::default(), KeyBounds::default());
        Self {
            message_bytes: 64 << 20,
            state_bytes: settings.state_bytes,
            frame_bytes: settings.frame_bytes,
            outbox_bytes: settings.outbox_bytes,
            outbox_patience_ms: 10_000,
            worker_outbox_bytes: settings.worker_outbox_bytes,
            init_bytes: settings.init_bytes,
            send_buffer_bytes: settings.send_buffer_bytes,
            replay_events: settings.replay_events,
            replay_bytes: settings.replay_bytes,
            window_bytes: settings.window_bytes,
            session_channels: settings.session_channels,
            token_connections: settings.token_connections,
            address_connections: 0,
            address_unidentified: 2000,
            unidentified: 20_000,
            identify_bytes: settings.identify_bytes,
            inbound_bytes: settings.inbound_bytes,
            auth_failures: 60,
            project_webhooks: 50,
            idempotency_seconds: keys.window.as_secs(),
            idempotency_keys: keys.keys,
            idempotency_bytes: keys.bytes,
            idempotency_memory_bytes: 128 << 20,
            publishes_per_second: settings.timing.publishes.per_second,
            reply_floor_ms: 2,
        }
    }
}

impl Limits {
    /// The intervals, as far as they are limits.
    fn timing(&self) -> Timing {
        let publishes = Rate {
            per_second: self.publishes_per_second,
            burst: self.publishes_per_second.saturating_mul(2),
        };
        let reply_floor = Duration::from_millis(self.reply_floor_ms);
        Timing { reply_floor, publishes, ..Settings::default().timing }
    }

    /// How many keys of calls there may be, and how long.
    const fn keys(&self) -> KeyBounds {
        KeyBounds {
            window: Duration::from_secs(self.idempotency_seconds),
            keys: lifted(self.idempotency_keys),
            bytes: lifted(self.idempotency_bytes),
        }
    }

    /// What the actors live by, as far as it is limits.
    fn settings(&self) -> Settings {
        Settings {
            outbox_bytes: lifted(self.outbox_bytes),
            outbox_patience: Duration::from_millis(self.outbox_patience_ms),
            worker_outbox_bytes: lifted(self.worker_outbox_bytes),
            init_bytes: lifted(self.init_bytes),
            send_buffer_bytes: self.send_buffer_bytes,
            replay_events: self.replay_events,
            replay_bytes: self.replay_bytes,
            window_bytes: self.window_bytes,
            state_bytes: lifted(self.state_bytes),
            frame_bytes: lifted(self.frame_bytes),
            identify_bytes: lifted(self.identify_bytes),
            inbound_bytes: lifted(self.inbound_bytes),
            session_channels: lifted(self.session_channels),
            token_connections: lifted(self.token_connections),
            auth_failures: self.auth_failures,
            ..Settings::default()
        }
    }
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

/// A bound of which 0 means none.
const fn lifted(bound: usize) -> usize {
    if bound == 0 { usize::MAX } else { bound }
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
mod tests {
    use super::*;

    /// Arguments that read no file of the working folder.
    fn args(text: &str) -> (tempfile::NamedTempFile, ServeArgs) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let args = ServeArgs { config: Some(file.path().to_owned()), ..ServeArgs::default() };
        (file, args)
    }

    #[test]
    fn defaults_are_those_of_the_table() {
        let (_file, args) = args("");
        let config = Config::load(args).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.database, Path::new("./warren-data/warren.db"));
        assert_eq!(config.settings.session_grace, Duration::from_secs(30));
        assert_eq!(config.settings.timing.heartbeat, Duration::from_secs(30));
        assert_eq!(config.settings.timing.silence, Duration::from_secs(90));
        assert_eq!(config.workers, cores());
        assert!(config.settings.has_zlib);
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let (_file, mut args) =
            args("listen = \"127.0.0.1:1\"\nworkers = 3\n[limits]\nstate-bytes = 7\n");
        args.workers = Some(5);
        let config = Config::load(args).unwrap();
        assert_eq!((config.listen.port(), config.workers, config.settings.state_bytes), (1, 5, 7));
    }

    #[test]
    fn silence_follows_the_heartbeat_unless_it_is_set() {
        let silence = |text: &str| {
            let (_file, args) = args(text);
            Config::load(args).unwrap().settings.timing.silence.as_millis()
        };
        assert_eq!(silence("heartbeat = 1.0"), 90_000);
        assert_eq!(silence("heartbeat = 35.0"), 95_000);
        assert_eq!(silence("heartbeat = 100.0"), 250_000);
        assert_eq!(silence("heartbeat = 1.0\nheartbeat-timeout = 2.5"), 2_500);
    }

    #[test]
    fn zlib_can_be_switched_off() {
        let (_file, mut args) = args("zlib = false");
        assert!(!Config::load(args.clone()).unwrap().settings.has_zlib);
        args.zlib = Some(true);
        assert!(Config::load(args).unwrap().settings.has_zlib);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, word) in [
            ("lisen = 1", "lisen"),
            ("workers = 0", "workers"),
            ("heartbeat = 0.0", "heartbeat"),
            ("heartbeat = 20.0\nheartbeat-timeout = 20.0", "heartbeat-timeout"),
            ("session-grace = -1.0", "session-grace"),
            ("database = \"mysql://x\"", "sqlite:PATH"),
            ("project-token = \"nope\"", "project-token"),
            ("project = \"project_\"", "project"),
            ("proxy-protocol = true", "trusted-proxies"),
        ] {
            let (_file, args) = args(text);
            let error = Config::load(args).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_named_file_must_exist() {
        let args =
            ServeArgs { config: Some(PathBuf::from("/nowhere.toml")), ..ServeArgs::default() };
        assert!(matches!(Config::load(args), Err(ConfigError::Unreadable { .. })));
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
        let plain = Cli::try_parse_from(["warren", "--workers", "2"]).unwrap();
        assert_eq!(plain.serve.workers, Some(2));
        let named = Cli::try_parse_from(["warren", "serve", "--allow-private-webhooks"]).unwrap();
        let Some(Command::Serve(serve)) = named.command else { panic!("not serve") };
        assert_eq!(serve.allow_private_webhooks, Some(true));
        let line = ["warren", "admin", "create-token", "--name", "Ops", "--data", "x"];
        let Some(Command::Admin(admin)) = Cli::try_parse_from(line).unwrap().command else {
            panic!("not admin")
        };
        assert_eq!(admin.place.data.as_deref(), Some(Path::new("x")));
        assert!(matches!(admin.task, AdminTask::CreateToken { name: Some(name) } if name == "Ops"));
    }
}

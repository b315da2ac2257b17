//! The settings as they are written: the flags of `serve`, and the keys of the configuration file.

use super::{Limits, ListenAddress, units};
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The flags of `serve` (`docs/OPERATING.md`, Settings); each is also a key of the configuration file.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ServeArgs {
    /// Where to listen, by IP address or name, or on a Unix socket; several times for several places
    /// [default: 127.0.0.1:8080]
    #[arg(long, env = "WARREN_LISTEN", value_delimiter = ',', value_name = "HOST:PORT|unix:PATH")]
    #[serde(deserialize_with = "units::some_list")]
    pub listen: Option<Vec<ListenAddress>>,
    /// A certificate in PEM, with those that vouch for it behind it: TLS is spoken on every port of `--listen` that does
    /// not begin with `plain:`
    #[arg(long, env = "WARREN_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's key in PEM
    #[arg(long, env = "WARREN_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// A name that a certificate is ordered for by ACME, instead of one from files; several times for several. The server must be
    /// reached by it at port 443
    #[arg(long, env = "WARREN_ACME", value_delimiter = ',', value_name = "DOMAIN")]
    #[serde(deserialize_with = "units::some_list")]
    pub acme: Option<Vec<String>>,
    /// Whom the authority may write to about the certificate
    #[arg(long, env = "WARREN_ACME_EMAIL", value_name = "ADDRESS")]
    pub acme_email: Option<String>,
    /// The authority's directory [default: Let's Encrypt]
    #[arg(long, env = "WARREN_ACME_DIRECTORY", value_name = "URL")]
    pub acme_directory: Option<String>,
    /// Order from Let's Encrypt's staging, whose certificates nobody trusts, to try it out
    #[arg(long, env = "WARREN_ACME_STAGING", num_args = 0..=1, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new(), value_name = "BOOL")]
    #[serde(deserialize_with = "units::some_bool")]
    pub acme_staging: Option<bool>,
    /// Agree to the authority's terms of service
    #[arg(long, env = "WARREN_ACME_AGREE", num_args = 0..=1, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new(), value_name = "BOOL")]
    #[serde(deserialize_with = "units::some_bool")]
    pub acme_agree: Option<bool>,
    /// The folder for everything that is kept [default: ./warren-data]
    #[arg(long, env = "WARREN_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The database, `sqlite:PATH` or `postgres://…` [default: warren.db in the data folder]
    #[arg(long, env = "WARREN_DATABASE", value_name = "URL", hide_env_values = true)]
    pub database: Option<String>,
    /// Serve one PostgreSQL database together with other servers, by the Redis at `redis://…` (a preview, see docs/OPERATING.md)
    #[arg(long, env = "WARREN_BUS", value_name = "URL", hide_env_values = true)]
    pub bus: Option<String>,
    /// Threads that serve [default: number of cores]
    #[arg(long, env = "WARREN_WORKERS", value_name = "N")]
    #[serde(deserialize_with = "units::some_number")]
    pub workers: Option<usize>,
    /// How sockets are served [default: stream]
    #[arg(long, env = "WARREN_SOCKET", value_name = "WAY")]
    pub socket: Option<SocketWay>,
    /// Where metrics and health checks are served without tokens; not to be reached by the public [default: nowhere]
    #[arg(long, env = "WARREN_METRICS_LISTEN", value_name = "ADDR:PORT")]
    pub metrics_listen: Option<SocketAddr>,
    /// How lines of the log are spelled [default: text]
    #[arg(long, env = "WARREN_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Which share of requests gets a line in the log, 0 to 1; with any, all that the server failed at [default: 0]
    #[arg(long, env = "WARREN_LOG_REQUESTS", value_name = "SHARE")]
    #[serde(deserialize_with = "units::some_number")]
    pub log_requests: Option<f64>,
    /// Which share of sockets gets a line in the log when it ends, 0 to 1 [default: 0]
    #[arg(long, env = "WARREN_LOG_CLOSES", value_name = "SHARE")]
    #[serde(deserialize_with = "units::some_number")]
    pub log_closes: Option<f64>,
    /// The configuration file [default: warren.toml when it is there]
    #[arg(long, env = "WARREN_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Any setting by its key in the configuration file, as `limits.state-bytes=4MiB`; several times for several
    #[arg(long, value_name = "KEY=VALUE")]
    #[serde(skip)]
    pub set: Vec<String>,
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
    #[arg(long, env = "WARREN_SESSION_GRACE", value_parser = units::parse_seconds, value_name = "SECONDS")]
    #[serde(deserialize_with = "units::some_seconds")]
    pub session_grace: Option<f64>,
    /// How often clients send heartbeats [default: 30]
    #[arg(long, env = "WARREN_HEARTBEAT", value_parser = units::parse_seconds, value_name = "SECONDS")]
    #[serde(deserialize_with = "units::some_seconds")]
    pub heartbeat: Option<f64>,
    /// How long a client may stay without one [default: 2.5 times as long, at least a minute more, at least 90]
    #[arg(long, env = "WARREN_HEARTBEAT_TIMEOUT", value_parser = units::parse_seconds, value_name = "SECONDS")]
    #[serde(deserialize_with = "units::some_seconds")]
    pub heartbeat_timeout: Option<f64>,
    /// Let webhooks call private addresses: loopback, the local network, link-local
    #[arg(long, env = "WARREN_ALLOW_PRIVATE_WEBHOOKS", num_args = 0..=1, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new(), value_name = "BOOL")]
    #[serde(deserialize_with = "units::some_bool")]
    pub allow_private_webhooks: Option<bool>,
    /// Compress large frames for socket clients that ask with compression=zlib and send a User-Agent [default: true]
    #[arg(long, env = "WARREN_ZLIB", num_args = 0..=1, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new(), value_name = "BOOL")]
    #[serde(deserialize_with = "units::some_bool")]
    pub zlib: Option<bool>,
    /// Networks that webhooks may call though they are private, as `10.1.0.0/16,fd00::/8`
    #[arg(long, env = "WARREN_WEBHOOK_NETWORKS", value_delimiter = ',', value_name = "CIDR,…")]
    #[serde(deserialize_with = "units::some_list")]
    pub webhook_networks: Option<Vec<IpNet>>,
    /// Origins whose pages may open sockets and read the API's answers, as `https://app.example.com,https://*.example.org`
    /// [default: any]
    #[arg(long, env = "WARREN_ALLOWED_ORIGINS", value_delimiter = ',', value_name = "ORIGIN,…")]
    #[serde(deserialize_with = "units::some_list")]
    pub allowed_origins: Option<Vec<String>>,
    /// Proxies whose `Forwarded` or `X-Forwarded-For` says where clients are, as `10.0.0.0/8,::1/128`
    #[arg(long, env = "WARREN_TRUSTED_PROXIES", value_delimiter = ',', value_name = "CIDR,…")]
    #[serde(deserialize_with = "units::some_list")]
    pub trusted_proxies: Option<Vec<IpNet>>,
    /// The trusted proxies begin each connection with a header of the PROXY protocol
    #[arg(long, env = "WARREN_PROXY_PROTOCOL", num_args = 0..=1, default_missing_value = "true", value_parser = clap::builder::BoolishValueParser::new(), value_name = "BOOL")]
    #[serde(deserialize_with = "units::some_bool")]
    pub proxy_protocol: Option<bool>,
    /// Milliseconds before a failed delivery is tried again; each further pause is twice as long, up to 720 times this
    /// one [default: 5000]
    #[arg(long, env = "WARREN_WEBHOOK_RETRY_MS", value_parser = units::parse_milliseconds, value_name = "MS")]
    #[serde(deserialize_with = "units::some_milliseconds")]
    pub webhook_retry_ms: Option<u64>,
    /// Memory for what happened lately, so that it can be looked at afterwards, as 64MiB; 0 for nothing but what happens while
    /// somebody looks [default: 0]
    #[arg(long, env = "WARREN_RECORDER_BYTES", value_parser = units::parse_size, value_name = "SIZE")]
    #[serde(deserialize_with = "units::some_size")]
    pub recorder_bytes: Option<usize>,
    /// For how many minutes it is kept at most [default: 5]
    #[arg(long, env = "WARREN_RECORDER_MINUTES", value_name = "MINUTES")]
    #[serde(deserialize_with = "units::some_number")]
    pub recorder_minutes: Option<u64>,
    /// Channels of which no message and no state is recorded, as `dm:*,secret`; `*` for all
    #[arg(long, env = "WARREN_RECORDER_HIDE", value_delimiter = ',', value_name = "CHANNEL,…")]
    #[serde(deserialize_with = "units::some_list")]
    pub recorder_hide: Option<Vec<String>>,
    /// Members of what is recorded whose values are not shown, as `password,card.number`
    #[arg(long, env = "WARREN_RECORDER_REDACT", value_delimiter = ',', value_name = "NAME,…")]
    #[serde(deserialize_with = "units::some_list")]
    pub recorder_redact: Option<Vec<String>>,
    /// Seconds over which sockets are closed at a stop, no faster than reconnect-rate, so that another server can take their
    /// clients in; 0 closes all at once [default: 0]
    #[arg(long, env = "WARREN_DRAIN_SECONDS", value_parser = units::parse_seconds, value_name = "SECONDS")]
    #[serde(deserialize_with = "units::some_seconds")]
    pub drain_seconds: Option<f64>,
    /// The socket of the server that clients are sent to at a stop, as `wss://b.example.com/ws`; needs drain-seconds
    #[arg(long, env = "WARREN_DRAIN_TO", value_name = "URL")]
    pub drain_to: Option<String>,
    /// How many sockets may come back in a second after a restart; 0 for any number [default: 1000]
    #[arg(long, env = "WARREN_RECONNECT_RATE", value_name = "N")]
    #[serde(deserialize_with = "units::some_number")]
    pub reconnect_rate: Option<u32>,
    /// Bounds; in the configuration file, by `WARREN_LIMITS__…` and by `--set limits.…`
    #[arg(skip)]
    pub limits: Limits,
}

impl ServeArgs {
    /// These flags, and for those that were not given what other layers say.
    pub(super) fn over(self, lower: Self) -> Self {
        Self {
            listen: self.listen.or(lower.listen),
            tls_cert: self.tls_cert.or(lower.tls_cert),
            tls_key: self.tls_key.or(lower.tls_key),
            acme: self.acme.or(lower.acme),
            acme_email: self.acme_email.or(lower.acme_email),
            acme_directory: self.acme_directory.or(lower.acme_directory),
            acme_staging: self.acme_staging.or(lower.acme_staging),
            acme_agree: self.acme_agree.or(lower.acme_agree),
            data: self.data.or(lower.data),
            database: self.database.or(lower.database),
            bus: self.bus.or(lower.bus),
            workers: self.workers.or(lower.workers),
            socket: self.socket.or(lower.socket),
            metrics_listen: self.metrics_listen.or(lower.metrics_listen),
            log_format: self.log_format.or(lower.log_format),
            log_requests: self.log_requests.or(lower.log_requests),
            log_closes: self.log_closes.or(lower.log_closes),
            config: self.config,
            set: self.set,
            project: self.project.or(lower.project),
            project_token: self.project_token.or(lower.project_token),
            admin_token: self.admin_token.or(lower.admin_token),
            session_grace: self.session_grace.or(lower.session_grace),
            heartbeat: self.heartbeat.or(lower.heartbeat),
            heartbeat_timeout: self.heartbeat_timeout.or(lower.heartbeat_timeout),
            allow_private_webhooks: self.allow_private_webhooks.or(lower.allow_private_webhooks),
            zlib: self.zlib.or(lower.zlib),
            webhook_networks: self.webhook_networks.or(lower.webhook_networks),
            allowed_origins: self.allowed_origins.or(lower.allowed_origins),
            trusted_proxies: self.trusted_proxies.or(lower.trusted_proxies),
            proxy_protocol: self.proxy_protocol.or(lower.proxy_protocol),
            webhook_retry_ms: self.webhook_retry_ms.or(lower.webhook_retry_ms),
            recorder_bytes: self.recorder_bytes.or(lower.recorder_bytes),
            recorder_minutes: self.recorder_minutes.or(lower.recorder_minutes),
            recorder_hide: self.recorder_hide.or(lower.recorder_hide),
            recorder_redact: self.recorder_redact.or(lower.recorder_redact),
            drain_seconds: self.drain_seconds.or(lower.drain_seconds),
            drain_to: self.drain_to.or(lower.drain_to),
            reconnect_rate: self.reconnect_rate.or(lower.reconnect_rate),
            limits: lower.limits,
        }
    }
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

/// How lines of the log are spelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line, for who collects logs
    Json,
}

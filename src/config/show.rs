//! `warren config`: the settings in force, where each is from, and whether they can be used.

use super::layers::PAIR;
use super::{Config, ConfigError, ListenAddress, ServeArgs, keys};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Subcommand, ValueEnum as _};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// What stands in the place of a secret.
const HIDDEN: &str = "\"(hidden)\"";

/// The command line of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub task: ConfigTask,
}

/// What `config` can do; each takes the flags of `serve`.
#[derive(Debug, Subcommand)]
pub enum ConfigTask {
    /// Say whether a server could start with these settings
    Check {
        /// As one JSON document
        #[arg(long)]
        json: bool,
        /// The flags that would be given to `serve`.
        #[command(flatten)]
        serve: Box<ServeArgs>,
    },
    /// Show every setting in force and where it is from; secrets are hidden
    Show {
        /// As one JSON document
        #[arg(long)]
        json: bool,
        /// The flags that would be given to `serve`.
        #[command(flatten)]
        serve: Box<ServeArgs>,
    },
}

/// The flags that stand on the command line, by the keys of their settings; not those from the environment.
#[derive(Clone, Debug, Default)]
pub struct GivenFlags(BTreeSet<String>);

impl GivenFlags {
    /// Those of a command line, whichever command it names.
    pub fn of(matches: &ArgMatches) -> Self {
        let mut inner = matches;
        while let Some((_, next)) = inner.subcommand() {
            inner = next;
        }
        let is_given = |id: &str| inner.value_source(id) == Some(ValueSource::CommandLine);
        let ids = inner.ids().map(clap::Id::as_str).filter(|id| is_given(id));
        Self(ids.map(|id| id.replace('_', "-")).collect())
    }
}

/// One setting in force.
#[derive(Debug, Serialize)]
struct ShownSetting {
    /// Its key.
    key: String,
    /// Its value, as the configuration file would say it.
    value: String,
    /// Where it is from.
    from: String,
}

/// Does one task and prints its outcome.
///
/// # Errors
/// What is wrong with the settings, or that standard output takes nothing.
pub fn config_task(
    args: ConfigArgs,
    flags: &GivenFlags,
    out: &mut dyn Write,
) -> Result<(), Box<dyn std::error::Error>> {
    match args.task {
        ConfigTask::Check { json, serve } => {
            let config = Config::load(*serve)?;
            config.tls.as_ref().map(|source| source.read(&config.data)).transpose()?;
            if json {
                writeln!(out, "{}", serde_json::json!({ "ok": true }))?;
            } else {
                writeln!(out, "ok")?;
            }
        }
        ConfigTask::Show { json, serve } => {
            let (shown, declared) = shown(*serve, flags)?;
            if json {
                let told = |(table, name)| serde_json::json!({ "table": table, "name": name });
                let declared: Vec<_> = declared.into_iter().map(told).collect();
                let told = serde_json::json!({ "settings": shown, "declared": declared });
                writeln!(out, "{told}")?;
            } else {
                write_toml(&shown, out)?;
                let mut declared = declared.iter();
                declared.try_for_each(|(table, name)| writeln!(out, "# [[{table}]] {name:?}"))?;
            }
        }
    }
    Ok(())
}

/// Writes settings as the configuration file would have them, with where each is from behind it.
fn write_toml(shown: &[ShownSetting], out: &mut dyn Write) -> io::Result<()> {
    let mut table = "";
    for ShownSetting { key, value, from } in shown {
        let (inner, name) = key.split_once('.').unwrap_or(("", key));
        if inner != table {
            writeln!(out, "\n[{inner}]")?;
            table = inner;
        }
        writeln!(out, "{name} = {value}  # {from}")?;
    }
    Ok(())
}

/// What is declared, each by its table and its name.
type DeclaredNames = Vec<(&'static str, String)>;

/// Every setting in force, and what is declared.
fn shown(
    args: ServeArgs,
    flags: &GivenFlags,
) -> Result<(Vec<ShownSetting>, DeclaredNames), ConfigError> {
    let (config, origins) = Config::resolve(args)?;
    let values = values(&config).into_iter().map(|(key, value)| (key.to_owned(), value));
    let values = values.chain(keys::limits_of(&config.limits));
    let shown = values.map(|(key, value)| shown_setting(key, value, flags, &origins)).collect();
    Ok((shown, config.declared.names()))
}

/// One of them.
fn shown_setting(
    key: String,
    value: String,
    GivenFlags(flags): &GivenFlags,
    origins: &BTreeMap<String, String>,
) -> ShownSetting {
    let is_pair = origins.get(&key).is_some_and(|origin| origin == PAIR);
    let from = if flags.contains(&key) && !is_pair {
        format!("--{key}")
    } else {
        origins.get(&key).cloned().unwrap_or_else(|| "default".to_owned())
    };
    ShownSetting { key, value, from }
}

/// The values in force that are no limits, as TOML; those that nobody has set and that have no default are left out.
pub(super) fn values(config: &Config) -> Vec<(&'static str, String)> {
    let text = |text: String| serde_json::Value::String(text).to_string();
    let list = |items: Vec<String>| serde_json::Value::from(items).to_string();
    let seconds = |time: std::time::Duration| format!("{:?}", time.as_secs_f64());
    let networks =
        |networks: &[ipnet::IpNet]| list(networks.iter().map(ToString::to_string).collect());
    let timing = config.settings.timing;
    let socket = config.socket.to_possible_value();
    let format = config.log_format.to_possible_value();
    let first = &config.first_run;
    let drain = &config.drain;
    let hidden = |secret: &Option<String>| secret.as_ref().map(|_| HIDDEN.to_owned());
    let values = [
        ("listen", Some(list(config.listen.iter().map(ListenAddress::to_string).collect()))),
        ("tls-cert", config.set.tls_cert.as_ref().map(|file| text(file.display().to_string()))),
        ("tls-key", config.set.tls_key.as_ref().map(|file| text(file.display().to_string()))),
        ("acme", config.set.acme.clone().map(list)),
        ("acme-email", config.set.acme_email.clone().map(text)),
        ("acme-directory", config.set.acme_directory.clone().map(text)),
        ("acme-staging", config.set.acme_staging.map(|is_it| is_it.to_string())),
        ("acme-agree", config.set.acme_agree.map(|is_it| is_it.to_string())),
        ("metrics-listen", config.metrics_listen.map(|place| text(place.to_string()))),
        ("log-format", format.map(|format| text(format.get_name().to_owned()))),
        ("log-requests", Some(format!("{:?}", config.log_requests.share()))),
        ("log-closes", Some(format!("{:?}", config.settings.log_closes.share()))),
        ("data", Some(text(config.data.display().to_string()))),
        ("database", Some(text(config.database.to_string()))),
        ("bus", config.bus.as_ref().map(|_| text("[hidden]".to_owned()))),
        ("workers", Some(config.workers.to_string())),
        ("socket", socket.map(|way| text(way.get_name().to_owned()))),
        ("project", first.project.clone().map(text)),
        ("project-token", hidden(&first.project_token)),
        ("admin-token", hidden(&first.admin_token)),
        ("session-grace", Some(seconds(config.settings.session_grace))),
        ("heartbeat", Some(seconds(timing.heartbeat))),
        ("heartbeat-timeout", Some(seconds(timing.silence))),
        ("zlib", Some(config.settings.has_zlib.to_string())),
        ("allow-private-webhooks", Some(config.webhooks.policy.allow_private.to_string())),
        ("webhook-networks", Some(networks(&config.webhooks.policy.allowed))),
        ("allowed-origins", Some(list(config.allowed_origins.patterns().collect()))),
        ("trusted-proxies", Some(networks(config.proxies.networks()))),
        ("proxy-protocol", Some(config.proxies.has_preface().to_string())),
        ("recorder-bytes", Some(config.settings.recorder.bytes.to_string())),
        ("recorder-minutes", Some((config.settings.recorder.age.as_secs() / 60).to_string())),
        ("recorder-hide", Some(list(config.recorder_rules.hidden()))),
        ("recorder-redact", Some(list(config.recorder_rules.redacted()))),
        ("drain-seconds", Some(seconds(drain.over))),
        ("drain-to", drain.to.as_deref().map(|to| text(to.to_owned()))),
        ("reconnect-rate", Some(drain.rate.to_string())),
        ("webhook-retry-ms", Some(config.webhooks.schedule.first_pause.as_millis().to_string())),
    ];
    values.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_shown() {
        let text = "project = \"project_x\"\nproject-token = \"ptk_0123456789abcdefghijklmn\"\n\
            admin-token = \"pat_0123456789abcdefghijklmn\"\nmetrics-listen = \"127.0.0.1:9090\"\n\
            drain-seconds = 5\ndrain-to = \"wss://b.example.com/ws\"\n\
            tls-cert = \"c\"\ntls-key = \"k\"\nacme = []\nacme-email = \"a@b\"\n\
            acme-directory = \"https://c\"\nacme-staging = false\nacme-agree = true";
        let (_file, args) = super::super::tests::args(text);
        let (shown, _) = shown(args, &GivenFlags::default()).unwrap();
        let known = keys::all().filter(|key| !key.ends_with(keys::FILE));
        // A bus goes with another database only, which not every program speaks to.
        let mut known: Vec<_> = known.filter(|key| *key != "bus").collect();
        let mut found: Vec<_> = shown.iter().map(|setting| setting.key.as_str()).collect();
        known.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, known);
    }
}

//! What of a configuration can change while a server runs.

use super::{Config, ConfigError, Limits, ServeArgs, keys, show};
use crate::recorder::RecorderSettings;
use serde_json::{Map, Value};

/// The settings that can: for connections, sessions, channels and requests that begin afterwards. What is declared is
/// brought about anew besides.
const LIVE: &[&str] = &[
    "recorder-bytes",
    "recorder-minutes",
    "recorder-hide",
    "recorder-redact",
    "zlib",
    "log-requests",
    "log-closes",
    "drain-seconds",
    "drain-to",
    "reconnect-rate",
    "allowed-origins",
    "limits.message-bytes",
    "limits.state-bytes",
    "limits.frame-bytes",
    "limits.identify-bytes",
    "limits.init-bytes",
    "limits.send-buffer-bytes",
    "limits.replay-events",
    "limits.replay-bytes",
    "limits.session-channels",
    "limits.token-connections",
    "limits.requests-per-second",
    "limits.address-requests-per-second",
    "limits.project-webhooks",
    "limits.publishes-per-second",
    "limits.reply-floor-ms",
];

/// What comes of a configuration that was read again.
pub(crate) struct Reconfigured {
    /// What runs from now on: the settings as they were, but for those that can change.
    pub(crate) config: Config,
    /// What has changed, as `key = value`.
    pub(crate) changed: Vec<String>,
    /// What has not, because it takes a restart.
    pub(crate) restart: Vec<String>,
}

impl Config {
    /// Every setting in force by its key, as `config show` has them: secrets are hidden.
    pub(crate) fn in_force(&self) -> Map<String, Value> {
        let read = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
        all(self).into_iter().map(|(key, value)| (key, read(value))).collect()
    }

    /// What the recorder lives by.
    pub(crate) fn recorder(&self) -> RecorderSettings {
        RecorderSettings { bounds: self.settings.recorder, rules: self.recorder_rules.clone() }
    }

    /// What runs from now on where this ran and that is wanted.
    ///
    /// # Errors
    /// What can change does not go together with what cannot.
    pub(crate) fn reconfigured(&self, wanted: &Self) -> Result<Reconfigured, ConfigError> {
        let (mut changed, mut restart) = (Vec::new(), Vec::new());
        let before = all(self);
        for (key, value) in all(wanted) {
            if before.iter().any(|(known, old)| *known == key && *old == value) {
                continue;
            }
            let told = format!("{key} = {value}");
            if LIVE.contains(&key.as_str()) { changed.push(told) } else { restart.push(told) }
        }
        // What is not set any more.
        let is_gone = |(key, _): &&(String, String)| !all(wanted).iter().any(|(new, _)| new == key);
        for (key, _) in before.iter().filter(is_gone) {
            let told = format!("{key} is not set");
            if LIVE.contains(&key.as_str()) { changed.push(told) } else { restart.push(told) }
        }
        let set = ServeArgs {
            recorder_bytes: wanted.set.recorder_bytes,
            recorder_minutes: wanted.set.recorder_minutes,
            recorder_hide: wanted.set.recorder_hide.clone(),
            recorder_redact: wanted.set.recorder_redact.clone(),
            zlib: wanted.set.zlib,
            log_requests: wanted.set.log_requests,
            log_closes: wanted.set.log_closes,
            drain_seconds: wanted.set.drain_seconds,
            drain_to: wanted.set.drain_to.clone(),
            reconnect_rate: wanted.set.reconnect_rate,
            allowed_origins: wanted.set.allowed_origins.clone(),
            limits: live_limits(&self.limits, &wanted.limits)?,
            ..self.set.clone()
        };
        let config = Self { declared: wanted.declared.clone(), ..Self::of(set)? };
        Ok(Reconfigured { config, changed, restart })
    }
}

/// Every setting in force, secrets as whether they are there.
fn all(config: &Config) -> Vec<(String, String)> {
    let values = show::values(config).into_iter().map(|(key, value)| (key.to_owned(), value));
    values.chain(keys::limits_of(&config.limits)).collect()
}

/// The limits that run, but for those that can change.
fn live_limits(running: &Limits, wanted: &Limits) -> Result<Limits, ConfigError> {
    let fields = |limits: &Limits| match serde_json::to_value(limits) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let (mut new, wanted) = (fields(running), fields(wanted));
    for (name, value) in &mut new {
        let is_live = LIVE.iter().any(|key| key.strip_prefix("limits.") == Some(name));
        if let Some(live) = wanted.get(name).filter(|_| is_live) {
            *value = live.clone();
        }
    }
    let read = serde_json::from_value(Value::Object(new));
    read.map_err(|error| ConfigError::Unusable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::args;
    use super::*;

    /// What a configuration file says.
    fn config(text: &str) -> Config {
        let (_file, args) = args(text);
        Config::load(args).unwrap()
    }

    #[test]
    fn what_can_change_does_and_the_rest_is_told_and_stays() {
        let running = config("workers = 2\nproject = \"project_x\"\n[limits]\nauth-failures = 5");
        let wanted =
            config("workers = 3\nzlib = false\n[limits]\nstate-bytes = 9\nauth-failures = 6");
        let Reconfigured { config, changed, restart } = running.reconfigured(&wanted).unwrap();
        assert_eq!(changed, ["zlib = false", "limits.state-bytes = 9"]);
        assert_eq!(restart, ["workers = 3", "limits.auth-failures = 6", "project is not set"]);
        assert_eq!((config.workers, config.settings.auth_failures), (2, 5));
        assert_eq!((config.settings.state_bytes, config.settings.has_zlib), (9, false));
        // Told again, until it is restarted; what has changed is not.
        let again = config.reconfigured(&wanted).unwrap();
        assert!(again.changed.is_empty(), "{:?}", again.changed);
        assert_eq!(again.restart, restart);
    }

    #[test]
    fn where_clients_are_sent_can_be_said_and_taken_back_while_a_server_runs() {
        let (here, there) =
            (config(""), config("drain-seconds = 5\ndrain-to = \"wss://b.example.com/ws\""));
        let Reconfigured { config: sends, changed, restart } = here.reconfigured(&there).unwrap();
        assert_eq!(changed, ["drain-seconds = 5.0", "drain-to = \"wss://b.example.com/ws\""]);
        assert!(restart.is_empty() && sends.drain == there.drain, "{restart:?}");
        let Reconfigured { config, changed, .. } = sends.reconfigured(&here).unwrap();
        assert_eq!(changed, ["drain-seconds = 0.0", "drain-to is not set"]);
        assert_eq!(config.drain, here.drain);
    }

    #[test]
    fn what_can_change_is_a_setting() {
        for key in LIVE {
            assert!(keys::is_known(key), "{key}");
        }
    }
}

//! The names of all settings, taken from where they are declared: the flags of `serve` and the table `[limits]`.

use super::{ConfigError, Limits, ServeArgs};
use clap::{Args as _, Command};
use std::sync::LazyLock;

/// What every environment variable of a setting begins with.
pub(super) const PREFIX: &str = "WARREN_";
/// The settings that are secrets, or have one in them, which is shown nowhere; they may be in files of their own.
pub(super) const SECRETS: &[&str] = &["database", "bus", "project-token", "admin-token"];
/// What is appended to the name of a secret to name the file that it is in.
pub(super) const FILE: &str = "-file";
/// The tables whose members are settings.
const TABLES: &[&str] = &["limits"];
/// The flags that say where settings are, and are none.
const NO_SETTINGS: &[&str] = &["config", "set"];
/// How much a name has to be like another one to be taken for it, of 1.
const LIKENESS: f64 = 0.85;

/// All keys that a layer may have, with a dot before a table's member.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let command = ServeArgs::augment_args(Command::new("serve"));
    let flags = command.get_arguments().filter_map(|flag| flag.get_long());
    let flags = flags.filter(|flag| !NO_SETTINGS.contains(flag)).map(str::to_owned);
    let files = SECRETS.iter().map(|secret| format!("{secret}{FILE}"));
    flags
        .chain(files)
        .chain(limits_of(&Limits::default()).into_iter().map(|(key, _)| key))
        .collect()
});

/// Each limit's key and value.
pub(super) fn limits_of(limits: &Limits) -> Vec<(String, String)> {
    let Ok(serde_json::Value::Object(limits)) = serde_json::to_value(limits) else {
        return Vec::new();
    };
    limits.into_iter().map(|(key, value)| (format!("limits.{key}"), value.to_string())).collect()
}

/// Whether a table's members are settings.
pub(super) fn is_table(key: &str) -> bool {
    TABLES.contains(&key)
}

/// Whether there is such a setting.
pub(super) fn is_known(key: &str) -> bool {
    KEYS.iter().any(|known| known == key)
}

/// The setting that may have been meant.
pub(super) fn close_to(key: &str) -> Option<&'static str> {
    let likeness = |known: &&str| strsim::jaro_winkler(known, key);
    let closest = KEYS
        .iter()
        .map(String::as_str)
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(&closest) >= LIKENESS).then_some(closest)
}

/// Refuses what no setting is called.
pub(super) fn known(key: &str, origin: &str) -> Result<(), ConfigError> {
    if is_known(key) {
        return Ok(());
    }
    // Half of the settings are members of a table: who leaves that out is told.
    let member =
        KEYS.iter().find(|known| known.split_once('.').is_some_and(|(_, name)| name == key));
    let meant = member.map(String::as_str).or_else(|| close_to(key));
    Err(ConfigError::Unknown { key: key.to_owned(), origin: origin.to_owned(), meant })
}

/// The environment variable of a setting.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").replace('-', "_").to_ascii_uppercase())
}

/// All keys.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(String::as_str)
}

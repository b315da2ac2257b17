//! What a configuration file declares: `[[project]]`, `[[channel]]`, `[[webhook]]`, `[[jwt-key]]`,
//! `[authorizer]`.

use super::{Config, ConfigError};
use crate::http::{Declared, DeclaredProject};
use config::{Map, Value, ValueKind};
use std::collections::BTreeMap;
use std::path::Path;

/// What is declared by tables of these names.
const DECLARED: [&str; 4] = ["channel", "webhook", "jwt-key", "authorizer"];
/// The same; a text of this name is a setting of the first run.
const PROJECT: &str = "project";

/// Whether a key of the file declares something.
pub(super) fn is_declared(key: &str, is_list: bool) -> bool {
    DECLARED.contains(&key) || (key == PROJECT && is_list)
}

/// What a file declares, and where each table of it stands.
#[derive(Debug, Default)]
pub(super) struct ReadTables {
    /// What is declared.
    declared: Declared,
    /// Where, by the names of its tables, as `channel[0]`.
    origins: BTreeMap<String, String>,
}

impl ReadTables {
    /// What is declared, if it can be brought about, as far as that is to be seen without the database.
    pub(super) fn checked(self, state_bytes: usize) -> Result<Declared, ConfigError> {
        let Self { declared, origins } = self;
        match declared.check(state_bytes) {
            Ok(()) => Ok(declared),
            Err(error) => {
                let origin = origins.get(&error.place()).cloned().unwrap_or_default();
                Err(ConfigError::Declared { error, origin })
            }
        }
    }
}

/// Reads what is declared, with the secrets that are in files.
pub(super) fn read(tables: Vec<(String, Value)>) -> Result<ReadTables, ConfigError> {
    let (mut all, mut origins) = (Map::new(), BTreeMap::new());
    for (name, value) in tables {
        // One alone may stand without being a list.
        let items = match value.kind {
            ValueKind::Array(items) => items,
            _ => vec![value],
        };
        for (at, item) in items.iter().enumerate() {
            let origin = item.origin().unwrap_or_default().to_owned();
            origins.insert(format!("{name}[{at}]"), origin);
        }
        all.insert(name, Value::new(None, items));
    }
    let read = Value::new(None, ValueKind::Table(all)).try_deserialize();
    let mut declared: Declared = read.map_err(|error| wrong(&error, &origins))?;
    let at =
        |kind: &str, at: usize| origins.get(&format!("{kind}[{at}]")).cloned().unwrap_or_default();
    for (n, project) in declared.projects.iter_mut().enumerate() {
        secret(
            &mut project.token,
            project.token_file.as_deref(),
            ("token-file", at("project", n)),
        )?;
    }
    for (n, webhook) in declared.webhooks.iter_mut().enumerate() {
        let place = ("secret-file", at("webhook", n));
        secret(&mut webhook.secret, webhook.secret_file.as_deref(), place)?;
    }
    for (n, authorizer) in declared.authorizers.iter_mut().enumerate() {
        let place = ("secret-file", at("authorizer", n));
        secret(&mut authorizer.secret, authorizer.secret_file.as_deref(), place)?;
    }
    for (n, key) in declared.jwt_keys.iter_mut().enumerate() {
        let place = |file| (file, at("jwt-key", n));
        secret(&mut key.secret, key.secret_file.as_deref(), place("secret-file"))?;
        secret(&mut key.public_key, key.public_key_file.as_deref(), place("public-key-file"))?;
    }
    Ok(ReadTables { declared, origins })
}

/// Says of something declared where it stands and what is wrong.
fn wrong(error: &config::ConfigError, origins: &BTreeMap<String, String>) -> ConfigError {
    let text = error.to_string();
    // The library names the place as `webhook[0]`.
    let found = origins.iter().find(|(place, _)| text.contains(place.as_str()));
    match found {
        Some((place, origin)) => {
            ConfigError::Value { key: place.clone(), origin: origin.clone(), why: text }
        }
        None => ConfigError::Unusable(text),
    }
}

/// Reads the secret that is in a file of its own.
fn secret(
    secret: &mut Option<String>,
    file: Option<&Path>,
    (key, origin): (&str, String),
) -> Result<(), ConfigError> {
    let Some(path) = file else { return Ok(()) };
    let wrong = |why| ConfigError::Value { key: key.to_owned(), origin: origin.clone(), why };
    if secret.is_some() {
        return Err(wrong("the secret is there as well; keep one of them".to_owned()));
    }
    let read = std::fs::read_to_string(path);
    let text = read.map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))?;
    *secret = Some(text.trim_end_matches(['\r', '\n']).to_owned());
    Ok(())
}

impl Config {
    /// The project that is declared, and its token, where it is one alone.
    pub fn declared_project(&self) -> Option<(&str, Option<&str>)> {
        match self.declared.projects.as_slice() {
            [project] => Some((&project.id, project.token.as_deref())),
            _ => None,
        }
    }

    /// The same with a project declared, unless it is; this token counts where none is declared for it.
    #[must_use]
    pub fn with_project(mut self, id: &str, token: &str) -> Self {
        let token = token.to_owned();
        if let Some(known) = self.declared.projects.iter_mut().find(|project| project.id == id) {
            known.token.get_or_insert(token);
            return self;
        }
        self.declared.projects.push(DeclaredProject {
            id: id.to_owned(),
            name: None,
            namespace: None,
            allowed_origins: None,
            token: Some(token),
            token_file: None,
        });
        self
    }
}

//! From where settings come: the file, the environment, `--set`. The library `config` lays them over each other and
//! remembers for each where it is from; what no setting is called is refused before, with what may have been meant.

use super::declaring::{self, ReadTables};
use super::{ConfigError, ServeArgs, keys};
use config::{Map, Source, Value, ValueKind};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a setting of `--set` is from.
pub(super) const PAIR: &str = "--set";

/// The settings of all layers, but for the flags.
pub(super) struct Layered {
    /// The settings; those that nobody has made are none.
    settings: ServeArgs,
    /// Those of `--set` alone.
    pairs: ServeArgs,
    /// Where each setting is from that somebody has made.
    pub(super) origins: BTreeMap<String, String>,
    /// What is declared.
    pub(super) declared: ReadTables,
}

impl Layered {
    /// What counts with these flags over it. `--set` wins over them: the command line's library takes what an environment
    /// variable says for a flag.
    pub(super) fn under(&self, args: ServeArgs) -> ServeArgs {
        let (file, set) = (args.config.clone(), args.set.clone());
        let whole = self.pairs.clone().over(args.over(self.settings.clone()));
        ServeArgs { config: file, set, ..whole }
    }
}

/// One setting of a layer.
#[derive(Clone, Debug)]
struct Entry {
    /// Its key, with a dot before that of a table's member.
    key: String,
    /// What it is set to.
    value: Value,
}

/// The settings of one layer.
#[derive(Clone, Debug, Default)]
struct Layer(Vec<Entry>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect())
    }
}

/// Reads the layers and lays them over each other: the file lowest, then the environment, then `--set`.
pub(super) fn read(
    args: &ServeArgs,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Layered, ConfigError> {
    let file = super::read_file(args.config.as_deref())?;
    let (lowest, declared) = match &file {
        Some((path, text)) => Layer::of_file(path, text)?,
        None => (Layer::default(), ReadTables::default()),
    };
    let layers = [lowest, Layer::of_environment(environment)?, Layer::of_pairs(&args.set)?];
    let mut origins = BTreeMap::new();
    let (mut builder, mut pairs) = (config::Config::builder(), Layer::default());
    for layer in layers {
        let layer = layer.with_secrets()?;
        pairs = layer.clone();
        for Entry { key, value } in &layer.0 {
            origins.insert(key.clone(), value.origin().unwrap_or_default().to_owned());
        }
        builder = builder.add_source(layer);
    }
    let settings = builder.build().and_then(config::Config::try_deserialize);
    let settings = settings.map_err(|error| wrong(&error, &origins))?;
    let pairs = config::Config::builder().add_source(pairs).build();
    let pairs = pairs.and_then(config::Config::try_deserialize);
    let pairs = pairs.map_err(|error| wrong(&error, &origins))?;
    Ok(Layered { settings, pairs, origins, declared })
}

/// Says of a value that cannot be one which setting it is and where it is from.
fn wrong(error: &config::ConfigError, origins: &BTreeMap<String, String>) -> ConfigError {
    use config::ConfigError::{At, Type};
    let (key, why) = match error {
        At { error, key: Some(key), .. } => (key, error.to_string()),
        Type { key: Some(key), unexpected, expected, .. } => {
            (key, format!("{unexpected} is not {expected}"))
        }
        other => return ConfigError::Unusable(other.to_string()),
    };
    // What is wrong in the depth of an entry is from where the entry is.
    let from = origins.iter().rev().find(|(known, _)| key.starts_with(known.as_str()));
    let origin = from.map(|(_, origin)| origin.clone()).unwrap_or_default();
    ConfigError::Value { key: key.clone(), origin, why }
}

impl Layer {
    /// The settings of a file; each remembers its line. And what the file declares.
    fn of_file(path: &Path, text: &str) -> Result<(Self, ReadTables), ConfigError> {
        let file = FileText { path, text };
        let mistake = |error: toml::de::Error| ConfigError::Mistake {
            origin: file.place(error.span().unwrap_or_default().start),
            why: error.message().to_owned(),
        };
        let table = DeTable::parse(text).map_err(mistake)?.into_inner();
        let is_declared = |(name, value): &(Spanned<Cow<'_, str>>, Spanned<DeValue<'_>>)| {
            declaring::is_declared(name.get_ref(), value.get_ref().is_array())
        };
        let (declared, settings): (Vec<_>, Vec<_>) = table.into_iter().partition(is_declared);
        let declared =
            declared.iter().map(|(name, value)| (name.get_ref().to_string(), file.value(value)));
        let declared = declaring::read(declared.collect())?;
        let mut layer = Self::default();
        layer.add_table(&file, "", &settings.into_iter().collect())?;
        Ok((layer, declared))
    }

    /// Adds the settings of a table of the file.
    fn add_table(
        &mut self,
        file: &FileText<'_>,
        prefix: &str,
        table: &DeTable<'_>,
    ) -> Result<(), ConfigError> {
        for (name, value) in table {
            let (key, origin) =
                (format!("{prefix}{}", name.get_ref()), file.place(name.span().start));
            match value.get_ref() {
                DeValue::Table(inner) if keys::is_table(&key) => {
                    self.add_table(file, &format!("{key}."), inner)?;
                }
                _ => {
                    keys::known(&key, &origin)?;
                    self.0.push(Entry { key, value: file.value(value) });
                }
            }
        }
        Ok(())
    }

    /// The settings of the environment.
    fn of_environment(
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut layer = Self::default();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            let Some(rest) = name.strip_prefix(keys::PREFIX) else { continue };
            let key = rest.to_ascii_lowercase().replace("__", ".").replace('_', "-");
            let Ok(value) = value.into_string() else {
                // Those that are flags too are read by the command line, which knows paths that are no text.
                if keys::is_known(&key) && (key.contains('.') || key.ends_with(keys::FILE)) {
                    let why = "it is no text".to_owned();
                    return Err(ConfigError::Value { key, origin: name, why });
                }
                continue;
            };
            if keys::is_known(&key) {
                layer.0.push(Entry { key, value: Value::new(Some(&name), value) });
            } else if key.contains('.') {
                keys::known(&key, &name)?;
            } else if let Some(meant) = keys::close_to(&key) {
                // Others name variables too: a cluster does for each of its services.
                let meant = keys::variable(meant);
                tracing::warn!(variable = name, "no setting has this name; did you mean {meant}?");
            }
        }
        Ok(layer)
    }

    /// The settings of `--set KEY=VALUE`.
    fn of_pairs(pairs: &[String]) -> Result<Self, ConfigError> {
        let mut layer = Self::default();
        for pair in pairs {
            let origin = PAIR.to_owned();
            let (key, value) =
                pair.split_once('=').ok_or_else(|| ConfigError::NoPair(pair.clone()))?;
            keys::known(key, &origin)?;
            layer.0.push(Entry { key: key.to_owned(), value: Value::new(Some(&origin), value) });
        }
        Ok(layer)
    }

    /// The layer with each secret in the place of the file that it is in.
    fn with_secrets(mut self) -> Result<Self, ConfigError> {
        for secret in keys::SECRETS {
            let file = format!("{secret}{}", keys::FILE);
            let Some(at) = self.0.iter().position(|entry| entry.key == file) else { continue };
            let Entry { value, .. } = self.0.swap_remove(at);
            let origin = value.origin().unwrap_or_default().to_owned();
            if self.0.iter().any(|entry| entry.key == *secret) {
                return Err(ConfigError::Twice { key: secret, origin });
            }
            let wrong = |why| ConfigError::Value { key: file.clone(), origin: origin.clone(), why };
            let path =
                value.into_string().ok().ok_or_else(|| wrong("it must be a path".to_owned()))?;
            let text = std::fs::read_to_string(&path)
                .map_err(|error| wrong(format!("cannot read {path}: {error}")))?;
            let origin = format!("{path}, named by {origin}");
            let value = Value::new(Some(&origin), text.trim_end_matches(['\r', '\n']));
            self.0.push(Entry { key: (*secret).to_owned(), value });
        }
        Ok(self)
    }
}

/// A configuration file.
struct FileText<'a> {
    /// Its path.
    path: &'a Path,
    /// What it says.
    text: &'a str,
}

impl FileText<'_> {
    /// Where something stands, for people.
    fn place(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or_default();
        format!("{}, line {}", self.path.display(), before.matches('\n').count() + 1)
    }

    /// A value, with where it stands.
    fn value(&self, value: &Spanned<DeValue<'_>>) -> Value {
        let kind = match value.get_ref() {
            DeValue::String(text) => ValueKind::String(text.to_string()),
            DeValue::Integer(number) => {
                // What is too large for a number says so where it is read.
                i64::from_str_radix(number.as_str(), number.radix())
                    .map_or_else(|_| number.to_string().into(), ValueKind::I64)
            }
            DeValue::Float(number) => number
                .as_str()
                .parse()
                .map_or_else(|_| number.as_str().to_owned().into(), ValueKind::Float),
            DeValue::Boolean(value) => ValueKind::Boolean(*value),
            DeValue::Datetime(time) => ValueKind::String(time.to_string()),
            DeValue::Array(items) => {
                ValueKind::Array(items.iter().map(|item| self.value(item)).collect())
            }
            DeValue::Table(table) => {
                let member = |(name, value): (&Spanned<_>, _)| {
                    (ToString::to_string(name.get_ref()), self.value(value))
                };
                ValueKind::Table(table.iter().map(member).collect())
            }
        };
        Value::new(Some(&self.place(value.span().start)), kind)
    }
}

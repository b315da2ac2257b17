//! What can be wrong with the settings.

use crate::domain::OriginError;
use crate::http::DeclareError;
use crate::recorder::RuleError;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

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
    #[error("{origin}: this is no TOML: {why}")]
    Mistake {
        /// The file and the line; not what stands there, which may be a secret.
        origin: String,
        /// What is wrong.
        why: String,
    },
    /// Something that is declared cannot be.
    #[error("{origin}: {error}")]
    Declared {
        /// What, and why.
        error: DeclareError,
        /// Where it stands.
        origin: String,
    },
    /// A value that cannot be one of its setting.
    #[error("{origin}: {key} cannot be used: {why}")]
    Value {
        /// The setting.
        key: String,
        /// Where it is from.
        origin: String,
        /// What is wrong.
        why: String,
    },
    /// A name that no setting has.
    #[error("{origin}: there is no setting `{key}`{}", Meant(*meant))]
    Unknown {
        /// The name.
        key: String,
        /// Where it is from.
        origin: String,
        /// What may have been meant.
        meant: Option<&'static str>,
    },
    /// A secret that is given itself and in a file.
    #[error("{origin}: {key} is set as well as {key}-file; keep one of them")]
    Twice {
        /// The secret.
        key: &'static str,
        /// Where the file's name is from.
        origin: String,
    },
    /// `--set` without a value.
    #[error("--set takes KEY=VALUE, not `{0}`")]
    NoPair(String),
    /// Settings that cannot be put together.
    #[error("the settings cannot be used: {0}")]
    Unusable(String),
    /// Something is wrong with a setting, and where that is from.
    #[error("{origin}: {error}")]
    From {
        /// What is wrong.
        error: Box<Self>,
        /// Where the setting is from.
        origin: String,
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
    /// A rule of the recorder means nothing.
    #[error("recorder-hide, recorder-redact: {0}")]
    RecorderRule(#[from] RuleError),
    /// An origin that no page has.
    #[error("allowed-origins: {0}")]
    Origin(#[from] OriginError),
    /// A database that this version does not speak to.
    #[error("the database must be sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE")]
    UnknownDatabase,
    /// A bus beside a database that is one server's alone.
    #[error("several servers (bus) need a database that they can share: postgres://…")]
    BusNeedsPostgres,
    /// The address of no bus.
    #[error("bus must be redis://[USER:PASSWORD@]HOST[:PORT][/DB]")]
    BadBus,
    /// A bus, for a program that speaks to none.
    #[error("this program was built without Redis (the feature `redis`): it serves alone")]
    NoRedis,
    /// A PostgreSQL, for a program that speaks to none.
    #[cfg(not(feature = "postgres"))]
    #[error(
        "this program was built without PostgreSQL (the feature `postgres`): the database must be sqlite:PATH"
    )]
    NoPostgres,
    /// The address of a PostgreSQL that can be read in two ways.
    #[cfg(feature = "postgres")]
    #[error(
        "the database must be postgres://USER:PASSWORD@HOST:PORT/DATABASE; what is none of that in a user or a password has to be percent-encoded: @ is %40, / is %2F"
    )]
    BadPostgres,
}

impl ConfigError {
    /// The same with where its setting is from, if one of these says it.
    pub(super) fn from(self, origins: &BTreeMap<String, String>) -> Self {
        let name = match &self {
            Self::OutOfRange { name, .. } | Self::Missing { name, .. } => name,
            Self::UnknownDatabase => "database",
            #[cfg(not(feature = "postgres"))]
            Self::NoPostgres => "database",
            #[cfg(feature = "postgres")]
            Self::BadPostgres => "database",
            Self::BusNeedsPostgres | Self::BadBus | Self::NoRedis => "bus",
            Self::Origin(_) => "allowed-origins",
            _ => return self,
        };
        match origins.get(name) {
            Some(origin) => Self::From { error: Box::new(self), origin: origin.clone() },
            None => self,
        }
    }
}

/// What may have been meant, as the end of a sentence.
struct Meant(Option<&'static str>);

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(meant) => write!(f, "; did you mean `{meant}`?"),
            None => f.write_str(" (warren.example.toml has all)"),
        }
    }
}

//! Where the bus is that orders for several servers: a Redis, with a secret that lets one in.

use super::{ConfigError, DatabasePlace};
use std::fmt;

/// Where the bus is.
#[derive(Clone, PartialEq, Eq)]
pub struct BusPlace(String);

impl BusPlace {
    /// Reads it as it is set, for servers that share this database.
    ///
    /// # Errors
    /// [`ConfigError`]: it is no such URL, this program speaks to no Redis, or the database is one server's alone.
    pub fn parse(url: &str, database: &DatabasePlace) -> Result<Self, ConfigError> {
        let is_known =
            ["redis://", "redis+unix://", "unix://"].iter().any(|scheme| url.starts_with(scheme));
        if !is_known {
            return Err(ConfigError::BadBus);
        }
        if !cfg!(feature = "redis") {
            return Err(ConfigError::NoRedis);
        }
        if database.file().is_some() {
            return Err(ConfigError::BusNeedsPostgres);
        }
        Ok(Self(url.to_owned()))
    }

    /// The URL, with its secrets.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BusPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BusPlace")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn what_is_no_bus_is_refused() {
        let file = DatabasePlace::File(PathBuf::from("a.db"));
        for url in ["", "redis", "rediss://h", "http://h"] {
            let refused = BusPlace::parse(url, &file).unwrap_err();
            assert!(matches!(refused, ConfigError::BadBus), "{url}");
        }
        let refused = BusPlace::parse("redis://:secret@h", &file).unwrap_err();
        let words = if cfg!(feature = "redis") { "need a database" } else { "without Redis" };
        let told = refused.to_string();
        assert!(told.contains(words) && !told.contains("secret"), "{told}");
    }

    #[cfg(feature = "redis")]
    #[test]
    fn a_bus_shows_no_secret() {
        let database = DatabasePlace::parse("postgres://h/d").unwrap();
        let bus = BusPlace::parse("redis://:secret@h", &database).unwrap();
        assert_eq!(bus.secret(), "redis://:secret@h");
        assert!(!format!("{bus:?}").contains("secret"));
    }
}

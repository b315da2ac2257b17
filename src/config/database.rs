//! Where the database is: a file, or a server with a secret that lets one in.

use super::ConfigError;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabasePlace {
    /// A file of SQLite's.
    File(PathBuf),
    /// A PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(PostgresUrl),
}

impl DatabasePlace {
    /// Reads it as it is set.
    ///
    /// # Errors
    /// [`ConfigError`]: it is no such URL, or of a database that this program does not speak to.
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        if let Some((_, rest)) = url.split_once("://")
            && ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme))
        {
            return postgres(url, rest);
        }
        let path = url.strip_prefix("sqlite:").ok_or(ConfigError::UnknownDatabase)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(ConfigError::UnknownDatabase);
        }
        Ok(Self::File(PathBuf::from(path)))
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => None,
        }
    }

    /// What it is called where nobody may see a secret: the file's path, or the URL without user and password.
    pub fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => url.shown.clone(),
        }
    }
}

impl fmt::Display for DatabasePlace {
    /// As it would be set, but for secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.file().is_some() { "sqlite:" } else { "" };
        write!(f, "{scheme}{}", self.shown())
    }
}

impl fmt::Debug for DatabasePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The URL of a PostgreSQL.
#[cfg(feature = "postgres")]
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    /// All of it.
    whole: String,
    /// What of it may be shown.
    shown: String,
}

#[cfg(feature = "postgres")]
impl PostgresUrl {
    /// All of it, with its secrets: for whoever connects.
    pub fn secret(&self) -> &str {
        &self.whole
    }
}

/// What of a URL's parameters may be shown.
#[cfg(feature = "postgres")]
const SHOWN: [&str; 4] = ["host", "port", "dbname", "sslmode"];

/// Reads a PostgreSQL's URL. It must have one meaning: who has forgotten to encode an `@` or a `/` in a password would find
/// the rest of it in messages, as the name of a host that does not exist.
#[cfg(feature = "postgres")]
fn postgres(url: &str, rest: &str) -> Result<DatabasePlace, ConfigError> {
    let (place, said) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    let (_, hosts) = authority.split_once('@').unwrap_or(("", authority));
    let is_odd = |text: &str| text.contains(['@', '/', '#', '?']);
    let is_odd = is_odd(hosts) || is_odd(database) || url.contains(char::is_whitespace);
    let numbers = hosts.split(',').filter(|host| !host.contains(['[', '%']));
    let mut ports = numbers.filter_map(|host| host.split_once(':')).map(|(_, port)| port);
    if is_odd || !ports.all(|port| port.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(ConfigError::BadPostgres);
    }
    let pairs =
        said.split('&').filter(|pair| SHOWN.contains(&pair.split('=').next().unwrap_or_default()));
    let said: Vec<&str> = pairs.collect();
    let said = if said.is_empty() { String::new() } else { format!("?{}", said.join("&")) };
    let shown = format!("postgres://{hosts}/{database}{said}");
    Ok(DatabasePlace::Postgres(PostgresUrl { whole: url.to_owned(), shown }))
}

/// This program cannot.
#[cfg(not(feature = "postgres"))]
fn postgres(_url: &str, _rest: &str) -> Result<DatabasePlace, ConfigError> {
    Err(ConfigError::NoPostgres)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "postgres")]
    fn a_postgres_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("postgres://u:p@h/d", "postgres://h/d"),
            (
                "postgresql://u@h:5433/d?sslmode=require&password=p",
                "postgres://h:5433/d?sslmode=require",
            ),
            ("postgres://u:a%40b@h1:1,h2:2/d", "postgres://h1:1,h2:2/d"),
            ("postgres:///d?host=/run/postgresql&user=u", "postgres:///d?host=/run/postgresql"),
            ("postgres://[::1]:5432/d", "postgres://[::1]:5432/d"),
        ] {
            let place = DatabasePlace::parse(url).unwrap();
            assert_eq!((place.shown(), place.to_string()), (shown.to_owned(), shown.to_owned()));
            assert_eq!(format!("{place:?}"), shown);
            assert!(matches!(&place, DatabasePlace::Postgres(it) if it.secret() == url));
        }
    }

    #[test]
    #[cfg(feature = "postgres")]
    fn a_password_that_is_not_encoded_is_refused_and_not_shown() {
        for url in [
            "postgres://u:a@b@h/d",
            "postgres://u:a/b@h/d",
            "postgres://u:a b@h/d",
            "postgres://u:a#b",
        ] {
            let error = DatabasePlace::parse(url).unwrap_err().to_string();
            assert!(error.contains("percent-encoded") && !error.contains("a@b"), "{url}: {error}");
        }
    }

    #[test]
    #[cfg(not(feature = "postgres"))]
    fn a_program_without_postgres_says_so() {
        let error = DatabasePlace::parse("postgres://u:secret@h/d").unwrap_err().to_string();
        assert!(error.contains("built without PostgreSQL") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn a_file_is_shown_by_its_path() {
        for url in ["sqlite:/a/b.db", "sqlite:///a/b.db"] {
            let place = DatabasePlace::parse(url).unwrap();
            assert_eq!(place.file(), Some(Path::new("/a/b.db")));
            assert_eq!(
                (place.shown(), place.to_string()),
                ("/a/b.db".into(), "sqlite:/a/b.db".into())
            );
        }
        for url in ["", "sqlite:", "sqlite://", "mysql://x", "/a/b.db", "postgres:x"] {
            assert!(
                matches!(DatabasePlace::parse(url), Err(ConfigError::UnknownDatabase)),
                "{url}"
            );
        }
    }
}

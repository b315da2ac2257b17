//! Profiles: where a server is and who one is there, in a file that nobody else may read.

use crate::error::CliError;
use crate::secret::SecretText;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Where a server is when nobody says it.
const LOCAL: &str = "http://127.0.0.1:8080";
/// The profile that is used when none is named.
const DEFAULT: &str = "default";

/// The flags that say which server, and who one is there. Commands have arguments of the same names (a token, an address), so
/// these have ids of their own: one id is one value.
#[derive(Clone, Debug, Default, Args)]
pub struct Connect {
    /// The profile to use [default: `default`, or the only one]
    #[arg(
        id = "server-profile",
        long = "profile",
        env = "WARREN_PROFILE",
        value_name = "NAME",
        global = true,
        help_heading = "Server"
    )]
    pub profile: Option<String>,
    /// Where the server is: `http://HOST:PORT`, `https://HOST` or `unix:PATH` [default: the profile's, or `http://127.0.0.1:8080`]
    #[arg(
        id = "server-url",
        long = "url",
        env = "WARREN_URL",
        value_name = "URL",
        global = true,
        help_heading = "Server"
    )]
    pub url: Option<String>,
    /// The project [default: the profile's, or the token's own]
    #[arg(
        id = "server-project",
        long = "project",
        env = "WARREN_PROJECT",
        value_name = "project_…",
        global = true,
        help_heading = "Server"
    )]
    pub project: Option<String>,
    /// A project or admin token; better in a profile or `WARREN_TOKEN` than on the command line
    #[arg(
        id = "server-token",
        long = "token",
        env = "WARREN_TOKEN",
        value_name = "ptk_…|pat_…",
        hide_env_values = true,
        global = true,
        help_heading = "Server"
    )]
    pub token: Option<SecretText>,
    /// Print one JSON document, or for what goes on, one a line
    #[arg(id = "server-json", long = "json", global = true, help_heading = "Server")]
    pub json: bool,
}

/// A server, and who one is there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Where the server is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// A project or admin token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretText>,
}

/// All profiles, by name.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Profiles(pub BTreeMap<String, Profile>);

/// What a command works with.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where the server is.
    pub url: String,
    /// The project, if it was said.
    pub project: Option<String>,
    /// The token, if there is one.
    pub token: Option<SecretText>,
}

impl Target {
    /// Puts flags and profile together.
    ///
    /// # Errors
    /// What is wrong with the profiles, or that the named one does not exist.
    pub(crate) fn of(connect: &Connect) -> Result<Self, CliError> {
        let profiles = Profiles::load()?;
        // Where the server is said, or who one is, no profile is needed.
        let needs_none = connect.url.is_some() || connect.token.is_some();
        let profile = profiles.choose(connect.profile.as_deref(), needs_none)?;
        // A token belongs to its server: to another one it is not sent.
        let is_elsewhere = connect.url.is_some() && connect.url != profile.url;
        let token = profile.token.filter(|_| !is_elsewhere);
        Ok(Self {
            url: connect.url.clone().or(profile.url).unwrap_or_else(|| LOCAL.to_owned()),
            project: connect.project.clone().or(profile.project.filter(|_| !is_elsewhere)),
            token: connect.token.clone().or(token),
        })
    }
}

impl Profiles {
    /// Where they are kept.
    fn path() -> Option<PathBuf> {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
        let folder = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home)?;
        Some(folder.join("warren").join("profiles.toml"))
    }

    /// Reads them; none where there is no file.
    ///
    /// # Errors
    /// The file cannot be read, can be read by others, or has a mistake.
    pub fn load() -> Result<Self, CliError> {
        Self::path().map_or_else(|| Ok(Self::default()), |path| Self::read(&path))
    }

    /// Reads a file of them.
    fn read(path: &Path) -> Result<Self, CliError> {
        let failed = |error| CliError::File(path.display().to_string(), error);
        match path.metadata() {
            Ok(found) if found.mode() & 0o077 != 0 => {
                return Err(CliError::OpenProfiles(path.to_owned()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(failed(error)),
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        toml::from_str(&text).map_err(|error| {
            let before = text.get(..error.span().unwrap_or_default().start).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            CliError::Profiles { path: path.to_owned(), line, why: error.message().to_owned() }
        })
    }

    /// Writes them, whole or not at all; returns where.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn store(&self) -> Result<PathBuf, CliError> {
        let path = Self::path().ok_or(CliError::Missing(
            "neither XDG_CONFIG_HOME nor HOME says where profiles are kept",
        ))?;
        let failed = |error| CliError::File(path.display().to_string(), error);
        let folder = path.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let text = toml::to_string(self).map_err(|error| failed(std::io::Error::other(error)))?;
        let new = path.with_extension("toml.new");
        // One that a crash has left may have any mode.
        let _ = std::fs::remove_file(&new);
        let file = File::options().create_new(true).write(true).mode(0o600).open(&new);
        file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&new, &path))
            .map_err(failed)?;
        Ok(path)
    }

    /// The named profile, or the one that counts where none is.
    fn choose(mut self, name: Option<&str>, needs_none: bool) -> Result<Profile, CliError> {
        if let Some(name) = name {
            return self.0.remove(name).ok_or_else(|| CliError::NoProfile(name.to_owned()));
        }
        if self.0.len() == 1 {
            return Ok(self.0.pop_first().unwrap_or_default().1);
        }
        match self.0.remove(DEFAULT) {
            Some(profile) => Ok(profile),
            None if needs_none || self.0.is_empty() => Ok(Profile::default()),
            None => {
                let names: Vec<_> = self.0.into_keys().collect();
                Err(CliError::ManyProfiles(names.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profiles.toml");
        assert!(Profiles::read(&path).unwrap().0.is_empty());
        std::fs::write(&path, "[one]\nurl = \"http://h\"\n").unwrap();
        for (mode, is_fine) in [(0o600, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let read = Profiles::read(&path);
            assert_eq!(read.is_ok(), is_fine, "{mode:o}: {read:?}");
        }
    }

    #[test]
    fn the_named_profile_counts_then_the_default_one_or_the_only_one() {
        let profiles = |names: &[&str]| {
            let named = |name: &&str| {
                let profile = Profile { project: Some((*name).to_owned()), ..Profile::default() };
                ((*name).to_owned(), profile)
            };
            Profiles(names.iter().map(named).collect())
        };
        let chosen = |names: &[&str], name| profiles(names).choose(name, true).map(|p| p.project);
        assert_eq!(chosen(&["a", "b"], Some("b")).unwrap().as_deref(), Some("b"));
        assert_eq!(chosen(&["a", "default"], None).unwrap().as_deref(), Some("default"));
        assert_eq!(chosen(&["a"], None).unwrap().as_deref(), Some("a"));
        assert_eq!(chosen(&["a", "b"], None).unwrap(), None);
        assert!(matches!(chosen(&["a"], Some("x")), Err(CliError::NoProfile(_))));
        let many = profiles(&["a", "b"]).choose(None, false);
        assert!(matches!(many, Err(CliError::ManyProfiles(names)) if names == "a, b"));
        assert_eq!(profiles(&[]).choose(None, false).unwrap().project, None);
    }
}

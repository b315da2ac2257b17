//! The first run on an empty data folder: a project, its token, an admin token and a channel to try things with.

use crate::actor::{AskError, Persistence, clock, mint};
use crate::config::FirstRunValues;
use crate::domain::project::{hint_of, secret_hash};
use crate::domain::{
    AllowedOrigins, Capabilities, Channel, ChannelId, ChannelKey, Permissions, Project, ProjectId,
    ProjectToken, ProjectTokenId, State, Version, Visibility,
};
use crate::store::ReadStore;
use std::fmt;

/// The channel that the quick-start page shows.
const FIRST_CHANNEL: &str = "hello";

/// The fewest characters of a given secret behind its prefix: as letters and digits, 128 bits.
const SECRET_CHARS: usize = 22;

/// What a first run made: shown once, never again.
pub struct FirstRun {
    /// The project.
    project: ProjectId,
    /// `ptk_…`.
    project_token: String,
    /// `pat_…`.
    admin_token: String,
}

/// Why a first run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FirstRunError {
    /// There are no random numbers to make secrets of.
    #[error(transparent)]
    NoRandomness(#[from] clock::NoRandomness),
    /// A secret that could be guessed.
    #[error(
        "{name} is too short for a secret: {SECRET_CHARS} characters or more behind its prefix (22 random letters and \
        digits are 128 bits), or leave it out and let one be made"
    )]
    TooShort {
        /// The setting.
        name: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] AskError),
}

/// Sets up an empty database; does nothing, and returns nothing, where a project or an admin token exists: who deletes
/// the last project does not want another one with the next start.
///
/// # Errors
/// [`FirstRunError`].
pub async fn set_up(
    persistence: &Persistence,
    values: FirstRunValues,
) -> Result<Option<FirstRun>, FirstRunError> {
    let is_empty = |store: &mut dyn ReadStore| {
        Ok(store.count_projects()? == 0 && store.list_admin_tokens()?.is_empty())
    };
    if !persistence.read(is_empty).await? {
        return Ok(None);
    }
    let secret = |given: Option<String>, prefix, name| match given {
        Some(given) if given.len() < SECRET_CHARS + "ptk_".len() => {
            Err(FirstRunError::TooShort { name })
        }
        Some(given) => Ok(given),
        None => Ok(clock::secret_id(prefix)?),
    };
    let first = FirstRun {
        project: ProjectId::from(
            values.project.unwrap_or_else(|| clock::readable_id("project")).as_str(),
        ),
        project_token: secret(values.project_token, "ptk", "project-token")?,
        admin_token: secret(values.admin_token, "pat", "admin-token")?,
    };
    let now = clock::now();
    let project = Project {
        id: first.project.clone(),
        name: "Default".to_owned(),
        namespace: "default".to_owned(),
        allowed_origins: AllowedOrigins::default(),
        created_at: now,
    };
    let token = ProjectToken {
        id: ProjectTokenId::from(clock::readable_id("ptkid").as_str()),
        project: first.project.clone(),
        permissions: Permissions::OWNER,
        hint: hint_of(&first.project_token),
        created_at: now,
    };
    let channel = Channel {
        key: ChannelKey { project: first.project.clone(), id: ChannelId::trusted(FIRST_CHANNEL) },
        visibility: Visibility::Unprotected,
        capabilities: Capabilities::default(),
        state: State::empty(),
        version: Version::FIRST,
        created_at: now,
    };
    let hash = secret_hash(&first.project_token);
    let admin = mint::admin_token_of(Some("first run".to_owned()), &first.admin_token);
    let admin_hash = secret_hash(&first.admin_token);
    // Several calls, but one after the other in one group: a crash in between leaves an empty database or a whole one.
    let made = persistence.write(move |store| {
        store.create_project(&project)?;
        store.create_project_token(&token, &hash)?;
        store.create_admin_token(&admin, &admin_hash)?;
        store.create_channel(&channel)
    });
    made.await?;
    Ok(Some(first))
}

impl FirstRun {
    /// The project that it made.
    pub const fn project(&self) -> &ProjectId {
        &self.project
    }

    /// The project's token (`ptk_…`), with every permission.
    pub fn project_token(&self) -> &str {
        &self.project_token
    }

    /// The operator's token (`pat_…`).
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// The lines to print, for a server at this address.
    pub fn lines<'a>(&'a self, base: &'a str) -> impl fmt::Display + 'a {
        Lines { first: self, base }
    }
}

/// The page that watches the first channel of a project, of the server at this address.
pub(crate) fn page(base: &str, project: &ProjectId) -> String {
    format!("{base}/#project={project}&channel={FIRST_CHANNEL}")
}

/// The lines of a first run.
struct Lines<'a> {
    /// What was made.
    first: &'a FirstRun,
    /// `http://host:port`.
    base: &'a str,
}

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (FirstRun { project, project_token, admin_token }, base) = (self.first, self.base);
        writeln!(f, "project: {project}")?;
        writeln!(f, "project_token: {project_token}")?;
        writeln!(f, "admin_token: {admin_token}")?;
        writeln!(f, "url: {base}/")?;
        writeln!(f, "console: {base}/console")?;
        writeln!(f, "page: {}", page(base, project))?;
        writeln!(
            f,
            "note: the tokens are shown only now; open the page, then paste the next line into a second terminal"
        )?;
        // On a line of its own, without a name: it is there to be pasted.
        write!(
            f,
            "curl -X POST {base}/v1/channels/{FIRST_CHANNEL}/messages -H 'Authorization: {project_token}' \
             -H 'Content-Type: application/json' -d '{{\"e\":\"greeting\",\"d\":{{\"text\":\"Hello, Warren\"}}}}'"
        )
    }
}

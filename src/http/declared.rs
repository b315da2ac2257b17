//! What the configuration declares: projects, channels, webhooks and authorizers that are to be there (`bringing` makes
//! them). What can be wrong with them without a look into the database is found here, before anything runs.

mod bringing;
mod checking;

pub use bringing::BroughtAbout;
pub(crate) use bringing::bring_about;

use super::error::ApiError;
use crate::webhook::target::EndpointUrl;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::fmt;
use std::path::PathBuf;

/// What the configuration declares; in the order in which it is brought about, but that authorizers come before webhooks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Declared {
    /// `[[project]]`.
    #[serde(rename = "project")]
    pub projects: Vec<DeclaredProject>,
    /// `[[channel]]`.
    #[serde(rename = "channel")]
    pub channels: Vec<DeclaredChannel>,
    /// `[[webhook]]`.
    #[serde(rename = "webhook")]
    pub webhooks: Vec<DeclaredWebhook>,
    /// `[[jwt-key]]`.
    #[serde(rename = "jwt-key")]
    pub jwt_keys: Vec<DeclaredJwtKey>,
    /// `[authorizer]`, or `[[authorizer]]` for several projects.
    #[serde(rename = "authorizer")]
    pub authorizers: Vec<DeclaredAuthorizer>,
}

/// A project that is to be there.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeclaredProject {
    /// `project_…`.
    pub id: String,
    /// What it is called; the id when left out.
    pub name: Option<String>,
    /// Its short name, for when it is made; made of the name when left out.
    pub namespace: Option<String>,
    /// From which pages its sockets may be opened; what is set stays when it is left out.
    pub allowed_origins: Option<Vec<String>>,
    /// A token with every permission, `ptk_…`.
    pub token: Option<String>,
    /// The file that the token is in.
    pub token_file: Option<PathBuf>,
}

/// A channel that is to be there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeclaredChannel {
    /// Its project; may be left out where there is one.
    pub project: Option<String>,
    /// Its id.
    pub id: String,
    /// Who may come in; `private` when left out and it is made.
    #[serde(rename = "type")]
    pub visibility: Option<String>,
    /// What it can do.
    pub capabilities: Option<Vec<String>>,
    /// What it narrows of what it keeps.
    pub history: Option<Map<String, Value>>,
    /// Its state when it is made; one that is there keeps its own.
    pub state: Option<Map<String, Value>>,
}

/// A webhook that is to be there; its project and its address name it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeclaredWebhook {
    /// Its project; may be left out where there is one.
    pub project: Option<String>,
    /// Where events are posted.
    pub url: String,
    /// Which events.
    pub events: Vec<String>,
    /// `whsec_…`; made up when left out.
    pub secret: Option<String>,
    /// The file that the secret is in.
    pub secret_file: Option<PathBuf>,
}

/// Who is to decide about subscriptions to private channels.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeclaredAuthorizer {
    /// Its project; may be left out where there is one.
    pub project: Option<String>,
    /// Where it is asked.
    pub url: String,
    /// `whsec_…`; made up when left out.
    pub secret: Option<String>,
    /// The file that the secret is in.
    pub secret_file: Option<PathBuf>,
}

/// A key under which JSON Web Tokens are to be taken.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DeclaredJwtKey {
    /// Its project; may be left out where there is one.
    pub project: Option<String>,
    /// Its name in tokens.
    pub kid: Option<String>,
    /// The one algorithm that it is for; not of a key set.
    pub algorithm: Option<String>,
    /// A secret.
    pub secret: Option<String>,
    /// The file that the secret is in.
    pub secret_file: Option<PathBuf>,
    /// A public key in PEM.
    pub public_key: Option<String>,
    /// The file that the public key is in.
    pub public_key_file: Option<PathBuf>,
    /// Where keys are fetched from.
    pub jwks_url: Option<String>,
    /// What `iss` must be.
    pub issuer: Option<String>,
    /// What must be in `aud`.
    pub audience: Option<String>,
}

impl DeclaredJwtKey {
    /// What it is called: no secret, and one thing for what cannot be there twice.
    pub(crate) fn name(&self) -> String {
        let url = self.jwks_url.as_deref().map(shown);
        let algorithm = || self.algorithm.clone().unwrap_or_default();
        self.kid.clone().or(url).unwrap_or_else(algorithm)
    }
}

impl Declared {
    /// What is declared, in order: the tables and the names, no secrets.
    pub(crate) fn names(&self) -> Vec<(&'static str, String)> {
        let projects = self.projects.iter().map(|it| ("project", it.id.clone()));
        let channels = self.channels.iter().map(|it| ("channel", it.id.clone()));
        let webhooks = self.webhooks.iter().map(|it| ("webhook", shown(&it.url)));
        let authorizers = self.authorizers.iter().map(|it| ("authorizer", shown(&it.url)));
        let keys = self.jwt_keys.iter().map(|it| ("jwt-key", it.name()));
        projects.chain(channels).chain(keys).chain(authorizers).chain(webhooks).collect()
    }
}

/// Something declared that cannot be brought about.
#[derive(Debug, thiserror::Error)]
#[error("the declared {kind} {name} cannot be brought about: {why}")]
pub struct DeclareError {
    /// The table that declares it.
    kind: &'static str,
    /// Which one of that kind.
    at: usize,
    /// What it is called.
    name: String,
    /// Why.
    why: ApiError,
}

impl DeclareError {
    /// What is wrong with one declared thing.
    fn new(kind: &'static str, at: usize, name: &str, why: ApiError) -> Self {
        Self { kind, at, name: name.to_owned(), why }
    }

    /// Where it stands among what is declared: `channel[0]`.
    pub(crate) fn place(&self) -> String {
        format!("{}[{}]", self.kind, self.at)
    }
}

/// An address as it may be shown: its path may be a secret.
fn shown(url: &str) -> String {
    let parsed = EndpointUrl::parse(url.trim());
    parsed.map_or_else(|_| "that has no address".to_owned(), |url| url.authority().to_owned())
}

/// What is printed holds no secret.
impl fmt::Debug for DeclaredProject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeclaredProject").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for DeclaredJwtKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeclaredJwtKey").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl fmt::Debug for DeclaredWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeclaredWebhook").field("host", &shown(&self.url)).finish_non_exhaustive()
    }
}

impl fmt::Debug for DeclaredAuthorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeclaredAuthorizer")
            .field("host", &shown(&self.url))
            .finish_non_exhaustive()
    }
}

//! What of declared things can be judged without the database; the same reading is what they are brought about by.

use super::{
    DeclareError, Declared, DeclaredAuthorizer, DeclaredChannel, DeclaredJwtKey, DeclaredProject,
    DeclaredWebhook, shown,
};
use crate::domain::{AllowedOrigins, ChannelId, State};
use crate::http::channels::{self, Kind};
use crate::http::error::ApiError;
use crate::http::jwt_keys::NewJwtKey;
use crate::http::{projects, webhooks};
use serde_json::json;
use std::collections::BTreeSet;

/// The fewest characters of a project token behind its prefix.
const SECRET_CHARS: usize = 22;
/// The longest project id and project token.
const MAX_CHARS: usize = 256;

impl Declared {
    /// Refuses what cannot be brought about whatever the database has, with states of at most `state_bytes`.
    ///
    /// # Errors
    /// The first thing that cannot be.
    pub(crate) fn check(&self, state_bytes: usize) -> Result<(), DeclareError> {
        for (at, wanted) in self.projects.iter().enumerate() {
            wanted.read().map_err(|why| DeclareError::new("project", at, &wanted.id, why))?;
        }
        for (at, wanted) in self.channels.iter().enumerate() {
            let read = wanted.read(state_bytes);
            read.map_err(|why| DeclareError::new("channel", at, &wanted.id, why))?;
        }
        for (at, wanted) in self.webhooks.iter().enumerate() {
            wanted
                .read()
                .map_err(|why| DeclareError::new("webhook", at, &shown(&wanted.url), why))?;
        }
        for (at, wanted) in self.authorizers.iter().enumerate() {
            wanted
                .read()
                .map_err(|why| DeclareError::new("authorizer", at, &shown(&wanted.url), why))?;
        }
        for (at, wanted) in self.jwt_keys.iter().enumerate() {
            let read = wanted.read();
            read.map_err(|why| DeclareError::new("jwt-key", at, &wanted.name(), why))?;
        }
        let only = match self.projects.as_slice() {
            [project] => Some(project.id.as_str()),
            _ => None,
        };
        self.once(only)
    }

    /// Refuses what is declared twice: each start would change one into the other. `only` is the project of what names none.
    ///
    /// # Errors
    /// The first thing that is there already.
    pub(super) fn once(&self, only: Option<&str>) -> Result<(), DeclareError> {
        let mut seen = BTreeSet::new();
        let mut note = |kind, at, project: Option<&String>, name: &str, field| {
            let project = project.map(String::as_str).or(only).map(str::to_owned);
            // A project has one authorizer, wherever that is.
            let own = if kind == "authorizer" { String::new() } else { name.trim().to_owned() };
            let is_new = seen.insert((kind, project, own));
            let why = || ApiError::field(field, "is declared twice");
            let told = if matches!(field, "id" | "kid") { name.to_owned() } else { shown(name) };
            if is_new { Ok(()) } else { Err(DeclareError::new(kind, at, &told, why())) }
        };
        for (at, it) in self.projects.iter().enumerate() {
            note("project", at, None, &it.id, "id")?;
        }
        for (at, it) in self.channels.iter().enumerate() {
            note("channel", at, it.project.as_ref(), &it.id, "id")?;
        }
        for (at, it) in self.webhooks.iter().enumerate() {
            note("webhook", at, it.project.as_ref(), &it.url, "url")?;
        }
        for (at, it) in self.jwt_keys.iter().enumerate() {
            note("jwt-key", at, it.project.as_ref(), &it.name(), "kid")?;
        }
        for (at, it) in self.authorizers.iter().enumerate() {
            note("authorizer", at, it.project.as_ref(), &it.url, "project")?;
        }
        Ok(())
    }
}

impl DeclaredProject {
    /// Its name and namespace.
    pub(super) fn read(&self) -> Result<(String, Option<String>), ApiError> {
        let rest = self.id.strip_prefix("project_").unwrap_or_default();
        if rest.is_empty() || !rest.chars().all(is_plain) || self.id.len() > MAX_CHARS {
            return Err(ApiError::field("id", "must be project_ and letters, digits, _ or -"));
        }
        let rest = self.token.as_ref().map(|token| token.strip_prefix("ptk_").unwrap_or_default());
        let is_token = |rest: &str| {
            (SECRET_CHARS..MAX_CHARS).contains(&rest.len()) && rest.chars().all(is_plain)
        };
        if rest.is_some_and(|rest| !is_token(rest)) {
            let reason = "must be ptk_ and 22 or more letters, digits, _ or -";
            return Err(ApiError::field("token", reason));
        }
        self.origins()?;
        let name = self.name.as_ref().unwrap_or(&self.id);
        projects::names(&json!({ "name": name, "namespace": self.namespace }).to_string())
    }
}

impl DeclaredProject {
    /// From which pages its sockets may be opened, if that is said.
    pub(super) fn origins(&self) -> Result<Option<AllowedOrigins>, ApiError> {
        self.allowed_origins.as_deref().map(projects::origins).transpose()
    }
}

/// Whether an id or a token may have this letter.
const fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')
}

impl DeclaredChannel {
    /// What it is when it is made.
    pub(super) fn read(&self, state_bytes: usize) -> Result<(ChannelId, Kind, State), ApiError> {
        // Where nothing is said of them, those that it has count, once it is known.
        let assumed = || self.history.as_ref().map_or(json!(null), |_| json!(["HISTORY"]));
        let body = json!({
            "type": self.visibility,
            "capabilities": self.capabilities.as_ref().map_or_else(assumed, |names| json!(names)),
            "history": self.history,
            "state": self.state,
        });
        let (kind, state) = channels::shape(&body.to_string(), state_bytes)?;
        Ok((ChannelId::parse(&self.id)?, kind, state))
    }
}

impl DeclaredWebhook {
    /// Its address and its events.
    pub(super) fn read(&self) -> Result<(String, Vec<String>), ApiError> {
        let body = json!({ "webhook_url": self.url, "events": self.events });
        let input = webhooks::input(&body.to_string())?;
        check_secret(self.secret.as_deref())?;
        Ok((input.url.unwrap_or_default(), input.events.unwrap_or_default()))
    }
}

impl DeclaredJwtKey {
    /// The key.
    pub(super) fn read(&self) -> Result<NewJwtKey, ApiError> {
        let body = json!({
            "kid": self.kid,
            "algorithm": self.algorithm,
            "secret": self.secret,
            "public_key": self.public_key,
            "jwks_url": self.jwks_url,
            "issuer": self.issuer,
            "audience": self.audience,
        });
        NewJwtKey::parse(&body.to_string())
    }
}

impl DeclaredAuthorizer {
    /// Its address.
    pub(super) fn read(&self) -> Result<String, ApiError> {
        let url = self.url.trim();
        if !webhooks::is_address(url) {
            return Err(ApiError::field("url", "must be an http:// or https:// address"));
        }
        check_secret(self.secret.as_deref())?;
        Ok(url.to_owned())
    }
}

/// Refuses what is declared as a secret and cannot be one.
fn check_secret(secret: Option<&str>) -> Result<(), ApiError> {
    if secret.is_none_or(webhooks::is_secret) {
        return Ok(());
    }
    Err(ApiError::field("secret", "must be whsec_ and the base64 of 24 to 64 bytes"))
}

//! `warren jwt`.

use super::{ListArgs, Scope, Task};
use crate::call::{ApiCall, ApiMethod, Fields};
use crate::error::CliError;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// What can be done about JSON Web Tokens.
#[derive(Debug, Subcommand)]
pub enum JwtTask {
    /// List the keys under which the project takes tokens
    Keys(#[command(flatten)] ListArgs),
    /// Take tokens under one key more, or under those of a key set
    AddKey(#[command(flatten)] AddKeyArgs),
    /// Take no more tokens under a key; who came with one stays until that expires
    DeleteKey {
        /// The key's id
        key: String,
    },
    /// Let no token of a subject count that was issued until now, and close its connections
    Revoke {
        /// The subject, as tokens have it in `sub`
        subject: String,
    },
    /// List the subjects that were revoked
    Revocations(#[command(flatten)] ListArgs),
    /// Let the tokens of a subject count again that were issued before it was revoked
    Forget {
        /// The subject
        subject: String,
    },
}

/// A key to be.
#[derive(Debug, Args)]
#[group(id = "material", required = true, multiple = false)]
pub struct AddKeyArgs {
    /// The file with the secret that the issuer shares; `-` for standard input
    #[arg(long, value_name = "FILE", group = "material", requires = "algorithm")]
    secret_file: Option<PathBuf>,
    /// The file with the issuer's public key, in PEM
    #[arg(long, value_name = "FILE", group = "material", requires = "algorithm")]
    public_key_file: Option<PathBuf>,
    /// Where the issuer publishes its keys
    #[arg(long, value_name = "URL", group = "material")]
    jwks_url: Option<String>,
    /// How tokens are signed: HS256, RS256, ES256, …
    #[arg(long, value_name = "NAME")]
    algorithm: Option<String>,
    /// The key's name in tokens
    #[arg(long, value_name = "KID")]
    kid: Option<String>,
    /// What `iss` must be
    #[arg(long, value_name = "TEXT")]
    issuer: Option<String>,
    /// What must be in `aud`
    #[arg(long, value_name = "TEXT")]
    audience: Option<String>,
}

impl AddKeyArgs {
    /// The body of the call.
    fn fields(&self) -> Result<Fields, CliError> {
        let text = |path: &Option<PathBuf>| path.as_deref().map(read).transpose();
        Fields::default()
            .value("kid", self.kid.as_ref())?
            .value("algorithm", self.algorithm.as_ref())?
            .value("secret", text(&self.secret_file)?)?
            .value("public_key", text(&self.public_key_file)?)?
            .value("jwks_url", self.jwks_url.as_ref())?
            .value("issuer", self.issuer.as_ref())?
            .value("audience", self.audience.as_ref())
    }
}

/// A file's text, without the line's end behind it.
fn read(path: &Path) -> Result<String, CliError> {
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|error| CliError::File(path.display().to_string(), error))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

impl Task for JwtTask {
    fn call(&self, scope: Scope<'_>) -> Result<ApiCall, CliError> {
        use ApiMethod::{Delete, Post};
        let below = |more: &[&str]| -> Vec<String> {
            let path = ["projects", scope.project(), "jwt"];
            path.iter().chain(more).map(|part| (*part).to_owned()).collect()
        };
        Ok(match self {
            Self::Keys(list) => list.of(below(&["keys"])),
            Self::AddKey(new) => ApiCall::new(Post, below(&["keys"])).with_body(&new.fields()?),
            Self::DeleteKey { key } => ApiCall::new(Delete, below(&["keys", key])),
            Self::Revoke { subject } => {
                let fields = Fields::default().value("subject", Some(subject))?;
                ApiCall::new(Post, below(&["revocations"])).with_body(&fields)
            }
            Self::Revocations(list) => list.of(below(&["revocations"])),
            Self::Forget { subject } => ApiCall::new(Delete, below(&["revocations", subject])),
        })
    }
}

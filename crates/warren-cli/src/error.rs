//! What can go wrong, what to do then, and the exit code that scripts branch by.

use std::io;
use std::path::PathBuf;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The server refused it.
    #[error("{message} ({code}){}{}", hint(*status), explained(docs.as_deref()))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The word to branch by.
        code: String,
        /// For people.
        message: String,
        /// Where the server explains the code, if it says so.
        docs: Option<String>,
    },
    /// Nobody answers.
    #[error(
        "no answer from {url}: {why}; is the server running (`warren dev` starts one), and is it the right --url or profile?"
    )]
    Unreachable {
        /// Where it was asked.
        url: String,
        /// Why.
        why: String,
    },
    /// What came is no answer of Warren.
    #[error("what answers at {url} is no Warren server: {why}")]
    NotWarren {
        /// Where it was asked.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The address cannot be used.
    #[error("`{0}` is no address: http://HOST:PORT, https://HOST or unix:PATH")]
    Url(String),
    /// A name that nothing can have.
    #[error("`{0}` names nothing: no id is empty, `.` or `..`")]
    Segment(String),
    /// A token, a key or a tag with characters that no header takes.
    #[error("a token, key or tag has characters that none has: {0}")]
    Unsendable(hyper::http::Error),
    /// A value is not JSON.
    #[error("{0} is no JSON: {1}; a text is written '\"text\"', and @FILE reads a file")]
    Json(String, serde_json::Error),
    /// A file cannot be used.
    #[error("cannot use {0}: {1}")]
    File(String, io::Error),
    /// The file of profiles can be read by others.
    #[error("{0} holds secrets and can be read by others; make it yours alone: chmod 600 {0}")]
    OpenProfiles(PathBuf),
    /// The file of profiles has a mistake.
    #[error("{path}, line {line}: {why}")]
    Profiles {
        /// The file.
        path: PathBuf,
        /// The line; not what stands there, which may be a token.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A profile that does not exist.
    #[error(
        "there is no profile `{0}`; `warren profiles list` shows all, `warren profiles set {0}` makes it"
    )]
    NoProfile(String),
    /// Several profiles, of which none was chosen.
    #[error(
        "which server? choose one of the profiles by --profile: {0}; the one that is called `default` needs no choice"
    )]
    ManyProfiles(String),
    /// What is needed was not said.
    #[error("{0}")]
    Missing(&'static str),
    /// Following a channel ended.
    #[error("{0}")]
    Followed(#[from] warren_client::Error),
    /// Standard output, or a thread of the program, failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What may help.
const fn hint(status: u16) -> &'static str {
    match status {
        401 => "; give a token by --token, WARREN_TOKEN or a profile (`warren profiles set`)",
        403 => "; use a token with that permission",
        429 | 503 => "; try again in a moment",
        _ => "",
    }
}

/// Where more is said.
fn explained(docs: Option<&str>) -> String {
    docs.map(|docs| format!("; more: {docs}")).unwrap_or_default()
}

impl CliError {
    /// The word that programs branch by: the server's own, where it refused.
    pub fn word(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Followed(error) => error.code(),
            Self::Unreachable { .. } => "unreachable",
            Self::NotWarren { .. } => "not_warren",
            _ if self.code() == 2 => "usage",
            _ => "failed",
        }
    }

    /// The exit code (`docs/OPERATING.md`, Exit codes of the client commands).
    pub fn code(&self) -> u8 {
        match self {
            Self::Refused { status, .. } => match status {
                401 | 403 => 3,
                404 | 410 => 4,
                409 | 412 | 422 => 5,
                429 | 503 => 7,
                _ => 1,
            },
            Self::Url(_)
            | Self::Unsendable(_)
            | Self::Segment(_)
            | Self::Json(..)
            | Self::NoProfile(_)
            | Self::ManyProfiles(_)
            | Self::Missing(_) => 2,
            Self::Unreachable { .. } => 6,
            Self::Followed(error) => followed(error),
            _ => 1,
        }
    }
}

/// The same of what ended the following of a channel.
fn followed(error: &warren_client::Error) -> u8 {
    match error.code() {
        "not_granted" | "invalid_auth" => 3,
        "unknown_channel" | "unsubscribed" => 4,
        "url" => 2,
        _ => 1,
    }
}

//! Why a run could not be made or finished.

use std::io;
use std::path::PathBuf;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The scenario is no TOML, or has a key or a type that scenarios do not have.
    #[error("the scenario has a mistake: {0}")]
    Toml(Box<toml::de::Error>),
    /// The scenario's values do not fit together.
    #[error("the scenario has a mistake: {0}")]
    Scenario(String),
    /// A flag's value cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The server could not be started, or ended.
    #[error("the server: {0}")]
    Server(String),
    /// A request that prepares the run was not answered as it must be.
    #[error("preparing the run: {0}")]
    Prepare(String),
    /// Not all connections came up.
    #[error("connecting: {0}")]
    Connect(String),
    /// The generator's own machine refuses something.
    #[error("the generator: {0}")]
    Generator(String),
    /// A signal came.
    #[error("interrupted")]
    Interrupted,
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl BenchError {
    /// A file's failure.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

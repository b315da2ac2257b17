//! What a command says: its output, and on standard error why it was not done, for people or as JSON; and its exit code.

use clap::ArgMatches;
use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Standard output that remembers whether its reader has gone: then nothing is left to be said, nor is anything wrong.
pub(super) struct CommandOutput<W> {
    /// Standard output.
    inner: W,
    /// Whether nobody reads it any more.
    has_lost_reader: bool,
}

impl<W> CommandOutput<W> {
    /// One that has a reader.
    pub(super) const fn new(inner: W) -> Self {
        Self { inner, has_lost_reader: false }
    }

    /// Whether the reader has what it wanted: `warren channels list | head -1`.
    pub(super) const fn has_lost_reader(&self) -> bool {
        self.has_lost_reader
    }

    /// Notes what came of a write.
    fn note<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        outcome.inspect_err(|error| {
            self.has_lost_reader |= error.kind() == ErrorKind::BrokenPipe;
        })
    }
}

impl<W: Write> Write for CommandOutput<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.inner.flush();
        self.note(flushed)
    }
}

/// Whether the command was asked for JSON.
pub(super) fn is_json(matches: &ArgMatches) -> bool {
    let mut inner = matches;
    while let Some((_, next)) = inner.subcommand() {
        inner = next;
    }
    let is_set = |id: &&str| matches!(inner.try_get_one::<bool>(id), Ok(Some(true)));
    ["json", "server-json"].iter().any(is_set)
}

/// The exit code of a command; why it was not done is said.
pub(super) fn end(
    done: Result<ExitCode, Box<dyn Error>>,
    has_lost_reader: bool,
    is_json: bool,
) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(_) if has_lost_reader => ExitCode::SUCCESS,
        Err(error) => failed(&*error, is_json),
    }
}

/// Says why a command was not done; returns its exit code.
fn failed(error: &(dyn Error + 'static), is_json: bool) -> ExitCode {
    let (word, code) = verdict(error);
    let told = if is_json {
        serde_json::json!({ "error": { "code": word, "message": error.to_string() } }).to_string()
    } else {
        format!("error: {}", shown(error))
    };
    // Where nobody can be told, the exit code says it.
    let _ = writeln!(io::stderr(), "{told}");
    code.into()
}

/// What is wrong, for people; what a server said does nothing to their terminal.
#[cfg(feature = "cli")]
fn shown(error: &(dyn Error + 'static)) -> String {
    let text = error.to_string();
    if error.is::<warren_cli::CliError>() { warren_cli::printable(&text) } else { text }
}

/// The same where nothing but the server is built in.
#[cfg(not(feature = "cli"))]
fn shown(error: &(dyn Error + 'static)) -> String {
    error.to_string()
}

/// The word that programs branch by, and the exit code.
#[cfg(feature = "cli")]
fn verdict<'a>(error: &'a (dyn Error + 'static)) -> (&'a str, u8) {
    error
        .downcast_ref::<warren_cli::CliError>()
        .map_or(("failed", 1), |error| (error.word(), error.code()))
}

/// The same where nothing but the server is built in.
#[cfg(not(feature = "cli"))]
const fn verdict(_: &(dyn Error + 'static)) -> (&'static str, u8) {
    ("failed", 1)
}

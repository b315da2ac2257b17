//! Commands about files: the configuration file that `init` writes, and copies of the database with how far they are.

#[cfg(feature = "cli")]
use super::progress::Watcher;
use crate::backup::{self, BackupArgs, BackupDone, BackupError, Growth, RestoreArgs};
use crate::server;
use clap::Args;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The file with every setting, its default and what happens at the limit.
const EXAMPLE: &str = include_str!("../../warren.example.toml");

/// The command line of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The file to write; it must not be there yet
    #[arg(default_value = "warren.toml")]
    file: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Writes a configuration file in which nothing is changed.
pub(super) fn init(args: &InitArgs, out: &mut dyn Write) -> Result<(), BackupError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(args.file.clone()),
        _ => BackupError::File { path: args.file.clone(), source },
    };
    // It is where people put secrets.
    let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.file);
    let mut file = new.map_err(failed)?;
    file.write_all(EXAMPLE.as_bytes()).map_err(failed)?;
    let file = args.file.display().to_string();
    if args.json {
        writeln!(out, "{}", serde_json::json!({ "wrote": file }))
    } else {
        let next = "change what you want in it, then `warren config check` and `warren`";
        writeln!(out, "wrote: {file}\nnext: {next}")
    }
    .map_err(failed)
}

/// Copies the database.
pub(super) fn backup(
    args: BackupArgs,
    is_json: bool,
    out: &mut dyn Write,
) -> Result<(), Box<dyn std::error::Error>> {
    let done = watched(|watch| backup::backup(args, watch));
    Ok(tell("backup", &done?, is_json, out)?)
}

/// Puts a copy back.
pub(super) fn restore(
    args: RestoreArgs,
    is_json: bool,
    out: &mut dyn Write,
) -> Result<(), Box<dyn std::error::Error>> {
    let done = watched(|watch| backup::restore(args, watch));
    Ok(tell("restored", &done?, is_json, out)?)
}

/// Does something long, and shows on a terminal how far it is.
#[cfg(feature = "cli")]
fn watched<T>(work: impl FnOnce(&mut dyn FnMut(Growth)) -> T) -> T {
    let mut watcher = None;
    work(&mut |growth| watcher = Some(Watcher::of(growth)))
}

/// Does something long.
#[cfg(not(feature = "cli"))]
fn watched<T>(work: impl FnOnce(&mut dyn FnMut(Growth)) -> T) -> T {
    work(&mut drop)
}

/// Lets the server on a data folder read its settings again.
pub(super) fn reload(
    data: &Path,
    is_json: bool,
    out: &mut dyn Write,
) -> Result<(), Box<dyn std::error::Error>> {
    let answer = server::ask_to_reload(data).map_err(|error| {
        let folder = data.display();
        format!("no server answers that has the data folder {folder} ({error}); --data or --config says where it is")
    })?;
    if is_json {
        writeln!(out, "{}", serde_json::to_string(&answer)?)?;
    } else if answer.error.is_none() {
        answer.changed.iter().try_for_each(|setting| writeln!(out, "changed: {setting}"))?;
        answer
            .restart
            .iter()
            .try_for_each(|setting| writeln!(out, "needs a restart: {setting}"))?;
        writeln!(out, "declared: {} made, {} changed", answer.made, answer.adjusted)?;
    }
    answer.error.map_or(Ok(()), |error| Err(format!("not reloaded: {error}").into()))
}

/// Says what was done.
fn tell(what: &str, done: &BackupDone, is_json: bool, out: &mut dyn Write) -> io::Result<()> {
    let file = done.file.display().to_string();
    let kept = done.kept.as_ref().map(|kept| kept.display().to_string());
    if is_json {
        let told = serde_json::json!({ what: file, "bytes": done.bytes, "kept": kept });
        return writeln!(out, "{told}");
    }
    writeln!(out, "{what}: {file}\nbytes: {}", done.bytes)?;
    kept.map_or(Ok(()), |kept| writeln!(out, "kept: {kept}"))
}

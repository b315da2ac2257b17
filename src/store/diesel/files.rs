//! The database's folder and file, closed to other users: they hold secrets.

use super::identity::SUFFIXES;
use crate::store::{StoreError, StoreResult};
use rustix::fs::{Access, access};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Makes the file and its folder where they are missing and returns the path as `SQLite` wants to hear it.
///
/// The path is made absolute, because `SQLite` reads a relative one that begins with `file:` as a URI.
pub(super) fn prepare(path: &Path) -> StoreResult<String> {
    let failed = |error: io::Error| {
        StoreError::Unavailable(format!("cannot use the database file {}: {error}", path.display()))
    };
    let whole = std::path::absolute(path).map_err(failed)?;
    if let Some(folder) = whole.parent() {
        make_folder(folder).map_err(failed)?;
    }
    make_file(&whole).map_err(failed)?;
    whole
        .to_str()
        .map(str::to_owned)
        .ok_or_else(|| StoreError::Unavailable(format!("the path {} is not UTF-8", path.display())))
}

/// A URI of `SQLite`'s for a file, with what is to be said of it.
pub(super) fn uri(path: &str, query: &str) -> String {
    let escaped = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{escaped}?{query}")
}

/// As [`prepare`] says it, to look only: whoever opens it like this leaves its log as it is, where the last connection
/// otherwise would put that into the file.
pub(super) fn to_look(path: &Path) -> StoreResult<String> {
    prepare(path).map(|whole| uri(&whole, "mode=ro"))
}

/// The database's file, taken by one process for itself; given back when this is dropped.
///
/// The lock is on the file, so no other name of it, symbolic or hard link, leads around it, and of a kind (`flock`) that
/// `SQLite`'s own do not meet. To be dropped after all connections: closing the file ends their locks on it.
pub struct DatabaseLock(#[expect(dead_code, reason = "held, not used")] File);

/// Takes the file, which must be there; nothing while another process has it.
pub(super) fn lock(url: &str) -> StoreResult<Option<DatabaseLock>> {
    let failed = |error: io::Error| {
        StoreError::Unavailable(format!("cannot lock the database file {url}: {error}"))
    };
    let file = OpenOptions::new().read(true).write(true).open(url).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(DatabaseLock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Says of which database an error at its opening speaks, and what is wrong with its files as far as that can be seen:
/// `SQLite` names neither.
pub(super) fn explain(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(reason) => {
            let name = path.display().to_string();
            let place = if reason.contains(&name) { String::new() } else { format!("{name}: ") };
            let trouble = trouble(path).map(|why| format!("; {why}")).unwrap_or_default();
            StoreError::Unavailable(format!("{place}{reason}{trouble}"))
        }
        other => other,
    }
}

/// What is wrong with the database's files or their folder.
fn trouble(path: &Path) -> Option<String> {
    let whole = std::path::absolute(path).ok()?;
    let name = whole.to_str()?;
    let files = SUFFIXES.map(|suffix| PathBuf::from(format!("{name}{suffix}")));
    for file in files.iter().filter(|file| fs::symlink_metadata(file).is_ok()) {
        let shown = file.display();
        match fs::metadata(file) {
            Ok(found) if !found.is_file() => {
                return Some(format!("{shown} is not a file: move it away"));
            }
            _ => {}
        }
        if let Err(error) = access(file, Access::READ_OK | Access::WRITE_OK) {
            return Some(format!(
                "{shown} cannot be read and written: {error}; make it belong to the user that the server runs as"
            ));
        }
    }
    let folder = whole.parent()?;
    access(folder, Access::WRITE_OK | Access::EXEC_OK).err().map(|error| {
        format!(
            "files cannot be made in {}: {error}; open it to the user that the server runs as",
            folder.display()
        )
    })
}

/// Makes a folder and those above it, each one durably: a power cut must not take a new folder with all its commits.
fn make_folder(folder: &Path) -> io::Result<()> {
    let Some(above) = folder.parent() else { return Ok(()) };
    if folder.is_dir() {
        return Ok(());
    }
    make_folder(above)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        // Another process made it in between, which serves us as well.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }?;
    sync_folder(above)
}

/// Makes the file; `SQLite` gives its log and its index the same mode, and syncs the folder when it makes the log.
fn make_file(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Makes durable which names a folder holds; elsewhere than on Unix, folders cannot be synced.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

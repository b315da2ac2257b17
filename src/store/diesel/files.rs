//! The database's folder and file, closed to other users: they hold secrets.

use crate::store::{StoreError, StoreResult};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

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

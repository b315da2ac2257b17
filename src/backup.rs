//! `warren backup` and `warren restore`: a whole copy of the database, and back.
//!
//! A copy is made beside a running server or without one. It appears under its name when it is whole, checked and on the
//! disk, and never in the place of another file. To restore takes the locks that a server takes, so neither runs beside
//! the other.

use crate::config::{Config, ConfigError, DataPlace, DatabasePlace};
use crate::server::{self, ServerError};
use crate::store::StoreError;
use crate::store::diesel::{CopySource, SUFFIXES, SqliteDatabase, check_copy, empty_log};
use clap::Args;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

/// How many databases that were replaced may lie beside the one in use.
const MOST_KEPT: u32 = 1000;

/// The command line of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to make; it must not be there yet
    pub file: PathBuf,
    /// Where the server keeps its data.
    #[command(flatten)]
    pub place: DataPlace,
}

/// The command line of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// What `warren backup` made
    pub file: PathBuf,
    /// Put it in the place of the database that is there, which is kept beside it
    #[arg(long)]
    pub replace: bool,
    /// Where the server keeps its data.
    #[command(flatten)]
    pub place: DataPlace,
}

/// Why there is no copy, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database is no file.
    #[error(
        "the database is {0}, which pg_dump copies and pg_restore puts back (docs/OPERATING.md, PostgreSQL)"
    )]
    NoFileAtAll(String),
    /// There is nothing to copy.
    #[error("there is no database {0}; --data or --config says where it is")]
    NoDatabase(PathBuf),
    /// There is nothing to restore.
    #[error("there is no file {0} to restore")]
    NoFile(PathBuf),
    /// A file would be overwritten.
    #[error("{0} is there already and is not overwritten; name another file")]
    Exists(PathBuf),
    /// A database would be replaced.
    #[error("there is a database {0}; --replace keeps it beside the restored one")]
    InPlace(PathBuf),
    /// As many are kept as there are names for.
    #[error("{0} has been replaced too often: move its kept copies (.before-…) elsewhere")]
    Kept(PathBuf),
    /// Another backup makes the same file.
    #[error("another backup is under way to the same file: {0}")]
    Underway(PathBuf),
    /// What is to be restored is what would be replaced.
    #[error("{0} would be replaced by itself: copy it elsewhere first")]
    Itself(PathBuf),
    /// A database of a server, and not a copy.
    #[error(
        "{0} has a log beside it, so it is no backup but a server's database; make one by `warren backup`"
    )]
    HasLog(PathBuf),
    /// A server runs, or the folder cannot be used.
    #[error("{0}; for this, stop the server first")]
    Running(ServerError),
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(ServerError),
    /// A database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be used.
    #[error("cannot use {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What was made or put back.
#[derive(Debug)]
pub struct BackupDone {
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Where what was there before is kept.
    pub kept: Option<PathBuf>,
}

/// Where a copy grows, and how large it may get.
pub struct Growth {
    /// The file that grows.
    pub partial: PathBuf,
    /// The size of what is copied.
    pub of: u64,
}

/// Makes a copy; before it begins, `watch` is told what grows.
///
/// # Errors
/// [`BackupError`].
pub fn backup(args: BackupArgs, watch: &mut dyn FnMut(Growth)) -> Result<BackupDone, BackupError> {
    let BackupArgs { file, place } = args;
    let place = Config::load(place.into())?.database;
    let database = file_of(&place)?;
    if !database.is_file() {
        return Err(BackupError::NoDatabase(database));
    }
    if file.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(file));
    }
    let partial = beside(&file, ".partial");
    let _held = make_partial(&partial)?;
    watch(Growth { partial: partial.clone(), of: size(&database)? });
    let copied = CopySource::open(&database).and_then(|mut source| source.copy_to(&partial));
    let checked = copied.and_then(|()| check_copy(&partial));
    let named = checked.map_err(BackupError::from).and_then(|()| name(&partial, &file));
    // Under its own name it stays, and else it is none.
    remove(&partial)?;
    named?;
    sync_folder_of(&file)?;
    Ok(BackupDone { bytes: size(&file)?, file, kept: None })
}

/// The file that the database is.
fn file_of(place: &DatabasePlace) -> Result<PathBuf, BackupError> {
    let file = place.file().map(Path::to_owned);
    file.ok_or_else(|| BackupError::NoFileAtAll(place.shown()))
}

/// Makes the empty file that a copy grows in, closed to others, and holds it. What a backup that was killed has left there
/// goes; one that still runs keeps it.
fn make_partial(path: &Path) -> Result<File, BackupError> {
    let failed = |source| BackupError::File { path: path.to_owned(), source };
    let hold = |file: File| match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BackupError::Underway(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    };
    match File::open(path) {
        Ok(left) => {
            let _left = hold(left)?;
            remove(path)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    hold(made.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Underway(path.to_owned()),
        _ => failed(source),
    })?)
}

/// Puts a copy in the place of the database; while it is copied, `watch` is told what grows.
///
/// # Errors
/// [`BackupError`]; then everything is as it was, unless a damaged database had been moved aside already.
pub fn restore(
    args: RestoreArgs,
    watch: &mut dyn FnMut(Growth),
) -> Result<BackupDone, BackupError> {
    let RestoreArgs { file, replace, place } = args;
    let config = Config::load(place.into())?;
    let database = file_of(&config.database)?;
    // Looking into a database makes one where there is none.
    if !file.is_file() {
        return Err(BackupError::NoFile(file));
    }
    check_copy(&file)?;
    if beside(&file, "-wal").metadata().is_ok_and(|log| log.len() > 0) {
        return Err(BackupError::HasLog(file));
    }
    let _folder = server::lock(&config.data).map_err(|error| match error {
        ServerError::InUse(_) => BackupError::Running(error),
        error => BackupError::Folder(error),
    })?;
    let is_there = database.symlink_metadata().is_ok();
    if is_there && !replace {
        return Err(BackupError::InPlace(database));
    }
    let Some(_lock) = SqliteDatabase::lock(&database)? else {
        return Err(BackupError::Running(ServerError::DatabaseInUse(config.database.shown())));
    };
    let new = beside(&database, ".restored");
    if [&new, &database].into_iter().any(|other| is_same(&file, other)) {
        // Where there was no database, the lock has made one.
        remove_empty(&database, is_there)?;
        return Err(BackupError::Itself(file));
    }
    let done = prepare(&file, &new, watch).and_then(|()| {
        own_like(&new, if is_there { &database } else { &config.data });
        put(&new, &database, is_there)
    });
    if done.is_err() {
        remove_empty(&database, is_there)?;
        remove(&new)?;
    }
    let kept = done?;
    Ok(BackupDone { bytes: size(&database)?, file: database, kept })
}

/// Makes a copy that is whole and on the disk, before anything of the old database is touched.
fn prepare(file: &Path, new: &Path, watch: &mut dyn FnMut(Growth)) -> Result<(), BackupError> {
    remove(new)?;
    watch(Growth { partial: new.to_owned(), of: size(file)? });
    copy(file, new).map_err(|source| BackupError::File { path: new.to_owned(), source })?;
    Ok(check_copy(new)?)
}

/// Puts that copy in the place of the database; returns where what was there is kept.
fn put(new: &Path, database: &Path, is_there: bool) -> Result<Option<PathBuf>, BackupError> {
    let kept = free_name(database)?;
    // With everything in one file, one step changes all: the old one has a second name by then, and keeps it.
    let is_alone = is_there && empty_log(database).is_ok() && !has_log(database);
    if !(is_alone && fs::hard_link(database, &kept).is_ok()) {
        move_aside(database, &kept, is_there)?;
    }
    sync_folder_of(database)?;
    let named = |source| BackupError::File { path: new.to_owned(), source };
    fs::rename(new, database).map_err(named)?;
    sync_folder_of(database)?;
    Ok(is_there.then_some(kept))
}

/// Whether a database has a log beside it.
fn has_log(database: &Path) -> bool {
    beside(database, "-wal").symlink_metadata().is_ok()
}

/// Removes the empty file that a lock has made.
fn remove_empty(database: &Path, is_there: bool) -> Result<(), BackupError> {
    let is_made = !is_there && size(database).is_ok_and(|bytes| bytes == 0);
    if is_made { remove(database) } else { Ok(()) }
}

/// Whether two names are one file's.
fn is_same(one: &Path, other: &Path) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// Gives a file to whom another one belongs: the server may run as somebody else than who restores.
fn own_like(file: &Path, model: &Path) {
    let given = model.metadata().and_then(|model| {
        let own = file.metadata()?;
        if (own.uid(), own.gid()) == (model.uid(), model.gid()) {
            return Ok(());
        }
        chown(file, Some(model.uid()), Some(model.gid()))
    });
    if let Err(error) = given {
        tracing::warn!(%error, file = %file.display(), "the database may not belong to the server's user");
    }
}

/// Copies a file that is made for it, with mode 0600, onto the disk.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut File::open(from)?, &mut new)?;
    new.sync_all()
}

/// A name beside a database under which it can be kept.
fn free_name(database: &Path) -> Result<PathBuf, BackupError> {
    let mut names = (1..=MOST_KEPT).map(|n| beside(database, &format!(".before-{n}")));
    let is_free = |path: &PathBuf| {
        SUFFIXES.iter().all(|suffix| beside(path, suffix).symlink_metadata().is_err())
    };
    names.find(is_free).ok_or_else(|| BackupError::Kept(database.to_owned()))
}

/// Moves a database aside with its log, or only the log of one that has gone: it would be taken for the new one's. The
/// database goes first, so that none is ever without its log under the name that is opened.
fn move_aside(database: &Path, kept: &Path, is_there: bool) -> Result<(), BackupError> {
    for suffix in SUFFIXES.into_iter().skip(usize::from(!is_there)) {
        let from = beside(database, suffix);
        match fs::rename(&from, beside(kept, suffix)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(BackupError::File { path: from, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Gives a file its name, unless somebody has it already.
fn name(partial: &Path, file: &Path) -> Result<(), BackupError> {
    // A link, and not a renaming: that would take the place of a file that has come meanwhile. Where the file system has no
    // links, one that takes nobody's place, which not all have.
    let named = fs::hard_link(partial, file).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(renameat_with(CWD, partial, CWD, file, RenameFlags::NOREPLACE)?),
    });
    named.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(file.to_owned()),
        _ => BackupError::File { path: file.to_owned(), source },
    })
}

/// A name with more at its end.
fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    name.into()
}

/// A file's size.
fn size(path: &Path) -> Result<u64, BackupError> {
    let failed = |source| BackupError::File { path: path.to_owned(), source };
    path.metadata().map(|found| found.len()).map_err(failed)
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<(), BackupError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(BackupError::File { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Makes durable which names a file's folder holds.
fn sync_folder_of(path: &Path) -> Result<(), BackupError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| BackupError::File { path: folder.to_owned(), source })
}

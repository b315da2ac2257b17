//! Whether the files that are written to are still those that their names stand for.
//!
//! A file that was removed or replaced while it is open can be written to as before, and nobody will ever read that: what
//! is committed then is lost with the process.

use crate::store::{StoreError, StoreResult};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What the names of a database's files end with: its own, that of `SQLite`'s log beside it, and of the log's index.
pub const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// A file's device and number there.
type Number = (u64, u64);

/// The files of an open database.
pub(super) struct DatabaseFiles {
    /// Each by its name, with what it was when it was first seen.
    files: Mutex<Vec<(PathBuf, Option<Number>)>>,
    /// Whether one of them was not what it had been when they were last looked at.
    is_lost: AtomicBool,
}

impl DatabaseFiles {
    /// The files of a database that has just been opened.
    pub(super) fn of(url: &str) -> Self {
        let files = SUFFIXES.map(|suffix| PathBuf::from(format!("{url}{suffix}")));
        let files = files.map(|path| {
            let number = number_of(&path);
            (path, number)
        });
        Self { files: Mutex::new(files.into()), is_lost: AtomicBool::new(false) }
    }

    /// Looks whether all are what they were; one that was not there yet may have come.
    pub(super) fn check(&self) -> StoreResult<()> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lost = None;
        for (path, known) in files.iter_mut() {
            let found = number_of(path);
            match known {
                Some(number) if found != Some(*number) => lost = Some(path.display().to_string()),
                Some(_) => {}
                None => *known = found,
            }
        }
        self.is_lost.store(lost.is_some(), Ordering::Relaxed);
        lost.map_or(Ok(()), |path| Err(lost_error(&path)))
    }

    /// What the last look found.
    pub(super) fn last(&self) -> StoreResult<()> {
        if self.is_lost.load(Ordering::Relaxed) { self.check() } else { Ok(()) }
    }
}

/// Which file a name stands for now.
fn number_of(path: &PathBuf) -> Option<Number> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// What is said of a file that has gone.
fn lost_error(path: &str) -> StoreError {
    StoreError::Unavailable(format!(
        "the file {path} was removed or replaced while it is in use: put it back, or restart the server"
    ))
}

//! A disk that is slower than the one at hand: each sync takes longer by a given time, of whatever file, for this
//! program and all that it starts. The server and SQLite are the real ones; only the C library's `fsync` and `fdatasync`
//! are others.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// The library that makes syncs slow, to be compiled by the C compiler that the build needs anyway.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/rig/slow.c");
/// Says how much longer a sync takes, microseconds; set in a program that runs on such a disk.
const DELAY: &str = "SLOW_SYNC_US";

/// Runs this program once more on a slower disk, if it does not run on one already; true if that has been done.
pub fn rerun(delay_us: usize) -> bool {
    if delay_us == 0 || std::env::var_os(DELAY).is_some() {
        return false;
    }
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("slow.so");
    let options = ["-O2", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o"].map(OsStr::new);
    run(Command::new("cc").args(options).arg(&library).arg(SOURCE));
    again(&library, delay_us);
    true
}

/// Runs this program with a library loaded before all others.
fn again(library: &Path, delay_us: usize) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(std::env::args_os().skip(1)).env("LD_PRELOAD", library);
    run(command.env(DELAY, delay_us.to_string()));
}

/// Runs a command that must succeed.
fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

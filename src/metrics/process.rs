//! What the system says of this process. Where it does not say, nothing is shown.

use super::cells::float;
use crate::num;
use std::fs;
use std::path::Path;

/// The process at a moment.
#[derive(Debug, Default)]
pub(super) struct Process {
    /// CPU time, in user and system mode.
    pub(super) cpu_seconds: f64,
    /// When it began, seconds since 1970.
    pub(super) began_seconds: f64,
    /// Resident memory.
    pub(super) resident_bytes: Option<u64>,
    /// Its threads.
    pub(super) threads: Option<u64>,
    /// File descriptors that are open.
    pub(super) open_files: Option<u64>,
    /// The most that may be.
    pub(super) most_files: Option<u64>,
}

impl Process {
    /// As it is now.
    pub(super) fn now() -> Self {
        Self::read(Path::new("/proc"))
    }

    /// As Linux tells it in files.
    fn read(folder: &Path) -> Self {
        let own = folder.join("self");
        let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let (stat, machine) = (text(&own.join("stat")), text(&folder.join("stat")));
        let status = text(&own.join("status"));
        let ticks = float(rustix::param::clock_ticks_per_second());
        let [user, system, began] = [13, 14, 21].map(|at| float(numbered(&stat, at).unwrap_or(0)));
        Self {
            cpu_seconds: (user + system) / ticks,
            began_seconds: began / ticks + float(named(&machine, "btime").unwrap_or(0)),
            resident_bytes: named(&status, "VmRSS:").map(|kib| kib * 1024),
            threads: named(&status, "Threads:"),
            open_files: fs::read_dir(own.join("fd")).ok().map(|files| {
                // The folder itself is open while it is read.
                num::counter(files.count().saturating_sub(1))
            }),
            most_files: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
        }
    }
}

/// The number behind a name that begins a line.
fn named(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A number of `/proc/self/stat` by its place, counted from 0. The second word, the program's name, may have spaces.
fn numbered(stat: &str, at: usize) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(") ")?;
    behind.split(' ').nth(at.checked_sub(2)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_this_process() {
        let process = Process::now();
        assert!(process.resident_bytes.unwrap() > 1 << 20);
        assert!(process.threads.unwrap() >= 1);
        let open = process.open_files.unwrap();
        assert!(open >= 3 && open < process.most_files.unwrap());
        // Some day after this was written.
        assert!(process.began_seconds > 1.7e9, "{}", process.began_seconds);
    }

    #[test]
    fn cpu_time_rises_with_work() {
        let before = Process::now().cpu_seconds;
        let begin = tokio::time::Instant::now();
        let mut sum = 0_u64;
        while Process::now().cpu_seconds <= before {
            sum = (0..1_000_000_u64).fold(sum, |sum, n| sum.wrapping_add(n * n));
            assert!(begin.elapsed().as_secs() < 30, "{sum}");
        }
    }

    #[test]
    fn a_name_with_spaces_and_brackets_moves_nothing() {
        let words: Vec<_> = (3..=24).map(|n| (n * 10).to_string()).collect();
        let stat = format!("7 (a) b (c) {}", words.join(" "));
        assert_eq!((numbered(&stat, 13), numbered(&stat, 21)), (Some(140), Some(220)));
        assert_eq!(numbered("", 13), None);
    }

    #[test]
    fn where_the_system_tells_nothing_nothing_is_made_up() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::read(folder.path());
        assert_eq!(
            (process.resident_bytes, process.threads, process.open_files),
            (None, None, None)
        );
    }
}

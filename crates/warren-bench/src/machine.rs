//! What the operating system tells and allows: CPU and memory of a process, pinning, open files.

use super::error::BenchError;
use super::num;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs;

/// What a process has used and holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// Seconds of CPU in its own code.
    pub(super) user: f64,
    /// Seconds of CPU in the kernel.
    pub(super) system: f64,
    /// Bytes in memory.
    pub(super) memory: u64,
}

impl Usage {
    /// Seconds of CPU.
    pub(super) const fn cpu(&self) -> f64 {
        self.user + self.system
    }
}

/// What a process has used, with all threads that it has or had; none where that cannot be seen.
pub(super) fn usage(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the parenthesis may hold anything.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = num::float(rustix::param::clock_ticks_per_second());
    let time = |at: usize| Some(num::float(fields.get(at)?.parse().ok()?) / ticks);
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages = statm.split_whitespace().nth(1)?.parse::<u64>().ok()?;
    let memory = pages * num::count(rustix::param::page_size());
    Some(Usage { user: time(11)?, system: time(12)?, memory })
}

/// How many CPUs a process may use; none where that cannot be seen.
pub(super) fn allowed_cpus(pid: u32) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let count = |range: &str| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Some(to.parse::<usize>().ok()?.checked_sub(from.parse().ok()?)? + 1)
    };
    list.trim().split(',').map(count).sum()
}

/// Seconds for which the calling thread was ready and had no CPU; 0 where that cannot be seen.
pub(super) fn thread_waited() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = text.split_whitespace().nth(1).and_then(|it| it.parse::<u64>().ok());
    num::float(waited.unwrap_or(0)) / 1e9
}

/// Seconds of CPU that the whole machine has used, stolen time left out; 0 where that cannot be seen.
pub(super) fn machine_cpu() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let fields: Vec<u64> =
        line.split_whitespace().skip(1).map(|it| it.parse().unwrap_or(0)).collect();
    // user, nice, system, (idle, iowait,) irq, softirq
    let busy = [0, 1, 2, 5, 6].iter().filter_map(|at| fields.get(*at)).sum::<u64>();
    num::ratio(num::float(busy), num::float(rustix::param::clock_ticks_per_second()))
}

/// Pins the calling thread, and what it starts from now on.
///
/// # Errors
/// [`BenchError::Generator`] for a CPU that is not there.
pub(super) fn pin(cpus: &[usize]) -> Result<(), BenchError> {
    if cpus.is_empty() {
        return Ok(());
    }
    let failed = || BenchError::Generator(format!("cannot be pinned to the CPUs {cpus:?}"));
    let mut set = CpuSet::new();
    for cpu in cpus {
        if *cpu >= CpuSet::MAX_CPU {
            return Err(failed());
        }
        set.set(*cpu);
    }
    sched_setaffinity(None, &set).ok().ok_or_else(failed)
}

/// Raises the bound on open files as far as needed, for this process and what it starts.
///
/// # Errors
/// [`BenchError::Generator`] where the machine does not allow that many.
pub(super) fn open_files(needed: usize) -> Result<(), BenchError> {
    let needed = num::count(needed);
    let limit = getrlimit(Resource::Nofile);
    let has = |bound: Option<u64>| bound.is_none_or(|bound| bound >= needed);
    if has(limit.current) {
        return Ok(());
    }
    let maximum = if has(limit.maximum) { limit.maximum } else { Some(needed) };
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).map_err(|error| {
        BenchError::Generator(format!("{needed} open files are needed (ulimit -n): {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_seen() {
        let usage = usage(std::process::id()).unwrap();
        assert!(usage.memory > 0 && usage.cpu() >= 0.0);
        assert!(allowed_cpus(std::process::id()).unwrap() >= 1);
        assert!(machine_cpu() >= 0.0 && thread_waited() >= 0.0);
    }

    #[test]
    fn a_process_that_is_not_there_cannot() {
        assert!(usage(u32::MAX).is_none() && allowed_cpus(u32::MAX).is_none());
    }

    #[test]
    fn a_cpu_that_is_not_there_is_refused() {
        assert!(pin(&[1_000_000]).is_err());
        pin(&[]).unwrap();
    }
}

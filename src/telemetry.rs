//! Logs: to standard error, one line an event, as text or JSON, filtered by `RUST_LOG` (default `info`), as well as it goes.
//!
//! A log that cannot be written stops nobody's work: not a closed pipe, not a full disk, not a reader that has stopped
//! reading. Whoever logs puts the line into a bounded queue, and a thread of its own writes it. What finds no room there
//! or cannot be written is counted, and the next line that can be written says how many were lost.

mod seldom;
mod share;
mod spelling;
mod traces;

pub use seldom::Seldom;
pub use share::LogShare;
pub use traces::{AnsweredRequest, CallOutcome, CallSpan, RequestSpan, TRACEPARENT, Traces};

use spelling::Spelling;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written; past it they are lost.
const QUEUE_LINES: usize = 4096;
/// How long the end of the program waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What the writing thread is given.
enum LogLine {
    /// A line, its end included.
    Line(Vec<u8>),
    /// Somebody waits until all lines before this are written.
    Flush(SyncSender<()>),
}

/// The way of a line to the writing thread, cheap to clone.
#[derive(Clone)]
struct Queue {
    /// To the thread.
    entries: SyncSender<LogLine>,
    /// How many lines were lost since it was last said.
    lost: Arc<AtomicU64>,
}

impl Write for Queue {
    /// Takes a line, whatever becomes of it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.entries.try_send(LogLine::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The logs of the process; dropped at its end, it waits a moment for the last lines to be written.
pub struct Logs {
    /// The way to the writing thread.
    queue: Queue,
    /// Whether lines are JSON.
    is_json: Arc<AtomicBool>,
}

impl Logs {
    /// From now on each line is a JSON object, or text.
    pub fn spell(&self, is_json: bool) {
        self.is_json.store(is_json, Ordering::Relaxed);
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        let (done, written) = sync_channel(1);
        // A queue without room is one that nobody writes from any more.
        if self.queue.entries.try_send(LogLine::Flush(done)).is_ok() {
            let _ = written.recv_timeout(LAST_LINES);
        }
    }
}

/// Starts logging for the whole process, panics included.
pub fn start() -> Logs {
    let (entries, queue) = sync_channel(QUEUE_LINES);
    let writer = Queue { entries, lost: Arc::default() };
    let lost = Arc::clone(&writer.lost);
    let is_json = Arc::<AtomicBool>::default();
    let is_spelled = Arc::clone(&is_json);
    // Without the thread all lines are lost, and nothing else is.
    let _ = thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_lines(&queue, &lost, &is_spelled, &mut io::stderr()));
    let filter = filter(std::env::var(EnvFilter::DEFAULT_ENV).ok().as_deref());
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer.clone());
    let logs = logs.with_ansi(false).log_internal_errors(false);
    let logs = logs.event_format(Spelling::new(Arc::clone(&is_json)));
    // Another logger only stands here when this is part of another program, whose choice counts.
    let _ = logs.try_init();
    // The usual hook writes to standard error by itself, and waits for it.
    std::panic::set_hook(Box::new(log_panic));
    Logs { queue: writer, is_json }
}

/// What is logged, `info` and above unless asked otherwise. The HTTP layer is heard only where it is asked for by its name
/// (`RUST_LOG=info,actix_http=error`): it calls an error what any stranger can send it, as often as they like.
fn filter(asked: Option<&str>) -> EnvFilter {
    let asked = asked.and_then(|asked| EnvFilter::try_new(format!("actix_http=off,{asked}")).ok());
    asked.unwrap_or_else(|| EnvFilter::new("info,actix_http=off"))
}

/// Writes lines until nobody is left who could log.
fn write_lines(
    queue: &Receiver<LogLine>,
    lost: &AtomicU64,
    is_json: &AtomicBool,
    out: &mut dyn Write,
) {
    for entry in queue {
        match entry {
            LogLine::Line(line) => {
                let missing = lost.swap(0, Ordering::Relaxed);
                let written = if missing == 0 {
                    out.write_all(&line)
                } else {
                    let said = spelling::lost(missing, is_json.load(Ordering::Relaxed));
                    out.write_all(said.as_bytes()).and_then(|()| out.write_all(&line))
                };
                if written.is_err() {
                    lost.fetch_add(missing.saturating_add(1), Ordering::Relaxed);
                }
            }
            LogLine::Flush(done) => {
                // Whoever waited may have lost patience.
                let _ = done.try_send(());
            }
        }
    }
}

/// Logs a panic as one line, with the way there if `RUST_BACKTRACE` asks for it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let words = panic.to_string().replace('\n', " ");
    let current = thread::current();
    let name = current.name().unwrap_or("unnamed");
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        tracing::error!(thread = name, "{words}\n{trace}");
    } else {
        tracing::error!(thread = name, "{words}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that takes only so many writes, then none until it is mended.
    #[derive(Default)]
    struct Sick {
        written: Vec<u8>,
        failures: usize,
    }

    impl Write for Sick {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.failures > 0 {
                self.failures -= 1;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_the_count_is_said() {
        let (entries, queue) = sync_channel(10);
        let mut log = Queue { entries, lost: Arc::default() };
        let lost = Arc::clone(&log.lost);
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        drop(log);
        let mut sick = Sick { failures: 2, ..Sick::default() };
        write_lines(&queue, &lost, &AtomicBool::new(false), &mut sick);
        let text = String::from_utf8(sick.written).unwrap();
        assert_eq!(text, "2 lines of the log were lost before this one\nthree\nfour\n");
    }

    #[test]
    fn a_full_queue_loses_lines_and_makes_nobody_wait() {
        let (entries, queue) = sync_channel(2);
        let mut log = Queue { entries, lost: Arc::default() };
        let lost = Arc::clone(&log.lost);
        for n in 0..5 {
            log.write_all(format!("{n}\n").as_bytes()).unwrap();
        }
        drop(log);
        let mut out = Sick::default();
        write_lines(&queue, &lost, &AtomicBool::new(false), &mut out);
        let text = String::from_utf8(out.written).unwrap();
        assert!(text.starts_with("3 lines of the log were lost"), "{text}");
    }
}

//! A line a second for who watches, and nothing for scripts.

use super::interrupt::Interrupt;
use super::num;
use super::shared::Tick;
use std::io::{self, IsTerminal as _, Write as _};

/// What is shown while a run lasts.
pub(super) struct Progress {
    /// Whether anything is.
    is_on: bool,
    /// The second that was shown last.
    shown: Option<u64>,
    /// What stands before each line.
    label: String,
    /// Whether who watches has had enough.
    interrupt: Interrupt,
}

impl Progress {
    /// Shows something on a terminal, or if it was asked for.
    pub(super) fn new(is_asked: bool) -> Self {
        Self {
            is_on: is_asked || io::stderr().is_terminal(),
            shown: None,
            label: String::new(),
            interrupt: Interrupt::watch(),
        }
    }

    /// Whether the run is to end now.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupt.came()
    }

    /// Begins anew, under a name.
    pub(super) fn label(&mut self, label: &str) {
        self.shown = None;
        label.clone_into(&mut self.label);
    }

    /// Shows a line, if a second has passed.
    pub(super) fn show(&mut self, at: f64, phase: &str, connections: usize, last: Option<&Tick>) {
        let second = num::whole(at);
        if !self.is_on || self.shown == Some(second) {
            return;
        }
        self.shown = Some(second);
        let label = &self.label;
        let line = match last.filter(|_| phase != "connect") {
            None => format!("{label}{second:4} s  {phase:<7} {connections:7} connections"),
            Some(tick) => format!(
                "{label}{second:4} s  {phase:<7} {connections:7} connections  {:9} publishes/s  {:9} deliveries/s  \
                 p99 {:8.2} ms  {} errors",
                tick.counts.published,
                tick.counts.delivered,
                num::float(tick.latency.value_at_quantile(0.99)) / 1000.0,
                tick.counts.errors
            ),
        };
        // Who has closed the terminal does not miss it.
        let _ = writeln!(io::stderr(), "{line}");
    }
}

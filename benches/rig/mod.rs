//! What the programs share that measure a whole server from outside: the process, its clients, its data, the figures.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "each program uses a part of this, and a panic is how it reports"
)]

pub mod data;
pub mod figures;
pub mod http;
pub mod server;
pub mod slow;
pub mod socket;
#[path = "../../tests/it/support/start.rs"]
mod start;

use std::time::{Duration, Instant};

/// The project that everything happens in.
pub const PROJECT: &str = "project_MzA0NzI4Nzc1MTYwMDAwMA";
/// Its token, with every permission.
pub const OWNER: &str = "ptk_c190ZXN0X293bmVyX3Rva2VuXzAxMjM0NTY3ODlhYmNkZWY";

/// The operator's token, which a first run would make up otherwise.
const ADMIN: &str = "pat_c190ZXN0X2FkbWluX3Rva2VuXzAxMjM0NTY3ODlhYmNkZWY";

/// How long anything may take that has to happen.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// The time that has passed since a moment.
#[derive(Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to count.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures what really passes")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// What has passed.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// The value of `--name VALUE` on the command line.
fn argument(name: &str) -> Option<String> {
    let mut words = std::env::args().skip_while(|word| word.strip_prefix("--") != Some(name));
    words.nth(1)
}

/// The number behind `--name`, or what it is without.
pub fn number(name: &str, otherwise: usize) -> usize {
    argument(name).map_or(otherwise, |text| text.parse().unwrap())
}

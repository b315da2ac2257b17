//! What the hostile tests need beyond the plain ones: a WebSocket client that can send every wrong bit, HTTP over one
//! kept connection, a process that can be killed, and dice that can be thrown again.

mod client;
pub mod frame;
mod http;
mod process;
mod stream;

pub use client::{Received, Socket};
pub use http::Http;
pub use process::Process;
pub use stream::{StreamAsk, StreamClient};

pub use crate::support::PATIENCE;

use std::time::{Duration, Instant};

/// The time that has passed since a moment.
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to count.
    #[expect(clippy::disallowed_methods, reason = "a test measures what really passes")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// What has passed.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Dice (splitmix64): the same seed gives the same throws.
pub struct Dice(u64);

impl Dice {
    /// Dice with the seed of the environment variable `WARREN_SEED`, or a new one; prints it.
    pub fn new() -> Self {
        let seed = std::env::var("WARREN_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| getrandom::u64().unwrap());
        println!("WARREN_SEED={seed}");
        Self(seed)
    }

    /// Dice with this seed.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice of their own for the `n`-th thread.
    pub fn fork(&mut self, n: u64) -> Self {
        Self(self.next() ^ n)
    }

    /// The next throw.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

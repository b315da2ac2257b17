//! What stored things cost that nobody uses: the time until a server is ready, its memory, and its CPU for a publish and
//! a subscription, without them and with a million channels and a million tokens, in pairs.
//!
//! `cargo bench --bench stored -- --rows 1000000 --pairs 5`; a million rows of each kind need about 1.5 GiB of disk
//! below `TMPDIR`. With `--kept 1000`, the 10,000 channels in use keep their messages, and on
//! the full side each has so many (1.5 GiB more); publishing then waits for the disk.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the figures are what this program is for, and a panic is how it reports"
)]

mod rig;

use rig::data::{Data, fill, keep};
use rig::figures::{Spread, micros};
use rig::http::Http;
use rig::server::Server;
use rig::socket::Socket;
use rig::{Stopwatch, number};
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Channels in use.
const CHANNELS: usize = 10_000;
/// Tokens in use; each subscribes to an equal part of the channels.
const TOKENS: usize = 250;
/// How many of them subscribe at once.
const AT_ONCE: usize = 50;
/// How long the server may take to come to rest before it is weighed.
const REST: Duration = Duration::from_millis(500);

/// What is measured, in this order.
const NAMES: [&str; 6] = [
    "ready, ms",
    "memory when ready, MiB",
    "CPU of a channel's first publish, µs",
    "CPU of a later publish, µs",
    "CPU of a subscription over the socket, µs",
    "memory at the end, MiB",
];

fn main() {
    let (rows, pairs, kept) = (number("rows", 1_000_000), number("pairs", 5), number("kept", 0));
    let watch = Stopwatch::start();
    let (empty, full) =
        (Filled::new(0, (kept > 0).then_some(0)), Filled::new(rows, (kept > 0).then_some(kept)));
    println!(
        "filled with {rows} rows of each kind and {kept} messages a channel in {:.0?}: {}",
        watch.elapsed(),
        full.size()
    );
    let runs: Vec<[[f64; 6]; 2]> = (0..pairs).map(|_| [empty.measure(), full.measure()]).collect();
    println!("| | 0 | {rows} | ratio |\n| --- | --- | --- | --- |");
    for (at, name) in NAMES.iter().enumerate() {
        let side = |side: usize| Spread::new(runs.iter().map(|pair| figure(pair, side, at)));
        let ratio = runs.iter().map(|pair| figure(pair, 1, at) / figure(pair, 0, at));
        println!("| {name} | {} | {} | {} |", side(0), side(1), Spread::new(ratio));
    }
}

/// One figure of a pair.
fn figure(pair: &[[f64; 6]; 2], side: usize, at: usize) -> f64 {
    pair.get(side).and_then(|run| run.get(at)).copied().unwrap()
}

/// A data folder that is never changed: each run has a copy.
struct Filled {
    /// Where it is.
    folder: TempDir,
    /// What is used of it.
    data: Data,
}

impl Filled {
    /// Makes one with so many idle rows of each kind, and so many messages on each channel in use, if those keep any.
    fn new(rows: usize, kept: Option<usize>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = fill(folder.path(), rows, CHANNELS, TOKENS);
        if let Some(messages) = kept {
            keep(folder.path(), messages);
        }
        Self { folder, data }
    }

    /// The database.
    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("data/warren.db")
    }

    /// How large the database is.
    fn size(&self) -> String {
        format!("{} MiB", fs::metadata(self.file()).unwrap().len() >> 20)
    }

    /// Runs a server on a copy.
    fn measure(&self) -> [f64; 6] {
        let copy = tempfile::tempdir().unwrap();
        fs::create_dir(copy.path().join("data")).unwrap();
        let file = copy.path().join("data/warren.db");
        fs::copy(self.file(), &file).unwrap();
        // Or the server's first sync would write all of it.
        File::open(file).unwrap().sync_all().unwrap();
        run(copy.path(), &self.data)
    }
}

/// Starts a server and takes all figures.
fn run(folder: &Path, data: &Data) -> [f64; 6] {
    let server = Server::start(folder);
    let when_ready = server.resident();
    let mut http = Http::connect(server.address);
    let mut publish = || {
        for channel in &data.channels {
            let path = format!("/v1/channels/{channel}/messages");
            http.call("POST", &path, r#"{"e":"CHAT_LINE","d":{"text":"Hello, Warren"}}"#);
        }
    };
    let first = cpu_of(&server, CHANNELS, &mut publish);
    let later = cpu_of(&server, CHANNELS, &mut publish);
    let mut sockets: Vec<Socket> =
        data.tokens.iter().map(|token| Socket::enter(server.address, Some(token))).collect();
    let subscription = cpu_of(&server, CHANNELS, &mut || subscribe(&mut sockets, &data.channels));
    std::thread::sleep(REST);
    [
        server.ready_after.as_secs_f64() * 1e3,
        mebibytes(when_ready),
        first,
        later,
        subscription,
        mebibytes(server.resident()),
    ]
}

/// Subscribes each socket to its part of the channels; a few sockets at a time, for each subscription is a write, and more
/// of them than may wait would be refused.
fn subscribe(sockets: &mut [Socket], channels: &[String]) {
    const EACH: usize = CHANNELS / TOKENS;
    let parts = channels.chunks(EACH * AT_ONCE);
    for (sockets, channels) in sockets.chunks_mut(AT_ONCE).zip(parts) {
        for (socket, part) in sockets.iter_mut().zip(channels.chunks(EACH)) {
            for channel in part {
                socket.ask_for(channel);
            }
        }
        for socket in sockets {
            for _ in 0..EACH {
                socket.wait_for("AVAILABLE");
            }
        }
    }
}

/// The server's CPU for one of so many, microseconds.
fn cpu_of(server: &Server, count: usize, run: &mut dyn FnMut()) -> f64 {
    let before = server.cpu();
    run();
    micros(server.cpu().saturating_sub(before)) / f64::from(u32::try_from(count).unwrap())
}

/// Bytes as mebibytes.
fn mebibytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap()) / 1024.0
}

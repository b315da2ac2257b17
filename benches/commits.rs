//! What group commit is worth: 64 writers, each patching the state of a channel of its own over HTTP as fast as it is
//! answered, against one write for each commit, on the same disk, in pairs.
//!
//! `cargo bench --bench commits -- --seconds 3 --pairs 5`. With `--delay-us 4000`, each sync takes so much longer, as if
//! the disk were slower: the one at hand may hardly make anybody wait. With `--kept 1`, the writers publish to channels that
//! keep their messages instead.

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
use rig::{PROJECT, Stopwatch, number, slow};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use warren::domain::{
    ChannelId, ChannelKey, HistoryBounds, Message, ProjectId, RawJson, State, Timestamp, Version,
};
use warren::store::diesel::SqliteDatabase;
use warren::store::{Database as _, NewMessage, WriteStore};

/// Writers, and channels.
const WRITERS: usize = 64;
/// How long writers write before anybody counts.
const WARM_UP: Duration = Duration::from_millis(500);
/// Syncs that are timed.
const SYNCS: usize = 200;
/// Bytes before each sync: a page of the database.
const PAGE: [u8; 4096] = [7; 4096];

/// What is measured, in this order.
const NAMES: [&str; 8] = [
    "a sync of a file, µs",
    "one write for each commit, a second",
    "64 writers, writes a second",
    "ratio of the rates",
    "median of an answer, µs",
    "p99 of an answer, µs",
    "p99 in syncs",
    "server CPU of a write, µs",
];

fn main() {
    let seconds = Duration::from_secs(number("seconds", 3).try_into().unwrap());
    let delay_us = number("delay-us", 0);
    if slow::rerun(delay_us) {
        return;
    }
    let is_kept = number("kept", 0) > 0;
    let runs: Vec<[f64; 8]> = (0..number("pairs", 5)).map(|_| pair(seconds, is_kept)).collect();
    let what = if is_kept { "kept messages" } else { "states" };
    println!("{WRITERS} writers of {what}, {delay_us} µs added to each sync");
    for (at, name) in NAMES.iter().enumerate() {
        println!("{name}: {}", Spread::new(runs.iter().filter_map(|run| run.get(at)).copied()));
    }
}

/// Runs both sides once, each on data of its own.
fn pair(seconds: Duration, is_kept: bool) -> [f64; 8] {
    let (folder, data) = filled(is_kept);
    let sync = sync_time(folder.path());
    let single = alone(folder.path(), &data, seconds, is_kept);
    let (folder, data) = filled(is_kept);
    let server = Server::start(folder.path());
    let (answers, cpu) = together(&server, &data, seconds, is_kept);
    let rate = f64::from(u32::try_from(answers.len()).unwrap()) / seconds.as_secs_f64();
    let answers = Spread::new(answers.into_iter().map(micros));
    let (median, p99) = (answers.median(), answers.permille(990));
    let cpu = micros(cpu) / rate / seconds.as_secs_f64();
    [sync, single, rate, rate / single, median, p99, p99 / sync, cpu]
}

/// A data folder with a channel for each writer.
fn filled(is_kept: bool) -> (TempDir, Data) {
    let folder = tempfile::tempdir().unwrap();
    let data = fill(folder.path(), 0, WRITERS, 0);
    if is_kept {
        keep(folder.path(), 0);
    }
    (folder, data)
}

/// How long a sync of a file takes, microseconds.
fn sync_time(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("sync")).unwrap();
    let syncs = (0..SYNCS).map(|_| {
        file.write_all(&PAGE).unwrap();
        let watch = Stopwatch::start();
        file.sync_data().unwrap();
        micros(watch.elapsed())
    });
    Spread::new(syncs.collect::<Vec<_>>()).median()
}

/// How many writes a second the store makes with a commit for each.
fn alone(folder: &Path, data: &Data, seconds: Duration, is_kept: bool) -> f64 {
    let database = SqliteDatabase::open(&folder.join("data/warren.db"), 1).unwrap();
    let mut writer = database.writer().unwrap();
    let key = |id: &String| ChannelKey {
        project: ProjectId::from(PROJECT),
        id: ChannelId::parse(id).unwrap(),
    };
    let keys: Vec<ChannelKey> = data.channels.iter().map(key).collect();
    let watch = Stopwatch::start();
    let mut writes = 0_u32;
    for (n, key) in keys.iter().cycle().enumerate() {
        if watch.elapsed() >= seconds {
            break;
        }
        let version = Version(i64::try_from(n / keys.len()).unwrap() + 2);
        let json = RawJson::parse(&change(n)).unwrap();
        writer.group(&mut |store| write_one(store, key, &json, version, is_kept)).unwrap();
        writes += 1;
    }
    f64::from(writes) / watch.elapsed().as_secs_f64()
}

/// Writes one state, or keeps one message.
fn write_one(
    store: &mut dyn WriteStore,
    key: &ChannelKey,
    json: &RawJson,
    version: Version,
    is_kept: bool,
) {
    if is_kept {
        let message = Message { event: "CHAT_LINE".into(), data: json.clone() };
        let new = NewMessage { message, from: None, at: Timestamp(version.0) };
        store.append_message(key, &new, &HistoryBounds::default()).unwrap();
    } else {
        let state = State::new(json.clone(), usize::MAX).unwrap();
        store.set_state(key, &state, version).unwrap();
    }
}

/// Lets all writers write; returns how long each answer took that came in the time that counts, and the server's CPU.
fn together(
    server: &Server,
    data: &Data,
    seconds: Duration,
    is_kept: bool,
) -> (Vec<Duration>, Duration) {
    let watch = Stopwatch::start();
    let end = WARM_UP + seconds;
    thread::scope(|scope| {
        let write = |channel: &str| {
            let mut http = Http::connect(server.address);
            let (method, path, body): (_, _, fn(usize) -> String) = if is_kept {
                ("POST", format!("/v1/channels/{channel}/messages"), message)
            } else {
                ("PATCH", format!("/v1/channels/{channel}/state"), change)
            };
            let mut answers = Vec::new();
            for n in 0.. {
                let before = watch.elapsed();
                if before >= end {
                    break;
                }
                http.call(method, &path, &body(n));
                let after = watch.elapsed();
                if before >= WARM_UP {
                    answers.push(after.saturating_sub(before));
                }
            }
            answers
        };
        let writers: Vec<_> =
            data.channels.iter().map(|channel| scope.spawn(move || write(channel))).collect();
        thread::sleep(WARM_UP);
        let before = server.cpu();
        thread::sleep(seconds);
        let cpu = server.cpu().saturating_sub(before);
        (writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect(), cpu)
    })
}

/// The `n`-th message of a writer.
fn message(n: usize) -> String {
    format!(r#"{{"e":"CHAT_LINE","d":{}}}"#, change(n))
}

/// The `n`-th change of a writer.
fn change(n: usize) -> String {
    format!(r#"{{"title":"Room","open":true,"round":{n},"players":["ann","bob"]}}"#)
}

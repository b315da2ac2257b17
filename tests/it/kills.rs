//! A server that is killed under load and started again, over and over: what everybody saw, as a record that is checked.
//!
//! 20 kills are part of the test run; environment variables make more of everything (`docs/testing.md`).

pub mod hearers;
pub mod load;
pub mod size;

use crate::record::{ClientId, EndOfLoad, Findings, Note, Promise, Record};
use crate::scene::eventually;
use crate::socket::{Dice, Process};
use load::Publishers;
use serde_json::json;
use size::{Kind, Size};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;

/// A message's number from here on is the last of its channel.
pub const LAST: u64 = 1 << 40;

/// How many messages each life of the server has to answer.
const LOAD: u64 = 10;

/// What everybody shares.
pub struct Scene {
    /// Where the server listens, whenever it runs.
    pub address: SocketAddr,
    /// How much there is of everything.
    pub size: Size,
    /// What was seen.
    pub record: Record,
    /// Whether nothing more is begun.
    pub is_over: AtomicBool,
    /// Messages that were answered.
    answered: AtomicU64,
    /// State changes that were answered.
    changes: AtomicU64,
    /// Calls under a key that had been carried out before they were answered.
    replayed: AtomicU64,
    /// How many clients have been connected.
    pub connected: AtomicUsize,
    /// How many official clients applications have made.
    pub made: AtomicUsize,
}

impl Scene {
    /// Nothing has happened.
    pub fn new(address: SocketAddr, size: Size) -> Self {
        let (record, is_over, answered, changes, replayed) = Default::default();
        let (connected, made) = Default::default();
        Self { address, size, record, is_over, answered, changes, replayed, connected, made }
    }

    /// Waits until everybody has begun.
    pub fn await_all(&self) {
        let all = self.size.connections();
        eventually("all have begun", || self.connected.load(Ordering::SeqCst) >= all);
    }
}

/// An address that a server can take again and again: nobody else listens there, and what connects is given none of it.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.4:0").unwrap().local_addr().unwrap()
}

/// Starts the server of a folder where it was before.
pub fn start(folder: &Path, address: SocketAddr) -> Process {
    Process::start(folder, &[("WARREN_LISTEN", &address.to_string())])
}

/// Makes the channels, and a token for each client that has one; it is subscribed to what its client hears.
pub fn prepare(process: &Process, size: &Size) -> Vec<Option<String>> {
    let mut http = process.http();
    for channel in size.channels() {
        let capabilities = if size::is_kept(&channel) { vec!["HISTORY"] } else { vec![] };
        let body = json!({"type": "unprotected", "state": {}, "capabilities": capabilities});
        http.data("PUT", &format!("/v1/channels/{channel}"), &body.to_string()).unwrap();
    }
    let mut token = |client| {
        let body = json!({"channels": size.heard_by(client)}).to_string();
        let made = http.data("POST", "/v1/channels/tokens", &body).unwrap();
        made["token"]["id"].as_str().unwrap().to_owned()
    };
    size.clients().map(|client| size.has_token(client).then(|| token(client))).collect()
}

/// Notes of all official clients and all that they hear that nothing is owed now, or everything.
pub fn note_of_officials(scene: &Scene, note: impl Fn(ClientId, String) -> Note) {
    let is_official = |client: &ClientId| scene.size.kind(*client).is_official();
    for client in scene.size.clients().filter(is_official) {
        for channel in scene.size.heard_by(client) {
            scene.record.note(note(client, channel));
        }
    }
}

/// Lets a server run for so long, and until it has done so much more: a busy machine's may have done nothing by then.
pub fn let_run(time: Duration, more: u64, done: impl Fn() -> u64) {
    let upto = done() + more;
    // What it is doing when it is killed is decided by nothing else.
    thread::sleep(time);
    eventually("there is load", || done() > upto);
}

/// Kills the server again and again, ends the load in order, and leaves the last server running.
fn torment(
    scene: &Scene,
    folder: &Path,
    mut process: Process,
    (mut dice, lives): (Dice, &watch::Sender<u64>),
    publishers: Publishers<'_>,
) -> Process {
    let end = EndOfLoad(&scene.is_over);
    for _ in 0..scene.size.kills {
        let answered = || scene.answered.load(Ordering::SeqCst);
        let_run(Duration::from_millis(150 + dice.below(500)), LOAD, answered);
        // What a server had on its way to an official client when it was killed is promised to nobody...
        note_of_officials(scene, |client, channel| Note::Left { client, channel });
        process.kill();
        lives.send_modify(|lives| *lives += 1);
        process = start(folder, scene.address);
        // ... and what is said since the next one has started, to everybody, whenever they come back.
        note_of_officials(scene, |client, channel| Note::Hears { client, channel });
    }
    // What was lost in the last kill is followed by something.
    thread::sleep(Duration::from_millis(300));
    publishers.end(scene, end, process.http());
    process
}

/// Runs everybody until the last message was heard; returns the server that runs then.
fn run(scene: &Scene, folder: &Path, process: Process, tokens: &[Option<String>]) -> Process {
    let mut dice = Dice::new();
    let (lives, lives_seen) = watch::channel(0);
    thread::scope(|threads| {
        hearers::spawn(threads, scene, tokens, lives_seen, dice.fork(0));
        scene.await_all();
        let publishers = Publishers::spawn(threads, scene, &mut dice);
        for by in 0..size::WRITERS {
            let dice = dice.fork(by);
            threads.spawn(move || load::change(scene, by, dice));
        }
        torment(scene, folder, process, (dice, &lives), publishers)
    })
}

#[test]
fn what_is_killed_again_and_again_under_load_loses_nothing_untold_and_says_nothing_twice() {
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let process = start(folder.path(), address);
    let size = Size::new();
    let tokens = prepare(&process, &size);
    let scene = Scene::new(address, size);
    let process = run(&scene, folder.path(), process, &tokens);
    let findings = scene.record.check(|client| {
        let is_official = scene.size.kind(client).is_official();
        if is_official { Promise::AtLeastOnce } else { Promise::ExactlyOnce }
    });
    let replayed = scene.replayed.load(Ordering::SeqCst);
    println!("{:?}: {}; {replayed} answers repeated", scene.size, findings.figures());
    assert!(findings.is_clean(), "{findings:?}");
    let kills = usize::try_from(scene.size.kills).unwrap();
    let load = kills * usize::try_from(LOAD).unwrap();
    assert!(findings.answered > load && findings.heard > findings.answered, "little load");
    check_gaps(&scene.size, &findings);
    check_states(&scene, &process);
    process.assert_well();
}

/// Of what is kept nobody was told that anything is gone; of what is not, everybody who goes on by itself was.
fn check_gaps(size: &Size, findings: &Findings) {
    let (kept, others): (Vec<_>, Vec<_>) =
        findings.told.keys().partition(|(channel, _)| size::is_kept(channel));
    assert!(kept.is_empty(), "gaps of what is kept: {kept:?}");
    for client in size.clients().filter(|client| size.kind(*client) == Kind::Own) {
        assert!(others.iter().any(|(_, told)| *told == client), "client {client}: {others:?}");
    }
}

/// Every change that was answered is there, and none twice.
fn check_states(scene: &Scene, process: &Process) {
    let mut http = process.http();
    let mut version = |channel: &String| {
        let data = http.data("GET", &format!("/v1/channels/{channel}/state"), "").unwrap();
        data["version"].as_u64().unwrap() - 1
    };
    let made: u64 = scene.size.channels().iter().map(&mut version).sum();
    let answered = scene.changes.load(Ordering::SeqCst);
    println!("{answered} changes answered");
    assert_eq!(made, answered, "changes, each under a key");
    assert!(answered > 20);
}

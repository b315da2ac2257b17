//! Many writers on one channel: no change is lost, and every subscriber sees each of them once, in one order.
//!
//! Each patcher counts in a key of its own, so the sum of a state's counters tells how many changes it holds, whatever
//! their order was: a state that follows another must differ in one counter, by one.

use crate::socket::{Http, Socket};
use crate::support::{OWNER, Server};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Threads that patch at a time.
const PATCHERS: u64 = 64;
/// What each of them does.
const PATCHES: u64 = 100;
/// Those who watch: half from the beginning, half from somewhere in the middle.
const SUBSCRIBERS: u64 = 8;
/// The path of the state.
const STATE: &str = "/v1/channels/board/state";

/// Patches so often, one after the other, while told to; returns the versions that were answered.
fn patch(address: SocketAddr, patcher: u64, times: u64, goes_on: &AtomicBool) -> Vec<u64> {
    let mut http = Http::connect(address).unwrap();
    let mut versions = Vec::new();
    for n in 1..=times {
        if !goes_on.load(Ordering::Relaxed) {
            break;
        }
        let change = json!({format!("p{patcher}"): n}).to_string();
        let data = http.data("PATCH", STATE, &change).unwrap();
        assert_eq!(data["state"][format!("p{patcher}")], n, "the answer holds the change");
        versions.push(data["version"].as_u64().unwrap());
    }
    assert!(versions.is_sorted_by(|one, next| one < next), "{versions:?}");
    versions
}

/// A subscriber's view: a state, and which patcher's change came after which.
#[derive(Default)]
struct View {
    /// The last state; none before the first.
    state: Option<Value>,
    /// How many changes it holds.
    changes: u64,
    /// The key that each change seen as such touched, oldest first.
    order: Vec<String>,
}

impl View {
    /// Takes a whole state, which must be the one that is known already, if one is.
    fn on_snapshot(&mut self, state: &Value) {
        if let Some(known) = &self.state {
            assert_eq!(known, state, "a snapshot between two updates is the last update");
        }
        self.changes = sum(state);
        self.state = Some(state.clone());
    }

    /// Takes the next state, which must be one change further.
    fn on_update(&mut self, state: &Value) {
        let known = self.state.as_ref().expect("no update before a snapshot");
        let changed =
            state.as_object().unwrap().iter().filter(|(key, value)| known[key] != **value);
        let changed: Vec<_> = changed.collect();
        assert_eq!(changed.len(), 1, "not one change further: {changed:?} after {}", self.changes);
        let (key, value) = changed[0];
        let before = known[key].as_u64().unwrap_or(0);
        assert_eq!(value.as_u64(), Some(before + 1), "{key} after {before}");
        self.order.push(key.clone());
        self.changes += 1;
        assert_eq!(sum(state), self.changes, "nothing else changed");
        self.state = Some(state.clone());
    }

    /// Takes a dispatch about the channel.
    fn take(&mut self, dispatch: &Value) {
        assert_eq!(dispatch["c"], "board", "{dispatch}");
        match dispatch["e"].as_str() {
            Some("AVAILABLE") => self.on_snapshot(&dispatch["d"]["channel"]["state"]),
            Some("STATE_UPDATE") => self.on_update(&dispatch["d"]["state"]),
            _ => panic!("{dispatch}"),
        }
    }

    /// Reads what comes after an unsubscribe: updates that were on their way, then a snapshot, which may be later.
    fn read_to_snapshot(&mut self, socket: &mut Socket) {
        loop {
            let dispatch = socket.next();
            if dispatch["e"] == "AVAILABLE" {
                let before = self.changes;
                *self = Self::default();
                self.take(&dispatch);
                assert!(self.changes >= before, "back in time");
                return;
            }
            self.take(&dispatch);
        }
    }

    /// Reads until so many changes are held.
    fn read_to(&mut self, socket: &mut Socket, changes: u64) {
        while self.changes < changes {
            self.take(&socket.next());
        }
    }
}

/// How many changes a state holds.
fn sum(state: &Value) -> u64 {
    state.as_object().unwrap().values().map(|value| value.as_u64().unwrap()).sum()
}

/// A server with the channel.
fn server() -> Server {
    let server = Server::start();
    server.data("PUT", "/v1/channels/board", r#"{"type":"unprotected"}"#);
    server
}

/// Joins after so many changes and watches to the end; returns how many were there already, and the order after.
fn watch(address: SocketAddr, after: u64) -> (u64, Vec<String>) {
    let mut http = Http::connect(address).unwrap();
    while sum(&http.data("GET", STATE, "").unwrap()["state"]) < after {}
    let (mut socket, _) = Socket::enter(address, None);
    let mut view = View::default();
    view.on_snapshot(&socket.subscribe("board")["state"]);
    let joined = view.changes;
    view.read_to(&mut socket, PATCHERS * PATCHES);
    (joined, view.order)
}

#[test]
fn sixty_four_patchers_lose_nothing_and_everybody_sees_one_order() {
    let server = server();
    let (address, go) = (server.address, AtomicBool::new(true));
    let (versions, views) = thread::scope(|scope| {
        let early = (0..SUBSCRIBERS / 2).map(|_| scope.spawn(move || watch(address, 0)));
        let early: Vec<_> = early.collect();
        let late = (1..=SUBSCRIBERS / 2).map(|n| {
            let after = PATCHERS * PATCHES * n / (SUBSCRIBERS / 2 + 1);
            scope.spawn(move || watch(address, after))
        });
        let late: Vec<_> = late.collect();
        let go = &go;
        let patchers = (0..PATCHERS).map(|n| scope.spawn(move || patch(address, n, PATCHES, go)));
        let patchers: Vec<_> = patchers.collect();
        let versions: Vec<u64> = patchers.into_iter().flat_map(|p| p.join().unwrap()).collect();
        let views = early.into_iter().chain(late).map(|watcher| watcher.join().unwrap());
        (versions, views.collect::<Vec<_>>())
    });
    let all = PATCHERS * PATCHES;
    let distinct: HashSet<_> = versions.iter().copied().collect();
    assert_eq!(distinct, (2..=all + 1).collect(), "each version from 2 on, and no other");
    assert_eq!(versions.len(), distinct.len(), "no version twice");
    let data = server.data("GET", STATE, "");
    assert_eq!(data["version"], all + 1);
    let counters = (0..PATCHERS).map(|n| (format!("p{n}"), json!(PATCHES)));
    assert_eq!(data["state"], Value::Object(counters.collect()));
    let order = &views.iter().max_by_key(|(_, order)| order.len()).unwrap().1;
    for (joined, seen) in &views {
        assert_eq!(
            u64::try_from(seen.len()).unwrap(),
            all - joined,
            "one update for each change after joining"
        );
        assert!(order.ends_with(seen), "one order for all");
    }
    let late_ones = usize::try_from(SUBSCRIBERS / 2).unwrap();
    let midway = views.iter().filter(|(joined, _)| *joined > 0).count();
    assert!(midway >= late_ones, "only {midway} joined midway");
    let joined: Vec<_> = views.iter().map(|(joined, _)| *joined).collect();
    println!("{all} patches, versions 2..={}; subscribers joined at {joined:?}", all + 1);
    server.assert_well();
}

/// Runs a closure while four patchers write.
fn while_patched(address: SocketAddr, watch: impl FnOnce()) -> usize {
    let goes_on = AtomicBool::new(true);
    thread::scope(|scope| {
        let go = &goes_on;
        let patchers = (0..4).map(|n| scope.spawn(move || patch(address, n, u64::MAX, go).len()));
        let patchers: Vec<_> = patchers.collect();
        // The patchers end also when this panics, or the scope would wait for them for ever.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(watch));
        goes_on.store(false, Ordering::Relaxed);
        let written = patchers.into_iter().map(|patcher| patcher.join().unwrap()).sum();
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written
    })
}

#[test]
fn subscribing_again_and_again_leaves_no_gap() {
    let server = server();
    let address = server.address;
    let mut rounds = 0;
    let written = while_patched(address, || {
        let (mut socket, _) = Socket::enter(address, None);
        let mut view = View::default();
        for round in 0..150 {
            if round % 2 == 0 {
                (socket, _) = Socket::enter(address, None);
                view = View::default();
                view.on_snapshot(&socket.subscribe("board")["state"]);
            } else {
                // On the same connection: what is on its way still comes, then the snapshot starts anew.
                socket.dispatch("UNSUBSCRIBE", "board", &Value::Null);
                socket.dispatch("SUBSCRIBE", "board", &Value::Null);
                view.read_to_snapshot(&mut socket);
            }
            view.read_to(&mut socket, view.changes + 3);
            // Once more while subscribed: the snapshot must fit between two updates.
            socket.dispatch("SUBSCRIBE", "board", &Value::Null);
            loop {
                let dispatch = socket.next();
                view.take(&dispatch);
                if dispatch["e"] == "AVAILABLE" {
                    break;
                }
            }
            view.read_to(&mut socket, view.changes + 3);
            rounds += 1;
        }
    });
    println!("{rounds} rounds of two subscribes, {written} patches meanwhile");
    server.assert_well();
}

#[test]
fn init_of_a_permanent_subscription_leaves_no_gap() {
    let server = server();
    let (address, token) = (server.address, server.new_leap_token());
    server.done("PUT", &format!("/v1/channels/board/subscribers/{token}"), "");
    let written = while_patched(address, || {
        // A second connection of the same token stays, so that both ways into a session are taken.
        let mut stays: Option<(Socket, View)> = None;
        for round in 0..200 {
            let (mut socket, init) = Socket::enter(address, Some(&token));
            let channels = init["channels"].as_array().unwrap();
            assert_eq!(channels.len(), 1, "{init}");
            let mut view = View::default();
            view.on_snapshot(&channels[0]["state"]);
            view.read_to(&mut socket, view.changes + 3);
            if let Some((socket, other)) = &mut stays {
                other.read_to(socket, view.changes);
            }
            if round % 20 == 10 {
                stays = Some((socket, view));
            }
        }
    });
    println!("200 INITs, {written} patches meanwhile");
    server.assert_well();
}

/// Counts how often a connection of its own is answered while something is done.
fn beats_while<T>(address: SocketAddr, what: impl FnOnce() -> T) -> (u64, T) {
    let goes_on = AtomicBool::new(true);
    thread::scope(|scope| {
        let (mut bystander, _) = Socket::enter(address, None);
        let goes_on = &goes_on;
        let beating = scope.spawn(move || {
            let mut beats = 0;
            while goes_on.load(Ordering::Relaxed) {
                bystander.beat();
                beats += 1;
            }
            beats
        });
        let done = what();
        goes_on.store(false, Ordering::Relaxed);
        (beating.join().unwrap(), done)
    })
}

/// So many operations that each take the first of many members out of an object.
fn removals(count: usize) -> String {
    let operation = |n| json!({"op": "remove", "path": format!("/k{n}")});
    Value::from((0..count).map(operation).collect::<Vec<_>>()).to_string()
}

/// The state that those take long with.
fn members(count: usize) -> String {
    Value::Object((0..count).map(|n| (format!("k{n}"), json!(0))).collect()).to_string()
}

#[test]
fn a_long_patch_holds_up_neither_its_worker_nor_its_channels_messages() {
    const MEMBERS: usize = 30_000;
    const REMOVED: usize = 1_900;
    let server = Server::start_with(&[("WARREN_WORKERS", "1")]);
    server.data("PUT", "/v1/channels/board", r#"{"type":"unprotected"}"#);
    server.data("PUT", STATE, &members(MEMBERS));
    let (mut subscriber, _) = Socket::enter(server.address, None);
    subscriber.subscribe("board");
    let is_patched = AtomicBool::new(false);
    let headers = [("Authorization", OWNER), ("Content-Type", "application/json-patch+json")];
    let (beats, version) = beats_while(server.address, || {
        thread::scope(|scope| {
            let patched = scope.spawn(|| {
                let operations = removals(REMOVED);
                let answer = server.request("PATCH", STATE, &headers, operations.as_bytes());
                is_patched.store(true, Ordering::Relaxed);
                assert_eq!(answer.status, 200, "{}", answer.text());
                answer.data()["version"].clone()
            });
            while !is_patched.load(Ordering::Relaxed) {
                server.done("POST", "/v1/channels/board/messages", r#"{"e":"MEANWHILE"}"#);
            }
            patched.join().unwrap()
        })
    });
    assert_eq!(version, 3);
    let mut before = 0;
    let update = loop {
        let next = subscriber.next();
        if next["e"] != "MESSAGE" {
            break next;
        }
        before += 1;
    };
    let state = update["d"]["state"].as_object().unwrap();
    assert_eq!(state.len(), MEMBERS - REMOVED);
    assert!(state.keys().is_sorted_by_key(|key| key[1..].parse::<usize>().unwrap()));
    // On the worker's own thread, one or the other would have come between.
    assert!(beats > 20, "{beats} heartbeats were answered during the patch");
    assert!(before > 20, "{before} messages went out before it");
    server.assert_well();
}

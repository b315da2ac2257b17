//! What was answered survives a kill at any moment, whole.
//!
//! Writers count: writer `w` writes its counter `n` to the keys `aw` and `bw` in one change, and no change but its own
//! touches them. So what is stored tells which changes it holds, and a channel's version, which rises by one with each,
//! must be one more than the sum of all its counters: no change lost, none twice, none half.

use crate::socket::{Dice, Http, Process, Socket};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Threads that write.
const WRITERS: u64 = 8;
/// Channels that all writers patch; besides, each writer has one that it replaces.
const SHARED: u64 = 3;

/// What is known of one channel.
#[derive(Debug, Default)]
struct Known {
    /// The highest counter of each writer that was answered or shown.
    counters: HashMap<u64, u64>,
    /// All versions that were answered.
    versions: HashSet<u64>,
    /// The highest of them.
    highest: u64,
}

/// What is known of all channels: the model that the store must agree with.
#[derive(Debug, Default)]
struct Model {
    /// By name.
    channels: Mutex<HashMap<String, Known>>,
}

impl Model {
    /// A change was answered.
    fn acknowledge(&self, channel: &str, writer: u64, counter: u64, version: u64) {
        let mut channels = self.channels.lock().unwrap();
        let known = channels.entry(channel.to_owned()).or_default();
        assert!(known.versions.insert(version), "{channel}: version {version} was answered twice");
        known.highest = known.highest.max(version);
        let seen = known.counters.entry(writer).or_default();
        *seen = counter.max(*seen);
    }

    /// A subscriber saw a state: it was durable then.
    fn show(&self, channel: &str, state: &Value) {
        let mut channels = self.channels.lock().unwrap();
        let known = channels.entry(channel.to_owned()).or_default();
        for (writer, counter) in counters(channel, state) {
            let seen = known.counters.entry(writer).or_default();
            *seen = counter.max(*seen);
        }
    }

    /// Asserts that a stored channel has everything that is known of it, and nothing by halves.
    fn check(&self, channel: &str, data: &Value) {
        let version = data["version"].as_u64().unwrap();
        let stored: HashMap<_, _> = counters(channel, &data["state"]).into_iter().collect();
        let channels = self.channels.lock().unwrap();
        if let Some(known) = channels.get(channel) {
            for (writer, counter) in &known.counters {
                let kept = stored.get(writer).copied().unwrap_or(0);
                assert!(kept >= *counter, "{channel}: writer {writer} lost {counter}, has {kept}");
            }
            assert!(version >= known.highest, "{channel}: {version} < {}", known.highest);
        }
        let changes = stored.values().sum::<u64>();
        assert_eq!(version, changes + 1, "{channel}: {data}");
    }

    /// How many changes were answered.
    fn acknowledged(&self) -> usize {
        self.channels.lock().unwrap().values().map(|known| known.versions.len()).sum()
    }
}

/// The counters in a state, by writer; asserts that each is there twice or not at all.
fn counters(channel: &str, state: &Value) -> Vec<(u64, u64)> {
    let state = state.as_object().unwrap();
    let first = state.iter().filter_map(|(key, value)| Some((key.strip_prefix('a')?, value)));
    let pairs = first.map(|(writer, value)| {
        assert_eq!(Some(value), state.get(&format!("b{writer}")), "{channel} is torn: {state:?}");
        (writer.parse().unwrap(), value.as_u64().unwrap())
    });
    let pairs: Vec<_> = pairs.collect();
    assert_eq!(state.len(), 2 * pairs.len(), "{channel} is torn: {state:?}");
    pairs
}

/// All channels: the shared ones, then the writers' own.
fn channels() -> Vec<String> {
    let shared = (0..SHARED).map(|n| format!("shared-{n}"));
    shared.chain((0..WRITERS).map(|n| format!("own-{n}"))).collect()
}

/// Writes until the server has gone. The counters go on from what is stored.
fn write(address: SocketAddr, writer: u64, mut dice: Dice, model: &Model) {
    let Ok(mut http) = Http::connect(address) else { return };
    let mut next = HashMap::new();
    loop {
        let shared = dice.below(SHARED * 2);
        let (method, channel) = if shared < SHARED {
            ("PATCH", format!("shared-{shared}"))
        } else {
            ("PUT", format!("own-{writer}"))
        };
        let path = format!("/v1/channels/{channel}/state");
        if !next.contains_key(&channel) {
            let Ok(data) = http.data("GET", &path, "") else { return };
            let stored = counters(&channel, &data["state"]).into_iter();
            let own = stored.filter(|(of, _)| *of == writer).map(|(_, counter)| counter).next();
            next.insert(channel.clone(), own.unwrap_or(0) + 1);
        }
        let counter = next[&channel];
        let mut change = Map::new();
        for key in ['a', 'b'] {
            change.insert(format!("{key}{writer}"), json!(counter));
        }
        let Ok(data) = http.data(method, &path, &Value::Object(change).to_string()) else { return };
        model.acknowledge(&channel, writer, counter, data["version"].as_u64().unwrap());
        next.insert(channel, counter + 1);
    }
}

/// Watches the shared channels until the server has gone; returns how many changes it saw.
fn watch(address: SocketAddr, model: &Model) -> usize {
    let (mut socket, _) = Socket::enter(address, None);
    for n in 0..SHARED {
        socket.dispatch("SUBSCRIBE", &format!("shared-{n}"), &Value::Null);
    }
    let mut seen = 0;
    while let Ok(dispatch) = socket.try_next() {
        let channel = dispatch["c"].as_str().unwrap();
        match dispatch["e"].as_str() {
            Some("AVAILABLE") => model.show(channel, &dispatch["d"]["channel"]["state"]),
            Some("STATE_UPDATE") => model.show(channel, &dispatch["d"]["state"]),
            _ => panic!("{dispatch}"),
        }
        seen += 1;
    }
    seen
}

/// Lets writers and a watcher loose on a server and kills it at some moment; returns what the watcher saw.
fn cycle(server: Process, dice: &mut Dice, model: &Model) -> usize {
    let address = server.address;
    thread::scope(|scope| {
        let watcher = scope.spawn(move || watch(address, model));
        for writer in 0..WRITERS {
            let dice = dice.fork(writer);
            scope.spawn(move || write(address, writer, dice, model));
        }
        // Not to wait for something, but to kill at any moment.
        thread::sleep(Duration::from_millis(50 + dice.below(350)));
        server.kill();
        watcher.join().unwrap()
    })
}

#[test]
fn what_was_answered_or_shown_survives_every_kill_whole() {
    let cycles = std::env::var("WARREN_CRASH_CYCLES").map_or(50, |text| text.parse().unwrap());
    let (folder, mut dice, model) = (tempfile::tempdir().unwrap(), Dice::new(), Model::default());
    let mut server = Process::start(folder.path(), &[]);
    for channel in channels() {
        let body = r#"{"type":"unprotected"}"#;
        server.http().data("PUT", &format!("/v1/channels/{channel}"), body).unwrap();
    }
    let mut seen = 0;
    for _ in 0..cycles {
        seen += cycle(server, &mut dice, &model);
        server = Process::start(folder.path(), &[]);
        let mut http = server.http();
        for channel in channels() {
            let path = format!("/v1/channels/{channel}/state");
            model.check(&channel, &http.data("GET", &path, "").unwrap());
        }
    }
    server.assert_well();
    server.kill();
    assert_eq!(integrity(&folder), "ok");
    let acknowledged = model.acknowledged();
    assert!(acknowledged > 10 * cycles && seen > 2 * cycles, "{acknowledged} writes, {seen} seen");
    println!(
        "{cycles} kills under {WRITERS} writers: {acknowledged} acknowledged writes, {seen} seen by a subscriber; \
         0 lost, 0 torn, every version the sum of its changes"
    );
}

#[test]
fn the_model_notices_what_is_planted() {
    let is_noticed = |version: u64, state: Value| {
        let model = Model::default();
        model.acknowledge("c", 1, 3, 4);
        model.acknowledge("c", 1, 4, 6);
        model.show("c", &json!({"a1": 4, "b1": 4, "a2": 1, "b2": 1}));
        let stored = json!({"version": version, "state": state});
        catch_unwind(AssertUnwindSafe(|| model.check("c", &stored))).is_err()
    };
    let whole = json!({"a1": 4, "b1": 4, "a2": 1, "b2": 1});
    assert!(!is_noticed(6, whole.clone()), "nothing is wrong");
    assert!(is_noticed(5, whole), "a version that went back");
    assert!(is_noticed(5, json!({"a1": 3, "b1": 3, "a2": 1, "b2": 1})), "an answered write lost");
    assert!(is_noticed(6, json!({"a1": 5, "b1": 5})), "a shown write lost");
    assert!(is_noticed(6, json!({"a1": 4, "b1": 3, "a2": 1, "b2": 1})), "torn");
    assert!(is_noticed(6, json!({"a1": 4, "b1": 4, "a2": 1})), "half of it missing");
    assert!(
        is_noticed(7, json!({"a1": 4, "b1": 4, "a2": 1, "b2": 1})),
        "a version without a change"
    );
    let model = Model::default();
    model.acknowledge("c", 1, 1, 2);
    let twice = catch_unwind(AssertUnwindSafe(|| model.acknowledge("c", 2, 1, 2)));
    assert!(twice.is_err(), "one version for two changes");
}

/// What the database's library says of the database's pages and indexes. A PostgreSQL was not killed with the server.
fn integrity(folder: &TempDir) -> String {
    use diesel::prelude::*;
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        integrity_check: String,
    }
    if crate::support::database::setting(folder.path()).is_some() {
        return "ok".to_owned();
    }
    let path = folder.path().join("data/warren.db");
    let mut database = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let rows = diesel::sql_query("PRAGMA integrity_check").load::<Row>(&mut database).unwrap();
    rows.into_iter().map(|row| row.integrity_check).collect::<Vec<_>>().join("; ")
}

#[test]
fn permanent_subscriptions_are_back_after_a_kill_and_ephemeral_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let mut http = server.http();
    for (channel, kind) in [("asked", "public"), ("given", "private"), ("passing", "public")] {
        let body = json!({"type": kind, "state": {"of": channel}}).to_string();
        http.data("PUT", &format!("/v1/channels/{channel}"), &body).unwrap();
    }
    let made = http.data("POST", "/v1/channels/tokens", r#"{"state":{"id":7}}"#).unwrap();
    let token = made["token"]["id"].as_str().unwrap();
    let (mut socket, _) = Socket::enter(server.address, Some(token));
    socket.dispatch("SUBSCRIBE", "passing", &json!({"ephemeral": true}));
    assert_eq!(socket.expect("AVAILABLE")["c"], "passing");
    http.data("PUT", &format!("/v1/channels/given/subscribers/{token}"), "").unwrap();
    assert_eq!(socket.expect("AVAILABLE")["c"], "given");
    socket.subscribe("asked");
    server.kill();
    let server = Process::start(folder.path(), &[]);
    let (mut socket, init) = Socket::enter(server.address, Some(token));
    assert_eq!((&init["metadata"], &init["connection_count"]), (&json!({"id": 7}), &json!(1)));
    let channels: Vec<_> = init["channels"].as_array().unwrap().iter().collect();
    let names: HashSet<_> =
        channels.iter().map(|channel| channel["id"].as_str().unwrap()).collect();
    assert_eq!(names, HashSet::from(["asked", "given"]), "{init}");
    assert!(channels.iter().all(|channel| channel["state"]["of"] == channel["id"]), "{init}");
    let mut http = server.http();
    for channel in ["passing", "given"] {
        let path = format!("/v1/channels/{channel}/messages");
        http.data("POST", &path, r#"{"e":"NEWS","d":null}"#).unwrap();
    }
    // `passing` came first and would have been heard first.
    assert_eq!(socket.expect("MESSAGE")["c"], "given");
    server.assert_well();
}

#[test]
fn a_second_server_on_the_same_data_refuses_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let second = Process::run_to_end(folder.path(), &[]);
    let (out, err) =
        (String::from_utf8_lossy(&second.stdout), String::from_utf8_lossy(&second.stderr));
    assert_eq!(second.status.code(), Some(1), "{out}{err}");
    assert!((out + &*err).contains("another server is using the data folder"), "{err}");
    assert!(!String::from_utf8_lossy(&second.stdout).contains("ready"));
    server.assert_well();
    server.kill();
    // A killed server leaves no lock behind.
    Process::start(folder.path(), &[]).assert_well();
}

/// A token that is subscribed to these channels.
fn token_of(http: &mut Http, channels: &[&str]) -> String {
    let body = json!({"channels": channels}).to_string();
    let made = http.data("POST", "/v1/channels/tokens", &body).unwrap();
    made["token"]["id"].as_str().unwrap().to_owned()
}

/// Publishes these numbers to a channel.
fn publish(http: &mut Http, channel: &str, numbers: Range<u64>) {
    for number in numbers {
        let body = json!({"e": "n", "d": number}).to_string();
        http.call("POST", &format!("/v1/channels/{channel}/messages"), &body).unwrap();
    }
}

/// Reads the messages of these channels with these numbers; of each channel in this order.
fn hear(socket: &mut Socket, mut expected: HashMap<&str, Range<u64>>) {
    while expected.values().any(|numbers| !numbers.is_empty()) {
        let message = socket.expect("MESSAGE");
        let numbers = expected.get_mut(message["c"].as_str().unwrap());
        let next = numbers.and_then(Iterator::next).map(Value::from);
        assert_eq!(next.as_ref(), Some(&message["d"]["d"]), "{message}");
    }
}

#[test]
fn who_comes_back_to_a_server_that_was_restarted_gets_what_was_said_since_the_start() {
    const COUNT: u64 = 20;
    for signal in ["KILL", "TERM"] {
        let folder = TempDir::new().unwrap();
        let server = Process::start(folder.path(), &[]);
        let mut http = server.http();
        for channel in ["a", "b", "late"] {
            http.data("PUT", &format!("/v1/channels/{channel}"), r#"{"type":"public"}"#).unwrap();
        }
        let tokens: Vec<_> = (0..4).map(|_| token_of(&mut http, &["a", "b"])).collect();
        let mut sockets = Vec::new();
        for token in &tokens {
            let (socket, init) = Socket::enter(server.address, Some(token));
            assert!(init.get("missed").is_none(), "{init}");
            sockets.push(socket);
        }
        publish(&mut http, "a", 0..COUNT);
        server.signal(signal);
        if signal == "TERM" {
            // It is heard to the end.
            for socket in &mut sockets {
                socket.close_frame();
            }
        }
        drop(sockets);
        server.wait();

        let server = Process::start(folder.path(), &[]);
        let mut http = server.http();
        let fresh = token_of(&mut http, &["a"]);
        publish(&mut http, "a", COUNT..2 * COUNT);
        publish(&mut http, "late", 0..COUNT);
        let path = format!("/v1/channels/late/subscribers/{}", tokens[0]);
        http.call("PUT", &path, "").unwrap();
        for (token, n) in tokens.iter().zip((0..).step_by(2)) {
            let (mut socket, init) = Socket::enter(server.address, Some(token));
            // What it had not heard before a kill, nobody knows.
            let missed = (signal == "KILL").then_some(&Value::Null);
            assert_eq!(init.get("missed"), missed, "{signal}: {init}");
            hear(&mut socket, HashMap::from([("a", COUNT..2 * COUNT), ("b", 0..n)]));
            publish(&mut http, "b", n..n + 1);
            hear(&mut socket, HashMap::from([("b", n..n + 1)]));
            // It has shown that it is there: nothing of this comes again.
            socket.beat_past_all();
            drop(socket);
            let path = format!("/v1/channels/tokens/{token}");
            crate::scene::eventually("it has gone", || {
                server.http().data("GET", &path, "").unwrap()["token"]["is_online"] == false
            });
            publish(&mut http, "b", n + 1..n + 2);
            let (mut socket, init) = Socket::enter(server.address, Some(token));
            assert!(init.get("missed").is_none(), "{init}");
            hear(&mut socket, HashMap::from([("b", n + 1..n + 2)]));
        }
        // Who was not there before has missed nothing.
        let (mut socket, init) = Socket::enter(server.address, Some(&fresh));
        assert!(init.get("missed").is_none(), "{init}");
        publish(&mut http, "a", 0..1);
        hear(&mut socket, HashMap::from([("a", 0..1)]));
        server.assert_well();
    }
}

#[test]
fn an_orderly_stop_leaves_to_the_next_start_what_was_not_heard() {
    let folder = TempDir::new().unwrap();
    let server = Process::start(folder.path(), &[]);
    let mut http = server.http();
    http.data("PUT", "/v1/channels/a", r#"{"type":"public"}"#).unwrap();
    let tokens = [(); 3].map(|()| token_of(&mut http, &["a"]));
    let [heard, away, never] = &tokens;
    let (mut socket, _) = Socket::enter(server.address, Some(heard));
    let (gone, _) = Socket::enter(server.address, Some(away));
    drop(gone);
    let path = format!("/v1/channels/tokens/{away}");
    crate::scene::eventually("it has gone", || {
        server.http().data("GET", &path, "").unwrap()["token"]["is_online"] == false
    });
    publish(&mut http, "a", 0..5);
    hear(&mut socket, HashMap::from([("a", 0..5)]));
    socket.beat_past_all();
    server.signal("TERM");
    assert_eq!(socket.expect_close().0, 4010);
    drop(socket);
    assert_eq!(server.wait(), Some(0));

    let server = Process::start(folder.path(), &[]);
    let mut http = server.http();
    publish(&mut http, "a", 5..7);
    let direct = format!("/v1/channels/tokens/{away}/messages");
    http.data("POST", &direct, r#"{"e":"direct"}"#).unwrap();
    // One has heard all, one had five messages to come; of who was not seen since the start before, nobody knows.
    let missed = [(heard, None), (away, Some(json!(5))), (never, Some(Value::Null))];
    for (token, missed) in missed {
        let (mut socket, init) = Socket::enter(server.address, Some(token));
        assert_eq!(init.get("missed"), missed.as_ref(), "{init}");
        if token == away {
            assert_eq!(socket.expect("DIRECT_MESSAGE")["d"]["e"], "direct");
        }
        hear(&mut socket, HashMap::from([("a", 5..7)]));
        socket.beat_past_all();
    }
    server.assert_well();
    // What a stop has left is for the next start alone.
    server.kill();
    let server = Process::start(folder.path(), &[]);
    let (_, init) = Socket::enter(server.address, Some(heard));
    assert_eq!(init.get("missed"), Some(&Value::Null), "{init}");
}

//! Restarts under many clients: who notices, how fast they come back, and how they are sent away.
//!
//! 300 clients and two restarts are part of the test run; environment variables make more of everything (`docs/testing.md`).

mod clients;
mod meter;

use crate::kills::load::Publishers;
use crate::kills::{self, Scene, size};
use crate::record::{EndOfLoad, Findings, Note, Promise};
use crate::scene::eventually;
use crate::socket::{Dice, Http, PATIENCE, Process, Received, Socket, Stopwatch};
use clients::Crowd;
use meter::Meter;
use size::{Size, number};
use socket2::{Domain, Type};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use tokio::sync::watch;

/// How much there is of everything.
fn usual_size() -> Size {
    let many = |name: &str, usual| usize::try_from(number(name, usual)).unwrap();
    let channels = many("DRAIN_CHANNELS", 10);
    Size {
        kills: number("DRAINS", 2),
        publishers: 2,
        pause: number("DRAIN_PAUSE", 25),
        kept: channels,
        each: 1,
        plain: channels,
        each_plain: 1,
        own: many("DRAIN_OWN", 230),
        guests: many("DRAIN_GUESTS", 6),
        officials: many("DRAIN_OFFICIALS", 4),
        impatient: many("DRAIN_IMPATIENT", 60),
    }
}

/// The socket that a service manager would hold: whoever connects while there is no server waits in its queue.
fn held() -> TcpListener {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 5], 0)).into()).unwrap();
    socket.listen(4096).unwrap();
    socket.into()
}

/// A server that is restarted, and those who look on.
struct Stage<'a> {
    /// What everybody shares.
    scene: &'a Scene,
    /// The server's folder.
    folder: &'a Path,
    /// Its listening socket.
    held: &'a TcpListener,
    /// Its settings.
    settings: &'a [(&'a str, &'a str)],
    /// Where it tells how it is.
    meter: &'a Meter,
}

impl Stage<'_> {
    /// Starts the server.
    fn start(&self) -> Process {
        Process::start_on(self.held.try_clone().unwrap(), self.folder, self.settings)
    }

    /// Waits until everybody is connected.
    fn await_all(&self) {
        let all = self.scene.size.connections();
        eventually("all are connected", || self.meter.connections() >= all);
    }

    /// Restarts the server in order, or by killing it; returns how long it took to go, to be there again, and until all were
    /// back.
    fn restart(
        &self,
        process: Process,
        lives: Option<&watch::Sender<u64>>,
    ) -> (Process, [Duration; 3]) {
        let note_of_officials = |note: fn(_, _) -> Note| kills::note_of_officials(self.scene, note);
        if lives.is_some() {
            // What a server had on its way to an official client when it was killed is promised to nobody.
            note_of_officials(|client, channel| Note::Left { client, channel });
        }
        let since = Stopwatch::start();
        match lives {
            Some(lives) => {
                process.kill();
                lives.send_modify(|lives| *lives += 1);
            }
            None => assert_eq!(process.stop("TERM"), Some(0)),
        }
        let gone = since.elapsed();
        let process = self.start();
        let there = since.elapsed();
        if lives.is_some() {
            note_of_officials(|client, channel| Note::Hears { client, channel });
        }
        self.await_all();
        (process, [gone, there, since.elapsed()])
    }

    /// Restarts it again and again under load, ends the load, and leaves the last server running.
    fn restart_all(
        &self,
        mut process: Process,
        lives: &watch::Sender<u64>,
        publishers: Publishers<'_>,
    ) -> Process {
        let end = EndOfLoad(&self.scene.is_over);
        for n in 0..self.scene.size.kills {
            // The load runs; that there was enough of it, the record tells.
            thread::sleep(Duration::from_secs(1));
            let by_kill = (n % 2 == 1).then_some(lives);
            let times;
            (process, times) = self.restart(process, by_kill);
            let way = if by_kill.is_some() { "killed" } else { "stopped" };
            let [gone, there, back] = times.map(|time| time.as_millis());
            println!(
                "{way}: gone after {gone} ms, there again after {there} ms, all back after {back} ms"
            );
        }
        // What was lost in the last restart is followed by something.
        thread::sleep(Duration::from_millis(300));
        publishers.end(self.scene, end, process.http());
        process
    }

    /// Runs everybody until the last message was heard; returns the server that runs then.
    fn run(&self, process: Process, tokens: &[Option<String>]) -> Process {
        let mut dice = Dice::new();
        let (lives, lives_seen) = watch::channel(0);
        let scene = self.scene;
        thread::scope(|threads| {
            Crowd { scene, tokens, lives: lives_seen, dice: dice.fork(0) }.spawn(threads);
            scene.await_all();
            // From here on they are owed everything.
            kills::note_of_officials(scene, |client, channel| Note::Hears { client, channel });
            let publishers = Publishers::spawn(threads, scene, &mut dice);
            let metering = threads.spawn(|| self.meter.watch(&scene.is_over));
            let process = self.restart_all(process, &lives, publishers);
            metering.join().unwrap();
            process
        })
    }
}

#[test]
fn over_restarts_nothing_is_missed_and_they_come_back_at_the_rate() {
    let (folder, held) = (tempfile::tempdir().unwrap(), held());
    let rate = number("DRAIN_RATE", 100);
    let (operator, text) = (kills::free_address(), rate.to_string());
    let operator_text = operator.to_string();
    let seconds = number("DRAIN_SECONDS", 0).to_string();
    let settings = [
        ("WARREN_RECONNECT_RATE", text.as_str()),
        ("WARREN_DRAIN_SECONDS", seconds.as_str()),
        ("WARREN_METRICS_LISTEN", operator_text.as_str()),
        ("WARREN_LIMITS__ADDRESS_UNIDENTIFIED", "0"),
    ];
    let scene = Scene::new(held.local_addr().unwrap(), usual_size());
    let meter = Meter::new(operator);
    let (scene, meter) = (&scene, &meter);
    let stage = Stage { scene, folder: folder.path(), held: &held, settings: &settings, meter };
    let process = stage.start();
    let tokens = kills::prepare(&process, &scene.size);
    let process = stage.run(process, &tokens);
    let findings = scene.record.check(|client| {
        let is_official = scene.size.kind(client).is_official();
        if is_official { Promise::AtLeastOnce } else { Promise::ExactlyOnce }
    });
    let peak = meter.peak();
    println!(
        "{:?}: {}; {peak:.0} came back in a second at the most",
        scene.size,
        findings.figures()
    );
    assert!(findings.is_clean(), "{findings:?}");
    check_gaps(&findings);
    assert!(findings.answered > 100 && findings.heard > findings.answered, "little load");
    assert!(peak <= f64::from(u32::try_from(rate).unwrap()), "{peak} a second");
    // Each crowd was large enough for a rate to bound it.
    assert!(scene.size.connections() > usize::try_from(rate).unwrap() * 2);
    // An official client that is told to go finds its way by itself: its connect waits, and is not refused. One whose server
    // was killed does not notice soon; its application makes another.
    let kills = usize::try_from(scene.size.kills / 2).unwrap();
    assert_eq!(scene.made.load(Ordering::SeqCst), scene.size.officials * (1 + kills));
    process.assert_well();
}

/// Of what is kept nobody was told that anything is gone.
fn check_gaps(findings: &Findings) {
    let kept: Vec<_> = findings.told.keys().filter(|(channel, _)| size::is_kept(channel)).collect();
    assert!(kept.is_empty(), "gaps of what is kept: {kept:?}");
}

/// The reason of a close, as the time that it names, in milliseconds.
fn told(reason: &str) -> u64 {
    let mut words = reason.rsplit(' ');
    let (unit, number) = (words.next().unwrap(), words.next().unwrap());
    number.parse::<u64>().unwrap() * if unit == "s" { 1000 } else { 1 }
}

/// What the health check says is wrong, by its words.
fn reasons(operator: SocketAddr) -> Vec<String> {
    let answer = Http::connect(operator).unwrap().call("GET", "/health/ready", "").unwrap();
    let error = answer.json()["error"].clone();
    let reasons = error["reasons"].as_array().cloned().unwrap_or_default();
    reasons.iter().map(|it| it["reason"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_drain_closes_by_and_by_and_nobody_is_to_come_back_before_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let operator = kills::free_address();
    let text = operator.to_string();
    let settings = [
        ("WARREN_DRAIN_SECONDS", "10"),
        ("WARREN_RECONNECT_RATE", "20"),
        ("WARREN_WORKERS", "2"),
        ("WARREN_METRICS_LISTEN", text.as_str()),
    ];
    let process = Process::start(folder.path(), &settings);
    let mut sockets: Vec<_> = (0..40).map(|_| Socket::enter(process.address, None).0).collect();
    process.signal("TERM");
    eventually("it drains", || reasons(operator) == ["stopping", "draining"]);
    let since = Stopwatch::start();
    let ends: Vec<(Duration, u64)> = thread::scope(|threads| {
        let since = &since;
        let hear = |socket: &mut Socket| loop {
            match socket.receive() {
                Received::Close(4010, reason) => return (since.elapsed(), told(&reason)),
                Received::Text(_) => {}
                other => panic!("{other:?}"),
            }
        };
        let hearing: Vec<_> =
            sockets.iter_mut().map(|it| threads.spawn(move || hear(it))).collect();
        hearing.into_iter().map(|hearing| hearing.join().unwrap()).collect()
    });
    // 40 at 20 a second are closed in 2 s, though there are 10; no more of them in any second than the rate, give or take a step.
    let mut closed: Vec<_> = ends.iter().map(|(at, _)| *at).collect();
    closed.sort_unstable();
    assert!(closed[39] > Duration::from_millis(1500), "{closed:?}");
    assert!(closed[39] < Duration::from_secs(5), "{closed:?}");
    // Each second of the drain has its half.
    let first_half = closed.iter().filter(|at| **at < closed[39] / 2).count();
    assert!((10..=30).contains(&first_half), "{closed:?}");
    // Who waits as long as it is told comes when all have gone, at the rate: all are told 3 s, a step more or less.
    assert!(ends.iter().all(|(_, away)| (2900..=3100).contains(away)), "{ends:?}");
    assert_eq!(process.wait(), Some(0));
}

#[test]
fn all_at_once_they_are_told_times_that_keep_the_rate() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("WARREN_RECONNECT_RATE", "10"), ("WARREN_WORKERS", "2")];
    let process = Process::start(folder.path(), &settings);
    let mut sockets: Vec<_> = (0..20).map(|_| Socket::enter(process.address, None).0).collect();
    assert_eq!(process.stop("TERM"), Some(0));
    let mut away: Vec<_> = sockets.iter_mut().map(|it| told(&it.expect_close().1)).collect();
    away.sort_unstable();
    assert_eq!(away, (0..20).map(|nth| 1000 + nth * 100).collect::<Vec<_>>());
}

#[test]
fn a_drain_sends_clients_to_the_server_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let to = "wss://b.example.com/ws";
    let settings = [("WARREN_DRAIN_SECONDS", "1"), ("WARREN_DRAIN_TO", to)];
    let process = Process::start(folder.path(), &settings);
    let mut sockets: Vec<_> = (0..3).map(|_| Socket::enter(process.address, None).0).collect();
    let mut stranger = Socket::open(process.address);
    assert_eq!(process.stop("TERM"), Some(0));
    for socket in sockets.iter_mut().chain([&mut stranger]) {
        assert_eq!(socket.expect_close(), (4006, to.to_owned()));
    }
}

#[test]
fn a_second_signal_ends_a_drain_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("WARREN_DRAIN_SECONDS", "60"), ("WARREN_RECONNECT_RATE", "1")];
    let process = Process::start(folder.path(), &settings);
    let sockets: Vec<_> = (0..30).map(|_| Socket::enter(process.address, None).0).collect();
    process.signal("TERM");
    process.wait_for_log(" stopping");
    let since = Stopwatch::start();
    process.signal("TERM");
    assert_eq!(process.wait(), Some(1));
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("second signal"), "{log}");
    drop(sockets);
    // Nothing is left of it that would keep the next one from starting.
    Process::start(folder.path(), &[]).assert_well();
}

#[test]
fn with_nobody_connected_a_stop_takes_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let count = usize::try_from(number("STOPS", 12)).unwrap();
    let mut times: Vec<_> = (0..count)
        .map(|_| {
            let process = Process::start(folder.path(), &[]);
            let since = Stopwatch::start();
            assert_eq!(process.stop("TERM"), Some(0));
            since.elapsed()
        })
        .collect();
    times.sort_unstable();
    let (half, most) = (times[count / 2], times[count * 99 / 100]);
    println!("{count} stops: {half:?} half of them, {most:?} at the 99th of a hundred");
    assert!(half < Duration::from_millis(300), "{times:?}");
    // Of a dozen beside other tests the slowest says nothing; of a hundred by themselves it does.
    assert!(count < 100 || most < Duration::from_millis(300), "{times:?}");
}

#[test]
fn after_a_restart_requests_do_not_wait_behind_those_who_come_back() {
    let folder = tempfile::tempdir().unwrap();
    Process::start(folder.path(), &[]).stop("TERM");
    let process = Process::start(folder.path(), &[("WARREN_RECONNECT_RATE", "1")]);
    let address = process.address;
    let (first, _) = Socket::enter(address, None);
    thread::scope(|threads| {
        let second = threads.spawn(move || {
            let since = Stopwatch::start();
            let (socket, _) = Socket::enter(address, None);
            (since.elapsed(), socket)
        });
        let answer = process.http().call("GET", "/v1/channels/hello", "").unwrap();
        assert_eq!(answer.status, 200);
        let (waited, socket) = second.join().unwrap();
        assert!(waited > Duration::from_millis(700) && waited < PATIENCE, "{waited:?}");
        drop((first, socket));
    });
    // Far more than can come in soon: who would wait too long is told to come again.
    let lines = thread::scope(|threads| {
        let come = || Socket::handshake_from([127, 0, 0, 1], address, b"", "");
        let coming: Vec<_> = (0..14).map(|_| threads.spawn(come)).collect();
        coming.into_iter().map(|it| it.join().unwrap()).collect::<Vec<String>>()
    });
    let refused = lines.iter().filter(|line| line.starts_with("HTTP/1.1 503 ")).count();
    assert!((2..=4).contains(&refused), "{lines:?}");
    process.assert_well();
}

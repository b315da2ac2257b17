//! A service manager that holds the listening socket, and is told how the server is (systemd's socket activation and
//! `sd_notify`): this program plays it.

use crate::scene::eventually;
use crate::socket::{Http, PATIENCE, Process, Received, Socket, Stopwatch};
use crate::support::start::program_with;
use std::fs::File;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// A listening socket to hand over.
fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn over_a_restart_nobody_is_refused_and_everybody_is_answered() {
    let (folder, held) = (tempfile::tempdir().unwrap(), listener());
    let address = held.local_addr().unwrap();
    let start = || Process::start_on(held.try_clone().unwrap(), folder.path(), &[]);
    let process = start();
    assert_eq!(process.address, address);
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    // A request for each connection: each falls somewhere into a restart, or beside it.
    let ask = || {
        while !is_over.load(Ordering::SeqCst) {
            let mut http = Http::connect(address).unwrap();
            let answer = http.call("GET", "/v1/channels/hello", "").unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            answered.fetch_add(1, Ordering::SeqCst);
        }
    };
    let process = thread::scope(|scope| {
        let mut process = process;
        let end = crate::record::EndOfLoad(&is_over);
        let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        for _ in 0..4 {
            let before = answered.load(Ordering::SeqCst);
            eventually("some are answered", || answered.load(Ordering::SeqCst) > before + 20);
            assert_eq!(process.stop("TERM"), Some(0));
            process = start();
        }
        drop(end);
        for one in asking {
            one.join().unwrap();
        }
        process
    });
    process.assert_well();
}

#[test]
fn after_a_kill_too_who_connects_waits_and_is_not_refused() {
    let (folder, held) = (tempfile::tempdir().unwrap(), listener());
    let address = held.local_addr().unwrap();
    let start = || Process::start_on(held.try_clone().unwrap(), folder.path(), &[]);
    start().kill();
    let waiting = thread::spawn(move || Socket::enter(address, None));
    let process = start();
    let (socket, _) = waiting.join().unwrap();
    drop(socket);
    process.assert_well();
}

#[test]
fn a_unix_socket_is_handed_over_and_stays_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warren.sock");
    let held = UnixListener::bind(&path).unwrap();
    // Where it is ready by a Unix socket, it names no port: its log tells.
    let mut command = program_with(OwnedFd::from(held.try_clone().unwrap()), folder.path(), &[]);
    command.stderr(File::create(folder.path().join("log")).unwrap());
    let mut child = command.spawn().unwrap();
    let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
    eventually("ready", || log().contains(" ready "));
    assert!(log().contains("handed over"), "{}", log());
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{}", log());
    assert!(path.exists(), "it is not the server's");
}

#[test]
fn what_nobody_can_come_by_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = File::create(folder.path().join("no socket")).unwrap();
    let (pair, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    for (handed, why) in [(OwnedFd::from(file), "no stream socket"), (pair.into(), "not listen")] {
        let command = program_with(handed, folder.path(), &[]);
        let output = Process::run_command_to_end(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("handed over") && said.contains(why), "{said}");
    }
}

/// A service manager that hears what it is told.
struct Manager(UnixDatagram);

impl Manager {
    /// One that listens in a folder.
    fn new(folder: &Path) -> Self {
        let socket = UnixDatagram::bind(folder.join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// The next thing that it is told, its lines; without the signs of life.
    fn told(&self) -> Vec<String> {
        loop {
            let mut bytes = [0; 4096];
            let size = self.0.recv(&mut bytes).unwrap();
            let told = String::from_utf8(bytes[..size].to_vec()).unwrap();
            if told != "WATCHDOG=1\n" {
                return told.lines().map(str::to_owned).collect();
            }
        }
    }
}

#[test]
fn the_service_manager_is_told_of_readiness_reloads_and_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::new(folder.path());
    let path = folder.path().join("notify");
    let settings = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WARREN_DRAIN_SECONDS", "4")];
    let process = Process::start(folder.path(), &settings);
    assert_eq!(manager.told(), ["READY=1", "STATUS=ready"]);
    process.signal("HUP");
    let reloading = manager.told();
    assert_eq!(reloading[0], "RELOADING=1");
    assert!(reloading[1].starts_with("MONOTONIC_USEC="), "{reloading:?}");
    assert_eq!(manager.told()[0], "READY=1");
    let (mut socket, _) = Socket::enter(process.address, None);
    process.signal("TERM");
    let end =
        ["STOPPING=1", "STATUS=stopping: 1 connections to close", "EXTEND_TIMEOUT_USEC=25000000"];
    assert_eq!(manager.told(), end);
    assert!(matches!(socket.receive(), Received::Close(4010, _)));
    assert_eq!(process.wait(), Some(0));
}

#[test]
fn while_all_workers_answer_the_watchdog_hears_it() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::new(folder.path());
    let path = folder.path().join("notify");
    let settings = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "400000")];
    let process = Process::start(folder.path(), &settings);
    let (since, mut signs) = (Stopwatch::start(), 0);
    while signs < 5 {
        let mut bytes = [0; 64];
        let size = manager.0.recv(&mut bytes).unwrap();
        signs += usize::from(&bytes[..size] == b"WATCHDOG=1\n");
    }
    assert!(since.elapsed() < Duration::from_millis(400) * 5, "too seldom: {:?}", since.elapsed());
    assert_eq!(process.stop("TERM"), Some(0));
}

//! Several worker threads: connections are shared out among them, and where a connection lives makes no difference.

use crate::scene::{cid, create, publish};
use crate::socket::{Process, Socket};
use crate::support::Server;
use crate::support::raw;
use serde_json::json;
use std::collections::HashSet;
use std::io::{Read as _, Write as _};

/// A server of three workers.
const THREE: &[(&str, &str)] = &[("WARREN_WORKERS", "3")];

#[test]
fn every_worker_has_connections_and_all_of_them_hear_everything_in_order() {
    let server = Server::start_with(THREE);
    create(&server, "room", "unprotected", &[]);
    let entered = (0..60).map(|_| Socket::enter(server.address, None));
    let (mut sockets, inits): (Vec<_>, Vec<_>) = entered.unzip();
    // A public id begins with the number of its worker.
    let cids: Vec<String> = inits.iter().map(cid).collect();
    let workers: HashSet<_> = cids.iter().map(|cid| cid.split('-').next().unwrap()).collect();
    assert_eq!(workers.len(), 3, "{workers:?}");
    for socket in &mut sockets {
        socket.subscribe("room");
    }
    for n in 0..20 {
        publish(&server, "room", "M", &json!(n));
    }
    for socket in &mut sockets {
        for n in 0..20 {
            assert_eq!(socket.expect("MESSAGE")["d"]["d"], n);
        }
    }
}

#[test]
fn an_address_that_a_server_has_is_not_shared_with_another() {
    let first = Server::start_with(THREE);
    let folder = tempfile::tempdir().unwrap();
    let address = first.address.to_string();
    let settings = [("WARREN_LISTEN", address.as_str()), THREE[0]];
    let second = Process::run_to_end(folder.path(), &settings);
    let log = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{log}");
    assert!(log.contains(&format!("cannot listen on {address}")), "{log}");
    first.assert_well();
}

#[test]
fn who_only_keeps_a_connection_does_not_keep_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), THREE);
    let mut silent: Vec<_> = (0..9).map(|_| raw(process.address)).collect();
    for stream in &mut silent[..3] {
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 16]).unwrap();
    }
    assert_eq!(process.stop("TERM"), Some(0));
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("stopped"), "{log}");
    assert!(!log.contains("connections open"), "{log}");
}

//! How much memory a connection costs the server that only listens, with a session and one subscription of its own:
//! `cargo bench --bench connection_memory -- --connections 2000 --pairs 3`.
//!
//! Client and server each need a file descriptor for every connection: `ulimit -n` bounds how many can be asked for.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the figures are what this program is for, and a panic is how it reports"
)]

mod rig;

use rig::figures::Spread;
use rig::server::Server;
use rig::socket::Socket;
use rig::{data, number};
use std::time::Duration;

/// Connections before the first weighing: what the server needs once, it has then.
const WARM_UP: usize = 100;
/// How long the server may take to come to rest before it is weighed.
const REST: Duration = Duration::from_secs(2);

fn main() {
    let (connections, pairs) = (number("connections", 2000), number("pairs", 3));
    let runs: Vec<f64> = (0..pairs).map(|_| bytes_per_connection(connections)).collect();
    println!("{connections} idle connections: {} bytes each", Spread::new(runs));
}

/// Opens connections on a fresh server and weighs it before and after.
fn bytes_per_connection(connections: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let data = data::fill(folder.path(), 0, 1, connections + WARM_UP);
    let channel = data.channels.first().unwrap();
    let server = Server::start(folder.path());
    let enter = |token: &String| {
        let mut socket = Socket::enter(server.address, Some(token));
        socket.subscribe(channel);
        socket
    };
    let (first, rest) = data.tokens.split_at(WARM_UP);
    let warm: Vec<Socket> = first.iter().map(enter).collect();
    std::thread::sleep(REST);
    let before = server.resident();
    let sockets: Vec<Socket> = rest.iter().map(enter).collect();
    std::thread::sleep(REST);
    let grown = server.resident().saturating_sub(before);
    drop((warm, sockets));
    let grown = Duration::from_nanos(grown).as_secs_f64() * 1e9;
    grown / f64::from(u32::try_from(connections).unwrap())
}

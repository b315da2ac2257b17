//! What the system is asked of a stream straight away, past the runtime.

use actix_web::rt::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::SockRef;
use std::io;
use std::net::Shutdown;

/// How often, at the most, what nobody wants any more is read before a stream is ended.
const LAST_READS: usize = 256;

/// Asks the system whether something lies unread, not the runtime, which may not have looked yet.
pub(super) fn has_unread(stream: &TcpStream) -> bool {
    let peeked = recv(stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    peeked.is_ok_and(|(read, _)| read > 0)
}

/// Writes what the system takes, asking it straight away: it nearly always takes everything, and what the runtime keeps for
/// each stream need not be looked at. Only the runtime can wait for a stream, so one that takes nothing is tried again by
/// its way.
pub(super) fn try_write(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match send(stream, bytes, SendFlags::NOSIGNAL) {
        Err(Errno::AGAIN | Errno::INTR) => stream.try_write(bytes),
        done => Ok(done?),
    }
}

/// Ends one direction or both; a stream that has ended already needs no more.
pub(super) fn shut(stream: &TcpStream, how: Shutdown) {
    let _ = SockRef::from(stream).shutdown(how);
}

/// Ends both. What the peer sent is read first: input that lies unread makes of the end a reset, which takes along what is
/// still on its way to the peer.
pub(super) fn abandon(stream: &TcpStream) {
    for _ in 0..LAST_READS {
        match recv(stream, &mut [0; 4096], RecvFlags::DONTWAIT) {
            Ok((read, _)) if read > 0 => {}
            _ => break,
        }
    }
    shut(stream, Shutdown::Both);
}

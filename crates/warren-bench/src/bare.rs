//! The bare server of a comparison: the least that a server of this kind can do (`docs/BENCH.md`, Comparing).
//!
//! No protocol, no tokens, no sessions, one thread: `GET /ws?c=ROOM` upgrades and listens, `POST /publish?c=ROOM` puts its
//! body into one text frame and writes that to all who listen. What it costs is what the machine costs.

use super::error::BenchError;
use super::num;
use memchr::memmem::find;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write};
use std::mem;
use std::net::SocketAddr;

/// The listener's token; no client ever has that many before it.
const DOOR: Token = Token(usize::MAX);
/// Where everything is read into, bytes.
const BUFFER: usize = 256 << 10;

/// A connection.
struct Client {
    /// Its socket.
    socket: TcpStream,
    /// The room that it listens to, if it does.
    room: Option<usize>,
    /// What of a request has come.
    rest: Vec<u8>,
    /// What waits to be written.
    out: Vec<u8>,
}

impl Client {
    /// Writes behind what waits.
    fn send(&mut self, bytes: &[u8]) {
        if !self.out.is_empty() {
            self.out.extend_from_slice(bytes);
            return;
        }
        let written = self.socket.write(bytes).unwrap_or(0);
        self.out.extend_from_slice(bytes.get(written..).unwrap_or_default());
    }

    /// Writes what waits.
    fn flush(&mut self) {
        if !self.out.is_empty() {
            let waiting = mem::take(&mut self.out);
            self.send(&waiting);
        }
    }
}

/// Who listens, and what waits for them.
#[derive(Default)]
struct Room {
    /// Their places.
    members: Vec<usize>,
    /// Frames that wait for the end of the round.
    frames: Vec<u8>,
}

/// The server.
struct Bare {
    /// What has happened on which socket.
    poll: Poll,
    /// Where clients come in.
    door: TcpListener,
    /// Who is in.
    clients: Vec<Option<Client>>,
    /// Places that are free.
    free: Vec<usize>,
    /// Rooms by name.
    names: HashMap<Vec<u8>, usize>,
    /// Rooms.
    rooms: Vec<Room>,
    /// Rooms with frames that wait.
    dirty: Vec<usize>,
    /// Whether the frames of a round share a write.
    coalesces: bool,
}

/// A request, as far as it matters.
struct Request<'a> {
    /// Whether it is an upgrade.
    is_upgrade: bool,
    /// The room.
    room: &'a [u8],
    /// The key of an upgrade.
    key: &'a [u8],
    /// The body.
    body: &'a [u8],
    /// How many bytes it takes.
    length: usize,
}

/// The text between a mark and the next byte of a kind.
fn between<'a>(bytes: &'a [u8], mark: &[u8], end: u8) -> Option<&'a [u8]> {
    let rest = bytes.get(find(bytes, mark)? + mark.len()..)?;
    rest.get(..memchr::memchr(end, rest)?)
}

/// The request that the bytes start with; none while it is not whole.
fn request(bytes: &[u8]) -> Option<Request<'_>> {
    let length = find(bytes, b"\r\n\r\n")? + 4;
    let head = bytes.get(..length)?;
    let room = between(head, b"?c=", b' ').unwrap_or_default();
    let size = between(head, b"Content-Length: ", b'\r');
    let size = size.and_then(|it| std::str::from_utf8(it).ok()?.parse().ok()).unwrap_or(0);
    let key = between(head, b"Sec-WebSocket-Key: ", b'\r').unwrap_or_default();
    let body = bytes.get(length..length + size)?;
    Some(Request { is_upgrade: bytes.starts_with(b"GET"), room, key, body, length: length + size })
}

/// Appends a text frame as servers send them.
fn frame(body: &[u8], out: &mut Vec<u8>) {
    out.push(0x81);
    match (u8::try_from(body.len()), u16::try_from(body.len())) {
        (Ok(short @ 0..=125), _) => out.push(short),
        (_, Ok(middle)) => {
            out.push(126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&num::count(body.len()).to_be_bytes());
        }
    }
    out.extend_from_slice(body);
}

/// Runs until it is killed; says where it listens.
///
/// # Errors
/// [`BenchError::Io`] when it cannot listen.
pub(super) fn serve(coalesces: bool, out: &mut dyn Write) -> Result<(), BenchError> {
    let mut door = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    // The default queue is too short for a thousand who knock at once.
    socket2::SockRef::from(&door).listen(4096)?;
    let poll = Poll::new()?;
    poll.registry().register(&mut door, DOOR, Interest::READABLE)?;
    writeln!(out, "ready: http://{}", door.local_addr()?)?;
    out.flush()?;
    let mut bare = Bare {
        poll,
        door,
        clients: Vec::new(),
        free: Vec::new(),
        names: HashMap::new(),
        rooms: Vec::new(),
        dirty: Vec::new(),
        coalesces,
    };
    let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; BUFFER]);
    loop {
        match bare.poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            if event.token() == DOOR {
                bare.welcome();
                continue;
            }
            let place = event.token().0;
            if let (true, Some(Some(client))) = (event.is_writable(), bare.clients.get_mut(place)) {
                client.flush();
            }
            if event.is_readable() {
                bare.read(place, &mut buffer);
            }
            if !coalesces {
                bare.deliver();
            }
        }
        bare.deliver();
    }
}

impl Bare {
    /// Lets in who waits.
    fn welcome(&mut self) {
        while let Ok((mut socket, _)) = self.door.accept() {
            // An option that cannot be set makes it slower, not wrong.
            let _ = socket.set_nodelay(true);
            let place = self.free.pop().unwrap_or_else(|| {
                self.clients.push(None);
                self.clients.len() - 1
            });
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.poll.registry().register(&mut socket, Token(place), interest).is_err() {
                self.free.push(place);
                continue;
            }
            if let Some(seat) = self.clients.get_mut(place) {
                *seat = Some(Client { socket, room: None, rest: Vec::new(), out: Vec::new() });
            }
        }
    }

    /// Reads what a client says.
    fn read(&mut self, place: usize, buffer: &mut [u8]) {
        let Some(Some(client)) = self.clients.get_mut(place) else { return };
        let bytes = match client.socket.read(buffer) {
            Ok(0) => return self.dismiss(place),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => return self.dismiss(place),
        };
        if client.room.is_some() {
            return;
        }
        let mut all = mem::take(&mut client.rest);
        all.extend_from_slice(buffer.get(..bytes).unwrap_or_default());
        let mut used = 0;
        while let Some(request) = all.get(used..).and_then(request) {
            used += request.length;
            self.serve(place, &request);
            if request.is_upgrade {
                return;
            }
        }
        all.drain(..used);
        if let (false, Some(Some(client))) = (all.is_empty(), self.clients.get_mut(place)) {
            client.rest = all;
        }
    }

    /// Does what a request asks for.
    fn serve(&mut self, place: usize, request: &Request<'_>) {
        let next = self.rooms.len();
        let number = *self.names.entry(request.room.to_vec()).or_insert(next);
        if number == next {
            self.rooms.push(Room::default());
        }
        let (Some(room), Some(Some(client))) =
            (self.rooms.get_mut(number), self.clients.get_mut(place))
        else {
            return;
        };
        if request.is_upgrade {
            client.room = Some(number);
            room.members.push(place);
            let key = actix_http::ws::hash_key(request.key);
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {}\r\n\r\n",
                String::from_utf8_lossy(&key)
            );
            client.send(answer.as_bytes());
            return;
        }
        if room.frames.is_empty() {
            self.dirty.push(number);
        }
        frame(request.body, &mut room.frames);
        client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        if !self.coalesces {
            self.deliver();
        }
    }

    /// Writes what waits for rooms to all who listen there.
    fn deliver(&mut self) {
        for number in mem::take(&mut self.dirty) {
            let Some(room) = self.rooms.get_mut(number) else { continue };
            let frames = mem::take(&mut room.frames);
            for place in &room.members {
                if let Some(Some(client)) = self.clients.get_mut(*place) {
                    client.send(&frames);
                }
            }
        }
    }

    /// Forgets a client.
    fn dismiss(&mut self, place: usize) {
        let Some(client) = self.clients.get_mut(place).and_then(Option::take) else { return };
        if let Some(room) = client.room.and_then(|room| self.rooms.get_mut(room)) {
            room.members.retain(|member| *member != place);
        }
        self.free.push(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_when_they_are_whole() {
        let bytes = b"POST /publish?c=a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiGET";
        let read = request(bytes).unwrap();
        assert_eq!((read.room, read.body, read.is_upgrade), (&b"a"[..], &b"hi"[..], false));
        assert_eq!(read.length, bytes.len() - 3);
        assert!(request(&bytes[..bytes.len() - 4]).is_none());
        let read = b"GET /ws?c=b HTTP/1.1\r\nSec-WebSocket-Key: k\r\n\r\n";
        let read = request(read).unwrap();
        assert_eq!((read.room, read.key, read.is_upgrade), (&b"b"[..], &b"k"[..], true));
    }

    #[test]
    fn frames_are_what_clients_read() {
        for length in [0, 125, 126, 65_536] {
            let mut out = Vec::new();
            frame(&vec![b'x'; length], &mut out);
            let read = super::super::frame::parse(&out).unwrap();
            assert_eq!((read.payload.len(), read.length), (length, out.len()));
        }
    }
}

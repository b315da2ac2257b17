//! A small server of channels that makes mistakes on purpose, to see whether the load tester notices.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What it does to every third message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody hears it.
    Drops,
    /// Everybody hears it twice.
    Repeats,
    /// Everybody hears it behind the next one.
    Swaps,
    /// It is answered with 503, and nobody hears it.
    Refuses,
    /// Everybody's connection is closed.
    Closes,
    /// Everybody's connection ends right behind the message.
    Breaks,
    /// The upgrade is answered with another key.
    Forges,
}

/// What all connections share.
struct Peer {
    /// What goes wrong.
    fault: Fault,
    /// Who listens.
    sockets: Vec<TcpStream>,
    /// Messages so far.
    count: u64,
    /// A message that is held back.
    held: Option<Vec<u8>>,
}

/// Starts it and says where it listens; it ends with the process.
pub(crate) fn start(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = Peer { fault, sockets: Vec::new(), count: 0, held: None };
    let peer = Arc::new(Mutex::new(peer));
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let peer = peer.clone();
            thread::spawn(move || serve(socket, &peer));
        }
    });
    address
}

/// Serves one connection; whatever goes wrong ends it.
fn serve(mut socket: TcpStream, peer: &Mutex<Peer>) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    loop {
        let (head, body) = request(&mut socket)?;
        if head.starts_with("GET /ws") {
            return listen(socket, &head, peer);
        }
        let path =
            head.strip_prefix("POST /v1/channels/").and_then(|it| it.split_once("/messages"));
        let status = path.map_or("200 OK", |(channel, _)| publish(channel, &body, peer));
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}");
        socket.write_all(answer.as_bytes()).ok()?;
    }
}

/// Reads a request: head and body.
fn request(socket: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.map_or(0, |it| it.parse().unwrap())];
    socket.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// A text frame.
fn frame(text: &[u8]) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x81, 126, length[0], length[1]], text].concat()
}

/// Reads a frame of a client.
fn client_frame(socket: &mut TcpStream) -> Option<String> {
    let mut head = [0; 2];
    socket.read_exact(&mut head).ok()?;
    let length = match head[1] & 0x7f {
        126 => {
            let mut long = [0; 2];
            socket.read_exact(&mut long).ok()?;
            usize::from(u16::from_be_bytes(long))
        }
        short => usize::from(short),
    };
    let (mut mask, mut text) = ([0; 4], vec![0; length]);
    socket.read_exact(&mut mask).ok()?;
    socket.read_exact(&mut text).ok()?;
    text.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    String::from_utf8(text).ok()
}

/// Upgrades and greets, then gives out the channels that are asked for.
fn listen(mut socket: TcpStream, head: &str, peer: &Mutex<Peer>) -> Option<()> {
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))?;
    let key = if peer.lock().unwrap().fault == Fault::Forges { "another" } else { key };
    let accept = actix_http::ws::hash_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        String::from_utf8_lossy(&accept)
    );
    socket.write_all(answer.as_bytes()).ok()?;
    socket.write_all(&frame(br#"{"op":1,"d":{"heartbeat_interval":30000}}"#)).ok()?;
    client_frame(&mut socket)?;
    socket.write_all(&frame(br#"{"op":0,"d":{"c":null,"u":true,"e":"INIT","d":{}}}"#)).ok()?;
    let mut is_first = true;
    loop {
        let text = client_frame(&mut socket)?;
        let Some((_, rest)) = text.split_once(r#""SUBSCRIBE","c":""#) else { continue };
        let (channel, _) = rest.split_once('"')?;
        let available =
            format!(r#"{{"op":0,"d":{{"c":"{channel}","u":false,"e":"AVAILABLE","d":{{}}}}}}"#);
        // Between two messages.
        let mut peers = peer.lock().unwrap();
        socket.write_all(&frame(available.as_bytes())).ok()?;
        if std::mem::take(&mut is_first) {
            peers.sockets.push(socket.try_clone().ok()?);
        }
    }
}

/// Passes a message on, wrongly.
fn publish(channel: &str, body: &[u8], peer: &Mutex<Peer>) -> &'static str {
    let mut peer = peer.lock().unwrap();
    let head = format!(r#"{{"op":0,"d":{{"c":"{channel}","u":false,"e":"MESSAGE","d":"#);
    let message = [head.as_bytes(), body, b"}}"].concat();
    let message = frame(&message);
    peer.count += 1;
    let is_wrong = peer.count.is_multiple_of(3);
    let sends = match peer.fault {
        Fault::Drops if is_wrong => Vec::new(),
        Fault::Repeats if is_wrong => vec![message.clone(), message],
        Fault::Swaps if is_wrong => {
            peer.held = Some(message);
            Vec::new()
        }
        Fault::Refuses if is_wrong => return "503 Service Unavailable",
        Fault::Closes if is_wrong => vec![vec![0x88, 2, 15, 160]],
        _ => std::iter::once(message).chain(peer.held.take()).collect(),
    };
    let breaks = peer.fault == Fault::Breaks && is_wrong;
    for socket in &mut peer.sockets {
        for send in &sends {
            let _ = socket.write_all(send);
        }
        if breaks {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
    "200 OK"
}

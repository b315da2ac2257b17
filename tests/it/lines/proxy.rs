//! A line between a client and the server that can be broken: what comes in is handed on at once, until it is to break.

use socket2::{Domain, SockRef, Socket, Type};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How a line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The client's side ends the stream in order, and reads to the end.
    Fin,
    /// A reset, when all that has come is handed on.
    Reset,
    /// Nothing is read or written any more, on either side.
    Frozen,
}

/// What lines do now.
#[derive(Default)]
struct Orders {
    /// How they break; none where they hand on.
    breaks: Mutex<Option<Break>>,
    /// How many lines have ended.
    ended: AtomicU64,
}

/// Where clients connect.
pub struct Proxy {
    /// The address.
    pub address: SocketAddr,
    /// What lines do now.
    orders: Arc<Orders>,
}

impl Proxy {
    /// One in front of a server, whose lines there come from an address of this machine.
    pub fn start(server: SocketAddr, from: [u8; 4]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, orders) = (listener.local_addr().unwrap(), Arc::new(Orders::default()));
        let shared = Arc::clone(&orders);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let orders = Arc::clone(&shared);
                thread::spawn(move || {
                    if let Some(server) = connect(server, from) {
                        carry(&client, &server, &orders);
                    }
                    orders.ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, orders }
    }

    /// Breaks all lines; those that are not frozen have ended when this comes back.
    pub fn cut(&self, how: Break) {
        let ended = self.orders.ended.load(Ordering::SeqCst);
        *self.orders.breaks.lock().unwrap() = Some(how);
        if how != Break::Frozen {
            super::eventually("the line has ended", || {
                self.orders.ended.load(Ordering::SeqCst) > ended
            });
            self.mend();
        }
    }

    /// Lines hand on again.
    pub fn mend(&self) {
        *self.orders.breaks.lock().unwrap() = None;
    }
}

/// A line to the server.
fn connect(server: SocketAddr, from: [u8; 4]) -> Option<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
    socket.bind(&SocketAddr::from((from, 0)).into()).ok()?;
    socket.connect(&server.into()).ok()?;
    Some(socket.into())
}

/// Hands on what comes, in both directions, until one side ends or the line is to break.
fn carry(client: &TcpStream, server: &TcpStream, orders: &Orders) {
    for stream in [client, server] {
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
    }
    let mut is_ending = false;
    loop {
        let breaks = *orders.breaks.lock().unwrap();
        if breaks == Some(Break::Fin) && !is_ending {
            is_ending = true;
            // The server may have ended it already.
            let _ = server.shutdown(std::net::Shutdown::Write);
        }
        let moved = match breaks {
            Some(Break::Frozen) => Some(0),
            _ if is_ending => hand_on(server, client),
            _ => hand_on(server, client).and_then(|down| Some(down + hand_on(client, server)?)),
        };
        match moved {
            // All that has come has been handed on.
            Some(0) if breaks == Some(Break::Reset) => {
                SockRef::from(server).set_linger(Some(Duration::ZERO)).unwrap();
                return;
            }
            // How long nobody looks: that something comes, only a look tells.
            Some(0) => thread::sleep(Duration::from_micros(200)),
            Some(_) => {}
            None => return,
        }
    }
}

/// Hands on what has come; how much it was, none at the end.
fn hand_on(mut from: &TcpStream, mut to: &TcpStream) -> Option<usize> {
    let mut buffer = [0; 8192];
    match from.read(&mut buffer) {
        Ok(0) => None,
        Ok(size) => {
            let mut rest = &buffer[..size];
            while !rest.is_empty() {
                match to.write(rest) {
                    Ok(written) => rest = &rest[written..],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                    Err(_) => return None,
                }
            }
            Some(size)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
        Err(_) => None,
    }
}

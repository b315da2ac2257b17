//! The door: what happens to a connection before it is known what it wants.
//!
//! A request for a socket becomes one on the raw stream; a plain request to publish is answered here, because that is
//! what a busy server does most. Everything else goes to the HTTP layer, with all that was read, and stays there.

use super::head::{Lane, Publish};
use super::prefixed::Prefixed;
use super::{KEEP_ALIVE, REQUEST_TIMEOUT, give_up_on_dead_peers, upgrade};
use crate::http;
use actix_http::Protocol;
use actix_http::error::DispatchError;
use actix_server::GracefulShutdownSignal;
use actix_service::{Service, ServiceFactory};
use actix_web::rt::net::TcpStream;
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::future::LocalBoxFuture;
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, Sleep, sleep_until};

/// A connection for the HTTP layer.
type Request = (Prefixed, Protocol, Option<SocketAddr>);

/// Makes a door for each worker.
pub(super) struct DoorFactory<F> {
    /// Makes what stands behind it.
    pub(super) http: F,
    /// What requests are answered from.
    pub(super) app: http::App,
    /// Says when the server stops.
    pub(super) stopping: GracefulShutdownSignal,
}

impl<F> ServiceFactory<TcpStream> for DoorFactory<F>
where
    F: ServiceFactory<Request, Config = (), Response = (), Error = DispatchError, InitError = ()>,
    F::Service: 'static,
    F::Future: 'static,
{
    type Response = ();
    type Error = DispatchError;
    type Config = ();
    type Service = Door<F::Service>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Door<F::Service>, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let (http, app, stopping) =
            (self.http.new_service(()), self.app.clone(), self.stopping.clone());
        Box::pin(async move {
            let hall = Hall { http: http.await?, app, stopping };
            Ok(Door(Rc::new(hall)))
        })
    }
}

/// One worker's door.
pub(super) struct Door<S>(Rc<Hall<S>>);

/// What stands behind a door.
struct Hall<S> {
    /// The HTTP layer.
    http: S,
    /// What requests are answered from.
    app: http::App,
    /// Says when the server stops.
    stopping: GracefulShutdownSignal,
}

impl<S> Service<TcpStream> for Door<S>
where
    S: Service<Request, Response = (), Error = DispatchError> + 'static,
{
    type Response = ();
    type Error = DispatchError;
    type Future = LocalBoxFuture<'static, Result<(), DispatchError>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), DispatchError>> {
        self.0.http.poll_ready(cx)
    }

    fn call(&self, stream: TcpStream) -> Self::Future {
        let hall = Rc::clone(&self.0);
        Box::pin(async move {
            let peer = stream.peer_addr().ok();
            // Small frames must not wait for each other.
            let _ = stream.set_nodelay(true);
            give_up_on_dead_peers(&stream);
            // In a box of its own, which is gone before what comes of it begins: an idle socket should not carry it.
            let guest = Box::pin(Guest::new(stream, &hall).negotiate(&hall, peer)).await;
            match guest {
                Wish::Nothing => Ok(()),
                Wish::Socket(running) => {
                    running.await;
                    Ok(())
                }
                Wish::Http(stream) => {
                    Box::pin(hall.http.call((stream, Protocol::Http1, peer))).await
                }
            }
        })
    }
}

/// What a connection turns out to want.
enum Wish {
    /// Nothing any more.
    Nothing,
    /// A socket.
    Socket(upgrade::Running),
    /// Something of the HTTP layer.
    Http(Prefixed),
}

/// A connection at the door.
struct Guest {
    /// The stream.
    stream: TcpStream,
    /// What has been read and not answered.
    read: BytesMut,
    /// Ends the wait for more.
    timer: Pin<Box<Sleep>>,
    /// When it is to end it; the timer may be set for an earlier time.
    deadline: Instant,
    /// Becomes ready when the server stops.
    stopping: LocalBoxFuture<'static, ()>,
}

impl Guest {
    /// A connection that has said nothing yet.
    fn new<S>(stream: TcpStream, hall: &Hall<S>) -> Self {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let signal = hall.stopping.clone();
        Self {
            stream,
            read: BytesMut::new(),
            timer: Box::pin(sleep_until(deadline)),
            deadline,
            stopping: Box::pin(async move { signal.notified().await }),
        }
    }

    /// Answers requests to publish until something else is wanted.
    async fn negotiate<S>(mut self, hall: &Hall<S>, peer: Option<SocketAddr>) -> Wish {
        loop {
            match Lane::of(&self.read) {
                Lane::Unknown => match self.read_more().await {
                    Ok(true) => {}
                    // Half a request is answered by the HTTP layer, as any other that does not come to its end.
                    Ok(false) if !self.read.is_empty() => break,
                    _ => return Wish::Nothing,
                },
                Lane::Http => break,
                Lane::Socket(head, size) => {
                    let address = peer.map(|peer| peer.ip());
                    let Ok(admitted) = http::ws::admit(&hall.app, &head, address) else { break };
                    let rest = self.read.get(size..).unwrap_or_default();
                    let running = upgrade::open(&hall.app, admitted, &head, self.stream, rest);
                    return Wish::Socket(running);
                }
                Lane::Publish(Publish { channel, authorization, body, size }) => {
                    let done = http::publish(&hall.app, authorization, channel, body).await;
                    // Whatever is wrong with it, the HTTP layer knows how to say.
                    if done.is_err() {
                        break;
                    }
                    self.read.advance(size);
                    if self.write(http::published()).await.is_err() {
                        return Wish::Nothing;
                    }
                    self.deadline = Instant::now() + KEEP_ALIVE;
                }
            }
        }
        Wish::Http(Prefixed::new(self.read, self.stream))
    }

    /// Reads what there is; false at the end of the stream, of the time for it, or of the server.
    async fn read_more(&mut self) -> io::Result<bool> {
        if !self.read.is_empty() {
            // A request that has begun has less time than the next one to begin.
            self.deadline = self.deadline.min(Instant::now() + REQUEST_TIMEOUT);
            self.timer.as_mut().reset(self.deadline);
        }
        let Self { stream, read, timer, deadline, stopping } = self;
        let mut more = pin!(stream.read_buf(read));
        poll_fn(|cx| {
            if let Poll::Ready(size) = more.as_mut().poll(cx) {
                return Poll::Ready(size.map(|size| size > 0));
            }
            while timer.as_mut().poll(cx).is_ready() {
                if Instant::now() >= *deadline {
                    return Poll::Ready(Ok(false));
                }
                timer.as_mut().reset(*deadline);
            }
            stopping.as_mut().poll(cx).map(|()| Ok(false))
        })
        .await
    }

    /// Writes an answer.
    async fn write(&mut self, answer: Bytes) -> io::Result<()> {
        match self.stream.try_write(&answer) {
            Ok(size) if size == answer.len() => Ok(()),
            Ok(size) => self.stream.write_all(answer.get(size..).unwrap_or_default()).await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.stream.write_all(&answer).await
            }
            Err(error) => Err(error),
        }
    }
}

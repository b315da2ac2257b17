//! The fast path: what happens to a connection before it is known what it wants.
//!
//! A request for a socket becomes one on the raw stream; a plain request to publish is answered here, because that is
//! what a busy server does most. Everything else goes to the HTTP layer, with all that was read, and stays there. Where
//! sockets are served as a route ([`SocketWay::Route`]), all of it goes there.

use super::client_stream::ClientStream;
use super::handshake::Handshakes;
use super::head::{PlainPublish, RequestKind};
use super::preface::Preface;
use super::prefixed::Prefixed;
use super::{KEEP_ALIVE, REQUEST_TIMEOUT, give_up_on_dead_peers, upgrade};
use crate::config::SocketWay;
use crate::http;
use crate::http::NotPublished;
use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, RequestHead};
use actix_service::{Service, ServiceFactory as _, ServiceFactoryExt as _, map_config};
use actix_web::dev::AppConfig;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::{App, ResponseError as _};
use bytes::{Buf as _, BytesMut};
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How long a client may take to end a connection that its last answer has left.
const LINGER: Duration = Duration::from_millis(500);

/// How long the rest of a request is read and thrown away that was answered before it had come whole, so that its sender
/// gets to read the answer instead of finding the connection cut.
const UNREAD_TIME: Duration = Duration::from_secs(2);

/// A connection for the HTTP layer.
pub(super) type Request = (Prefixed, Protocol, Option<SocketAddr>);

/// What serves the connections of one worker, cheap to clone.
pub(super) struct FastPath<S>(Rc<ListenerShared<S>>);

impl<S> Clone for FastPath<S> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

/// What the listener of one worker shares with all its connections.
struct ListenerShared<S> {
    /// The HTTP layer.
    http: S,
    /// What requests are answered from.
    app: http::App,
    /// How sockets are served.
    way: SocketWay,
    /// Says when the server stops and connections that wait for their next request end.
    idle_end: CancellationToken,
}

impl<S> ListenerShared<S> {
    /// Lets a request for a socket in when it is its turn; none where it is refused, as the HTTP layer will say.
    async fn admit(&self, head: &RequestHead, address: IpAddr) -> Option<http::ws::Admitted> {
        self.app.arrivals.turn().await.ok()?;
        http::ws::admit(&self.app, head, Some(address)).ok()
    }

    /// Whether the HTTP layer has to say which page may read the answer.
    fn is_for_pages(&self, read: &PlainPublish<'_>) -> bool {
        read.is_of_page && !self.app.pages.are_any()
    }
}

/// Sets up the fast path of this thread, with an HTTP layer of its own behind it; none if that cannot be set up.
pub(super) async fn open(
    app: http::App,
    way: SocketWay,
    idle_end: CancellationToken,
) -> Option<FastPath<impl Service<Request, Response = (), Error = DispatchError>>> {
    let routes = App::new().wrap(from_fn(http::front)).configure(http::configure(app.clone()));
    let routes = actix_service::IntoServiceFactory::into_factory(routes);
    let routes = routes.map_err(|error: actix_web::Error| error.error_response());
    let http = HttpService::build()
        .keep_alive(KEEP_ALIVE)
        // The stream has the time of every head in view, not of the first alone.
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(UNREAD_TIME)
        .on_connect_ext(|stream: &Prefixed, data| {
            data.insert(stream.visit());
        })
        .finish(map_config(routes, |()| AppConfig::default()));
    let http = http.new_service(()).await.ok()?;
    Some(FastPath(Rc::new(ListenerShared { http, app, way, idle_end })))
}

impl<S> FastPath<S>
where
    S: Service<Request, Response = (), Error = DispatchError>,
{
    /// Serves a connection until it ends, or becomes a socket, which gives back its place among those with requests and
    /// is to be run by the caller. With `tls`, it begins with a handshake.
    pub(super) async fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<Handshakes>,
        place: TaskTrackerToken,
    ) -> Option<upgrade::RunningSocket> {
        // Small frames must not wait for each other.
        let _ = stream.set_nodelay(true);
        give_up_on_dead_peers(&stream);
        let stream = ClientStream::Plain(stream);
        let mut incoming = Incoming { stream, read: BytesMut::new(), since: Instant::now() };
        let mut peer = peer;
        if self.0.app.proxies.speaks_first(peer.ip()) {
            let heard = timeout(REQUEST_TIMEOUT, Box::pin(incoming.hear_proxy())).await;
            match heard {
                Ok(Ok(client)) => peer = client.map_or(peer, |client| (client, 0).into()),
                // Whoever sends no header is no proxy, or not one that is set up for this server.
                Ok(Err(error)) => {
                    tracing::debug!(%error, "no PROXY header");
                    return None;
                }
                Err(_) => return None,
            }
            incoming.since = Instant::now();
        }
        if let Some(tls) = tls {
            let shaken = Box::pin(incoming.shake_hands(&tls, &self.0.app, peer.ip()));
            incoming = self.0.idle_end.run_until_cancelled(shaken).await??;
        }
        let wanted = match self.0.way {
            SocketWay::Stream => Box::pin(incoming.negotiate(&self.0, peer)).await,
            SocketWay::Route => {
                let bytes = self.0.app.supervisor.settings().send_buffer_bytes;
                upgrade::bound_send_buffer(incoming.stream.tcp(), bytes);
                Wanted::Http(incoming)
            }
        };
        match wanted {
            Wanted::Nothing => None,
            Wanted::Socket(running) => Some(running),
            Wanted::Http(Incoming { stream, read, since }) => {
                let stream = Prefixed::new(read, stream, since, place, &self.0.idle_end);
                let request = (stream, Protocol::Http1, Some(peer));
                if let Err(error) = Box::pin(self.0.http.call(request)).await {
                    tracing::debug!(%error, "a connection ended early");
                }
                None
            }
        }
    }
}

/// What a connection turns out to want.
enum Wanted {
    /// Nothing any more.
    Nothing,
    /// A socket.
    Socket(upgrade::RunningSocket),
    /// Something of the HTTP layer.
    Http(Incoming),
}

/// A connection that has not said yet what it wants.
struct Incoming {
    /// The stream.
    stream: ClientStream,
    /// What has been read and not answered.
    read: BytesMut,
    /// Since when the request is coming that is being read; the first one, since the connection is there.
    since: Instant,
}

/// What ends the wait for more.
struct Deadline<'wait, 'shared> {
    /// Runs out at the deadline, or before it and is then set anew.
    timer: Pin<&'wait mut Sleep>,
    /// When the wait is over.
    at: Instant,
    /// Becomes ready when the server stops and nobody waits any more for requests that have not begun.
    idle_end: Pin<&'wait mut WaitForCancellationFuture<'shared>>,
    /// Whether a request has begun.
    has_begun: bool,
}

impl Deadline<'_, '_> {
    /// Ready when it is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= self.at {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(self.at);
        }
        if self.has_begun {
            return Poll::Pending;
        }
        self.idle_end.as_mut().poll(cx)
    }
}

impl Incoming {
    /// Reads the PROXY header that a trusted proxy begins with; the client's address, if it says one.
    async fn hear_proxy(&mut self) -> io::Result<Option<IpAddr>> {
        loop {
            match Preface::of(&self.read) {
                Preface::Whole { client, size } => {
                    self.read.advance(size);
                    return Ok(client);
                }
                Preface::Wrong => return Err(io::ErrorKind::InvalidData.into()),
                Preface::Unfinished => {
                    if self.stream.read_buf(&mut self.read).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
            }
        }
    }

    /// Puts TLS between the stream and its client; none where that comes to nothing.
    async fn shake_hands(self, tls: &Handshakes, app: &http::App, peer: IpAddr) -> Option<Self> {
        let ClientStream::Plain(stream) = self.stream else { return Some(self) };
        let stream = tls.shake(app, stream, self.read, peer, REQUEST_TIMEOUT).await?;
        Some(Self { stream, read: BytesMut::new(), since: Instant::now() })
    }

    /// Answers requests to publish until something else is wanted.
    async fn negotiate<S>(mut self, shared: &ListenerShared<S>, peer: SocketAddr) -> Wanted {
        let at = self.since + REQUEST_TIMEOUT;
        let timer = pin!(sleep_until(at));
        let idle_end = pin!(shared.idle_end.cancelled());
        let mut deadline = Deadline { timer, at, idle_end, has_begun: false };
        loop {
            match RequestKind::of(&self.read) {
                RequestKind::Unknown => match self.read_more(&mut deadline).await {
                    Ok(true) => {}
                    // Half a request is answered by the HTTP layer, as any other that does not come to its end.
                    Ok(false) if !self.read.is_empty() => break,
                    _ => return Wanted::Nothing,
                },
                RequestKind::Http => break,
                RequestKind::Publish(read) if shared.is_for_pages(&read) => break,
                RequestKind::Socket(head, size) => {
                    let Some(admitted) = shared.admit(&head, peer.ip()).await else { break };
                    let rest = self.read.get(size..).unwrap_or_default();
                    let running = upgrade::open(&shared.app, admitted, &head, self.stream, rest);
                    return Wanted::Socket(running);
                }
                RequestKind::Publish(read) => {
                    let PlainPublish { channel, authorization, body, size, .. } = read;
                    let from = || shared.app.proxies.client_of(peer.ip(), &read.forwarding());
                    let (app, said) = (&shared.app, read.said);
                    let observed = http::ObservedCall::begin(app, &Method::POST, said, from);
                    let done = http::publish(&shared.app, authorization, channel, body, from).await;
                    // Whatever is wrong with it, the HTTP layer knows how to say, unless it may have been done.
                    let published = match done {
                        Ok(published) => published,
                        Err(NotPublished::Untried) => break,
                        Err(NotPublished::Doubtful(error, meter)) => {
                            observed.answered(http::PUBLISH, error.status_code());
                            let words = http::last_words_to(&error, observed.id(), meter.as_ref());
                            if self.stream.write_whole(&words).await.is_ok() {
                                self.finish().await;
                            }
                            return Wanted::Nothing;
                        }
                    };
                    observed.answered(http::PUBLISH, StatusCode::NO_CONTENT);
                    self.read.advance(size);
                    let is_last = shared.app.supervisor.is_stopping();
                    let spelled = if is_last { http::published_last } else { http::published };
                    let answer = spelled(&published, observed.id());
                    if self.stream.write_whole(&answer).await.is_err() {
                        return Wanted::Nothing;
                    }
                    if is_last {
                        self.finish().await;
                        return Wanted::Nothing;
                    }
                    self.since = Instant::now();
                    deadline.at = self.since + KEEP_ALIVE;
                }
            }
        }
        Wanted::Http(self)
    }

    /// Reads what there is; false at the end of the stream, of the time for it, or of the server.
    async fn read_more(&mut self, deadline: &mut Deadline<'_, '_>) -> io::Result<bool> {
        deadline.has_begun = !self.read.is_empty();
        if deadline.has_begun {
            // A request that has begun has less time than the next one to begin.
            deadline.at = deadline.at.min(Instant::now() + REQUEST_TIMEOUT);
            deadline.timer.as_mut().reset(deadline.at);
        }
        let begins = self.read.is_empty();
        let mut more = pin!(self.stream.read_buf(&mut self.read));
        let read = poll_fn(|cx| match more.as_mut().poll(cx) {
            Poll::Ready(size) => Poll::Ready(size.map(|size| size > 0)),
            Poll::Pending => deadline.poll(cx).map(|()| Ok(false)),
        })
        .await;
        if begins {
            self.since = Instant::now();
        }
        read
    }

    /// Ends the stream behind its last answer. What the client still sends is read for a while: unread, it would turn the
    /// end into a reset, which may overtake the answer.
    async fn finish(&mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let read_out = async {
            self.read.clear();
            while self.stream.read_buf(&mut self.read).await.is_ok_and(|size| size > 0) {
                self.read.clear();
            }
        };
        // Who has not ended it by then is cut off.
        let _ = timeout(LINGER, read_out).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_kept_longer_than_is_said() {
        let said = http::KEEP_ALIVE_HINT.strip_prefix("timeout=").unwrap().parse().unwrap();
        assert!(KEEP_ALIVE >= Duration::from_secs(said) + Duration::from_secs(5));
    }
}

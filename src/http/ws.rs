//! The socket as an actix-web route, with actix-web-actors; the only file that touches that crate.
//!
//! Its context decodes what comes in and runs the connection's actor; what goes out does not pass through it: the
//! response's body takes whole frames from the connection's send queue, everything pending in one piece.

pub(crate) use super::addresses::AddressPlace;
pub(crate) use super::assembly::Assembly;
pub(crate) use super::ws_frame::MessageDecoder;

use super::App;
use super::addresses::TakenPlaces;
use super::error::ApiError;
use super::front::front;
use super::observed::RoutePattern;
use super::origin::origin_of;
use super::pages;
use super::visit::Visit;
use super::ws_frame::Frames;
use crate::actor::{Connection, Inbound, Socket};
use crate::delivery::{Link, Origin};
use crate::metrics::Label;
use crate::protocol::{Encoding, Wire};
use crate::telemetry::Seldom;
use actix::prelude::*;
use actix_http::RequestHead;
use actix_http::ws::{HandshakeError, Message, ProtocolError, verify_handshake};
use actix_web::body::BodyStream;
use actix_web::http::Version;
use actix_web::http::header::{
    CONTENT_LENGTH, HeaderValue, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use actix_web::middleware::from_fn;
use actix_web::web::ServiceConfig;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use actix_web_actors::ws::{WebsocketContext, handshake};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, future, stream};
use serde::Deserialize;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

/// What connections need whose socket is an actix-web response.
#[derive(Debug)]
pub struct Route {
    /// Puts fragments together.
    assembly: Assembly,
    /// Counts the connection under its address while it lives.
    _place: Option<AddressPlace>,
    /// Counts it among those that have not identified.
    waiting: Option<AddressPlace>,
    /// The origin of the page that opened it, until it has identified.
    page: Option<Box<str>>,
}

impl Socket for Route {
    /// The HTTP layer ends the stream.
    const LINGER: Option<Duration> = None;

    /// The HTTP layer does not tell.
    fn has_unread(&self) -> bool {
        false
    }

    /// The HTTP layer makes no difference.
    fn has_ended_well(&self) -> bool {
        false
    }

    fn take_page(&mut self) -> Option<Box<str>> {
        self.page.take()
    }

    fn on_identified(&mut self) {
        self.waiting = None;
    }
}

impl Actor for Connection<Route> {
    type Context = WebsocketContext<Self>;

    fn started(&mut self, ctx: &mut WebsocketContext<Self>) {
        self.on_started(ctx);
    }

    fn stopped(&mut self, _: &mut WebsocketContext<Self>) {
        self.on_stopped();
    }
}

impl StreamHandler<Result<Message, ProtocolError>> for Connection<Route> {
    fn handle(&mut self, item: Result<Message, ProtocolError>, ctx: &mut WebsocketContext<Self>) {
        if let Some(inbound) = self.socket.assembly.take(item) {
            self.on_inbound(inbound, ctx);
        }
    }

    fn finished(&mut self, ctx: &mut WebsocketContext<Self>) {
        self.on_inbound(Inbound::End, ctx);
    }
}

/// The socket's addresses (`docs/PROTOCOL.md`, Socket).
pub(crate) const PATHS: &[&str] = &[
    "/ws",
    "/1.0/ws",
    #[cfg(feature = "echo")]
    ECHO,
];

/// Where what is sent comes back, for conformance tests.
#[cfg(feature = "echo")]
const ECHO: &str = "/__echo";

/// Makes an echo of a connection that was asked for at [`ECHO`].
#[cfg(feature = "echo")]
pub(crate) fn echo<K>(connection: Connection<K>, head: &RequestHead) -> Connection<K> {
    if head.uri.path() == ECHO { connection.echoing() } else { connection }
}

/// Mounts the socket at its addresses.
pub(crate) fn mount(config: &mut ServiceConfig, app: &web::Data<App>) {
    for path in PATHS {
        let resource = web::resource(*path).app_data(RoutePattern(Label::Word(path)));
        let resource = resource.route(web::get().to(upgrade));
        config.service(resource.app_data(app.clone()).wrap(from_fn(front)));
    }
}

thread_local! {
    /// Requests for sockets that proxies have made something else of.
    static MANGLED: Seldom = const { Seldom::new() };
}

/// What the socket's URL may ask for.
#[derive(Deserialize)]
struct Wishes {
    /// `json`, the default, or `etf`.
    encoding: Option<String>,
    /// `none`, the default, or `zlib`, which may be left unused: who reads compressed frames reads plain ones too.
    compression: Option<String>,
}

impl Wishes {
    /// What is asked for; refuses what does not exist.
    fn wire(&self) -> Result<Wire, ApiError> {
        let encoding = match self.encoding.as_deref() {
            None | Some("json") => Encoding::Json,
            Some("etf") => Encoding::Etf,
            Some(_) => return Err(refused("encoding", "must be json or etf")),
        };
        let is_zlib = match self.compression.as_deref() {
            None | Some("none") => false,
            Some("zlib") => true,
            Some(_) => return Err(refused("compression", "must be none or zlib")),
        };
        Ok(Wire { encoding, is_zlib })
    }
}

/// A parameter of the URL that does not exist in this form.
const fn refused(field: &'static str, reason: &'static str) -> ApiError {
    ApiError::InvalidQuery { field, reason }
}

/// What a request needs to become a socket.
pub(crate) struct Admitted {
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// How its payloads are spelled.
    pub(crate) wire: Wire,
    /// Counts it under its address.
    pub(crate) place: Option<AddressPlace>,
    /// Counts it among those that have not identified.
    pub(crate) waiting: Option<AddressPlace>,
    /// The origin of the page that asks, if one does.
    pub(crate) page: Option<Box<str>>,
}

/// Looks at a request that wants to become a socket; `address` is the one that its connection comes from.
///
/// # Errors
/// [`ApiError`] for what the URL asks for and for an address with too many sockets; for a bad handshake (RFC 6455
/// §4.2.1), what its crate answers.
pub(crate) fn admit(
    app: &App,
    head: &RequestHead,
    address: Option<IpAddr>,
) -> Result<Admitted, Error> {
    app.pages.admit(&head.headers)?;
    let wishes = web::Query::<Wishes>::from_query(head.uri.query().unwrap_or_default());
    let wishes =
        wishes.ok().ok_or_else(|| refused("encoding", "and compression come once each"))?;
    let mut wire = wishes.wire()?;
    let TakenPlaces { address, place, waiting } = TakenPlaces::take(app, address, &head.headers)?;
    verify_handshake(head)?;
    if !is_upgraded(head) {
        return Err(HandshakeError::NoWebsocketUpgrade.into());
    }
    // The one client that asks for compression by mistake and cannot read it sends no User-Agent (`docs/CLIENTS.md`,
    // trap 3).
    let has_agent = head.headers.contains_key(USER_AGENT);
    wire.is_zlib &= app.supervisor.settings().has_zlib && has_agent;
    let page = pages::page_of(&head.headers);
    let origin = origin_of(head, address)?;
    Ok(Admitted { origin, wire, place, waiting, page })
}

/// Takes a place for who has just connected and is nobody yet, as for a socket that has not identified. A trusted proxy has
/// many clients, whose addresses are not known by then: it counts among all, and under no address.
///
/// # Errors
/// As [`admit`].
pub(crate) fn take_strangers_place(app: &App, peer: IpAddr) -> Result<AddressPlace, ApiError> {
    let is_proxy = app.proxies.trusts(peer.to_canonical());
    if is_proxy { app.unidentified.take_any(peer) } else { app.unidentified.take(peer) }
}

/// Whether the HTTP layer too takes what follows the head for frames: it asks for the word itself where
/// `verify_handshake` is content with one like it, and reads a chunked body first.
fn is_upgraded(head: &RequestHead) -> bool {
    let is_word =
        |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket");
    let has_body = head.headers.contains_key(TRANSFER_ENCODING)
        || head.headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    head.version >= Version::HTTP_11 && !has_body && head.headers.get_all(UPGRADE).any(is_word)
}

/// Says in the log that something on the way makes sockets impossible. A proxy that passes no upgrades on takes the headers
/// out that are for the next hop alone, and leaves those of the handshake: by that it is known.
fn warn_of_proxies(head: &RequestHead) {
    let is_mangled = head.headers.contains_key(SEC_WEBSOCKET_KEY) && !is_upgraded(head);
    if is_mangled && MANGLED.with(Seldom::is_due) {
        tracing::warn!(
            "a request for a socket has lost its `Upgrade` on the way: let the proxy pass upgrades on (OPERATING.md, \
            Proxies); said once a minute at most"
        );
    }
}

/// Upgrades a request to a socket.
async fn upgrade(
    request: HttpRequest,
    payload: web::Payload,
    app: web::Data<App>,
) -> Result<HttpResponse, Error> {
    let address = request.peer_addr().map(|peer| peer.ip());
    app.arrivals.turn().await.map_err(ApiError::from)?;
    let admitted = admit(&app, request.head(), address);
    let Admitted { origin, wire, place, waiting, page } =
        admitted.inspect_err(|_| warn_of_proxies(request.head()))?;
    let mut response = handshake(&request)?;
    let account = app.supervisor.inbound_account();
    let route = Route { assembly: Assembly::new(account.clone()), _place: place, waiting, page };
    let (connection, link) =
        Connection::open(app.supervisor.clone(), route, origin, wire, account.clone());
    #[cfg(feature = "echo")]
    let connection = echo(connection, request.head());
    let visit = request.conn_data::<Rc<Visit>>().cloned();
    let frames = connection.pace(Frames::new(payload, account, visit.clone()));
    // The context would read by itself, without bounds: it gets nothing to read.
    let context = WebsocketContext::with_factory(stream::pending(), |ctx| {
        ctx.add_stream(frames);
        connection
    });
    let context = Some(Box::pin(context));
    Ok(response.body(BodyStream::new(Outgoing { context, link, visit })))
}

/// The response's body: drives the actor and writes what its send queue has.
struct Outgoing<S: Stream + 'static> {
    /// The actor's context, which yields no bytes of its own; none once the actor has ended or is not needed any more:
    /// what is left in the send queue is the last.
    context: Option<Pin<Box<S>>>,
    /// The send queue.
    link: Rc<Link>,
    /// What ends the stream behind the last frame; none in another program than ours, where the HTTP layer does so later.
    visit: Option<Rc<Visit>>,
}

impl<S: Stream> Outgoing<S> {
    /// Nothing more is written.
    fn end(&self) -> Poll<Option<Result<Bytes, Error>>> {
        if let Some(visit) = &self.visit {
            visit.end();
        }
        Poll::Ready(None)
    }
}

impl<S: Stream<Item = Result<Bytes, Error>> + 'static> Stream for Outgoing<S> {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while let Some(context) = &mut this.context {
            match context.as_mut().poll_next(task) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => this.context = None,
                Poll::Pending => break,
            }
        }
        match this.link.poll_take(task) {
            Poll::Pending if this.context.is_none() => this.end(),
            Poll::Ready(None) => {
                this.context = None;
                this.end()
            }
            taken => Poll::Ready(ready!(taken).map(Ok)),
        }
    }
}

impl<S: Stream + 'static> Drop for Outgoing<S> {
    /// A stream that broke drops the response with what the actor has not served of what was read.
    fn drop(&mut self) {
        if let Some(context) = self.context.take() {
            actix::spawn(context.for_each(|_| future::ready(())));
        }
    }
}

/// What the parameters are called.
#[cfg(test)]
pub(in crate::http) fn names() -> &'static [&'static str] {
    super::read_names::of::<Wishes>()
}

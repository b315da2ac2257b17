//! Event streams: the second way to hear what sockets hear (`docs/PROTOCOL.md`, Event streams; `docs/adr/0026`).
//!
//! A stream is a connection like any other, with an actor, a session and a link. What differs is here: the request says
//! what a socket's client would say in its first frames, and the response's body is what the link has to write. It is
//! answered only once the session has let it in, so that a refusal has the status that it has everywhere in HTTP.

mod stream_request;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) use stream_request::names;

use super::App;
use super::addresses::{AddressPlace, TakenPlaces};
use super::error::ApiError;
use super::front::front;
use super::observed::RoutePattern;
use super::origin::origin_of;
use super::pages;
use super::rates::{count_address, count_credential};
use super::visit::Visit;
use crate::actor::{Connection, Inbound, Socket};
use crate::delivery::Link;
use crate::metrics::{CountedLife, Label};
use crate::protocol::{Close, Encoding, Wire};
use actix::prelude::*;
use actix_web::body::BodyStream;
use actix_web::http::Version;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use actix_web::middleware::from_fn;
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::Stream;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Task, Poll};
use std::time::Duration;
use stream_request::StreamRequest;
use tokio::sync::oneshot;

/// Where streams are.
pub(super) const PATH: &str = "/sse";

/// Tells nginx that what is sent is not to be gathered before it is passed on.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What connections need that are event streams.
#[derive(Debug)]
pub struct EventStream {
    /// What the request asks for.
    asked: StreamRequest,
    /// Told whether the stream begins, or why it does not; once.
    opening: Option<oneshot::Sender<Result<(), Close>>>,
    /// Ends when nobody takes the stream any more.
    taken: Option<oneshot::Receiver<Infallible>>,
    /// The origin of the page that opened it, until it has identified.
    page: Option<Box<str>>,
    /// Counts the connection under its address while it lives.
    _place: Option<AddressPlace>,
    /// Counts it among those that have not identified.
    waiting: Option<AddressPlace>,
    /// Counts it among the streams.
    _counted: CountedLife,
}

impl EventStream {
    /// Says how its opening went.
    fn opened(&mut self, outcome: Result<(), Close>) {
        if let Some(opening) = self.opening.take() {
            // Who asked may have gone.
            let _ = opening.send(outcome);
        }
    }
}

impl Socket for EventStream {
    /// The HTTP layer ends the stream.
    const LINGER: Option<Duration> = None;

    /// Nothing is read.
    fn has_unread(&self) -> bool {
        false
    }

    /// The HTTP layer makes no difference.
    fn has_ended_well(&self) -> bool {
        false
    }

    fn on_identified(&mut self) {
        self.waiting = None;
    }

    fn take_page(&mut self) -> Option<Box<str>> {
        self.page.take()
    }

    fn first_words(&self) -> Option<String> {
        Some(self.asked.identify())
    }

    fn further_words(&mut self, link: &Link) -> Vec<String> {
        self.opened(Ok(()));
        self.asked.subscribes(link)
    }

    fn on_closed(&mut self, close: &Close) {
        self.opened(Err(close.clone()));
    }
}

impl Actor for Connection<EventStream> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(taken) = self.socket.taken.take() {
            ctx.spawn(taken.into_actor(self).map(|_, actor: &mut Self, ctx| {
                actor.on_inbound(Inbound::End, ctx);
            }));
        }
        self.on_started(ctx);
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.on_stopped();
    }
}

/// Mounts the streams at their address.
pub(crate) fn mount(config: &mut ServiceConfig, app: &web::Data<App>) {
    let resource = web::resource(PATH).app_data(RoutePattern(Label::Word(PATH)));
    let resource = resource.route(web::get().to(open));
    config.service(resource.app_data(app.clone()).wrap(from_fn(front)));
}

/// Opens a stream.
async fn open(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    count_address(&app, &request)?;
    let asked = StreamRequest::of(request.head())?;
    asked.token().map_or(Ok(()), |token| count_credential(&app, &request, token))?;
    app.pages.admit(request.headers())?;
    app.arrivals.turn().await?;
    let peer = request.peer_addr().map(|peer| peer.ip());
    let TakenPlaces { address, place, waiting } = TakenPlaces::take(&app, peer, request.headers())?;
    let origin = origin_of(request.head(), address)?;
    let places = asked.places();
    let (opening, opened) = oneshot::channel();
    let (taker, taken) = oneshot::channel();
    let counted = CountedLife::begin(|all| &all.streams_opened, |all| &all.streams_closed);
    let stream = EventStream {
        asked,
        opening: Some(opening),
        taken: Some(taken),
        page: pages::page_of(request.headers()),
        _place: place,
        waiting,
        _counted: counted,
    };
    let wire = Wire { encoding: Encoding::Sse, is_zlib: false };
    let account = app.supervisor.inbound_account();
    let (connection, link) =
        Connection::open(app.supervisor.clone(), stream, origin, wire, account);
    link.carry_places(places.into_iter());
    let visit = request.conn_data::<Rc<Visit>>().cloned();
    let events = StreamBody { link, visit, _taker: taker };
    connection.start();
    // Without a word its actor has crashed.
    let opened = opened.await.map_err(|error| ApiError::internal(&error))?;
    opened.map_err(ApiError::NotOpened)?;
    if let Some(visit) = &events.visit {
        visit.stay();
    }
    // Its end is that of the connection: what follows a stream on it would wait for a turn that nobody knows.
    let mut answer = HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((ACCEL_BUFFERING, "no"))
        .force_close()
        .body(BodyStream::new(events));
    // HTTP/1.0 has no chunks; the HTTP layer does not know.
    answer.head_mut().no_chunking(request.version() < Version::HTTP_11);
    Ok(answer)
}

/// The response's body: what the send queue has.
struct StreamBody {
    /// The send queue.
    link: Rc<Link>,
    /// What tells that the client has ended its side; none in another program than ours, where a write has to fail first.
    visit: Option<Rc<Visit>>,
    /// Tells the actor, when it is dropped, that nobody takes anything any more.
    _taker: oneshot::Sender<Infallible>,
}

impl Stream for StreamBody {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        if self.visit.as_ref().is_some_and(|visit| visit.has_hung_up()) {
            return Poll::Ready(None);
        }
        self.link.poll_take(task).map(|taken| taken.map(Ok))
    }
}

//! The socket as an actix-web route, with actix-web-actors; the only file that touches that crate.
//!
//! Its context decodes what comes in and runs the connection's actor; what goes out does not pass through it: the
//! response's body takes whole frames from the connection's outbox, everything pending in one piece.

use super::assembly::Assembly;
use crate::actor::{Connection, Link, Supervisor};
use actix::prelude::*;
use actix_http::ws::{Codec, Message, ProtocolError};
use actix_web::body::BodyStream;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use actix_web_actors::ws::{WebsocketContext, handshake};
use bytes::Bytes;
use futures_util::Stream;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Task, Poll, ready};

/// What connections need whose socket is an actix-web response.
#[derive(Debug)]
pub struct Route {
    /// Puts fragments together.
    assembly: Assembly,
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
}

/// Upgrades a request to a socket.
///
/// # Errors
/// What is wrong with the WebSocket handshake.
pub fn upgrade(
    hub: &Supervisor,
    req: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    let mut response = handshake(req)?;
    let limit = hub.settings().frame_bytes;
    let route = Route { assembly: Assembly::new(limit) };
    let (connection, link) = Connection::open(hub.clone(), route);
    let codec = Codec::new().max_size(limit);
    let context = Box::pin(WebsocketContext::with_codec(connection, payload, codec));
    Ok(response.body(BodyStream::new(Outgoing { context, link, has_ended: false })))
}

/// The response's body: drives the actor and writes what its outbox has.
struct Outgoing<S> {
    /// The actor's context, which yields no bytes of its own.
    context: Pin<Box<S>>,
    /// The outbox.
    link: Rc<Link>,
    /// Whether the actor has ended: what is left in the outbox is the last.
    has_ended: bool,
}

impl<S: Stream<Item = Result<Bytes, Error>>> Stream for Outgoing<S> {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while !this.has_ended {
            match this.context.as_mut().poll_next(task) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => this.has_ended = true,
                Poll::Pending => break,
            }
        }
        match this.link.poll_take(task) {
            Poll::Pending if this.has_ended => Poll::Ready(None),
            taken => Poll::Ready(ready!(taken).map(Ok)),
        }
    }
}

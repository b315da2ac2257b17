//! What the stream of a connection and the HTTP layer on it tell each other: whose turn it is.
//!
//! The layer's own timer looks at a connection's first request only, and it alone knows when a request has been answered;
//! the stream alone knows what comes, and when.

use super::borders::Borders;
use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How long an idle connection is kept, as clients are told; it is kept a little longer, so that a request which leaves
/// within that time does not meet the end of its connection.
pub(crate) const KEEP_ALIVE_HINT: &str = "timeout=75";
/// The header that tells them.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// The most bytes that a socket is given at once.
pub(super) const AT_ONCE: usize = 16 << 10;

/// Whose turn it is on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum VisitTurn {
    /// The client's: a request's head is awaited, of which the first bytes came at that time, if any have.
    Head(Option<Instant>),
    /// Ours: a request is under way.
    Request,
    /// Both: it has become a socket.
    Socket,
    /// The client's, to end the stream: all that its socket had to say is with the HTTP layer.
    Over,
}

/// One connection.
pub(crate) struct Visit {
    /// Whose turn it is.
    turn: Cell<VisitTurn>,
    /// Its place among the connections that may bring a request; none when it has become a socket.
    place: Cell<Option<TaskTrackerToken>>,
    /// Where in the client's requests the stream is.
    borders: RefCell<Borders>,
    /// How many bytes a socket may be given.
    room: Cell<usize>,
    /// Wakes who reads.
    reader: RefCell<Option<Waker>>,
    /// Whether the client has ended its side, or the stream is broken.
    has_hung_up: Cell<bool>,
}

impl Visit {
    /// A connection whose first request is awaited since then.
    pub(crate) fn new(since: Instant, place: TaskTrackerToken) -> Self {
        Self {
            turn: Cell::new(VisitTurn::Head(Some(since))),
            place: Cell::new(Some(place)),
            borders: RefCell::default(),
            room: Cell::new(usize::MAX),
            reader: RefCell::default(),
            has_hung_up: Cell::default(),
        }
    }

    /// The client has ended its side, or the stream is broken.
    pub(crate) fn hang_up(&self) {
        self.has_hung_up.set(true);
    }

    /// Whether the client has ended its side: who waits for events without end has gone then.
    pub(super) fn has_hung_up(&self) -> bool {
        self.has_hung_up.get()
    }

    /// The answer goes on until one of the two ends it: a stop does not wait for it as for others.
    pub(super) fn stay(&self) {
        drop(self.place.take());
    }

    /// The visit that a request belongs to; none in another program than ours.
    pub(super) fn of(request: &ServiceRequest) -> Option<Rc<Self>> {
        request.conn_data::<Rc<Self>>().cloned()
    }

    /// The socket has said its last word.
    pub(super) fn end(&self) {
        self.turn.set(VisitTurn::Over);
        self.wake();
    }

    /// Whether the stream ends behind what is being written.
    pub(crate) fn is_over(&self) -> bool {
        self.turn.get() == VisitTurn::Over
    }

    /// Bytes go to the HTTP layer.
    pub(crate) fn hear(&self, bytes: &[u8]) {
        match self.turn.get() {
            VisitTurn::Head(None) => self.turn.set(VisitTurn::Head(Some(Instant::now()))),
            VisitTurn::Head(Some(_)) | VisitTurn::Request => {}
            VisitTurn::Socket => return self.room.set(self.room.get().saturating_sub(bytes.len())),
            VisitTurn::Over => return,
        }
        self.borders.borrow_mut().follow(bytes);
    }

    /// How many bytes the HTTP layer may be given: it takes all that there is, whatever waits.
    pub(crate) fn room(&self) -> usize {
        if self.turn.get() == VisitTurn::Socket { self.room.get() } else { usize::MAX }
    }

    /// A socket may be given so many bytes from now on.
    pub(super) fn set_room(&self, bytes: usize) {
        if self.room.replace(bytes) == 0 {
            self.wake();
        }
    }

    /// Wakes who reads.
    fn wake(&self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Somebody waits for bytes, and is to be woken also where the turn has changed.
    pub(crate) fn await_turn(&self, reader: &Waker) {
        self.reader.borrow_mut().get_or_insert_with(|| reader.clone()).clone_from(reader);
    }

    /// A request has been answered. What came behind it meanwhile is the next one's beginning, and has its time from now on:
    /// until now it was not awaited.
    fn answered(&self) {
        if self.borders.borrow().is_between() {
            self.turn.set(VisitTurn::Head(None));
            return;
        }
        self.turn.set(VisitTurn::Head(Some(Instant::now())));
        self.wake();
    }

    /// Since when a request's head is coming; none while none is.
    pub(crate) const fn head_since(&self) -> Option<Instant> {
        match self.turn.get() {
            VisitTurn::Head(since) => since,
            VisitTurn::Request | VisitTurn::Socket | VisitTurn::Over => None,
        }
    }

    /// Whether a request has been answered and nothing of the next has come.
    pub(crate) fn is_between(&self) -> bool {
        self.turn.get() == VisitTurn::Head(None)
    }

    /// Whether no request is under way: what the HTTP layer says then, it says by itself.
    pub(crate) const fn is_idle(&self) -> bool {
        matches!(self.turn.get(), VisitTurn::Head(_))
    }
}

/// A request under way; its end is that of its answer.
pub(super) struct UnderWay(Rc<Visit>);

impl UnderWay {
    /// Begins with the request's head.
    pub(super) fn begin(visit: Rc<Visit>) -> Self {
        visit.turn.set(VisitTurn::Request);
        Self(visit)
    }

    /// Says how long the connection is kept, and goes on with the answer.
    pub(super) fn answer(self, mut response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.0.turn.set(VisitTurn::Socket);
            drop(self.0.place.take());
            self.0.borders.replace(Borders::Unknown);
            self.0.room.set(AT_ONCE);
            return response;
        }
        let is_kept = response.response().head().connection_type() == ConnectionType::KeepAlive;
        if is_kept && response.request().head().connection_type() == ConnectionType::KeepAlive {
            response.headers_mut().insert(KEEP_ALIVE, HeaderValue::from_static(KEEP_ALIVE_HINT));
        }
        response.map_body(|_, body| BoxBody::new(AnswerBody { body, _under_way: self }))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.turn.get() == VisitTurn::Request {
            self.0.answered();
        }
    }
}

/// An answer's body, which the HTTP layer drops when it has taken all of it.
struct AnswerBody {
    /// The body.
    body: BoxBody,
    /// The request.
    _under_way: UnderWay,
}

impl MessageBody for AnswerBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

/// Announces the end of a connection with its last answer: while the server stops, or where the request asked for an
/// upgrade that it does not get, after which the HTTP layer ends it without a word.
pub(super) fn announce_end(response: &mut HttpResponse, asked: ConnectionType, is_last: bool) {
    let is_socket = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if !is_socket && (is_last || asked == ConnectionType::Upgrade) {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
}

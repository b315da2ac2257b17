//! What is noted of every request: its id, how long it took and what came of it, by the pattern of its route.
//!
//! Of a path only the pattern is noted: the paths of leap tokens have their secrets in them.

use super::App;
use super::request_id::{RequestId, X_REQUEST_ID};
use crate::metrics::{self, Family, Label};
use crate::telemetry::{AnsweredRequest, LogShare, RequestSpan, TRACEPARENT};
use actix_web::dev::ServiceRequest;
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, web};
use std::cell::Cell;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

thread_local! {
    /// What this thread has counted and not logged.
    static UNLOGGED: Cell<u32> = const { Cell::new(0) };
}

/// The route of a request, which its resource has among its data: patterns are few, paths are whatever clients send.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoutePattern(pub(super) Label);

/// What requests are noted under that have no route.
const NO_ROUTE: Label = Label::Word("none");
/// The route of publishing, for requests that do not come by it.
pub(crate) const PUBLISH: Label = Label::Below("channels/{channel}/messages");

/// What a request says of itself for those who observe it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SaidOfCall<'a> {
    /// What its sender calls it.
    pub(crate) id: Option<&'a str>,
    /// The trace that it is part of.
    pub(crate) trace: Option<&'a str>,
}

/// A request under way.
pub(crate) struct ObservedCall {
    /// Since when.
    begin: Instant,
    /// Its method.
    method: Label,
    /// What it is called.
    id: RequestId,
    /// Which requests are logged.
    share: LogShare,
    /// Where it comes from, if it may be logged.
    address: Option<IpAddr>,
    /// What is sent to a collector of traces.
    span: RequestSpan,
}

impl ObservedCall {
    /// A request whose head is there, with what it says of itself.
    pub(crate) fn begin(
        app: &App,
        method: &Method,
        said: SaidOfCall<'_>,
        from: impl FnOnce() -> IpAddr,
    ) -> Self {
        let share = app.limits.get().log_requests;
        let address = share.is_any().then(from);
        let (begin, method) = (Instant::now(), word_for(method));
        let span = RequestSpan::begin(|| said.trace);
        Self { begin, method, id: RequestId::of(said.id), share, address, span }
    }

    /// A request of the HTTP layer, likewise.
    pub(super) fn of(request: &ServiceRequest) -> Self {
        let app = request.app_data::<web::Data<App>>();
        let share = app.map_or(LogShare::default(), |app| app.limits.get().log_requests);
        let address = app.filter(|_| share.is_any()).and_then(|app| {
            Some(app.proxies.client_of(request.peer_addr()?.ip(), request.headers()))
        });
        let (begin, method) = (Instant::now(), word_for(request.method()));
        let trace = || request.headers().get(TRACEPARENT)?.to_str().ok();
        let span = RequestSpan::begin(trace);
        let id = RequestId::in_headers(request.headers());
        Self { begin, method, id, share, address, span }
    }

    /// What it is called.
    pub(crate) const fn id(&self) -> &RequestId {
        &self.id
    }

    /// Says in the answer what it is called.
    pub(super) fn name(&self, answer: &mut HeaderMap) {
        if let Some(id) = self.id.header() {
            answer.insert(X_REQUEST_ID, id);
        }
    }

    /// Its method.
    pub(super) const fn method(&self) -> Label {
        self.method
    }

    /// How long it took until now.
    pub(super) fn took(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Its handler crashed, or what stands around it: somebody else answers.
    pub(super) fn lost(&self) {
        self.answered(NO_ROUTE, StatusCode::INTERNAL_SERVER_ERROR);
    }

    /// It is answered.
    pub(crate) fn answered(&self, route: Label, status: StatusCode) {
        let time = self.begin.elapsed();
        metrics::count(|cells| {
            let mut labelled = cells.labelled();
            let code = Label::Number(status.as_u16());
            labelled.add(Family::HttpRequests, [self.method, route, code]);
            labelled.note_http(self.method, route, time);
        });
        let (method, route, id) = (&self.method, &route, &self.id);
        let trace = self.span.end(AnsweredRequest { method, route, status: status.as_u16(), id });
        if self.share.is_any() && (self.is_next() || status.is_server_error()) {
            self.log(*route, status, trace.as_deref());
        }
    }

    /// Whether it is one of those that are logged.
    fn is_next(&self) -> bool {
        UNLOGGED.with(|left| self.share.takes(left))
    }

    /// Writes its line.
    fn log(&self, route: Label, status: StatusCode, trace: Option<&str>) {
        let (method, status) = (self.method, status.as_u16());
        let ms = self.begin.elapsed().as_secs_f64() * 1000.0;
        let address = self.address.map(tracing::field::display);
        let id = &self.id;
        tracing::info!(target: "warren::request", %id, %method, %route, status, ms, address, trace, "answered");
    }
}

/// The route that a request has found.
pub(super) fn route_of(request: &HttpRequest) -> Label {
    request.app_data::<RoutePattern>().map_or(NO_ROUTE, |pattern| pattern.0)
}

/// A method; clients may make some up.
fn word_for(method: &Method) -> Label {
    Label::Word(match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    })
}

//! What is recorded of a project's requests, for who looks.

use super::App;
use super::observed::ObservedCall;
use super::path::PathParts;
use crate::actor::clock;
use crate::domain::ProjectId;
use crate::recorder::{RecordKind, Recorded, RecordedFacts, Tape};
use actix_web::HttpMessage as _;
use actix_web::HttpRequest;
use actix_web::dev::ServiceResponse;
use std::sync::Arc;

/// Where one looks at what is recorded.
pub(super) const INSPECT: &str = "projects/{project}/inspect";
/// Where messages are published: the channel records those that were, and says more.
const SAID_BY_CHANNEL: [&str; 2] = ["channels/{channel}/messages", "channels/{channel}/publish"];

/// A request that will be recorded when it is answered.
struct RecordedRequest {
    /// The project's tape.
    tape: Tape,
    /// What is known of it by now.
    what: Recorded,
    /// The handle of the token that asks.
    by: Arc<str>,
    /// The pattern of its path, below `/v1/`.
    route: Arc<str>,
}

/// A request of a project is known by now: notes it, if anything is recorded there. Who looks is not shown that it looks.
pub(super) fn note(
    request: &HttpRequest,
    app: &App,
    project: &ProjectId,
    parts: &PathParts,
    by: &Arc<str>,
) {
    let recorder = app.supervisor.recorder();
    if !recorder.is_in_use() {
        return;
    }
    let tape = app.supervisor.tape(project);
    let pattern = request.match_pattern().unwrap_or_default();
    let route = pattern.split_once("/v1/").map_or("", |(_, route)| route);
    if !tape.is_on() || route == INSPECT {
        return;
    }
    let of_token = route.starts_with("channels/");
    let what = Recorded {
        channel: parts.channel().ok(),
        token: (of_token && !parts.token.is_empty()).then(|| parts.token()),
        connection: route.contains("{cid}").then(|| parts.connection()),
        ..Recorded::new(RecordKind::Request)
    };
    let (by, route) = (Arc::clone(by), Arc::from(route));
    request.extensions_mut().insert(RecordedRequest { tape, what, by, route });
}

/// A request is answered: records it, if it was noted.
pub(super) fn answered<B>(response: &ServiceResponse<B>, observed: &ObservedCall) {
    let noted = response.request().extensions_mut().remove::<RecordedRequest>();
    let Some(RecordedRequest { tape, what, by, route }) = noted else { return };
    let status = response.status().as_u16();
    if status == 204 && SAID_BY_CHANNEL.contains(&&*route) {
        return;
    }
    let (method, id) = (observed.method().to_string(), observed.id().to_string());
    let (method, id, took) = (Arc::from(method), Arc::from(id), observed.took());
    let facts = RecordedFacts::Answered { method, route, status, took, by, id };
    tape.record(clock::now(), Recorded { facts, ..what });
}

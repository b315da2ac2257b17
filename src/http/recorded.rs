//! What is recorded of a project's requests, and of the items of batches, for who looks.

use super::App;
use super::observed::ObservedCall;
use super::path::PathParts;
use crate::actor::clock;
use crate::domain::ProjectId;
use crate::recorder::{AnsweredCall, RecordKind, Recorded, RecordedFacts, Tape};
use actix_web::HttpMessage as _;
use actix_web::dev::ServiceResponse;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

/// Where one looks at what is recorded.
pub(super) const INSPECT: &str = "projects/{project}/inspect";
/// Where messages are published: the channel records those that were, and says more.
const SAID_BY_CHANNEL: [&str; 2] = ["channels/{channel}/messages", "channels/{channel}/publish"];

/// A call that will be recorded when it is answered.
pub(super) struct RecordedCall {
    /// The project's tape.
    tape: Tape,
    /// What is known of it by now.
    what: Recorded,
    /// The handle of the token that asks.
    by: Arc<str>,
    /// The pattern of its path, below `/v1/`.
    route: Arc<str>,
}

impl RecordedCall {
    /// A call by a path of this pattern, if anything is recorded of its project. Who looks is not shown that it looks.
    pub(super) fn begin(
        app: &App,
        project: &ProjectId,
        (pattern, parts): (&str, &PathParts),
        by: &Arc<str>,
    ) -> Option<Self> {
        let tape = app.supervisor.tape(project);
        let route = pattern.split_once("/v1/").map_or("", |(_, route)| route);
        if !tape.is_on() || route == INSPECT {
            return None;
        }
        let of_token = route.starts_with("channels/");
        let what = Recorded {
            channel: parts.channel().ok(),
            token: (of_token && !parts.token.is_empty()).then(|| parts.token()),
            connection: route.contains("{cid}").then(|| parts.connection()),
            ..Recorded::new(RecordKind::Request)
        };
        Some(Self { tape, what, by: Arc::clone(by), route: Arc::from(route) })
    }

    /// It is answered.
    pub(super) fn answered(
        self,
        method: &dyn Display,
        (status, took): (u16, Duration),
        id: &dyn Display,
    ) {
        let Self { tape, what, by, route } = self;
        if status == 204 && SAID_BY_CHANNEL.contains(&&*route) {
            return;
        }
        let (method, id) = (Arc::from(method.to_string()), Arc::from(id.to_string()));
        let facts =
            RecordedFacts::Answered(Box::new(AnsweredCall { method, route, status, took, by, id }));
        tape.record(clock::now(), Recorded { facts, ..what });
    }
}

/// A request is answered: records it, if that was begun.
pub(super) fn answered<B>(response: &ServiceResponse<B>, observed: &ObservedCall) {
    let begun = response.request().extensions_mut().remove::<RecordedCall>();
    let Some(call) = begun else { return };
    let outcome = (response.status().as_u16(), observed.took());
    call.answered(&observed.method(), outcome, observed.id());
}

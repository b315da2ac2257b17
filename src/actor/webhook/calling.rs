//! Each call of an endpoint is a span, and takes its trace along.

use crate::domain::Timestamp;
use crate::telemetry::{CallOutcome, CallSpan};
use crate::webhook::target::EndpointUrl;
use crate::webhook::{CallError, EndpointCall, EndpointClient, Reply};

/// What calls are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallPurpose {
    /// To tell a webhook of an event.
    Webhook,
    /// To ask a channel authorizer.
    Authorizer,
    /// To fetch the keys that an issuer publishes.
    KeySet,
}

/// Makes a call, and reads the whole answer where it is a question's.
pub(super) async fn call(
    client: &EndpointClient,
    purpose: CallPurpose,
    mut call: EndpointCall<'_>,
    at: Timestamp,
) -> Result<Reply, CallError> {
    let name = match purpose {
        CallPurpose::Webhook => "webhook",
        CallPurpose::Authorizer => "authorizer",
        CallPurpose::KeySet => "jwks",
    };
    // The path may be what keeps others from calling.
    let url = call.url;
    let host = || EndpointUrl::parse(url).map(|url| url.authority().to_owned()).unwrap_or_default();
    let span = CallSpan::begin(name, host);
    call.headers.extend(span.header());
    let answer = match purpose {
        CallPurpose::Webhook => client.tell(call, at).await,
        CallPurpose::Authorizer | CallPurpose::KeySet => client.ask(call, at).await,
    };
    span.end(match &answer {
        Ok(reply) => CallOutcome::Status(reply.status),
        Err(error) => CallOutcome::Failed(error.reason()),
    });
    answer
}

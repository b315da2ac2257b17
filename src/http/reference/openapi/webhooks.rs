//! The operations on webhooks and the channel authorizer.

use super::super::schema::{any_object, array, at_most, fields, named, object, text, told};
use super::lists::list;
use super::operation::{Operation, delete, get, patch, post, put};
use crate::domain::webhook::{EVENTS, MAX_EVENTS};
use crate::http::error::FailureCode as Code;
use crate::http::{authorizer, webhooks};
use serde_json::{Value, json};

/// All of them.
pub(super) fn all() -> Vec<Operation> {
    [of_webhooks(), of_deliveries(), of_authorizers()].into_iter().flatten().collect()
}

/// An address that can be called.
fn address() -> Value {
    json!({
        "type": "string",
        "format": "uri",
        "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://",
        "maxLength": 2048,
        "description": "An `http://` or `https://` address without a user name.",
    })
}

/// The names of events.
fn events() -> Value {
    let name = json!({
        "type": "string",
        "anyOf": [{"enum": EVENTS}, {"pattern": r"^(ignite|project|pipe|registry)\."}],
    });
    at_most(name, MAX_EVENTS)
}

/// Webhooks themselves.
fn of_webhooks() -> Vec<Operation> {
    let members = [("webhook_url", address()), ("events", events())];
    let new = fields(webhooks::FIELDS, &members, &[]);
    let changed = fields(webhooks::FIELDS, &members, &["webhook_url", "events"]);
    let shown = [("webhook", named("Webhook")), ("warnings", array(named("Warning")))];
    let shown = object(&shown, &["warnings"]);
    let secret = [("secret", told(text(), "The new one, shown this once."))];
    vec![
        list(
            get(
                "projects/{project}/webhooks",
                "listWebhooks",
                "List a project's webhooks, their secrets masked",
            ),
            "webhooks",
            "Webhook",
        ),
        post(
            "projects/{project}/webhooks",
            "createWebhook",
            "Make a webhook; its secret is shown this once",
        )
        .body(new)
        .data(shown.clone())
        .refused(Code::LimitReached),
        patch(
            "projects/{project}/webhooks/{webhook}",
            "updateWebhook",
            "Change a webhook's address or events",
        )
        .optional_body(changed)
        .data(shown),
        delete("projects/{project}/webhooks/{webhook}", "deleteWebhook", "Delete a webhook")
            .nothing(),
        post(
            "projects/{project}/webhooks/{webhook}/regenerate",
            "rotateSecret",
            "Make a webhook a new secret; the old one signs beside it for a day",
        )
        .members(&secret),
        post(
            "projects/{project}/webhooks/{webhook}/regenerate_secret",
            "rotateSecretByAlias",
            "Make a webhook a new secret, as old clients do",
        )
        .members(&secret),
        post(
            "projects/{project}/webhooks/{webhook}/test",
            "testWebhook",
            "Post a test event now, and show what came of it",
        )
        .data(named("Tried")),
    ]
}

/// What webhooks were sent.
fn of_deliveries() -> Vec<Operation> {
    vec![
        list(
            get(
                "projects/{project}/webhooks/{webhook}/deliveries",
                "listDeliveries",
                "List what a webhook was sent or is to be sent, the newest first",
            ),
            "deliveries",
            "Delivery",
        ),
        get(
            "projects/{project}/webhooks/{webhook}/deliveries/{delivery}",
            "getDelivery",
            "Show what a webhook is posted of an event, and what came of it",
        )
        .members(&[
            ("delivery", named("Delivery")),
            ("body", told(any_object(), "What is posted.")),
        ]),
        post(
            "projects/{project}/webhooks/{webhook}/deliveries/{delivery}/resend",
            "resend",
            "Send an event again",
        )
        .nothing(),
    ]
}

/// The channel authorizer.
fn of_authorizers() -> Vec<Operation> {
    let new = fields(authorizer::FIELDS, &[("url", address())], &[]);
    let known = |operation: Operation| operation.refused(Code::AuthorizerNotFound);
    vec![
        known(get(
            "projects/{project}/channel-authorizer",
            "getAuthorizer",
            "Show who decides about private channels",
        ))
        .data(named("Authorizer")),
        put(
            "projects/{project}/channel-authorizer",
            "setAuthorizer",
            "Say who decides about private channels; the secret is shown this once",
        )
        .body(new)
        .data(named("Authorizer")),
        known(delete(
            "projects/{project}/channel-authorizer",
            "deleteAuthorizer",
            "Let nobody decide about private channels",
        ))
        .nothing(),
        known(post(
            "projects/{project}/channel-authorizer/test",
            "testAuthorizer",
            "Ask the channel authorizer about nothing real, and show what came of it",
        ))
        .data(named("Tried")),
    ]
}

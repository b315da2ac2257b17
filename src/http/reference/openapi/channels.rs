//! The operations on channels.

use super::super::schema::{
    any_object, anything, array, at_most, event_name, fields, named, number, number_from, object,
    only, or_null, text, told, truth, word,
};
use super::lists::{list, sorted_list};
use super::operation::{Operation, delete, get, patch, post, put};
use crate::http::error::FailureCode as Code;
use crate::http::{batch, channels, state_log, subscribers};
use actix_web::http::header::HeaderName;
use serde_json::{Value, json};

/// All of them.
pub(super) fn all() -> Vec<Operation> {
    [of_channels(), of_listeners(), of_states(), of_messages(), of_subscribers(), of_many()]
        .into_iter()
        .flatten()
        .collect()
}

/// `{channel}`.
fn channel() -> [(&'static str, Value); 1] {
    [("channel", named("Channel"))]
}

/// What a channel is made from.
fn shape() -> Value {
    let members = [
        ("type", named("Visibility")),
        ("state", any_object()),
        ("capabilities", named("Capabilities")),
        ("history", named("HistoryLimits")),
    ];
    fields(channels::SHAPE_FIELDS, &members, &["type", "state", "capabilities", "history"])
}

/// Channels themselves.
fn of_channels() -> Vec<Operation> {
    let changed = [
        ("type", named("Visibility")),
        ("capabilities", named("Capabilities")),
        ("history", named("HistoryLimits")),
    ];
    let changed = fields(channels::UPDATE_FIELDS, &changed, &["type", "capabilities", "history"]);
    let count = object(&[("online_count", number_from(0))], &[]);
    vec![
        post("channels", "createChannel", "Make a channel with an id that the server makes up")
            .optional_body(shape())
            .members(&channel()),
        sorted_list(
            get("channels", "listChannels", "List the project's channels"),
            "channels",
            "Channel",
        ),
        put("channels/{channel}", "createNamedChannel", "Make a channel of this id")
            .optional_body(shape())
            .members(&channel())
            .never(Code::ChannelNotFound)
            .refused(Code::ChannelExists),
        get("channels/{channel}", "getChannel", "Show a channel").members(&channel()),
        patch(
            "channels/{channel}",
            "updateChannel",
            "Change who may subscribe, and what the channel can do",
        )
        .optional_body(changed)
        .members(&channel()),
        delete("channels/{channel}", "deleteChannel", "Delete a channel").nothing(),
        get(
            "channels/{channel}/stats",
            "getChannelStats",
            "Count the sessions that are connected and subscribed",
        )
        .members(&[("stats", count), ("online_count", number_from(0))]),
    ]
}

/// Who hears channels.
fn of_listeners() -> Vec<Operation> {
    vec![
        list(
            get(
                "channels/{channel}/tokens",
                "listChannelTokens",
                "List the leap tokens with a permanent subscription",
            ),
            "tokens",
            "Token",
        ),
        list(
            get("channels/{channel}/presence", "listMembers", "List who is in a channel"),
            "members",
            "PresentMember",
        )
        .refused(Code::MissingCapability),
        list(
            get(
                "channels/{channel}/connections",
                "listChannelConnections",
                "List the live connections that hear a channel",
            ),
            "connections",
            "Connection",
        ),
    ]
}

/// An operation that answers with a state and its tag.
fn with_state(operation: Operation) -> Operation {
    operation.answer(200, Some(named("ChannelState")), &["ETag", "Cache-Control"])
}

/// A write of a state, under conditions.
fn state_write(operation: Operation) -> Operation {
    with_state(operation).asked("ifMatch").asked("ifNoneMatch").refused(Code::VersionConflict)
}

/// States.
fn of_states() -> Vec<Operation> {
    let operations = at_most(json!({"type": "object"}), crate::domain::state::MAX_OPERATIONS);
    let patches = vec![
        ("application/json", told(or_null(any_object()), "The top-level keys that are set.")),
        ("application/merge-patch+json", told(or_null(any_object()), "RFC 7396.")),
        ("application/json-patch+json", told(operations, "RFC 6902.")),
    ];
    let restored = fields(state_log::RESTORE_FIELDS, &[("version", number_from(1))], &[]);
    let versions = [
        ("versions", told(array(named("KeptVersion")), "Newest first.")),
        ("next", told(named("Version"), "What `before` is to be for the next part.")),
    ];
    vec![
        with_state(get(
            "channels/{channel}/state",
            "getState",
            "Show a channel's state, or a version of it",
        ))
        .answer(304, None, &["ETag", "Cache-Control"])
        .asked("version")
        .asked("at")
        .asked("ifNoneMatchRead")
        .refused(Code::VersionNotFound)
        .refused(Code::VersionGone),
        state_write(put("channels/{channel}/state", "setState", "Replace a channel's state"))
            .bodies(vec![("application/json", or_null(any_object()))], false),
        state_write(patch(
            "channels/{channel}/state",
            "patchState",
            "Change a part of a channel's state",
        ))
        .bodies(patches, false),
        get(
            "channels/{channel}/state/history",
            "listVersions",
            "List the versions of a state that are kept",
        )
        .asked("beforeVersion")
        .asked("versionLimit")
        .data(object(&versions, &["next"]))
        .refused(Code::MissingCapability),
        state_write(post(
            "channels/{channel}/state/restore",
            "restoreState",
            "Make the state what it was at some version",
        ))
        .body(restored)
        .refused(Code::VersionNotFound)
        .refused(Code::VersionGone),
    ]
}

/// A message to a channel or a connection.
pub(super) fn message() -> Value {
    object(&[("e", event_name()), ("d", told(anything(), "Any JSON; null if missing."))], &["d"])
}

/// Messages.
fn of_messages() -> Vec<Operation> {
    let publish = |pattern, id, summary| {
        post(pattern, id, summary).body(message()).answer(204, None, &["Warren-Position"])
    };
    let page = [
        ("messages", array(named("KeptMessage"))),
        (
            "next",
            told(named("Position"), "Where to go on: `after` it, or with `desc` `before` it."),
        ),
        ("epoch", told(text(), "The stretch of the line that all of them are of.")),
    ];
    vec![
        publish("channels/{channel}/messages", "publishMessage", "Publish a message"),
        publish(
            "channels/{channel}/publish",
            "publishMessageByAlias",
            "Publish a message, as old clients do",
        ),
        get(
            "channels/{channel}/messages",
            "listMessages",
            "Read the messages that a channel keeps",
        )
        .asked("afterPosition")
        .asked("beforePosition")
        .asked("order")
        .asked("messageLimit")
        .data(object(&page, &["next"]))
        .refused(Code::MissingCapability)
        .refused(Code::PositionGone),
        delete(
            "channels/{channel}/messages",
            "deleteMessages",
            "Take back what a channel keeps, all of it or what stands before a position",
        )
        .asked("beforePosition")
        .nothing()
        .refused(Code::MissingCapability)
        .refused(Code::PositionGone),
    ]
}

/// Subscribing in the back end's name.
fn of_subscribers() -> Vec<Operation> {
    let one = |operation: Operation| operation.nothing().refused(Code::TokenNotFound);
    let subscribe = |operation| one(operation).refused(Code::LimitReached);
    let tokens = at_most(text(), subscribers::MAX_TOKENS);
    let members = [("tokens", tokens), ("ephemeral", truth())];
    let many = fields(subscribers::SUBSCRIBE_FIELDS, &members, &["ephemeral"]);
    let fault = object(&[("code", text()), ("message", text())], &[]);
    let outcome = object(
        &[("token", text()), ("subscribed", only(true)), ("error", fault)],
        &["subscribed", "error"],
    );
    vec![
        post(
            "channels/{channel}/subscribers",
            "subscribeTokens",
            "Subscribe many leap tokens to a channel",
        )
        .body(many)
        .members(&[("results", told(array(outcome), "One for each token, in their order."))]),
        subscribe(put(
            "channels/{channel}/subscribers/{token}",
            "subscribeToken",
            "Subscribe a leap token for good",
        )),
        one(delete(
            "channels/{channel}/subscribers/{token}",
            "unsubscribeToken",
            "Unsubscribe a leap token",
        )),
        subscribe(post(
            "channels/{channel}/tokens/{token}",
            "subscribeTokenByAlias",
            "Subscribe a leap token, as old clients do",
        )),
        one(delete(
            "channels/{channel}/tokens/{token}",
            "unsubscribeTokenByAlias",
            "Unsubscribe a leap token, as old clients do",
        )),
    ]
}

/// Many calls in one.
fn of_many() -> Vec<Operation> {
    let headers = batch::HEADERS;
    let names: Vec<&str> = headers.iter().map(HeaderName::as_str).collect();
    let headers: Vec<_> = names.iter().map(|name| (*name, text())).collect();
    let members = [
        ("method", word(["POST", "PUT", "PATCH"])),
        ("path", told(text(), "The path of the item's own call, query included.")),
        ("body", told(anything(), "The body of the item's own call.")),
        ("headers", object(&headers, &names)),
    ];
    let item = fields(batch::ITEM_FIELDS, &members, &["body", "headers"]);
    let items = fields(batch::FIELDS, &[("items", at_most(item, batch::MAX_ITEMS))], &[]);
    let result = object(
        &[
            ("status", number(100, 599)),
            ("headers", any_object()),
            ("body", told(anything(), "The answer to the item's own call, or null.")),
            ("omitted", told(number_from(0), "How many bytes of a body were left out.")),
        ],
        &["headers", "omitted"],
    );
    vec![
        post("batch", "callMany", "Carry out many messages and state writes")
            .body(items)
            .answer(200, Some(object(&[("results", array(result))], &[])), &["Retry-After"])
            .never(Code::ProjectRequired),
    ]
}

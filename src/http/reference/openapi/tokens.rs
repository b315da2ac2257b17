//! The operations on leap tokens and on connections.

use super::super::schema::{
    anything, at_most, channel_id, event_name, fields, like, named, number, object, or_null, text,
    time, told, truth, word,
};
use super::channels::message;
use super::lists::list;
use super::operation::{Operation, delete, get, patch, post};
use crate::domain::{LONGEST_TTL, MailState};
use crate::http::error::FailureCode as Code;
use crate::http::{messages, token_input};
use serde_json::{Value, json};

/// All of them.
pub(super) fn all() -> Vec<Operation> {
    [of_tokens(), of_messages(), of_connections()].into_iter().flatten().collect()
}

/// `{token}`.
fn token() -> [(&'static str, Value); 1] {
    [("token", named("Token"))]
}

/// A token's state, as it is written.
fn state() -> (&'static str, Value) {
    ("state", told(anything(), "Any JSON; presence shows the object under its key `public`."))
}

/// Leap tokens themselves.
fn of_tokens() -> Vec<Operation> {
    let with_kind =
        object(&[("id", channel_id()), ("ephemeral", or_null(truth()))], &["ephemeral"]);
    let channel = json!({"anyOf": [channel_id(), with_kind]});
    let new = [
        state(),
        ("expires_at", time()),
        ("channels", at_most(channel, token_input::MAX_CHANNELS)),
    ];
    let new = fields(token_input::NEW_FIELDS, &new, &["state", "expires_at", "channels"]);
    let changed = [state(), ("expires_at", told(time(), "Null takes it back."))];
    let changed = fields(token_input::UPDATE_FIELDS, &changed, &["state", "expires_at"]);
    vec![
        post(
            "channels/tokens",
            "createToken",
            "Make a leap token, subscribed to its default channels",
        )
        .optional_body(new)
        .members(&token())
        .refused(Code::InvalidId)
        .refused(Code::ChannelNotFound)
        .refused(Code::LimitReached),
        list(
            get("channels/tokens", "listTokens", "List the project's leap tokens"),
            "tokens",
            "Token",
        ),
        get("channels/tokens/{token}", "getToken", "Show a leap token").members(&token()),
        patch("channels/tokens/{token}", "updateToken", "Change a leap token's state or expiry")
            .optional_body(changed)
            .members(&token()),
        delete(
            "channels/tokens/{token}",
            "deleteToken",
            "Delete a leap token; its connections end",
        )
        .nothing(),
        list(
            get(
                "channels/tokens/{token}/subscriptions",
                "listSubscriptions",
                "List what a leap token is subscribed to",
            ),
            "subscriptions",
            "Subscription",
        ),
    ]
}

/// A direct message whose fields have these names.
fn direct(read: &[&'static str]) -> Value {
    let [event, data, ttl] = read else { panic!("{read:?}") };
    let wait = "With it the message waits in the token's mailbox, for so many seconds.";
    let members = [
        (*event, event_name()),
        (*data, told(anything(), "Any JSON; null if missing.")),
        (*ttl, told(number(1, LONGEST_TTL.as_secs()), wait)),
    ];
    fields(read, &members, &[*data, *ttl])
}

/// Direct messages.
fn of_messages() -> Vec<Operation> {
    let posted = object(
        &[
            ("id", like("^mail_[0-9a-f]+-[0-9]+$")),
            ("s", told(text(), "Its place in the mailbox.")),
        ],
        &[],
    );
    let send = |operation: Operation| {
        let operation = operation.nothing().refused(Code::MailboxFull);
        operation.answer(200, Some(posted.clone()), &[])
    };
    let states = [MailState::Queued, MailState::Delivered, MailState::Expired];
    let status = [("state", word(states.map(MailState::name))), ("at", time())];
    vec![
        send(
            post(
                "channels/tokens/{token}/messages",
                "sendDirectMessage",
                "Send a message to a leap token's connections",
            )
            .body(direct(messages::SHORT.all)),
        ),
        send(
            post(
                "channels/tokens/{token}/message",
                "sendDirectMessageByAlias",
                "Send a message to a leap token's connections, as old clients do",
            )
            .body(direct(messages::FULL.all)),
        ),
        get(
            "channels/tokens/{token}/messages/{message}",
            "getMail",
            "Show what has become of a message that waits",
        )
        .members(&status),
    ]
}

/// Connections.
fn of_connections() -> Vec<Operation> {
    vec![
        list(
            get(
                "channels/tokens/{token}/connections",
                "listTokenConnections",
                "List a leap token's live connections",
            ),
            "connections",
            "Connection",
        ),
        post(
            "channels/connections/{cid}/messages",
            "messageConnection",
            "Send a message to one connection",
        )
        .body(message())
        .nothing(),
        delete(
            "channels/connections/{cid}",
            "closeConnection",
            "End a connection; its client may come back",
        )
        .nothing(),
    ]
}

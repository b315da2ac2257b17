//! The things that answers show, as the structs of `http::views` and beside the handlers write them.

use super::super::schema::{
    any_object, anything, array, channel_id, event_name, flags, flags_or_text, group, like, named,
    number, number_from, object, only, or_null, text, time, told, truth, visibility, word,
};
use crate::domain::{Capabilities, JwtAlgorithm, Permission};
use crate::http::error::FailureCode;
use crate::recorder::RecordKind;
use serde_json::{Map, Value, json};

/// All of them, by their names.
pub(super) fn all() -> Value {
    let mut models = Map::new();
    let parts = [
        of_channels(),
        of_contents(),
        of_tokens(),
        of_projects(),
        of_webhooks(),
        of_calls(),
        of_subjects(),
        of_operators(),
        of_errors(),
    ];
    for (name, schema) in parts.into_iter().flatten() {
        assert!(models.insert(name.to_owned(), schema).is_none(), "{name} is described twice");
    }
    Value::Object(models)
}

/// Schemas with their names.
type Models = Vec<(&'static str, Value)>;

/// Channels, and what is in them.
fn of_channels() -> Models {
    let bits = (1_u64 << Capabilities::NAMED.len()) - 1;
    let history =
        object(&[("count", number_from(1)), ("seconds", number_from(1))], &["count", "seconds"]);
    let channel = object(
        &[
            ("id", channel_id()),
            ("type", named("Visibility")),
            ("state", any_object()),
            ("version", named("Version")),
            ("capabilities", number(0, bits)),
            ("history", named("HistoryLimits")),
            ("created_at", time()),
            ("project", named("Project")),
        ],
        &["history"],
    );
    let state = object(&[("state", any_object()), ("version", named("Version"))], &[]);
    let names = word(Capabilities::NAMED.map(|(name, _)| name));
    let capabilities = json!({"anyOf": [number(0, bits), array(names)]});
    vec![
        ("Visibility", visibility()),
        ("Capabilities", told(capabilities, "The sum of their bits, or a list of names.")),
        ("HistoryLimits", told(history, "How much less than others a channel keeps.")),
        ("Channel", channel),
        ("ChannelState", state),
        ("Version", told(number_from(1), "Rises by one with every change of a state.")),
        ("Position", told(text(), "A place on a channel's line; nothing in it is to be read.")),
    ]
}

/// What channels keep, and who is in them.
fn of_contents() -> Models {
    let message = object(
        &[
            ("s", named("Position")),
            ("e", event_name()),
            ("d", anything()),
            ("at", time()),
            ("from", told(text(), "The member that published it, where a client did.")),
        ],
        &["from"],
    );
    let version = object(
        &[
            ("version", named("Version")),
            ("at", time()),
            ("by", told(or_null(text()), "The handle of the token, or the member, that made it.")),
            ("bytes", number_from(0)),
            (
                "patch",
                told(anything(), "What changed, as a JSON Merge Patch; null where none says it."),
            ),
        ],
        &[],
    );
    let member = object(
        &[
            ("id", text()),
            ("data", told(anything(), "What its token's state has under `public`, or null.")),
            ("connections", number_from(0)),
            ("since", time()),
            ("token", told(text(), "For callers with `read_leap_tokens`.")),
        ],
        &["token"],
    );
    vec![("KeptMessage", message), ("KeptVersion", version), ("PresentMember", member)]
}

/// Leap tokens and their connections.
fn of_tokens() -> Models {
    let token = object(
        &[
            ("id", told(text(), "Id and secret in one.")),
            ("subject", told(text(), "Whom it stands for, if JSON Web Tokens speak of it.")),
            ("state", told(anything(), "Any JSON.")),
            ("project_id", text()),
            ("created_at", time()),
            ("expires_at", or_null(time())),
            ("is_online", truth()),
        ],
        &["subject"],
    );
    let subscription =
        object(&[("channel", channel_id()), ("ephemeral", truth()), ("created_at", time())], &[]);
    let connection = object(
        &[
            ("cid", text()),
            ("since", time()),
            ("address", or_null(text())),
            ("user_agent", or_null(text())),
            ("queue_bytes", number_from(0)),
            ("channels", array(channel_id())),
        ],
        &[],
    );
    vec![("Token", token), ("Subscription", subscription), ("Connection", connection)]
}

/// Projects, who is in them, and their tokens.
fn of_projects() -> Models {
    let quota = object(
        &[("vcpu", number_from(0)), ("ram", number_from(0)), ("volume", number_from(0))],
        &[],
    );
    let project = object(
        &[
            ("id", text()),
            ("name", text()),
            ("namespace", like("^[a-z0-9-]+$")),
            ("created_at", time()),
            ("icon", only(Value::Null)),
            ("type", only("regular")),
            ("tier", only("paid")),
            ("default_quotas", quota.clone()),
            ("quota_overrides", any_object()),
            ("quota_usage", quota),
        ],
        &[],
    );
    let token = object(
        &[
            ("id", told(text(), "Its handle, `ptkid_…`.")),
            ("token", told(text(), "The secret: whole when it is made, masked ever after.")),
            ("flags", flags()),
            ("permissions", array(group())),
            ("project_id", text()),
            ("project", named("Project")),
            ("created_at", time()),
        ],
        &[],
    );
    let role = object(&[("id", text()), ("name", text()), ("flags", flags_or_text())], &[]);
    let member = object(
        &[
            ("id", text()),
            ("name", text()),
            ("username", text()),
            ("mfa_enabled", only(false)),
            ("joined_at", time()),
            ("role", named("Role")),
        ],
        &[],
    );
    vec![("Project", project), ("ProjectToken", token), ("Role", role), ("ProjectMember", member)]
}

/// Webhooks and what they were sent.
fn of_webhooks() -> Models {
    let webhook = object(
        &[
            ("id", text()),
            ("project_id", text()),
            ("webhook_url", text()),
            ("events", array(text())),
            ("type", only("http")),
            ("secret", told(text(), "Whole when it is made, masked ever after.")),
            ("created_at", time()),
        ],
        &[],
    );
    let delivery = object(
        &[
            ("id", told(text(), "The event's.")),
            ("webhook_id", text()),
            ("event", text()),
            ("seq", json!({"type": "integer"})),
            ("state", word(["pending", "delivered", "dead"])),
            ("attempts", number_from(0)),
            ("next_attempt_at", or_null(time())),
            ("last_status", or_null(number(100, 599))),
            ("last_error", or_null(text())),
            ("created_at", time()),
            ("delivered_at", or_null(time())),
        ],
        &[],
    );
    let warning = object(
        &[
            ("code", word(["private_address", "port", "dns", "address"])),
            ("field", text()),
            ("message", text()),
        ],
        &[],
    );
    vec![
        ("Webhook", webhook),
        ("Delivery", delivery),
        ("Warning", told(warning, "What keeps an address from being called.")),
    ]
}

/// What came of calls, and the channel authorizer.
fn of_calls() -> Models {
    let tried = object(
        &[
            ("ok", truth()),
            ("status", number(100, 999)),
            ("granted", truth()),
            ("reason", text()),
            ("ms", number_from(0)),
        ],
        &["status", "granted", "reason"],
    );
    let asked = object(
        &[
            ("at", time()),
            ("outcome", word(["granted", "refused", "failed"])),
            ("status", number(100, 999)),
            ("reason", text()),
            ("ms", number_from(0)),
        ],
        &["status", "reason"],
    );
    let authorizer = object(
        &[
            ("url", text()),
            ("secret", text()),
            ("created_at", time()),
            ("warnings", array(named("Warning"))),
            ("outcomes", array(named("AuthorizerCall"))),
        ],
        &["warnings", "outcomes"],
    );
    vec![
        ("Tried", told(tried, "What came of a test call.")),
        ("AuthorizerCall", told(asked, "What came of a question to the channel authorizer.")),
        ("Authorizer", authorizer),
    ]
}

/// JSON Web Tokens.
fn of_subjects() -> Models {
    let algorithms = JwtAlgorithm::NAMED.map(|(name, _)| name);
    let key = object(
        &[
            ("id", text()),
            ("project_id", text()),
            ("kid", or_null(text())),
            ("kind", word(["secret", "public_key", "jwks"])),
            ("algorithm", or_null(word(algorithms))),
            ("public_key", text()),
            ("jwks_url", text()),
            ("issuer", or_null(text())),
            ("audience", or_null(text())),
            ("created_at", time()),
        ],
        &["public_key", "jwks_url"],
    );
    let token = told(text(), "The leap token that stands for it.");
    let revocation = object(&[("subject", text()), ("token", token), ("revoked_at", time())], &[]);
    vec![
        ("JwtKey", told(key, "A key under which JSON Web Tokens are taken.")),
        ("Revocation", told(revocation, "A subject of which older tokens do not count.")),
    ]
}

/// What the operator is shown, and what happened lately.
fn of_operators() -> Models {
    let pat = object(
        &[
            ("id", told(text(), "Its handle, `pat_id_…`.")),
            ("name", or_null(text())),
            ("pat", told(text(), "The secret: whole when it is made, masked ever after.")),
            ("created_at", time()),
        ],
        &[],
    );
    let yes_or_no =
        ["email_verified", "mfa_enabled", "totp_enabled", "webauthn_enabled", "admin", "github"];
    let texts = ["id", "name", "username", "email"];
    let mut user: Vec<(&str, Value)> = texts.map(|name| (name, text())).into();
    user.extend(yes_or_no.map(|name| (name, truth())));
    user.push(("created_at", time()));
    let kinds = RecordKind::ALL.map(RecordKind::word);
    let always = [("number", number_from(0)), ("at", time()), ("kind", word(kinds))];
    let mut entry: Vec<(&str, Value)> = always.into();
    entry.push(("data", anything()));
    entry.push(("is_back_end", truth()));
    entry.push(("version", named("Version")));
    entry.push(("took_ms", json!({"type": "number", "minimum": 0})));
    let numbers = ["bytes", "receivers", "code", "status"];
    entry.extend(numbers.map(|name| (name, number_from(0))));
    let texts = [
        "channel",
        "token",
        "connection",
        "session",
        "event",
        "text",
        "position",
        "address",
        "initiator",
        "reason",
        "method",
        "route",
        "by",
        "id",
    ];
    entry.extend(texts.map(|name| (name, text())));
    let optional: Vec<&str> = entry.iter().skip(3).map(|(name, _)| *name).collect();
    vec![
        ("AdminToken", pat),
        ("User", object(&user, &[])),
        ("RecordEntry", told(object(&entry, &optional), "Something that was said or done.")),
    ]
}

/// How failures are told.
fn of_errors() -> Models {
    let mut words: Vec<&str> = FailureCode::ALL.iter().map(|code| code.word()).collect();
    words.dedup();
    let flags = word(Permission::ALL.map(Permission::name));
    let reason = object(&[("reason", text()), ("message", text())], &[]);
    let error = object(
        &[
            ("code", word(words)),
            ("message", told(text(), "For people; it may change.")),
            ("field", told(text(), "What of the body or the query is at fault.")),
            ("permission", told(flags, "The flag that the token lacks.")),
            ("version", told(named("Version"), "The one in force.")),
            (
                "oldest",
                json!({
                    "anyOf": [named("Version"), named("Position")],
                    "description": "The oldest version, or the position behind which nothing is missing.",
                }),
            ),
            ("limit", number_from(0)),
            ("size", number_from(0)),
            ("reasons", told(array(reason), "Of `/health/ready`: what is wrong.")),
            ("id", told(text(), "The log says more under it.")),
            ("docs", told(text(), "Where the code is explained: a path below where the API is.")),
        ],
        &["field", "permission", "version", "oldest", "limit", "size", "reasons", "id"],
    );
    let failure = object(&[("success", only(false)), ("error", named("Error"))], &[]);
    vec![("Error", error), ("Failure", failure)]
}

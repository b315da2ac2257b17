//! The operations of whoever runs the server, and what a token says of itself.

use super::super::schema::{any_object, array, fields, named, object, text, text_of, told};
use super::lists::list;
use super::operation::{Operation, delete, get, post};
use crate::actor::mint;
use crate::http::error::FailureCode as Code;
use crate::http::pats;
use serde_json::json;

/// All of them.
pub(super) fn all() -> Vec<Operation> {
    let mut name = text_of(1, mint::MAX_NAME_BYTES);
    name["pattern"] = r"^[^\u0000-\u001f\u007f-\u009f]+$".into();
    let new = fields(pats::FIELDS, &[("name", name)], &["name"]);
    let roles = json!({"type": "object", "additionalProperties": named("Role")});
    let me = [
        ("user", named("User")),
        ("projects", array(named("Project"))),
        ("project_member_role_map", roles),
        ("leap_token", told(text(), "Nobody's: clients need a string there.")),
    ];
    vec![
        get("users/@me", "getSelf", "Show who the token is, and the projects that it sees")
            .data(object(&me, &[])),
        list(
            get("users/@me/pats", "listAdminTokens", "List the admin tokens, their secrets masked"),
            "pats",
            "AdminToken",
        ),
        post(
            "users/@me/pats",
            "createAdminToken",
            "Make an admin token; its secret is shown this once",
        )
        .optional_body(new)
        .members(&[("pat", named("AdminToken"))])
        .refused(Code::IdempotencyAnswerNotKept),
        delete("users/@me/pats/{token}", "deleteAdminToken", "Delete an admin token")
            .nothing()
            .refused(Code::TokenNotFound),
        get("settings", "getSettings", "Show the settings in force, without their secrets")
            .members(&[("settings", any_object())]),
    ]
}

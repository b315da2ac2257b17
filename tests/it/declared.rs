//! What the configuration declares is there when the server is ready, once, however often it starts.

use crate::jwt::{Issuer, claims};
use crate::socket::{Process, Socket};
use crate::support::OWNER;
use serde_json::{Value, json};
use std::path::Path;

/// A token of the declared project.
const SHOP: &str = "ptk_shop_0123456789abcdefghijklmn";
/// A secret of a declared webhook.
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";

/// A server on a folder with this configuration.
fn start_with(folder: &Path, text: &str) -> Process {
    std::fs::write(folder.join("warren.toml"), text).unwrap();
    Process::start(folder, &[("WARREN_ALLOW_PRIVATE_WEBHOOKS", "true")])
}

/// What the server says to the declared project's token.
fn ask(server: &Process, path: &str) -> Value {
    let answer = server.http().call_as(SHOP, "GET", path, "").unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.data()
}

/// Two channels, a webhook and an authorizer in a project of its own.
fn declaration(capabilities: &str, events: &str) -> String {
    format!(
        r#"
        [[project]]
        id = "project_shop"
        name = "Shop"
        token-file = "shop-token"

        [[channel]]
        id = "orders"
        type = "public"
        capabilities = {capabilities}
        state = {{ open = true, prices = [1, 2.5] }}

        [[channel]]
        project = "project_test"
        id = "lobby"
        type = "unprotected"

        [[webhook]]
        url = "http://127.0.0.1:9/hook"
        events = {events}
        secret = "{SECRET}"

        [authorizer]
        url = "http://127.0.0.1:9/ask"
        "#
    )
}

#[test]
fn what_is_declared_is_made_once_changed_where_it_differs_and_never_deleted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop-token"), format!("{SHOP}\n")).unwrap();
    let text = declaration(r#"["PRESENCE"]"#, r#"["channel.created"]"#);
    let server = start_with(folder.path(), &text);
    let channel = ask(&server, "/v1/channels/orders")["channel"].clone();
    assert_eq!(channel["state"], json!({"open": true, "prices": [1, 2.5]}));
    assert_eq!((&channel["type"], &channel["capabilities"]), (&json!("public"), &json!(8)));
    assert_eq!(channel["project"]["name"], "Shop");
    let webhooks = ask(&server, "/v1/projects/@this/webhooks")["webhooks"].clone();
    assert_eq!(webhooks.as_array().unwrap().len(), 1);
    assert_eq!(webhooks[0]["events"], json!(["channel.created"]));
    let asked = ask(&server, "/v1/projects/@this/channel-authorizer");
    assert_eq!(asked["url"], "http://127.0.0.1:9/ask");
    // A state that somebody has changed is not put back.
    server.http().call_as(SHOP, "PUT", "/v1/channels/orders/state", r#"{"open":false}"#).unwrap();
    drop(server);

    // The same again changes nothing.
    let server = start_with(folder.path(), &text);
    assert_eq!(server.log().matches("as it is declared").count(), 5, "{}", server.log());
    assert_eq!(ask(&server, "/v1/projects/@this/webhooks")["webhooks"], webhooks);
    assert_eq!(ask(&server, "/v1/channels/orders/state")["state"], json!({"open": false}));
    drop(server);

    // Differences are brought about, and what is not named any more stays.
    let text = declaration("[]", r#"["channel.created", "channel.deleted"]"#);
    let text = text.replace("id = \"lobby\"", "id = \"hall\"");
    let server = start_with(folder.path(), &text);
    assert_eq!(ask(&server, "/v1/channels/orders")["channel"]["capabilities"], 0);
    let after = ask(&server, "/v1/projects/@this/webhooks")["webhooks"].clone();
    assert_eq!((after.as_array().unwrap().len(), &after[0]["id"]), (1, &webhooks[0]["id"]));
    assert_eq!(after[0]["events"], json!(["channel.created", "channel.deleted"]));
    for id in ["lobby", "hall"] {
        let path = format!("/v1/channels/{id}");
        assert_eq!(server.http().call("GET", &path, "").unwrap().status, 200, "{id}");
    }
    server.assert_well();
}

#[test]
fn what_cannot_be_brought_about_is_named_and_the_server_does_not_start() {
    for (text, words) in [
        ("[[channel]]\nid = \"a\"\ntype = \"secret\"", ["channel a", "type"]),
        ("[[channel]]\nid = \"a\"\nproject = \"project_nowhere\"", ["channel a", "project"]),
        ("[[webhook]]\nurl = \"x\"\nevents = []", ["webhook that has no address", "webhook_url"]),
        ("[[webhook]]\nurl = \"http://h\"\nevents = [\"no.such\"]", ["webhook h ", "no.such"]),
        (
            "[[webhook]]\nurl = \"http://h\"\nevents = []\nsecret = \"short\"",
            ["webhook h ", "secret"],
        ),
        ("[[project]]\nid = \"shop\"", ["project shop", "project_"]),
        ("[[project]]\nid = \"project_a\"\ntoken = \"ptk_short\"", ["project project_a", "token"]),
        ("[[channel]]\nid = \"a\"\ntipe = \"public\"", ["tipe", "warren.toml"]),
        ("[[channel]]\ntype = \"public\"", ["channel", "id"]),
        ("[[channel]]\nid = \"a\"\n[[channel]]\nid = \"a\"", ["line 3", "twice"]),
        (
            "[[channel]]\nid = \"a\"\n[[channel]]\nid = \"a\"\nproject = \"project_test\"",
            ["channel a", "twice"],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("warren.toml"), text).unwrap();
        let output = Process::run_to_end(folder.path(), &[]);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(words.iter().all(|word| log.contains(word)), "{text}: {log}");
    }
}

#[test]
fn history_is_narrowed_where_a_channel_keeps_it_and_refused_where_not() {
    let folder = tempfile::tempdir().unwrap();
    let channel = |more: &str| format!("[[channel]]\nid = \"kept\"\n{more}\n");
    drop(start_with(folder.path(), &channel("capabilities = [\"HISTORY\"]")));
    let server = start_with(folder.path(), &channel("history = { count = 5 }"));
    let found = server.http().data("GET", "/v1/channels/kept", "").unwrap();
    assert_eq!(found["channel"]["history"]["count"], 5, "{found}");
    drop(server);
    let text = "[[channel]]\nid = \"plain\"\nhistory = { count = 5 }";
    std::fs::write(folder.path().join("warren.toml"), text).unwrap();
    let output = Process::run_to_end(folder.path(), &[]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("needs the capability HISTORY"));
}

#[test]
fn a_check_finds_mistakes_in_what_is_declared_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    for (text, words) in [
        (
            "[[channel]]\nid = \"a\"\n[[channel]]\nid = \"b\"\ntype = \"secret\"",
            ["line 3", "channel b"],
        ),
        ("[[webhook]]\nurl = \"http://h\"\nevents = [\"no.such\"]", ["line 1", "no.such"]),
        ("[[project]]\nid = \"project_a\"\ntoken = \"ptk_short\"", ["line 1", "token"]),
        ("[[project]]\nid = \"project_a\"\ntoken-file = \"/nowhere\"", ["line 1", "/nowhere"]),
        ("[authorizer]\nurl = \"x\"", ["line 1", "url"]),
    ] {
        std::fs::write(folder.path().join("warren.toml"), text).unwrap();
        let mut command = crate::support::start::program();
        let output = command.args(["config", "check"]).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(words.iter().all(|word| error.contains(word)), "{text}: {error}");
        assert!(!error.contains("ptk_short"), "{error}");
    }
}

#[test]
fn declared_keys_let_subjects_in_and_change_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "0123456789abcdef0123456789abcdef\n").unwrap();
    let declaration = |audience: &str| {
        format!(
            r#"
            [[jwt-key]]
            kid = "a"
            algorithm = "HS256"
            secret-file = "secret"
            audience = "{audience}"

            [[jwt-key]]
            jwks-url = "http://127.0.0.1:9/keys"
            "#
        )
    };
    let issuer = Issuer::with_secret("HS256", "0123456789abcdef0123456789abcdef");
    let is_taken = |server: &Process, audience: &str| {
        let token = issuer.token(&claims("anna", 60.0, json!({"aud": audience})));
        let mut socket = Socket::open(server.address);
        socket.identify(Some(&token));
        matches!(socket.try_next(), Ok(init) if init["e"] == "INIT")
    };
    for (audience, other, ids) in [("x", "y", 2), ("x", "y", 2), ("y", "x", 2)] {
        let server = start_with(folder.path(), &declaration(audience));
        assert!(is_taken(&server, audience), "{audience}");
        assert!(!is_taken(&server, other), "{other}");
        let keys = server.http().call_as(OWNER, "GET", "/v1/projects/@this/jwt/keys", "").unwrap();
        assert_eq!(keys.data()["keys"].as_array().unwrap().len(), ids);
    }
}

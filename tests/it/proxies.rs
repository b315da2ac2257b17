//! Clients behind proxies: whose address they have (`docs/OPERATING.md`, Proxies).

use crate::scene::create;
use crate::socket::{Received, Socket};
use crate::support::receiver::{Receiver, says};
use crate::support::{Answer, Server};
use serde_json::{Value, json};

/// A header of version 2 for TCP over IPv4 from 192.0.2.7.
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x0a\x00\x00\x01\x10\x00\x00\x50";

/// The proxy's address, and the setting that trusts it; the tests' own requests come from 127.0.0.1.
const PROXY: [u8; 4] = [127, 0, 0, 2];
/// The setting that trusts it.
const TRUSTED: (&str, &str) = ("WARREN_TRUSTED_PROXIES", "127.0.0.2/32,10.0.0.0/8");

/// The address that the server shows for a connection from there that begins with these bytes and has these lines in
/// its handshake.
fn shown(server: &Server, from: [u8; 4], preface: &[u8], lines: &str) -> Value {
    let token = server.new_leap_token();
    let mut socket = Socket::upgraded_from(from, server.address, preface, lines);
    assert!(matches!(socket.receive(), Received::Text(_)));
    socket.identify(Some(&token));
    socket.expect("INIT");
    let data = server.data("GET", &format!("/v1/channels/tokens/{token}/connections"), "");
    data["connections"][0]["address"].clone()
}

#[test]
fn a_trusted_proxy_says_where_a_client_is() {
    let server = Server::start_with(&[TRUSTED]);
    for (lines, expected) in [
        ("", "127.0.0.2"),
        ("X-Forwarded-For: 203.0.113.9, 192.0.2.7\r\n", "192.0.2.7"),
        ("X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 10.1.1.1\r\n", "192.0.2.7"),
        ("Forwarded: for=\"[2001:db8::7]:4711\";proto=https\r\n", "2001:db8::7"),
        ("Forwarded: for=unknown\r\n", "127.0.0.2"),
        ("Forwarded: for=203.0.113.9\r\nX-Forwarded-For: 192.0.2.7\r\n", "127.0.0.2"),
    ] {
        assert_eq!(shown(&server, PROXY, b"", lines), expected, "{lines:?}");
    }
    server.assert_well();
}

#[test]
fn nobody_else_does() {
    let lines = "X-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.7\r\n";
    let server = Server::start_with(&[TRUSTED]);
    assert_eq!(shown(&server, [127, 0, 0, 3], b"", lines), "127.0.0.3");
    let without = Server::start();
    assert_eq!(shown(&without, PROXY, b"", lines), "127.0.0.2");
    without.assert_well();
}

#[test]
fn the_bound_of_an_address_is_that_of_the_client() {
    let config = crate::scene::Config::limits("address-connections = 1");
    let server = Server::start_with(&[TRUSTED, config.setting()]);
    let from = |client: &str| format!("X-Forwarded-For: {client}\r\n");
    let upgrade = |client| Socket::upgraded_from(PROXY, server.address, b"", &from(client));
    let _one = upgrade("192.0.2.1");
    let _other = upgrade("192.0.2.2");
    let again = Socket::handshake_from(PROXY, server.address, b"", &from("1.2.3.4, 192.0.2.1"));
    assert!(again.starts_with("HTTP/1.1 429 "), "{again}");
    server.assert_well();
}

#[test]
fn wrong_tokens_are_counted_for_the_client_and_not_for_its_proxy() {
    let proxy = ("WARREN_TRUSTED_PROXIES", "127.0.0.1/32");
    let config = crate::scene::Config::limits("auth-failures = 10");
    let server = Server::start_with(&[proxy, config.setting()]);
    create(&server, "room", "unprotected", &[]);
    // At the door and behind it.
    let ask = |client: &str, n: usize| {
        let guess = format!("ptk_{n:032}");
        if n.is_multiple_of(2) {
            let headers = [("Authorization", guess.as_str()), ("X-Forwarded-For", client)];
            return server.request("GET", "/v1/channels", &headers, b"").status;
        }
        let plain = format!(
            "POST /v1/channels/room/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {guess}\r\n\
             X-Forwarded-For: {client}\r\nContent-Length: 9\r\n\r\n{{\"e\":\"A\"}}"
        );
        Answer::parse(&server.raw_and_close(plain.as_bytes())).unwrap().status
    };
    // The last of its share is refused in either way: what the door looks up, the layer behind it finds over the limit.
    for n in 0..9 {
        assert_eq!(ask("192.0.2.1", n), 401, "{n}");
    }
    let over = (10..40).filter(|n| ask("192.0.2.1", *n) == 429).count();
    assert!(over > 20, "{over} refused");
    for n in 40..49 {
        assert_eq!(ask("192.0.2.2", n), 401, "{n}");
    }
    server.assert_well();
}

#[test]
fn the_channel_authorizer_is_told_the_address_of_the_client() {
    let server = Server::start_with(&[TRUSTED, ("WARREN_ALLOW_PRIVATE_WEBHOOKS", "1")]);
    let receiver = Receiver::start(|_, _| says(204));
    let authorizer = json!({"url": receiver.url()}).to_string();
    server.data("PUT", "/v1/projects/@this/channel-authorizer", &authorizer);
    create(&server, "room", "private", &[]);
    let lines = "X-Forwarded-For: 203.0.113.9, 192.0.2.7\r\n";
    let mut socket = Socket::upgraded_from(PROXY, server.address, b"", lines);
    assert!(matches!(socket.receive(), Received::Text(_)));
    socket.identify(Some(&server.new_leap_token()));
    socket.expect("INIT");
    socket.dispatch("SUBSCRIBE", "room", &Value::Null);
    assert_eq!(receiver.wait_for(1)[0].json()["connection"]["address"], "192.0.2.7");
    server.assert_well();
}

#[test]
fn a_proxy_header_says_where_a_client_is() {
    // A connection's first bytes can be read only where the stream is the server's own.
    let stream = ("WARREN_SOCKET", "stream");
    let server = Server::start_with(&[TRUSTED, stream, ("WARREN_PROXY_PROTOCOL", "1")]);
    for (preface, lines, expected) in [
        (&b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n"[..], "", "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 fd00::1 4711 80\r\n", "", "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n", "", "127.0.0.2"),
        (BINARY, "", "192.0.2.7"),
        (BINARY, "X-Forwarded-For: 203.0.113.9\r\n", "192.0.2.7"),
    ] {
        assert_eq!(shown(&server, PROXY, preface, lines), expected, "{}", preface.escape_ascii());
    }
    // Whoever is not trusted cannot speak for others, and a trusted one cannot leave the header out.
    assert_eq!(shown(&server, [127, 0, 0, 3], b"", ""), "127.0.0.3");
    let claimed = Socket::handshake_from([127, 0, 0, 3], server.address, BINARY, "");
    assert!(!claimed.starts_with("HTTP/1.1 101"), "{claimed}");
    for preface in [&b""[..], b"PROXY TCP4 x y 1 2\r\n"] {
        assert_eq!(Socket::handshake_from(PROXY, server.address, preface, ""), "");
    }
    server.assert_well();
}

//! What the tests of sessions and channels share: rooms, who comes in, and how silence is proven.
//!
//! Nothing here waits for a time to pass and hopes: that something was not heard is shown by a message that was sent
//! after it and heard instead; that something has ended is asked until it has.

use crate::socket::{Socket, StreamClient};
use crate::support::{OWNER, PROJECT, Server, until};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tempfile::NamedTempFile;

/// Who hears dispatches, by whichever transport.
pub trait Hearer {
    /// The next dispatch.
    fn hear(&mut self) -> Value;

    /// The next dispatch, which must be of this kind.
    fn hear_of(&mut self, event: &str) -> Value {
        let dispatch = self.hear();
        assert_eq!(dispatch["e"], event, "{dispatch}");
        dispatch
    }
}

impl Hearer for Socket {
    fn hear(&mut self) -> Value {
        self.next()
    }
}

impl Hearer for StreamClient {
    fn hear(&mut self) -> Value {
        self.next()
    }
}

/// A connection that has identified with these extensions, and INIT's data.
pub fn enter_with(address: SocketAddr, token: Option<&str>, ext: &[&str]) -> (Socket, Value) {
    let mut socket = Socket::open(address);
    socket.send(&json!({"op": 2, "d": {"project_id": PROJECT, "token": token, "ext": ext}}));
    let init = socket.expect("INIT");
    (socket, init["d"].clone())
}

/// The public id of a connection, from its INIT.
pub fn cid(init: &Value) -> String {
    init["cid"].as_str().unwrap().to_owned()
}

/// The ids of the channels in an INIT.
pub fn channels(init: &Value) -> Vec<&str> {
    let channels = init["channels"].as_array().unwrap().iter();
    channels.map(|channel| channel["id"].as_str().unwrap()).collect()
}

/// Creates a channel of this visibility with these capabilities.
pub fn create(server: &Server, id: &str, visibility: &str, capabilities: &[&str]) {
    let body = json!({"type": visibility, "state": {}, "capabilities": capabilities});
    server.data("PUT", &format!("/v1/channels/{id}"), &body.to_string());
}

/// Creates a leap token with this body.
pub fn new_token(server: &Server, body: &Value) -> String {
    let made = server.data("POST", "/v1/channels/tokens", &body.to_string());
    made["token"]["id"].as_str().unwrap().to_owned()
}

/// A token that is subscribed to these channels.
pub fn token_for(server: &Server, channels: &[&str]) -> String {
    new_token(server, &json!({"channels": channels}))
}

/// A connection that wants to go on from there (extension `resume`), and INIT's data.
pub fn resume(address: SocketAddr, token: Option<&str>, resume: &Value) -> (Socket, Value) {
    let mut socket = Socket::open(address);
    let identify =
        json!({"project_id": PROJECT, "token": token, "ext": ["resume"], "resume": resume});
    socket.send(&json!({"op": 2, "d": identify}));
    let init = socket.expect("INIT");
    (socket, init["d"].clone())
}

/// A position's parts: the epoch, and the offset in it.
pub fn parts(position: &str) -> (String, u64) {
    let (epoch, offset) = position.split_once('-').unwrap();
    (epoch.to_owned(), offset.parse().unwrap())
}

/// Publishes to a channel.
pub fn publish(server: &Server, channel: &str, event: &str, data: &Value) {
    let body = json!({"e": event, "d": data}).to_string();
    server.done("POST", &format!("/v1/channels/{channel}/messages"), &body);
}

/// Sends a message to one connection: a marker, behind everything that the connection was sent before.
pub fn mark(server: &Server, cid: &str, mark: &str) {
    let body = json!({"e": mark, "d": null}).to_string();
    server.done("POST", &format!("/v1/channels/connections/{cid}/messages"), &body);
}

/// Asserts that the next thing that a connection hears is a marker sent now.
pub fn assert_silent(server: &Server, socket: &mut dyn Hearer, cid: &str) {
    mark(server, cid, "marker");
    let heard = socket.hear();
    assert_eq!((&heard["e"], &heard["d"]["e"]), (&json!("DIRECT_MESSAGE"), &json!("marker")));
    assert_eq!(heard["u"], true);
}

/// Whether a connection hears what is published to a channel now; asserts that it hears nothing else.
pub fn hears(server: &Server, socket: &mut dyn Hearer, cid: &str, channel: &str) -> bool {
    publish(server, channel, "probe", &Value::Null);
    mark(server, cid, "marker");
    let mut heard = socket.hear();
    let is_heard = heard["e"] == "MESSAGE";
    if is_heard {
        assert_eq!((&heard["c"], &heard["d"]["e"]), (&json!(channel), &json!("probe")));
        heard = socket.hear();
    }
    assert_eq!((&heard["e"], &heard["d"]["e"]), (&json!("DIRECT_MESSAGE"), &json!("marker")));
    is_heard
}

/// Asks until the answer is yes.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    until(what, || is_so().then_some(()).ok_or("no"));
}

/// Asks until the server knows that a token has no connection any more.
pub fn await_offline(server: &Server, token: &str) {
    let path = format!("/v1/channels/tokens/{token}");
    eventually("the token is offline", || {
        server.data("GET", &path, "")["token"]["is_online"] == false
    });
}

/// Closes a token's only connection and waits until the server knows.
pub fn leave<S>(server: &Server, socket: S, token: &str) {
    drop(socket);
    await_offline(server, token);
}

/// A token that is subscribed to the new public channel `room` and whose only connection has just ended.
pub fn away(server: &Server) -> String {
    create(server, "room", "public", &[]);
    let token = server.new_leap_token();
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.subscribe("room");
    leave(server, socket, &token);
    token
}

/// How many members a channel shows; their grace counts.
pub fn members(server: &Server, channel: &str) -> usize {
    let data = server.data("GET", &format!("/v1/channels/{channel}/presence"), "");
    usize::try_from(data["count"].as_u64().unwrap()).unwrap()
}

/// Whether a channel is there.
pub fn exists(server: &Server, channel: &str) -> bool {
    server.call("GET", &format!("/v1/channels/{channel}"), Some(OWNER), "").status == 200
}

/// The permanent subscriptions of a token.
pub fn subscriptions(server: &Server, token: &str) -> Vec<String> {
    let data = server.data("GET", &format!("/v1/channels/tokens/{token}/subscriptions"), "");
    let listed = data["subscriptions"].as_array().unwrap().iter();
    listed
        .filter(|subscription| subscription["ephemeral"] == false)
        .map(|subscription| subscription["channel"].as_str().unwrap().to_owned())
        .collect()
}

/// A configuration file.
pub struct Config(NamedTempFile);

impl Config {
    /// A file with these bounds in `[limits]`.
    pub fn limits(lines: &str) -> Self {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("[limits]\n{lines}\n")).unwrap();
        Self(file)
    }

    /// The setting that names it.
    pub fn setting(&self) -> (&'static str, &str) {
        ("WARREN_CONFIG", self.0.path().to_str().unwrap())
    }

    /// A server that uses it.
    pub fn start(&self) -> Server {
        Server::start_with(&[self.setting()])
    }
}

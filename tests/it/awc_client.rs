//! The client of the actix family, for services that embed nothing and only talk: HTTP and WebSocket by `awc`.

use crate::support::{OWNER, PROJECT, Server};
use awc::ws::{Frame, Message};
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use serde_json::{Value, json};
use std::fmt::Debug;

/// The next payload, pings aside.
async fn next<S, E>(socket: &mut S) -> Value
where
    S: Stream<Item = Result<Frame, E>> + Unpin,
    E: Debug,
{
    loop {
        let frame = actix_rt::time::timeout(crate::support::PATIENCE, socket.next()).await;
        match frame.expect("in time").expect("open").unwrap() {
            Frame::Text(text) => return serde_json::from_slice(&text).unwrap(),
            Frame::Ping(_) | Frame::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Sends a payload.
async fn send<S>(socket: &mut S, payload: &Value)
where
    S: Sink<Message> + Unpin,
    S::Error: Debug,
{
    socket.send(Message::Text(payload.to_string().into())).await.unwrap();
}

#[actix_rt::test]
async fn a_service_on_actix_publishes_and_hears() {
    let server = Server::start();
    server.data("PUT", "/v1/channels/room", r#"{"type":"unprotected"}"#);
    let client = awc::Client::default();
    let url = format!("ws://{}/ws", server.address);
    let (_, mut socket) = client.ws(url).connect().await.unwrap();
    assert_eq!(next(&mut socket).await["op"], 1, "HELLO");
    send(&mut socket, &json!({"op": 2, "d": {"project_id": PROJECT}})).await;
    assert_eq!(next(&mut socket).await["d"]["e"], "INIT");
    send(&mut socket, &json!({"op": 0, "d": {"e": "SUBSCRIBE", "c": "room"}})).await;
    assert_eq!(next(&mut socket).await["d"]["e"], "AVAILABLE");
    let url = format!("http://{}/v1/channels/room/messages", server.address);
    let publish = client.post(url).insert_header(("Authorization", OWNER));
    let answer = publish.send_json(&json!({"e": "hello", "d": 7})).await.unwrap();
    assert_eq!(answer.status().as_u16(), 204);
    let heard = next(&mut socket).await;
    assert_eq!(heard["d"]["d"], json!({"e": "hello", "d": 7}), "{heard}");
    server.assert_well();
}

//! The frames of connections and tokens that somebody has chosen.

use super::{entries, look};
use crate::encodings::client::{Client, Form};
use crate::scene::{cid, create, new_token, publish};
use crate::socket::Socket;
use crate::support::{PROJECT, Server, until};
use serde_json::{Value, json};

/// The frames of an answer: direction, event, and what they say.
fn frames(answer: &Value) -> Vec<(String, String, Value)> {
    let of = |entry: &Value| {
        let word = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        (word("kind"), word("event"), entry["data"].clone())
    };
    entries(answer)
        .iter()
        .filter(|one| one["kind"].as_str().unwrap().starts_with("frame"))
        .map(of)
        .collect()
}

#[test]
fn the_frames_of_a_chosen_token_are_recorded_in_both_directions_and_no_others() {
    let server = Server::start();
    create(&server, "room", "public", &["CLIENT_PUBLISH"]);
    let token = new_token(&server, &json!({}));
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    socket.subscribe("room");
    let other = new_token(&server, &json!({}));
    let (mut stranger, _) = Socket::enter(server.address, Some(&other));
    stranger.subscribe("room");
    publish(&server, "room", "BEFORE", &json!(0));
    assert_eq!(socket.expect("MESSAGE")["d"]["e"], "BEFORE");
    // Chosen by its token: what is there of it by now and comes.
    let next = look(&server, &format!("token={token}"))["next"].as_str().unwrap().to_owned();
    let mine = format!("token={token}&after={next}&kind=frame_in,frame_out");
    socket.dispatch("MESSAGE", "room", &json!({"e": "MINE", "d": {"n": 1}}));
    socket.expect("MESSAGE");
    stranger.dispatch("MESSAGE", "room", &json!({"e": "THEIRS", "d": 2}));
    socket.expect("MESSAGE");
    let seen = until("three frames", || {
        let seen = frames(&look(&server, &mine));
        if seen.len() == 3 { Ok(seen) } else { Err(seen) }
    });
    let kinds: Vec<_> = seen.iter().map(|(kind, event, _)| format!("{kind} {event}")).collect();
    assert_eq!(kinds, ["frame_in MESSAGE", "frame_out MESSAGE", "frame_out MESSAGE"]);
    assert_eq!(seen[0].2["d"]["d"], json!({"e": "MINE", "d": {"n": 1}}));
    assert_eq!((&seen[1].2["op"], &seen[1].2["d"]["d"]["e"]), (&json!(0), &json!("MINE")));
    assert_eq!(seen[2].2["d"]["d"]["e"], "THEIRS");
    // The stranger's are nobody's to see, as long as nobody has chosen them.
    assert!(frames(&look(&server, &format!("after={next}"))).len() == 3);
    // A connection that comes while its token is chosen is seen from its INIT on, and never its IDENTIFY.
    let (again, init) = Socket::enter(server.address, Some(&token));
    let by_cid = format!("connection={}&kind=frame_in,frame_out", cid(&init));
    let seen = until("INIT", || {
        let seen = frames(&look(&server, &by_cid));
        if seen.is_empty() { Err(seen) } else { Ok(seen) }
    });
    assert_eq!((seen[0].0.as_str(), seen[0].1.as_str()), ("frame_out", "INIT"));
    assert!(seen.iter().all(|(_, _, data)| data["op"] != 2), "{seen:?}");
    drop(again);
    server.assert_well();
}

#[test]
fn the_frames_of_a_chosen_connection_are_recorded_with_its_heartbeats() {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    let (mut socket, init) = Socket::enter(server.address, None);
    socket.subscribe("room");
    let chosen = format!("connection={}&kind=frame_in,frame_out", cid(&init));
    let next = look(&server, &chosen)["next"].as_str().unwrap().to_owned();
    socket.dispatch("UNSUBSCRIBE", "room", &Value::Null);
    socket.beat();
    let seen = until("what was sent", || {
        let seen = frames(&look(&server, &format!("{chosen}&after={next}")));
        // What was sent right before the choice may be noted right behind it.
        let from_client: Vec<_> =
            seen.into_iter().skip_while(|seen| seen.0 != "frame_in").collect();
        if from_client.len() >= 2 { Ok(from_client) } else { Err(from_client) }
    });
    assert_eq!(seen[0].1, "UNSUBSCRIBE");
    assert!(seen[0].2.is_object() && seen[1].2["op"].is_number(), "{seen:?}");
    server.assert_well();
}

#[test]
fn the_frames_of_a_client_that_speaks_compressed_terms_are_recorded_as_json() {
    let server = Server::start();
    create(&server, "room", "public", &["CLIENT_PUBLISH"]);
    let token = new_token(&server, &json!({}));
    let query = "encoding=etf&compression=zlib";
    let mut client = Client::open(server.address, query, "User-Agent: test\r\n");
    client.send(&json!({"op": 2, "d": {"project_id": PROJECT, "token": token}}));
    client.expect("INIT");
    client.dispatch("SUBSCRIBE", "room", &Value::Null);
    client.expect("AVAILABLE");
    let next = look(&server, &format!("token={token}"))["next"].as_str().unwrap().to_owned();
    let message = json!({"e": "MINE", "d": {"long": "é".repeat(1500), "n": 1.5}});
    client.dispatch("MESSAGE", "room", &message);
    client.expect("MESSAGE");
    assert_eq!(client.form, Form::Zlib);
    let mine = format!("token={token}&after={next}&kind=frame_in,frame_out");
    let seen = until("both frames", || {
        let seen = frames(&look(&server, &mine));
        if seen.len() == 2 { Ok(seen) } else { Err(seen) }
    });
    for ((kind, event, data), expected) in seen.iter().zip(["frame_in", "frame_out"]) {
        assert_eq!((kind.as_str(), event.as_str()), (expected, "MESSAGE"));
        assert_eq!(data["d"]["d"], message);
    }
    server.assert_well();
}

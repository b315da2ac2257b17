//! Promises that belong to no other file: what a channel is by default, one order for everything, large messages, the
//! end of a server.

use crate::scene::{create, enter_with};
use crate::socket::{Process, Socket};
use crate::support::Server;
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn a_channel_without_a_type_is_private_and_can_do_nothing_else() {
    let server = Server::start();
    let made = server.data("PUT", "/v1/channels/plain", "{}");
    assert_eq!(made["channel"]["type"], "private");
    assert_eq!(made["channel"]["capabilities"], 0);
    let (mut socket, _) = Socket::enter(server.address, Some(&server.new_leap_token()));
    socket.dispatch("SUBSCRIBE", "plain", &Value::Null);
    assert_eq!(socket.expect("UNAVAILABLE")["d"]["error_code"], "NOT_GRANTED");
}

#[test]
fn a_change_that_changes_nothing_is_a_change_all_the_same() {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    let (mut socket, _) = enter_with(server.address, None, &["version"]);
    socket.subscribe("room");
    for version in 2..5 {
        let changed = server.data("PATCH", "/v1/channels/room/state", "{}");
        assert_eq!(changed["version"], version);
        assert_eq!(socket.expect("STATE_UPDATE")["d"], json!({"state": {}, "version": version}));
    }
}

#[test]
fn states_and_messages_have_one_order_for_everybody() {
    const EACH: usize = 150;
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    let mut ears: Vec<Socket> = (0..3).map(|_| Socket::enter(server.address, None).0).collect();
    for ear in &mut ears {
        ear.subscribe("room");
    }
    let heard: Vec<Vec<String>> = std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..EACH {
                let body = json!({"n": n}).to_string();
                server.data("PUT", "/v1/channels/room/state", &body);
            }
        });
        scope.spawn(|| {
            for n in 0..EACH {
                crate::scene::publish(&server, "room", "M", &json!(n));
            }
        });
        let listening = ears.iter_mut().map(|ear| {
            scope.spawn(move || {
                let label = |event: &Value| format!("{}{}", event["e"], event["d"]);
                (0..2 * EACH).map(|_| label(&ear.next())).collect::<Vec<_>>()
            })
        });
        let listening: Vec<_> = listening.collect();
        listening.into_iter().map(|ear| ear.join().unwrap()).collect()
    });
    assert!(heard.windows(2).all(|pair| pair[0] == pair[1]));
    let states: Vec<&String> = heard[0].iter().filter(|it| it.contains("STATE_UPDATE")).collect();
    assert_eq!(states.len(), EACH);
    assert!(states.iter().enumerate().all(|(n, it)| it.contains(&format!("{{\"n\":{n}}}"))));
}

#[test]
fn a_message_of_many_mebibytes_arrives_whole() {
    let server = Server::start();
    create(&server, "room", "unprotected", &[]);
    let (mut socket, _) = Socket::enter(server.address, None);
    socket.set_patience(Duration::from_mins(1));
    socket.subscribe("room");
    let text = "0123456789abcdef".repeat(2 << 20);
    std::thread::scope(|scope| {
        scope.spawn(|| crate::scene::publish(&server, "room", "LARGE", &json!(text)));
        let heard = socket.expect("MESSAGE");
        assert_eq!(heard["d"]["d"].as_str().unwrap().len(), 32 << 20);
        assert_eq!(heard["d"]["d"].as_str().unwrap(), text);
    });
    server.assert_well();
}

#[test]
fn a_server_that_goes_away_says_when_to_come_back_and_exits_cleanly() {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::start(folder.path(), &[]);
        let (mut socket, _) = Socket::enter(process.address, None);
        let closing = std::thread::spawn(move || socket.expect_close());
        assert_eq!(process.stop(signal), Some(0), "{signal}");
        let (code, reason) = closing.join().unwrap();
        assert_eq!(code, 4010);
        assert!(reason.contains("1 s"), "{reason}");
    }
}

#[test]
fn a_flood_of_messages_is_closed_with_its_limit() {
    let config = crate::scene::Config::limits("publishes-per-second = 5");
    let server = config.start();
    create(&server, "room", "unprotected", &["CLIENT_PUBLISH"]);
    let (mut socket, _) = Socket::enter(server.address, None);
    socket.subscribe("room");
    for n in 0..30 {
        let frame = json!({"op": 0, "d": {"e": "MESSAGE", "c": "room", "d": {"e": "M", "d": n}}});
        if socket.try_write(&crate::socket::frame::text(&frame.to_string())).is_err() {
            break;
        }
    }
    let (code, reason) = socket.expect_close();
    assert_eq!(code, 4008);
    assert!(reason.contains('5'), "{reason}");
}

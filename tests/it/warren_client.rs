//! Warren's own client for Rust (`crates/warren-client`) against a real server, through lines that break.

mod line;
mod stage;

use crate::scene::{create, new_token, publish, token_for};
use crate::socket::{Http, Process};
use crate::support::{PATIENCE, PROJECT, Server, authority, start, until};
use line::{Break, Line};
use serde_json::{Value, json};
use stage::Stage;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{block_in_place, spawn_blocking};
use tokio::time::timeout;
use warren_client::{Builder, Channel, Client, Event, Status};

/// A client that finds a dead line and comes back within a second or so.
fn client(address: SocketAddr, token: Option<&str>) -> Builder {
    client_at(format!("http://{address}"), token)
}

/// Such a client of a server at this address.
fn client_at(url: String, token: Option<&str>) -> Builder {
    let quick = Duration::from_millis;
    let builder = Client::builder(url, PROJECT)
        .pauses(quick(20), quick(200))
        .heartbeat(quick(600), quick(300));
    match token {
        Some(token) => builder.token(token),
        None => builder,
    }
}

/// What has to happen, in time.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("in time")
}

/// The next message or gap: its number, or none for a gap.
async fn next(channel: &Channel) -> Option<u64> {
    loop {
        match soon(channel.next()).await.unwrap() {
            Event::Message(message) => return Some(message.data().unwrap()),
            Event::Gap => return None,
            _ => {}
        }
    }
}

/// The next messages are exactly these.
async fn hear(channel: &Channel, numbers: std::ops::Range<u64>) {
    for number in numbers {
        assert_eq!(next(channel).await, Some(number));
    }
}

/// Publishes these numbers to `room`.
fn say(server: &Server, numbers: std::ops::Range<u64>) {
    block_in_place(|| numbers.for_each(|n| publish(server, "room", "n", &json!(n))));
}

/// A token that is subscribed to the new public channel `room`.
fn subscribed(server: &Server, capabilities: &[&str]) -> String {
    create(server, "room", "public", capabilities);
    token_for(server, &["room"])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_of_warrens_own_clients() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/scenarios/scenarios.json");
    let scenarios: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let scenarios = scenarios["scenarios"].as_array().unwrap();
    assert!(scenarios.len() >= 10, "only {} scenarios", scenarios.len());
    for scenario in scenarios {
        println!("scenario: {}", scenario["name"]);
        // What the other side's system has acknowledged is not known there (docs/RUNTIME.md, Delivery).
        if scenario["acknowledged"] == true && crate::slow::by_route() {
            println!("left out: a route does not tell what was acknowledged");
            continue;
        }
        Box::pin(Stage::run(scenario)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_are_reset_under_load_lose_nothing_and_repeat_nothing() {
    const MESSAGES: u64 = 600;
    let server = Server::start_with(&[("WARREN_HEARTBEAT", "1")]);
    let token = subscribed(&server, &[]);
    let line = Line::to(server.address).await;
    let client = soon(client(line.address, Some(&token)).connect()).await.unwrap();
    let room = soon(client.subscribe("room")).await.unwrap();
    let (address, is_over) = (server.address, Arc::new(AtomicBool::new(false)));
    let over = Arc::clone(&is_over);
    let publisher = spawn_blocking(move || {
        let mut http = Http::connect(address).unwrap();
        for number in 0..MESSAGES {
            let body = json!({"e": "n", "d": number}).to_string();
            http.data("POST", "/v1/channels/room/messages", &body).unwrap();
            // So that breaks come between messages, and not all behind them.
            std::thread::sleep(Duration::from_millis(4));
        }
        over.store(true, Ordering::Relaxed);
    });
    let mut status = client.status();
    let breaker = tokio::spawn(async move {
        let mut breaks = 0;
        while !is_over.load(Ordering::Relaxed) {
            let connected = |status: &Status| matches!(status, Status::Connected(_));
            soon(status.wait_for(connected)).await.unwrap();
            line.breaks([Break::Reset, Break::Fin][breaks % 2]);
            breaks += 1;
            soon(status.wait_for(|status| !matches!(status, Status::Connected(_)))).await.unwrap();
        }
        (line, breaks)
    });
    hear(&room, 0..MESSAGES).await;
    soon(publisher).await.unwrap();
    let (_line, breaks) = soon(breaker).await.unwrap();
    assert!(breaks >= 3, "only {breaks} breaks");
    say(&server, MESSAGES..MESSAGES + 1);
    hear(&room, MESSAGES..MESSAGES + 1).await;
    block_in_place(|| server.assert_well());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_over_lines_that_break_is_published_once_and_in_order() {
    const MESSAGES: u64 = 300;
    let server = Server::start_with(&[("WARREN_HEARTBEAT", "1")]);
    let token = subscribed(&server, &["CLIENT_PUBLISH"]);
    let line = Line::to(server.address).await;
    let speaker = soon(client(line.address, Some(&token)).connect()).await.unwrap();
    let other = block_in_place(|| token_for(&server, &["room"]));
    let hearer = soon(client(server.address, Some(&other)).connect()).await.unwrap();
    let room = soon(hearer.subscribe("room")).await.unwrap();
    let (mut asked, mut heard) = (Vec::new(), 0);
    for begin in (0..MESSAGES).step_by(30) {
        asked.extend((begin..begin + 30).map(|number| speaker.publish("room", "n", &number)));
        // With some of it on its way there, and some of the answers on their way back.
        hear(&room, heard..begin + 10).await;
        heard = begin + 10;
        line.breaks(Break::Reset);
    }
    for outcome in asked {
        soon(outcome).await.unwrap();
    }
    hear(&room, heard..MESSAGES).await;
    block_in_place(|| server.assert_well());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_repeats_nothing_and_what_may_be_missing_is_told() {
    const KILLS: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path(), &[("WARREN_HEARTBEAT", "1")]);
    let (mut http, channel) = (process.http(), json!({"type": "public", "state": {}}).to_string());
    http.data("PUT", "/v1/channels/room", &channel).unwrap();
    let body = json!({"channels": ["room"]}).to_string();
    let made = http.data("POST", "/v1/channels/tokens", &body).unwrap();
    let line = Line::to(process.address).await;
    let client = client(line.address, made["token"]["id"].as_str());
    let client = soon(client.connect()).await.unwrap();
    let room = soon(client.subscribe("room")).await.unwrap();
    // What was answered, and when the publisher is to end.
    let (answered, last) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(u64::MAX)));
    let publisher = publishing(&line, &answered, &last);
    let (mut heard, mut has_gap, mut gaps) = (0_u64, false, 0_usize);
    let (mut kills, mut killed) = (0_usize, 0_u64);
    while heard < last.load(Ordering::Relaxed) {
        match next(&room).await {
            None => (has_gap, gaps) = (true, gaps + 1),
            Some(number) => {
                let is_next = number == heard + 1 || (has_gap && number > heard);
                assert!(is_next, "{number} after {heard}, and a gap was told: {has_gap}");
                (heard, has_gap) = (number, false);
            }
        }
        let Status::Connected(session) = client.status().borrow().clone() else { continue };
        if kills == KILLS && session.connection > killed && last.load(Ordering::Relaxed) == u64::MAX
        {
            // It is back for the last time: a hundred more, and all of them have to come.
            last.store(answered.load(Ordering::Relaxed) + 100, Ordering::Relaxed);
        }
        if heard % 50 == 0 && kills < KILLS {
            killed = session.connection;
            kills += 1;
            line.aim(None);
            process.kill();
            process = Process::start(folder.path(), &[("WARREN_HEARTBEAT", "1")]);
            line.aim(Some(process.address));
        }
    }
    soon(publisher).await.unwrap();
    assert!(kills == KILLS && gaps >= 1, "{kills} kills and {gaps} gaps");
    process.assert_well();
}

/// Publishes 1, 2, 3, … to `room` through a line's target, each once it is up, and none twice.
fn publishing(
    line: &Line,
    answered: &Arc<AtomicU64>,
    last: &Arc<AtomicU64>,
) -> tokio::task::JoinHandle<()> {
    let (aim, answered, last) = (line.target(), Arc::clone(answered), Arc::clone(last));
    spawn_blocking(move || {
        let mut http = None;
        let mut number = 0;
        while number < last.load(Ordering::Relaxed) {
            number += 1;
            let body = json!({"e": "n", "d": number}).to_string();
            until("published, or nobody knows", || {
                let target = *aim.lock().unwrap();
                let open = || target.and_then(|address| Http::connect(address).ok());
                let mut connection = http.take().or_else(open).ok_or("no server")?;
                // A call that was cut off may be carried out: its number is not said again.
                if connection.data("POST", "/v1/channels/room/messages", &body).is_ok() {
                    http = Some(connection);
                }
                Ok::<_, &str>(())
            });
            answered.store(number, Ordering::Relaxed);
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_up_nobody_and_misses_nothing() {
    let server = Server::start();
    let token = subscribed(&server, &[]);
    create(&server, "other", "public", &[]);
    let builder = client(server.address, Some(&token)).reading(8, 1 << 20);
    let client = soon(builder.connect()).await.unwrap();
    let room = soon(client.subscribe("room")).await.unwrap();
    let other = soon(client.subscribe("other")).await.unwrap();
    say(&server, 0..100);
    block_in_place(|| publish(&server, "other", "n", &json!(7)));
    hear(&other, 7..8).await;
    // Only now does anybody read the room: far more than it holds was said.
    hear(&room, 0..100).await;
    say(&server, 100..101);
    hear(&room, 100..101).await;
    block_in_place(|| server.assert_well());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_life_of_the_program_goes_on_where_the_last_one_was() {
    let server = Server::start();
    let token = subscribed(&server, &[]);
    let first = soon(client(server.address, Some(&token)).connect()).await.unwrap();
    let room = soon(first.subscribe("room")).await.unwrap();
    say(&server, 0..10);
    hear(&room, 0..5).await;
    let stored = serde_json::to_string(&first.positions()).unwrap();
    soon(first.close()).await;
    let ended = async {
        while soon(room.next()).await.is_ok() {}
        soon(room.next()).await.unwrap_err()
    };
    assert_eq!(ended.await.code(), "closed");
    say(&server, 10..12);
    let positions = serde_json::from_str(&stored).unwrap();
    let builder = client(server.address, Some(&token)).positions(positions);
    let second = soon(builder.connect()).await.unwrap();
    // Nobody has asked for it yet in this life, and nothing of it is lost.
    assert_eq!(second.channels().ids(), ["room"]);
    let room = soon(second.subscribe("room")).await.unwrap();
    // What the first life was busy with as it stored its positions counts as not done.
    hear(&room, 4..12).await;
    assert_eq!(soon(second.subscribe("room")).await.unwrap_err().code(), "already_read");
    drop(room);
    let room = soon(second.subscribe("room")).await.unwrap();
    say(&server, 12..13);
    hear(&room, 12..13).await;
    block_in_place(|| server.assert_well());
}

/// Speaks TLS in front of a server; returns where.
async fn secured(server: SocketAddr, config: Arc<rustls::ServerConfig>) -> SocketAddr {
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not trust the certificate ends it here.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(server).await.unwrap();
                // Either side may end it.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_ask_and_follow_behind_tls_and_check_who_is_there() {
    let server = Server::start();
    create(&server, "room", "unprotected", &["HISTORY"]);
    say(&server, 0..1);
    let (config, authority) = authority();
    let url = format!("https://{}", secured(server.address, config).await);
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("authority.pem");
    std::fs::write(&trusted, authority).unwrap();
    let run = |words: &[&str], is_trusted: bool| {
        let mut command = start::program();
        command.args(words).args(["--url", &url, "--project", PROJECT, "--json"]);
        command.current_dir(folder.path()).env("HOME", folder.path());
        command.env("SSL_CERT_FILE", if is_trusted { &*trusted } else { "/nowhere".as_ref() });
        block_in_place(|| command.output().unwrap())
    };
    assert!(run(&["health"], true).status.success());
    let heard = run(&["tail", "room", "--rewind", "1", "--count", "1", "--messages"], true);
    assert!(heard.status.success(), "{heard:?}");
    assert!(String::from_utf8_lossy(&heard.stdout).contains(r#""kind":"message""#), "{heard:?}");
    let refused = run(&["health"], false);
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(6) && error.contains("certificate"), "{refused:?}");
    block_in_place(|| server.assert_well());
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_tls_it_checks_who_is_there_and_comes_back_as_without() {
    let server = Server::start();
    let token = subscribed(&server, &[]);
    let (config, authority) = authority();
    let line = Line::to(secured(server.address, config).await).await;
    let builder = client_at(format!("https://{}", line.address), Some(&token));
    let stranger = builder.clone().start().unwrap();
    let mut status = stranger.status();
    let refused = soon(status.wait_for(|status| matches!(status, Status::Waiting(_)))).await;
    let Status::Waiting(close) = refused.unwrap().clone() else { panic!() };
    assert!(close.reason.contains("certificate"), "{close}");
    soon(stranger.close()).await;
    let builder = builder.root_certificates(authority).unwrap();
    let client = soon(builder.connect()).await.unwrap();
    let room = soon(client.subscribe("room")).await.unwrap();
    say(&server, 0..10);
    hear(&room, 0..10).await;
    let mut status = client.status();
    for (way, numbers) in [(Break::Reset, 10..20), (Break::Fin, 20..30)] {
        line.breaks(way);
        soon(status.wait_for(|status| !matches!(status, Status::Connected(_)))).await.unwrap();
        say(&server, numbers.clone());
        hear(&room, numbers).await;
    }
    block_in_place(|| server.assert_well());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_a_channel_is_known() {
    let server = Server::start();
    let token = subscribed(&server, &["PRESENCE"]);
    let watcher = soon(client(server.address, Some(&token)).connect()).await.unwrap();
    let room = soon(watcher.subscribe("room")).await.unwrap();
    let body = json!({"state": {"public": {"name": "bob"}}, "channels": ["room"]});
    let guest = block_in_place(|| new_token(&server, &body));
    let guest = soon(client(server.address, Some(&guest)).connect()).await.unwrap();
    soon(async {
        while room.members().len() < 2 {
            room.next().await.unwrap();
        }
    })
    .await;
    assert!(room.members().iter().any(|member| member.data == json!({"name": "bob"})));
    assert_eq!(*guest.token_state().value, json!({"public": {"name": "bob"}}));
    block_in_place(|| server.assert_well());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tokens_own_line_is_heard_and_closes_have_their_meaning() {
    let server = Server::start();
    let token = subscribed(&server, &[]);
    let client = soon(client(server.address, Some(&token)).connect()).await.unwrap();
    let direct = client.direct().unwrap();
    let path = format!("/v1/channels/tokens/{token}");
    block_in_place(|| {
        server.done("POST", &format!("{path}/messages"), r#"{"e":"d","d":{"a":1.50}}"#);
        server.data("PATCH", &path, r#"{"state":{"a":1}}"#);
    });
    let Event::Message(message) = soon(direct.next()).await.unwrap() else { panic!() };
    assert_eq!((message.event.as_str(), message.json()), ("d", r#"{"a":1.50}"#));
    let Event::State(state) = soon(direct.next()).await.unwrap() else { panic!() };
    assert_eq!(*state.value, json!({"a": 1}));
    block_in_place(|| server.done("DELETE", &path, ""));
    assert_eq!(soon(direct.next()).await.unwrap_err().code(), "invalid_auth");
    assert_eq!(soon(client.connected()).await.unwrap_err().code(), "invalid_auth");
    assert_eq!(soon(client.publish("room", "n", &1)).await.unwrap_err().code(), "invalid_auth");
    block_in_place(|| server.assert_well());
}

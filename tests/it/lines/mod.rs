//! Lines that break under an official client while somebody publishes: nothing is lost that the grace and the bounds cover.
//!
//! 20 breaks are part of the test run; `WARREN_BREAKS=200 cargo test --test it lines::` makes more (`docs/testing.md`).

pub mod proxy;

use crate::record::{EndOfLoad, Note, Promise, Record};
use crate::scene::{create, eventually, token_for};
use crate::socket::Http;
use crate::support::{PATIENCE, PROJECT, Server};
use leap_client_rs::leap::types::Event;
use leap_client_rs::{LeapEdge, LeapOptions};
use proxy::{Break, Proxy};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A message with this number is the last.
const LAST: u64 = 1 << 40;
/// So long a frozen or dead line stays so: longer than the server waits for a heartbeat, shorter than its grace.
const SILENCE: Duration = Duration::from_millis(3500);
/// The server's settings: it notices within two seconds and a half that nobody is there.
const SETTINGS: [(&str, &str); 2] =
    [("WARREN_HEARTBEAT", "1"), ("WARREN_HEARTBEAT_TIMEOUT", "2.5")];
/// In a network of its own, the server's way to who comes from here can be taken away.
const FAR: [u8; 4] = [127, 0, 0, 3];

/// How many breaks.
fn breaks() -> u64 {
    std::env::var("WARREN_BREAKS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// Publishes, one message after the other, until there is nothing more to do; then the last one.
fn publish(address: SocketAddr, record: &Record, is_over: &AtomicBool) {
    let mut http = Http::connect(address).unwrap();
    let mut say = |id: u64| {
        record.note(Note::Sent { by: 0, channel: "room".to_owned(), id });
        let body = json!({"e": "n", "d": id}).to_string();
        assert_eq!(http.data("POST", "/v1/channels/room/messages", &body).unwrap(), Value::Null);
        record.note(Note::Answered { id });
    };
    for id in 1.. {
        if is_over.load(Ordering::SeqCst) {
            return say(LAST);
        }
        say(id);
        // A pace at which a silence is within the bounds of what is kept.
        thread::sleep(Duration::from_millis(20));
    }
}

/// An official client hears until it has heard the last message. It comes back by itself, and its application makes a new
/// one only where it gives up because there is nobody to come back to.
async fn hear(address: SocketAddr, token: &str, record: &Record) {
    let ws_url = &format!("ws://{address}/ws");
    let mut is_new = true;
    loop {
        let options = LeapOptions { token: Some(token), project: PROJECT, ws_url };
        let Ok(mut leap) = LeapEdge::new(options).await else {
            // The line may just be breaking.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        while let Some(event) = leap.listen().await {
            match event {
                Event::Init(_) => {
                    record.note(Note::Broke { client: 0 });
                    if std::mem::take(&mut is_new) {
                        record.note(Note::Hears { client: 0, channel: "room".to_owned() });
                    }
                }
                Event::Message(message) => {
                    let id = message.data.data.as_u64().unwrap();
                    record.note(Note::Heard { client: 0, channel: "room".to_owned(), id });
                    if id == LAST {
                        return leap.close().await;
                    }
                }
                _ => {}
            }
        }
    }
}

/// The same, on a runtime of its own and so long at most: whoever has not heard the last by then never will, and the record
/// says what is missing. A client that spins and gives no other task its thread is left behind.
fn hear_for(patience: Duration, address: SocketAddr, token: &str, record: &Arc<Record>) {
    let threads =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = threads.unwrap();
    let (token, record) = (token.to_owned(), Arc::clone(record));
    let hearing = runtime.spawn(async move { hear(address, &token, &record).await });
    let heard = runtime.block_on(async { tokio::time::timeout(patience, hearing).await });
    runtime.shutdown_background();
    if let Ok(done) = heard {
        done.unwrap();
    }
}

/// Has a client hear over lines that break so often, each by `cut`, while somebody publishes; what is wrong is a failure.
fn break_lines(from: [u8; 4], count: u64, mut cut: impl FnMut(&Proxy)) {
    let server = Server::start_with(&SETTINGS);
    create(&server, "room", "public", &[]);
    let token = &token_for(&server, &["room"]);
    let proxy = Proxy::start(server.address, from);
    let (record, is_over) = (&Arc::new(Record::default()), &AtomicBool::new(false));
    thread::scope(|threads| {
        let (server, address) = (server.address, proxy.address);
        threads.spawn(move || {
            let patience = SILENCE * u32::try_from(count).unwrap() + PATIENCE;
            hear_for(patience, address, token, record);
        });
        threads.spawn(move || publish(server, record, is_over));
        let end = EndOfLoad(is_over);
        for _ in 0..count {
            let upto = record.heard();
            eventually("the client hears", || record.heard() > upto + 3);
            cut(&proxy);
        }
        drop(end);
    });
    let findings = record.check(|_| Promise::AtLeastOnce);
    println!("{count} breaks: {}", findings.figures());
    assert!(findings.is_clean(), "{findings:?}");
    assert!(findings.answered as u64 > count, "{}", findings.figures());
    server.assert_well();
}

#[test]
fn over_lines_that_are_reset_or_ended_nothing_is_lost_and_nothing_comes_twice() {
    for how in [Break::Fin, Break::Reset] {
        break_lines([127, 0, 0, 1], breaks() * 2 / 5, |proxy| proxy.cut(how));
    }
}

#[test]
fn what_a_frozen_client_did_not_read_comes_when_it_is_back() {
    break_lines([127, 0, 0, 1], breaks() / 10, |proxy| {
        proxy.cut(Break::Frozen);
        // As long as the server needs to notice: it is the time itself that is tried.
        thread::sleep(SILENCE);
        proxy.mend();
    });
}

/// Takes the way to [`FAR`] away, or gives it back.
fn let_through(may: bool) {
    let verb = if may { "del" } else { "add" };
    let route = ["route", verb, "blackhole", "127.0.0.3/32", "table", "local"];
    assert!(Command::new("ip").args(route).status().unwrap().success());
}

/// In a network namespace, where there is such a thing: packets to the client vanish, and nobody is told.
#[test]
fn over_a_line_that_swallows_everything_nothing_is_lost() {
    const INSIDE: &str = "WARREN_TEST_IN_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return break_lines(FAR, breaks() / 10, |_| {
            let_through(false);
            // As above.
            thread::sleep(SILENCE);
            let_through(true);
        });
    }
    let has_namespaces = Command::new("unshare").args(["-n", "ip", "link"]).output();
    if !has_namespaces.is_ok_and(|output| output.status.success()) {
        println!("there are no network namespaces here: not tried");
        return;
    }
    let name = "lines::over_a_line_that_swallows_everything_nothing_is_lost";
    let again = format!("ip link set lo up && exec \"$0\" --exact --nocapture {name}");
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", &again]).arg(std::env::current_exe().unwrap());
    let output = command.env(INSIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "it ran: {said}");
}

//! Mails and kills: what was answered is heard, and by Warren's own clients once.

use super::{HOUR, heard, mail, path};
use crate::kills::{free_address, let_run, start};
use crate::record::EndOfLoad;
use crate::scene::eventually;
use crate::socket::{Dice, Http, Process, Socket};
use crate::support::{PATIENCE, PROJECT};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tokio::time::timeout;
use warren_client::{Client, Event};

#[test]
fn a_mail_that_was_answered_outlives_kills_and_is_not_delivered_by_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let token = new_token(&server);
    let posted = server.http().call_once("key", "POST", &path(&token), &mail(1, HOUR)).unwrap();
    let id = posted.data()["id"].as_str().unwrap().to_owned();
    let state = |server: &Process| {
        let status = server.http().data("GET", &format!("{}/{id}", path(&token)), "").unwrap();
        status["state"].as_str().unwrap().to_owned()
    };
    server.kill();
    let server = Process::start(folder.path(), &[]);
    assert_eq!(state(&server), "queued");
    let again = server.http().call_once("key", "POST", &path(&token), &mail(1, HOUR)).unwrap();
    assert_eq!(again.data(), posted.data());
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    assert_eq!(heard(&mut socket), 1);
    eventually("it is delivered", || state(&server) == "delivered");
    server.kill();
    let server = Process::start(folder.path(), &[]);
    assert_eq!(state(&server), "delivered");
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    server.http().data("POST", &path(&token), &mail(2, HOUR)).unwrap();
    assert_eq!(heard(&mut socket), 2, "the first was noted as delivered");
    server.assert_well();
}

#[test]
fn an_orderly_stop_notes_what_was_heard_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let token = new_token(&server);
    let post = |server: &Process, number| {
        server.http().data("POST", &path(&token), &mail(number, HOUR)).unwrap();
    };
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    for number in 0..20 {
        post(&server, number);
        assert_eq!(heard(&mut socket), number);
    }
    socket.beat();
    assert_eq!(server.stop("TERM"), Some(0));
    let server = Process::start(folder.path(), &[]);
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    post(&server, 20);
    assert_eq!(heard(&mut socket), 20, "and nothing before it again");
    server.assert_well();
}

/// Makes a token.
fn new_token(server: &Process) -> String {
    let made = server.http().data("POST", "/v1/channels/tokens", "{}").unwrap();
    made["token"]["id"].as_str().unwrap().to_owned()
}

/// How often the server is killed.
const KILLS: u64 = 6;
/// How many mails each life of it has to take.
const LOAD: u64 = 20;

#[test]
fn under_load_and_kills_every_mail_that_was_answered_is_heard_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &[]);
    let token = new_token(&server);
    drop(server);
    let answered = Mutex::new(Vec::new());
    let (mut heard, mut next) = (Vec::new(), 0);
    for kill in 0..KILLS {
        let server = Process::start(folder.path(), &[]);
        let address = server.address;
        let (mut socket, _) = Socket::enter(address, Some(&token));
        thread::scope(|scope| {
            let (answered, token, from) = (&answered, &token, &mut next);
            scope.spawn(move || {
                let mut http = Http::connect(address).unwrap();
                while let Ok(answer) = http.call("POST", &path(token), &mail(*from, HOUR)) {
                    match answer.status {
                        200 => answered.lock().unwrap().push(*from),
                        429 => {}
                        other => panic!("{other}: {}", answer.text()),
                    }
                    *from += 1;
                }
                *from += 1;
            });
            let reader = scope.spawn(move || {
                let mut numbers = Vec::new();
                while let Ok(message) = socket.try_next() {
                    numbers.push(message["d"]["d"].as_u64().unwrap());
                }
                numbers
            });
            let done = || answered.lock().unwrap().len() as u64;
            let_run(Duration::from_millis(200 + 150 * kill), LOAD, done);
            server.kill();
            heard.push(reader.join().unwrap());
        });
    }
    let server = Process::start(folder.path(), &[]);
    let (mut socket, _) = Socket::enter(server.address, Some(&token));
    let mut http = server.http();
    // It may be full of what nobody has heard yet.
    eventually("there is room for the last", || {
        http.call("POST", &path(&token), &mail(u64::MAX, HOUR)).unwrap().status == 200
    });
    let mut rest = Vec::new();
    loop {
        match socket.expect("DIRECT_MESSAGE")["d"]["d"].as_u64().unwrap() {
            u64::MAX => break,
            number => rest.push(number),
        }
    }
    heard.push(rest);
    for numbers in &heard {
        assert!(numbers.is_sorted_by(|a, b| a < b), "in order and once: {numbers:?}");
    }
    let answered = answered.into_inner().unwrap();
    assert!(answered.len() as u64 > LOAD * KILLS);
    let all: std::collections::BTreeSet<_> = heard.iter().flatten().collect();
    let lost: Vec<_> = answered.iter().filter(|number| !all.contains(number)).collect();
    assert!(lost.is_empty(), "{lost:?} of {} were lost", answered.len());
    server.assert_well();
}

/// How many mails each life of the server has to take for each token.
const ROUNDS: u64 = 4;
/// The last number of each token.
const LAST: u64 = 1 << 40;

/// Posts numbers to some tokens in turn, each until it is answered, whatever happens to the server; and the last ones.
fn post_all(address: SocketAddr, tokens: &[String], (is_over, posted): (&AtomicBool, &AtomicU64)) {
    let mut http = None;
    let mut insist = |token: &String, number: u64| {
        let key = format!("{token}-{number}");
        loop {
            let Some(open) = &mut http else {
                http = Http::connect(address).ok();
                // The server is just being started; that it is back, nothing else tells.
                thread::sleep(Duration::from_millis(5));
                continue;
            };
            match open.call_once(&key, "POST", &path(token), &mail(number, HOUR)) {
                Ok(answer) if answer.status == 200 => return,
                // The first call may be under way; the mailbox full; the server not there yet.
                Ok(answer) => {
                    assert!(matches!(answer.status, 409 | 429 | 503), "{}", answer.text());
                }
                Err(_) => http = None,
            }
        }
    };
    while !is_over.load(Ordering::SeqCst) {
        for token in tokens {
            insist(token, posted.load(Ordering::SeqCst));
        }
        posted.fetch_add(1, Ordering::SeqCst);
    }
    for token in tokens {
        insist(token, LAST);
    }
}

/// Hears a token's mails with Warren's own client, up to the last.
async fn hear(address: SocketAddr, token: &str) -> Vec<u64> {
    let builder = Client::builder(format!("http://{address}"), PROJECT).token(token);
    let builder = builder.pauses(Duration::from_millis(10), Duration::from_millis(100));
    let warren = builder.connect().await.unwrap();
    let direct = warren.direct().unwrap();
    let mut numbers = Vec::new();
    loop {
        if let Event::Message(message) = direct.next().await.unwrap() {
            assert!(message.mail.as_ref().unwrap().starts_with("mail_"));
            match message.data().unwrap() {
                LAST => return numbers,
                number => numbers.push(number),
            }
        }
    }
}

#[test]
fn warrens_own_clients_hear_every_mail_once_and_in_order_over_kills() {
    let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
    let process = start(folder.path(), address);
    let tokens: Vec<_> = (0..4).map(|_| new_token(&process)).collect();
    let (is_over, posted, mut dice) = (AtomicBool::new(false), AtomicU64::new(0), Dice::new());
    let process = thread::scope(|scope| {
        let mut process = process;
        let (tokens, is_over, posted) = (&tokens, &is_over, &posted);
        let end = EndOfLoad(is_over);
        let poster = scope.spawn(move || post_all(address, tokens, (is_over, posted)));
        let hearers: Vec<_> = tokens
            .iter()
            .map(|token| {
                scope.spawn(move || {
                    let hearing = async { timeout(PATIENCE * 3, hear(address, token)).await };
                    tokio::runtime::Runtime::new().unwrap().block_on(hearing).unwrap()
                })
            })
            .collect();
        for _ in 0..2 * KILLS {
            let time = Duration::from_millis(100 + dice.below(300));
            let_run(time, ROUNDS, || posted.load(Ordering::SeqCst));
            process.kill();
            process = start(folder.path(), address);
        }
        drop(end);
        poster.join().unwrap();
        let posted = posted.load(Ordering::SeqCst);
        assert!(posted > 2 * KILLS * ROUNDS);
        let all: Vec<_> = (0..posted).collect();
        for hearer in hearers {
            assert_eq!(hearer.join().unwrap(), all);
        }
        process
    });
    process.assert_well();
}

//! Those who hear: each until it has heard the last message of each of its channels.

use super::size::Kind;
use super::{LAST, Ordering, Scene};
use crate::record::{ClientId, Follower, Note};
use crate::socket::{Dice, Http, Socket, Stopwatch};
use crate::support::{PATIENCE, PROJECT};
use futures_util::future::{join, join_all};
use leap_client_rs::leap::types::Event as Official;
use leap_client_rs::{LeapEdge, LeapOptions};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::thread::{self, Scope};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;
use warren_client::{Channel, Client, Event};

/// Has all of them hear.
pub fn spawn<'scope>(
    threads: &'scope Scope<'scope, '_>,
    scene: &'scope Scene,
    tokens: &'scope [Option<String>],
    lives: watch::Receiver<u64>,
    mut dice: Dice,
) {
    for (client, token) in tokens.iter().enumerate() {
        match scene.size.kind(client) {
            Kind::Follower => {
                let token = token.clone().unwrap();
                threads.spawn(move || follow(scene, client, token));
            }
            Kind::Reader => drop(threads.spawn(move || read(scene, client))),
            Kind::Own | Kind::Guest | Kind::Official | Kind::Impatient => {}
        }
    }
    let of = |kinds: &'static [Kind]| {
        let all = tokens.iter().map(Option::as_deref).enumerate();
        all.filter(|(client, _)| kinds.contains(&scene.size.kind(*client)))
    };
    threads.spawn(move || {
        let all = of(&[Kind::Own, Kind::Guest]);
        let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
        let pauses = (Duration::from_millis(20), Duration::from_millis(200));
        hear(scene, &runtime, all.map(|(client, token)| own(scene, client, token, pauses)));
        runtime.shutdown_background();
    });
    threads.spawn(move || {
        let all: Vec<_> = of(&[Kind::Official]).collect();
        // One whose stream has ended asks for more without a pause until it is told to close, and must not have the thread of
        // what tells it.
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(all.len() + 2).enable_all().build().unwrap();
        let one = |(client, token): (ClientId, Option<&'scope str>)| {
            let dice = dice.fork(client as u64);
            Box::pin(official(scene, client, token.unwrap(), lives.clone(), dice))
        };
        hear(scene, &runtime, all.into_iter().map(one));
        runtime.shutdown_background();
    });
}

/// Waits for these. Whoever has not heard the last by then never will, and the record says what is missing.
pub fn hear(scene: &Scene, runtime: &Runtime, all: impl Iterator<Item: Future<Output = ()>>) {
    let size = scene.size.kills / 10 + u64::try_from(scene.size.connections() / 1000).unwrap();
    let patience = PATIENCE * u32::try_from(2 + size).unwrap();
    runtime.block_on(async { drop(timeout(patience, join_all(all)).await) });
}

/// Hears as an official client in a browser does: it knows no positions, and when its connection ends it comes back at once,
/// but for a second that lies between two attempts. Whatever it was told, it does not wait.
pub fn impatient(scene: &Scene, client: ClientId, token: &str) {
    let mut missing: BTreeSet<_> = scene.size.heard_by(client).into_iter().collect();
    let mut lateness = Lateness::default();
    let mut is_first = true;
    while !missing.is_empty() && !lateness.is_late(scene) {
        let attempt = Stopwatch::start();
        if let Some(mut socket) = Socket::try_open(scene.address) {
            let identify = json!({"op": 2, "d": {"project_id": PROJECT, "token": token}});
            let mut is_open = socket.try_send(&identify).is_ok();
            while is_open && !missing.is_empty() {
                is_open = match socket.try_next() {
                    Ok(dispatch) => {
                        let is_init = dispatch["e"] == "INIT";
                        if is_init && std::mem::take(&mut is_first) {
                            scene.connected.fetch_add(1, Ordering::SeqCst);
                        }
                        impatient_takes(scene, client, &dispatch, &mut missing);
                        true
                    }
                    Err(_) => false,
                };
            }
        }
        // Its library makes no two attempts within a second.
        thread::sleep(Duration::from_secs(1).saturating_sub(attempt.elapsed()));
    }
}

/// Takes a dispatch as it does.
fn impatient_takes(
    scene: &Scene,
    client: ClientId,
    dispatch: &Value,
    missing: &mut BTreeSet<String>,
) {
    match dispatch["e"].as_str() {
        Some("INIT") => scene.record.note(Note::Broke { client }),
        Some("MESSAGE") => {
            let channel = dispatch["c"].as_str().unwrap().to_owned();
            let id = dispatch["d"]["d"].as_u64().unwrap();
            if id >= LAST {
                missing.remove(&channel);
            }
            scene.record.note(Note::Heard { client, channel, id });
        }
        _ => {}
    }
}

/// Whether a client comes too late: whoever has not heard the last so long after the end never will, and the record says
/// what is missing.
#[derive(Default)]
struct Lateness(Option<Stopwatch>);

impl Lateness {
    /// Whether it is.
    fn is_late(&mut self, scene: &Scene) -> bool {
        if scene.is_over.load(Ordering::SeqCst) {
            self.0.get_or_insert_with(Stopwatch::start);
        }
        self.0.as_ref().is_some_and(|since| since.elapsed() > PATIENCE)
    }
}

/// Hears as a client that goes on by itself, and comes back.
pub fn follow(scene: &Scene, client: ClientId, token: String) {
    let channels = scene.size.heard_by(client).len();
    let mut follower = Follower::new(client, token, &scene.record);
    let (mut last, mut lateness) = (BTreeSet::new(), Lateness::default());
    loop {
        let is_over = follower.hear(scene.address, |id| {
            if id >= LAST {
                last.insert(id);
            }
            last.len() == channels
        });
        if is_over || lateness.is_late(scene) {
            return;
        }
        // The server is just being started.
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads what is kept, page by page, each from where the one before ended.
pub fn read(scene: &Scene, client: ClientId) {
    let mut places: BTreeMap<_, _> =
        scene.size.heard_by(client).into_iter().map(|channel| (channel, String::new())).collect();
    for channel in places.keys().cloned() {
        scene.record.note(Note::Hears { client, channel });
    }
    let mut lateness = Lateness::default();
    while !places.is_empty() && !lateness.is_late(scene) {
        if let Ok(mut http) = Http::connect(scene.address) {
            places.retain(|channel, after| !read_on(scene, client, &mut http, (channel, after)));
        }
        // So often somebody may ask for more; and the server may just be being started.
        thread::sleep(Duration::from_millis(20));
    }
}

/// Reads the pages that there are behind a position; whether the last message was among them.
fn read_on(
    scene: &Scene,
    client: ClientId,
    http: &mut Http,
    (channel, after): (&String, &mut String),
) -> bool {
    let query = if after.is_empty() { String::new() } else { format!("&after={after}") };
    let path = format!("/v1/channels/{channel}/messages?limit=1000{query}");
    let Ok(answer) = http.call("GET", &path, "") else { return false };
    if answer.status == 503 {
        return false;
    }
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let mut is_over = false;
    for message in answer.data()["messages"].as_array().unwrap() {
        let id = message["d"].as_u64().unwrap();
        scene.record.note(Note::Heard { client, channel: channel.clone(), id });
        message["s"].as_str().unwrap().clone_into(after);
        is_over |= id >= LAST;
    }
    is_over
}

/// Hears with Warren's own client, which comes back by itself.
pub async fn own(
    scene: &Scene,
    client: ClientId,
    token: Option<&str>,
    (shortest, longest): (Duration, Duration),
) {
    let builder =
        Client::builder(format!("http://{}", scene.address), PROJECT).pauses(shortest, longest);
    let builder = match token {
        Some(token) => builder.token(token),
        None => builder,
    };
    let warren = builder.connect().await.unwrap();
    let ids = scene.size.heard_by(client);
    let heard = ids.iter().map(|id| async {
        let channel = warren.subscribe(id.as_str()).await.unwrap();
        own_channel(scene, client, &channel).await;
    });
    let begin = async {
        // A connection that ends before it knows where it is cannot say so to the next one, and has to take it for a gap.
        while !ids.iter().all(|id| warren.positions().channels.contains_key(id)) {
            // The client tells nobody when it knows.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        scene.connected.fetch_add(1, Ordering::SeqCst);
    };
    join(join_all(heard), begin).await;
    warren.close().await;
}

/// Hears one channel with Warren's own client.
async fn own_channel(scene: &Scene, client: ClientId, from: &Channel) {
    let channel = || from.id().to_owned();
    scene.record.note(Note::Hears { client, channel: channel() });
    loop {
        match from.next().await.unwrap() {
            Event::Message(message) => {
                let id = message.data().unwrap();
                scene.record.note(Note::Heard { client, channel: channel(), id });
                if id >= LAST {
                    return;
                }
            }
            Event::Gap => scene.record.note(Note::Told { client, channel: channel() }),
            _ => {}
        }
    }
}

/// Hears with an official client. Its application makes a new one when the server has gone (`lives` counts them), as the client
/// itself does not always, and takes its time now and then. What it is owed is noted by those who start the server.
pub async fn official(
    scene: &Scene,
    client: ClientId,
    token: &str,
    mut lives: watch::Receiver<u64>,
    mut dice: Dice,
) {
    let ws_url = &format!("ws://{}/ws", scene.address);
    let mut missing: BTreeSet<_> = scene.size.heard_by(client).into_iter().collect();
    while !missing.is_empty() {
        lives.borrow_and_update();
        let options = LeapOptions { token: Some(token), project: PROJECT, ws_url };
        let Ok(mut leap) = LeapEdge::new(options).await else {
            // The server is just being started.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        if scene.made.fetch_add(1, Ordering::SeqCst) < scene.size.officials {
            scene.connected.fetch_add(1, Ordering::SeqCst);
        }
        while !missing.is_empty() {
            let event = tokio::select! {
                event = leap.listen() => event,
                changed = lives.changed() => {
                    assert!(changed.is_ok(), "the record ends before its clients");
                    None
                }
            };
            match event {
                // It may have come back by itself.
                Some(Official::Init(_)) => scene.record.note(Note::Broke { client }),
                Some(Official::Message(message)) => {
                    let (channel, id) =
                        (message.channel.unwrap(), message.data.data.as_u64().unwrap());
                    if id >= LAST {
                        missing.remove(&channel);
                    }
                    scene.record.note(Note::Heard { client, channel, id });
                }
                Some(_) => {}
                None => break,
            }
        }
        leap.close().await;
        drop(leap);
        // Much is said to others before it is back.
        tokio::time::sleep(Duration::from_millis(dice.below(2) * dice.below(500))).await;
    }
}

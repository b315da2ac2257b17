//! Those who publish and those who change states.

use super::size::is_kept;
use super::{LAST, Ordering, Scene};
use crate::record::{EndOfLoad, Note};
use crate::socket::{Dice, Http};
use serde_json::json;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

/// A call: method, path and body.
type Call<'a> = (&'a str, &'a str, &'a str);

/// A connection for calls, as soon as there is a server; none if all is over before.
fn connect(scene: &Scene) -> Option<Http> {
    loop {
        match Http::connect(scene.address) {
            Ok(http) => return Some(http),
            Err(_) if scene.is_over.load(Ordering::SeqCst) => return None,
            // The server is just being started; that it is back, nothing else tells.
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Makes a call under a key once; whether it was done, as far as anybody knows.
fn attempt(scene: &Scene, http: &mut Option<Http>, key: &str, call: Call<'_>) -> bool {
    let (method, path, body) = call;
    let Some(open) = http.as_mut() else { return false };
    match open.call_once(key, method, path, body) {
        Ok(answer) if matches!(answer.status, 200 | 204) => {
            if answer.header("idempotency-replayed").is_some() {
                scene.replayed.fetch_add(1, Ordering::SeqCst);
            }
            true
        }
        // The first one may be under way still; a server may not take calls yet, or have its last moment.
        Ok(answer) if matches!(answer.status, 409 | 503) => false,
        Ok(answer) => panic!("{method} {path}: {} {}", answer.status, answer.text()),
        Err(_) => {
            *http = None;
            false
        }
    }
}

/// Makes a call under a key until it is answered for good; false if all is over before.
fn insist(scene: &Scene, http: &mut Option<Http>, key: &str, call: Call<'_>) -> bool {
    loop {
        if http.is_none() {
            *http = connect(scene);
        }
        if http.is_none() {
            return false;
        }
        if attempt(scene, http, key, call) {
            return true;
        }
    }
}

/// All who publish.
pub struct Publishers<'scope>(Vec<ScopedJoinHandle<'scope, ()>>);

impl<'scope> Publishers<'scope> {
    /// They begin.
    pub fn spawn(
        threads: &'scope Scope<'scope, '_>,
        scene: &'scope Scene,
        dice: &mut Dice,
    ) -> Self {
        let one = |by| {
            let dice = dice.fork(by);
            threads.spawn(move || publish(scene, by, dice))
        };
        Self((0..scene.size.publishers).map(one).collect())
    }

    /// Ends the load, and says the last message of each channel. Whoever hears that one stops: it comes behind what is said
    /// again and again until it is answered, so everybody has to be done first.
    pub fn end(self, scene: &Scene, end: EndOfLoad<'_>, http: Http) {
        drop(end);
        for publisher in self.0 {
            publisher.join().unwrap();
        }
        let mut http = Some(http);
        for (channel, id) in scene.size.channels().iter().zip(LAST..) {
            assert!(say(scene, &mut http, (scene.size.publishers, channel, id)));
        }
    }
}

/// Publishes until all is over.
fn publish(scene: &Scene, by: u64, mut dice: Dice) {
    let (channels, mut http, mut number) = (scene.size.channels(), None, by << 32);
    while !scene.is_over.load(Ordering::SeqCst) {
        if http.is_none() {
            http = connect(scene);
        }
        number += 1;
        let channel = &channels[usize::try_from(dice.below(channels.len() as u64)).unwrap()];
        say(scene, &mut http, (by, channel, number));
        // A pace at which everybody else has the processor too.
        thread::sleep(Duration::from_millis(scene.size.pause));
    }
}

/// Publishes one message; whether it was answered. One that is kept is repeated under its key until it is; another one is not:
/// what is not kept may come twice then.
fn say(scene: &Scene, http: &mut Option<Http>, (by, channel, id): (u64, &str, u64)) -> bool {
    let by = usize::try_from(by).unwrap();
    scene.record.note(Note::Sent { by, channel: channel.to_owned(), id });
    let body = json!({"e": "n", "d": id}).to_string();
    let (key, path) = (format!("message-{id}"), format!("/v1/channels/{channel}/messages"));
    let say = if is_kept(channel) { insist } else { attempt };
    let is_answered = say(scene, http, &key, ("POST", &path, &body));
    if is_answered {
        scene.record.note(Note::Answered { id });
        scene.answered.fetch_add(1, Ordering::SeqCst);
    }
    is_answered
}

/// Changes states until all is over, each change under a key, until it is answered.
pub fn change(scene: &Scene, by: u64, mut dice: Dice) {
    let (channels, mut http, mut number) = (scene.size.channels(), None, 0);
    while !scene.is_over.load(Ordering::SeqCst) {
        number += 1;
        let channel = &channels[usize::try_from(dice.below(channels.len() as u64)).unwrap()];
        let path = format!("/v1/channels/{channel}/state");
        let body = json!({format!("w{by}"): number}).to_string();
        let key = format!("change-{by}-{number}");
        if insist(scene, &mut http, &key, ("PATCH", &path, &body)) {
            scene.changes.fetch_add(1, Ordering::SeqCst);
        }
        // As for the publishers.
        thread::sleep(Duration::from_millis(10));
    }
}

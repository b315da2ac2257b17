//! All clients: each hears until it has heard the last message of each of its channels.

use crate::kills::Scene;
use crate::kills::hearers::{follow, hear, impatient, official, own, read};
use crate::kills::size::Kind;
use crate::record::ClientId;
use crate::socket::Dice;
use std::thread::{self, Scope};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::watch;

/// The memory of a thread that does nothing but hear.
const STACK: usize = 256 << 10;

/// All clients.
pub struct Crowd<'a> {
    /// What everybody shares.
    pub scene: &'a Scene,
    /// Their tokens.
    pub tokens: &'a [Option<String>],
    /// Counts the servers that were killed.
    pub lives: watch::Receiver<u64>,
    /// Says how long an application takes to make a new client.
    pub dice: Dice,
}

impl<'scope> Crowd<'scope> {
    /// Has all of them hear.
    pub fn spawn(self, threads: &'scope Scope<'scope, '_>) {
        let Self { scene, tokens, lives, mut dice } = self;
        let all = move || tokens.iter().map(Option::as_deref).enumerate();
        let of = move |kinds: &'static [Kind]| {
            all().filter(move |(client, _)| kinds.contains(&scene.size.kind(*client)))
        };
        for (client, token) in of(&[Kind::Follower, Kind::Reader, Kind::Impatient]) {
            let hear = move || match (scene.size.kind(client), token) {
                (Kind::Follower, Some(token)) => follow(scene, client, token.to_owned()),
                (Kind::Impatient, Some(token)) => impatient(scene, client, token),
                _ => read(scene, client),
            };
            thread::Builder::new().stack_size(STACK).spawn_scoped(threads, hear).unwrap();
        }
        threads.spawn(move || {
            let runtime =
                Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            // As they are set by default.
            let pauses = (Duration::from_millis(500), Duration::from_secs(30));
            let all = of(&[Kind::Own, Kind::Guest]);
            hear(scene, &runtime, all.map(|(client, token)| own(scene, client, token, pauses)));
            runtime.shutdown_background();
        });
        threads.spawn(move || {
            let all: Vec<_> = of(&[Kind::Official]).collect();
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
}

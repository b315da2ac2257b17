//! Carries out the scenarios of `clients/scenarios` with this client; the README there says what each step means.

use super::line::{Break, Line};
use super::{client, soon};
use crate::socket::Process;
use crate::support::until;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, block_in_place};
use warren_client::{Channel, Client, Direct, Error, Event, Status, Subscribe};

/// What counts of what a line tells.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// The number that a message is.
    Number(u64),
    /// The message at the end.
    End,
    /// Something may be missing.
    Gap,
}

/// What was heard of a line.
type Inbox = mpsc::UnboundedReceiver<Heard>;

/// A client, its line, and what it delivered.
struct Peer {
    /// The line.
    line: Line,
    /// The client.
    client: Client,
    /// The channels that it subscribed to, by id.
    channels: HashMap<String, Arc<Channel>>,
    /// By channel; the token's own line has no name.
    inboxes: HashMap<String, Inbox>,
    /// How many connections it had had when its line was broken.
    mark: u64,
    /// What it was told to do and nobody has waited for.
    pending: Vec<JoinHandle<Result<(), Error>>>,
}

/// The outcome of a step, if the step says that it fails.
fn settle<T>(step: &Value, outcome: Result<T, Error>) {
    let code = outcome.as_ref().err().map(Error::code);
    assert_eq!(code, step["fails"].as_str(), "{step}");
}

/// A field that has to be there.
fn text<'a>(step: &'a Value, field: &str) -> &'a str {
    step[field].as_str().unwrap_or_else(|| panic!("{field} of {step}"))
}

/// The numbers of a step.
fn numbers(step: &Value) -> std::ops::Range<u64> {
    let from = step["from"].as_u64().unwrap();
    from..from + step["count"].as_u64().unwrap()
}

/// What counts of an event.
fn counted(event: Event) -> Option<Heard> {
    match event {
        Event::Message(message) if message.event == "n" => {
            Some(Heard::Number(message.data().unwrap()))
        }
        Event::Message(_) => Some(Heard::End),
        Event::Gap => Some(Heard::Gap),
        _ => None,
    }
}

impl Peer {
    /// Keeps all that comes of a channel.
    fn record(&mut self, channel: Arc<Channel>) {
        let (heard, inbox) = mpsc::unbounded_channel();
        let id = channel.id().to_owned();
        self.inboxes.insert(id.clone(), inbox);
        self.channels.insert(id, Arc::clone(&channel));
        tokio::spawn(async move {
            while let Ok(event) = channel.next().await {
                counted(event).map(|one| heard.send(one));
            }
        });
    }

    /// Keeps all that comes to the token itself.
    fn record_direct(&mut self, direct: Direct) {
        let (heard, inbox) = mpsc::unbounded_channel();
        self.inboxes.insert(String::new(), inbox);
        tokio::spawn(async move {
            while let Ok(event) = direct.next().await {
                counted(event).map(|one| heard.send(one));
            }
        });
    }

    /// It has another connection to wait for than the one that it has.
    fn mark(&mut self) {
        if let Status::Connected(session) = &*self.client.status().borrow() {
            self.mark = session.connection;
        }
    }
}

/// A server and those who speak with it.
pub struct Stage {
    /// The server's data.
    folder: TempDir,
    /// The server, while it runs.
    server: Option<Process>,
    /// The clients, by name.
    peers: HashMap<String, Peer>,
    /// The tokens, by name.
    tokens: HashMap<String, String>,
}

impl Stage {
    /// Carries out a scenario.
    pub async fn run(scenario: &Value) {
        let folder = tempfile::tempdir().unwrap();
        let server = Some(start(&folder));
        let tokens = [("nobody".to_owned(), "leap_token_nobody".to_owned())].into();
        let mut stage = Self { folder, server, peers: HashMap::new(), tokens };
        for channel in scenario["channels"].as_array().unwrap() {
            let mut body = json!({"state": {}});
            body.as_object_mut().unwrap().extend(channel.as_object().unwrap().clone());
            body.as_object_mut().unwrap().remove("id");
            stage.http("PUT", &format!("/v1/channels/{}", text(channel, "id")), &body);
        }
        for (name, token) in scenario["tokens"].as_object().into_iter().flatten() {
            let made = stage.http("POST", "/v1/channels/tokens", token);
            stage.tokens.insert(name.clone(), text(&made["token"], "id").to_owned());
        }
        for step in scenario["steps"].as_array().unwrap() {
            soon(Box::pin(stage.step(step))).await;
        }
        soon(stage.nothing_else()).await;
        block_in_place(|| stage.server.as_ref().unwrap().assert_well());
    }

    /// A call of the back end's.
    fn http(&self, method: &str, path: &str, body: &Value) -> Value {
        let server = self.server.as_ref().unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        block_in_place(|| server.http().data(method, path, &body).unwrap())
    }

    /// Carries out a step.
    async fn step(&mut self, step: &Value) {
        match text(step, "do") {
            "connect" => self.connect(step).await,
            "publish" => {
                self.say(&format!("/v1/channels/{}/messages", text(step, "channel")), step);
            }
            "direct" => {
                let token = &self.tokens[text(step, "token")];
                self.say(&format!("/v1/channels/tokens/{token}/messages"), step);
            }
            "put" => {
                let path = format!("/v1/channels/{}/state", text(step, "channel"));
                self.http("PUT", &path, &step["state"]);
            }
            "kill" | "stop" => {
                let server = self.server.take().unwrap();
                self.mark();
                for peer in self.peers.values() {
                    peer.line.aim(None);
                }
                match text(step, "do") {
                    "kill" => server.kill(),
                    _ => assert_eq!(block_in_place(|| server.stop("TERM")), Some(0)),
                }
            }
            "start" => {
                let server = self.server.insert(start(&self.folder));
                for peer in self.peers.values() {
                    peer.line.aim(Some(server.address));
                }
            }
            "unheld" => {
                let token = &self.tokens[text(step, "token")];
                let path = format!("/v1/channels/{}/tokens", text(step, "channel"));
                block_in_place(|| {
                    until("the subscription ends", || {
                        let tokens = self.http("GET", &path, &Value::Null)["tokens"].clone();
                        let is_held =
                            tokens.as_array().unwrap().iter().any(|one| one["id"] == **token);
                        if is_held { Err(tokens) } else { Ok(()) }
                    });
                });
            }
            _ => self.step_of_peer(step).await,
        }
    }

    /// A client, on a line of its own.
    async fn connect(&mut self, step: &Value) {
        let line = Line::to(self.server.as_ref().unwrap().address).await;
        let token = step["token"].as_str().map(|name| self.tokens[name].as_str());
        let client = client(line.address, token).start().unwrap();
        settle(step, client.connected().await);
        let (channels, inboxes) = (HashMap::new(), HashMap::new());
        let mut peer = Peer { line, client, channels, inboxes, mark: 0, pending: Vec::new() };
        let direct = peer.client.direct().unwrap();
        peer.record_direct(direct);
        // What it was given is read from the beginning, too.
        for id in peer.client.channels().ids() {
            peer.record(Arc::new(peer.client.subscribe(id).await.unwrap()));
        }
        self.peers.insert(text(step, "client").to_owned(), peer);
    }

    /// The back end says numbers.
    fn say(&self, path: &str, step: &Value) {
        for number in numbers(step) {
            let ttl = step["ttl"].as_u64();
            self.http("POST", path, &json!({"e": "n", "d": number, "ttl": ttl}));
        }
    }

    /// Every client has another connection to wait for.
    fn mark(&mut self) {
        for peer in self.peers.values_mut() {
            peer.mark();
        }
    }

    /// Carries out a step of one client.
    async fn step_of_peer(&mut self, step: &Value) {
        let peer = self.peers.get_mut(text(step, "client")).unwrap();
        let mut status = peer.client.status();
        match text(step, "do") {
            "subscribe" => {
                let id = text(step, "channel");
                let rewind = step["rewind"].as_u64().map(|count| count.try_into().unwrap());
                let how = Subscribe { ephemeral: step["ephemeral"] == true, rewind };
                let subscribed = peer.client.subscribe_with(id, how).await;
                if subscribed.as_ref().is_err_and(|error| *error == Error::AlreadyRead) {
                    // By this test, and it is heard.
                    return;
                }
                settle(step, subscribed.as_ref().map(drop).map_err(Clone::clone));
                if let Ok(channel) = subscribed {
                    peer.record(Arc::new(channel));
                }
            }
            "unsubscribe" => {
                let channel = peer.channels.remove(text(step, "channel")).unwrap();
                channel.unsubscribe().await.unwrap();
            }
            "hear" => {
                let inbox = peer.inboxes.get_mut(step["channel"].as_str().unwrap_or(""));
                hear(inbox.unwrap(), step).await;
            }
            "send" | "set" | "add" => act(peer, step).await,
            "sent" => {
                for pending in std::mem::take(&mut peer.pending) {
                    pending.await.unwrap().unwrap();
                }
            }
            "see" => {
                let mut states = peer.channels[text(step, "channel")].states();
                states.wait_for(|state| *state.value == step["state"]).await.unwrap();
            }
            "break" => {
                peer.mark();
                peer.line.breaks(match text(step, "how") {
                    "reset" => Break::Reset,
                    "fin" => Break::Fin,
                    _ => Break::Freeze,
                });
            }
            way @ ("down" | "up") => peer.line.down(way == "down"),
            "connected" => {
                let mark = peer.mark;
                let again = |status: &Status| matches!(status, Status::Connected(session) if session.connection > mark);
                status.wait_for(again).await.unwrap();
            }
            "disconnected" => {
                status.wait_for(|status| !matches!(status, Status::Connected(_))).await.unwrap();
            }
            other => panic!("no step {other}"),
        }
    }

    /// The very next that everybody hears is what is said now.
    async fn nothing_else(&mut self) {
        let peers = self.peers.values();
        let heard: BTreeSet<String> =
            peers.flat_map(|peer| peer.channels.keys().cloned()).collect();
        for id in &heard {
            let path = format!("/v1/channels/{id}/messages");
            self.http("POST", &path, &json!({"e": "end", "d": null}));
        }
        for (name, peer) in &mut self.peers {
            for id in peer.channels.keys() {
                let next = peer.inboxes.get_mut(id).unwrap().recv().await;
                assert_eq!(next, Some(Heard::End), "{name} heard this of {id} besides");
            }
        }
    }
}

/// The server on a folder.
fn start(folder: &TempDir) -> Process {
    block_in_place(|| Process::start(folder.path(), &[("WARREN_HEARTBEAT", "1")]))
}

/// Hears exactly this.
async fn hear(inbox: &mut Inbox, step: &Value) {
    let mut has_gap = false;
    for number in numbers(step) {
        let mut next = inbox.recv().await.unwrap();
        while next == Heard::Gap {
            assert_eq!(number, step["from"].as_u64().unwrap(), "a gap within: {step}");
            has_gap = true;
            next = inbox.recv().await.unwrap();
        }
        assert_eq!(next, Heard::Number(number), "{step}");
    }
    assert_eq!(has_gap, step["gap"] == true, "whether a gap was told: {step}");
}

/// Publishes, or changes the state; waits for it unless it is to be waited for later.
async fn act(peer: &mut Peer, step: &Value) {
    let channel = Arc::clone(&peer.channels[text(step, "channel")]);
    let step = step.clone();
    let is_waited_for = step["wait"] != false;
    let acts: Vec<JoinHandle<_>> = match text(&step, "do") {
        "send" => {
            let publish = |number| {
                let outcome = channel.publish("n", &number);
                tokio::spawn(async { outcome.await.map(drop) })
            };
            numbers(&step).map(publish).collect()
        }
        "set" => {
            let outcome = channel.set_state(&step["state"]);
            vec![tokio::spawn(async { outcome.await.map(drop) })]
        }
        _ => {
            let key = text(&step, "key").to_owned();
            let times = step["times"].as_u64().unwrap();
            vec![tokio::spawn(async move {
                for _ in 0..times {
                    let add = |mut state: serde_json::Map<String, Value>| {
                        let sum = state[&key].as_u64().unwrap() + 1;
                        state.insert(key.clone(), sum.into());
                        state
                    };
                    channel.update_state(add).await?;
                }
                Ok(())
            })]
        }
    };
    if is_waited_for {
        for act in acts {
            settle(&step, act.await.unwrap());
        }
    } else {
        peer.pending.extend(acts);
    }
}

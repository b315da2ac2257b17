//! What comes over a connection unasked: entries of the lines that are heard, and the probe's own word.

use super::entry::decode;
use super::names::is_of_servers;
use crate::bus::Ordered;
use redis::{PushInfo, PushKind, Value};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, watch};

/// Something that was heard.
#[derive(Clone, Debug)]
pub struct HeardEntry {
    /// The topic: the line's, see [`RedisWire::subscribe`](super::RedisWire::subscribe).
    pub topic: String,
    /// The entry.
    pub ordered: Ordered,
}

/// What another server says.
pub(super) struct HeardWord(pub(super) String);

/// Sorts what comes.
pub(super) struct PushSorter {
    /// Where entries go; bounded.
    heard: mpsc::Sender<HeardEntry>,
    /// Where words of other servers go; bounded.
    words: mpsc::Sender<HeardWord>,
    /// The topic of the connection's own probe.
    probe: String,
    /// The probe was heard.
    echo: Notify,
    /// Whether the connection still hears everything.
    is_whole: watch::Sender<bool>,
}

impl PushSorter {
    /// Hears on, with that probe.
    pub(super) fn new(
        heard: mpsc::Sender<HeardEntry>,
        words: mpsc::Sender<HeardWord>,
        probe: String,
    ) -> Arc<Self> {
        let (echo, is_whole) = (Notify::new(), watch::Sender::new(true));
        Arc::new(Self { heard, words, probe, echo, is_whole })
    }

    /// The topic of its probe.
    pub(super) fn probe(&self) -> &str {
        &self.probe
    }

    /// Told when the probe is heard, also if that was before anybody waited.
    pub(super) const fn echo(&self) -> &Notify {
        &self.echo
    }

    /// Whether it still hears everything.
    pub(super) fn is_whole(&self) -> watch::Receiver<bool> {
        self.is_whole.subscribe()
    }

    /// It does not any more.
    pub(super) fn lose(&self) {
        self.is_whole.send_replace(false);
    }

    /// Takes what came. Whoever does not keep up loses the connection: he would not know what he has missed.
    pub(super) fn take(&self, info: PushInfo) {
        match info.kind {
            PushKind::Disconnection => self.lose(),
            PushKind::Message => {
                let mut texts = info.data.into_iter().map(text);
                match (texts.next().flatten(), texts.next().flatten()) {
                    (Some(topic), _) if topic == self.probe => self.echo.notify_one(),
                    (Some(topic), Some(text)) if is_of_servers(&topic) => {
                        if self.words.try_send(HeardWord(text)).is_err() {
                            self.lose();
                        }
                    }
                    (Some(topic), Some(entry)) => self.hand_on(topic, &entry),
                    _ => self.lose(),
                }
            }
            _ => {}
        }
    }

    /// Hands an entry on.
    fn hand_on(&self, topic: String, entry: &str) {
        let Ok(ordered) = decode(entry) else { return self.lose() };
        if self.heard.try_send(HeardEntry { topic, ordered }).is_err() {
            self.lose();
        }
    }
}

/// A text that Redis sent.
fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

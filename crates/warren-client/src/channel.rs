//! Streams, as the application reads them: a channel, and the token's own line.

use crate::core::Order;
use crate::error::Error;
use crate::event::{Done, Event, Member, Message, State};
use crate::handle::{Handle, Outcome};
use crate::merge::diff;
use crate::view::View;
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Serialize;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::sync::watch;

/// So often a change is made anew when somebody else was faster.
const TRIES: usize = 50;

/// `PATCH_CHANNEL_STATE`'s data.
#[derive(Serialize)]
struct PatchOut<'a, T> {
    /// RFC 7396.
    patch: &'a T,
    /// Only at this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    if_version: Option<u64>,
}

/// A channel that is heard. Nothing is lost while it is not read; when it is dropped the channel is still subscribed to, and
/// [`Client::subscribe`](crate::Client::subscribe) goes on where it was.
#[derive(Debug)]
pub struct Channel {
    /// To the client's task.
    handle: Handle,
    /// What is known of it.
    view: Arc<View>,
}

impl Channel {
    /// One that was claimed.
    pub(crate) const fn new(handle: Handle, view: Arc<View>) -> Self {
        Self { handle, view }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.view.id
    }

    /// The next event, in the channel's order. Dropping the future loses nothing. Meant for one reader: of several, each is
    /// given what the others are not.
    ///
    /// # Errors
    /// Why none comes any more: [`Error::Unsubscribed`], [`Error::NotGranted`] or [`Error::UnknownChannel`] where it could
    /// not be subscribed to again after a break, or why the client has ended.
    pub async fn next(&self) -> Result<Event, Error> {
        self.view.queue.next().await
    }

    /// The next message, whatever else comes before it; gaps too are passed over.
    ///
    /// # Errors
    /// As [`Channel::next`].
    pub async fn message(&self) -> Result<Message, Error> {
        loop {
            if let Event::Message(message) = self.next().await? {
                return Ok(message);
            }
        }
    }

    /// The same events as a stream, which ends behind its first error.
    pub fn events(&self) -> impl Stream<Item = Result<Event, Error>> + '_ {
        events(&self.view)
    }

    /// Its state, which may be newer than the events that were read.
    pub fn state(&self) -> State {
        self.view.state()
    }

    /// Its state, and whenever it is shown or changed, without the events in between.
    pub fn states(&self) -> watch::Receiver<State> {
        self.view.states()
    }

    /// Who is in, by id (channels with the capability `PRESENCE`).
    pub fn members(&self) -> Vec<Member> {
        self.view.members().values().cloned().collect()
    }

    /// [`Client::publish`](crate::Client::publish) to it.
    pub fn publish(&self, event: &str, data: &impl Serialize) -> Outcome {
        self.handle.publish(self.id().to_owned(), event, data)
    }

    /// Replaces the state (capability `CLIENT_STATE`). As [`Client::publish`](crate::Client::publish), but not sent again after a break: then it is
    /// [`Error::UnknownOutcome`].
    pub fn set_state(&self, state: &impl Serialize) -> Outcome {
        self.handle.ask("SET_CHANNEL_STATE", self.id().to_owned(), to_raw_value(state), false)
    }

    /// Patches the state by JSON Merge Patch (capability `CLIENT_STATE`); with a version only if the state is still that
    /// one, else the server refuses it with `version_conflict`. As [`Channel::set_state`] otherwise.
    pub fn patch_state(&self, patch: &impl Serialize, if_version: Option<u64>) -> Outcome {
        let data = to_raw_value(&PatchOut { patch, if_version });
        self.handle.ask("PATCH_CHANNEL_STATE", self.id().to_owned(), data, false)
    }

    /// Changes the state by a function of the newest one; if somebody else was faster, it is called again with what they
    /// made of it.
    ///
    /// # Errors
    /// As [`Channel::set_state`], and [`Error::NullInPatch`].
    pub async fn update_state(
        &self,
        mut change: impl FnMut(Map<String, Value>) -> Map<String, Value>,
    ) -> Result<Done, Error> {
        let mut refused = Error::Closed;
        let mut states = self.view.states();
        for _ in 0..TRIES {
            let State { value, version } = states.borrow_and_update().clone();
            let now = value.as_object().cloned().unwrap_or_default();
            let patch = diff(&value, &change(now)).ok_or(Error::NullInPatch)?;
            match self.patch_state(&patch, version).await {
                Err(error) if error.code() == "version_conflict" => {
                    refused = error;
                    // What the others made of it may still be on its way. The sender lives as long as this channel.
                    if states.borrow().version == version {
                        let _ = states.changed().await;
                    }
                }
                outcome => return outcome,
            }
        }
        Err(refused)
    }

    /// Hears it no more. A token's subscription ends for good.
    ///
    /// # Errors
    /// Why the client has ended.
    pub async fn unsubscribe(&self) -> Result<(), Error> {
        self.handle.order(Order::Unsubscribe(Arc::clone(&self.view))).await
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.view.queue.release();
    }
}

/// The token's own line: direct messages and its state; and messages to this connection alone.
#[derive(Debug)]
pub struct Direct {
    /// Keeps the client.
    _handle: Handle,
    /// What is known of it.
    view: Arc<View>,
}

impl Direct {
    /// One that was claimed.
    pub(crate) const fn new(handle: Handle, view: Arc<View>) -> Self {
        Self { _handle: handle, view }
    }

    /// The next event. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why the client has ended.
    pub async fn next(&self) -> Result<Event, Error> {
        self.view.queue.next().await
    }

    /// The same events as a stream, which ends behind its first error.
    pub fn events(&self) -> impl Stream<Item = Result<Event, Error>> + '_ {
        events(&self.view)
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        self.view.queue.release();
    }
}

/// The events of a line up to its end.
fn events(view: &View) -> impl Stream<Item = Result<Event, Error>> + '_ {
    unfold(Some(view), async |open| {
        let view = open?;
        let next = view.queue.next().await;
        let open = next.is_ok().then_some(view);
        Some((next, open))
    })
}

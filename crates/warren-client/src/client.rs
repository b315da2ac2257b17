//! The client, as the application holds it.

use crate::channel::{Channel, Direct};
use crate::core::{Core, Directory, Order, Outside};
use crate::driver;
use crate::error::Error;
use crate::event::State;
use crate::handle::{Handle, Outcome};
use crate::options::{Builder, Options, Subscribe};
use crate::position::Positions;
use crate::status::{Session, Status};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use url::Url;

/// A client of Warren: one connection at a time, repaired whenever it breaks.
///
/// It is a handle and cheap to clone; the connection ends when the last handle, channels included, has gone.
#[derive(Clone, Debug)]
pub struct Client {
    /// To its task.
    handle: Handle,
}

impl Client {
    /// A client for this project at this server: `wss://host/ws`, or `https://host` for the same, or
    /// `unix:PATH` of a Unix socket that it listens on.
    pub fn builder(url: impl Into<String>, project: impl Into<String>) -> Builder {
        Builder::new(url, project)
    }

    /// Starts the task.
    pub(crate) fn start(url: Url, options: Options) -> Self {
        let outside = Arc::new(Outside::new(&options));
        let core = Core::new(options, Arc::clone(&outside));
        // As many as may wait to be sent: a program that says a thousand things at once finds room for them.
        let (orders, wanted) = mpsc::channel(core.orders());
        tokio::spawn(driver::run(url, core, wanted));
        Self { handle: Handle::new(orders, outside) }
    }

    /// Waits until it is connected.
    ///
    /// # Errors
    /// Why it never will be.
    pub async fn connected(&self) -> Result<Session, Error> {
        let mut status = self.status();
        let settled = |status: &Status| matches!(status, Status::Connected(_) | Status::Closed(_));
        match status.wait_for(settled).await.as_deref() {
            Ok(Status::Connected(session)) => Ok(session.clone()),
            Ok(Status::Closed(Some(close))) => Err(Error::Connection(close.clone())),
            _ => Err(Error::Closed),
        }
    }

    /// What it is at, now and whenever that changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.handle.outside().status.subscribe()
    }

    /// Hears a channel. For a leap token the subscription is kept, and outlives this program, unless it is asked for as
    /// `ephemeral` ([`Client::subscribe_with`]).
    ///
    /// # Errors
    /// [`Error::NotGranted`], [`Error::UnknownChannel`], [`Error::AlreadyRead`] while another [`Channel`] of the same
    /// channel exists, and why the client has ended.
    pub async fn subscribe(&self, id: impl Into<String>) -> Result<Channel, Error> {
        self.subscribe_with(id, Subscribe::default()).await
    }

    /// As [`Client::subscribe`], with more to say.
    ///
    /// # Errors
    /// As there.
    pub async fn subscribe_with(
        &self,
        id: impl Into<String>,
        how: Subscribe,
    ) -> Result<Channel, Error> {
        let (waiter, outcome) = oneshot::channel();
        self.handle.order(Order::Subscribe { id: id.into(), how, waiter }).await?;
        let view = outcome.await.unwrap_or(Err(Error::Closed))?;
        if view.queue.claim() {
            Ok(Channel::new(self.handle.clone(), view))
        } else {
            Err(Error::AlreadyRead)
        }
    }

    /// The channels that are known, now and whenever that changes: those that this client asked for, and those that the
    /// back end subscribed its token to. To read one of them, subscribe to it; nothing of it is lost before.
    pub fn channels(&self) -> Channels {
        Channels(self.handle.outside().directory.subscribe())
    }

    /// Messages to the token itself and to this connection alone. All that comes from the beginning on is kept until it is
    /// read, as of channels.
    ///
    /// # Errors
    /// [`Error::AlreadyRead`] while another [`Direct`] exists.
    pub fn direct(&self) -> Result<Direct, Error> {
        let view = Arc::clone(&self.handle.outside().direct);
        if view.queue.claim() {
            Ok(Direct::new(self.handle.clone(), view))
        } else {
            Err(Error::AlreadyRead)
        }
    }

    /// The state of the token, as far as the server shows it.
    pub fn token_state(&self) -> State {
        self.handle.outside().direct.state()
    }

    /// Publishes to everybody who is subscribed to a channel (capability `CLIENT_PUBLISH`); this client has to be, too. It
    /// waits while there is no connection, and is sent again after a break: the server knows it again and publishes it once,
    /// for somebody with a token. It is on its way at once, in the order of the calls, whether or not its outcome is waited
    /// for.
    ///
    /// The outcome is an error where the server refused it; [`Error::QueueFull`]; [`Error::Timeout`] where it was never sent,
    /// and [`Error::UnknownOutcome`] where nobody knows what became of it; or why the client has ended.
    pub fn publish(
        &self,
        channel: impl Into<String>,
        event: &str,
        data: &impl Serialize,
    ) -> Outcome {
        self.handle.publish(channel.into(), event, data)
    }

    /// Goes on with a newer JSON Web Token of the same subject, on this connection and on those to come. A connection whose
    /// token has expired is ended by the server (4011), and comes back with the token that was given last.
    ///
    /// The outcome is an error where the server refused it: then the connection has the time of the token before.
    pub fn refresh(&self, token: impl Into<String>) -> Outcome {
        self.handle.refresh(token.into())
    }

    /// How far the application has come on every line, for [`Builder::positions`] in another life of the program. What was
    /// last handed out of a stream does not count until the next is asked for, so a crash repeats it and does not lose it.
    /// Who keeps positions together with what it does keeps that of each message instead.
    pub fn positions(&self) -> Positions {
        let mut positions = self.handle.outside().stored.borrow().clone();
        for (id, view) in &*self.handle.outside().directory.borrow() {
            positions.channels.extend(view.queue.consumed().map(|position| (id.clone(), position)));
        }
        let direct = &self.handle.outside().direct.queue;
        (positions.direct, positions.mails) = (direct.consumed(), direct.consumed_mails());
        positions
    }

    /// Ends it: streams end behind what waits in them, and what waits to be sent is refused.
    pub async fn close(&self) {
        let mut status = self.status();
        // A task that has gone has ended everything.
        if self.handle.order(Order::Close).await.is_ok() {
            let _ = status.wait_for(|status| matches!(status, Status::Closed(_))).await;
        }
    }
}

impl Builder {
    /// Connects, in a task of the runtime that this is called in. Attempts that fail are repeated for as long as this is
    /// waited for; what it is at, [`Client::status`] of a client made by [`Builder::start`] tells.
    ///
    /// # Errors
    /// [`Error::Url`], or [`Error::Connection`] where coming back can never help.
    pub async fn connect(self) -> Result<Client, Error> {
        let client = self.start()?;
        client.connected().await?;
        Ok(client)
    }

    /// As [`Builder::connect`], without waiting for the first connection.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn start(self) -> Result<Client, Error> {
        let url = self.address()?;
        Ok(Client::start(url, self.options))
    }
}

/// The ids of a client's channels.
#[derive(Clone, Debug)]
pub struct Channels(watch::Receiver<Directory>);

impl Channels {
    /// The ids now.
    pub fn ids(&mut self) -> Vec<String> {
        self.0.borrow_and_update().keys().cloned().collect()
    }

    /// Waits until there are others than the last time.
    ///
    /// # Errors
    /// [`Error::Closed`] when the client has gone.
    pub async fn changed(&mut self) -> Result<(), Error> {
        self.0.changed().await.map_err(|_gone| Error::Closed)
    }
}

//! How a client is set.

use crate::error::Error;
use crate::outbox::OutboxBounds;
use crate::position::Positions;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// What the path of a Unix socket begins with.
const UNIX: &str = "unix:";

/// A client that is not connected yet; made by [`Client::builder`](crate::Client::builder).
#[derive(Clone)]
pub struct Builder {
    /// Where the server is, as it was given.
    url: String,
    /// The rest.
    pub(crate) options: Options,
}

/// What a client works with.
#[derive(Clone)]
pub(crate) struct Options {
    /// The project.
    pub(crate) project: String,
    /// Who it is.
    pub(crate) token: Option<String>,
    /// Where it goes on from.
    pub(crate) positions: Positions,
    /// The first pause before coming back, and the longest.
    pub(crate) pauses: (Duration, Duration),
    /// From opening the socket to `INIT`.
    pub(crate) handshake: Duration,
    /// A heartbeat so often, and not later than the server wants.
    pub(crate) heartbeat: Duration,
    /// How long after one nothing may come; half of `heartbeat` at most.
    pub(crate) patience: Duration,
    /// What may wait to be sent.
    pub(crate) outbox: OutboxBounds,
    /// How many events of one line may wait to be read.
    pub(crate) events: usize,
    /// How many bytes of all lines may.
    pub(crate) event_bytes: usize,
    /// How sockets are opened.
    pub(crate) socket: SocketOptions,
}

/// How sockets are opened.
#[derive(Clone)]
pub(crate) struct SocketOptions {
    /// The longest frame that is read.
    pub(crate) frame_bytes: usize,
    /// The Unix socket that the server listens on, where that is its address.
    pub(crate) unix: Option<PathBuf>,
    /// Who is trusted behind a `wss` address.
    #[cfg(feature = "tls")]
    pub(crate) trust: std::sync::Arc<crate::tls::Trust>,
}

impl Builder {
    /// A client for this project at this server.
    pub(crate) fn new(url: impl Into<String>, project: impl Into<String>) -> Self {
        let url = url.into();
        let options = Options {
            project: project.into(),
            token: None,
            positions: Positions::default(),
            pauses: (Duration::from_millis(500), Duration::from_secs(30)),
            handshake: Duration::from_secs(15),
            heartbeat: Duration::from_secs(15),
            patience: Duration::from_secs(10),
            outbox: OutboxBounds { frames: 1000, bytes: 4 << 20, patience: Duration::from_mins(4) },
            events: 1000,
            event_bytes: 64 << 20,
            socket: SocketOptions {
                frame_bytes: 256 << 20,
                unix: url.strip_prefix(UNIX).map(PathBuf::from),
                #[cfg(feature = "tls")]
                trust: std::sync::Arc::default(),
            },
        };
        Self { url, options }
    }

    /// Who it is: a leap token, a JSON Web Token or a project token. Without one it is anonymous.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.options.token = Some(token.into());
        self
    }

    /// Where it goes on from: what [`Client::positions`](crate::Client::positions) said in another life of the program.
    #[must_use]
    pub fn positions(mut self, positions: Positions) -> Self {
        self.options.positions = positions;
        self
    }

    /// The first pause before it comes back after a break, and the longest; half a second and 30 s by default. They double,
    /// and are spread by chance.
    #[must_use]
    pub const fn pauses(mut self, shortest: Duration, longest: Duration) -> Self {
        self.options.pauses = (shortest, longest);
        self
    }

    /// How often the line is tried, and after how long without any sign it counts as dead; 15 s and 10 s by default. It is
    /// tried at least as often as the server wants, and the second is at most half of the first.
    #[must_use]
    pub const fn heartbeat(mut self, interval: Duration, patience: Duration) -> Self {
        self.options.heartbeat = interval;
        self.options.patience = patience;
        self
    }

    /// How many frames may wait to be sent or answered, of how many bytes together, and each how long; 1,000, 4 MiB and 4
    /// minutes by default. What is more is refused ([`Error::QueueFull`]). The server knows messages again for 5 minutes.
    #[must_use]
    pub const fn sending(mut self, frames: usize, bytes: usize, patience: Duration) -> Self {
        self.options.outbox = OutboxBounds { frames, bytes, patience };
        self
    }

    /// How many events of one channel may wait to be read, and how many bytes of all channels; 1,000 and 64 MiB by default.
    /// Of a channel that is read too slowly nothing more is taken until all that waits was read; then the client asks the
    /// server for what it has not taken.
    #[must_use]
    pub const fn reading(mut self, events: usize, bytes: usize) -> Self {
        self.options.events = events;
        self.options.event_bytes = bytes;
        self
    }

    /// The longest frame that is read; 256 MiB by default.
    #[must_use]
    pub const fn frame_bytes(mut self, bytes: usize) -> Self {
        self.options.socket.frame_bytes = bytes;
        self
    }

    /// Root certificates that are trusted besides the system's, as PEM: for a server whose certificate is of a private
    /// authority.
    ///
    /// # Errors
    /// [`Error::Certificate`] where there is none in it, or what stands there is none.
    #[cfg(feature = "tls")]
    pub fn root_certificates(mut self, pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        std::sync::Arc::make_mut(&mut self.options.socket.trust).add(pem.as_ref())?;
        Ok(self)
    }

    /// Where to connect to.
    pub(crate) fn address(&self) -> Result<Url, Error> {
        let wrong = |why: &dyn fmt::Display| Error::Url(format!("{}: {why}", self.url));
        // On a Unix socket the server has no name.
        let is_unix = self.options.socket.unix.is_some();
        let mut url = Url::parse(if is_unix { "http://localhost" } else { &self.url })
            .map_err(|error| wrong(&error))?;
        let scheme = match url.scheme() {
            "ws" | "http" => "ws",
            "wss" | "https" if cfg!(feature = "tls") => "wss",
            "wss" | "https" => {
                return Err(wrong(&"this client was built without the feature `tls`"));
            }
            _ => return Err(wrong(&"neither ws, wss, http, https nor unix:PATH")),
        };
        url.set_scheme(scheme).map_err(|()| wrong(&"no such scheme here"))?;
        if url.path() == "/" {
            url.set_path("/ws");
        }
        Ok(url)
    }
}

/// Without the token, which is a secret.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { project, .. } = &self.options;
        f.debug_struct("Builder")
            .field("url", &self.url)
            .field("project", project)
            .finish_non_exhaustive()
    }
}

/// How a channel is subscribed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subscribe {
    /// A token's subscription that ends with its session, and not one that is kept. Without a token all are.
    pub ephemeral: bool,
    /// How many kept messages to begin with, where no position is known (channels with the capability `HISTORY`).
    pub rewind: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_socket() {
        let address = |url: &str| Builder::new(url, "project_x").address().map(String::from);
        assert_eq!(address("http://127.0.0.1:8080").unwrap(), "ws://127.0.0.1:8080/ws");
        assert_eq!(address("ws://h/realtime/ws?x=1").unwrap(), "ws://h/realtime/ws?x=1");
        assert_eq!(address("https://h").is_ok(), cfg!(feature = "tls"));
        assert_eq!(address("unix:/run/warren.sock").unwrap(), "ws://localhost/ws");
        for wrong in ["", "h", "ftp://h", "mailto:x"] {
            assert_eq!(address(wrong).unwrap_err().code(), "url", "{wrong}");
        }
    }

    #[test]
    fn what_is_printed_holds_no_secret() {
        let builder = Builder::new("http://h", "project_x").token("leap_token_secret");
        assert!(!format!("{builder:?}").contains("secret"));
    }
}

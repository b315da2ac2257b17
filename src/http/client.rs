//! Which official client is asking, for the few answers on which they disagree (`docs/CLIENTS.md`, HTTP).

use actix_web::http::header::{self, HeaderMap};

/// A client with wishes of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientWishes {
    /// The `hop` crate: bare arrays in lists, a strict list of webhook events.
    HopCrate,
    /// The command-line client: the same strict list.
    HopCli,
    /// The Go client: role flags as a string everywhere.
    Go,
    /// Everybody else.
    Other,
}

impl ClientWishes {
    /// The client that sent these headers, by its `User-Agent`.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        match agent {
            Some(agent) if agent.starts_with("hop_rs/") => Self::HopCrate,
            Some(agent) if agent.starts_with("hop_cli/") => Self::HopCli,
            Some(agent) if agent.starts_with("hop-go/") => Self::Go,
            _ => Self::Other,
        }
    }

    /// Whether it fails on event names that Hop never shipped.
    pub(crate) const fn hides_channel_events(self) -> bool {
        matches!(self, Self::HopCrate | Self::HopCli)
    }
}

#![doc = include_str!("../README.md")]
//!
//! # How it is made
//!
//! A task per client owns the socket and the clock (`driver`); what is done is decided by a machine without either
//! (`core`), which reads frames, writes frames and fills a bounded queue for each line. Handles ask the task for things, and
//! read from the queues.

mod backoff;
mod channel;
mod client;
mod core;
mod driver;
mod error;
mod event;
mod frame;
mod handle;
mod heart;
mod line;
mod mails;
mod merge;
mod options;
mod outbox;
mod position;
mod queue;
mod random;
mod socket;
mod status;
#[cfg(feature = "tls")]
mod tls;
mod view;

pub use channel::{Channel, Direct};
pub use client::{Channels, Client};
pub use error::{CloseError, CloseKind, Error};
pub use event::{Done, Event, Member, Message, Presence, State};
pub use handle::Outcome;
pub use options::{Builder, Subscribe};
pub use position::{Position, Positions};
pub use status::{Session, Status};

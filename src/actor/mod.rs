//! The actors and their handles: what orders, holds and hands on.
//!
//! Outside this layer nobody sees an address or a context: HTTP and the server use [`Supervisor`] and [`Persistence`],
//! whose methods are plain futures with typed errors.

mod arrivals;
pub mod channel;
mod clients;
pub mod clock;
pub mod connection;
pub mod directory;
pub mod event_log;
pub mod guesses;
pub mod hooks;
pub mod inbound;
mod key_sets;
pub mod mint;
pub mod online;
pub mod persistence;
mod pruning;
pub mod receipt;
pub mod session;
pub mod settings;
pub mod shard;
mod small_steps;
pub mod state_log;
pub mod supervisor;
pub mod tell;
pub mod webhook;

pub use crate::ask::{AskError, ChangeError};
pub use arrivals::Arrivals;
pub use channel::{Changed, Expected};
pub use connection::{Connection, Inbound, Socket};
pub use inbound::InboundAccount;
pub use persistence::Persistence;
pub use receipt::Receipt;
pub use settings::Settings;
pub use supervisor::{ChannelWay, Handover, Supervisor};

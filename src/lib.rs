//! Warren: a self-hosted realtime channels server.
//!
//! The layers, each of which may use only what stands left of it (a test in `tests/layers.rs` checks that):
//!
//! ```text
//! domain ← protocol ← line ← bus
//!             ↖ delivery ← channel ← session ← actor ← http ← server ← main
//!    ↖ store, webhook, events, heavy ↗
//! ```
//!
//! `bench` stands beside them: it speaks to a server from outside, and nothing but `main` knows it.
//!
//! To read the code, start with [`domain`], then follow one message: the `http` resource that takes it, the channel
//! actor that orders it, the fan-out that hands it to the connections of its thread.

pub mod actor;
pub mod admin;
pub mod ask;
pub mod bench;
pub mod bus;
pub mod channel;
pub mod config;
pub mod delivery;
pub mod domain;
pub mod embed;
pub mod events;
mod faults;
pub mod first_run;
pub mod heavy;
pub mod http;
pub mod line;
pub mod protocol;
pub mod server;
pub mod session;
#[cfg(test)]
mod simulation;
pub mod store;
pub mod telemetry;
pub mod webhook;

pub use embed::Warren;

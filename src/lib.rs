//! Warren: a self-hosted realtime channels server.
//!
//! The layers, each of which may use only what stands left of it (a test in `tests/layers.rs` checks that):
//!
//! ```text
//! domain ← protocol ← line ← bus
//!             ↖ delivery ← channel ← session ← actor ← http ← server ← cli ← main
//!    ↖ store, webhook, jwt, events, heavy ↗
//! ```
//!
//! `tls`, which reads certificates, stands below `config`; `metrics` stands below all that counts something: `delivery`, `actor`, `http`; `telemetry` below all that logs by share;
//! `recorder` below what records something: `delivery`, `actor`, `http`.
//!
//! The load tester `warren-bench` stands beside them: it speaks to a server from outside, and only `cli` knows it,
//! as it does `warren-cli`, the commands that ask a server.
//!
//! [`domain`] and [`protocol`] are the crate `warren-leap`, as clients and tools need them without the rest.
//!
//! To read the code, start with [`domain`], then follow one message: the `http` resource that takes it, the channel
//! actor that orders it, the fan-out that hands it to the connections of its thread.

pub mod actor;
pub mod admin;
pub mod ask;
pub mod backup;
pub mod bus;
pub mod channel;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod doctor;
pub mod embed;
pub mod events;
mod faults;
pub mod first_run;
pub mod heavy;
pub mod http;
pub mod jwt;
pub mod line;
pub mod metrics;
pub mod migrate;
mod num;
pub mod recorder;
pub mod server;
pub mod session;
#[cfg(test)]
mod simulation;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod webhook;

pub use embed::Warren;
/// The lowest two layers, a crate of their own.
pub use warren_leap::{domain, protocol};

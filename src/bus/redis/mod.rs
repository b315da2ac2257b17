//! The order of several nodes, by Redis: each line is numbered by scripts, which no two nodes run at once.
//!
//! A [`RedisWire`] is one connection for as long as it lives: it never connects again by itself, because what stands behind a
//! new connection may be a server that lacks what the old one had acknowledged. Its first words there tell
//! ([`RedisWire::connect`]); whoever holds it makes the next one, and reads what was missed.

mod calls;
mod entry;
mod error;
mod hearing;
mod keeper;
mod names;
mod questions;
pub mod registry;
mod scripts;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub use error::WireError;
pub use hearing::HeardEntry;
pub use keeper::RedisBus;
pub use names::LineName;
pub use wire::RedisWire;

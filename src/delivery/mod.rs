//! Delivery: what one thread's connections are sent, and what each of them has not heard.
//!
//! It knows neither session nor channel. Channels and sessions order it about through [`fanout`]; what a connection has
//! not heard goes upwards as a [`Report`] to whoever asked for it.

pub mod fanout;
pub mod flight;
mod gate;
pub mod link;
pub mod outbox;
pub mod outlet;
pub mod owed;
pub mod pressure;
mod report;

pub use link::{ConnectionInfo, Link, Note, Origin};
pub use outbox::Sink;
pub use report::{Exit, Report, Settled};

//! Delivery: what one thread's connections are sent, and what each of them has not heard.
//!
//! It knows neither session nor channel. Channels and sessions order it about through [`fanout`]; what a connection has
//! not heard goes upwards as a [`Report`] to whoever asked for it.

mod connection_info;
pub mod departures;
pub mod fanout;
pub mod flight;
mod init_buffer;
pub mod link;
pub mod outlet;
pub mod owed;
pub mod pressure;
mod report;
pub mod send_queue;

pub use connection_info::{ConnectionInfo, Origin};
pub use departures::{Departures, Drain};
pub use link::{Link, Note};
pub use report::{Exit, Heard, Home, Report, Reports, Settled, Undelivered};
pub use send_queue::{Sink, Travelled};

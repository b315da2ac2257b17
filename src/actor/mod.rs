//! The actors and their handles: what orders, holds and hands on.
//!
//! Outside this layer nobody sees an address or a context: HTTP and the server use [`Supervisor`] and [`Persistence`],
//! whose methods are plain futures with typed errors.

pub mod ask;
pub mod persistence;
pub mod supervisor;

pub use ask::{AskError, ChangeError};
pub use persistence::Persistence;
pub use supervisor::Supervisor;

//! Calls to a project's back end: how they are signed, where they may go, when they are tried again.
//!
//! Uses `domain` alone. Who is called when is the dispatcher's matter (`actor/webhook.rs`).

pub mod authorize;
pub mod check;
pub mod client;
pub mod guard;
pub mod schedule;
pub mod signing;
pub mod target;

pub use client::{CallError, EndpointCall, EndpointClient, Reply};
pub use guard::Policy;

//! The event log: what webhooks hear of and no change in the store is the cause of. Who is online is decided, counted and
//! numbered here, in the order of the channels' own steps.
//!
//! No input or output, no clock: actors say what happened and when, and take out what is to be stored.

mod attendance;
mod log;

pub use log::{Bounds, Change, Entry, Log};

#[cfg(test)]
mod properties;

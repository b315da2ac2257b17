//! The event log: what webhooks hear of and no change in the store is the cause of. Who stands in which register of a
//! channel is decided, counted and put in order here, in the order of the actors' own steps.
//!
//! No input or output, no clock: actors say what happened and when, and take out what is to be stored.

mod log;
mod roll;

pub use log::{EventEntry, EventOrder, PresenceChange};

#[cfg(test)]
mod properties;

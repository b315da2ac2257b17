//! The JSON of everything that the API shows: supersets that every official client parses (`docs/CLIENTS.md`, HTTP).
//!
//! States pass through as the text that they are; they never become a tree of values.

mod channel;
mod delivery;
mod project;
mod role;
mod token;
mod webhook;

pub(crate) use channel::{ChannelView, HistoryView, StateView};
pub(crate) use delivery::DeliveryView;
pub(crate) use project::{ProjectTokenView, ProjectView};
pub(crate) use role::RoleView;
pub(crate) use token::{SubscriptionView, TokenView};
pub(crate) use webhook::WebhookView;

//! The channels that this thread has asked lately: who knows an address need not ask the shard for it.

use super::super::channel::ChannelActor;
use crate::domain::ChannelKey;
use actix::prelude::*;
use foldhash::fast::RandomState;
use std::cell::RefCell;
use std::collections::HashMap;

/// The most addresses that a thread remembers; at the bound it begins anew.
const MAX_KNOWN: usize = 4096;

/// What a thread remembers.
#[derive(Default)]
struct Known {
    /// The supervisor that the addresses are of.
    supervisor: u64,
    /// The addresses.
    channels: HashMap<ChannelKey, Addr<ChannelActor>, RandomState>,
}

thread_local! {
    /// This thread's memory.
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// A channel's actor, if this thread has asked it before and it still runs.
pub(super) fn find(supervisor: u64, key: &ChannelKey) -> Option<Addr<ChannelActor>> {
    KNOWN.with_borrow_mut(|known| {
        let address = known.channels.get(key).filter(|_| known.supervisor == supervisor)?;
        if address.connected() {
            return Some(address.clone());
        }
        known.channels.remove(key);
        None
    })
}

/// Remembers a channel's actor.
pub(super) fn remember(supervisor: u64, key: &ChannelKey, address: &Addr<ChannelActor>) {
    KNOWN.with_borrow_mut(|known| {
        if known.supervisor != supervisor || known.channels.len() >= MAX_KNOWN {
            *known = Known { supervisor, ..Known::default() };
        }
        known.channels.insert(key.clone(), address.clone());
    });
}

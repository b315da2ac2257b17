//! The bus hands entries on, is cut off, and loses its memory.

use super::world::{Tenure, World};
use crate::bus::{LineEntry, Ordered};
use crate::domain::ChannelId;
use crate::faults::{Fault, is_planted};
use tokio::time::Instant;

impl World {
    /// The bus hands an entry to a node, perhaps twice.
    pub(super) fn step_bus(&mut self, node: usize, id: &ChannelId) {
        let is_twice = self.random.chance(15);
        let Some(network) = self.network.clone() else { return };
        let Some(ordered) = network.borrow_mut().take(&(node, id.clone()), is_twice) else {
            return;
        };
        let Some(here) = self.nodes[node].channels.get(id) else { return };
        if here.is_reloading {
            // The actor waits, and what comes waits with it.
            if !is_twice {
                network.borrow_mut().put_back(&(node, id.clone()), ordered);
            }
            return;
        }
        let at = here.machine.line().position();
        let is_ahead =
            ordered.position.epoch != at.epoch || ordered.position.offset > at.offset + 1;
        if is_ahead {
            self.catch_up(node, id);
        }
        self.apply(node, id, ordered);
    }

    /// A node reads what it has missed of a line.
    pub(super) fn catch_up(&mut self, node: usize, id: &ChannelId) {
        let Some(network) = self.network.clone() else { return };
        let Some(here) = self.nodes[node].channels.get(id) else { return };
        let (missing, position) = network.borrow().read(id, here.machine.line().position());
        for ordered in missing {
            self.apply(node, id, ordered);
        }
        if let Some(here) = self.nodes[node].channels.get_mut(id)
            && here.machine.line().position() != position
        {
            here.machine.follow(position, &mut here.acting);
            here.acting.outlet.leave_behind();
            self.gap(node, id, 0);
        }
        self.deliver();
    }

    /// A node applies an entry.
    pub(super) fn apply(&mut self, node: usize, id: &ChannelId, ordered: Ordered) {
        let Some(here) = self.nodes[node].channels.get_mut(id) else { return };
        let (at, to) = (here.machine.line().position(), ordered.position);
        if self.is_told {
            println!("{:>6} {node}.{} takes {to:?} at {at:?}", self.count, id.as_str());
        }
        // The entry that shows a gap is heard.
        let heard = usize::from(matches!(ordered.entry, LineEntry::Message(_)));
        here.machine.apply(ordered, Instant::now(), &mut here.acting);
        here.acting.outlet.leave_behind();
        if to.epoch != at.epoch || to.offset > at.offset + 1 {
            self.gap(node, id, heard);
        }
        self.deliver();
    }

    /// Something is missing on a node, and whoever hears the channel there has to be told; so many of the last messages
    /// are not.
    pub(super) fn gap(&mut self, node: usize, id: &ChannelId, heard: usize) {
        self.tell(|| format!("{node}.{} gap", id.as_str()));
        let shown = self.shown(node, id);
        for client in self.clients.iter_mut().filter(|client| client.home == node) {
            if let Some(tenure) = client.tenures.get_mut(id) {
                let since = shown.saturating_sub(heard).max(tenure.since);
                *tenure = Tenure { since, has_gap: true };
            }
        }
    }

    /// Trouble on the bus.
    pub(super) fn trouble(&mut self, node: usize) {
        let Some(network) = self.network.clone() else { return };
        let is_cut = network.borrow().is_cut(node);
        match self.random.below(4) {
            0 if !is_cut => {
                self.tell(|| format!("{node} is cut off"));
                network.borrow_mut().cut(node);
            }
            1 | 2 if is_cut => self.heal(node),
            3 if self.random.chance(30) => {
                self.tell(|| "the bus loses its memory".to_owned());
                network.borrow_mut().lose(|id| self.store.version(id));
                for node in 0..self.nodes.len() {
                    if !network.borrow().is_cut(node) {
                        self.heal(node);
                    }
                }
            }
            _ => {}
        }
    }

    /// A node hears the bus again, and looks at what it has missed.
    pub(super) fn heal(&mut self, node: usize) {
        let Some(network) = self.network.clone() else { return };
        self.tell(|| format!("{node} hears again"));
        network.borrow_mut().heal(node);
        if is_planted(Fault::NothingReadAfterCut) {
            return;
        }
        for id in self.nodes[node].channels.keys().cloned().collect::<Vec<_>>() {
            self.catch_up(node, &id);
        }
    }
}

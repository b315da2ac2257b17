//! Who is alive, as all nodes know it: nodes by their leases, connections and sessions of leap tokens, who is in a channel.
//!
//! Nothing here is the only copy of anything: what a [`RedisRegistry`] holds is said again by the nodes from their memories when
//! Redis has lost it, which a beat of theirs tells ([`BeatOutcome::Registered`]). Each call is one step within one part of the
//! keys; whatever takes several steps goes on where it was, whoever makes the next one (`docs/adr/0034-who-is-alive.md`).

mod answers;
mod connections;
mod flight;
mod handle;
mod incarnation;
mod keys;
mod nodes;
mod outcomes;
mod presence;
mod reaping;
mod scripts;
mod terms;
#[cfg(test)]
mod tests;

pub use flight::{FlightName, FlightOutcome, FlightTicket};
pub use handle::RedisRegistry;
pub use incarnation::Incarnation;
pub use keys::TokenName;
pub use nodes::{BeatOutcome, LivingNodes, NodeBeat};
pub use outcomes::{
    BreakPositions, EndOutcome, EnterOutcome, Entrance, ExitOutcome, JoinOutcome, MemberPage,
    NodeEstate, PresenceNews, ReapOutcome, Remnant,
};
pub use terms::RegistryTerms;

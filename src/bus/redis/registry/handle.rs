//! The registry over one connection.

use super::keys::{NodesKeys, PartKeys, TokenName};
use super::scripts::RegistryScripts;
use super::terms::RegistryTerms;
use crate::bus::redis::RedisWire;
use crate::domain::{LeapTokenId, ProjectId};
use std::sync::Arc;

/// The registry of a cluster, over a connection; it is made anew with each new one.
pub struct RedisRegistry {
    /// The connection.
    pub(super) wire: Arc<RedisWire>,
    /// The cluster's name.
    pub(super) cluster: String,
    /// The keys of its leases.
    pub(super) nodes: NodesKeys,
    /// How long things last.
    pub(super) terms: RegistryTerms,
    /// The scripts.
    pub(super) scripts: RegistryScripts,
}

impl RedisRegistry {
    /// The registry of the cluster of that name, which holds no colon.
    pub fn new(wire: Arc<RedisWire>, cluster: &str, terms: RegistryTerms) -> Self {
        let (nodes, cluster) = (NodesKeys::new(cluster), cluster.to_owned());
        Self { wire, cluster, nodes, terms, scripts: RegistryScripts::new() }
    }

    /// What a token is called here.
    pub fn token(&self, project: &ProjectId, token: &LeapTokenId) -> TokenName {
        TokenName::new(&self.cluster, project, token)
    }

    /// The keys of one part.
    pub(super) fn part(&self, partition: u16) -> PartKeys<'_> {
        PartKeys::new(&self.cluster, partition)
    }
}

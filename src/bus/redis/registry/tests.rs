//! What the registry must do, tried on a real Redis.

mod connections;
mod flight;
mod loss;
mod nodes;
mod presence;
mod reaping;

use super::*;
use crate::bus::redis::names::PARTITIONS;
use crate::bus::redis::server::{PATIENCE, RedisServer};
use crate::bus::redis::{LineName, WireError};
use crate::domain::{
    ChannelId, ChannelKey, ConnectionId, LeapTokenId, Position, ProjectId, RawJson, SessionId,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Longer than any test.
const LONG: Duration = Duration::from_hours(1);
/// So short that a test can wait until it is over.
const SHORT: Duration = Duration::from_millis(50);
/// Terms under which nobody dies and nothing ends by itself, but for the youth.
const LASTING: RegistryTerms =
    RegistryTerms { lease: LONG, youth: SHORT, grace: LONG, claim: LONG };
/// The most connections of a token, where that is not what is tried.
const MANY: usize = 1000;

/// A node, as far as the registry sees one.
struct TestNode {
    /// Its way there.
    registry: RedisRegistry,
    /// Which one it is.
    id: Incarnation,
}

impl TestNode {
    /// Starts one, which registers.
    async fn start(server: &RedisServer, terms: RegistryTerms) -> Self {
        let (wire, _hearing) = server.wire().await;
        let registry = RedisRegistry::new(Arc::new(wire), "test", terms);
        let node = Self { registry, id: Incarnation::fresh().unwrap() };
        assert_eq!(node.beat().await, BeatOutcome::Registered);
        node
    }

    /// The same node behind another connection.
    async fn reconnected(self, server: &RedisServer, terms: RegistryTerms) -> Self {
        let (wire, _hearing) = server.wire().await;
        Self { registry: RedisRegistry::new(Arc::new(wire), "test", terms), ..self }
    }

    /// Says that it lives.
    async fn beat(&self) -> BeatOutcome {
        self.registry.beat(self.id, "node").await.unwrap().outcome
    }

    /// Says that it lives, for the last time: returns when its lease is over, by what another one sees, which is grown.
    async fn dies(self, server: &RedisServer, other: &Self) -> Incarnation {
        let node = self.reconnected(server, RegistryTerms { lease: SHORT, ..LASTING }).await;
        assert_eq!(node.beat().await, BeatOutcome::Renewed);
        let sees_it = async || other.registry.living().await.unwrap().shows(node.id);
        until(async || !sees_it().await).await;
        node.id
    }

    /// Who lives.
    async fn living(&self) -> LivingNodes {
        self.registry.living().await.unwrap()
    }

    /// Enters; what it finds.
    async fn enters(&self, token: &TokenName, cid: &str, session: &str) -> Entrance {
        let (cid, session) = (ConnectionId::from(cid), SessionId::from(session));
        match self.registry.enter(token, &cid, self.id, &session, MANY).await.unwrap() {
            EnterOutcome::In(entrance) => entrance,
            EnterOutcome::Full => panic!("there is room"),
        }
    }

    /// Exits, having stood there.
    async fn exits(&self, token: &TokenName, cid: &str, at: &BreakPositions) -> ExitOutcome {
        self.registry.exit(token, &ConnectionId::from(cid), self.id, Some(at)).await.unwrap()
    }

    /// Joins; whether it was news, and the count.
    async fn joins(&self, session: &str) -> (bool, usize) {
        let (session, member, living) = (session.into(), RawJson::null(), self.living().await);
        let joined = self.registry.join(&channel(), &session, self.id, &member, &living).await;
        let JoinOutcome::In(news) = joined.unwrap() else { panic!("there is room") };
        (news.is_news, news.count)
    }

    /// Leaves; whether it was news, and the count.
    async fn leaves(&self, session: &str) -> (bool, usize) {
        let (session, living) = (session.into(), self.living().await);
        let left = self.registry.leave(&channel(), &session, self.id, &living).await.unwrap();
        (left.is_news, left.count)
    }

    /// The sessions that are shown, sorted.
    async fn sees(&self) -> Vec<String> {
        let living = self.living().await;
        let page = self.registry.members(&channel(), &living, 0, 100).await.unwrap();
        let mut names: Vec<_> =
            page.members.iter().map(|(session, _)| session.to_string()).collect();
        names.sort();
        names
    }
}

/// The channel of these tests.
fn channel() -> LineName {
    let (project, id) = (ProjectId::from("p"), ChannelId::trusted("a room: c"));
    LineName::channel("test", &ChannelKey { project, id })
}

/// A token.
fn token(name: &str) -> TokenName {
    TokenName::new("test", &ProjectId::from("p"), &LeapTokenId::from(name))
}

/// Positions with a number in them.
fn positions(number: u64) -> BreakPositions {
    let at = Position { epoch: crate::domain::Epoch(0xff), offset: number };
    let channels = [(ChannelId::trusted("a \"room\": c"), at)].into();
    BreakPositions { channels, direct: Some(at.next()) }
}

/// Waits until that is so: only Redis' clock can bring it about.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let comes = async {
        while !is_so().await {
            // Nobody tells when a time of Redis is over.
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, comes).await.unwrap();
}

/// Makes the ground of every part an old one.
async fn grown(node: &TestNode) {
    let mut words = redis::pipe();
    for partition in 0..PARTITIONS {
        words.cmd("HSET").arg(node.registry.part(partition).ground()).arg("since").arg(0);
    }
    let _: Vec<u8> = node.registry.wire.ask_all(None, &words).await.unwrap();
    assert!(!node.living().await.is_young());
}

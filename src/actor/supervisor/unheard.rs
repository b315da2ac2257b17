//! What an orderly stop leaves to the next start: how much each token has not heard.

use super::Supervisor;
use crate::actor::session::CountUnheard;
use crate::actor::shard::ListSessions;
use crate::domain::MISSED_UNKNOWN;
use crate::store::Unheard;
use futures_util::future::join_all;

/// The most tokens that are named in what is left; where there are more, nobody knows of any.
const MOST_TOKENS: usize = 100_000;

impl Supervisor {
    /// Stores for the next start what tokens have not heard; nothing where nobody can say. To be called when the connections
    /// have ended.
    pub async fn keep_unheard(&self) {
        if self.bus().is_some() {
            // The store has room for what one server leaves.
            return;
        }
        let Some(left) = self.unheard().await else { return };
        let kept = self.persistence().write(move |store| store.keep_unheard(&left)).await;
        if let Err(error) = kept {
            tracing::warn!(%error, "what tokens have not heard was not stored: `missed` will be null");
        }
    }

    /// What tokens have not heard.
    async fn unheard(&self) -> Option<Unheard> {
        // Who was there before this life began, and has not come back in it, is known to no session.
        let others = if self.restart().is_some() { MISSED_UNKNOWN } else { 0 };
        let mut left = Unheard { others, tokens: Vec::new() };
        for shard in &self.0.shards {
            let sessions = shard.ask(|| ListSessions).await.ok()?;
            let counts = sessions.iter().map(|(_, session)| session.send(CountUnheard));
            for ((token, _), count) in sessions.iter().zip(join_all(counts).await) {
                let count = count.unwrap_or(MISSED_UNKNOWN);
                if count != others {
                    left.tokens.push((token.clone(), count));
                }
            }
        }
        (left.tokens.len() <= MOST_TOKENS).then_some(left)
    }
}

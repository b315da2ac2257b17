//! Which leap tokens have a connection now, for whoever wants to know of many at once without asking their sessions.

use crate::domain::LeapTokenId;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Counts the sessions of each token that have a connection; one that ends may overlap with the next.
#[derive(Clone, Default)]
pub struct Online(Arc<RwLock<HashMap<LeapTokenId, usize>>>);

/// One session's word that its token is online; taken back when dropped, also by a crash.
pub struct OnlineMark {
    /// Where it counts.
    online: Online,
    /// The token.
    token: LeapTokenId,
}

impl Online {
    /// The token is online as long as the mark lives.
    pub fn mark(&self, token: &LeapTokenId) -> OnlineMark {
        let mut marks = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *marks.entry(token.clone()).or_insert(0) += 1;
        OnlineMark { online: self.clone(), token: token.clone() }
    }

    /// Whether no token is.
    pub fn is_empty(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether the token has a connection.
    pub fn holds(&self, token: &LeapTokenId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(token)
    }
}

impl Drop for OnlineMark {
    fn drop(&mut self) {
        let mut marks = self.online.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = marks.get_mut(&self.token) {
            *count -= 1;
            if *count == 0 {
                marks.remove(&self.token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_online_until_its_last_mark_goes() {
        let (online, token) = (Online::default(), LeapTokenId::from("t"));
        let (first, second) = (online.mark(&token), online.mark(&token));
        drop(first);
        assert!(online.holds(&token) && !online.holds(&LeapTokenId::from("other")));
        drop(second);
        assert!(!online.holds(&token));
        assert!(online.0.read().unwrap().is_empty(), "nothing is left behind");
    }
}

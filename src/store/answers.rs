//! Answers to calls that came with a key, kept with what the calls did.

use super::StoreResult;
use crate::domain::{Digest, FirstCall, KeptAnswer, KeyBounds, KeyScope, KeyedCall, Timestamp};

/// An answer, and what it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The call.
    pub first: FirstCall,
    /// When it was answered.
    pub at: Timestamp,
    /// The answer.
    pub answer: KeptAnswer,
}

/// What is read of them.
#[expect(clippy::missing_errors_doc, reason = "the same errors everywhere, as in ReadStore")]
pub trait ReadAnswers {
    /// The answer under a key, however old.
    fn find_answer(&mut self, scope: &KeyScope, key: &Digest) -> StoreResult<Option<StoredAnswer>>;
    /// The next scope that has answers, and when its oldest was given.
    fn next_answers(
        &mut self,
        behind: Option<&KeyScope>,
    ) -> StoreResult<Option<(KeyScope, Timestamp)>>;
}

/// What is written of them.
#[expect(clippy::missing_errors_doc, reason = "each method names its refusals in its own sentence")]
pub trait WriteAnswers {
    /// Makes sure that a call may be carried out: that its key stands for none that was answered after `oldest`. One that
    /// was answered before gives its key away. Errors: `Answered`.
    fn claim_key(&mut self, call: &KeyedCall, oldest: Timestamp) -> StoreResult<()>;
    /// Keeps the answer to a call whose key was claimed in the same transaction. Past the bounds some of the oldest go, more
    /// than come.
    fn keep_answer(
        &mut self,
        call: &KeyedCall,
        at: Timestamp,
        answer: &KeptAnswer,
        bounds: &KeyBounds,
    ) -> StoreResult<()>;
    /// A key stands for no call any more, because what it did was taken back; nothing where it stood for none.
    fn free_key(&mut self, call: &KeyedCall) -> StoreResult<()>;
    /// Forgets the oldest of a scope's answers, as far as they were given at `oldest` or before, at most `limit`; returns how
    /// many.
    fn prune_answers(
        &mut self,
        scope: &KeyScope,
        oldest: Timestamp,
        limit: u64,
    ) -> StoreResult<u64>;
}

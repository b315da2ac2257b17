//! What projects say about JSON Web Tokens: the keys that they take them under, and the subjects that they revoked.

use super::{Start, StoreResult};
use crate::domain::{JwtKey, JwtKeyId, JwtRevocation, ProjectId, Subject};

/// What is read of it.
#[expect(clippy::missing_errors_doc, reason = "the same errors everywhere, as in ReadStore")]
pub trait ReadJwt {
    /// A project's keys, oldest first; few, as whoever adds one counts them.
    fn jwt_keys(&mut self, project: &ProjectId) -> StoreResult<Vec<JwtKey>>;
    /// Since when the tokens of a subject do not count; none if they all do.
    fn jwt_revocation(
        &mut self,
        project: &ProjectId,
        subject: &Subject,
    ) -> StoreResult<Option<JwtRevocation>>;
    /// The next of a project's revocations in the order of subjects, at most `limit`.
    fn jwt_revocations_after(
        &mut self,
        project: &ProjectId,
        start: &Start<Subject>,
        limit: u64,
    ) -> StoreResult<Vec<JwtRevocation>>;
    /// How many revocations a project has.
    fn count_jwt_revocations(&mut self, project: &ProjectId) -> StoreResult<u64>;
}

/// What is written of it.
#[expect(clippy::missing_errors_doc, reason = "each method names its refusals in its own sentence")]
pub trait WriteJwt {
    /// Adds a key. Errors: `NotFound(Project)`, `Exists(JwtKey)` for a used id.
    fn add_jwt_key(&mut self, key: &JwtKey) -> StoreResult<()>;
    /// Removes a key. Errors: `NotFound(JwtKey)`, also for another project's.
    fn delete_jwt_key(&mut self, project: &ProjectId, id: &JwtKeyId) -> StoreResult<()>;
    /// Notes that the tokens of a subject do not count that were issued until then; one of before never takes the place of
    /// a later one. Errors: `NotFound(Project)`.
    fn revoke_subject(
        &mut self,
        project: &ProjectId,
        revocation: &JwtRevocation,
    ) -> StoreResult<()>;
    /// Takes that back. Errors: `NotFound(JwtRevocation)`.
    fn forget_revocation(&mut self, project: &ProjectId, subject: &Subject) -> StoreResult<()>;
}

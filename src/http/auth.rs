//! Whose secret this is: project tokens and admin tokens, by their hash.

use super::error::ApiError;
use crate::actor::Persistence;
use crate::actor::guesses::{Guess, Guesses};
use crate::actor::supervisor::others::Forgotten;
use crate::domain::project::secret_hash;
use crate::domain::{Permissions, ProjectId, ProjectToken};
use crate::store::{ReadStore, SecretHash, StoreResult};
use actix_web::http::header::{self, HeaderMap};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tokio::time::Instant;

/// The most secrets that are remembered; at the bound any one of them makes room.
const MAX_REMEMBERED: usize = 10_000;
/// How long a secret is taken without another look at the store. Here a deletion is noticed at once; this bounds how
/// long a token works that `warren admin delete-token`, another process, has deleted.
const REMEMBERED_FOR: Duration = Duration::from_mins(1);
/// The same where other servers delete secrets too: whoever deletes one waits so long, and then none takes it any more.
const REMEMBERED_BESIDE_OTHERS: Duration = Duration::from_secs(1);

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A back end, under a project token.
    Project {
        /// The project that it acts for.
        project: ProjectId,
        /// What it may do.
        permissions: Permissions,
    },
    /// The operator, under an admin token: everything, in any project.
    Admin,
}

impl Caller {
    /// What the caller may do.
    pub const fn permissions(&self) -> Permissions {
        match self {
            Self::Project { permissions, .. } => *permissions,
            Self::Admin => Permissions::OWNER,
        }
    }

    /// Whether this is a back end of the project.
    fn is_of(&self, other: &ProjectId) -> bool {
        matches!(self, Self::Project { project, .. } if project == other)
    }
}

/// Who asks, and the handle of the token by which it does.
pub(crate) type NamedCaller = (Caller, Arc<str>);

/// The callers that were found lately.
#[derive(Default)]
struct Remembered {
    /// By the hash of their secret, each with the time when the store was asked.
    callers: HashMap<SecretHash, (NamedCaller, Instant)>,
    /// Rises with every deletion, so that a look-up which began before one is not remembered after it.
    generation: u64,
}

/// Finds out who a secret belongs to; cheap to clone, one memory for all.
///
/// What is found and what is not are remembered apart, each within a bound, so that guessing drives out no hit. Secrets are compared by their hash alone, whose prefix an
/// attacker cannot choose: no timing to learn from.
#[derive(Clone)]
pub struct Auth {
    /// Where secrets are looked up.
    persistence: Persistence,
    /// The memory.
    remembered: Arc<RwLock<Remembered>>,
    /// Whether other servers have memories of the same secrets.
    is_shared: bool,
    /// What was not found.
    guesses: Guesses,
}

impl Auth {
    /// An empty memory in front of the store, which counts the failures of each address here; `is_shared` where other servers
    /// have one in front of the same store.
    pub fn new(persistence: Persistence, guesses: Guesses, is_shared: bool) -> Self {
        Self { persistence, remembered: Arc::default(), is_shared, guesses }
    }

    /// How long a secret is taken without another look at the store.
    const fn remembered_for(&self) -> Duration {
        if self.is_shared { REMEMBERED_BESIDE_OTHERS } else { REMEMBERED_FOR }
    }

    /// Who the secret belongs to; none for anything that is not a valid `ptk_` or `pat_`. Where it comes from is asked
    /// only if that is not known already.
    ///
    /// # Errors
    /// [`ApiError::TooManyGuesses`] for a secret that nobody has, from an address that has tried too many;
    /// [`ApiError::Overloaded`] when the store gives no answer.
    pub async fn identify(
        &self,
        secret: &str,
        address: impl FnOnce() -> Option<IpAddr>,
    ) -> Result<Option<Caller>, ApiError> {
        Ok(self.identify_by_name(secret, address).await?.map(|(caller, _)| caller))
    }

    /// The same with the token's handle.
    ///
    /// # Errors
    /// As [`Self::identify`].
    pub(crate) async fn identify_by_name(
        &self,
        secret: &str,
        address: impl FnOnce() -> Option<IpAddr>,
    ) -> Result<Option<NamedCaller>, ApiError> {
        let look_up = match secret.split_once('_') {
            Some(("ptk", _)) => find_project_token,
            Some(("pat", _)) => find_admin_token,
            _ => return Ok(None),
        };
        let hash = secret_hash(secret);
        let (generation, was_found) = {
            let remembered = self.memory();
            if let Some(caller) = remembered.find(&hash, self.remembered_for()) {
                return Ok(Some(caller.clone()));
            }
            (remembered.generation, remembered.callers.contains_key(&hash))
        };
        let (address, asked) = (address(), Instant::now());
        // One that was right a minute ago is no guess.
        let is_over = !was_found && self.guesses.is_over(address, asked);
        let refusal = || if is_over { Err(ApiError::TooManyGuesses) } else { Ok(None) };
        if self.guesses.is_refused(&Guess::Secret(hash), asked) {
            return refusal();
        }
        let turn = if is_over {
            Some(self.guesses.turn().await.map_err(|_many| ApiError::TooManyGuesses)?)
        } else {
            None
        };
        let found = self.persistence.read(move |store| look_up(store, &hash)).await?;
        if let Some(caller) = found {
            self.memory_mut().remember(hash, caller.clone(), asked, generation);
            return Ok(Some(caller));
        }
        self.guesses.note(Guess::Secret(hash), address, Instant::now());
        if let Some(turn) = turn {
            turn.pass().await;
        }
        refusal()
    }

    /// Drops a secret that was deleted from the store.
    pub fn forget(&self, hash: &SecretHash) {
        let mut remembered = self.memory_mut();
        remembered.generation = remembered.generation.wrapping_add(1);
        remembered.callers.remove(hash);
    }

    /// Drops all secrets of a project that was deleted from the store.
    pub fn forget_project(&self, project: &ProjectId) {
        let mut remembered = self.memory_mut();
        remembered.generation = remembered.generation.wrapping_add(1);
        remembered.callers.retain(|_, ((caller, _), _)| !caller.is_of(project));
    }

    /// Drops what was changed by another server.
    pub(crate) fn forget_what(&self, what: &Forgotten) {
        match what {
            Forgotten::Key(hash) => self.forget(hash),
            Forgotten::Project(project) => self.forget_project(project),
            Forgotten::Everything => {
                let mut remembered = self.memory_mut();
                remembered.generation = remembered.generation.wrapping_add(1);
                remembered.callers.clear();
            }
        }
    }

    /// Waits, behind a deletion, until no other server takes what it remembers of before: it has asked for that before the
    /// deletion, and so the time of that is over then. To be done last: whoever asks may hang up meanwhile.
    pub async fn forgotten_everywhere(&self) {
        if self.is_shared {
            tokio::time::sleep(REMEMBERED_BESIDE_OTHERS).await;
        }
    }

    /// The memory, to read. A panic elsewhere leaves nothing half-done in it.
    fn memory(&self) -> RwLockReadGuard<'_, Remembered> {
        self.remembered.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The memory, to change.
    fn memory_mut(&self) -> RwLockWriteGuard<'_, Remembered> {
        self.remembered.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    /// Who the secret belongs to, if the store said so lately.
    fn find(&self, hash: &SecretHash, within: Duration) -> Option<&NamedCaller> {
        let (caller, since) = self.callers.get(hash)?;
        (since.elapsed() < within).then_some(caller)
    }

    /// Keeps what was found, unless something was deleted since the look-up began.
    fn remember(&mut self, hash: SecretHash, caller: NamedCaller, asked: Instant, generation: u64) {
        if generation != self.generation {
            return;
        }
        if self.callers.len() >= MAX_REMEMBERED
            && !self.callers.contains_key(&hash)
            && let Some(any) = self.callers.keys().next().copied()
        {
            self.callers.remove(&any);
        }
        self.callers.insert(hash, (caller, asked));
    }
}

/// Looks a `ptk_` up.
fn find_project_token(
    store: &mut dyn ReadStore,
    hash: &SecretHash,
) -> StoreResult<Option<NamedCaller>> {
    let named = |ProjectToken { id, project, permissions, .. }: ProjectToken| {
        (Caller::Project { project, permissions }, Arc::from(id.as_str()))
    };
    Ok(store.find_project_token(hash)?.map(named))
}

/// Looks a `pat_` up.
fn find_admin_token(
    store: &mut dyn ReadStore,
    hash: &SecretHash,
) -> StoreResult<Option<NamedCaller>> {
    Ok(store.find_admin_token(hash)?.map(|token| (Caller::Admin, Arc::from(token.id.as_str()))))
}

/// The secret in the `Authorization` header, raw or after `Bearer `; none when there is not exactly one.
pub(crate) fn secret_of(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(header::AUTHORIZATION);
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    line.to_str().ok().map(secret_in)
}

/// The secret in a line `Authorization`.
pub(crate) fn secret_in(line: &str) -> &str {
    let text = line.trim();
    match text.split_once(' ') {
        Some((scheme, secret)) if scheme.eq_ignore_ascii_case("bearer") => secret.trim(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    /// Headers with these `Authorization` lines.
    fn headers(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(line));
        }
        headers
    }

    /// Some operator.
    fn admin() -> NamedCaller {
        (Caller::Admin, Arc::from("pat_id_x"))
    }

    #[test]
    fn secrets_come_raw_or_behind_bearer() {
        for line in ["ptk_a", " ptk_a ", "Bearer ptk_a", "bearer  ptk_a", "BEARER ptk_a"] {
            assert_eq!(secret_of(&headers(&[line])), Some("ptk_a"), "{line}");
        }
        assert_eq!(secret_of(&headers(&["Basic ptk_a"])), Some("Basic ptk_a"));
        assert_eq!(secret_of(&headers(&[])), None);
        assert_eq!(secret_of(&headers(&["ptk_a", "ptk_b"])), None);
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut memory = Remembered::default();
        for n in 0..MAX_REMEMBERED + 10 {
            memory.remember(secret_hash(&n.to_string()), admin(), Instant::now(), 0);
        }
        assert_eq!(memory.callers.len(), MAX_REMEMBERED);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_minute_the_store_is_asked_again() {
        let (mut memory, hash) = (Remembered::default(), secret_hash("pat_a"));
        memory.remember(hash, admin(), Instant::now(), 0);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(memory.find(&hash, REMEMBERED_FOR), Some(&admin()));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(memory.find(&hash, REMEMBERED_FOR), None);
    }

    #[test]
    fn a_look_up_that_a_deletion_overtook_is_not_remembered() {
        let mut memory = Remembered { generation: 1, ..Remembered::default() };
        memory.remember(secret_hash("ptk_a"), admin(), Instant::now(), 0);
        assert!(memory.callers.is_empty());
    }
}

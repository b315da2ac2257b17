//! JSON Web Tokens in the place of leap tokens: whom a token lets in, and what its claims bring about (`docs/adr/0027`).

mod claimed;

use super::super::clock;
use super::super::guesses::Guess;
use super::super::session::{Connect, Expiry};
use super::{Connected, Supervisor, too_many_guesses};
use crate::ask::AskError;
use crate::domain::project::secret_hash;
use crate::domain::{JwtKey, JwtKeyMaterial, LeapTokenId, ProjectId};
use crate::jwt::{Claims, CompactToken, JwtRefusal, TokenDemands, VerifyingKey};
use crate::metrics::{self, Family, Label};
use crate::protocol::{Close, CloseCode, Refusal};
use std::net::IpAddr;
use tokio::time::Instant;

/// Why somebody with a token is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// The token does not count.
    Refused(JwtRefusal),
    /// There are too many wrong ones from the same address to look into another one now.
    TooManyGuesses,
    /// Somebody on the way gave no answer.
    Ask(AskError),
}

impl From<AskError> for NotAdmitted {
    fn from(error: AskError) -> Self {
        Self::Ask(error)
    }
}

impl NotAdmitted {
    /// How a connection ends that is not let in; `knows_expiry` if its client knows what to do about an expired token.
    fn close(&self, knows_expiry: bool) -> Close {
        match self {
            Self::Ask(error) => error.close(),
            Self::TooManyGuesses => too_many_guesses(),
            Self::Refused(JwtRefusal::KeysUnavailable) => {
                Close::new(CloseCode::Unknown, JwtRefusal::KeysUnavailable.to_string())
            }
            Self::Refused(JwtRefusal::Expired) => Expiry::close(knows_expiry),
            Self::Refused(refusal) => Close::new(CloseCode::InvalidAuth, refusal.to_string()),
        }
    }
}

impl From<NotAdmitted> for Refusal {
    /// What a connection is told that goes on with the token that it has.
    fn from(why: NotAdmitted) -> Self {
        match why {
            NotAdmitted::Refused(refusal) => Self::InvalidToken(refusal.to_string()),
            NotAdmitted::TooManyGuesses => Self::Overloaded,
            NotAdmitted::Ask(error) => Self::from(&error),
        }
    }
}

impl Supervisor {
    /// Brings a connection in that has a JSON Web Token. Those that nobody has signed are bounded for each address, as
    /// wrong secrets are.
    pub(super) async fn connect_with_jwt(
        &self,
        text: &str,
        connect: Connect,
    ) -> Result<Connected, Close> {
        let (project, knows_expiry) = (connect.project.clone(), connect.knows_expiry());
        let closed = |why: NotAdmitted| why.close(knows_expiry);
        let claims = self.admit(&project, text, connect.address).await.map_err(closed)?;
        let expiry = Some(Expiry { at: claims.expires_at, knows_expiry });
        let entered = self.enter_as(&project, &claims, Connect { expiry, ..connect }).await?;
        // A revocation is stored, and then ends the session: who entered before is ended with it, and who entered later
        // finds it here.
        self.check_revoked(&project, &claims).await.map_err(closed)?;
        Ok(entered)
    }

    /// Checks a token and does what it claims for its subject: what a connection needs that goes on with a new one.
    ///
    /// # Errors
    /// [`NotAdmitted`], also for a token of another subject than `token`.
    pub(in crate::actor) async fn admit_again(
        &self,
        project: &ProjectId,
        token: &LeapTokenId,
        text: &str,
        address: Option<IpAddr>,
    ) -> Result<Claims, NotAdmitted> {
        let claims = self.admit(project, text, address).await?;
        if LeapTokenId::of_subject(project, &claims.subject) != *token {
            return Err(refused(JwtRefusal::OtherSubject));
        }
        self.bring_about(project, token, &claims).await?;
        Ok(claims)
    }

    /// Whom a token speaks of, if it is one that the project takes. The one place where that is decided, whatever door
    /// somebody comes through.
    ///
    /// # Errors
    /// [`NotAdmitted`]. What nobody has signed counts among the failures of the address.
    pub(crate) async fn admit(
        &self,
        project: &ProjectId,
        text: &str,
        address: Option<IpAddr>,
    ) -> Result<Claims, NotAdmitted> {
        let turn = if self.0.guesses.is_over(address, Instant::now()) {
            let turn = self.0.guesses.turn().await;
            Some(turn.map_err(|_many| NotAdmitted::TooManyGuesses)?)
        } else {
            None
        };
        let checked = self.check_jwt(project, text).await;
        if let Err(NotAdmitted::Refused(why)) = &checked
            && why.is_guess()
        {
            let guess = Guess::Secret(secret_hash(text));
            self.0.guesses.note(guess, address, Instant::now());
            if let Some(turn) = turn {
                turn.pass().await;
            }
        }
        checked
    }

    /// Checks a token: its form, its signature, its claims, its subject.
    async fn check_jwt(&self, project: &ProjectId, text: &str) -> Result<Claims, NotAdmitted> {
        let token = CompactToken::read(text).map_err(refused)?;
        let of = project.clone();
        let keys = self.0.persistence.read(move |store| store.jwt_keys(&of)).await?;
        let key = self.signing_key(&keys, &token).await.map_err(refused)?;
        let expected =
            TokenDemands { issuer: key.issuer.as_deref(), audience: key.audience.as_deref() };
        let claims = Claims::read(token.claims(), expected, clock::now()).map_err(refused)?;
        self.check_revoked(project, &claims).await?;
        Ok(claims)
    }

    /// The key of a project that has signed a token.
    async fn signing_key<'k>(
        &self,
        keys: &'k [JwtKey],
        token: &CompactToken<'_>,
    ) -> Result<&'k JwtKey, JwtRefusal> {
        let has_signed =
            |key: &VerifyingKey| key.has_signed(token.algorithm, token.signed(), token.signature());
        // Of several reasons the one that says most: a key was there, or may be there.
        let mut why = JwtRefusal::UnknownKey;
        for key in keys {
            let is_named = key.kid.is_none() || token.kid.is_none() || key.kid == token.kid;
            if !is_named {
                continue;
            }
            if let JwtKeyMaterial::Jwks(url) = &key.material {
                let (algorithm, kid) = (token.algorithm, token.kid.as_deref());
                match self.0.key_sets.find(self.0.persistence.hooks(), url, algorithm, kid).await {
                    Ok(set) => {
                        let mut candidates = set.candidates(algorithm, kid).peekable();
                        if candidates.peek().is_some() {
                            why = JwtRefusal::Signature;
                        }
                        if candidates.any(has_signed) {
                            return Ok(key);
                        }
                    }
                    Err(unavailable) if why == JwtRefusal::UnknownKey => why = unavailable,
                    Err(_) => {}
                }
                continue;
            }
            // What is stored was checked when it came.
            let Ok(Some(known)) = VerifyingKey::of(&key.material) else { continue };
            if !known.takes(token.algorithm) {
                continue;
            }
            why = JwtRefusal::Signature;
            if has_signed(&known) {
                return Ok(key);
            }
        }
        Err(why)
    }

    /// Refuses a token whose subject was revoked after it was issued.
    async fn check_revoked(&self, project: &ProjectId, claims: &Claims) -> Result<(), NotAdmitted> {
        let (of, subject) = (project.clone(), claims.subject.clone());
        let found = self.0.persistence.read(move |store| store.jwt_revocation(&of, &subject));
        let revoked = found.await?.is_some_and(|found| found.concerns(claims.issued_at));
        if revoked { Err(refused(JwtRefusal::Revoked)) } else { Ok(()) }
    }
}

/// Counts a refusal.
fn refused(why: JwtRefusal) -> NotAdmitted {
    metrics::count(|cells| cells.labelled().add(Family::JwtRefused, [Label::Word(why.word())]));
    NotAdmitted::Refused(why)
}

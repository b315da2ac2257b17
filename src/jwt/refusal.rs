//! Why a token is not taken.

/// Why a token is not taken; each is counted under its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtRefusal {
    /// More bytes than a token may have.
    #[error("the token is too large")]
    TooLarge,
    /// Not three parts in base64url, or no JSON objects in them, or a member that is there twice.
    #[error("not a JSON Web Token")]
    Malformed,
    /// `alg` is none that is taken.
    #[error("the token's algorithm is not taken")]
    Algorithm,
    /// `crit` names what would have to be understood.
    #[error("the token has critical headers")]
    Critical,
    /// No key of the project is of this name and algorithm.
    #[error("no key of this project fits the token")]
    UnknownKey,
    /// The keys are fetched from somewhere, which does not answer.
    #[error("the keys for this token cannot be fetched now, come back later")]
    KeysUnavailable,
    /// The signature is none of the key's.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim that is needed is missing, or one is of another type than it must be.
    #[error("the token's claims are wrong: {0}")]
    Claims(&'static str),
    /// `exp` is over.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` is still to come.
    #[error("the token is not valid yet")]
    NotYet,
    /// `iss` is not who the key belongs to.
    #[error("the token is of another issuer")]
    Issuer,
    /// `aud` does not have who the key is for.
    #[error("the token is for another audience")]
    Audience,
    /// Its subject was revoked after it was issued.
    #[error("the token was revoked")]
    Revoked,
    /// It speaks of somebody else than the connection that it is to go on with.
    #[error("the token is of another subject")]
    OtherSubject,
}

impl JwtRefusal {
    /// A word for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Critical => "critical",
            Self::UnknownKey => "unknown_key",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Signature => "signature",
            Self::Claims(_) => "claims",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Revoked => "revoked",
            Self::OtherSubject => "other_subject",
        }
    }

    /// Whether it may be an attempt to guess: nobody who is trusted has signed it. What was signed and does not count any
    /// more is none, as an expired leap token is none.
    pub const fn is_guess(self) -> bool {
        matches!(
            self,
            Self::TooLarge
                | Self::Malformed
                | Self::Algorithm
                | Self::Critical
                | Self::UnknownKey
                | Self::Signature
        )
    }
}

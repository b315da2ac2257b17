//! Tenants and the keys of their back ends.

use super::{AdminTokenId, AllowedOrigins, Permissions, ProjectId, ProjectTokenId, Timestamp};
use sha2::{Digest as _, Sha256};

/// A tenant: every channel, token and webhook belongs to exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// `project_…`.
    pub id: ProjectId,
    /// What people call it.
    pub name: String,
    /// A short lower-case word for command lines, unique on the server.
    pub namespace: String,
    /// From which pages its sockets may be opened.
    pub allowed_origins: AllowedOrigins,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A back end's key. The secret itself is not here: it is shown once and kept only as a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectToken {
    /// `ptkid_…`.
    pub id: ProjectTokenId,
    /// The project that it acts for.
    pub project: ProjectId,
    /// What it may do.
    pub permissions: Permissions,
    /// The first characters of the secret, by which people tell their keys apart.
    pub hint: String,
    /// When it was created.
    pub created_at: Timestamp,
}

/// The operator's key: everything, in any project. The secret itself is not here either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminToken {
    /// `pat_id_…`.
    pub id: AdminTokenId,
    /// What people call it, if anything.
    pub name: Option<String>,
    /// The first characters of the secret.
    pub hint: String,
    /// When it was created.
    pub created_at: Timestamp,
}

/// All that is kept of a secret: its SHA-256. With 128 random bits in it, nothing slower is needed.
pub type SecretHash = [u8; 32];

/// The digest of a secret.
pub fn secret_hash(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}

/// The characters of a secret that may be shown again: the prefix and four of what follows.
pub fn hint_of(secret: &str) -> String {
    let shown = secret.find('_').map_or(4, |at| at + 5);
    secret.chars().take(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_gives_away_four_characters() {
        assert_eq!(hint_of("ptk_c19iYWJj"), "ptk_c19i");
    }
}

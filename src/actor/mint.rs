//! New admin tokens, made in one way whoever asks: the first run, HTTP, the command line.

use super::clock::{self, NoRandomness};
use crate::domain::project::hint_of;
use crate::domain::{AdminToken, AdminTokenId};

/// The longest name of an admin token, bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// A new admin token and its secret, which is shown once and kept only as a hash.
///
/// # Errors
/// [`NoRandomness`].
pub fn admin_token(name: Option<String>) -> Result<(AdminToken, String), NoRandomness> {
    let secret = clock::secret_id("pat")?;
    Ok((admin_token_of(name, &secret), secret))
}

/// An admin token for a secret that somebody else chose.
pub fn admin_token_of(name: Option<String>, secret: &str) -> AdminToken {
    let id = AdminTokenId::from(clock::readable_id("pat_id").as_str());
    AdminToken { id, name, hint: hint_of(secret), created_at: clock::now() }
}

/// Whether a text can be an admin token's name: something to see, on one line, not too long.
pub fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_NAME_BYTES && !text.contains(char::is_control)
}

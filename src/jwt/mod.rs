//! JSON Web Tokens (RFC 7519, as signed by RFC 7515): read, checked against a project's keys, and what they claim.
//!
//! Free of input and output. What is allowed is what RFC 8725 asks for: a key has one kind and checks no other, nothing
//! of what a token claims is read before its signature holds, and what is not understood is refused.

pub mod claims;
pub mod compact;
pub mod key;
pub mod key_set;
mod members;
pub mod refusal;
pub mod set_cache;

pub use claims::{Claims, TokenDemands};
pub use compact::{CompactToken, looks_like};
pub use key::VerifyingKey;
pub use key_set::KeySet;
pub use refusal::JwtRefusal;

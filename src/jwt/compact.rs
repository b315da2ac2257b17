//! A token in its compact form (RFC 7515 §3.1): three parts in base64url. The header is read, the rest is not.

use super::members::Members;
use super::refusal::JwtRefusal;
use crate::domain::JwtAlgorithm;
use crate::domain::jwt::JWT_NAME_MAX_BYTES;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The most bytes of a token; it is looked at before anything else.
pub const MAX_BYTES: usize = 8 * 1024;

/// A token whose signature was not checked.
pub struct CompactToken<'a> {
    /// How it says that it is signed.
    pub algorithm: JwtAlgorithm,
    /// Which key it names.
    pub kid: Option<String>,
    /// What was signed.
    signed: &'a str,
    /// What it claims, JSON if the issuer wrote it.
    claims: Vec<u8>,
    /// The signature.
    signature: Vec<u8>,
}

/// Whether a text can be nothing but one of these: no other secret of ours has a dot.
pub fn looks_like(text: &str) -> bool {
    text.contains('.')
}

impl<'a> CompactToken<'a> {
    /// Reads a token's form and header.
    ///
    /// # Errors
    /// [`JwtRefusal`]: `TooLarge`, `Malformed`, `Algorithm`, `Critical`.
    pub fn read(text: &'a str) -> Result<Self, JwtRefusal> {
        if text.len() > MAX_BYTES {
            return Err(JwtRefusal::TooLarge);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(JwtRefusal::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtRefusal::Malformed)?;
        // A dot that is left in one of them is no character of base64url.
        let (header, claims, signature) = (part(header)?, part(claims)?, part(signature)?);
        let header = Members::read(&header)?;
        if header.raw("crit").is_some() {
            return Err(JwtRefusal::Critical);
        }
        let name: Option<String> = header.typed("alg").map_err(|_wrong| JwtRefusal::Algorithm)?;
        let algorithm = name.as_deref().and_then(JwtAlgorithm::from_name);
        let algorithm = algorithm.ok_or(JwtRefusal::Algorithm)?;
        let kid: Option<String> = header.typed("kid").map_err(|_wrong| JwtRefusal::Malformed)?;
        if kid.as_ref().is_some_and(|kid| kid.len() > JWT_NAME_MAX_BYTES) {
            return Err(JwtRefusal::Malformed);
        }
        Ok(Self { algorithm, kid, signed, claims, signature })
    }

    /// What was signed.
    pub fn signed(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// What it claims; to be believed once the signature holds.
    pub fn claims(&self) -> &[u8] {
        &self.claims
    }
}

/// The bytes of a part; not the least deviation of the alphabet or in the last character is taken.
fn part(text: &str) -> Result<Vec<u8>, JwtRefusal> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_fault| JwtRefusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token of this header, over nothing.
    fn with_header(header: &str) -> String {
        format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header))
    }

    /// Why a token is not even looked into.
    fn refused(text: &str) -> JwtRefusal {
        CompactToken::read(text).err().unwrap()
    }

    #[test]
    fn the_header_says_how_it_is_signed_and_under_which_key() {
        let text = with_header(r#"{"typ":"JWT","alg":"ES256","kid":"a","x5t":"ignored"}"#);
        let token = CompactToken::read(&text).unwrap();
        assert_eq!((token.algorithm, token.kid.as_deref()), (JwtAlgorithm::Es256, Some("a")));
        assert_eq!(token.signed(), text.rsplit_once('.').unwrap().0.as_bytes());
        assert_eq!((token.claims(), token.signature()), (&b"{}"[..], &b"\0"[..]));
    }

    #[test]
    fn no_algorithm_that_is_not_ours_is_taken_however_it_is_written() {
        for alg in [r#""none""#, r#""None""#, r#""nOnE""#, r#""""#, "null", "5", r#""hs256""#] {
            let text = with_header(&format!(r#"{{"alg":{alg}}}"#));
            assert_eq!(refused(&text), JwtRefusal::Algorithm, "{alg}");
        }
        assert_eq!(refused(&with_header("{}")), JwtRefusal::Algorithm);
    }

    #[test]
    fn what_would_have_to_be_understood_is_refused() {
        for header in [r#"{"alg":"HS256","crit":["exp"]}"#, r#"{"alg":"HS256","crit":null}"#] {
            assert_eq!(refused(&with_header(header)), JwtRefusal::Critical, "{header}");
        }
    }

    #[test]
    fn what_has_another_form_is_no_token() {
        let good = with_header(r#"{"alg":"HS256"}"#);
        assert!(CompactToken::read(&good).is_ok());
        let (head, _) = good.split_once('.').unwrap();
        let twice = with_header(r#"{"alg":"HS256","alg":"HS256"}"#);
        let escaped = with_header(r#"{"alg":"HS256","\u0061lg":"RS256"}"#);
        for text in [
            "",
            ".",
            "..",
            head,
            &format!("{head}.e30"),
            &format!("{head}.e30.AA.AA"),
            &format!("{head}.e30.AA.AA.AA"),
            &format!("{head}=.e30.AA"),
            &format!("{head}.e3+.AA"),
            // A last character whose spare bits are set: the same bytes in another spelling.
            &format!("{head}.e30.AB"),
            &format!(" {good}"),
            &format!("{good}\n"),
            &with_header("[]"),
            &with_header("{"),
            &with_header(r#"{"alg":"HS256","kid":5}"#),
            &with_header(&format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(513))),
            &twice,
            &escaped,
        ] {
            assert_eq!(refused(text), JwtRefusal::Malformed, "{text}");
        }
    }

    #[test]
    fn what_is_too_large_is_not_looked_at() {
        let text = with_header(r#"{"alg":"HS256"}"#);
        let fits = format!("{text}{}", "A".repeat(MAX_BYTES - text.len()));
        assert_ne!(CompactToken::read(&fits).err(), Some(JwtRefusal::TooLarge));
        assert_eq!(refused(&format!("{fits}A")), JwtRefusal::TooLarge);
    }
}

//! Signatures: Hop's header for Hop's SDKs, and the Standard Webhooks headers for everybody else's libraries.

use crate::domain::Timestamp;
use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A header of a call.
pub type Header = (&'static str, String);

/// What every secret begins with.
const PREFIX: &str = "whsec_";

/// Decodes keys with and without padding: libraries of both habits exist.
const KEYS: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a call says of itself beside its body.
#[derive(Clone, Copy, Debug)]
pub struct CallHeaders<'a> {
    /// The event's id: the same on every attempt.
    pub id: &'a str,
    /// When this attempt was made.
    pub at: Timestamp,
    /// Which attempt it is, from 1.
    pub attempt: i64,
}

/// The headers of a call (`docs/PROTOCOL.md`, Webhooks). The first secret is the one in force; Hop's header knows only that.
pub fn headers(envelope: CallHeaders<'_>, secrets: &[&str], body: &str) -> Vec<Header> {
    let seconds = envelope.at.0.div_euclid(1000);
    let signed = format!("{}.{seconds}.{body}", envelope.id);
    let standard: Vec<String> =
        secrets.iter().map(|secret| standard_signature(secret, &signed)).collect();
    vec![
        ("X-Hop-Hooks-Signature", hop_signature(secrets.first().copied().unwrap_or(""), body)),
        ("webhook-id", envelope.id.to_owned()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", standard.join(" ")),
        ("webhook-attempt", envelope.attempt.to_string()),
    ]
}

/// Upper-case hex over the raw body; the key is the whole text of the secret.
fn hop_signature(secret: &str, body: &str) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for byte in mac(secret.as_bytes(), body) {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02X}");
    }
    hex
}

/// `v1,` and base64; the key is what the secret encodes. A secret that encodes nothing keys by its text.
fn standard_signature(secret: &str, signed: &str) -> String {
    let inner = secret.strip_prefix(PREFIX).unwrap_or(secret);
    let key = KEYS.decode(inner).unwrap_or_else(|_| inner.as_bytes().to_vec());
    format!("v1,{}", STANDARD.encode(mac(&key, signed)))
}

/// HMAC-SHA256.
fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // Any length of key is taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample in the test suite of `@onehop/js`, made by Hop's server for no real project.
    const SAMPLE: &str = concat!(
        r#"{"webhook_id":"webhook_MTkzMDU5MTE4NzcyNDA0MjI3","project_id":"project_MTY1MjU5NTk1NTAwNTY4NTc3","#,
        r#""occurred_at":"2023-10-02T15:46:13.323Z","id":"event_MTkzMzkwODU2OTQwODkyMjgx","#,
        r#""event":"ignite.deployment.container.metrics_update","data":{"metrics":{"memory_usage_percent":"0.07","#,
        r#""memory_usage_bytes":393216,"cpu_usage_percent":"0.00"},"container_id":"container_MTkzMDc3MjExODczMDc5MzAx"}}"#,
    );

    /// A header's value.
    fn value<'a>(headers: &'a [Header], name: &str) -> &'a str {
        &headers.iter().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn hops_own_sample_is_signed_as_hop_did() {
        let secret =
            "whsec_c18zMDkxNWRmYzUwOTM4YmFiOTkwZjc3NTYwYjhhOTNkNF8xOTMwNTkxMTg3NzI0MDQyMjg";
        let expected = "86EBE7F54A92C809CDF8F3DC6536C566A1C074F9B001E9118DF7EC433BE435E7";
        assert_eq!(hop_signature(secret, SAMPLE), expected);
    }

    #[test]
    fn the_published_standard_webhooks_vector_holds() {
        // From the test suites of the Standard Webhooks libraries.
        let envelope = CallHeaders {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            at: Timestamp(1_614_265_330_999),
            attempt: 2,
        };
        let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];
        let all = headers(envelope, &secrets, r#"{"test": 2432232314}"#);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(value(&all, "webhook-signature"), expected);
        assert_eq!(value(&all, "webhook-timestamp"), "1614265330");
        assert_eq!(value(&all, "webhook-id"), envelope.id);
        assert_eq!(value(&all, "webhook-attempt"), "2");
    }

    #[test]
    fn during_rotation_both_secrets_sign_and_the_new_one_first() {
        let envelope = CallHeaders { id: "event_1", at: Timestamp(0), attempt: 1 };
        let (new, old) = ("whsec_bmV3", "whsec_b2xk");
        let both = headers(envelope, &[new, old], "{}");
        let one = |secret: &str| {
            value(&headers(envelope, &[secret], "{}"), "webhook-signature").to_owned()
        };
        assert_eq!(value(&both, "webhook-signature"), format!("{} {}", one(new), one(old)));
        assert_eq!(value(&both, "X-Hop-Hooks-Signature"), hop_signature(new, "{}"));
    }
}

//! What a token claims: whom, for how long, which channels, which state. To be read once its signature holds.

use super::members::Members;
use super::refusal::JwtRefusal;
use crate::domain::{ChannelId, RawJson, Subject, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

/// How far an issuer's clock may run ahead of ours: for `nbf` and `iat`. There is none for `exp`: what is over is over.
pub const LEEWAY: Duration = Duration::from_secs(10);
/// The most channels that a token may name.
pub const MAX_CHANNELS: usize = 100;
/// Beyond it no moment counts: the year 9999.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// What the key of a token's signature asks of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenDemands<'a> {
    /// What `iss` must be.
    pub issuer: Option<&'a str>,
    /// What must be in `aud`.
    pub audience: Option<&'a str>,
}

/// What a token claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `sub`: whom it speaks of.
    pub subject: Subject,
    /// `exp`: when it stops working.
    pub expires_at: Timestamp,
    /// `iat`: when it was issued.
    pub issued_at: Option<Timestamp>,
    /// `channels`: what its subject is to be subscribed to, and whether that ends with the session.
    pub channels: Vec<(ChannelId, bool)>,
    /// `state`: its subject's state.
    pub state: Option<RawJson>,
}

/// `aud`: one or several (RFC 7519 §4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum ClaimedAudience {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// A channel: its id, or `{id, ephemeral?}`, as a leap token's default channels are written.
#[derive(Deserialize)]
#[serde(untagged)]
enum JsonChannel {
    /// For good.
    Id(String),
    /// As it says.
    Object {
        /// Which.
        id: String,
        /// Whether it ends with the session.
        #[serde(default)]
        ephemeral: bool,
    },
}

impl Claims {
    /// Reads and checks what a token claims, at the time `now`.
    ///
    /// # Errors
    /// [`JwtRefusal`]: `Malformed`, `Claims`, `Expired`, `NotYet`, `Issuer`, `Audience`.
    pub fn read(
        text: &[u8],
        expected: TokenDemands<'_>,
        now: Timestamp,
    ) -> Result<Self, JwtRefusal> {
        let members = Members::read(text)?;
        let expires_at = moment(&members, "exp")?.ok_or(JwtRefusal::Claims("exp is missing"))?;
        if expires_at <= now {
            return Err(JwtRefusal::Expired);
        }
        let issued_at = moment(&members, "iat")?;
        let begins = [moment(&members, "nbf")?, issued_at];
        if begins.into_iter().flatten().any(|at| at > now.later(LEEWAY)) {
            return Err(JwtRefusal::NotYet);
        }
        let issuer: Option<String> = typed(&members, "iss", "iss must be a string")?;
        if expected.issuer.is_some_and(|wanted| issuer.as_deref() != Some(wanted)) {
            return Err(JwtRefusal::Issuer);
        }
        let audience = typed(&members, "aud", "aud must be a string or an array of strings")?;
        if expected.audience.is_some_and(|wanted| !is_for(audience.as_ref(), wanted)) {
            return Err(JwtRefusal::Audience);
        }
        let subject: Option<String> = typed(&members, "sub", "sub must be a string")?;
        let subject = Subject::parse(&subject.ok_or(JwtRefusal::Claims("sub is missing"))?);
        let subject = subject.map_err(|_broken| {
            JwtRefusal::Claims("sub must have 1 to 256 bytes, no control characters")
        })?;
        let (channels, state) = (channels(&members)?, state(&members)?);
        Ok(Self { subject, expires_at, issued_at, channels, state })
    }
}

/// A claim of one type.
fn typed<'a, T: Deserialize<'a>>(
    members: &Members<'a>,
    name: &str,
    why: &'static str,
) -> Result<Option<T>, JwtRefusal> {
    members.typed(name).map_err(|_wrong| JwtRefusal::Claims(why))
}

/// Whether this one is meant.
fn is_for(audience: Option<&ClaimedAudience>, wanted: &str) -> bool {
    match audience {
        None => false,
        Some(ClaimedAudience::One(one)) => one == wanted,
        Some(ClaimedAudience::Several(all)) => all.iter().any(|one| one == wanted),
    }
}

/// A moment: seconds since 1970, with a fraction or without (RFC 7519 §2, `NumericDate`).
fn moment(members: &Members<'_>, name: &str) -> Result<Option<Timestamp>, JwtRefusal> {
    const WHY: JwtRefusal = JwtRefusal::Claims("exp, nbf and iat must be numbers of seconds");
    let Some(raw) = members.raw(name) else { return Ok(None) };
    // Anything but a number begins with another character.
    let is_number = raw.get().starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let seconds: f64 = raw.get().parse().ok().filter(|_| is_number).ok_or(WHY)?;
    if !seconds.is_finite() {
        return Err(WHY);
    }
    let seconds = seconds.clamp(0.0, LAST_SECOND);
    let since = Duration::try_from_secs_f64(seconds).map_err(|_fault| WHY)?;
    Ok(Some(Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))))
}

/// The channels; each once, and for good where both are said.
fn channels(members: &Members<'_>) -> Result<Vec<(ChannelId, bool)>, JwtRefusal> {
    const WHY: &str = "channels must be an array of channel ids or {id, ephemeral}";
    let named: Vec<JsonChannel> = typed(members, "channels", WHY)?.unwrap_or_default();
    if named.len() > MAX_CHANNELS {
        return Err(JwtRefusal::Claims("channels names more than 100"));
    }
    let mut channels: Vec<(ChannelId, bool)> = Vec::new();
    for one in named {
        let (id, is_ephemeral) = match one {
            JsonChannel::Id(id) => (id, false),
            JsonChannel::Object { id, ephemeral } => (id, ephemeral),
        };
        let id = ChannelId::parse(&id).map_err(|_broken| JwtRefusal::Claims(WHY))?;
        match channels.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => *known &= is_ephemeral,
            None => channels.push((id, is_ephemeral)),
        }
    }
    Ok(channels)
}

/// The state, an object.
fn state(members: &Members<'_>) -> Result<Option<RawJson>, JwtRefusal> {
    const WHY: JwtRefusal = JwtRefusal::Claims("state must be an object");
    let Some(raw) = members.raw("state") else { return Ok(None) };
    let checked = |raw: &RawValue| RawJson::from_raw(raw).ok().filter(RawJson::is_object);
    checked(raw).map(Some).ok_or(WHY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time of the tests: second 1000.
    const NOW: Timestamp = Timestamp(1_000_000);

    /// What a text claims at that time, if anybody may have issued it.
    fn read(text: &str) -> Result<Claims, JwtRefusal> {
        Claims::read(text.as_bytes(), TokenDemands::default(), NOW)
    }

    #[test]
    fn all_claims_are_read() {
        let text = r#"{"sub":"anna","exp":2e3,"iat":999.5,"nbf":1000,"iss":"x","aud":["y"],"more":{},
            "channels":["a",{"id":"b","ephemeral":true},{"id":"c"},{"id":"a","ephemeral":true}],
            "state":{"public":{"n":1.10}}}"#;
        let claims = read(text).unwrap();
        assert_eq!(claims.subject.as_str(), "anna");
        assert_eq!(claims.expires_at, Timestamp(2_000_000));
        assert_eq!(claims.issued_at, Some(Timestamp(999_500)));
        let channels: Vec<_> = claims.channels.iter().map(|(id, e)| (id.as_str(), *e)).collect();
        assert_eq!(channels, [("a", false), ("b", true), ("c", false)]);
        assert_eq!(claims.state.unwrap().as_str(), r#"{"public":{"n":1.10}}"#);
        assert_eq!(read(r#"{"sub":"a","exp":2000}"#).unwrap().channels, []);
    }

    #[test]
    fn times_count_from_their_very_moment_and_clocks_may_differ_a_little() {
        let at = |exp: &str, more: &str| read(&format!(r#"{{"sub":"a","exp":{exp}{more}}}"#)).err();
        assert_eq!(at("1000", ""), Some(JwtRefusal::Expired));
        assert_eq!(at("1000.001", ""), None);
        assert_eq!(at("-5", ""), Some(JwtRefusal::Expired));
        assert_eq!(at("1e300", ""), None);
        for name in ["nbf", "iat"] {
            assert_eq!(at("2000", &format!(r#","{name}":1010"#)), None);
            assert_eq!(at("2000", &format!(r#","{name}":1010.01"#)), Some(JwtRefusal::NotYet));
        }
    }

    #[test]
    fn who_is_expected_must_be_named() {
        let expected = TokenDemands { issuer: Some("x"), audience: Some("y") };
        let read = |more: &str| {
            let text = format!(r#"{{"sub":"a","exp":2000{more}}}"#);
            Claims::read(text.as_bytes(), expected, NOW).err()
        };
        assert_eq!(read(r#","iss":"x","aud":"y""#), None);
        assert_eq!(read(r#","iss":"x","aud":["z","y"]"#), None);
        for wrong in ["", r#","iss":"X""#, r#","iss":"x/""#] {
            assert_eq!(read(wrong), Some(JwtRefusal::Issuer), "{wrong}");
        }
        for wrong in ["", r#","aud":"Y""#, r#","aud":[]"#, r#","aud":["yy"]"#] {
            assert_eq!(
                read(&format!(r#","iss":"x"{wrong}"#)),
                Some(JwtRefusal::Audience),
                "{wrong}"
            );
        }
    }

    #[test]
    fn wrong_claims_are_refused() {
        let long = format!(r#"{{"sub":"{}","exp":2000}}"#, "s".repeat(257));
        let many = vec![r#""a""#; 101].join(",");
        let many = format!(r#"{{"sub":"a","exp":2000,"channels":[{many}]}}"#);
        for text in [
            "{}",
            r#"{"sub":"a"}"#,
            r#"{"exp":2000}"#,
            r#"{"sub":"a","exp":null}"#,
            r#"{"sub":"a","exp":"2000"}"#,
            r#"{"sub":"a","exp":true}"#,
            r#"{"sub":"a","exp":[2000]}"#,
            r#"{"sub":"a","exp":1e400}"#,
            r#"{"sub":"a","exp":2000,"nbf":"0"}"#,
            r#"{"sub":"a","exp":2000,"iat":{}}"#,
            r#"{"sub":5,"exp":2000}"#,
            r#"{"sub":"","exp":2000}"#,
            r#"{"sub":"a\nb","exp":2000}"#,
            r#"{"sub":"a","exp":2000,"iss":5}"#,
            r#"{"sub":"a","exp":2000,"aud":5}"#,
            r#"{"sub":"a","exp":2000,"channels":"a"}"#,
            r#"{"sub":"a","exp":2000,"channels":["a/b"]}"#,
            r#"{"sub":"a","exp":2000,"channels":[{}]}"#,
            r#"{"sub":"a","exp":2000,"channels":[{"id":"a","ephemeral":"yes"}]}"#,
            r#"{"sub":"a","exp":2000,"state":5}"#,
            r#"{"sub":"a","exp":2000,"state":null}"#,
            r#"{"sub":"a","exp":2000,"state":{"a":"\ud800"}}"#,
            &long,
            &many,
        ] {
            assert!(matches!(read(text), Err(JwtRefusal::Claims(_))), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn a_claim_that_is_there_twice_spoils_all() {
        for text in [
            "",
            "[]",
            r#"{"sub":"a","exp":2000,"sub":"b"}"#,
            r#"{"sub":"a","exp":2000,"e\u0078p":3000}"#,
            r#"{"sub":"a","exp":2000,"x":1,"x":1}"#,
            r#"{"sub":"a","exp":2000}{}"#,
            r#"{"sub":"a","exp":02000}"#,
        ] {
            assert_eq!(read(text), Err(JwtRefusal::Malformed), "{text}");
        }
    }
}

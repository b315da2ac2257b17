//! How connections are sent away at a stop and let in again after a start, as it is written.

use super::ConfigError;
use crate::delivery::Drain;
use crate::protocol::REASON_MAX_BYTES;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The longest drain, seconds: an hour.
const MAX_SECONDS: f64 = 3600.0;
/// The highest rate that is a bound.
const MAX_RATE: u32 = 1_000_000;

/// How connections are sent away.
pub(super) fn drain(
    seconds: Option<f64>,
    rate: Option<u32>,
    to: Option<String>,
) -> Result<Drain, ConfigError> {
    let usual = Drain::default();
    let over = match seconds {
        None => usual.over,
        Some(seconds) if (0.0..=MAX_SECONDS).contains(&seconds) => Duration::from_secs_f64(seconds),
        Some(_) => {
            let (name, range) = ("drain-seconds", "0 to 3600 seconds");
            return Err(ConfigError::OutOfRange { name, range });
        }
    };
    let rate = rate.unwrap_or(usual.rate);
    if rate > MAX_RATE {
        let (name, range) = ("reconnect-rate", "0 to 1000000 a second");
        return Err(ConfigError::OutOfRange { name, range });
    }
    if to.is_some() && over.is_zero() {
        let (name, needs) = ("drain-to", "drain-seconds: the time in which clients go there");
        return Err(ConfigError::Missing { name, needs });
    }
    let to = to.map(socket_url).transpose()?;
    Ok(Drain { over, rate, to })
}

/// Where clients are sent, which they take as it is: all of it, and short enough for a close frame.
fn socket_url(text: String) -> Result<Arc<str>, ConfigError> {
    let is_socket = |url: &Url| {
        matches!(url.scheme(), "ws" | "wss")
            && url.has_host()
            && url.path() != "/"
            && url.fragment().is_none()
    };
    let is_fine =
        text.len() <= REASON_MAX_BYTES && Url::parse(&text).is_ok_and(|url| is_socket(&url));
    if is_fine {
        return Ok(text.into());
    }
    let range = "the whole URL of a socket, 123 bytes at most, as wss://b.example.com/ws";
    Err(ConfigError::OutOfRange { name: "drain-to", range })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_elsewhere_is_a_whole_url_and_needs_its_time() {
        let to = |text: &str| drain(Some(5.0), None, Some(text.to_owned())).map(|drain| drain.to);
        for fine in ["ws://127.0.0.1:8081/ws", "wss://b.example.com/ws?encoding=json"] {
            assert_eq!(to(fine).unwrap().as_deref(), Some(fine));
        }
        let long = format!("wss://b.example.com/{}", "w".repeat(REASON_MAX_BYTES));
        for wrong in
            ["", "b.example.com/ws", "https://b.example.com/ws", "wss:///ws", "wss://b/", &long]
        {
            let error = to(wrong).unwrap_err().to_string();
            assert!(error.contains("drain-to") && error.contains("/ws"), "{wrong}: {error}");
        }
        let error = drain(None, None, Some("wss://b.example.com/ws".to_owned())).unwrap_err();
        assert!(error.to_string().contains("drain-seconds"), "{error}");
    }

    #[test]
    fn times_and_rates_have_their_ranges() {
        let fine = drain(Some(2.5), Some(0), None).unwrap();
        assert_eq!((fine.over, fine.rate), (Duration::from_millis(2500), 0));
        assert_eq!(drain(None, None, None).unwrap(), Drain::default());
        for (seconds, rate) in [(-1.0, 1), (3601.0, 1), (f64::NAN, 1), (1.0, 1_000_001)] {
            assert!(drain(Some(seconds), Some(rate), None).is_err(), "{seconds} {rate}");
        }
    }
}

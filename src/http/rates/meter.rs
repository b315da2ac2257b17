//! Counts one request under its address and its token, and says in the answer what is left.
//!
//! The headers are those of draft-ietf-httpapi-ratelimit-headers (11): a policy each, with the window of a second. More
//! comes within a second at any rate, so that `t` is 1 and so is `Retry-After`.

use super::{LimitedSender, RequestLimits, RequestRates, Senders, TooManyCalls};
use crate::domain::network_of;
use crate::domain::project::secret_hash;
use crate::http::App;
use crate::http::error::ApiError;
use crate::metrics::{self, Family};
use crate::store::SecretHash;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpMessage as _, HttpRequest};
use std::fmt::{self, Write as _};
use std::hash::Hash;
use std::net::IpAddr;

/// What may be asked for.
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left of it.
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What a request is counted under, and what is left there; kept with the request until it is answered.
pub(crate) struct Meter {
    /// Where it is counted.
    rates: RequestRates,
    /// How many calls a second there may be.
    limits: RequestLimits,
    /// Its address, where that is limited.
    address: Option<CountedSender<IpAddr>>,
    /// Its token, where that is limited and there is one.
    credential: Option<CountedSender<SecretHash>>,
}

/// A sender, and how many calls it has left.
struct CountedSender<K> {
    /// Who it is.
    sender: K,
    /// As far as is known.
    left: u32,
}

impl<K: Hash + Eq + Copy> CountedSender<K> {
    /// Takes one call out of its bucket; whether there was one.
    fn take(&mut self, senders: &Senders<K>, limit: u32, now: u64) -> bool {
        let left = senders.shard(&self.sender).take(self.sender, limit, now);
        self.left = left.unwrap_or_default();
        left.is_some()
    }

    /// Puts it back.
    fn give_back(&mut self, senders: &Senders<K>) {
        senders.shard(&self.sender).give_back(&self.sender);
        self.left = self.left.saturating_add(1);
    }
}

impl Meter {
    /// A request from this address, which is asked for only where it counts; none where nothing is limited.
    pub(in crate::http) fn new(
        rates: &RequestRates,
        address: impl FnOnce() -> Option<IpAddr>,
    ) -> Option<Self> {
        let limits = rates.limits()?;
        let address = if limits.address > 0 { address() } else { None };
        let address = address.map(|address| CountedSender { sender: network_of(address), left: 0 });
        Some(Self { rates: rates.clone(), limits, address, credential: None })
    }

    /// It comes with this token.
    pub(in crate::http) fn comes_with(&mut self, secret: &str) {
        let is_limited = self.limits.credential > 0;
        self.credential =
            is_limited.then(|| CountedSender { sender: secret_hash(secret), left: 0 });
    }

    /// Counts it under its address.
    fn take_address(&mut self) -> Result<(), TooManyCalls> {
        let Some(address) = &mut self.address else { return Ok(()) };
        let limit = self.limits.address;
        let is_let_in = address.take(&self.rates.0.addresses, limit, self.rates.now());
        let sender = LimitedSender::Address;
        if is_let_in { Ok(()) } else { Err(TooManyCalls { sender, limit }) }
    }

    /// Counts it under its token.
    fn take_credential(&mut self) -> Result<(), TooManyCalls> {
        let Some(credential) = &mut self.credential else { return Ok(()) };
        let limit = self.limits.credential;
        let is_let_in = credential.take(&self.rates.0.credentials, limit, self.rates.now());
        let sender = LimitedSender::Credential;
        if is_let_in { Ok(()) } else { Err(TooManyCalls { sender, limit }) }
    }

    /// Counts it under both, or under none where one refuses it.
    pub(in crate::http) fn take_both(&mut self) -> Result<(), TooManyCalls> {
        self.take_address()?;
        let taken = self.take_credential();
        if let (Err(_), Some(address)) = (&taken, &mut self.address) {
            address.give_back(&self.rates.0.addresses);
        }
        taken
    }

    /// It is not counted after all: somebody else will.
    pub(in crate::http) fn give_back(mut self) {
        if let Some(address) = &mut self.address {
            address.give_back(&self.rates.0.addresses);
        }
        if let Some(credential) = &mut self.credential {
            credential.give_back(&self.rates.0.credentials);
        }
    }

    /// Whatever it is counted under: its word, the limit, and what is left.
    fn counted(&self) -> impl Iterator<Item = (LimitedSender, u32, u32)> {
        let credential = self
            .credential
            .as_ref()
            .map(|counted| (LimitedSender::Credential, self.limits.credential, counted.left));
        let address = self
            .address
            .as_ref()
            .map(|counted| (LimitedSender::Address, self.limits.address, counted.left));
        credential.into_iter().chain(address)
    }

    /// The two headers' values; none where it is counted under nothing.
    fn values(&self) -> Option<(String, String)> {
        let (mut policy, mut state) = (String::new(), String::new());
        for (sender, limit, left) in self.counted() {
            let (gap, word) = (if policy.is_empty() { "" } else { ", " }, sender.word());
            // Writing to a string cannot fail.
            let _ = write!(policy, "{gap}\"{word}\";q={limit};w=1");
            let _ = write!(state, "{gap}\"{word}\";r={left};t=1");
        }
        (!policy.is_empty()).then_some((policy, state))
    }

    /// Says in an answer what is left.
    pub(in crate::http) fn tell(&self, headers: &mut HeaderMap) {
        let Some((policy, state)) = self.values() else { return };
        for (name, value) in [(RATELIMIT_POLICY, policy), (RATELIMIT, state)] {
            // Words and numbers: that is a header at any time.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}

impl fmt::Display for Meter {
    /// The lines of an answer's head.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((policy, state)) = self.values() else { return Ok(()) };
        write!(f, "{RATELIMIT_POLICY}: {policy}\r\n{RATELIMIT}: {state}\r\n")
    }
}

/// Begins to count a request: under its address, before anything is done for it.
///
/// # Errors
/// [`ApiError::TooManyCalls`].
pub(in crate::http) fn count_address(app: &App, request: &HttpRequest) -> Result<(), ApiError> {
    let address = || Some(app.proxies.client_of(request.peer_addr()?.ip(), request.headers()));
    let Some(mut meter) = Meter::new(&app.rates, address) else { return Ok(()) };
    let taken = meter.take_address();
    request.extensions_mut().insert(meter);
    taken.map_err(refusal)
}

/// Goes on to count it: under its token.
///
/// # Errors
/// [`ApiError::TooManyCalls`].
pub(in crate::http) fn count_credential(
    app: &App,
    request: &HttpRequest,
    secret: &str,
) -> Result<(), ApiError> {
    if app.rates.limits().is_none() {
        return Ok(());
    }
    let mut extensions = request.extensions_mut();
    let Some(meter) = extensions.get_mut::<Meter>() else { return Ok(()) };
    meter.comes_with(secret);
    meter.take_credential().map_err(refusal)
}

/// Counts it once more: another of the calls that it holds.
///
/// # Errors
/// [`TooManyCalls`], of which nobody has taken note yet.
pub(in crate::http) fn count_again(app: &App, request: &HttpRequest) -> Result<(), TooManyCalls> {
    if app.rates.limits().is_none() {
        return Ok(());
    }
    let mut extensions = request.extensions_mut();
    extensions.get_mut::<Meter>().map_or(Ok(()), Meter::take_both)
}

/// Takes note of a refusal, which is answered so.
pub(in crate::http) fn refusal(refused: TooManyCalls) -> ApiError {
    metrics::add(Family::RequestsRefused, [refused.sender.label()]);
    ApiError::TooManyCalls(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request with this token from this address.
    fn meter(rates: &RequestRates, secret: &str, address: &str) -> Meter {
        let mut meter = Meter::new(rates, || Some(address.parse().unwrap())).unwrap();
        meter.comes_with(secret);
        meter
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_refused_by_one_has_paid_neither() {
        let rates = RequestRates::new(RequestLimits { credential: 1, address: 3 });
        let of = |secret| meter(&rates, secret, "192.0.2.1");
        assert_eq!(of("ptk_a").take_both(), Ok(()));
        let mut refused = of("ptk_a");
        let too_many = TooManyCalls { sender: LimitedSender::Credential, limit: 1 };
        assert_eq!(refused.take_both(), Err(too_many));
        assert_eq!(refused.values().unwrap().1, r#""credential";r=0;t=1, "address";r=2;t=1"#);
        assert_eq!((of("ptk_b").take_both(), of("ptk_c").take_both()), (Ok(()), Ok(())));
        let too_many = TooManyCalls { sender: LimitedSender::Address, limit: 3 };
        assert_eq!(of("ptk_d").take_both(), Err(too_many));
        let elsewhere = meter(&rates, "ptk_d", "192.0.2.2").take_both();
        assert_eq!(elsewhere, Ok(()), "the address refused it, and the token has not paid");
    }

    #[tokio::test(start_paused = true)]
    async fn networks_of_ipv6_are_one_address_and_what_is_given_back_is_there() {
        let rates = RequestRates::new(RequestLimits { credential: 0, address: 1 });
        let of = |address| meter(&rates, "ptk_a", address);
        let mut first = of("2001:db8::1");
        assert_eq!(first.take_both(), Ok(()));
        assert!(of("2001:db8::2").take_both().is_err());
        assert_eq!(of("2001:db8:0:1::1").take_both(), Ok(()));
        first.give_back();
        assert_eq!(of("2001:db8::2").take_both(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_says_what_it_was_counted_under() {
        let rates = RequestRates::new(RequestLimits { credential: 5, address: 0 });
        let mut meter = Meter::new(&rates, || panic!("nobody needs to know")).unwrap();
        assert_eq!(meter.to_string(), "");
        meter.comes_with("ptk_a");
        meter.take_both().unwrap();
        let lines =
            "ratelimit-policy: \"credential\";q=5;w=1\r\nratelimit: \"credential\";r=4;t=1\r\n";
        assert_eq!(meter.to_string(), lines);
        let mut headers = HeaderMap::new();
        meter.tell(&mut headers);
        assert_eq!(headers.get("ratelimit").unwrap(), r#""credential";r=4;t=1"#);
        assert!(Meter::new(&RequestRates::new(RequestLimits::default()), || None).is_none());
    }
}

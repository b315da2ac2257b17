//! Where a database is, with the secret that lets one in, which no message may show.

use crate::store::StoreError;

/// What libpq is told besides, unless the URL says it: a connection that nobody answers on is given up within half a minute.
const DEFAULTS: [(&str, &str); 6] = [
    ("fallback_application_name", "warren"),
    ("connect_timeout", "5"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "25000"),
];

/// A URL that libpq understands.
#[derive(Clone)]
pub(super) struct Address {
    /// As it was given.
    given: String,
    /// As libpq hears it.
    whole: String,
}

impl Address {
    /// An address as somebody has set it.
    pub(super) fn new(url: &str) -> Self {
        let mut whole = url.to_owned();
        let said = url.split_once('?').map_or("", |(_, said)| said);
        for (name, value) in DEFAULTS {
            let is_said = said.split('&').any(|pair| pair.split('=').next() == Some(name));
            if !is_said {
                whole.push(if whole.contains('?') { '&' } else { '?' });
                whole.extend([name, "=", value]);
            }
        }
        Self { given: url.to_owned(), whole }
    }

    /// What libpq is to hear.
    pub(super) fn url(&self) -> &str {
        &self.whole
    }

    /// An error of libpq's without what nobody may read: it quotes an address that it does not understand.
    pub(super) fn clean(&self, error: StoreError) -> StoreError {
        let StoreError::Unavailable(reason) = error else { return error };
        let mut clean = reason.replace(&self.whole, "(address)").replace(&self.given, "(address)");
        for secret in self.secrets() {
            clean = clean.replace(secret, "(hidden)");
        }
        StoreError::Unavailable(clean)
    }

    /// The passwords in it, as they stand there.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let (place, said) = self.given.split_once('?').unwrap_or((&self.given, ""));
        let user = place.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
        let password =
            user.and_then(|(user, _)| user.split_once(':')).map(|(_, password)| password);
        let said = said.split('&').filter_map(|pair| pair.split_once('='));
        let said = said.filter(|(name, _)| name.ends_with("password")).map(|(_, value)| value);
        password.into_iter().chain(said).filter(|secret| !secret.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_url_says_itself_stays() {
        let address = Address::new("postgres://h/d?connect_timeout=1");
        assert!(address.url().contains("connect_timeout=1&"), "{}", address.url());
        assert!(!address.url().contains("connect_timeout=5"), "{}", address.url());
        assert!(address.url().contains("&keepalives_idle=10"), "{}", address.url());
        assert!(
            Address::new("postgres://h/d").url().contains("d?fallback_application_name=warren")
        );
    }

    #[test]
    fn no_message_shows_a_password() {
        let address = Address::new("postgres://u:s3cret@h/d?sslpassword=hush");
        let told = format!("{} and s3cret, hush, {}", address.url(), address.given);
        let clean = address.clean(StoreError::Unavailable(told)).to_string();
        assert!(!clean.contains("s3cret") && !clean.contains("hush"), "{clean}");
    }
}

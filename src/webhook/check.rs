//! What keeps an address from being called as things are: told when it is set, so that nobody waits in vain for calls.
//!
//! A warning and no refusal: a name may be given its address later, and the operator may open a network.

use super::guard::Policy;
use super::target::{EndpointUrl, Resolve, TargetError};
use std::time::Duration;

/// How long a name may take to be resolved.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// A word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
}

/// Looks whether this address would be called; none when it would. Nothing is dialled.
pub async fn obstacle(url: &str, policy: &Policy, resolver: &dyn Resolve) -> Option<Obstacle> {
    let resolved = async { EndpointUrl::parse(url)?.addresses(policy, resolver).await };
    match tokio::time::timeout(TIMEOUT, resolved).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(Obstacle {
            code: code(&error),
            message: format!("nothing is sent there: {error}"),
        }),
        Err(_late) => {
            let seconds = TIMEOUT.as_secs();
            let message = format!("the host was not resolved within {seconds} s");
            Some(Obstacle { code: "dns", message })
        }
    }
}

/// The word of an error.
pub(super) const fn code(error: &TargetError) -> &'static str {
    match error {
        TargetError::Form => "address",
        TargetError::Port(_) => "port",
        TargetError::Private => "private_address",
        TargetError::NoAddress | TargetError::Unresolved(_) => "dns",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use futures_util::future::LocalBoxFuture;
    use std::io;
    use std::net::SocketAddr;

    /// Answers this for every name, or never.
    struct Fixed(Option<&'static str>);

    impl Resolve for Fixed {
        fn resolve(&self, _: String, port: u16) -> LocalBoxFuture<'_, io::Result<Vec<SocketAddr>>> {
            match self.0 {
                None => std::future::pending().boxed_local(),
                Some("") => async { Err(io::Error::other("no such name")) }.boxed_local(),
                Some(ip) => {
                    let address = SocketAddr::new(ip.parse().unwrap(), port);
                    async move { Ok(vec![address]) }.boxed_local()
                }
            }
        }
    }

    /// The code of what keeps this from being called.
    async fn code_of(url: &str, ip: Option<&'static str>, policy: &Policy) -> Option<&'static str> {
        obstacle(url, policy, &Fixed(ip)).await.map(|it| it.code)
    }

    #[actix_rt::test]
    async fn each_reason_has_its_word_and_an_operator_takes_it_away() {
        let (strict, open) =
            (Policy::default(), Policy { allow_private: true, ..Policy::default() });
        for (url, ip, expected) in [
            ("https://a.example/", "93.184.215.14", None),
            ("https://a.example/", "10.0.0.1", Some("private_address")),
            ("http://127.1/", "93.184.215.14", Some("private_address")),
            ("http://a.example:22/", "93.184.215.14", Some("port")),
            ("http://a.example/", "", Some("dns")),
            ("ftp://a.example/", "93.184.215.14", Some("address")),
        ] {
            assert_eq!(code_of(url, Some(ip), &strict).await, expected, "{url} {ip}");
        }
        assert_eq!(code_of("http://127.0.0.1/", Some(""), &open).await, None);
    }

    #[actix_rt::test]
    async fn a_resolver_that_never_answers_holds_nobody_up() {
        tokio::time::pause();
        assert_eq!(code_of("http://a.example/", None, &Policy::default()).await, Some("dns"));
    }
}

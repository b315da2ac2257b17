//! Where a call goes: from the text of an address to the sockets that may be dialled, in one step.
//!
//! The name is resolved here and nowhere else, and what is dialled is one of the addresses that were checked: a name
//! that resolves to something else a moment later (DNS rebinding) gains nothing.

use super::guard::Policy;
use futures_util::future::LocalBoxFuture;
use rustls::pki_types::ServerName;
use std::io;
use std::net::{IpAddr, SocketAddr};
use url::{Host, Url};

/// The longest address, bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// Why nothing is dialled.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// No address of the form that is called.
    #[error("not an http:// or https:// address without user name")]
    Form,
    /// The port belongs to another kind of service.
    #[error("the port {0} is not called")]
    Port(u16),
    /// An address of this host is not public.
    #[error("the host has an address that is not public")]
    Private,
    /// The name stands for nothing.
    #[error("the host has no address")]
    NoAddress,
    /// The name could not be resolved.
    #[error("the host cannot be resolved: {0}")]
    Unresolved(io::Error),
}

/// Turns names into addresses.
pub trait Resolve {
    /// All addresses of a name.
    fn resolve(&self, host: String, port: u16) -> LocalBoxFuture<'_, io::Result<Vec<SocketAddr>>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: String, port: u16) -> LocalBoxFuture<'_, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// An address whose form is right.
#[derive(Clone, Debug)]
pub struct EndpointUrl {
    /// The whole address, normalised: `0x7f.1` has become `127.0.0.1` by now, and an IDNA dot a dot.
    url: Url,
    /// The port, also where the text leaves it out.
    port: u16,
}

impl EndpointUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// [`TargetError::Form`], also for a user name, which browsers, libraries and people read in different ways.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if text.len() > MAX_URL_BYTES {
            return Err(TargetError::Form);
        }
        let url = Url::parse(text).ok().ok_or(TargetError::Form)?;
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_web = matches!(url.scheme(), "http" | "https");
        let has_host = url.host_str().is_some_and(|host| !host.is_empty());
        let port = url.port_or_known_default().ok_or(TargetError::Form)?;
        if is_plain && is_web && has_host { Ok(Self { url, port }) } else { Err(TargetError::Form) }
    }

    /// What is asked for of the host.
    pub fn path_and_query(&self) -> &str {
        use url::Position::{AfterQuery, BeforePath};
        &self.url[BeforePath..AfterQuery]
    }

    /// The host as the endpoint is told, with its port unless that is the scheme's own.
    pub fn authority(&self) -> &str {
        use url::Position::{AfterPort, BeforeHost};
        &self.url[BeforeHost..AfterPort]
    }

    /// Host and port, where no policy says whether that may be dialled.
    pub fn dial(&self) -> (String, u16) {
        let host = self.url.host_str().unwrap_or_default();
        (host.trim_matches(['[', ']']).to_owned(), self.port)
    }

    /// The name that the endpoint's certificate has to be for; none without TLS.
    ///
    /// # Errors
    /// [`TargetError::Form`] for a host that cannot stand in a certificate.
    pub fn tls_name(&self) -> Result<Option<ServerName<'static>>, TargetError> {
        if self.url.scheme() != "https" {
            return Ok(None);
        }
        let name = match self.url.host() {
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).ok(),
            Some(Host::Ipv4(ip)) => Some(ServerName::from(IpAddr::from(ip))),
            Some(Host::Ipv6(ip)) => Some(ServerName::from(IpAddr::from(ip))),
            None => None,
        };
        name.map(Some).ok_or(TargetError::Form)
    }

    /// The sockets that may be dialled; one address that may not be spoils them all.
    ///
    /// # Errors
    /// [`TargetError`].
    pub async fn addresses(
        &self,
        policy: &Policy,
        resolver: &dyn Resolve,
    ) -> Result<Vec<SocketAddr>, TargetError> {
        if !Policy::admits_port(self.port) {
            return Err(TargetError::Port(self.port));
        }
        let found = match self.url.host() {
            Some(Host::Ipv4(ip)) => vec![SocketAddr::from((ip, self.port))],
            Some(Host::Ipv6(ip)) => vec![SocketAddr::from((ip, self.port))],
            Some(Host::Domain(name)) => {
                let found = resolver.resolve(name.to_owned(), self.port).await;
                found.map_err(TargetError::Unresolved)?
            }
            None => Vec::new(),
        };
        if found.is_empty() {
            return Err(TargetError::NoAddress);
        }
        let all_fine = found.iter().all(|address| policy.admits(address.ip()));
        if all_fine { Ok(found) } else { Err(TargetError::Private) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A resolver that answers from a list, one answer a question.
    struct Fake {
        /// The answers.
        answers: Vec<Vec<&'static str>>,
        /// How many were given.
        asked: Cell<usize>,
    }

    impl Fake {
        /// A resolver with these answers.
        fn new(answers: &[&[&'static str]]) -> Self {
            Self { answers: answers.iter().map(|it| it.to_vec()).collect(), asked: Cell::new(0) }
        }
    }

    impl Resolve for Fake {
        fn resolve(&self, _: String, port: u16) -> LocalBoxFuture<'_, io::Result<Vec<SocketAddr>>> {
            let at = self.asked.replace(self.asked.get() + 1);
            let answer = self.answers[at].iter();
            let all = answer.map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect();
            Box::pin(async { Ok(all) })
        }
    }

    /// Resolves an address under the default policy.
    async fn open(url: &str, resolver: &dyn Resolve) -> Result<Vec<SocketAddr>, TargetError> {
        EndpointUrl::parse(url)?.addresses(&Policy::default(), resolver).await
    }

    #[actix_rt::test]
    async fn every_spelling_of_a_private_address_is_refused_without_a_question() {
        let nobody = Fake::new(&[]);
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://017700000001",
            "http://127.0.0.1./",
            "http://127\u{3002}0\u{3002}0\u{3002}1/",
            "http://\u{ff11}27.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::ffff:127.0.0.1]:8080/",
            "http://[::]/",
            "http://0/",
            "http://169.254.169.254/latest/meta-data",
            "https://10.0.0.1/",
            "http://[fe80::1]/",
            "http://[64:ff9b::7f00:1]/",
            "http:\\\\127.0.0.1\\x",
            "http://192.168.0.1:3000",
        ] {
            let refused = open(url, &nobody).await;
            assert!(matches!(refused, Err(TargetError::Private)), "{url}: {refused:?}");
        }
    }

    #[actix_rt::test]
    async fn other_forms_and_ports_are_refused() {
        let nobody = Fake::new(&[]);
        for url in [
            "",
            "example.com",
            "/x",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "javascript:alert(1)",
            "http://",
            "http:///",
            "http://user@example.com/",
            "http://a:b@example.com/",
            "http://example.com@127.0.0.1/",
            "http://1.2.3.4.5/",
            "http://a b/",
            "http://example.com:99999/",
            "http://[::1",
            "unix:/run/x.sock",
        ] {
            let refused = open(url, &nobody).await;
            assert!(matches!(refused, Err(TargetError::Form)), "{url}: {refused:?}");
        }
        for port in [22, 25, 6379] {
            let refused = open(&format!("http://example.com:{port}/"), &nobody).await;
            assert!(matches!(refused, Err(TargetError::Port(found)) if found == port));
        }
    }

    #[actix_rt::test]
    async fn a_name_is_judged_by_all_of_its_addresses_each_time() {
        let resolver = Fake::new(&[
            &["93.184.215.14", "2606:4700::1111"],
            &["127.0.0.1"],
            &["93.184.215.14", "10.0.0.1"],
            &["93.184.215.14", "::1"],
            &[],
        ]);
        let url = "https://example.com/hook";
        let public = open(url, &resolver).await.unwrap();
        let expected = ["93.184.215.14:443", "[2606:4700::1111]:443"];
        assert_eq!(public, expected.map(|it| it.parse::<SocketAddr>().unwrap()));
        for _ in 0..3 {
            assert!(matches!(open(url, &resolver).await, Err(TargetError::Private)));
        }
        assert!(matches!(open(url, &resolver).await, Err(TargetError::NoAddress)));
        assert_eq!(resolver.asked.get(), 5);
    }
}

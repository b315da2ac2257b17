//! Who a request comes from when trusted proxies stand in front of the server.
//!
//! A proxy adds the address that it heard from at the end of `Forwarded` (RFC 7239) or `X-Forwarded-For`. Everything
//! before that is what the client claims. So the entries are read from the last one on, and the first address that is
//! no trusted proxy's is the client's.

use actix_http::header::{FORWARDED, HeaderMap, HeaderName, X_FORWARDED_FOR};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The most proxies that a request may have come through; what lies behind them is not looked at.
const MAX_HOPS: usize = 16;

/// The proxies that are believed; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    /// Their networks; empty if nobody is believed.
    networks: Arc<[IpNet]>,
    /// Whether they begin each connection with a line of the PROXY protocol.
    has_preface: bool,
}

impl TrustedProxies {
    /// Believes these networks; `has_preface` says that they speak the PROXY protocol.
    pub fn new(networks: Vec<IpNet>, has_preface: bool) -> Self {
        Self { networks: networks.into(), has_preface }
    }

    /// The networks that are believed.
    pub(crate) fn networks(&self) -> &[IpNet] {
        &self.networks
    }

    /// Whether they begin each connection with a line of the PROXY protocol.
    pub(crate) const fn has_preface(&self) -> bool {
        self.has_preface
    }

    /// Whether a connection from there begins with a line of the PROXY protocol.
    pub(crate) fn speaks_first(&self, peer: IpAddr) -> bool {
        self.has_preface && self.trusts(peer.to_canonical())
    }

    /// The client's address, as far as it is known from somebody who is believed.
    pub(crate) fn client_of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let forwarded = self.walk(peer, &entries(headers, &FORWARDED), forwarded_for);
        let listed = self.walk(peer, &entries(headers, &X_FORWARDED_FOR), address_of);
        match (forwarded, listed) {
            (Some(address), None) | (None, Some(address)) => address,
            // A proxy that adds to one header leaves the other as the client wrote it; which is which, nobody says.
            (Some(one), Some(other)) if one == other => one,
            _ => peer,
        }
    }

    /// Whether this is a trusted proxy's address.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Follows a header's entries from the last one to the first address that is no proxy's; none without entries. An
    /// entry that is no address ends the way at the proxy that wrote it.
    fn walk(
        &self,
        peer: IpAddr,
        entries: &[&str],
        address_of: impl Fn(&str) -> Option<IpAddr>,
    ) -> Option<IpAddr> {
        let mut reached = None;
        for entry in entries.iter().rev().take(MAX_HOPS) {
            let address = address_of(entry);
            reached = Some(address.or(reached).unwrap_or(peer));
            if !address.is_some_and(|address| self.trusts(address)) {
                break;
            }
        }
        reached
    }
}

/// All entries of a header that is a list, over all its lines in their order; a line that is not text counts for one
/// entry that is no address.
fn entries<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let lines = headers.get_all(name).map(|line| line.to_str().unwrap_or_default());
    lines.flat_map(list_items).collect()
}

/// The items between a line's commas, but for those within quotation marks.
fn list_items(line: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    line.split(move |c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    })
}

/// The address in the `for=` of an entry of `Forwarded`.
fn forwarded_for(entry: &str) -> Option<IpAddr> {
    let pairs = entry.split(';').filter_map(|pair| pair.split_once('='));
    let mut nodes = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (_, node) = nodes.next()?;
    let node = node.trim();
    let plain = node.strip_prefix('"').and_then(|node| node.strip_suffix('"')).unwrap_or(node);
    // One entry names one node.
    if nodes.next().is_none() { address_of(plain) } else { None }
}

/// An address, with or without brackets and a port.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    address.or_else(with_port).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_http::header::HeaderValue;

    /// The proxies of a test: 10.0.0.0/8 and a network of IPv6.
    fn proxies() -> TrustedProxies {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        TrustedProxies::new(networks.into(), false)
    }

    /// Headers of these lines.
    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    /// Who a request from that peer comes from.
    fn client(peer: &str, lines: &[(HeaderName, &str)]) -> String {
        proxies().client_of(peer.parse().unwrap(), &headers(lines)).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let line = [(X_FORWARDED_FOR, "192.0.2.1")];
        assert_eq!(client("10.0.0.1", &line), "192.0.2.1");
        assert_eq!(client("::ffff:10.0.0.1", &line), "192.0.2.1");
        assert_eq!(client("198.51.100.1", &line), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        let nobody = TrustedProxies::default();
        let peer = "10.0.0.1".parse().unwrap();
        assert_eq!(nobody.client_of(peer, &headers(&line)), peer);
    }

    #[test]
    fn what_the_client_claims_is_passed_over() {
        for list in [
            "203.0.113.9, 192.0.2.1",
            "junk, 192.0.2.1:4711",
            "203.0.113.9,192.0.2.1, 10.9.9.9",
            "192.0.2.1 , fd00::1,10.1.1.1:80",
        ] {
            assert_eq!(client("10.0.0.1", &[(X_FORWARDED_FOR, list)]), "192.0.2.1", "{list}");
        }
        let lines = [(X_FORWARDED_FOR, "203.0.113.9"), (X_FORWARDED_FOR, "192.0.2.1, 10.2.2.2")];
        assert_eq!(client("10.0.0.1", &lines), "192.0.2.1");
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_has_it() {
        for (value, expected) in [
            ("for=192.0.2.43", "192.0.2.43"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=198.51.100.9, for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("by=\"a,b\";for=192.0.2.1, for=10.0.0.7", "192.0.2.1"),
            ("for=192.0.2.1;for=192.0.2.2", "10.0.0.1"),
            ("for=unknown", "10.0.0.1"),
            ("for=192.0.2.1, for=_hidden, for=10.0.0.7", "10.0.0.7"),
            ("proto=https", "10.0.0.1"),
            ("\"", "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[(FORWARDED, value)]), expected, "{value}");
        }
    }

    #[test]
    fn two_headers_that_disagree_are_believed_in_nothing() {
        let one = (X_FORWARDED_FOR, "192.0.2.1");
        assert_eq!(client("10.0.0.1", &[one.clone(), (FORWARDED, "for=192.0.2.1")]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &[one, (FORWARDED, "for=203.0.113.9")]), "10.0.0.1");
    }

    #[test]
    fn a_way_without_end_is_cut_and_no_bytes_are_too_odd() {
        let list = vec!["10.3.3.3"; 5000].join(",");
        assert_eq!(client("10.0.0.1", &[(X_FORWARDED_FOR, &list)]), "10.3.3.3");
        for odd in ["\u{e9}", ",,,", "[", "]", "[]", "::", "1.2.3", "256.1.1.1", "1.2.3.4:99999"] {
            client("10.0.0.1", &[(X_FORWARDED_FOR, odd), (FORWARDED, odd)]);
        }
    }
}

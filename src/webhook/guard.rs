//! Which addresses a project may make this server call: public ones, and what the operator opens besides.
//!
//! Whoever may set a webhook could otherwise look into the operator's network (server-side request forgery).

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ports of the web's own protocols are fine, and any high one; these belong to services that take orders in plain
/// text or answer anything, so that a call to them is never a webhook.
const CLOSED_PORTS: [u16; 40] = [
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 53, 69, 79, 110, 111, 119, 123, 135, 137,
    139, 143, 161, 389, 445, 465, 514, 587, 636, 993, 995, 2049, 3306, 5432, 6379, 11211, 27017,
];

/// Reserved networks of IPv4 that [`Ipv4Addr`] has no stable name for, as first address and prefix length.
const RESERVED_V4: [(Ipv4Addr, u32); 6] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Reserved networks of IPv6: loopback and unspecified, mapped and translated IPv4, discard, Teredo and the other
/// special blocks of `2001::/23`, documentation, 6to4, unique local, link local, site local, multicast.
const RESERVED_V6: [(Ipv6Addr, u32); 14] = [
    (Ipv6Addr::UNSPECIFIED, 96),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96),
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96),
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// What the operator lets webhooks call.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Every address, private ones too.
    pub allow_private: bool,
    /// Networks that are open though they are not public.
    pub allowed: Vec<IpNet>,
}

impl Policy {
    /// Whether this address may be called.
    pub fn admits(&self, address: IpAddr) -> bool {
        let plain = unmapped(address);
        self.allow_private
            || is_public(address)
            || self.allowed.iter().any(|network| network.contains(&plain))
    }

    /// Whether what an address says may be believed: what comes without TLS, anybody on the way may have written. An
    /// operator who opens every address knows their network.
    pub fn may_believe(&self, url: &str) -> bool {
        self.allow_private || url.starts_with("https://")
    }

    /// Whether this port may be called.
    pub fn admits_port(port: u16) -> bool {
        port != 0 && !CLOSED_PORTS.contains(&port)
    }
}

/// An IPv4 address in IPv6 clothes, without them.
fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Whether an address is one of the open Internet.
///
/// An IPv4 address that is mapped into IPv6 is judged as itself. Those that are translated on the way (NAT64, 6to4,
/// Teredo) are refused wholesale: what they reach is not ours to know.
pub fn is_public(address: IpAddr) -> bool {
    match unmapped(address) {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => !RESERVED_V6.iter().any(|(net, bits)| {
            let shift = 128 - bits;
            v6.to_bits() >> shift == net.to_bits() >> shift
        }),
    }
}

/// The same for IPv4.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_reserved = RESERVED_V4.iter().any(|(net, bits)| {
        let shift = 32 - bits;
        address.to_bits() >> shift == net.to_bits() >> shift
    });
    !(is_reserved
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || address.is_broadcast())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an address.
    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap_or_else(|_| panic!("{text}"))
    }

    /// First and last addresses of every reserved network, and addresses that hide an IPv4 one.
    const CLOSED: &str = "
        0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255
        127.0.0.1 127.255.255.255 169.254.0.0 169.254.169.254 172.16.0.0
        172.31.255.255 192.0.0.0 192.0.0.255 192.0.2.1 192.88.99.1 192.168.0.0
        192.168.255.255 198.18.0.0 198.19.255.255 198.51.100.7 203.0.113.7 224.0.0.0
        239.255.255.255 240.0.0.0 255.255.255.255 :: ::1 ::ffff:127.0.0.1
        ::ffff:10.0.0.1 ::ffff:7f00:1 ::127.0.0.1 64:ff9b::1 64:ff9b::808:808
        64:ff9b:1::1 100::1 2001::1 2001:0:1::1 2001:db8::1 2002:7f00:1::
        2002:808:808::1 3fff::1 fc00:: fdff::1 fe80::1 febf::1 fec0::1 ff00::
        ff02::1 ::ffff:0:127.0.0.1
    ";
    /// Their neighbours, and addresses that everybody knows.
    const OPEN: &str = "
        1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0
        126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255
        172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.88.98.255 192.167.255.255
        192.169.0.0 198.17.255.255 198.20.0.0 198.51.101.0 203.0.114.0 223.255.255.255
        ::ffff:8.8.8.8 2606:4700::1111 2001:4860::8888 2003::1 2a00::1 64:ff9c::1
    ";

    #[test]
    fn nothing_but_the_open_internet_is_public() {
        let words = |text: &'static str| text.split_whitespace();
        assert!(words(CLOSED).count() > 40 && words(OPEN).count() > 20);
        for text in words(CLOSED) {
            assert!(!is_public(ip(text)), "{text}");
        }
        for text in words(OPEN) {
            assert!(is_public(ip(text)), "{text}");
        }
    }

    #[test]
    fn an_operator_opens_networks_or_everything() {
        let closed = Policy::default();
        let some = Policy {
            allowed: vec!["10.1.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()],
            ..Policy::default()
        };
        let open = Policy { allow_private: true, ..Policy::default() };
        for (text, expected) in [
            ("10.1.2.3", [false, true, true]),
            ("::ffff:10.1.2.3", [false, true, true]),
            ("fd00::1", [false, true, true]),
            ("10.2.0.1", [false, false, true]),
            ("8.8.8.8", [true, true, true]),
        ] {
            assert_eq!([&closed, &some, &open].map(|it| it.admits(ip(text))), expected, "{text}");
        }
    }

    #[test]
    fn ports_of_other_services_are_closed() {
        assert!([80, 443, 3000, 8080, 8443, 65535].into_iter().all(Policy::admits_port));
        assert!(![0, 22, 25, 6379].into_iter().any(Policy::admits_port));
    }
}

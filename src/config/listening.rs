//! Where to listen, as it is written.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// What stands before the path of a Unix socket.
const UNIX: &str = "unix:";
/// What stands before a port where no TLS is spoken, whatever certificate there is.
const PLAIN: &str = "plain:";

/// One place to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP port.
    Tcp {
        /// An IP address, or a name that may have several.
        host: String,
        /// The port; 0 for any free one.
        port: u16,
        /// Whether no TLS is spoken there though there is a certificate.
        is_plain: bool,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// Why a text is no place to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenAddressError {
    /// No port.
    #[error(
        "a place to listen is HOST:PORT, as 127.0.0.1:8080, [::1]:8080 or localhost:8080, with plain: before it where no \
        TLS is spoken, or unix:PATH"
    )]
    Form,
    /// No host.
    #[error(
        "the host is missing: 0.0.0.0:PORT or [::]:PORT listens on every address of the machine"
    )]
    NoHost,
    /// An IPv6 address whose end is not to be told from the port.
    #[error("an IPv6 address stands in brackets: [::1]:8080")]
    Brackets,
}

impl ListenAddress {
    /// Whether nobody comes by it who is not on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => {
                host == "localhost" || host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback())
            }
        }
    }

    /// The address for clients, of a server that has a certificate or none; nothing where the port is not known yet.
    pub fn url(&self, has_tls: bool) -> Option<String> {
        match self {
            Self::Tcp { port: 0, .. } => None,
            Self::Tcp { is_plain, .. } => {
                let scheme = if has_tls && !is_plain { "https" } else { "http" };
                Some(format!("{scheme}://{}", self.place()))
            }
            Self::Unix(_) => Some(self.to_string()),
        }
    }

    /// The place alone.
    fn place(&self) -> String {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
            Self::Unix(path) => format!("{UNIX}{}", path.display()),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        if let Some(path) = text.strip_prefix(UNIX) {
            let is_path = !path.is_empty();
            return if is_path {
                Ok(Self::Unix(path.into()))
            } else {
                Err(ListenAddressError::Form)
            };
        }
        let (text, is_plain) = match text.strip_prefix(PLAIN) {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (host, port) = text.rsplit_once(':').ok_or(ListenAddressError::Form)?;
        let port = port.parse().ok().ok_or(ListenAddressError::Form)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match (host, bare) {
            ("", _) => Err(ListenAddressError::NoHost),
            (host, None) if host.contains(['/', ' ', '[', ']']) => Err(ListenAddressError::Form),
            (host, None) if host.contains(':') => Err(ListenAddressError::Brackets),
            (host, bare) => Ok(Self::Tcp { host: bare.unwrap_or(host).to_owned(), port, is_plain }),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = matches!(self, Self::Tcp { is_plain: true, .. });
        write!(f, "{}{}", if is_plain { PLAIN } else { "" }, self.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_the_same_way() {
        for text in [
            "127.0.0.1:8080",
            "[::1]:0",
            "localhost:80",
            "a.example.com:443",
            "plain:[::1]:80",
            "unix:/run/w.sock",
        ] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_address_for_clients_says_whether_tls_is_spoken() {
        for (text, plain, tls) in [
            ("127.0.0.1:80", Some("http://127.0.0.1:80"), Some("https://127.0.0.1:80")),
            ("plain:[::1]:80", Some("http://[::1]:80"), Some("http://[::1]:80")),
            ("unix:/w", Some("unix:/w"), Some("unix:/w")),
            ("plain:127.0.0.1:0", None, None),
        ] {
            let place: ListenAddress = text.parse().unwrap();
            let urls = [place.url(false), place.url(true)];
            assert_eq!(urls, [plain, tls].map(|url| url.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        use ListenAddressError::{Brackets, Form, NoHost};
        for (text, error) in [
            ("", Form),
            ("8080", Form),
            ("localhost", Form),
            ("localhost:web", Form),
            ("localhost:70000", Form),
            ("http://localhost:80", Form),
            ("unix:", Form),
            ("plain:", Form),
            ("plain:unix:/w", Form),
            ("plain::80", NoHost),
            (":8080", NoHost),
            ("::1:8080", Brackets),
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(error), "{text}");
        }
    }
}

//! Where to listen, as it is written.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// What stands before the path of a Unix socket.
const UNIX: &str = "unix:";

/// One place to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP port.
    Tcp {
        /// An IP address, or a name that may have several.
        host: String,
        /// The port; 0 for any free one.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// Why a text is no place to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenAddressError {
    /// No port.
    #[error(
        "a place to listen is HOST:PORT, as 127.0.0.1:8080, [::1]:8080 or localhost:8080, or unix:PATH"
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

    /// The address for clients; none where the port is not known yet.
    pub fn url(&self) -> Option<String> {
        match self {
            Self::Tcp { port: 0, .. } => None,
            Self::Tcp { .. } => Some(format!("http://{self}")),
            Self::Unix(_) => Some(self.to_string()),
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
        let (host, port) = text.rsplit_once(':').ok_or(ListenAddressError::Form)?;
        let port = port.parse().ok().ok_or(ListenAddressError::Form)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        match (host, bare) {
            ("", _) => Err(ListenAddressError::NoHost),
            (host, None) if host.contains(['/', ' ', '[', ']']) => Err(ListenAddressError::Form),
            (host, None) if host.contains(':') => Err(ListenAddressError::Brackets),
            (host, bare) => Ok(Self::Tcp { host: bare.unwrap_or(host).to_owned(), port }),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_the_same_way() {
        for text in
            ["127.0.0.1:8080", "[::1]:0", "localhost:80", "a.example.com:443", "unix:/run/w.sock"]
        {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
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
            (":8080", NoHost),
            ("::1:8080", Brackets),
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(error), "{text}");
        }
    }
}

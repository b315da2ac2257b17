//! What is measured: where it is, as whom to come, and how it is spoken to.

use super::error::BenchError;
use super::frame;
use super::scenario::{Identity, Kind};
use std::net::{SocketAddr, ToSocketAddrs as _};
use url::Url;

/// How the server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// A Warren server.
    Warren,
    /// The bare server of a comparison: no protocol, the channel is in the path.
    Bare,
}

/// A server to measure.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Its name for the header `Host`.
    pub(super) host: String,
    /// `http://host:port`, for people.
    pub(super) url: String,
    /// The project.
    pub(super) project: String,
    /// The project token.
    pub(super) token: String,
    /// How it is spoken to.
    pub(super) dialect: Dialect,
}

impl Target {
    /// A Warren server at a URL.
    ///
    /// # Errors
    /// [`BenchError::Usage`] for anything but `http://host[:port]` that has an address.
    pub(super) fn at(url: &str, project: &str, token: &str) -> Result<Self, BenchError> {
        let wrong = |why: &str| BenchError::Usage(format!("--url {url}: {why}"));
        let parsed = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        if matches!(parsed.scheme(), "https" | "wss") {
            return Err(wrong(
                "TLS is not spoken here; measure behind the proxy that ends it, over http://",
            ));
        }
        if !matches!(parsed.scheme(), "http" | "ws") || parsed.path() != "/" {
            return Err(wrong("it must be http://HOST:PORT"));
        }
        let (Some(host), Some(port)) = (parsed.host_str(), parsed.port_or_known_default()) else {
            return Err(wrong("it must be http://HOST:PORT"));
        };
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let mut found =
            (name, port).to_socket_addrs().map_err(|error| wrong(&error.to_string()))?;
        let address = found.next().ok_or_else(|| wrong("the host has no address"))?;
        Ok(Self {
            address,
            host: format!("{host}:{port}"),
            url: format!("http://{host}:{port}"),
            project: project.to_owned(),
            token: token.to_owned(),
            dialect: Dialect::Warren,
        })
    }

    /// The request that opens a socket.
    pub(super) fn upgrade(&self, channel: &str, key: &str) -> Vec<u8> {
        let path = match self.dialect {
            Dialect::Warren => "/ws?encoding=json&compression=none".to_owned(),
            Dialect::Bare => format!("/ws?c={channel}"),
        };
        let host = &self.host;
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: warren-bench\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        .into_bytes()
    }

    /// The payload that answers HELLO.
    pub(super) fn identify(&self, identity: Identity) -> String {
        let token = match identity {
            Identity::Anonymous => serde_json::Value::Null,
            Identity::Project => self.token.as_str().into(),
        };
        serde_json::json!({ "op": 2, "d": { "project_id": self.project, "token": token } })
            .to_string()
    }

    /// Everything of a request but its length and its body, which differ from one to the next.
    pub(super) fn publish_head(&self, kind: Kind, channel: &str) -> Vec<u8> {
        let (host, token) = (&self.host, &self.token);
        let line = match (self.dialect, kind) {
            (Dialect::Bare, _) => format!("POST /publish?c={channel}"),
            (Dialect::Warren, Kind::State) => format!("PATCH /v1/channels/{channel}/state"),
            (Dialect::Warren, _) => format!("POST /v1/channels/{channel}/messages"),
        };
        let auth = match self.dialect {
            Dialect::Warren => {
                format!("Authorization: {token}\r\nContent-Type: application/json\r\n")
            }
            Dialect::Bare => String::new(),
        };
        format!("{line} HTTP/1.1\r\nHost: {host}\r\n{auth}Content-Length: ").into_bytes()
    }

    /// What stands before and behind a payload in a body.
    pub(super) const fn wrapping(&self, kind: Kind) -> (&'static [u8], &'static [u8]) {
        match (self.dialect, kind) {
            (Dialect::Bare, _) => (b"", b""),
            (Dialect::Warren, Kind::State) => (b"{\"m\":\"", b"\"}"),
            (Dialect::Warren, _) => (b"{\"e\":\"bench\",\"d\":{\"m\":\"", b"\"}}"),
        }
    }

    /// A whole publish over the socket.
    pub(super) fn message_frame(&self, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        let (before, behind) = self.wrapping(Kind::Socket);
        let mut text =
            format!("{{\"op\":0,\"d\":{{\"e\":\"MESSAGE\",\"c\":\"{channel}\",\"d\":").into_bytes();
        text.extend_from_slice(before);
        text.extend_from_slice(payload);
        text.extend_from_slice(behind);
        text.extend_from_slice(b"}}");
        frame::write(frame::TEXT, &text, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_is_spoken() {
        let at = |url: &str| Target::at(url, "project_x", "ptk_x");
        let target = at("http://127.0.0.1:8080/").unwrap();
        assert_eq!((target.address.port(), target.host.as_str()), (8080, "127.0.0.1:8080"));
        assert_eq!(at("http://[::1]:9").unwrap().host, "[::1]:9");
        assert!(at("https://127.0.0.1").unwrap_err().to_string().contains("TLS"));
        for wrong in ["", "127.0.0.1:8080", "ftp://127.0.0.1", "http://127.0.0.1/v1"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_sent_is_json() {
        let target = Target::at("http://127.0.0.1:1", "project_x", "ptk_x").unwrap();
        for kind in [Kind::Http, Kind::State] {
            let (before, behind) = target.wrapping(kind);
            let body = [before, b"~W~", behind].concat();
            serde_json::from_slice::<serde_json::Value>(&body).unwrap();
        }
        let mut out = Vec::new();
        target.message_frame("ch", b"~W~", &mut out);
        let sent: serde_json::Value = serde_json::from_slice(&out[6..]).unwrap();
        assert_eq!(sent["d"]["d"]["d"]["m"], "~W~");
        let identify = |identity| -> serde_json::Value {
            serde_json::from_str(&target.identify(identity)).unwrap()
        };
        assert!(identify(Identity::Anonymous)["d"]["token"].is_null());
        assert_eq!(identify(Identity::Project)["d"]["token"], "ptk_x");
    }
}

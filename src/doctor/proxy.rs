//! The way from outside: whether a request for a socket comes through a proxy as one, and what comes back in time.

use super::finding::Finding;
use crate::webhook::client;
use crate::webhook::target::EndpointUrl;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most of an answer that is looked at.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// The most of a server's name for itself that is shown, characters.
const MAX_NAME_CHARS: usize = 64;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
enum UpgradeOutcome {
    /// A socket on which HELLO came.
    Socket,
    /// A socket on which nothing came.
    Silent,
    /// Another status, and the server that said it.
    Status(u16, Option<String>),
    /// No HTTP.
    Nothing(String),
}

/// Asks for a socket at a server's public address.
pub(super) async fn check(url: &str) -> Vec<Finding> {
    let Some(target) = SocketTarget::parse(url) else {
        let remedy = "give the address that clients use, as https://realtime.example.com";
        return vec![Finding::problem("proxy", format!("{url} is no address"), remedy)];
    };
    let asked = Box::pin(target.ask()).await;
    let outcome = asked.unwrap_or_else(|error| UpgradeOutcome::Nothing(error.to_string()));
    vec![judged(url, &outcome)]
}

/// Where to ask: the address of the socket.
struct SocketTarget(EndpointUrl);

impl SocketTarget {
    /// The socket's address below a server's; `ws` and `wss` mean the same as the web's own words.
    fn parse(text: &str) -> Option<Self> {
        let text = text.replacen("wss:", "https:", 1).replacen("ws:", "http:", 1);
        let below = text.trim_end_matches('/').trim_end_matches("/ws");
        EndpointUrl::parse(&format!("{below}/ws")).ok().map(Self)
    }

    /// Connects, with TLS where the address asks for it, and asks.
    async fn ask(&self) -> io::Result<UpgradeOutcome> {
        let stream = in_time(TcpStream::connect(self.0.dial())).await?;
        let Some(name) = self.0.tls_name().map_err(io::Error::other)? else {
            return self.ask_on(stream).await;
        };
        let tls = client::connector().ok_or_else(|| io::Error::other("no TLS on this machine"))?;
        self.ask_on(in_time(tls.connect(name, stream)).await?).await
    }

    /// Asks on a stream.
    async fn ask_on(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
    ) -> io::Result<UpgradeOutcome> {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             User-Agent: warren-doctor\r\n\r\n",
            self.0.path_and_query(),
            self.0.authority()
        );
        in_time(stream.write_all(request.as_bytes())).await?;
        let mut read = Vec::new();
        let outcome = loop {
            if let Some(outcome) = status(&read) {
                break outcome;
            }
            if in_time(stream.read_buf(&mut read)).await? == 0 || read.len() > MAX_HEAD_BYTES {
                return Ok(UpgradeOutcome::Nothing(
                    "what came back is no answer of HTTP".to_owned(),
                ));
            }
        };
        let (UpgradeOutcome::Silent, size) = outcome else { return Ok(outcome.0) };
        // HELLO is the server's first word, without being asked.
        while read.len() == size {
            match in_time(stream.read_buf(&mut read)).await {
                Ok(1..) => {}
                _ => return Ok(UpgradeOutcome::Silent),
            }
        }
        Ok(UpgradeOutcome::Socket)
    }
}

/// What a head says, and its size; none while it is not whole. A socket is silent so far.
fn status(read: &[u8]) -> Option<(UpgradeOutcome, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut answer = httparse::Response::new(&mut headers);
    match answer.parse(read) {
        Ok(httparse::Status::Partial) => None,
        Ok(httparse::Status::Complete(size)) if answer.code == Some(101) => {
            Some((UpgradeOutcome::Silent, size))
        }
        Ok(httparse::Status::Complete(size)) => {
            let named = answer.headers.iter().find(|line| line.name.eq_ignore_ascii_case("server"));
            // Anything else a terminal might obey.
            let is_plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
            let plain = |name: &[u8]| {
                name.iter().copied().filter(is_plain).map(char::from).take(MAX_NAME_CHARS).collect()
            };
            let server = named.map(|line| plain(line.value));
            Some((UpgradeOutcome::Status(answer.code.unwrap_or_default(), server), size))
        }
        Err(error) => Some((UpgradeOutcome::Nothing(format!("no answer of HTTP: {error}")), 0)),
    }
}

/// What that means.
fn judged(url: &str, outcome: &UpgradeOutcome) -> Finding {
    const UPGRADES: &str = "let the proxy pass upgrades on: nginx `proxy_http_version 1.1; proxy_set_header Upgrade \
        $http_upgrade; proxy_set_header Connection \"upgrade\";` (docs/OPERATING.md, Proxies)";
    match outcome {
        UpgradeOutcome::Socket => Finding::fine("proxy", format!("{url} gives a socket")),
        UpgradeOutcome::Silent => Finding::problem(
            "proxy",
            format!(
                "{url} gives a socket on which nothing comes: something on the way holds bytes back"
            ),
            "switch off buffering in the proxy: nginx `proxy_buffering off;`",
        ),
        UpgradeOutcome::Status(status @ 502..=504, _) => Finding::problem(
            "proxy",
            format!("{url} answers {status}: the proxy does not reach the server"),
            "look whether the server runs and the proxy has its address",
        ),
        UpgradeOutcome::Status(status, server) => {
            let by = server.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
            let found = format!("{url} answers {status}{by} where a socket was asked for");
            Finding::problem("proxy", found, UPGRADES)
        }
        UpgradeOutcome::Nothing(why) => Finding::problem(
            "proxy",
            format!("{url}: {why}"),
            "look at the address, its certificate, and whether anything listens there",
        ),
    }
}

/// The outcome of a step, if it comes in time.
async fn in_time<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, step).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn the_sockets_address_is_below_the_servers() {
        for (text, path, dial) in [
            ("https://a.example", "/ws", ("a.example", 443)),
            ("wss://a.example/ws", "/ws", ("a.example", 443)),
            ("http://127.0.0.1:8080/", "/ws", ("127.0.0.1", 8080)),
            ("ws://[::1]:9/realtime/", "/realtime/ws", ("::1", 9)),
        ] {
            let target = SocketTarget::parse(text).unwrap();
            assert_eq!(target.0.path_and_query(), path, "{text}");
            assert_eq!(target.0.dial(), (dial.0.to_owned(), dial.1), "{text}");
        }
        assert!(
            SocketTarget::parse("nowhere").is_none() && SocketTarget::parse("ftp://a/").is_none()
        );
    }

    #[test]
    fn each_outcome_has_its_remedy() {
        let nginx = UpgradeOutcome::Status(400, Some("nginx".to_owned()));
        for (outcome, verdict, words) in [
            (UpgradeOutcome::Socket, Severity::Fine, ""),
            (UpgradeOutcome::Silent, Severity::Problem, "proxy_buffering"),
            (UpgradeOutcome::Status(502, None), Severity::Problem, "whether the server runs"),
            (nginx, Severity::Problem, "proxy_set_header Upgrade"),
            (UpgradeOutcome::Nothing("refused".to_owned()), Severity::Problem, "certificate"),
        ] {
            let finding = judged("http://x", &outcome);
            assert_eq!(finding.verdict, verdict, "{outcome:?}");
            assert!(finding.remedy.unwrap_or_default().contains(words), "{outcome:?}");
        }
    }

    #[test]
    fn heads_are_read_when_they_are_whole() {
        let head = "HTTP/1.1 400 Bad Request\r\nServer: nginx/1\r\n\r\n";
        assert_eq!(status(&head.as_bytes()[..20]), None);
        let (outcome, size) = status(head.as_bytes()).unwrap();
        assert_eq!(
            (outcome, size),
            (UpgradeOutcome::Status(400, Some("nginx/1".to_owned())), head.len())
        );
        let (outcome, _) =
            status(b"HTTP/1.1 400 X\r\nServer: a\x9b2J\xe2\x80\xaeb\r\n\r\n").unwrap();
        assert_eq!(outcome, UpgradeOutcome::Status(400, Some("a2Jb".to_owned())));
        let (outcome, _) = status(b"SSH-2.0-x\r\n").unwrap();
        assert!(matches!(outcome, UpgradeOutcome::Nothing(_)), "{outcome:?}");
    }
}

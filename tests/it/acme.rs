//! Certificates ordered by ACME, from Pebble: the authority that the makers of Let's Encrypt test clients with.
//!
//! It stands on this machine, and names lead where the tests say. Without it (Debian: `apt-get install pebble`) the tests are
//! skipped, unless `WARREN_REQUIRE_PEBBLE=1`.

use crate::socket::{Process, Socket};
use crate::support::tunnel::tunnel_by;
use crate::support::{ADMIN, Authority, raw, start, trusting, until};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, DEFAULT_VERSIONS, StreamOwned};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// The name that is ordered for.
const NAME: &str = "warren.example.com";

/// What a client speaks TLS with that trusts this root alone.
fn client(root: &str) -> ClientConfig {
    trusting(root, DEFAULT_VERSIONS)
}

/// A port that nobody has.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A program that ends with the test.
struct Running(Child);

impl Running {
    /// Starts it in a folder.
    fn start(program: &str, args: &[&str], folder: &Path) -> Self {
        let log = start::log_file(&folder.join("authority"));
        let mut command = Command::new(program);
        command.args(args).current_dir(folder).env("PEBBLE_VA_NOSLEEP", "1");
        // Each order is to prove anew who we are.
        command.env("PEBBLE_AUTHZREUSE", "0").stdin(Stdio::null());
        let other = log.try_clone().unwrap();
        Self(command.stdout(log).stderr(other).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An authority, names that lead where it is said, and a folder for a server.
struct Stage {
    /// The authority, and who answers for names.
    _running: [Running; 2],
    /// Where it is asked for its roots.
    management: SocketAddr,
    /// Where it is said where names lead.
    names: SocketAddr,
    /// Its directory.
    directory: String,
    /// Where TLS is spoken that it looks at.
    secured: SocketAddr,
    /// The folder.
    folder: TempDir,
}

impl Stage {
    /// An authority whose certificates are valid for so many seconds; names lead to this address. None without Pebble.
    fn set(seconds: u64, leads: &str) -> Option<Self> {
        if Command::new("pebble").arg("-h").output().is_err() {
            assert!(std::env::var_os("WARREN_REQUIRE_PEBBLE").is_none(), "there is no pebble here");
            println!(
                "SKIPPED: certificates by ACME: there is no pebble here (Debian: apt-get install pebble)"
            );
            return None;
        }
        let (vouches, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let own = folder.path().join("authority");
        std::fs::create_dir(&own).unwrap();
        let [(_, chain), (_, key)] = vouches.write(&own);
        std::fs::write(folder.path().join("roots.pem"), &vouches.pem).unwrap();
        let [listen, management, dns, names, secured] = [(); 5].map(|()| free());
        let config = json!({"pebble": {
            "listenAddress": listen, "managementListenAddress": management, "certificate": chain, "privateKey": key,
            "httpPort": 1, "tlsPort": secured.port(), "ocspResponderURL": "",
            "externalAccountBindingRequired": false, "certificateValidityPeriod": seconds,
        }});
        std::fs::write(own.join("pebble.json"), config.to_string()).unwrap();
        let (dns, told) = (dns.to_string(), names.to_string());
        let answering = [
            "-defaultIPv4",
            leads,
            "-defaultIPv6",
            "",
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
            "-dns01",
            &dns,
            "-management",
            &told,
        ];
        let answering = Running::start("pebble-challtestsrv", &answering, folder.path());
        let authority = ["-config", "authority/pebble.json", "-dnsserver", &dns];
        let authority = Running::start("pebble", &authority, folder.path());
        let directory = format!("https://{listen}/dir");
        let stage = Self {
            _running: [authority, answering],
            management,
            names,
            directory,
            secured,
            folder,
        };
        stage.root();
        Some(stage)
    }

    /// What the authority vouches by, as PEM; once it is there.
    fn root(&self) -> String {
        until("the authority is there", || {
            let url = format!("https://{}/roots/0", self.management);
            let roots = self.folder.path().join("roots.pem");
            let asked = Command::new("curl").args(["-sS", "--cacert"]).arg(roots).arg(url).output();
            let asked = asked.unwrap();
            if asked.status.success() {
                Ok(String::from_utf8(asked.stdout).unwrap())
            } else {
                Err(String::from_utf8_lossy(&asked.stderr).into_owned())
            }
        })
    }

    /// Lets names lead to another address.
    fn lead(&self, to: &str) {
        let url = format!("http://{}/set-default-ipv4", self.names);
        let body = json!({"ip": to}).to_string();
        let told = Command::new("curl").args(["-sSf", "-d", &body, &url]).output().unwrap();
        assert!(told.status.success(), "{told:?}");
    }

    /// The settings of a server that orders there; it is asked by a plain place.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let roots = self.folder.path().join("roots.pem");
        vec![
            ("WARREN_LISTEN", format!("plain:127.0.0.1:0,{}", self.secured)),
            ("WARREN_ACME", NAME.to_owned()),
            ("WARREN_ACME_EMAIL", "operator@example.com".to_owned()),
            ("WARREN_ACME_DIRECTORY", self.directory.clone()),
            ("WARREN_ACME_AGREE", "true".to_owned()),
            ("SSL_CERT_FILE", roots.to_str().unwrap().to_owned()),
        ]
    }

    /// Starts it.
    fn server(&self) -> Process {
        let settings = self.settings();
        let settings: Vec<_> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Process::start(self.folder.path(), &settings)
    }

    /// Runs a command with these settings; what it says, and whether all is well.
    fn run(&self, words: &[&str]) -> (bool, String) {
        let settings = self.settings();
        let settings: Vec<_> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut command = start::on_folder(start::program(), self.folder.path(), &settings);
        let output = command.args(words).output().unwrap();
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// The certificate that a client is shown who asks for the name and trusts the authority alone.
    fn shown(&self, root: &str) -> Result<CertificateDer<'static>, std::io::Error> {
        let config = client(root);
        let name = NAME.try_into().unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(session, raw(self.secured));
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream.conn.peer_certificates().unwrap()[0].clone())
    }
}

/// How many orders ended so.
fn orders(server: &Process, word: &str) -> u64 {
    let shown = server.http().call_as(ADMIN, "GET", "/metrics", "").unwrap().text();
    let series = format!("warren_certificate_orders_total{{result=\"{word}\"}} ");
    let line = shown.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap().parse().unwrap()
}

#[test]
fn a_certificate_is_ordered_shown_and_renewed_and_no_socket_is_dropped() {
    let Some(stage) = Stage::set(15, "127.0.0.1") else { return };
    let server = stage.server();
    let root = stage.root();
    let first = until("it is shown", || stage.shown(&root));
    assert!(orders(&server, "ok") > 0);
    // Somebody who came under the first one is there under the next.
    let door = tunnel_by(stage.secured, client(&root), NAME);
    let (mut socket, _) = Socket::enter(door, None);
    let next = until("the next one is shown", || match stage.shown(&root) {
        Ok(shown) if shown != first => Ok(shown),
        other => Err(format!("{:?}", other.map(|_| "the first one"))),
    });
    assert!(next != first);
    socket.beat();
    assert!(orders(&server, "ok") > 1);
    assert_eq!(orders(&server, "failed"), 0, "{}", server.log());
    server.assert_well();
}

#[test]
fn what_fails_is_told_and_tried_again_and_what_came_of_it_is_kept() {
    // Where names lead at first, nobody listens.
    let Some(stage) = Stage::set(90 * 86_400, "127.0.0.9") else { return };
    let server = stage.server();
    let root = stage.root();
    server.wait_for_log("no certificate came of an order");
    let line = server.wait_for_log("is not proven to be this server");
    assert!(line.contains(NAME), "{line}");
    until("it is counted", || match orders(&server, "failed") {
        1 => Ok(()),
        other => Err(other),
    });
    // Without a certificate nobody shakes hands; the plain place works.
    assert!(stage.shown(&root).is_err());
    server.assert_well();
    let (is_well, said) = stage.run(&["doctor"]);
    assert!(!is_well && said.contains("is not proven to be this server"), "{said}");

    stage.lead("127.0.0.1");
    let (is_well, said) = stage.run(&["reload", "--json"]);
    let answer: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert!(is_well && answer["error"] == Value::Null, "{said}");
    let first = until("it is shown", || stage.shown(&root));
    until("the doctor is content", || {
        let (_, said) = stage.run(&["doctor"]);
        if said.contains(&format!("the certificate for {NAME} is good")) {
            Ok(())
        } else {
            Err(said)
        }
    });
    // What is kept, nobody else may read.
    let kept = std::fs::read_dir(stage.folder.path().join("data/acme")).unwrap();
    let kept = kept.map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    assert_eq!(kept.len(), 1);
    for name in ["account.json", "certificate.pem"] {
        assert_eq!(kept[0].join(name).metadata().unwrap().mode() & 0o777, 0o600, "{name}");
    }
    assert!(!kept[0].join("failure.txt").exists());

    // The next server shows it from the beginning, and orders nothing.
    assert_eq!(server.stop("TERM"), Some(0));
    let server = stage.server();
    assert!(stage.shown(&root).unwrap() == first);
    assert_eq!((orders(&server, "ok"), orders(&server, "failed")), (0, 0));
    server.assert_well();
}

#[test]
fn who_pretends_to_be_an_authority_is_shown_nothing() {
    let Some(stage) = Stage::set(90 * 86_400, "127.0.0.1") else { return };
    let _server = stage.server();
    let root = stage.root();
    until("it is shown", || stage.shown(&root));
    let mut config = client(&root);
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let session = ClientConnection::new(Arc::new(config), NAME.try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(session, raw(stage.secured));
    let refused = loop {
        match stream.conn.complete_io(&mut stream.sock) {
            Ok(_) => assert!(stream.conn.is_handshaking(), "no proof is wanted now"),
            Err(error) => break error,
        }
    };
    assert!(refused.to_string().contains("alert"), "{refused}");
}

//! Settings from outside: the environment, files, several places to listen, and `warren config`.

use crate::support::{Answer, OWNER, PATIENCE, PROJECT, Server, start};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Output;

/// Runs the program in a folder to its end.
fn warren(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = start::program();
    command.args(arguments).current_dir(folder).envs(environment.iter().copied());
    command.output().unwrap()
}

/// What a program wrote to its standard output, after it ended well.
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Asks for a channel on a stream and reads the answer.
fn ask(mut stream: impl std::io::Read + std::io::Write, headers: &str) -> Answer {
    let request = format!(
        "GET /v1/users/@me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {OWNER}\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    Answer::parse(&answer).unwrap()
}

/// Says hello on a socket that begins with this stream; returns what INIT is in.
fn hello(mut stream: impl std::io::Read + std::io::Write) -> String {
    let head = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let identify = format!(r#"{{"op":2,"d":{{"project_id":"{PROJECT}"}}}}"#);
    let size = u8::try_from(identify.len()).unwrap();
    stream.write_all(&[&[0x81, 0x80 | size, 0, 0, 0, 0], identify.as_bytes()].concat()).unwrap();
    let mut heard = String::new();
    while !heard.contains("INIT") {
        let mut bytes = [0; 4096];
        let size = stream.read(&mut bytes).unwrap();
        assert!(size > 0, "ended after {heard}");
        heard += &String::from_utf8_lossy(&bytes[..size]);
    }
    heard
}

#[test]
fn a_limit_comes_from_the_environment() {
    let server = Server::start_with(&[("WARREN_LIMITS__STATE_BYTES", "1KiB")]);
    server.data("PUT", "/v1/channels/room", r#"{"type":"unprotected"}"#);
    let state = |size: usize| format!(r#"{{"x":"{}"}}"#, "x".repeat(size));
    let put = |size| server.call("PUT", "/v1/channels/room/state", Some(OWNER), &state(size));
    assert_eq!(put(1000).status, 200);
    assert_eq!(put(1100).failure(), (413, "too_large".to_owned()));
}

#[test]
fn a_server_listens_on_all_places_and_a_unix_socket_carries_requests_and_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warren.sock");
    // What a server that was killed leaves behind is taken away.
    drop(UnixListener::bind(&path).unwrap());
    let listen = format!("127.0.0.1:0,localhost:0,unix:{}", path.display());
    for way in ["stream", "route"] {
        let settings =
            [("WARREN_LISTEN", listen.as_str()), ("WARREN_SOCKET", way), ("WARREN_WORKERS", "2")];
        let server = Server::start_with(&settings);
        let unix = || {
            let stream = UnixStream::connect(&path).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream
        };
        // More than workers: each accepts from it.
        for _ in 0..8 {
            assert_eq!(ask(unix(), "").status, 200);
        }
        assert!(hello(unix()).contains("INIT"));
        let named = server.log();
        let named = named.lines().find(|line| line.contains("listening here too")).unwrap();
        let address = named.split("address=").nth(1).unwrap().trim();
        let address: SocketAddr = address.parse().unwrap();
        assert!(address.ip().is_loopback() && address != server.address);
        let stream = TcpStream::connect(address).unwrap();
        assert_eq!(ask(stream, "").status, 200);
        server.assert_well();
        drop(server);
        assert!(!path.exists(), "a clean stop leaves its socket");
    }
}

#[test]
fn a_unix_socket_that_somebody_has_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warren.sock");
    let held = UnixListener::bind(&path).unwrap();
    let listen = format!("unix:{}", path.display());
    let environment = [("WARREN_LISTEN", listen.as_str())];
    let ended = warren(folder.path(), &["serve"], &environment);
    let log = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{log}");
    assert!(log.contains("cannot listen on unix:"), "{log}");
    assert!(path.exists());
    drop(held);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "not a socket").unwrap();
    assert_eq!(warren(folder.path(), &["serve"], &environment).status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "not a socket");
}

#[test]
fn what_is_in_force_is_shown_with_where_it_is_from_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = "heartbeat = \"20s\"\nworkers = 3\n[limits]\nstate-bytes = \"2MiB\"\n";
    std::fs::write(folder.path().join("warren.toml"), file).unwrap();
    let environment = [
        ("WARREN_WORKERS", "4"),
        ("WARREN_LIMITS__REPLAY_EVENTS", "9"),
        ("WARREN_PROJECT_TOKEN", OWNER),
    ];
    let arguments = ["config", "show", "--session-grace", "5s", "--set", "limits.replay-bytes=1kB"];
    let shown = said(&warren(folder.path(), &arguments, &environment));
    for line in [
        "heartbeat = 20.0  # warren.toml, line 1",
        "workers = 4  # WARREN_WORKERS",
        "session-grace = 5.0  # --session-grace",
        "zlib = true  # default",
        "project-token = \"(hidden)\"  # WARREN_PROJECT_TOKEN",
        "[limits]",
        "state-bytes = 2097152  # warren.toml, line 4",
        "replay-events = 9  # WARREN_LIMITS__REPLAY_EVENTS",
        "replay-bytes = 1000  # --set",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "no `{line}` in {shown}");
    }
    assert!(!shown.contains(OWNER));
    // `--set` wins over a variable that is a flag too, and over the flag.
    let pairs = ["config", "show", "--set", "workers=5", "--set", "zlib=off", "--zlib", "true"];
    let shown = said(&warren(folder.path(), &pairs, &environment));
    for line in ["workers = 5  # --set", "zlib = false  # --set"] {
        assert!(shown.lines().any(|shown| shown == line), "no `{line}` in {shown}");
    }
    // So is what is declared.
    let declared = "\n[[channel]]\nid = \"room\"\n[[project]]\nid = \"project_a\"\ntoken = \"ptk_0123456789abcdefghijklmn\"\n";
    std::fs::write(folder.path().join("more.toml"), declared).unwrap();
    let more = said(&warren(folder.path(), &["config", "show", "--config", "more.toml"], &[]));
    assert!(more.ends_with("# [[project]] \"project_a\"\n# [[channel]] \"room\"\n"), "{more}");
    // What is shown is a configuration file.
    std::fs::write(folder.path().join("shown.toml"), shown.replace("(hidden)", OWNER)).unwrap();
    said(&warren(folder.path(), &["config", "check", "--config", "shown.toml"], &[]));
    let json = said(&warren(folder.path(), &["config", "show", "--json"], &environment));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let settings = json["settings"].as_array().unwrap();
    let workers = settings.iter().find(|setting| setting["key"] == "workers").unwrap();
    assert_eq!((&workers["value"], &workers["from"]), (&"4".into(), &"WARREN_WORKERS".into()));
}

#[test]
fn a_mistake_is_told_by_check_with_its_line_and_by_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    said(&warren(folder.path(), &["config", "check"], &[]));
    std::fs::write(folder.path().join("warren.toml"), "\nlisen = \"x\"\n").unwrap();
    let ended = warren(folder.path(), &["config", "check"], &[]);
    let log = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{log}");
    assert!(log.contains("warren.toml, line 2") && log.contains("did you mean `listen`?"), "{log}");
    assert!(!folder.path().join("warren-data").exists(), "a check makes nothing");
}

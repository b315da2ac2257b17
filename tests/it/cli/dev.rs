//! `warren dev`: a server by one command, and a profile by which the others find it.

use super::{Home, Running};
use crate::support::start;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

/// A `dev` that runs.
struct Dev {
    /// The process.
    child: Running,
}

impl Dev {
    /// Starts one and waits until it is ready.
    fn start(home: &Home, address: SocketAddr) -> Self {
        let mut command = home.command(&["dev", "--listen", &address.to_string()]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        assert_eq!(start::ready(&mut child), Some(address));
        Self { child: Running(child) }
    }

    /// Ends it as the interrupt key does.
    fn stop(mut self) {
        let sent = Command::new("kill").arg("-INT").arg(self.child.0.id().to_string()).status();
        assert!(sent.unwrap().success() && self.child.0.wait().unwrap().success());
    }
}

/// A first walk: a server by one command, a message by another.
#[test]
fn a_newcomer_runs_dev_and_publishes_without_an_edit() {
    let home = Home::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dev = Dev::start(&home, free);
    let mut tail = home.command(&["tail", "hello", "--json", "--count", "1"]);
    let mut tail = tail.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let publish = || home.said(&["publish", "hello", "GREETING", r#"{"text":"Hi"}"#]);
    crate::support::until("tail has heard a message", || {
        publish();
        tail.try_wait().unwrap().ok_or("it goes on")
    });
    let heard = String::from_utf8(tail.wait_with_output().unwrap().stdout).unwrap();
    assert!(heard.lines().any(|line| line.contains(r#""data":{"text":"Hi"}"#)), "{heard}");
    dev.stop();
    assert!(home.0.path().join("warren-dev/warren.db").is_file());
}

#[test]
fn dev_has_a_token_of_its_own_keeps_it_and_takes_no_profile_away() {
    let (home, other) = (Home::new(), Home::new());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let profiles = |home: &Home| {
        std::fs::read_to_string(home.0.path().join(".config/warren/profiles.toml")).unwrap()
    };
    Dev::start(&home, free).stop();
    let first = profiles(&home);
    Dev::start(&home, free).stop();
    assert_eq!(profiles(&home), first, "the folder and the profile are there");
    // Where the profile is lost, the project has another token.
    home.said(&["profiles", "delete", "dev"]);
    let dev = Dev::start(&home, free);
    assert_ne!(profiles(&home), first);
    assert_eq!(home.json(&["whoami"])["projects"][0]["id"], "project_dev");
    dev.stop();
    Dev::start(&other, free).stop();
    assert_ne!(profiles(&other), first);
    other.said(&["profiles", "set", "dev", "--project", "project_mine"]);
    let kept = profiles(&other);
    let (code, error) = other.refused(&["dev", "--listen", "127.0.0.1:0"]);
    assert!(code == 1 && error.contains("is not for project_dev"), "{error}");
    assert_eq!(profiles(&other), kept);
}

/// What does not start leaves the profile to what runs.
#[test]
fn a_dev_that_cannot_start_takes_no_profile_and_says_what_to_do() {
    let home = Home::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dev = Dev::start(&home, free);
    let project = |home: &Home| home.json(&["whoami"])["projects"][0]["id"].clone();
    assert_eq!(project(&home), "project_dev");
    let (code, error) = home.refused(&["dev", "--listen", "127.0.0.1:0"]);
    assert!(code == 1 && error.contains("another folder by --data"), "{error}");
    let words = ["serve", "--data", "other", "--listen", &free.to_string()];
    let (code, error) = home.refused(&words);
    assert!(code == 1 && error.contains("another place by --listen"), "{error}");
    assert_eq!(project(&home), "project_dev");
    dev.stop();
}

//! The one way in which tests and benchmarks start the server: as a process, on a folder, with what a first run would make
//! up otherwise.

use super::{ADMIN, OWNER, PATIENCE, PROJECT};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

/// The server's program.
pub fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_warren"))
}

/// Lets a command start the server on a folder, with more settings, each an environment variable.
pub fn on_folder(mut command: Command, folder: &Path, settings: &[(&str, &str)]) -> Command {
    command
        .current_dir(folder)
        .env("WARREN_LISTEN", "127.0.0.1:0")
        .env("WARREN_DATA", folder.join("data"))
        .env("WARREN_PROJECT", PROJECT)
        .env("WARREN_PROJECT_TOKEN", OWNER)
        .env("WARREN_ADMIN_TOKEN", ADMIN)
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// What makes a descriptor that a command has as its standard input the one that it was handed over as (systemd's socket
/// activation), for the program that is named behind it.
const HAND_OVER: &str = r#"exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@""#;

/// The server's program, handed this descriptor over.
pub fn program_with(handed: OwnedFd, folder: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", HAND_OVER, "sh"]).arg(program().get_program());
    let mut command = on_folder(command, folder, settings);
    command.stdin(handed);
    command
}

/// The log in a folder, written on after what it holds.
pub fn log_file(folder: &Path) -> File {
    File::options().create(true).append(true).open(folder.join("log")).unwrap()
}

/// Waits until a server says that it is ready; returns where it listens, or none if it does not come to that.
pub fn ready(child: &mut Child) -> Option<SocketAddr> {
    let (found, ready) = mpsc::channel();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Reads to the end, so that the server never waits for somebody to read.
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let address = line.strip_prefix("ready: http");
            if let Some(address) =
                address.and_then(|rest| rest.trim_start_matches('s').strip_prefix("://"))
            {
                // Nobody listens any more if the server was given up.
                let _ = found.send(address.trim_end_matches('/').parse().unwrap());
            }
        }
    });
    ready.recv_timeout(PATIENCE).ok()
}

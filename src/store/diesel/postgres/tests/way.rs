//! A way to a database that breaks once, behind a COMMIT, and may lead to another one from then on.

use super::*;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use tempfile::TempDir;

/// What a socket of `PostgreSQL` is called.
const NAME: &str = ".s.PGSQL.5432";

/// The way: the COMMIT arrives, and its answer does not.
pub(super) struct BreakingWay {
    /// Where its socket is.
    folder: TempDir,
    /// What its connections share.
    shared: Arc<Shared>,
}

/// What the connections of a way share.
struct Shared {
    /// Whether it breaks with the next COMMIT.
    is_armed: AtomicBool,
    /// Whether it breaks before that has arrived.
    is_before: bool,
    /// Where it leads.
    there: Mutex<PathBuf>,
    /// Where it leads once it has broken, if that is elsewhere.
    next: Mutex<Option<PathBuf>>,
}

impl BreakingWay {
    /// A way to this cluster; with `before`, it breaks before the COMMIT has arrived.
    pub(super) fn to(cluster: &Cluster, before: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(NAME)).unwrap();
        let shared = Arc::new(Shared {
            is_armed: AtomicBool::new(false),
            is_before: before,
            there: Mutex::new(cluster.folder().join(NAME)),
            next: Mutex::default(),
        });
        let known = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&known);
                thread::spawn(move || shared.carry(client));
            }
        });
        Self { folder, shared }
    }

    /// The URL of a database on this way.
    pub(super) fn url(&self, database: &str) -> String {
        format!("postgres://warren@/{database}?host={}", self.folder.path().display())
    }

    /// Breaks with the next COMMIT.
    pub(super) fn arm(&self) {
        self.shared.is_armed.store(true, Ordering::SeqCst);
    }

    /// Breaks with the next COMMIT, and leads to this cluster behind that.
    pub(super) fn arm_and_lead_to(&self, cluster: &Cluster) {
        *self.shared.next.lock().unwrap() = Some(cluster.folder().join(NAME));
        self.arm();
    }

    /// Whether it broke since it was told to.
    pub(super) fn has_broken(&self) -> bool {
        !self.shared.is_armed.load(Ordering::SeqCst)
    }
}

impl Shared {
    /// Carries one connection. What it cannot, nobody waits for.
    fn carry(&self, mut client: UnixStream) -> io::Result<()> {
        let mut server = UnixStream::connect(&*self.there.lock().unwrap())?;
        let (mut answers, mut to_client) = (server.try_clone()?, client.try_clone()?);
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&is_cut);
        thread::spawn(move || {
            let mut piece = [0; 8192];
            while let Ok(length @ 1..) = answers.read(&mut piece) {
                if cut.load(Ordering::SeqCst) || to_client.write_all(&piece[..length]).is_err() {
                    break;
                }
            }
            let _ = to_client.shutdown(Shutdown::Both);
        });
        let mut piece = [0; 8192];
        loop {
            let length = client.read(&mut piece)?;
            if length == 0 {
                return server.shutdown(Shutdown::Both);
            }
            let is_commit = piece[..length].windows(6).any(|word| word == b"COMMIT");
            if is_commit && self.is_armed.swap(false, Ordering::SeqCst) {
                is_cut.store(true, Ordering::SeqCst);
                if let Some(next) = self.next.lock().unwrap().take() {
                    *self.there.lock().unwrap() = next;
                }
                if self.is_before {
                    return server.shutdown(Shutdown::Both);
                }
            }
            server.write_all(&piece[..length])?;
        }
    }
}

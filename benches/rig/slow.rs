//! A disk that is slower than the one at hand: each commit takes longer by a given time, as its sync would.
//!
//! The server is put together here as `src/server.rs` does it, but for the sockets and signals that no bench of commits
//! needs: the product has no place where a delay could be asked for.

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use warren::actor::{Persistence, Settings, Supervisor};
use warren::http;
use warren::store::diesel::SqliteDatabase;
use warren::store::{Database, GroupStore, ReadStore, StoreResult, WriteStore};

/// Worker threads.
const WORKERS: usize = 2;
/// Connections that read.
const READERS: u32 = 4;

/// A database on such a disk.
pub struct SlowDatabase {
    /// The database.
    inner: SqliteDatabase,
    /// How much longer each commit takes.
    delay: Duration,
}

impl SlowDatabase {
    /// Opens the database of a data folder.
    pub fn open(folder: &Path, delay: Duration) -> Self {
        let inner = SqliteDatabase::open(&folder.join("data/warren.db"), READERS).unwrap();
        Self { inner, delay }
    }
}

impl Database for SlowDatabase {
    fn writer(&self) -> StoreResult<Box<dyn GroupStore>> {
        Ok(Box::new(SlowWriter { inner: self.inner.writer()?, delay: self.delay }))
    }

    fn read(&self, run: &mut dyn FnMut(&mut dyn ReadStore)) -> StoreResult<()> {
        self.inner.read(run)
    }
}

/// Its writer.
struct SlowWriter {
    /// The writer.
    inner: Box<dyn GroupStore>,
    /// How much longer each commit takes.
    delay: Duration,
}

impl GroupStore for SlowWriter {
    fn group(&mut self, run: &mut dyn FnMut(&mut dyn WriteStore)) -> StoreResult<()> {
        let outcome = self.inner.group(run);
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        }
        outcome
    }
}

/// Runs a server on the data of a folder, until it is killed; says `ready:` as the product does.
#[expect(clippy::print_stdout, reason = "that line is what who started it waits for")]
pub fn serve(folder: &Path, delay: Duration) {
    actix_web::rt::System::new().block_on(async {
        let database = SlowDatabase::open(folder, delay);
        let persistence = Persistence::start(Arc::new(database)).unwrap();
        let supervisor = Supervisor::new(WORKERS, persistence.clone(), Settings::default());
        let app = http::App::new(persistence, supervisor.clone(), http::Limits::default());
        let here = supervisor.clone();
        let server = HttpServer::new(move || {
            here.settle_here();
            App::new().wrap(from_fn(http::front)).configure(http::configure(app.clone()))
        })
        .workers(WORKERS)
        .tcp_nodelay(true)
        .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .unwrap();
        let address = server.addrs().first().copied().unwrap();
        let running = actix_web::rt::spawn(server.run());
        supervisor.ready().await;
        println!("ready: http://{address}");
        running.await.unwrap().unwrap();
    });
}

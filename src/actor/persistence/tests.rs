//! The writer and the readers over a real database, which crashes where a test wants it.

use super::*;
use crate::domain::{Project, ProjectId, Timestamp};
use crate::store::diesel::SqliteDatabase;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use tempfile::TempDir;

/// Where the store crashes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// While it is looked at.
    Check,
    /// When a group has been committed.
    Committed,
    /// When it is closed.
    Close,
}

/// What a test has in its hand.
#[derive(Clone, Default)]
struct Reins {
    /// Where it crashes next.
    crash: Arc<Mutex<Option<At>>>,
    /// How many groups there were.
    groups: Arc<AtomicUsize>,
}

impl Reins {
    /// Has it crash there, once.
    fn crash_at(&self, at: At) {
        *self.crash.lock().unwrap() = Some(at);
    }

    /// Whether it has crashed.
    fn has_crashed(&self) -> bool {
        self.crash.lock().unwrap().is_none()
    }

    /// Crashes if it is to crash here.
    fn pass(&self, at: At) {
        let is_here = self.crash.lock().unwrap().take_if(|crash| *crash == at).is_some();
        assert!(!is_here, "a test wants it");
    }
}

/// A database that crashes.
struct Brittle(SqliteDatabase, Reins);

/// Its writer.
struct BrittleWriter(Box<dyn GroupStore>, Reins);

impl Database for Brittle {
    fn writer(&self) -> StoreResult<Box<dyn GroupStore>> {
        Ok(Box::new(BrittleWriter(self.0.writer()?, self.1.clone())))
    }

    fn read(&self, run: &mut dyn FnMut(&mut dyn ReadStore)) -> StoreResult<()> {
        self.0.read(run)
    }
}

impl GroupStore for BrittleWriter {
    fn group(&mut self, run: &mut dyn FnMut(&mut dyn WriteStore)) -> StoreResult<()> {
        self.1.groups.fetch_add(1, Ordering::SeqCst);
        let outcome = self.0.group(run);
        self.1.pass(At::Committed);
        outcome
    }

    fn check(&mut self) -> StoreResult<()> {
        self.1.pass(At::Check);
        self.0.check()
    }

    fn probe(&mut self) -> StoreResult<()> {
        self.0.probe()
    }

    fn close(&mut self) -> StoreResult<()> {
        self.1.pass(At::Close);
        self.0.close()
    }
}

/// A store of its own, with what has it crash.
fn brittle() -> (Persistence, Reins, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let database = SqliteDatabase::open(&folder.path().join("warren.db"), 1).unwrap();
    let reins = Reins::default();
    let persistence = Persistence::start(Arc::new(Brittle(database, reins.clone()))).unwrap();
    (persistence, reins, folder)
}

/// Stores a project.
fn make(
    persistence: &Persistence,
    name: &str,
) -> impl Future<Output = Result<(), AskError>> + use<> {
    let id = ProjectId::from(name);
    let (name, namespace, created_at) = (name.to_owned(), name.to_owned(), Timestamp(1));
    let project = Project {
        id,
        name,
        namespace,
        allowed_origins: crate::domain::AllowedOrigins::default(),
        created_at,
    };
    persistence.write(move |store| store.create_project(&project))
}

/// Whether a project is stored.
async fn has(persistence: &Persistence, name: &str) -> bool {
    let id = ProjectId::from(name);
    persistence.read(move |store| store.find_project(&id)).await.unwrap().is_some()
}

/// Holds the writer in a commit until something is sent; returns when it is there.
async fn hold(
    persistence: &Persistence,
) -> (mpsc::Sender<()>, impl Future<Output = Result<(), AskError>> + use<>) {
    let (release, held) = mpsc::channel::<()>();
    let (begun, begins) = oneshot::channel();
    let write = persistence.write(move |_| {
        begun.send(()).unwrap();
        held.recv().unwrap();
        Ok(())
    });
    begins.await.unwrap();
    (release, write)
}

/// Whether an error says that the store did not do it, and these words.
fn says(outcome: Result<(), AskError>, words: &str) -> bool {
    match outcome {
        Err(AskError::Store(StoreError::Unavailable(reason))) => reason.contains(words),
        _ => false,
    }
}

#[actix::test]
async fn a_crash_while_the_store_is_looked_at_is_a_failure_until_the_next_look() {
    let (persistence, reins, _folder) = brittle();
    let mut was_failing = false;
    reins.crash_at(At::Check);
    // Two looks, a second apart.
    for _ in 0..3000 {
        // The writer's own clock, on its own thread, says when it looks: how it is with it is polled.
        tokio::time::sleep(Duration::from_millis(5)).await;
        was_failing |= persistence.check().is_err();
        if was_failing && persistence.check().is_ok() {
            break;
        }
    }
    assert!(reins.has_crashed() && was_failing && persistence.check().is_ok());
    make(&persistence, "after").await.unwrap();
    assert!(has(&persistence, "after").await);
}

#[actix::test]
async fn after_a_crash_in_a_commit_nobody_is_told_that_it_was_rolled_back() {
    let (persistence, reins, _folder) = brittle();
    let (release, held) = hold(&persistence).await;
    let all = ["a", "b"].map(|name| make(&persistence, name));
    reins.crash_at(At::Committed);
    release.send(()).unwrap();
    assert!(says(held.await, "may stand or not"));
    assert!(persistence.check().is_err(), "until a commit is seen to succeed");
    for made in all {
        made.await.unwrap();
    }
    reins.crash_at(At::Committed);
    assert!(says(make(&persistence, "c").await, "may stand or not"));
    assert!(has(&persistence, "c").await, "it does stand");
    make(&persistence, "d").await.unwrap();
}

#[actix::test]
async fn a_write_that_crashes_takes_its_group_along_and_nothing_else() {
    let (persistence, _, _folder) = brittle();
    let (release, held) = hold(&persistence).await;
    let before = make(&persistence, "before");
    let crash = persistence.write(|_| -> StoreResult<()> { panic!("a test wants it") });
    let behind = make(&persistence, "behind");
    release.send(()).unwrap();
    assert_eq!(held.await, Ok(()));
    assert!(says(before.await, "was rolled back"));
    assert_eq!(crash.await, Err(AskError::Closed));
    assert!(says(behind.await, "was rolled back"));
    assert!(!has(&persistence, "before").await && !has(&persistence, "behind").await);
    assert_eq!(persistence.check(), Ok(()), "it says nothing about the store");
    make(&persistence, "before").await.unwrap();
    assert!(has(&persistence, "before").await);
}

#[actix::test]
async fn a_crash_while_one_write_is_answered_costs_that_answer() {
    /// Crashes when nobody takes it.
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a test wants it");
        }
    }
    let (persistence, _, _folder) = brittle();
    let (release, held) = hold(&persistence).await;
    // The asker goes, and with the answer goes what is in it.
    drop(persistence.write(|_| Ok(Bomb)));
    let behind = make(&persistence, "behind");
    release.send(()).unwrap();
    assert_eq!((held.await, behind.await), (Ok(()), Ok(())));
    assert!(has(&persistence, "behind").await);
    make(&persistence, "after").await.unwrap();
    assert_eq!(persistence.write_places.available_permits(), MAX_WRITES);
}

#[actix::test]
async fn a_crash_in_closing_is_an_error_and_nothing_is_written_after_it() {
    let (persistence, reins, _folder) = brittle();
    make(&persistence, "before").await.unwrap();
    reins.crash_at(At::Close);
    assert!(says(persistence.close().await, "crashed"));
    assert!(says(make(&persistence, "after").await, "has stopped"));
    assert!(has(&persistence, "before").await && !has(&persistence, "after").await);
}

#[actix::test]
async fn a_read_that_crashes_costs_that_read() {
    let (persistence, _, _folder) = brittle();
    make(&persistence, "p").await.unwrap();
    for _ in 0..3 * READERS {
        let read = persistence.read(|_| -> StoreResult<()> { panic!("a test wants it") });
        assert_eq!(read.await, Err(AskError::Closed));
    }
    assert!(has(&persistence, "p").await);
    // A place is free again a moment after its answer.
    let all = persistence.read_places.acquire_many(u32::try_from(MAX_READS).unwrap());
    drop(tokio::time::timeout(Duration::from_secs(20), all).await.unwrap().unwrap());
}

#[actix::test]
async fn what_waits_goes_into_one_commit_up_to_its_bound() {
    let (persistence, reins, _folder) = brittle();
    for (count, groups) in [(1, 1), (MAX_GROUP, 1), (MAX_GROUP + 1, 2), (3 * MAX_GROUP, 3)] {
        let (release, held) = hold(&persistence).await;
        let before = reins.groups.load(Ordering::SeqCst);
        let all: Vec<_> = (0..count).map(|_| persistence.write(|_| Ok(()))).collect();
        release.send(()).unwrap();
        assert_eq!(held.await, Ok(()));
        for write in all {
            write.await.unwrap();
        }
        assert_eq!(reins.groups.load(Ordering::SeqCst) - before, groups, "{count} writes");
    }
}

#[actix::test]
async fn writes_are_carried_out_in_the_order_of_the_calls_whoever_waits_for_them() {
    let (persistence, _, _folder) = brittle();
    let (release, held) = hold(&persistence).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for n in 0..100 {
        let noted = Arc::clone(&order);
        let write = persistence.write(move |_| {
            noted.lock().unwrap().push(n);
            Ok(())
        });
        if n % 3 == 0 {
            // Its asker goes; it is carried out all the same.
            drop(write);
        } else {
            waiting.push(write);
        }
    }
    release.send(()).unwrap();
    held.await.unwrap();
    for write in waiting.into_iter().rev() {
        write.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..100).collect::<Vec<_>>());
}

#[actix::test]
async fn more_writes_than_the_bound_are_refused_until_one_is_answered() {
    let (persistence, _, _folder) = brittle();
    let (release, held) = hold(&persistence).await;
    let all: Vec<_> = (1..MAX_WRITES).map(|_| persistence.write(|_| Ok(()))).collect();
    assert_eq!(make(&persistence, "refused").await, Err(AskError::Overloaded));
    release.send(()).unwrap();
    held.await.unwrap();
    for write in all {
        write.await.unwrap();
    }
    make(&persistence, "taken").await.unwrap();
    assert!(!has(&persistence, "refused").await && has(&persistence, "taken").await);
}

#[actix::test]
async fn an_answer_comes_after_the_commit() {
    let (persistence, _, _folder) = brittle();
    for n in 0..50 {
        let name = n.to_string();
        make(&persistence, &name).await.unwrap();
        // Read on another connection: what is not committed is not there.
        assert!(has(&persistence, &name).await);
    }
}

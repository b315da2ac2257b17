//! Computation that takes long enough to be felt: it leaves the worker's thread, on which everybody else waits.
//!
//! A few threads do it at a time, and one project's has half of them at most, so that its large patches hold up no
//! other's. What is small never comes here; each kind of work says from where on it is not.

use crate::domain::ProjectId;
use std::collections::HashMap;
use std::num::NonZero;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use tokio::sync::Semaphore;

/// The fewest pieces of work that are done at a time, however few processors there are: one project can only be kept from
/// taking all places where there are two.
const FEWEST_PLACES: usize = 2;
/// The most pieces of work of one project that wait or are being done; one more is refused.
const MOST_OF_ONE: usize = 64;

/// Why a piece of work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// Too much of the same project waits already.
    #[error("too much work of one project waits")]
    Refused,
    /// It crashed.
    #[error("the work crashed")]
    Crashed,
}

/// Those who do the work of this process.
static CREW: LazyLock<Arc<Crew>> = LazyLock::new(|| {
    let processors = available_parallelism().map_or(FEWEST_PLACES, NonZero::get);
    Arc::new(Crew::new(processors.max(FEWEST_PLACES)))
});

/// Does a piece of work of a project, or of the operator, on another thread.
///
/// # Errors
/// [`NotDone::Refused`] when too much of the same project waits already, [`NotDone::Crashed`] when the work crashed.
pub async fn run<T: Send + 'static>(
    owner: Option<&ProjectId>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotDone> {
    CREW.run(owner, Some(MOST_OF_ONE), work).await
}

/// The same for what was accepted already and cannot be refused: whoever asks has one piece at a time, and waits.
///
/// # Errors
/// [`NotDone::Crashed`] when the work crashed.
pub async fn run_in_turn<T: Send + 'static>(
    owner: &ProjectId,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NotDone> {
    CREW.run(Some(owner), None, work).await
}

/// A number of places to work, shared out fairly.
struct Crew {
    /// The places for all.
    places: Arc<Semaphore>,
    /// How many of them one project may have.
    share: usize,
    /// Who has work here.
    owners: Mutex<HashMap<Option<ProjectId>, WorkOwner>>,
}

/// Somebody with work here.
struct WorkOwner {
    /// The places that it may have.
    places: Arc<Semaphore>,
    /// How many pieces wait or are being done.
    pieces: usize,
}

/// One piece of work that counts; not any more when dropped.
struct CountedPiece {
    /// Where.
    crew: Arc<Crew>,
    /// Whose.
    owner: Option<ProjectId>,
}

impl Crew {
    /// So many places, half of them for one project.
    fn new(places: usize) -> Self {
        let share = (places / 2).max(1);
        Self { places: Arc::new(Semaphore::new(places)), share, owners: Mutex::default() }
    }

    /// Who has work here.
    fn owners(&self) -> MutexGuard<'_, HashMap<Option<ProjectId>, WorkOwner>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a piece of work, if its owner has less than so many; with the places that its owner may have.
    fn enter(
        self: &Arc<Self>,
        owner: Option<&ProjectId>,
        most: Option<usize>,
    ) -> Result<(CountedPiece, Arc<Semaphore>), NotDone> {
        let mut owners = self.owners();
        let fresh = || WorkOwner { places: Arc::new(Semaphore::new(self.share)), pieces: 0 };
        let known = owners.entry(owner.cloned()).or_insert_with(fresh);
        if most.is_some_and(|most| known.pieces >= most) {
            return Err(NotDone::Refused);
        }
        known.pieces += 1;
        Ok((
            CountedPiece { crew: Arc::clone(self), owner: owner.cloned() },
            Arc::clone(&known.places),
        ))
    }

    /// Does a piece of work when its owner has a place for it, and then there is one.
    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        owner: Option<&ProjectId>,
        most: Option<usize>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let (piece, share) = self.enter(owner, most)?;
        // Neither is ever closed.
        let own = share.acquire_owned().await.ok().ok_or(NotDone::Crashed)?;
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.ok().ok_or(NotDone::Crashed)?;
        let done = tokio::task::spawn_blocking(move || {
            // Held until it is done, also when nobody waits for it any more.
            let _held = (piece, own, place);
            work()
        });
        done.await.ok().ok_or(NotDone::Crashed)
    }
}

impl Drop for CountedPiece {
    fn drop(&mut self) {
        let mut owners = self.crew.owners();
        if let Some(owner) = owners.get_mut(&self.owner) {
            owner.pieces -= 1;
            if owner.pieces == 0 {
                owners.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::sync::mpsc;
    use std::task::{Context, Waker};
    use std::thread;

    /// A project.
    fn project(name: &str) -> ProjectId {
        ProjectId::from(name)
    }

    #[tokio::test]
    async fn work_is_done_on_another_thread_and_its_crash_is_told() {
        let here = thread::current().id();
        let there = run(Some(&project("a")), || thread::current().id()).await.unwrap();
        assert_ne!(here, there);
        let crashed: Result<(), _> = run_in_turn(&project("a"), || panic!("ordered")).await;
        assert_eq!(crashed, Err(NotDone::Crashed));
        assert_eq!(run_in_turn(&project("a"), || 7).await, Ok(7));
    }

    #[tokio::test]
    async fn one_projects_work_leaves_places_for_the_others() {
        let crew = Arc::new(Crew::new(4));
        let (greedy, other) = (project("greedy"), project("other"));
        // Work of one project that ends only when it is told to.
        let (mut ends, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..10 {
            let (end, ended) = mpsc::channel::<()>();
            let (crew, greedy) = (Arc::clone(&crew), greedy.clone());
            ends.push(end);
            tasks.push(tokio::spawn(async move {
                crew.run(Some(&greedy), Some(10), move || ended.recv().is_err()).await
            }));
        }
        tokio::task::yield_now().await;
        assert_eq!(crew.places.available_permits(), 2, "it has half");
        assert_eq!(crew.run(Some(&greedy), Some(10), || ()).await, Err(NotDone::Refused));
        assert_eq!(crew.run(Some(&other), Some(10), || 7).await, Ok(7));
        assert_eq!(crew.run(None, Some(10), || 8).await, Ok(8));
        drop(ends);
        assert!(join_all(tasks).await.into_iter().all(|done| done.unwrap() == Ok(true)));
        assert!(crew.owners().is_empty(), "nobody is remembered who has no work");
        assert_eq!(crew.places.available_permits(), 4);
    }

    #[tokio::test]
    async fn who_does_not_wait_any_more_gives_back_what_it_held() {
        let crew = Arc::new(Crew::new(2));
        let name = project("a");
        let (end, ended) = mpsc::channel::<()>();
        let mut first = Box::pin(crew.run(Some(&name), None, move || ended.recv().is_err()));
        let mut second = Box::pin(crew.run(Some(&name), None, || false));
        let mut task = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut task).is_pending());
        assert!(second.as_mut().poll(&mut task).is_pending());
        drop((first, second));
        assert_eq!(crew.owners().len(), 1, "one is still being done");
        drop(end);
        assert_eq!(crew.run(Some(&name), None, || 7).await, Ok(7));
        assert!(crew.owners().is_empty());
    }
}

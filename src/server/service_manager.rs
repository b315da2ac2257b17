//! What the service manager is told that has started the server (systemd, by `sd_notify`): that it is ready, reloads, goes, and
//! is alive. Without one, nobody is told.

use actix::ArbiterHandle;
use futures_util::future::join_all;
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{interval, timeout};

/// Says something. One that does not hear it does what it does with who says nothing.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager is not told");
    }
}

/// Requests are answered, with the settings in force.
pub(super) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("ready")]);
}

/// The settings are read again; [`ready`] says that it is done.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the service manager is not told"),
    }
}

/// The server goes, and so many connections with it; that takes so long at the most.
pub(super) fn stopping(connections: usize, longest: Duration) {
    let status = format!("stopping: {connections} connections to close");
    let longest = u32::try_from(longest.as_micros()).unwrap_or(u32::MAX);
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status(&status),
        NotifyState::ExtendTimeoutUsec(longest),
    ]);
}

/// Says that the server is alive, as often as the service manager wants to hear it: whenever all workers have answered. It ends
/// who is silent.
pub(super) async fn watch(workers: Vec<ArbiterHandle>) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    // Told twice in its time, one that is late once is not ended.
    let pause = (patience / 2).max(Duration::from_millis(1));
    let mut ticks = interval(pause);
    loop {
        ticks.tick().await;
        match timeout(patience, join_all(workers.iter().map(answers))).await {
            Ok(answers) if answers.iter().all(|answers| *answers) => {
                tell(&[NotifyState::Watchdog]);
            }
            _ => {
                tracing::error!(
                    "a worker does not answer: the service manager will end the server"
                );
            }
        }
    }
}

/// Whether a worker does something that it is asked to.
async fn answers(worker: &ArbiterHandle) -> bool {
    let (answer, answered) = oneshot::channel();
    let has_asked = worker.spawn_fn(move || {
        // Whoever asked may have given up.
        let _ = answer.send(());
    });
    has_asked && answered.await.is_ok()
}

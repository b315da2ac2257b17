//! What is deleted now and then goes in small steps, off everybody's way.

use super::persistence::Persistence;
use crate::ask::AskError;
use std::time::Duration;

/// How long the writer is left alone between two steps.
const PAUSE: Duration = Duration::from_millis(20);

impl Persistence {
    /// Looks for something to delete, each time after so long, as long as the process runs; `trouble` is what the log says
    /// where that fails.
    pub(super) fn launch_look<F>(
        &self,
        every: Duration,
        trouble: &'static str,
        look: impl Fn(Self) -> F + 'static,
    ) where
        F: Future<Output = Result<(), AskError>>,
    {
        let persistence = self.clone();
        actix::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                if let Err(error) = look(persistence.clone()).await {
                    tracing::warn!(%error, "{trouble}");
                }
            }
        });
    }
}

/// Takes one step behind the other, as long as there may be more.
///
/// # Errors
/// What a step failed with; none is taken behind it.
pub(super) async fn in_steps<F>(step: impl Fn() -> F) -> Result<(), AskError>
where
    F: Future<Output = Result<bool, AskError>>,
{
    while step().await? {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

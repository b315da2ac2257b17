//! What the servers of one database ask each other: a text, and what each says to it. What stands in it, the bus does not know.

use super::error::BusError;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::time::Instant;

/// Answers what other servers ask.
pub trait Answering: Send + Sync {
    /// What this server says to a question. Several may be under way.
    fn answer(&self, question: String) -> BoxFuture<'static, String>;
    /// Others may have asked something that was not heard here, and have gone on without the answer.
    fn missed(&self);
}

/// Who has to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// All that live: of one that cannot be reached it is waited that it counts as gone, or nobody knows in the end.
    AllThatLive,
    /// All that hear the question now.
    AllThatHear,
}

/// What others say.
#[derive(Clone, Debug, Default)]
pub struct ServerAnswers {
    /// What each of them does.
    pub said: Vec<String>,
    /// Whether one that counts as living has not heard the question: it may have gone.
    pub is_one_missing: bool,
}

/// The other servers of the same database.
pub trait OtherServers: Send + Sync {
    /// Asks all others. Of a failure nobody knows who has heard it.
    fn ask_others(
        &self,
        question: String,
        needed: Needed,
    ) -> BoxFuture<'_, Result<ServerAnswers, BusError>>;
    /// When it was last noticed that another server has gone, or that this one does not know what others have said.
    fn lost_at(&self) -> Option<Instant>;
    /// Nobody waits for this server any more: it ends.
    fn leave_others(&self) -> BoxFuture<'_, ()>;
    /// From now on this answers what others ask; before, nobody knows of this server.
    fn answer_by(&self, answering: Arc<dyn Answering>) -> BoxFuture<'_, Result<(), BusError>>;
}

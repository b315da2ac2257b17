//! An item that is being done, and what is left to do when it has ended.

use super::results::ItemResult;
use crate::http::answer::Answer;
use crate::http::call::Call;
use crate::http::idempotency::RunningCall;
use crate::http::recorded::RecordedCall;
use actix_web::ResponseError as _;
use actix_web::http::Method;
use tokio::time::Instant;

/// An item that is being done.
pub(super) struct ItemUnderWay {
    /// The call that is under way under its key, if it has one.
    pub(super) running: Option<RunningCall>,
    /// What is recorded of it, if anything is.
    pub(super) recorded: Option<RecordedItem>,
}

impl ItemUnderWay {
    /// Its result, kept for who sends it again if it has a key, and recorded.
    pub(super) fn ended(self, answer: Answer) -> ItemResult {
        let response = answer.unwrap_or_else(|error| error.error_response());
        if let Some(recorded) = self.recorded {
            recorded.answered(response.status().as_u16());
        }
        match self.running {
            Some(running) => running.settle(response).into(),
            None => response.into(),
        }
    }
}

/// An item that will be recorded when it has ended, as a request of its own would be.
pub(super) struct RecordedItem {
    /// What is known of it by now.
    call: RecordedCall,
    /// Its method.
    method: Method,
    /// What the batch is called, by which its items go.
    id: String,
    /// Since when.
    begin: Instant,
}

impl RecordedItem {
    /// An item of this batch, if anything is recorded of its project; `pattern` is that of its path.
    pub(super) fn begin(item: &Call, pattern: &str, batch: &Call) -> Option<Self> {
        let call = item.record(pattern)?;
        let id = batch.request.id().map(|id| id.to_string()).unwrap_or_default();
        Some(Self { call, method: item.request.method().clone(), id, begin: Instant::now() })
    }

    /// It has ended.
    fn answered(self, status: u16) {
        let Self { call, method, id, begin } = self;
        call.answered(&method, (status, begin.elapsed()), &id);
    }
}

//! A program without the feature `otel`: no span ever begins.

use super::{AnsweredRequest, CallOutcome};

/// The sending of spans, of which there is none.
pub struct Traces;

impl Traces {
    /// Says in the log that nothing is sent, where the environment asks for it.
    ///
    /// # Errors
    /// None.
    pub fn start() -> Result<Self, String> {
        if super::is_asked_for(super::from_environment) {
            tracing::info!("no spans are sent: this program was built without the feature `otel`");
        }
        Ok(Self)
    }
}

/// A request under way, of which there is none.
#[derive(Clone, Copy)]
pub(super) enum BegunRequest {}

impl BegunRequest {
    /// None.
    pub(super) fn new<'a>(_: impl FnOnce() -> Option<&'a str>) -> Option<Self> {
        None
    }

    /// Is never called.
    pub(super) const fn end(self, _: AnsweredRequest<'_>) -> Option<String> {
        match self {}
    }
}

/// A call, of which there is none.
#[derive(Clone, Copy)]
pub(super) enum BegunCall {}

impl BegunCall {
    /// None.
    pub(super) fn new(_: &'static str, _: impl FnOnce() -> String) -> Option<Self> {
        None
    }

    /// Is never called.
    pub(super) const fn traceparent(self) -> String {
        match self {}
    }

    /// Is never called.
    pub(super) const fn end(self, _: CallOutcome) {
        match self {}
    }
}

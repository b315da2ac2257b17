//! Traces: a span for each request and for each call that the server makes, sent away as OpenTelemetry by a program that was
//! built with the feature `otel` and is told where to; nothing otherwise.
//!
//! A span that finds no room in the queue, or that nobody takes, is counted and lost: nothing here waits for whoever
//! collects them.

#[cfg(feature = "otel")]
mod bounded;
#[cfg(feature = "otel")]
mod client;
#[cfg(not(feature = "otel"))]
mod none;
#[cfg(feature = "otel")]
mod otel;

#[cfg(not(feature = "otel"))]
use none as backend;
#[cfg(feature = "otel")]
use otel as backend;

pub use backend::Traces;

use std::cell::Cell;
use std::fmt::Display;

/// The header by which a trace is passed on (W3C Trace Context).
pub const TRACEPARENT: &str = "traceparent";

/// The settings that say where spans are sent, of which one is enough: those of every OpenTelemetry exporter.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Whether spans are to be sent, by those settings and by those that switch them off.
fn is_asked_for(setting: impl Fn(&str) -> Option<String>) -> bool {
    let is = |name: &str, word: &str| setting(name).is_some_and(|it| it.eq_ignore_ascii_case(word));
    let is_off = is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none");
    !is_off && ENDPOINTS.iter().any(|name| setting(name).is_some_and(|it| !it.trim().is_empty()))
}

/// A setting from the environment.
fn from_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What is said of a request that was answered.
#[derive(Clone, Copy)]
pub struct AnsweredRequest<'a> {
    /// Its method.
    pub method: &'a dyn Display,
    /// The pattern of its route: its path may have secrets in it.
    pub route: &'a dyn Display,
    /// The answer's status.
    pub status: u16,
    /// What the log calls it.
    pub id: &'a dyn Display,
}

/// A request under way.
pub struct RequestSpan(Cell<Option<backend::BegunRequest>>);

impl RequestSpan {
    /// It begins; `parent` is the trace that its sender says it is part of.
    pub fn begin<'a>(parent: impl FnOnce() -> Option<&'a str>) -> Self {
        Self(Cell::new(backend::BegunRequest::new(parent)))
    }

    /// It is answered. The trace that it is part of, if it is sent away.
    pub fn end(&self, answer: AnsweredRequest<'_>) -> Option<String> {
        self.0.take().and_then(|begun| begun.end(answer))
    }
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// An answer with this status.
    Status(u16),
    /// No answer, and a word for why.
    Failed(&'static str),
}

/// A call that the server makes.
pub struct CallSpan(Option<backend::BegunCall>);

impl CallSpan {
    /// It begins: what it is for, and whom it goes to, as host and port.
    pub fn begin(name: &'static str, host: impl FnOnce() -> String) -> Self {
        Self(backend::BegunCall::new(name, host))
    }

    /// The header by which whoever is called learns what it is part of.
    pub fn header(&self) -> Option<(&'static str, String)> {
        self.0.as_ref().map(|begun| (TRACEPARENT, begun.traceparent()))
    }

    /// It is over.
    pub fn end(self, outcome: CallOutcome) {
        if let Some(begun) = self.0 {
            begun.end(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_sent_where_it_is_said_where_to_and_nobody_has_switched_them_off() {
        let asked = |settings: &[(&str, &str)]| {
            let find = |name: &str| settings.iter().find(|(own, _)| *own == name);
            is_asked_for(|name| find(name).map(|(_, value)| (*value).to_owned()))
        };
        let there = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        assert!(asked(&[there]));
        assert!(asked(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/x")]));
        assert!(asked(&[there, ("OTEL_SDK_DISABLED", "false")]));
        assert!(!asked(&[]));
        assert!(!asked(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]));
        assert!(!asked(&[there, ("OTEL_SDK_DISABLED", "TRUE")]));
        assert!(!asked(&[there, ("OTEL_TRACES_EXPORTER", "none")]));
    }
}

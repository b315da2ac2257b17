//! A program with the feature `otel`: spans, and how their sending begins and ends.

use super::bounded::BoundedProcessor;
use super::client::CollectorClient;
use super::{AnsweredRequest, CallOutcome, TRACEPARENT};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    Span as _, SpanId, SpanKind, Status, TraceId, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// How long the end of the process waits for the last spans to be taken.
const LAST_SPANS: Duration = Duration::from_secs(2);
/// From this status on the server has failed.
const SERVER_ERROR: u16 = 500;
/// From this status on whoever was called has not done what was asked.
const CALL_ERROR: u16 = 400;

/// What makes spans, once they are sent.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// The sending of spans; dropped at the end of the process, it waits a moment for the last ones.
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Begins to send spans, if the environment says where to.
    ///
    /// # Errors
    /// Where it says so in a way that cannot be understood, in words.
    pub fn start() -> Result<Self, String> {
        if !super::is_asked_for(super::from_environment) {
            return Ok(Self(None));
        }
        let failed = |why: &dyn std::fmt::Display| format!("spans cannot be sent: {why}");
        let client = CollectorClient::new().map_err(|error| failed(&error))?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client).build();
        let exporter = exporter.map_err(|error| failed(&error))?;
        let provider = SdkTracerProvider::builder().with_resource(resource());
        let provider = provider.with_span_processor(BoundedProcessor::new(exporter)).build();
        // Of two beginnings the first counts.
        let _ = TRACER.set(provider.tracer("warren"));
        tracing::info!("spans are sent");
        Ok(Self(Some(provider)))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.as_ref().map(|it| it.shutdown_with_timeout(LAST_SPANS)) {
            tracing::warn!(%error, "the last spans may be lost");
        }
    }
}

/// What all spans say: the environment's own name for the service, or ours.
fn resource() -> Resource {
    let resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let is_named = super::from_environment("OTEL_SERVICE_NAME").is_some()
        || super::from_environment("OTEL_RESOURCE_ATTRIBUTES")
            .is_some_and(|all| all.contains("service.name="));
    let resource = if is_named { resource } else { resource.with_service_name("warren") };
    resource.build()
}

/// The one header that is looked at.
struct ParentHeader<'a>(Option<&'a str>);

impl Extractor for ParentHeader<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.filter(|_| key == TRACEPARENT)
    }

    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// A request under way. Its span is made when it is answered: what becomes of a request that is handed on is known there.
#[derive(Debug)]
pub(super) struct BegunRequest {
    /// What makes its span.
    tracer: &'static SdkTracer,
    /// What it is part of.
    parent: Context,
    /// Since when.
    begin: SystemTime,
}

impl BegunRequest {
    /// One that is part of this, if its sender says so in words that can be understood; none where no spans are sent.
    pub(super) fn new<'a>(parent: impl FnOnce() -> Option<&'a str>) -> Option<Self> {
        let tracer = TRACER.get()?;
        let own = TraceContextPropagator::new();
        let parent = own.extract_with_context(&Context::new(), &ParentHeader(parent()));
        Some(Self { tracer, parent, begin: opentelemetry::time::now() })
    }

    /// It is answered; its trace, if that is sent.
    pub(super) fn end(self, answer: AnsweredRequest<'_>) -> Option<String> {
        let AnsweredRequest { method, route, status, id } = answer;
        let tracer = self.tracer;
        let (method, route) = (method.to_string(), route.to_string());
        let builder = tracer.span_builder(format!("{method} {route}"));
        let builder = builder.with_kind(SpanKind::Server).with_start_time(self.begin);
        let builder = builder.with_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route),
            KeyValue::new("http.response.status_code", i64::from(status)),
            KeyValue::new("warren.request_id", id.to_string()),
        ]);
        let mut span = builder.start_with_context(tracer, &self.parent);
        if status >= SERVER_ERROR {
            span.set_status(Status::error(""));
        }
        span.end();
        let context = span.span_context();
        context.is_sampled().then(|| context.trace_id().to_string())
    }
}

/// A call under way; one that is given up ends its span all the same.
#[derive(Debug)]
pub(super) struct BegunCall(Span);

impl BegunCall {
    /// One that is called this and goes there; none where no spans are sent.
    pub(super) fn new(name: &'static str, host: impl FnOnce() -> String) -> Option<Self> {
        let tracer = TRACER.get()?;
        let builder = tracer.span_builder(name).with_kind(SpanKind::Client);
        let builder = builder.with_attributes([
            KeyValue::new("http.request.method", "POST"),
            KeyValue::new("server.address", host()),
        ]);
        Some(Self(builder.start_with_context(tracer, &Context::new())))
    }

    /// The header by which it is passed on.
    pub(super) fn traceparent(&self) -> String {
        let context = self.0.span_context();
        traceparent(context.trace_id(), context.span_id(), context.is_sampled())
    }

    /// It is over.
    pub(super) fn end(mut self, outcome: CallOutcome) {
        match outcome {
            CallOutcome::Status(status) => {
                let status_code = KeyValue::new("http.response.status_code", i64::from(status));
                self.0.set_attribute(status_code);
                if status >= CALL_ERROR {
                    self.0.set_status(Status::error(""));
                }
            }
            CallOutcome::Failed(why) => {
                self.0.set_attribute(KeyValue::new("error.type", why));
                self.0.set_status(Status::error(why));
            }
        }
        self.0.end();
    }
}

/// The header (W3C Trace Context, version 00).
fn traceparent(trace: TraceId, span: SpanId, is_sampled: bool) -> String {
    format!("00-{trace}-{span}-{:02x}", u8::from(is_sampled))
}

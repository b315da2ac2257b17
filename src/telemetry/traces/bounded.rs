//! The bound of what waits to be sent, and what is counted: what was sent, and what was lost for want of room or because
//! nobody took it.
//!
//! `BatchSpanProcessor` has a bound of its own and tells nobody what it drops, so it is never let to drop anything: what has
//! no room does not come to it.

use super::super::seldom::Seldom;
use crate::{metrics, num};
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The most spans that wait; each has about a kilobyte.
const MOST: usize = 2048;

thread_local! {
    /// That spans were not taken, as the thread that sends them says.
    static REFUSED: Seldom = const { Seldom::new() };
}

/// Takes spans in as far as there is room.
#[derive(Debug)]
pub(super) struct BoundedProcessor {
    /// Puts them together and has them sent, on a thread of its own.
    batches: BatchSpanProcessor,
    /// How many wait.
    waiting: Arc<AtomicUsize>,
}

impl BoundedProcessor {
    /// Has spans sent by this.
    pub(super) fn new(exporter: impl SpanExporter + 'static) -> Self {
        let waiting = Arc::<AtomicUsize>::default();
        let exporter = CountingExporter { exporter, waiting: Arc::clone(&waiting) };
        let config = BatchConfigBuilder::default().with_max_queue_size(MOST).build();
        Self { batches: BatchSpanProcessor::new(exporter, config), waiting }
    }
}

impl SpanProcessor for BoundedProcessor {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < MOST {
            self.batches.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            metrics::count(|cells| cells.tallies.spans_lost.add(1));
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Sends spans and counts what came of it.
#[derive(Debug)]
struct CountingExporter<E> {
    /// What sends them.
    exporter: E,
    /// How many wait.
    waiting: Arc<AtomicUsize>,
}

impl<E: SpanExporter> SpanExporter for CountingExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        // Those that are being sent have left the queue.
        self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
        let size = num::counter(batch.len());
        let sent = self.exporter.export(batch).await;
        metrics::count(|cells| match sent {
            Ok(()) => cells.tallies.spans_sent.add(size),
            Err(_) => cells.tallies.spans_lost.add(size),
        });
        if let Err(error) = &sent
            && REFUSED.with(Seldom::is_due)
        {
            tracing::warn!(%error, "spans were not taken and are lost; said once a minute at most");
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use std::sync::{Condvar, Mutex};

    /// An exporter that is held up until it is let on, and notes the sizes of its batches.
    #[derive(Clone, Debug, Default)]
    struct HeldUp(Arc<(Mutex<HeldState>, Condvar)>);

    /// How it stands.
    #[derive(Debug, Default)]
    struct HeldState {
        /// Whether it may go on.
        is_let_on: bool,
        /// Batches that have come.
        came: Vec<usize>,
    }

    impl HeldUp {
        /// Lets it on.
        fn let_on(&self) {
            self.0.0.lock().unwrap().is_let_on = true;
            self.0.1.notify_all();
        }

        /// Waits until a batch has come.
        fn wait_for_batch(&self) {
            let state = self.0.0.lock().unwrap();
            drop(self.0.1.wait_while(state, |state| state.came.is_empty()).unwrap());
        }

        /// How many spans have come.
        fn came(&self) -> usize {
            self.0.0.lock().unwrap().came.iter().sum()
        }
    }

    impl SpanExporter for HeldUp {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            let mut state = self.0.0.lock().unwrap();
            state.came.push(batch.len());
            self.0.1.notify_all();
            drop(self.0.1.wait_while(state, |state| !state.is_let_on).unwrap());
            Ok(())
        }
    }

    #[test]
    fn what_has_no_room_is_counted_and_nobody_waits() {
        let exporter = HeldUp::default();
        let processor = BoundedProcessor::new(exporter.clone());
        let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
        let tracer = provider.tracer("test");
        let spans = |count: usize| (0..count).for_each(|_| tracer.start("span").end());
        let lost = || metrics::here().tallies.spans_lost.get();
        // A full batch is under way, and the sender stands still.
        spans(512);
        exporter.wait_for_batch();
        let under_way = exporter.came();
        let waiting = 512 - under_way;
        spans(MOST - waiting);
        assert_eq!(lost(), 0);
        spans(100);
        assert_eq!(lost(), 100);
        exporter.let_on();
        provider.shutdown_with_timeout(Duration::from_mins(1)).unwrap();
        assert_eq!(exporter.came(), 512 + MOST - waiting);
    }
}

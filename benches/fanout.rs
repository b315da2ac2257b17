//! What it costs to hand one event to many connections, the sockets left out: `cargo bench --bench fanout`.

#![expect(clippy::unwrap_used, reason = "in a benchmark, a panic is the report")]

#[path = "rig/text.rs"]
mod text;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use warren::actor::Settings;
use warren::delivery::flight::FlightCount;
use warren::delivery::pressure::Pressure;
use warren::delivery::send_queue::{FrameBatch, SendQueue};
use warren::domain::{ChannelId, Message, RawJson};
use warren::protocol::{EncodedEvent, Event, Profile};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let event = Event::Message {
        channel: ChannelId::trusted("room_1"),
        message: Message {
            event: "CHAT_LINE".into(),
            data: RawJson::parse(&text::document(128)).unwrap(),
        },
    };
    let mut group = criterion.benchmark_group("fanout");
    for connections in [10_usize, 100, 1000, 10_000] {
        let pressure = Rc::new(Pressure::new(Settings::default().outgoing()));
        let mut outboxes: Vec<SendQueue> =
            (0..connections).map(|_| SendQueue::new(Rc::clone(&pressure))).collect();
        group.throughput(Throughput::Elements(connections.try_into().unwrap()));
        group.bench_function(BenchmarkId::from_parameter(connections), |bencher| {
            let fresh = || EncodedEvent::new(event.clone());
            bencher.iter_batched(
                fresh,
                |dispatch| deliver(&dispatch, &mut outboxes),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    criterion.final_summary();
}

/// Encodes an event, queues it everywhere and takes it out again.
fn deliver(dispatch: &EncodedEvent, outboxes: &mut [SendQueue]) {
    for send_queue in &mut *outboxes {
        let bytes = dispatch.frame(Profile::default());
        send_queue.push(FrameBatch { bytes, told: FlightCount::default() }).unwrap();
    }
    let context = Context::from_waker(Waker::noop());
    for send_queue in outboxes {
        assert!(matches!(send_queue.poll_take(&context), Poll::Ready(Some(_))));
    }
}

//! What the rules of a connection cost: `cargo bench --bench machine`.

#[path = "rig/text.rs"]
mod text;

use criterion::{BenchmarkId, Criterion};
use std::hint::black_box;
use std::time::Duration;
use warren::protocol::{Machine, Rate, Timing, Wire};

/// The intervals of a server as it comes.
const TIMING: Timing = Timing {
    heartbeat: Duration::from_secs(30),
    silence: Duration::from_secs(90),
    identify: Duration::from_secs(10),
    reply_floor: Duration::from_millis(2),
    publishes: Rate { per_second: 0, burst: 0 },
};

/// IDENTIFY.
const IDENTIFY: &str = r#"{"op":2,"d":{"project_id":"project_MzA0NzI","token":"leap_token_c19"}}"#;
/// SUBSCRIBE.
const SUBSCRIBE: &str = r#"{"op":0,"d":{"e":"SUBSCRIBE","c":"room_1","d":null}}"#;
/// A heartbeat.
const HEARTBEAT: &str = r#"{"op":3,"d":{"tag":"17"}}"#;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let data = text::document(128);
    let message = format!(
        r#"{{"op":0,"d":{{"e":"MESSAGE","c":"room_1","d":{{"e":"CHAT_LINE","d":{data}}}}}}}"#
    );
    let mut group = criterion.benchmark_group("machine");
    group.bench_function("enter", |bencher| bencher.iter(enter));
    for messages in [0_u32, 10, 100] {
        let id = BenchmarkId::new("life", messages);
        group.bench_with_input(id, &messages, |bencher, &messages| {
            bencher.iter(|| life(messages, &message));
        });
    }
    group.bench_function("heartbeat", |bencher| {
        let (mut machine, mut now) = (enter(), Duration::from_secs(1));
        bencher.iter(|| {
            now += Duration::from_millis(2);
            black_box(machine.on_text(now, black_box(HEARTBEAT)));
            machine.on_timeout(now + TIMING.reply_floor)
        });
    });
    group.bench_function("message", |bencher| {
        let mut machine = enter();
        bencher.iter(|| machine.on_text(Duration::from_secs(1), black_box(&message)));
    });
    group.finish();
    criterion.final_summary();
}

/// A connection that has identified.
fn enter() -> Machine {
    let mut machine = Machine::open(TIMING, Wire::default());
    black_box(machine.hello());
    let now = Duration::from_millis(1);
    black_box(machine.on_text(now, black_box(IDENTIFY)));
    black_box(machine.identified(now));
    machine
}

/// A connection that identifies, subscribes, publishes so often and sends a heartbeat.
fn life(messages: u32, message: &str) {
    let mut machine = enter();
    let now = Duration::from_millis(2);
    black_box(machine.on_text(now, black_box(SUBSCRIBE)));
    let due = machine.deadline().unwrap_or(now);
    black_box(machine.on_timeout(due));
    for _ in 0..messages {
        black_box(machine.on_text(due, black_box(message)));
    }
    black_box(machine.on_text(due, black_box(HEARTBEAT)));
    black_box(machine.on_timeout(due + TIMING.reply_floor));
}

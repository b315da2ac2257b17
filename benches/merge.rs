//! What a change of a state costs, each kind on states of three sizes: `cargo bench --bench merge`.

#![expect(clippy::unwrap_used, reason = "in a benchmark, a panic is the report")]

#[path = "rig/text.rs"]
mod text;

use criterion::{BenchmarkId, Criterion, Throughput};
use std::hint::black_box;
use warren::domain::{RawJson, State, StateChange};

/// Sizes of states, bytes; the last is near the most that a server takes as it comes.
const SIZES: [usize; 3] = [256, 4096, 60_000];

/// The bound on states.
const LIMIT: usize = 1 << 20;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for bytes in SIZES {
        let raw = |text: &str| RawJson::parse(text).unwrap();
        let state = State::new(raw(&text::document(bytes)), LIMIT).unwrap();
        let changes = [
            ("replace", StateChange::Replace(raw(&text::document(bytes)))),
            ("shallow", StateChange::Shallow(raw(r#"{"seen":1700000000001,"typing":["ann"]}"#))),
            ("merge", StateChange::Merge(raw(r#"{"seen":1700000000001,"gone":null,"a":{"b":1}}"#))),
            (
                "operations",
                StateChange::Operations(raw(
                    r#"[{"op":"replace","path":"/seen","value":1},{"op":"add","path":"/a","value":[1,2]}]"#,
                )),
            ),
        ];
        let mut group = criterion.benchmark_group("merge");
        group.throughput(Throughput::Bytes(bytes.try_into().unwrap()));
        for (name, change) in &changes {
            group.bench_function(BenchmarkId::new(*name, bytes), |bencher| {
                bencher.iter(|| black_box(&state).apply(black_box(change), LIMIT).unwrap());
            });
        }
        group.finish();
    }
    criterion.final_summary();
}

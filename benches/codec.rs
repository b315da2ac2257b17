//! What it costs to read a client's frame and to spell one of the server: `cargo bench --bench codec`.

#![expect(clippy::unwrap_used, reason = "in a benchmark, a panic is the report")]

#[path = "rig/text.rs"]
mod text;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use std::hint::black_box;
use warren::domain::{
    Capabilities, Channel, ChannelId, ChannelKey, ConnectionId, Message, ProjectId, RawJson, State,
    Timestamp, Version, Visibility,
};
use warren::protocol::{ClientFrame, EncodedEvent, Encoding, Event, Profile, Scope, Wire, etf};

/// Sizes of payloads: a chat line, a document, a large document.
const SIZES: [usize; 3] = [128, 4096, 65_536];

/// The four ways to spell a payload.
const WIRES: [(&str, Wire); 4] = [
    ("json", Wire { encoding: Encoding::Json, is_zlib: false }),
    ("json_zlib", Wire { encoding: Encoding::Json, is_zlib: true }),
    ("etf", Wire { encoding: Encoding::Etf, is_zlib: false }),
    ("etf_zlib", Wire { encoding: Encoding::Etf, is_zlib: true }),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    check(&mut criterion);
    parse(&mut criterion);
    terms(&mut criterion);
    encode(&mut criterion);
    init(&mut criterion);
    criterion.final_summary();
}

/// A message with so many bytes of data.
fn message(bytes: usize) -> Event {
    Event::Message {
        channel: ChannelId::trusted("channel_MTIzNDU2Nzg5MDEyMzQ1Njc4OQ"),
        message: Message {
            event: "CHAT_LINE".into(),
            data: RawJson::parse(&text::document(bytes)).unwrap(),
        },
    }
}

/// What every part that is passed on goes through.
fn check(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("check");
    for bytes in SIZES {
        let text = text::document(bytes);
        group.throughput(Throughput::Bytes(bytes.try_into().unwrap()));
        group.bench_with_input(BenchmarkId::from_parameter(bytes), &text, |bencher, text| {
            bencher.iter(|| RawJson::parse(black_box(text)).unwrap());
        });
    }
    group.finish();
}

/// The frames that clients send.
fn parse(criterion: &mut Criterion) {
    let publish = |bytes| {
        let data = text::document(bytes);
        format!(
            r#"{{"op":0,"d":{{"e":"MESSAGE","c":"room_1","d":{{"e":"CHAT_LINE","d":{data}}}}}}}"#
        )
    };
    let state = text::document(4096);
    let frames = [
        (
            "identify",
            r#"{"op":2,"d":{"project_id":"project_MzA0NzI","token":"leap_token_c19iYWJj"}}"#
                .to_owned(),
        ),
        ("heartbeat", r#"{"op":3,"d":{"tag":"17"}}"#.to_owned()),
        ("subscribe", r#"{"op":0,"d":{"e":"SUBSCRIBE","c":"room_1","d":null}}"#.to_owned()),
        ("message/128", publish(128)),
        ("message/4096", publish(4096)),
        ("message/65536", publish(65_536)),
        (
            "set_state/4096",
            format!(r#"{{"op":0,"d":{{"e":"SET_CHANNEL_STATE","c":"room_1","d":{state}}}}}"#),
        ),
    ];
    let mut group = criterion.benchmark_group("parse");
    for (name, frame) in &frames {
        group.throughput(Throughput::Bytes(frame.len().try_into().unwrap()));
        group.bench_function(*name, |bencher| {
            bencher.iter(|| ClientFrame::decode(black_box(frame)).unwrap());
        });
    }
    group.finish();
}

/// Terms to JSON and back.
fn terms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("etf");
    for bytes in SIZES {
        let json = text::document(bytes);
        let terms = etf::from_json(&json);
        group.throughput(Throughput::Bytes(bytes.try_into().unwrap()));
        group.bench_with_input(BenchmarkId::new("from_json", bytes), &json, |bencher, json| {
            bencher.iter(|| etf::from_json(black_box(json)));
        });
        group.bench_with_input(BenchmarkId::new("to_json", bytes), &terms, |bencher, terms| {
            bencher.iter(|| etf::to_json(black_box(terms), usize::MAX).unwrap());
        });
    }
    group.finish();
}

/// A message in all its spellings, each time from the start.
fn encode(criterion: &mut Criterion) {
    for (name, wire) in WIRES {
        let mut group = criterion.benchmark_group(format!("encode/{name}"));
        let profile = Profile { wire, ..Profile::default() };
        for bytes in SIZES {
            let event = message(bytes);
            group.throughput(Throughput::Bytes(bytes.try_into().unwrap()));
            group.bench_with_input(BenchmarkId::new("message", bytes), &event, |bencher, event| {
                let fresh = || EncodedEvent::new(event.clone());
                let frame = |dispatch: EncodedEvent| (dispatch.frame(profile), dispatch);
                bencher.iter_batched(fresh, frame, BatchSize::SmallInput);
            });
        }
        group.finish();
    }
}

/// INIT with twenty channels.
fn init(criterion: &mut Criterion) {
    let channel = |number: usize| Channel {
        key: ChannelKey {
            project: ProjectId::from("project_MzA0NzI"),
            id: ChannelId::trusted(&format!("room_{number}")),
        },
        visibility: Visibility::Public,
        capabilities: Capabilities::default(),
        state: State::trusted(&text::document(256)),
        version: Version::FIRST,
        created_at: Timestamp(1_700_000_000_000),
    };
    let event = Event::Init {
        cid: ConnectionId::from("connection_1"),
        connection_count: 1,
        metadata: RawJson::parse(r#"{"name":"Ann"}"#).unwrap(),
        scope: Scope::Token,
        channels: (0..20).map(channel).collect(),
        missed: 0,
        extensions: None,
        standing: None,
    };
    let profile = Profile { has_versions: true, ..Profile::default() };
    criterion.bench_function("encode/json/init", |bencher| {
        let fresh = || EncodedEvent::new(event.clone());
        let frame = |dispatch: EncodedEvent| (dispatch.frame(profile), dispatch);
        bencher.iter_batched(fresh, frame, BatchSize::SmallInput);
    });
}

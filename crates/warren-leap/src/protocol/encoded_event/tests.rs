//! The canonical frames of `docs/CLIENTS.md`, Socket, byte for byte.

use super::super::wire::Encoding;
use super::super::{etf, frame};
use super::*;
use crate::domain::{Capabilities, ChannelKey, Epoch, ProjectId, Timestamp, Visibility};
use proptest::prelude::*;
use std::sync::Arc;

/// The text inside a short frame.
fn text_of(frame: &Bytes) -> String {
    let start = if frame[1] < 126 { 2 } else { 4 };
    String::from_utf8(frame[start..].to_vec()).unwrap()
}

/// What connections without extensions get.
fn plain(event: Event) -> String {
    text_of(&EncodedEvent::new(event).frame(Profile::default()))
}

/// A channel called `room`.
fn room() -> Channel {
    Channel {
        key: ChannelKey { project: ProjectId::from("project_x"), id: ChannelId::trusted("room") },
        visibility: Visibility::Unprotected,
        capabilities: Capabilities::default(),
        state: State::empty(),
        version: Version(3),
        created_at: Timestamp(0),
    }
}

/// A message with this data.
fn message(data: &str) -> Message {
    Message { event: Arc::from("NAME"), data: RawJson::parse(data).unwrap() }
}

#[test]
fn frames_have_the_canonical_shape() {
    assert_eq!(
        text_of(&hello(Wire::default(), 30_000)),
        r#"{"op":1,"d":{"heartbeat_interval":30000}}"#
    );
    assert_eq!(text_of(&heartbeat_ack(Wire::default(), None, Some(3))), r#"{"op":4}"#);
    assert_eq!(
        text_of(&heartbeat_ack(Wire::default(), Some("abc"), Some(12))),
        r#"{"op":4,"d":{"tag":"abc","latency":12}}"#
    );
    assert_eq!(
        text_of(&heartbeat_ack(Wire::default(), Some("a\"b"), None)),
        r#"{"op":4,"d":{"tag":"a\"b"}}"#
    );
    let init = Event::Init {
        cid: ConnectionId::from("c1"),
        connection_count: 1,
        metadata: RawJson::null(),
        scope: Scope::NoAuth,
        channels: vec![],
        missed: 0,
        extensions: None,
        standing: None,
    };
    assert_eq!(
        plain(init),
        r#"{"op":0,"d":{"c":null,"u":true,"e":"INIT","d":{"cid":"c1","connection_count":1,"metadata":null,"scope":"noauth","channels":[]}}}"#
    );
    assert_eq!(
        plain(Event::Available { channel: room(), recovered: None }),
        r#"{"op":0,"d":{"c":"room","u":false,"e":"AVAILABLE","d":{"channel":{"id":"room","project_id":"project_x","type":"unprotected","state":{},"capabilities":0}}}}"#
    );
    let refused = Event::Unavailable {
        channel: Some("room".into()),
        is_graceful: false,
        error_code: Some(ErrorCode::NotGranted),
        is_unicast: true,
    };
    assert_eq!(
        plain(refused),
        r#"{"op":0,"d":{"c":"room","u":true,"e":"UNAVAILABLE","d":{"graceful":false,"error_code":"NOT_GRANTED"}}}"#
    );
    let update = Event::StateUpdate {
        channel: ChannelId::trusted("room"),
        state: State::empty(),
        version: Version(4),
    };
    assert_eq!(
        plain(update),
        r#"{"op":0,"d":{"c":"room","u":false,"e":"STATE_UPDATE","d":{"state":{}}}}"#
    );
    assert_eq!(
        plain(Event::Message { channel: ChannelId::trusted("ro\"om"), message: message("{}") }),
        r#"{"op":0,"d":{"c":"ro\"om","u":false,"e":"MESSAGE","d":{"e":"NAME","d":{}}}}"#
    );
    assert_eq!(
        plain(Event::DirectMessage { message: message("null"), is_unicast: false }),
        r#"{"op":0,"d":{"c":null,"u":false,"e":"DIRECT_MESSAGE","d":{"e":"NAME","d":null}}}"#
    );
}

#[test]
fn a_mail_is_a_direct_message_and_names_itself_to_those_who_asked_for_positions() {
    let id = MailId(Position { epoch: Epoch(0x2a), offset: 9 });
    let mail = EncodedEvent::new(Event::Mail { message: message("7"), id });
    let mail = mail.said_at(Position { epoch: Epoch(0x1f), offset: 3 });
    let direct = Event::DirectMessage { message: message("7"), is_unicast: false };
    assert_eq!(text_of(&mail.frame(Profile::default())), plain(direct));
    let asked = Profile { has_positions: true, ..Profile::default() };
    assert_eq!(
        text_of(&mail.frame(asked)),
        r#"{"op":0,"d":{"c":null,"u":false,"e":"DIRECT_MESSAGE","s":"1f-3","id":"mail_2a-9","d":{"e":"NAME","d":7}}}"#
    );
}

#[test]
fn versions_are_shown_to_those_who_asked() {
    let available = EncodedEvent::new(Event::Available { channel: room(), recovered: None });
    let asked = Profile { has_versions: true, ..Profile::default() };
    assert!(text_of(&available.frame(asked)).contains(r#""capabilities":0,"version":3}"#));
    assert!(!text_of(&available.frame(Profile::default())).contains("version"));
}

#[test]
fn all_receivers_share_one_encoding() {
    let dispatch = EncodedEvent::new(Event::Message {
        channel: ChannelId::trusted("r"),
        message: message("1.50"),
    });
    let (one, other) = (
        dispatch.frame(Profile::default()),
        dispatch.frame(Profile { has_versions: true, ..Profile::default() }),
    );
    assert_eq!(one.as_ptr(), other.as_ptr());
    assert!(text_of(&one).contains(r#""d":1.50}"#));
}

#[test]
fn extensions_have_their_frames() {
    let error = Event::Error { refusal: Refusal::NotSubscribed, reference: Some("r\"1".into()) };
    assert_eq!(
        plain(error),
        r#"{"op":0,"d":{"c":null,"u":true,"e":"ERROR","d":{"code":"not_subscribed","message":"not subscribed to this channel","ref":"r\"1"}}}"#
    );
    let ack = |done| plain(Event::Ack { reference: "r1".into(), done });
    assert_eq!(
        ack(Acknowledged { version: Some(Version(2)), ..Acknowledged::default() }),
        r#"{"op":0,"d":{"c":null,"u":true,"e":"ACK","d":{"ref":"r1","version":2}}}"#
    );
    let position = Some(Position { epoch: Epoch(0x1f), offset: 7 });
    let said = Acknowledged { position, ..Acknowledged::default() };
    assert!(ack(said).ends_with(r#""d":{"ref":"r1","s":"1f-7"}}}"#));
    let repeat = Acknowledged { is_repeat: true, ..said };
    assert!(ack(repeat).ends_with(r#""d":{"ref":"r1","s":"1f-7","replayed":true}}}"#));
    let who = Member { id: Arc::from("member_x"), data: RawJson::null(), token: None };
    let member = PresentMember { member: Arc::new(who), connections: 2, since: Timestamp(0) };
    let (channel, members) = (ChannelId::trusted("r"), vec![member]);
    let state = Event::PresenceState { channel, members, from: 2, count: 3 };
    assert_eq!(state.needs(), Some(Extension::Presence));
    assert_eq!(
        plain(state),
        r#"{"op":0,"d":{"c":"r","u":true,"e":"PRESENCE_STATE","d":{"members":[{"id":"member_x","data":null,"connections":2,"since":"1970-01-01T00:00:00.000Z"}],"from":2,"count":3}}}"#
    );
}

/// A state of `room` at version 8 that follows another one.
fn update(before: &str, state: &str) -> EncodedEvent {
    let (channel, state) = (ChannelId::trusted("room"), State::trusted(state));
    let event = Event::StateUpdate { channel, state, version: Version(8) };
    EncodedEvent::new(event).after(State::trusted(before), Version(7))
}

#[test]
fn a_state_is_a_patch_to_those_who_asked_where_that_is_shorter() {
    let deltas = Profile { has_versions: true, has_deltas: true, ..Profile::default() };
    let data = |event: &EncodedEvent, profile| {
        let text = text_of(&event.frame(profile));
        let data = text.strip_prefix(r#"{"op":0,"d":{"c":"room","u":false,"e":"STATE_UPDATE","#);
        data.and_then(|data| data.strip_suffix("}}")).unwrap_or(&text).to_owned()
    };
    let whole = r#"{"a":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","n":2}"#;
    let changed = update(r#"{"a":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","n":1}"#, whole);
    let patch = r#""d":{"version":8,"from":7,"patch":{"n":2}}"#;
    assert_eq!(data(&changed, deltas), patch);
    let etf = Profile { wire: Wire { encoding: Encoding::Etf, is_zlib: false }, ..deltas };
    let read = etf::to_json(frame::payload_of(&changed.frame(etf)), 1000).unwrap();
    assert!(read.contains(patch), "{read}");
    let positioned = changed.said_at(Position { epoch: Epoch(1), offset: 2 });
    let with_positions = Profile { has_positions: true, ..deltas };
    assert!(data(&positioned, with_positions).ends_with(patch));
    assert!(data(&positioned, with_positions).starts_with(r#""s":""#));
    assert_eq!(data(&positioned, deltas), patch);
    let versions = Profile { has_deltas: false, ..deltas };
    let shown = format!(r#""d":{{"state":{whole},"version":8}}"#);
    assert_eq!(data(&positioned, versions), shown);
    assert_eq!(data(&positioned.whole(), deltas), shown);
    assert!(!positioned.frame(Profile::default()).is_empty());
    // What is no shorter, or cannot be said, is shown whole.
    for (before, state) in [(r#"{"a":1}"#, r#"{"a":2}"#), (whole, r#"{"a":null}"#)] {
        let shown = format!(r#""d":{{"state":{state},"version":8}}"#);
        assert_eq!(data(&update(before, state), deltas), shown);
    }
}

#[test]
fn a_patch_is_made_once_and_only_for_those_who_asked() {
    let changed = update(&format!(r#"{{"a":"{}"}}"#, "x".repeat(99)), r#"{"a":"","b":1}"#);
    changed.frame(Profile { has_versions: true, ..Profile::default() });
    let looked = || changed.extended.get().and_then(|extended| extended.patch.get());
    assert!(looked().is_none());
    let deltas = Profile { has_versions: true, has_deltas: true, ..Profile::default() };
    changed.frame(deltas);
    let first = looked().map(std::ptr::from_ref);
    let (one, other) = (changed.frame(deltas), changed.frame(deltas));
    assert_eq!(one.as_ptr(), other.as_ptr());
    changed.frame(Profile { has_positions: true, ..deltas });
    assert!(first.is_some() && looked().map(std::ptr::from_ref) == first);
}

#[test]
fn a_client_of_terms_hears_the_same() {
    let event = Event::StateUpdate {
        channel: ChannelId::trusted("room"),
        state: State::empty(),
        version: Version(9_007_199_254_740_993),
    };
    let dispatch = EncodedEvent::new(event);
    for has_versions in [false, true] {
        let json = Profile { has_versions, ..Profile::default() };
        let etf = Wire { encoding: Encoding::Etf, is_zlib: true };
        let frame = dispatch.frame(Profile { has_versions, wire: etf, ..Profile::default() });
        assert_eq!(frame[0], 0x82);
        let read = etf::to_json(frame::payload_of(&frame), 1000).unwrap();
        assert_eq!(read, text_of(&dispatch.frame(json)));
    }
}

/// An INIT about channels with states of so many bytes, at least 8.
fn init_of(sizes: &[usize], metadata: &str) -> Event {
    let channels = sizes.iter().map(|bytes| {
        let state = State::trusted(&format!(r#"{{"x":"{}"}}"#, "x".repeat(bytes - 8)));
        Channel { state, ..room() }
    });
    Event::Init {
        cid: ConnectionId::from("c1"),
        connection_count: 1,
        metadata: RawJson::trusted(metadata),
        scope: Scope::Token,
        channels: channels.collect(),
        missed: 1,
        extensions: Some(vec!["version"]),
        standing: None,
    }
}

/// Sizes of states, many of them at the edge.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![8..300usize, SHARED_BYTES - 2..SHARED_BYTES + 3, 60_000..70_000usize];
    prop::collection::vec(size, 0..6)
}

proptest! {
    #[test]
    fn the_pieces_of_an_init_are_its_frame_byte_for_byte(
        sizes in sizes(),
        metadata in prop_oneof![Just("null"), Just(r#"{"é":1}"#)],
        has_versions: bool,
    ) {
        let profile = Profile { has_versions, ..Profile::default() };
        let init = EncodedEvent::new(init_of(&sizes, metadata));
        let large = sizes.iter().filter(|bytes| **bytes >= SHARED_BYTES).count();
        let pieces = init.pieces(profile);
        prop_assert_eq!(pieces.as_ref().map(Vec::len), (large > 0).then_some(2 * large + 1));
        if let Some(pieces) = pieces {
            prop_assert!(init.is_made(profile));
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
            prop_assert_eq!(pieces.concat(), init.frame(profile).to_vec());
        }
    }
}

#[test]
fn a_large_state_is_the_same_bytes_in_every_init_and_copied_for_other_spellings() {
    let event = init_of(&[SHARED_BYTES], "null");
    let Event::Init { channels, .. } = &event else { panic!() };
    let state = channels[0].state.json().as_str().as_ptr();
    for _ in 0..2 {
        let pieces = EncodedEvent::new(event.clone()).pieces(Profile::default()).unwrap();
        assert_eq!(pieces[1].as_ptr(), state);
    }
    for (encoding, is_zlib) in [(Encoding::Json, true), (Encoding::Etf, false)] {
        let profile = Profile { wire: Wire { encoding, is_zlib }, ..Profile::default() };
        let init = EncodedEvent::new(event.clone());
        assert!(init.pieces(profile).is_none() && !init.is_made(profile));
    }
}

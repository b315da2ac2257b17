//! The machine's rules, in virtual time.

use super::liveness::{ANSWER, LATE, SECOND_LOOK};
use super::*;

/// The defaults of the product.
const TIMING: Timing = Timing {
    heartbeat: Duration::from_secs(30),
    silence: Duration::from_secs(90),
    identify: Duration::from_secs(10),
    reply_floor: Duration::from_millis(2),
    publishes: Rate { per_second: 100, burst: 200 },
};

/// What a connection has that asked for nothing.
const JSON: Wire = Wire { encoding: Encoding::Json, is_zlib: false };
/// What a connection has that asked for terms.
const ETF: Wire = Wire { encoding: Encoding::Etf, is_zlib: false };

/// So many milliseconds after the opening.
const fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A connection that has said HELLO.
fn opened() -> Machine {
    Machine::open(TIMING, JSON)
}

/// A connection whose INIT went out at 100 ms.
fn identified() -> Machine {
    let mut machine = opened();
    assert!(matches!(machine.on_text(at(0), IDENTIFY)[..], [Action::Identify(_)]));
    assert_eq!(machine.identified(at(100)), []);
    machine
}

const IDENTIFY: &str = r#"{"op":2,"d":{"project_id":"p"}}"#;
const SUBSCRIBE: &str = r#"{"op":0,"d":{"e":"SUBSCRIBE","c":"r","d":null}}"#;
const MESSAGE: &str = r#"{"op":0,"d":{"e":"MESSAGE","c":"r","d":{"e":"X"}}}"#;
const HEARTBEAT: &str = r#"{"op":3}"#;

/// The code of the only action, a close.
fn code(actions: &[Action]) -> CloseCode {
    match actions {
        [Action::Close(close) | Action::Finish(Some(close))] => close.code,
        other => panic!("no close: {other:?}"),
    }
}

#[test]
fn heartbeats_are_answered_before_identify_but_never_at_once() {
    let mut machine = opened();
    assert_eq!(machine.on_text(at(5), HEARTBEAT), []);
    assert_eq!(machine.on_timeout(Duration::from_micros(6999)), []);
    assert_eq!(machine.deadline(), Some(at(7)));
    assert_eq!(
        machine.on_timeout(at(7)),
        [Action::Send(encoded_event::heartbeat_ack(JSON, None, None))]
    );
}

#[test]
fn nothing_overtakes_a_frame_that_waits() {
    let mut machine = identified();
    assert_eq!(machine.on_text(at(200), SUBSCRIBE), []);
    assert_eq!(machine.on_text(at(200), MESSAGE), []);
    let served = machine.on_timeout(at(202));
    assert!(matches!(
        served[..],
        [
            Action::Serve(ClientFrame { command: ClientCommand::Subscribe { .. }, .. }),
            Action::Serve(ClientFrame { command: ClientCommand::Publish { .. }, .. })
        ]
    ));
    assert!(matches!(machine.on_text(at(203), MESSAGE)[..], [Action::Serve(_)]));
}

#[test]
fn service_payloads_wait_for_init_and_heartbeats_before_them_do_not() {
    let mut machine = opened();
    machine.on_text(at(0), IDENTIFY);
    assert_eq!(machine.on_text(at(1), HEARTBEAT), []);
    assert_eq!(machine.on_text(at(1), MESSAGE), []);
    assert!(matches!(machine.on_timeout(at(50))[..], [Action::Send(_)]));
    let actions = machine.identified(at(60));
    assert!(matches!(
        actions[..],
        [Action::Serve(ClientFrame { command: ClientCommand::Publish { .. }, .. })]
    ));
}

#[test]
fn identify_has_ten_seconds() {
    let mut machine = opened();
    assert_eq!(machine.on_timeout(at(9_999)), []);
    assert_eq!(machine.deadline(), Some(at(10_000)));
    assert_eq!(machine.on_timeout(at(10_000)), [], "it may lie unread");
    assert_eq!(machine.deadline(), Some(at(11_000)));
    assert_eq!(code(&machine.on_timeout(at(11_000))), CloseCode::IdentifyTimeout);
    assert_eq!(machine.deadline(), None);
}

#[test]
fn the_order_of_the_handshake_is_kept() {
    assert_eq!(code(&opened().on_text(at(0), MESSAGE)), CloseCode::NotAuthenticated);
    let mut early = opened();
    assert_eq!(early.on_text(at(0), SUBSCRIBE), []);
    assert_eq!(code(&early.on_timeout(at(2))), CloseCode::NotAuthenticated);
    let mut twice = opened();
    twice.on_text(at(0), IDENTIFY);
    assert_eq!(code(&twice.on_text(at(1), IDENTIFY)), CloseCode::InvalidPayload);
    assert_eq!(code(&identified().on_text(at(200), IDENTIFY)), CloseCode::InvalidPayload);
}

#[test]
fn bad_frames_have_their_codes() {
    assert_eq!(code(&opened().on_text(at(0), r#"{"op":9}"#)), CloseCode::UnknownOpcode);
    assert_eq!(code(&opened().on_text(at(0), "[]")), CloseCode::InvalidPayload);
    assert_eq!(code(&opened().on_binary(at(0), b"{}", 1000)), CloseCode::InvalidPayload);
}

#[test]
fn terms_are_heard_and_answered_in_terms() {
    let mut machine = Machine::open(TIMING, ETF);
    assert_eq!(machine.hello(), Action::Send(encoded_event::hello(ETF, 30_000)));
    assert_eq!(machine.on_binary(at(5), &etf::from_json(HEARTBEAT), 1000), []);
    assert_eq!(
        machine.on_timeout(at(7)),
        [Action::Send(encoded_event::heartbeat_ack(ETF, None, None))]
    );
    let actions = machine.on_binary(at(8), &etf::from_json(IDENTIFY), 1000);
    assert!(matches!(actions[..], [Action::Identify(_)]));
}

#[test]
fn terms_that_are_no_payload_have_their_codes() {
    let opened = || Machine::open(TIMING, ETF);
    let refused = |bytes: &[u8]| code(&opened().on_binary(at(0), bytes, 1000));
    assert_eq!(code(&opened().on_text(at(0), HEARTBEAT)), CloseCode::InvalidPayload);
    assert_eq!(refused(HEARTBEAT.as_bytes()), CloseCode::InvalidPayload);
    assert_eq!(refused(&etf::from_json("[]")), CloseCode::InvalidPayload);
    assert_eq!(refused(&etf::from_json(r#"{"op":9}"#)), CloseCode::UnknownOpcode);
    let long = etf::from_json(&format!(r#"{{"op":3,"x":"{}"}}"#, "x".repeat(1000)));
    assert_eq!(refused(&long), CloseCode::TooBig);
}

#[test]
fn silence_ends_the_connection_when_its_time_has_passed() {
    let mut machine = identified();
    machine.on_text(at(30_000), HEARTBEAT);
    machine.on_timeout(at(30_002));
    assert!(machine.on_timeout(at(119_999)).iter().all(|action| matches!(action, Action::Send(_))));
    assert_eq!(machine.on_timeout(at(120_000)), [], "it may lie unread");
    assert_eq!(machine.deadline(), Some(at(121_000)));
    assert_eq!(machine.on_timeout(at(120_999)), []);
    assert_eq!(code(&machine.on_timeout(at(121_000))), CloseCode::OutOfSync);
}

#[test]
fn a_page_that_wakes_once_a_minute_lives_for_a_day() {
    for heartbeat in [1, 10, 30, 35, 60].map(Duration::from_secs) {
        let timing = Timing { heartbeat, silence: Timing::patience(heartbeat), ..TIMING };
        assert!(timing.silence >= Duration::from_secs(90));
        let mut machine = Machine::open(timing, JSON);
        machine.on_text(at(0), IDENTIFY);
        machine.identified(at(1));
        // The worst that can be: each beat is due right after the page slept in again.
        let (mut now, mut due) = (at(1), at(1) + heartbeat);
        while now < Duration::from_hours(24) {
            now += Duration::from_mins(1);
            machine.on_timeout(now);
            if now >= due {
                machine.on_text(now, HEARTBEAT);
                machine.on_timeout(now + TIMING.reply_floor);
                due = now + heartbeat;
            }
            assert!(!machine.is_closed(), "{heartbeat:?}: closed at {now:?}");
        }
    }
}

/// A heartbeat with a tag.
fn beat(tag: &str) -> String {
    format!(r#"{{"op":3,"d":{{"tag":"{tag}"}}}}"#)
}

/// A connection whose client has answered the first heartbeat of the server at 15 s, and the moment of its ack.
fn answering() -> (Machine, Duration) {
    let mut machine = identified();
    assert_eq!(machine.on_timeout(at(15_100)).len(), 1);
    machine.on_text(at(15_200), &beat("w1"));
    assert_eq!(machine.on_timeout(at(15_202)).len(), 1);
    (machine, at(15_202))
}

#[test]
fn who_has_answered_before_and_does_not_when_late_has_gone() {
    let (mut machine, _) = answering();
    let asked = at(15_200) + TIMING.heartbeat + LATE;
    assert_eq!(machine.deadline(), Some(asked));
    let question = Action::Send(encoded_event::heartbeat(JSON, "w2"));
    assert_eq!(machine.on_timeout(asked), [question]);
    assert_eq!(machine.deadline(), Some(asked + ANSWER));
    assert_eq!(machine.on_timeout(asked + ANSWER), [], "it may lie unread");
    let actions = machine.on_timeout(asked + ANSWER + SECOND_LOOK);
    assert_eq!(code(&actions), CloseCode::OutOfSync);
    // Who has never answered is given all its time: not every client can.
    let mut mute = identified();
    mute.on_timeout(at(15_100));
    assert!(mute.on_timeout(at(89_999)).is_empty());
    assert!(!mute.is_closed());
}

#[test]
fn a_page_that_nobody_sees_answers_and_stays() {
    let (mut machine, mut now) = answering();
    let mut asked = 0;
    while now < Duration::from_hours(1) {
        now = machine.deadline().unwrap();
        for action in machine.on_timeout(now) {
            let Action::Send(frame) = action else { panic!("{action:?}") };
            let text = String::from_utf8_lossy(&frame).into_owned();
            // Only the server's own are answered; the page's timer never fires.
            if let Some((_, tag)) = text.split_once(r#""op":3,"d":{"tag":""#) {
                asked += 1;
                let tag = tag.trim_end_matches(r#""}}"#).to_owned();
                machine.on_text(now + at(1), &beat(&tag));
            }
        }
    }
    assert!((90..110).contains(&asked), "{asked} in an hour: one for each heartbeat that is late");
}

#[test]
fn what_lay_unread_counts_after_a_pause() {
    let mut machine = identified();
    // Nothing ran for ten minutes, and the timer comes before what lies unread.
    assert_eq!(machine.on_timeout(at(600_000)), []);
    assert!(machine.is_in_doubt());
    assert_eq!(machine.on_text(at(600_001), HEARTBEAT), []);
    let actions = machine.on_timeout(at(601_000));
    assert!(matches!(actions[..], [Action::Send(_), Action::Send(_)]), "{actions:?}");
    assert!(!machine.is_in_doubt() && !machine.is_closed());
    let mut machine = opened();
    assert_eq!(machine.on_timeout(at(600_000)), []);
    assert!(matches!(machine.on_text(at(600_001), IDENTIFY)[..], [Action::Identify(_)]));
}

#[test]
fn who_sends_without_end_and_no_heartbeat_is_put_off_for_as_long_again() {
    let mut machine = identified();
    let mut now = at(90_000);
    assert_eq!(machine.on_timeout(now), []);
    while !machine.is_closed() {
        now = machine.deadline().unwrap();
        machine.put_off(now);
        machine.on_timeout(now);
    }
    assert_eq!(now, at(180_000));
}

#[test]
fn a_client_that_beats_every_interval_lives_for_a_day() {
    let mut machine = identified();
    for beat in 1..2880_u64 {
        let now = at(beat * 30_000);
        machine.on_text(now, HEARTBEAT);
        let actions = machine.on_timeout(now + TIMING.reply_floor);
        assert!(actions.iter().all(|action| matches!(action, Action::Send(_))), "{actions:?}");
    }
}

#[test]
fn ours_goes_out_half_an_interval_after_init_and_then_every_third_interval_and_tells_latency() {
    let mut machine = identified();
    let wire = Wire::default();
    assert_eq!(machine.on_timeout(at(15_099)), []);
    assert_eq!(
        machine.on_timeout(at(15_100)),
        [Action::Send(encoded_event::heartbeat(wire, "w1"))]
    );
    machine.on_text(at(15_131), r#"{"op":3,"d":{"tag":"w1"}}"#);
    let ack = machine.on_timeout(at(15_133));
    assert_eq!(ack, [Action::Send(encoded_event::heartbeat_ack(wire, Some("w1"), Some(33)))]);
    machine.on_text(at(60_000), HEARTBEAT);
    assert_eq!(machine.on_timeout(at(60_002)).len(), 1);
    machine.on_text(at(90_000), HEARTBEAT);
    assert_eq!(machine.on_timeout(at(90_002)).len(), 1);
    assert_eq!(machine.on_timeout(at(105_099)), []);
    assert_eq!(
        machine.on_timeout(at(105_100)),
        [Action::Send(encoded_event::heartbeat(wire, "w2"))]
    );
}

#[test]
fn foreign_tags_are_echoed_without_latency() {
    let mut machine = identified();
    machine.on_text(at(200), r#"{"op":3,"d":{"tag":"mine"}}"#);
    assert_eq!(
        machine.on_timeout(at(202)),
        [Action::Send(encoded_event::heartbeat_ack(JSON, Some("mine"), None))]
    );
}

#[test]
fn a_flood_congests_and_time_relieves_it() {
    let mut machine = identified();
    for _ in 0..MAX_WAITING {
        assert!(!machine.is_congested());
        machine.on_text(at(200), SUBSCRIBE);
    }
    assert!(machine.is_congested());
    assert_eq!(machine.on_timeout(at(202)).len(), MAX_WAITING);
    assert!(!machine.is_congested());
}

#[test]
fn nothing_happens_after_a_close() {
    let mut machine = identified();
    machine.close(CloseCode::GoingAway, "bye");
    assert_eq!(machine.on_text(at(300), MESSAGE), []);
    assert_eq!(machine.on_timeout(at(1_000_000)), []);
    assert_eq!(machine.close(CloseCode::Unknown, "again"), []);
}

#[test]
fn publishes_are_bounded_and_heartbeats_are_not() {
    let mut machine = identified();
    for _ in 0..200 {
        assert!(matches!(machine.on_text(at(200), MESSAGE)[..], [Action::Serve(_)]));
    }
    machine.on_text(at(200), HEARTBEAT);
    assert_eq!(machine.on_timeout(at(202)).len(), 1);
    assert!(matches!(machine.on_text(at(210), MESSAGE)[..], [Action::Serve(_)]), "one came back");
    assert_eq!(code(&machine.on_text(at(210), MESSAGE)), CloseCode::RateLimited);
}

#[test]
fn a_burst_behind_identify_waits_for_init_and_a_flood_ends_the_connection() {
    let mut machine = opened();
    machine.on_text(at(0), IDENTIFY);
    for _ in 0..MAX_EARLY {
        assert_eq!(machine.on_text(at(1), SUBSCRIBE), []);
        assert!(!machine.is_congested(), "nothing could end the pause");
    }
    let mut patient = opened();
    patient.on_text(at(0), IDENTIFY);
    for _ in 0..100 {
        patient.on_text(at(1), SUBSCRIBE);
    }
    assert_eq!(patient.identified(at(10)).len(), 100);
    assert_eq!(machine.on_text(at(1), SUBSCRIBE), []);
    let mut served = machine.identified(at(10));
    assert_eq!(code(&served.split_off(MAX_EARLY)), CloseCode::RateLimited);
    assert!(served.iter().all(|action| matches!(action, Action::Serve(_))));
}

/// The client's close, as the shell hands it over.
fn farewell() -> Close {
    Close::new(CloseCode::Echo(1000), "")
}

#[test]
fn an_end_comes_behind_what_was_read_before_it() {
    let mut machine = identified();
    assert_eq!(machine.on_text(at(200), HEARTBEAT), []);
    assert_eq!(machine.on_text(at(200), MESSAGE), []);
    assert_eq!(machine.finish(at(200), Some(farewell())), [], "two wait for their time");
    assert_eq!(machine.on_text(at(201), MESSAGE), [], "nothing is taken in any more");
    assert_eq!(machine.deadline(), Some(at(202)));
    let actions = machine.on_timeout(at(202));
    assert!(matches!(actions[..], [Action::Send(_), Action::Serve(_), Action::Finish(Some(_))]));
    assert_eq!(machine.finish(at(203), None), [], "it ends once");
    machine.finished();
    assert_eq!(machine.deadline(), None);
}

#[test]
fn an_end_between_identify_and_init_waits_for_init_only_with_frames_before_it() {
    let mut machine = opened();
    machine.on_text(at(0), IDENTIFY);
    assert_eq!(machine.finish(at(1), None), [Action::Finish(None)]);
    let mut machine = opened();
    machine.on_text(at(0), IDENTIFY);
    assert_eq!(machine.on_text(at(1), MESSAGE), []);
    assert_eq!(machine.finish(at(1), Some(farewell())), []);
    let actions = machine.identified(at(60));
    assert!(matches!(actions[..], [Action::Serve(_), Action::Finish(Some(_))]));
}

#[test]
fn an_end_has_its_time_too() {
    // Handed over and not served.
    let mut machine = identified();
    machine.on_text(at(200), MESSAGE);
    assert_eq!(machine.finish(at(200), Some(farewell())), [Action::Finish(Some(farewell()))]);
    assert_eq!(machine.deadline(), Some(at(200) + FINISH));
    assert_eq!(machine.on_timeout(at(200) + FINISH), [Action::GiveUp]);
    assert!(machine.is_closed());
    // Not even handed over, because INIT does not come.
    let mut machine = opened();
    machine.on_text(at(0), IDENTIFY);
    machine.on_text(at(0), MESSAGE);
    machine.finish(at(0), Some(farewell()));
    let given_up = [Action::Finish(Some(farewell())), Action::GiveUp];
    assert_eq!(machine.on_timeout(FINISH), given_up);
    assert_eq!(machine.deadline(), None);
}

#[test]
fn a_bad_frame_ends_behind_what_came_before_and_drops_what_follows() {
    let mut machine = identified();
    machine.on_text(at(200), SUBSCRIBE);
    machine.on_text(at(200), IDENTIFY);
    machine.on_text(at(200), MESSAGE);
    let actions = machine.on_timeout(at(202));
    assert!(matches!(actions[..], [Action::Serve(_), Action::Finish(Some(_))]), "{actions:?}");
    let mut machine = identified();
    machine.on_text(at(200), SUBSCRIBE);
    assert_eq!(machine.on_text(at(200), r#"{"op":9}"#), []);
    let actions = machine.on_timeout(at(202));
    assert!(matches!(actions[..], [Action::Serve(_), Action::Finish(Some(_))]), "{actions:?}");
}

#[test]
fn the_server_ends_at_once_even_behind_a_clients_end() {
    let mut machine = identified();
    machine.on_text(at(200), SUBSCRIBE);
    machine.finish(at(200), Some(farewell()));
    assert_eq!(code(&machine.close(CloseCode::GoingAway, "bye")), CloseCode::GoingAway);
    assert_eq!(machine.on_timeout(at(10_000)), []);
}

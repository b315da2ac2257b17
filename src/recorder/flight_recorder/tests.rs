//! What the rings keep, lose and tell.

use super::*;
use crate::domain::{ChannelId, ConnectionId, LeapTokenId, RawJson};
use crate::recorder::{ConnectionTape, RecordKind, RecordPage, RecordQuery, RecordedBody};

/// A time.
const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// A recorder of that many bytes for as many threads.
fn recorder(threads: usize, bytes: usize) -> Arc<FlightRecorder> {
    let bounds = RecorderBounds { bytes, ..RecorderBounds::default() };
    Arc::new(FlightRecorder::new(threads, bounds))
}

/// A project.
fn project(name: &str) -> ProjectId {
    ProjectId::from(name)
}

/// A message on a channel, with so many bytes of data.
fn message(channel: &str, bytes: usize) -> Recorded {
    let data = RawJson::trusted(format!("\"{}\"", "x".repeat(bytes)));
    let (channel, body) = (Some(ChannelId::trusted(channel)), RecordedBody::of(&data));
    Recorded { channel, body, ..Recorded::new(RecordKind::Message) }
}

/// What a recorder lives by, with a channel hidden besides.
fn hiding(recorder: &FlightRecorder, channel: &str) -> RecorderSettings {
    let rules = RecordRules::new(vec![channel.to_owned()], &[]).unwrap();
    RecorderSettings { bounds: recorder.bounds(), rules }
}

/// Somebody, who wants to see no frames.
fn looker() -> (Looker, Vec<Chosen>) {
    (Looker { by: Arc::from("ptkid_a"), address: None, filter: String::new() }, Vec::new())
}

/// A query without a filter.
fn all(after: Option<u64>) -> RecordQuery {
    RecordQuery { after, limit: 1000, ..RecordQuery::default() }
}

/// The channels of a page's entries.
fn channels(page: &RecordPage) -> Vec<&str> {
    let of = |channel: &'_ Option<ChannelId>| channel.as_ref().map_or("", |id| id.as_str()).len();
    assert!(page.entries.iter().all(|entry| of(&entry.what.channel) > 0));
    page.entries.iter().map(|entry| entry.what.channel.as_ref().unwrap().as_str()).collect()
}

#[test]
fn off_nothing_is_recorded_and_nothing_held() {
    let recorder = recorder(2, 0);
    let tape = recorder.tape(&project("a"), NOW);
    assert!(!tape.is_on());
    tape.record(NOW, message("room", 10));
    assert_eq!(recorder.bytes(), 0);
    let page = recorder.read(&project("a"), &all(None), NOW);
    assert!(page.entries.is_empty() && page.lost == Some(0));
    assert!(recorder.read(&project("nobody"), &all(None), NOW).entries.is_empty());
}

#[test]
fn what_is_recorded_is_shown_in_order_to_its_own_project_alone() {
    let recorder = recorder(1, 1 << 20);
    let (own, other) = (recorder.tape(&project("a"), NOW), recorder.tape(&project("b"), NOW));
    assert!(own.is_on());
    for number in 0..300 {
        own.record(NOW, message(&format!("a{number}"), 10));
        other.record(NOW, message("b", 10));
    }
    let page = recorder.read(&project("a"), &all(None), NOW);
    let expected: Vec<_> = (0..300).map(|number| format!("a{number}")).collect();
    assert_eq!(channels(&page), expected);
    assert_eq!((page.lost, page.older), (Some(0), None));
    assert!(recorder.read(&project("a"), &all(Some(page.next)), NOW).entries.is_empty());
    own.record(NOW, message("late", 10));
    let more = recorder.read(&project("a"), &all(Some(page.next)), NOW);
    assert_eq!((channels(&more), more.lost), (vec!["late"], Some(0)));
}

#[test]
fn pages_go_on_where_they_ended_both_ways() {
    let recorder = recorder(1, 1 << 20);
    let tape = recorder.tape(&project("a"), NOW);
    for number in 0..700 {
        tape.record(NOW, message(if number % 3 == 0 { "third" } else { "other" }, 1));
    }
    let channel = Some(ChannelId::trusted("third"));
    let (mut met, mut before) = (0, None);
    loop {
        let query = RecordQuery { channel: channel.clone(), limit: 50, before, ..all(None) };
        let page = recorder.read(&project("a"), &query, NOW);
        assert!(page.entries.len() <= 50 && page.lost == Some(0));
        met += channels(&page).len();
        before = page.older;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(met, 234);
    let (mut met, mut after) = (0, recorder.find(&project("a")).unwrap().numbers().0);
    loop {
        let query = RecordQuery { channel: channel.clone(), limit: 50, ..all(Some(after)) };
        let page = recorder.read(&project("a"), &query, NOW);
        assert_eq!(page.lost, Some(0));
        if page.entries.is_empty() {
            break;
        }
        met += channels(&page).len();
        after = page.next;
    }
    assert_eq!(met, 233, "behind the first");
}

#[test]
fn the_bytes_are_bounded_and_what_is_lost_is_counted() {
    let recorder = recorder(1, 256 << 10);
    let tape = recorder.tape(&project("a"), NOW);
    tape.record(NOW, message("first", 1));
    let start = recorder.read(&project("a"), &all(None), NOW).next;
    for number in 0..5000 {
        tape.record(NOW, message("room", number % 1500));
        assert!(recorder.bytes() <= 256 << 10);
    }
    let query = RecordQuery { limit: 10_000, ..all(Some(start)) };
    let page = recorder.read(&project("a"), &query, NOW);
    assert!(page.entries.len() > 100, "{}", page.entries.len());
    assert_eq!(page.lost.unwrap() + u64::try_from(page.entries.len()).unwrap(), 5000);
    // What a filter leaves out is not lost.
    let filtered = RecordQuery { kinds: vec![RecordKind::State], ..query };
    let page = recorder.read(&project("a"), &filtered, NOW);
    assert!(page.entries.is_empty() && page.lost.unwrap() < 4900);
}

#[test]
fn a_busy_project_pushes_out_no_other() {
    let recorder = recorder(1, 256 << 10);
    let (quiet, busy) =
        (recorder.tape(&project("quiet"), NOW), recorder.tape(&project("busy"), NOW));
    for _ in 0..100 {
        quiet.record(NOW, message("quiet", 500));
    }
    for _ in 0..10_000 {
        busy.record(NOW, message("busy", 500));
    }
    let page = recorder.read(&project("quiet"), &all(None), NOW);
    assert_eq!(page.entries.len(), 100);
    assert!(recorder.bytes() <= 256 << 10);
    for number in 0..2000 {
        let crowd = recorder.tape(&project(&format!("p{number}")), NOW);
        crowd.record(NOW, message("room", 10));
        assert!(recorder.bytes() <= 256 << 10, "many projects take no more than a few");
    }
}

#[test]
fn what_is_too_old_is_not_shown_and_goes() {
    let recorder = recorder(1, 1 << 20);
    let tape = recorder.tape(&project("a"), NOW);
    tape.record(NOW, message("old", 10));
    let later = NOW.later(recorder.bounds().age + Duration::from_secs(1));
    assert_eq!(recorder.read(&project("a"), &all(None), NOW).entries.len(), 1);
    assert!(recorder.read(&project("a"), &all(None), later).entries.is_empty());
    assert!(recorder.bytes() > 0);
    tape.record(later, message("new", 10));
    assert_eq!(recorder.read(&project("a"), &all(None), later).entries.len(), 1);
    recorder.sweep(Instant::now(), later.later(recorder.bounds().age + Duration::from_secs(1)));
    assert_eq!(recorder.bytes(), 0);
}

#[test]
fn the_entries_of_several_threads_come_in_one_order() {
    let recorder = recorder(3, 4 << 20);
    let record = |name: &'static str| {
        let recorder = Arc::clone(&recorder);
        move || {
            let tape = recorder.tape(&project("a"), NOW);
            for _ in 0..1000 {
                tape.record(NOW, message(name, 10));
            }
        }
    };
    let look = recorder.tape(&project("a"), NOW);
    let threads: Vec<_> = ["one", "two"].map(|name| thread::spawn(record(name))).into();
    let (mut met, mut lost) = (Vec::new(), 0);
    let mut after = recorder.find(&project("a")).unwrap().numbers().0 - 1;
    while met.len() < 2000 {
        let page = recorder.read(&project("a"), &all(Some(after)), NOW);
        lost += page.lost.unwrap();
        met.extend(page.entries.iter().map(|entry| entry.number));
        after = page.next;
    }
    for thread in threads {
        thread.join().unwrap();
    }
    drop(look);
    assert_eq!(lost, 0);
    let expected: Vec<_> = (met[0]..=after).collect();
    assert_eq!(met, expected, "each once");
}

#[tokio::test(start_paused = true)]
async fn who_looks_has_it_recorded_until_some_time_after() {
    let recorder = recorder(2, 0);
    let tape = recorder.tape(&project("a"), NOW);
    let other = recorder.tape(&project("b"), NOW);
    assert!(recorder.look(&project("a"), looker(), (Instant::now(), NOW)).is_new);
    assert!(tape.is_on() && !other.is_on());
    tape.record(NOW, message("room", 10));
    assert_eq!(recorder.read(&project("a"), &all(None), NOW).entries.len(), 1);
    let watching = recorder.watch(&project("a")).unwrap();
    tokio::time::advance(Duration::from_mins(2)).await;
    recorder.sweep(Instant::now(), NOW);
    assert!(tape.is_on(), "somebody waits");
    drop(watching);
    recorder.sweep(Instant::now(), NOW);
    assert!(!tape.is_on());
    assert_eq!(recorder.bytes(), 0);
    assert!(recorder.look(&project("a"), looker(), (Instant::now(), NOW)).is_new, "again");
    assert!(tape.is_on());
}

#[test]
fn a_ring_goes_on_when_nobody_looks_any_more() {
    let recorder = recorder(1, 1 << 20);
    let tape = recorder.tape(&project("a"), NOW);
    let now = Instant::now();
    recorder.look(&project("a"), looker(), (now, NOW));
    tape.record(NOW, message("room", 10));
    recorder.sweep(now + Duration::from_mins(2), NOW);
    assert!(tape.is_on() && recorder.bytes() > 0);
    recorder.forget(&project("a"));
    assert_eq!(recorder.bytes(), 0);
}

#[test]
fn a_number_of_another_time_is_told_apart() {
    let recorder = recorder(1, 1 << 20);
    let tape = recorder.tape(&project("a"), NOW);
    tape.record(NOW, message("room", 10));
    for strange in [0, 17, u64::MAX] {
        let page = recorder.read(&project("a"), &all(Some(strange)), NOW);
        assert_eq!((page.entries.len(), page.lost), (1, None), "{strange}");
    }
}

#[test]
fn places_to_wait_are_bounded_and_come_back() {
    let recorder = recorder(1, 1 << 20);
    let _tape = recorder.tape(&project("a"), NOW);
    let taken: Vec<_> = (0..20).filter_map(|_| recorder.watch(&project("a"))).collect();
    assert_eq!(taken.len(), crate::recorder::MAX_WATCHERS);
    drop(taken);
    assert!(recorder.watch(&project("a")).is_some());
}

#[tokio::test(start_paused = true)]
async fn frames_are_recorded_of_who_is_chosen_and_secrets_never() {
    let recorder = recorder(1, 1 << 20);
    let tape = |cid: &str, secret| {
        let tape = recorder.tape(&project("a"), NOW);
        ConnectionTape::new(tape, ConnectionId::from(cid), secret, || NOW)
    };
    let (one, other) = (tape("one", Some("leap_token_a")), tape("other", Some("ptk_b")));
    assert!(!one.is_chosen() && !other.is_chosen());
    let look = |chosen: Chosen| {
        let (looker, _) = looker();
        recorder.look(&project("a"), (looker, vec![chosen]), (Instant::now(), NOW))
    };
    assert!(look(Chosen::Token(LeapTokenId::from("leap_token_a"))).is_choice);
    assert!(one.is_chosen() && !other.is_chosen());
    assert!(look(Chosen::Connection(ConnectionId::from("other"))).is_choice);
    assert!(other.is_chosen());
    assert!(!look(Chosen::Connection(ConnectionId::from("other"))).is_choice);
    for text in [
        r#"{"op":0,"d":{"e":"MESSAGE","c":"room","d":{"e":"A","d":1}}}"#,
        r#"{"op":2,"d":{"token":"leap_token_a"}}"#,
        r#"{"op":0,"d":{"e":"X","c":"room","d":"ptk_secret"}}"#,
        "pat_secret, and no JSON",
        "no JSON",
    ] {
        one.frame(RecordKind::FrameIn, text);
    }
    let entries = recorder.read(&project("a"), &all(None), NOW).entries;
    let shown: Vec<_> =
        entries.iter().map(|entry| !matches!(entry.what.body, RecordedBody::LeftOut(_))).collect();
    assert_eq!(shown, [true, false, false, false, true]);
    let first = &entries[0].what;
    assert_eq!(
        (first.event.as_deref(), &first.channel),
        (Some("MESSAGE"), &Some(ChannelId::trusted("room")))
    );
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(recorder.sweep(Instant::now(), NOW), [project("a")]);
    assert!(!one.is_chosen() && !other.is_chosen());
    assert!(recorder.sweep(Instant::now(), NOW).is_empty());
}

#[test]
fn frames_about_hidden_channels_and_about_several_are_not_kept() {
    let recorder = recorder(1, 1 << 20);
    recorder.change(hiding(&recorder, "dm:*"));
    let tape = recorder.tape(&project("a"), NOW);
    let tape = ConnectionTape::new(tape, ConnectionId::from("one"), None, || NOW);
    for text in [
        r#"{"op":0,"d":{"e":"MESSAGE","c":"dm:x","d":1}}"#,
        r#"{"op":0,"d":{"e":"MESSAGE","c":"room","d":1}}"#,
        r#"{"op":0,"d":{"e":"INIT","c":null,"d":{"channels":[]}}}"#,
        r#"{"op":3,"d":{"tag":"x"}}"#,
    ] {
        tape.frame(RecordKind::FrameOut, text);
    }
    let entries = recorder.read(&project("a"), &all(None), NOW).entries;
    let shown: Vec<_> =
        entries.iter().map(|entry| matches!(entry.what.body, RecordedBody::Json(_))).collect();
    assert_eq!(shown, [false, true, false, true]);
}

#[test]
fn a_ring_comes_and_goes_while_it_runs_and_who_looks_goes_on() {
    let recorder = recorder(1, 0);
    let (tape, seen) = (recorder.tape(&project("a"), NOW), recorder.tape(&project("b"), NOW));
    recorder.look(&project("b"), looker(), (Instant::now(), NOW));
    let bytes = |bytes| RecorderSettings {
        bounds: RecorderBounds { bytes, ..RecorderBounds::default() },
        ..RecorderSettings::default()
    };
    let count = |name| recorder.read(&project(name), &all(None), NOW).entries.len();
    seen.record(NOW, message("room", 10));
    recorder.change(bytes(1 << 20));
    assert!(recorder.is_in_use() && tape.is_on());
    tape.record(NOW, message("room", 10));
    assert_eq!((count("a"), count("b")), (1, 1));
    // Less room, and what has none goes.
    (0..1000).for_each(|_| tape.record(NOW, message("room", 1000)));
    assert!(recorder.bytes() > 512 << 10);
    recorder.change(bytes(128 << 10));
    assert!(recorder.bytes() <= 128 << 10, "{}", recorder.bytes());
    recorder.change(bytes(0));
    assert!(!tape.is_on() && seen.is_on());
    assert_eq!((count("a"), count("b")), (0, 1), "who looks has what was there");
}

#[test]
fn what_is_hidden_from_now_on_is_not_in_memory_any_more() {
    let recorder = recorder(2, 1 << 20);
    let tape = recorder.tape(&project("a"), NOW);
    tape.record(NOW, message("secret", 10));
    let after = recorder.read(&project("a"), &all(None), NOW).next;
    recorder.change(hiding(&recorder, "secret"));
    assert!(tape.hides(Some(&ChannelId::trusted("secret"))));
    assert_eq!(recorder.bytes(), 0);
    tape.record(NOW, message("room", 10));
    // The same again takes nothing away.
    recorder.change(hiding(&recorder, "secret"));
    assert_eq!(recorder.read(&project("a"), &all(Some(after)), NOW).entries.len(), 1);
}

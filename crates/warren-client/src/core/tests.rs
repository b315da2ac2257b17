//! The core, driven without sockets: what it tells its reader, and what it writes.

use super::*;
use crate::event::{Event, State};
use crate::{Client, Error};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// A client and its time.
struct Bench {
    core: Core,
    now: Instant,
}

impl Bench {
    fn new(options: Options) -> Self {
        let outside = Arc::new(Outside::new(&options));
        Self { core: Core::new(options, outside), now: Instant::now() }
    }

    /// With a token, and small queues.
    fn with_token() -> Self {
        let builder = Client::builder("ws://h", "project_x").token("leap_token_x");
        Self::new(builder.reading(4, 100_000).options)
    }

    /// Without one.
    fn anonymous() -> Self {
        Self::new(Client::builder("ws://h", "project_x").options)
    }

    fn say(&mut self, frame: &Value) {
        self.core.text(&frame.to_string(), self.now);
        assert_eq!(self.core.end, None);
    }

    /// An event of `room`.
    fn event(&mut self, e: &str, d: &Value, s: &str) {
        self.say(&json!({"op": 0, "d": {"c": "room", "u": false, "e": e, "d": d, "s": s}}));
    }

    fn message(&mut self, number: u64, s: &str) {
        self.event("MESSAGE", &json!({"e": "n", "d": number}), s);
    }

    /// What was written since.
    fn frames(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.core.output())
            .map(|text| serde_json::from_str(&text).unwrap())
            .collect()
    }

    /// A new connection, up to IDENTIFY; returns what that says of positions.
    fn identify(&mut self) -> Value {
        self.core.attempt(self.now);
        self.say(&json!({"op": 1, "d": {"heartbeat_interval": 30_000}}));
        let frames = self.frames();
        assert_eq!((frames.len(), &frames[0]["op"]), (1, &json!(2)));
        frames[0]["d"]["resume"]["positions"].clone()
    }

    /// INIT with these channels; returns the tag whose answer says that all behind INIT has come.
    fn init(&mut self, scope: &str, channels: &Value) -> Value {
        let ext =
            ["errors", "version", "resume", "patch", "presence", "token_state", "delta", "refresh"];
        let d = json!({"cid": "c", "connection_count": 1, "metadata": null, "scope": scope,
            "channels": channels, "ext": ext, "session_id": "session_x", "direct": {"s": "d-0"}});
        self.say(&json!({"op": 0, "d": {"c": null, "u": true, "e": "INIT", "d": d}}));
        let is_beat = |frame: &&Value| frame["op"] == 3;
        self.core
            .out
            .iter()
            .map(|text| serde_json::from_str::<Value>(text).unwrap())
            .collect::<Vec<_>>()
            .iter()
            .find(is_beat)
            .unwrap()["d"]["tag"]
            .clone()
    }

    fn acked(&mut self, tag: &Value) {
        self.say(&json!({"op": 4, "d": {"tag": tag}}));
    }

    fn breaks(&mut self) {
        self.core.ended(End::Broken(CloseError::broken("test")), self.now).unwrap();
    }

    fn subscribe(&mut self, id: &str) -> oneshot::Receiver<Result<Arc<View>, Error>> {
        let (waiter, outcome) = oneshot::channel();
        let order = Order::Subscribe { id: id.to_owned(), how: Subscribe::default(), waiter };
        self.core.order(order, self.now);
        outcome
    }

    fn view(&self) -> Arc<View> {
        Arc::clone(&self.core.rooms["room"].view)
    }

    fn position(&self) -> Option<String> {
        self.core.rooms["room"].line.position().map(ToString::to_string)
    }
}

/// A channel in INIT that stands there.
fn room(s: &str) -> Value {
    json!({"id": "room", "project_id": "project_x", "type": "public", "state": {}, "version": 1, "capabilities": 0, "s": s})
}

/// The same, with what became of the position that was named.
fn back(s: &str, recovered: bool) -> Value {
    let mut room = room(s);
    room["recovered"] = recovered.into();
    room
}

/// What waits to be read: numbers of messages, `gap`, `state`.
fn read(view: &View) -> Vec<String> {
    let events = std::iter::from_fn(|| view.queue.take());
    events
        .map(|event| match event {
            Ok(Event::Message(message)) => message.json().to_owned(),
            Ok(Event::Gap) => "gap".to_owned(),
            Ok(Event::State(State { version, .. })) => format!("state {}", version.unwrap_or(0)),
            Ok(Event::Presence(_)) => "presence".to_owned(),
            Err(error) => error.code().to_owned(),
        })
        // An end stays.
        .take(50)
        .collect()
}

#[test]
fn a_break_amid_what_is_recovered_goes_on_from_what_was_heard() {
    let mut bench = Bench::with_token();
    assert_eq!(bench.identify(), json!({}));
    let tag = bench.init("token", &json!([room("a-10")]));
    bench.acked(&tag);
    bench.breaks();
    assert_eq!(bench.identify(), json!({"room": "a-10"}));
    let tag = bench.init("token", &json!([back("a-14", true)]));
    bench.message(11, "a-11");
    bench.message(12, "a-12");
    bench.breaks();
    assert_eq!(bench.identify(), json!({"room": "a-12"}), "not where INIT stands");
    // The answer of a former connection's heartbeat means nothing on this one.
    bench.core.text(&json!({"op": 4, "d": {"tag": tag}}).to_string(), bench.now);
    bench.init("token", &json!([back("a-14", true)]));
    bench.message(13, "a-13");
    assert_eq!(read(&bench.view()), ["state 1", "state 1", "11", "12"], "and the queue is full");
}

#[test]
fn what_a_session_kept_stands_before_init_and_is_not_skipped() {
    let mut bench = Bench::with_token();
    bench.identify();
    bench.init("token", &json!([room("a-10")]));
    bench.breaks();
    assert_eq!(bench.identify(), json!({}), "what was kept for it may not have come");
    let tag = bench.init("token", &json!([room("a-10")]));
    bench.message(9, "a-9");
    bench.acked(&tag);
    assert_eq!(bench.position().as_deref(), Some("a-9"), "the last that was heard");
    bench.message(11, "a-11");
    assert_eq!(bench.position().as_deref(), Some("a-11"));
}

#[test]
fn a_break_before_all_that_was_kept_has_come_is_a_gap_if_more_was_said_since() {
    let mut bench = Bench::with_token();
    bench.identify();
    let tag = bench.init("token", &json!([room("a-10")]));
    assert!(!matches!(*bench.core.outside.status.borrow(), Status::Connected(_)));
    bench.breaks();
    assert_eq!(bench.identify(), json!({}));
    bench.core.text(&json!({"op": 4, "d": {"tag": tag}}).to_string(), bench.now);
    let tag = bench.init("token", &json!([room("a-12")]));
    bench.acked(&tag);
    assert!(matches!(*bench.core.outside.status.borrow(), Status::Connected(_)));
    assert_eq!(read(&bench.view()), ["state 1", "gap", "state 1"]);
    assert_eq!(bench.position().as_deref(), Some("a-12"));
}

#[test]
fn what_is_not_recovered_is_a_gap_that_stands_before_the_next_message() {
    let mut bench = Bench::with_token();
    bench.identify();
    let tag = bench.init("token", &json!([room("a-10")]));
    bench.acked(&tag);
    bench.message(11, "a-11");
    bench.breaks();
    bench.identify();
    assert_eq!(read(&bench.view()), ["state 1", "11"]);
    bench.init("token", &json!([back("b-5", false)]));
    assert_eq!(bench.position().as_deref(), Some("b-5"), "nothing between here and there comes");
    bench.message(6, "b-6");
    assert_eq!(read(&bench.view()), ["gap", "state 1", "6"]);
}

#[test]
fn a_reader_that_is_too_slow_is_given_the_rest_once_it_has_caught_up() {
    let mut bench = Bench::with_token();
    bench.identify();
    let tag = bench.init("token", &json!([room("a-0")]));
    bench.acked(&tag);
    for number in 1..=9 {
        bench.message(number, &format!("a-{number}"));
    }
    assert_eq!(bench.position().as_deref(), Some("a-3"), "three messages and a state fit");
    bench.core.caught_up();
    assert_eq!(bench.core.take_end(), None, "it has read nothing");
    assert_eq!(read(&bench.view()), ["state 1", "1", "2", "3"]);
    bench.core.caught_up();
    let end = bench.core.take_end().unwrap();
    assert_eq!(end, End::CatchUp);
    assert_eq!(bench.core.ended(end, bench.now), Some(bench.now + CATCH_UP_PAUSE));
    assert_eq!(bench.identify(), json!({"room": "a-3"}));
    bench.init("token", &json!([back("a-9", true)]));
    bench.message(4, "a-4");
    assert_eq!(read(&bench.view()), ["state 1", "4"]);
}

#[test]
fn a_change_is_applied_to_its_version_and_after_a_hole_the_whole_state_is_asked_for() {
    let mut bench = Bench::with_token();
    bench.identify();
    bench.init("token", &json!([room("a-0")]));
    bench.frames();
    bench.event("STATE_UPDATE", &json!({"version": 2, "from": 1, "patch": {"a": {"b": 1}}}), "a-1");
    assert_eq!(*bench.view().state().value, json!({"a": {"b": 1}}));
    for version in [4, 5] {
        let update = json!({"version": version, "from": version - 1, "patch": {"a": null}});
        bench.event("STATE_UPDATE", &update, &format!("a-{version}"));
    }
    assert_eq!(bench.view().state().version, Some(2), "what came between is not known");
    let asked = bench.frames();
    assert_eq!((asked.len(), &asked[0]["d"]["e"]), (1, &json!("GET_CHANNEL_STATE")));
    bench.event("STATE_UPDATE", &json!({"version": 5, "state": {"c": 1}}), "a-5");
    assert_eq!(*bench.view().state().value, json!({"c": 1}));
    // One that the whole state has in it already.
    bench.event("STATE_UPDATE", &json!({"version": 5, "from": 4, "patch": {"a": 2}}), "a-6");
    assert_eq!(*bench.view().state().value, json!({"c": 1}));
    assert!(bench.frames().is_empty());
}

#[test]
fn a_refused_question_for_the_state_is_asked_again_with_a_heartbeat() {
    let mut bench = Bench::with_token();
    bench.identify();
    bench.init("token", &json!([room("a-0")]));
    let is_asked = |frame: &Value| frame["d"]["e"] == "GET_CHANNEL_STATE";
    bench.frames();
    bench.event("STATE_UPDATE", &json!({"version": 4, "from": 3, "patch": {"a": 1}}), "a-1");
    let asked = bench.frames().into_iter().find(is_asked).unwrap();
    let beat = |bench: &mut Bench| {
        let tag = bench.core.heart.as_mut().unwrap().tag(Mark::Beat);
        bench.acked(&json!(tag.to_string()));
        bench.now = bench.core.heart.as_ref().unwrap().due();
        bench.core.time(bench.now);
        assert_eq!(bench.core.end, None);
        bench.frames().iter().filter(|frame| is_asked(frame)).count()
    };
    assert_eq!(beat(&mut bench), 0, "it is under way");
    let error = json!({"ref": asked["ref"], "code": "rate_limited", "message": "too fast"});
    bench.say(&json!({"op": 0, "d": {"c": "room", "u": true, "e": "ERROR", "d": error}}));
    assert_eq!(beat(&mut bench), 1);
    bench.event("STATE_UPDATE", &json!({"version": 4, "state": {"c": 1}}), "a-2");
    assert_eq!(beat(&mut bench), 0);
    assert_eq!(*bench.view().state().value, json!({"c": 1}));
}

#[test]
fn without_a_token_channels_are_asked_for_again_from_where_they_were_heard() {
    let mut bench = Bench::anonymous();
    let mut heard = bench.subscribe("room");
    bench.identify();
    bench.init("noauth", &json!([]));
    assert!(heard.try_recv().is_err());
    let available = json!({"channel": room("unused")});
    bench.event("AVAILABLE", &available, "a-3");
    assert!(heard.try_recv().unwrap().is_ok());
    bench.message(4, "a-4");
    bench.breaks();
    bench.identify();
    bench.frames();
    bench.init("noauth", &json!([]));
    let asked = bench.frames();
    let asked = asked.iter().find(|frame| frame["d"]["e"] == "SUBSCRIBE").unwrap();
    assert_eq!((&asked["d"]["c"], &asked["d"]["d"]), (&json!("room"), &json!({"since": "a-4"})));
    let mut again = available.clone();
    again["recovered"] = true.into();
    bench.event("AVAILABLE", &again, "a-6");
    assert_eq!(bench.position().as_deref(), Some("a-4"), "what came after it follows");
    bench.message(5, "a-5");
    bench.breaks();
    bench.identify();
    bench.init("noauth", &json!([]));
    bench.event("AVAILABLE", &available, "b-0");
    assert_eq!(read(&bench.view()), ["state 1", "4", "state 1", "5", "gap", "state 1"]);
}

#[test]
fn a_subscription_that_the_server_has_no_more_has_ended_and_so_says_the_channel() {
    let mut bench = Bench::with_token();
    drop(bench.subscribe("room"));
    bench.identify();
    bench.init("token", &json!([room("a-0")]));
    let view = bench.view();
    bench.breaks();
    bench.identify();
    bench.init("token", &json!([]));
    assert_eq!(read(&view)[..2], ["state 1", "unsubscribed"]);
    assert!(bench.core.outside.directory.borrow().is_empty());
    assert_eq!(bench.core.outside.stored.borrow().channels.len(), 0);
}

#[test]
fn who_is_refused_is_told_why() {
    let mut bench = Bench::with_token();
    bench.identify();
    bench.init("token", &json!([]));
    for (code, word) in [("NOT_GRANTED", "not_granted"), ("UNKNOWN", "unknown_channel")] {
        let mut heard = bench.subscribe("room");
        bench.event("UNAVAILABLE", &json!({"graceful": false, "error_code": code}), "x-0");
        assert_eq!(heard.try_recv().unwrap().unwrap_err().code(), word);
    }
}

#[test]
fn what_comes_of_a_channel_that_is_left_is_not_heard_and_leaving_waits_for_a_connection() {
    let mut bench = Bench::with_token();
    bench.identify();
    bench.init("token", &json!([room("a-0")]));
    bench.frames();
    let view = bench.view();
    bench.core.order(Order::Unsubscribe(Arc::clone(&view)), bench.now);
    let left = bench.frames();
    assert_eq!(left[0]["d"]["e"], "UNSUBSCRIBE");
    bench.message(1, "a-1");
    assert!(bench.core.rooms.is_empty());
    // It breaks before that is answered.
    bench.breaks();
    bench.identify();
    bench.init("token", &json!([room("a-1")]));
    let left = bench.frames();
    let left = left.iter().find(|frame| frame["d"]["e"] == "UNSUBSCRIBE").unwrap();
    assert!(bench.core.rooms.is_empty());
    let ack = json!({"c": null, "u": true, "e": "ACK", "d": {"ref": left["ref"]}});
    bench.say(&json!({"op": 0, "d": ack}));
    drop(bench.subscribe("room"));
    bench.event("AVAILABLE", &json!({"channel": room("unused")}), "a-2");
    assert_eq!(bench.position().as_deref(), Some("a-2"));
    assert_eq!(read(&view)[..2], ["state 1", "unsubscribed"]);
}

#[test]
fn a_channel_that_began_anew_under_a_connection_tells_a_gap() {
    let mut bench = Bench::with_token();
    bench.identify();
    let tag = bench.init("token", &json!([room("a-7")]));
    bench.acked(&tag);
    // Somebody else of this token subscribed.
    bench.event("AVAILABLE", &json!({"channel": room("unused")}), "a-7");
    bench.event("AVAILABLE", &json!({"channel": room("unused")}), "b-0");
    assert_eq!(read(&bench.view()), ["state 1", "state 1", "gap", "state 1"]);
}

#[test]
fn positions_of_another_life_are_named_until_their_channel_is_known() {
    let stored = Positions {
        channels: [("room", "a-3"), ("other", "a-4")]
            .map(|(id, s)| (id.to_owned(), s.into()))
            .into(),
        direct: Some("d-1".into()),
        ..Positions::default()
    };
    let builder = Client::builder("ws://h", "project_x").token("leap_token_x");
    let mut bench = Bench::new(builder.positions(stored).options);
    assert_eq!(bench.identify(), json!({"room": "a-3", "other": "a-4"}));
    bench.init("token", &json!([back("a-5", true)]));
    assert_eq!(bench.core.direct.position().unwrap().as_str(), "d-1");
    bench.message(4, "a-4");
    bench.breaks();
    assert_eq!(bench.identify(), json!({"room": "a-4", "other": "a-4"}));
}

#[test]
fn a_mail_that_comes_again_from_a_server_that_was_killed_is_not_told_twice() {
    let mut bench = Bench::with_token();
    bench.identify();
    bench.init("token", &json!([]));
    let mail = |bench: &mut Bench, number: u64, s: &str| {
        let d = json!({"e": "n", "d": number});
        let id = format!("mail_7-{number}");
        let d = json!({"c": null, "u": false, "e": "DIRECT_MESSAGE", "s": s, "id": id, "d": d});
        bench.say(&json!({"op": 0, "d": d}));
    };
    mail(&mut bench, 1, "d-1");
    mail(&mut bench, 2, "d-2");
    bench.breaks();
    bench.identify();
    bench.init("token", &json!([]));
    mail(&mut bench, 2, "x-1");
    mail(&mut bench, 3, "x-2");
    let direct = Arc::clone(&bench.core.outside.direct);
    assert_eq!(read(&direct), ["1", "2", "gap", "3"]);
    assert_eq!(bench.core.direct.position().unwrap().as_str(), "x-2");
    assert_eq!(direct.queue.consumed_mails().len(), 3);
}

#[test]
fn a_line_that_says_nothing_any_more_is_given_up_and_a_wrong_token_for_good() {
    let mut bench = Bench::with_token();
    bench.core.attempt(bench.now);
    assert_eq!(bench.core.due(), Some(bench.now + Duration::from_secs(15)));
    bench.core.time(bench.now + Duration::from_secs(15));
    assert!(
        matches!(bench.core.take_end(), Some(End::Broken(close)) if close.reason == "no INIT in time")
    );
    bench.identify();
    bench.init("token", &json!([]));
    bench.core.time(bench.now);
    bench.core.time(bench.now + Duration::from_secs(10));
    assert!(matches!(bench.core.take_end(), Some(End::Broken(_))));
    bench.breaks();
    drop(bench.subscribe("room"));
    let view = bench.view();
    let refused = CloseError { code: 4001, reason: "unknown token".to_owned() };
    assert_eq!(bench.core.ended(End::Broken(refused.clone()), bench.now), None);
    assert_eq!(*bench.core.outside.status.borrow(), Status::Closed(Some(refused)));
    // Who asks before the task has gone is told the same.
    let (waiter, mut heard) = oneshot::channel();
    let (how, id) = (Subscribe::default(), "room".to_owned());
    bench.core.refuse(Order::Subscribe { id, how, waiter });
    let (reply, mut outcome) = oneshot::channel();
    let (event, channel, data) = ("MESSAGE", "room".to_owned(), RawValue::NULL.to_owned());
    bench.core.refuse(Order::Ask(Ask { event, channel, data, is_repeatable: true, reply }));
    for error in [heard.try_recv().unwrap().unwrap_err(), outcome.try_recv().unwrap().unwrap_err()]
    {
        assert_eq!(error.code(), "invalid_auth");
    }
    assert_eq!(read(&view)[0], "invalid_auth");
}

//! One thread's fan-out, with connections that have no socket.

mod crashes;

use super::super::connection_info::{ConnectionInfo, Origin};
use super::super::link::Note;
use super::super::owed::Kept;
use super::super::send_queue::Sink;
use super::*;
use crate::domain::{
    ChannelId, ConnectionId, LineId, Member, Message, Place, ProjectId, RawJson, Timestamp,
};
use crate::protocol::{
    Close, CloseCode, EncodedEvent, Event, Extension, Extensions, PresentMember, Scope, Wire,
};
use bytes::Bytes;
use futures_util::task::noop_waker;
use std::cell::Cell;
use std::io;
use std::task::{Context as Task, Poll};
use tokio::sync::oneshot;

/// A message to one connection or channel; the fan-out does not look into it.
fn event(name: &str) -> Arc<EncodedEvent> {
    sized(name, 2)
}

/// The same with so many bytes of data.
fn sized(name: &str, bytes: usize) -> Arc<EncodedEvent> {
    let data = RawJson::trusted(format!("\"{}\"", "x".repeat(bytes - 2)));
    let message = Message { event: name.into(), data };
    Arc::new(EncodedEvent::new(Event::DirectMessage { message, is_unicast: false }))
}

/// A connection that is known to the fan-out and still waits for INIT.
fn waiting(fanout: &LocalFanout) -> Rc<Link> {
    let origin = Origin { address: None, user_agent: None, since: Timestamp(1), nonce: 0 };
    let uid = ConnectionUid::next();
    let cid = ConnectionId::from(format!("cid-{}", uid.number()).as_str());
    let link = Rc::new(Link::new(uid, cid, origin, &fanout.pressure(QueueBounds::default())));
    link.set_identity(ProjectId::from("p"), Extensions::default(), Wire::default());
    fanout.register(&link);
    link
}

/// A connection that has had its INIT.
fn connection(fanout: &LocalFanout) -> Rc<Link> {
    let link = waiting(fanout);
    link.initialise(&event("init"), Kept::default(), beginning(LineId::next()));
    assert_eq!(names(&taken(&link)), ["init"]);
    link
}

/// What a connection's socket would write now.
fn taken(link: &Rc<Link>) -> Bytes {
    let mut all = Vec::new();
    while let Poll::Ready(Some(bytes)) = link.poll_take(&Task::from_waker(&noop_waker())) {
        all.push(bytes);
    }
    match all.as_slice() {
        [only] => only.clone(),
        parts => parts.concat().into(),
    }
}

/// The names of the events in a piece of output.
fn names(bytes: &Bytes) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let starts = text.split(r#""e":"DIRECT_MESSAGE","d":{"e":""#).skip(1);
    starts.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
}

/// What a connection has heard, once everything that was ordered is done.
async fn heard(fanout: &LocalFanout, link: &Rc<Link>) -> Vec<String> {
    let (reply, answer) = oneshot::channel();
    fanout.handle().send(Order::Describe { connections: Vec::new(), reply }).await;
    answer.await.unwrap();
    flushed(fanout).await;
    names(&taken(link))
}

/// Waits until everything that was said is written, which takes turns of the thread and no time.
async fn flushed(fanout: &LocalFanout) {
    for _ in 0..1000 {
        if !fanout.registry.borrow().has_news() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("what was said waits for something else than its turn");
}

/// Before everything that a line says.
const fn beginning(line: LineId) -> Place {
    Place { line, number: 0 }
}

/// Puts a connection under a channel.
fn join(channel: LineId, link: &Link) -> Order {
    let name = ChannelId::trusted("room");
    let (from, connection) = (beginning(channel), link.uid());
    Order::Attach { from, name, connection, dispatch: Some(event("joined")) }
}

/// Hands an event to a channel.
fn deliver(channel: LineId, name: &str) -> Order {
    Order::Deliver { channel, dispatch: event(name) }
}

/// Visits a connection.
async fn visit(
    fanout: &LocalFanout,
    link: &Link,
    cid: &str,
    project: &str,
    visit: LinkVisit,
) -> bool {
    let (reply, answer) = oneshot::channel();
    let (cid, project) = (ConnectionId::from(cid), ProjectId::from(project));
    let order = Order::Visit { connection: link.uid(), cid, project, visit, reply };
    fanout.handle().send(order).await;
    answer.await.unwrap()
}

/// Connections as they are described.
async fn described(fanout: &LocalFanout, links: &[&Link]) -> Vec<ConnectionInfo> {
    let (reply, answer) = oneshot::channel();
    let connections = links.iter().map(|link| link.uid()).collect();
    fanout.handle().send(Order::Describe { connections, reply }).await;
    answer.await.unwrap()
}

#[actix_rt::test]
async fn an_event_reaches_the_channels_connections_and_nobody_else() {
    let fanout = LocalFanout::here();
    let [one, two, other] = [(); 3].map(|()| connection(&fanout));
    let (room, hall) = (LineId::next(), LineId::next());
    let handle = fanout.handle();
    for order in [join(room, &one), join(room, &two), join(hall, &other), deliver(room, "x")] {
        handle.send(order).await;
    }
    assert_eq!(heard(&fanout, &one).await, ["joined", "x"]);
    assert_eq!(heard(&fanout, &two).await, ["joined", "x"]);
    assert_eq!(heard(&fanout, &other).await, ["joined"]);
}

#[actix_rt::test]
async fn everybody_gets_the_same_bytes() {
    let fanout = LocalFanout::here();
    let [one, two] = [(); 2].map(|()| connection(&fanout));
    let room = LineId::next();
    for link in [&one, &two] {
        fanout.handle().send(join(room, link)).await;
        assert_eq!(heard(&fanout, link).await, ["joined"]);
    }
    fanout.handle().send(deliver(room, "x")).await;
    flushed(&fanout).await;
    let (first, second) = (taken(&one), taken(&two));
    assert!(!first.is_empty() && first.as_ptr() == second.as_ptr(), "encoded and kept once");
}

/// A connection that has had its INIT and asked for presence.
fn watcher(fanout: &LocalFanout) -> Rc<Link> {
    let link = waiting(fanout);
    let asked = Extensions::default().with(Extension::Presence);
    link.set_identity(ProjectId::from("p"), asked, Wire::default());
    link.initialise(&event("init"), Kept::default(), beginning(LineId::next()));
    assert_eq!(names(&taken(&link)), ["init"]);
    link
}

/// Tells a channel that somebody came in.
fn came(channel: LineId, who: &str) -> Order {
    let member = Arc::new(Member { id: who.into(), data: RawJson::null(), token: None });
    let member = PresentMember { member, connections: 1, since: Timestamp(1) };
    let event = Event::PresenceJoin { channel: ChannelId::trusted("room"), member };
    Order::Deliver { channel, dispatch: Arc::new(EncodedEvent::new(event)) }
}

#[actix_rt::test]
async fn a_wave_of_joins_is_put_together_once_for_all_who_watch() {
    let fanout = LocalFanout::here();
    let watchers = [(); 3].map(|()| watcher(&fanout));
    let plain = [(); 2].map(|()| connection(&fanout));
    let room = LineId::next();
    for link in watchers.iter().chain(&plain) {
        fanout.handle().send(join(room, link)).await;
        assert_eq!(heard(&fanout, link).await, ["joined"]);
    }
    for number in 0..10 {
        fanout.handle().send(came(room, &format!("m{number}"))).await;
    }
    fanout.handle().send(deliver(room, "x")).await;
    fanout.handle().send(came(room, "last")).await;
    flushed(&fanout).await;
    let all = watchers.each_ref().map(taken);
    let text = String::from_utf8_lossy(&all[0]);
    assert_eq!(text.matches("PRESENCE_JOIN").count(), 11);
    assert!(text.find(r#""m9""#) < text.find(r#""e":"x""#), "in the channel's order: {text}");
    assert!(text.find(r#""e":"x""#) < text.find(r#""last""#), "in the channel's order: {text}");
    assert!(all.iter().all(|bytes| bytes.as_ptr() == all[0].as_ptr()), "one piece for all");
    let others = plain.each_ref().map(taken);
    assert_eq!(names(&others[0]), ["x"]);
    assert!(!String::from_utf8_lossy(&others[0]).contains("PRESENCE"));
    assert_eq!(others[0].as_ptr(), others[1].as_ptr());
}

#[actix_rt::test]
async fn where_nobody_watches_a_join_costs_nothing() {
    let fanout = LocalFanout::here();
    let (plain, room) = (connection(&fanout), LineId::next());
    fanout.handle().send(join(room, &plain)).await;
    assert_eq!(heard(&fanout, &plain).await, ["joined"]);
    fanout.handle().send(came(room, "m")).await;
    assert!(!fanout.registry.borrow().has_news(), "nobody has to be served");
    let watcher = watcher(&fanout);
    fanout.handle().send(join(room, &watcher)).await;
    fanout.handle().send(came(room, "n")).await;
    flushed(&fanout).await;
    assert!(String::from_utf8_lossy(&taken(&watcher)).contains("PRESENCE_JOIN"));
    fanout.unregister(&watcher);
    fanout.handle().send(came(room, "o")).await;
    assert!(!fanout.registry.borrow().has_news(), "nobody watches any more");
}

#[actix_rt::test]
async fn who_joins_twice_hears_each_event_once() {
    let fanout = LocalFanout::here();
    let link = connection(&fanout);
    let room = LineId::next();
    for order in [join(room, &link), join(room, &link), deliver(room, "x")] {
        fanout.handle().send(order).await;
    }
    assert_eq!(heard(&fanout, &link).await, ["joined", "joined", "x"]);
    assert_eq!(described(&fanout, &[&link]).await[0].channels, [ChannelId::trusted("room")]);
}

#[actix_rt::test]
async fn who_leaves_hears_the_last_word_and_nothing_after_it() {
    let fanout = LocalFanout::here();
    let [one, asker, stays] = [(); 3].map(|()| connection(&fanout));
    let room = LineId::next();
    let leave =
        |link: &Link, dispatch| Order::Detach { channel: room, connection: link.uid(), dispatch };
    for order in [
        join(room, &one),
        join(room, &asker),
        join(room, &stays),
        leave(&one, Some(event("bye"))),
        leave(&asker, None),
        leave(&asker, None),
        deliver(room, "after"),
    ] {
        fanout.handle().send(order).await;
    }
    assert_eq!(heard(&fanout, &one).await, ["joined", "bye"]);
    assert_eq!(heard(&fanout, &asker).await, ["joined"]);
    assert_eq!(heard(&fanout, &stays).await, ["joined", "after"]);
}

#[actix_rt::test]
async fn a_dissolved_channel_is_forgotten_by_everybody() {
    let fanout = LocalFanout::here();
    let [one, two] = [(); 2].map(|()| connection(&fanout));
    let room = LineId::next();
    let end = Order::Dissolve { channel: room, dispatch: Some(event("end")) };
    for order in [join(room, &one), join(room, &two), end, deliver(room, "after")] {
        fanout.handle().send(order).await;
    }
    for link in [&one, &two] {
        assert_eq!(heard(&fanout, link).await, ["joined", "end"]);
        assert!(described(&fanout, &[link]).await[0].channels.is_empty());
    }
}

#[actix_rt::test]
async fn nothing_comes_before_init_and_everything_after_it_in_order() {
    let fanout = LocalFanout::here();
    let link = waiting(&fanout);
    let room = LineId::next();
    for order in [join(room, &link), deliver(room, "held")] {
        fanout.handle().send(order).await;
    }
    assert_eq!(heard(&fanout, &link).await, [""; 0]);
    let message = Message { event: "init".into(), data: RawJson::null() };
    let init = Box::new(EncodedEvent::new(Event::DirectMessage { message, is_unicast: true }));
    let kept = Kept { events: vec![event("kept")], ..Kept::default() };
    let (connection, direct) = (link.uid(), beginning(LineId::next()));
    for order in [Order::Init { connection, init, kept, direct }, deliver(room, "live")] {
        fanout.handle().send(order).await;
    }
    assert_eq!(heard(&fanout, &link).await, ["init", "kept", "joined", "held", "live"]);
}

#[actix_rt::test]
async fn a_visit_needs_the_right_id_and_project() {
    let fanout = LocalFanout::here();
    let link = connection(&fanout);
    let cid = link.cid().as_str().to_owned();
    let say = || LinkVisit::Deliver(event("psst"));
    assert!(!visit(&fanout, &link, "cid-0", "p", say()).await);
    assert!(!visit(&fanout, &link, &cid, "other", say()).await);
    assert_eq!(heard(&fanout, &link).await, [""; 0]);
    assert!(visit(&fanout, &link, &cid, "p", say()).await);
    assert_eq!(heard(&fanout, &link).await, ["psst"]);
}

#[actix_rt::test]
async fn a_connection_that_has_gone_is_found_nowhere() {
    let fanout = LocalFanout::here();
    let [gone, stays] = [(); 2].map(|()| connection(&fanout));
    let room = LineId::next();
    for link in [&gone, &stays] {
        fanout.handle().send(join(room, link)).await;
        assert_eq!(heard(&fanout, link).await, ["joined"]);
    }
    fanout.unregister(&gone);
    fanout.unregister(&gone);
    // Words about it that were on their way change nothing.
    let close = Close::new(CloseCode::Unknown, "late");
    for order in [
        join(room, &gone),
        Order::Close { connection: gone.uid(), close },
        Order::Direct { connection: gone.uid(), dispatch: event("late") },
        deliver(room, "x"),
    ] {
        fanout.handle().send(order).await;
    }
    let cid = gone.cid().as_str().to_owned();
    assert!(!visit(&fanout, &gone, &cid, "p", LinkVisit::Deliver(event("late"))).await);
    let infos = described(&fanout, &[&gone, &stays]).await;
    assert_eq!(infos.iter().map(|info| &info.cid).collect::<Vec<_>>(), [stays.cid()]);
    assert_eq!(heard(&fanout, &gone).await, [""; 0]);
    assert_eq!(heard(&fanout, &stays).await, ["x"]);
}

#[actix_rt::test]
async fn a_spent_budget_gives_the_order_back_until_there_is_room() {
    let fanout = LocalFanout::here();
    let [link, other] = [(); 2].map(|()| connection(&fanout));
    let direct = |link: &Link, dispatch| Order::Direct { connection: link.uid(), dispatch };
    let handle = fanout.handle();
    let (large, small) = (direct(&link, sized("large", 65 << 20)), direct(&other, event("small")));
    // The fan-out's own thread waits meanwhile, so that the first cannot be done yet when the second comes.
    let elsewhere = std::thread::spawn({
        let handle = handle.clone();
        move || (handle.try_send(large), handle.try_send(small))
    });
    let (Ok(()), Err(order @ Order::Direct { .. })) = elsewhere.join().unwrap() else {
        panic!("the budget did not hold");
    };
    // Its own thread must not overtake what waits either.
    let last = direct(&link, event("last"));
    let Err(last) = handle.try_send(last) else { panic!("overtaken") };
    handle.send(order).await;
    handle.send(last).await;
    assert_eq!(heard(&fanout, &link).await, ["large", "last"]);
    assert_eq!(heard(&fanout, &other).await, ["small"]);
}

#[actix_rt::test]
async fn an_order_of_the_same_thread_is_carried_out_at_once_and_written_after_the_turn() {
    let fanout = LocalFanout::here();
    let link = connection(&fanout);
    let room = LineId::next();
    for order in [join(room, &link), deliver(room, "x"), deliver(room, "y")] {
        assert!(fanout.handle().try_send(order).is_ok());
    }
    assert!(fanout.registry.borrow().has_news(), "said, and waiting for a flush");
    assert_eq!(heard(&fanout, &link).await, ["joined", "x", "y"]);
}

#[actix_rt::test]
async fn what_follows_an_event_of_a_channel_comes_after_it() {
    let fanout = LocalFanout::here();
    let link = connection(&fanout);
    let (room, hall) = (LineId::next(), LineId::next());
    let direct = |name| Order::Direct { connection: link.uid(), dispatch: event(name) };
    for order in [
        join(room, &link),
        deliver(room, "1"),
        direct("2"),
        deliver(room, "3"),
        join(hall, &link),
        deliver(room, "4"),
        deliver(hall, "5"),
        deliver(room, "6"),
    ] {
        fanout.handle().send(order).await;
    }
    let expected = ["joined", "1", "2", "3", "joined", "4", "5", "6"];
    assert_eq!(heard(&fanout, &link).await, expected);
}

#[actix_rt::test]
async fn a_flush_serves_each_once_and_no_more_than_it_may() {
    let fanout = LocalFanout::here();
    let mut registry = Registry::default();
    let (room, hall) = (LineId::next(), LineId::next());
    let links = [(); 40].map(|()| connection(&fanout));
    for link in &links {
        registry.register(link);
        registry.perform(join(room, link));
    }
    registry.perform(join(hall, &links[0]));
    while registry.has_news() {
        registry.flush(usize::MAX);
    }
    registry.perform(deliver(room, "a"));
    assert_eq!(registry.flush(usize::MAX), 40);
    for channel in [room, hall, room] {
        registry.perform(deliver(channel, "b"));
    }
    assert_eq!([30, usize::MAX].map(|most| registry.flush(most)), [30, 10]);
}

#[actix_rt::test]
async fn what_is_said_during_a_flush_waits_for_the_next() {
    let fanout = LocalFanout::here();
    let mut registry = Registry::default();
    let room = LineId::next();
    for link in [(); 4].map(|()| connection(&fanout)) {
        registry.register(&link);
        registry.perform(join(room, &link));
    }
    while registry.has_news() {
        registry.flush(usize::MAX);
    }
    registry.perform(deliver(room, "a"));
    assert_eq!(registry.flush(3), 3);
    registry.perform(deliver(room, "b"));
    // The one that is left; then more may be said, and goes into one write with it.
    assert_eq!(registry.flush(10), 1);
    registry.perform(deliver(room, "c"));
    assert_eq!(registry.flush(10), 4);
    assert!(!registry.has_news());
}

#[actix_rt::test]
async fn nothing_waits_for_a_clock() {
    tokio::time::pause();
    let began = Instant::now();
    let fanout = LocalFanout::here();
    let links = [(); 20].map(|()| connection(&fanout));
    let room = LineId::next();
    for link in &links {
        fanout.handle().send(join(room, link)).await;
    }
    for name in ["one", "two", "three"] {
        fanout.handle().send(deliver(room, name)).await;
        for link in &links {
            assert!(heard(&fanout, link).await.contains(&name.to_owned()));
        }
    }
    assert_eq!(Instant::now(), began);
}

#[actix_rt::test]
async fn who_is_just_entering_is_not_slow_and_init_counts_what_was_too_much() {
    const COUNT: usize = 30;
    let fanout = LocalFanout::here();
    let (link, room) = (waiting(&fanout), LineId::next());
    fanout.handle().send(join(room, &link)).await;
    for n in 0..COUNT {
        let dispatch = sized(&format!("n{n}"), 100_000);
        fanout.handle().send(Order::Deliver { channel: room, dispatch }).await;
    }
    flushed(&fanout).await;
    let init = Event::Init {
        cid: ConnectionId::from("cid"),
        connection_count: 1,
        metadata: RawJson::null(),
        scope: Scope::NoAuth,
        channels: Vec::new(),
        missed: 2,
        extensions: None,
        standing: None,
    };
    link.initialise(&EncodedEvent::new(init), Kept::default(), beginning(LineId::next()));
    let bytes = taken(&link);
    let text = String::from_utf8_lossy(&bytes);
    let missed: usize = text
        .split(r#""missed":"#)
        .nth(1)
        .unwrap()
        .split(['}', ','])
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let heard = names(&bytes);
    let numbers: Vec<usize> =
        heard.iter().filter_map(|name| name.strip_prefix('n')?.parse().ok()).collect();
    assert!(missed > 2 && missed < COUNT, "{missed}");
    // Two were missed before, and the first to go was what came with joining.
    assert_eq!(numbers, (missed - 3..COUNT).collect::<Vec<_>>(), "the newest, without a gap");
    assert!(!link.is_gone());
}

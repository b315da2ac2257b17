//! The registry against the plainest thing that could be right: a list for each connection, written to at once.

use super::super::link::{Link, Origin};
use super::order::Order;
use super::registry::Registry;
use super::uid::{ChannelUid, ConnectionUid};
use crate::domain::{ChannelId, ConnectionId, Message, ProjectId, RawJson, Timestamp};
use crate::protocol::{Dispatch, Event, Extensions, Wire};
use futures_util::task::noop_waker;
use proptest::prelude::*;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

/// How many connections and channels there are.
const LINKS: usize = 6;
/// How many channels.
const ROOMS: usize = 3;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A connection joins a channel.
    Join(usize, usize),
    /// A connection leaves a channel.
    Leave(usize, usize),
    /// A connection goes for good.
    Unregister(usize),
    /// Something is said in a channel.
    Deliver(usize),
    /// Something is said to a connection.
    Direct(usize),
    /// A channel ends.
    Dissolve(usize),
    /// So many connections are served.
    Flush(usize),
}

/// Any step; words in channels are the most frequent.
fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..LINKS, 0..ROOMS).prop_map(|(link, room)| Step::Join(link, room)),
        2 => (0..LINKS, 0..ROOMS).prop_map(|(link, room)| Step::Leave(link, room)),
        1 => (0..LINKS).prop_map(Step::Unregister),
        6 => (0..ROOMS).prop_map(Step::Deliver),
        2 => (0..LINKS).prop_map(Step::Direct),
        1 => (0..ROOMS).prop_map(Step::Dissolve),
        4 => (1..4_usize).prop_map(Step::Flush),
    ]
}

/// An event with a number.
fn event(number: usize) -> Arc<Dispatch> {
    let message = Message { event: format!("n{number}").into(), data: RawJson::null() };
    Arc::new(Dispatch::new(Event::DirectMessage { message, is_unicast: false }))
}

/// A connection that has had its INIT.
fn connection(registry: &mut Registry) -> Rc<Link> {
    let origin = Origin { address: None, user_agent: None, since: Timestamp(1), nonce: 0 };
    let link = Link::new(ConnectionUid::next(), ConnectionId::from("cid"), origin, 1 << 20);
    link.set_identity(ProjectId::from("p"), Extensions::default(), Wire::default());
    let link = Rc::new(link);
    registry.register(&link);
    link.initialise(&event(0), &[]);
    heard(&link);
    link
}

/// The numbers of the events that wait in a connection's queue.
fn heard(link: &Link) -> Vec<usize> {
    let taken = link.poll_take(&Context::from_waker(&noop_waker()));
    let Poll::Ready(Some(bytes)) = taken else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let numbers = text.split(r#""d":{"e":"n"#).skip(1);
    numbers.map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect()
}

/// Lets all that happen, and compares what each connection has heard in the end.
#[expect(
    clippy::too_many_lines,
    reason = "one arm for each step, twice over: what is done and what is expected"
)]
fn check(steps: &[Step]) {
    let mut registry = Registry::default();
    let links: Vec<_> = (0..LINKS).map(|_| connection(&mut registry)).collect();
    let rooms: Vec<_> = (0..ROOMS).map(|_| ChannelUid::next()).collect();
    let mut members = [[false; LINKS]; ROOMS];
    let mut gone = [false; LINKS];
    let mut expected = vec![Vec::new(); LINKS];
    for (number, step) in steps.iter().enumerate() {
        let number = number + 1;
        let dispatch = event(number);
        match *step {
            Step::Join(link, room) => {
                let (connection, name) = (links[link].uid(), ChannelId::trusted("room"));
                let dispatch = Some(dispatch);
                registry.perform(Order::Join { channel: rooms[room], name, connection, dispatch });
                if !gone[link] {
                    members[room][link] = true;
                    expected[link].push(number);
                }
            }
            Step::Leave(link, room) => {
                let connection = links[link].uid();
                let dispatch = Some(dispatch);
                registry.perform(Order::Leave { channel: rooms[room], connection, dispatch });
                if !gone[link] {
                    members[room][link] = false;
                    expected[link].push(number);
                }
            }
            Step::Unregister(link) => {
                // What a connection that goes has not heard yet is lost to it; here it has heard all.
                registry.catch_up(&links[link]);
                registry.unregister(&links[link]);
                gone[link] = true;
                for room in &mut members {
                    room[link] = false;
                }
            }
            Step::Deliver(room) => {
                registry.perform(Order::Deliver { channel: rooms[room], dispatch });
                for link in (0..LINKS).filter(|link| members[room][*link]) {
                    expected[link].push(number);
                }
            }
            Step::Direct(link) => {
                registry.perform(Order::Direct { connection: links[link].uid(), dispatch });
                if !gone[link] {
                    expected[link].push(number);
                }
            }
            Step::Dissolve(room) => {
                registry.perform(Order::Dissolve { channel: rooms[room], dispatch });
                for link in (0..LINKS).filter(|link| members[room][*link]) {
                    expected[link].push(number);
                }
                members[room] = [false; LINKS];
            }
            Step::Flush(most) => {
                registry.flush(most);
            }
        }
    }
    while registry.has_news() {
        registry.flush(2);
    }
    for (link, expected) in links.iter().zip(expected) {
        assert_eq!(heard(link), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn everybody_hears_what_they_should_once_and_in_order(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        check(&steps);
    }
}

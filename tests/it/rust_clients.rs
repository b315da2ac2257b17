//! The unmodified Rust clients of Hop, both at once: what the `hop` crate does reaches `leap_client_rs`.

use crate::support::{OWNER, PROJECT, Server};
use hop::channels::types::ChannelType;
use hop::{Hop, HopOptions};
use leap_client_rs::leap::types::{ConnectionScopes, Event, EventCapsule, InitEvent};
use leap_client_rs::{LeapEdge, LeapOptions};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// How long an event may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The HTTP client, its base URL ending like this.
fn hop(server: &Server, end: &str) -> Hop {
    let api_url = Some(format!("http://{}/v1{end}", server.address));
    Hop::new_with_options(HopOptions { token: Some(OWNER.to_owned()), api_url }).unwrap()
}

/// The socket's client, connected.
async fn leap(server: &Server, token: Option<&str>) -> (LeapEdge, InitEvent) {
    let ws_url = &format!("ws://{}/ws", server.address);
    let mut leap = LeapEdge::new(LeapOptions { token, project: PROJECT, ws_url }).await.unwrap();
    let Event::Init(init) = next(&mut leap).await else { panic!("INIT comes first") };
    assert_eq!(init.channel, None);
    (leap, init.data)
}

/// The next event.
async fn next(leap: &mut LeapEdge) -> Event {
    timeout(PATIENCE, leap.listen()).await.expect("an event in time").expect("not ended")
}

/// Creates a channel.
async fn create(hop: &Hop, id: &str, kind: ChannelType, state: Value) {
    let made = hop.channels.create(PROJECT, kind, Some(id.to_owned()), Some(state)).await.unwrap();
    assert_eq!(made.id, id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_client_does_the_other_hears() {
    let server = Server::start();
    for end in ["", "/"] {
        let hop = hop(&server, end);
        create(&hop, "kept", ChannelType::Private, json!({"n": 1})).await;
        create(&hop, "asked", ChannelType::Public, json!({"a": [1, {"b": null}]})).await;
        let tokens = &hop.channels.tokens;
        let token = tokens.create(PROJECT, Some(json!({"user": 7})), None).await.unwrap();
        tokens.subscribe("kept", &token.id).await.unwrap();
        let (mut leap, init) = leap(&server, Some(&token.id)).await;
        assert!(tokens.get::<Value>(&token.id).await.unwrap().is_online);
        check_init(&init);
        hear_subscribing(&hop, &mut leap).await;
        hear_messages(&hop, &mut leap, &token.id).await;
        hear_state(&hop, &mut leap).await;
        hear_the_end(&hop, &mut leap, &token.id).await;
    }
    server.assert_well();
}

/// INIT has the token, its metadata and what it is subscribed to.
fn check_init(init: &InitEvent) {
    assert!(matches!(init.scope, ConnectionScopes::Token));
    assert_eq!((init.connection_count, &init.metadata), (1, &Some(json!({"user": 7}))));
    assert!(!init.cid.is_empty());
    let kept: Vec<_> = init.channels.iter().map(|c| (c.id.as_str(), &c.state)).collect();
    assert_eq!(kept, [("kept", &json!({"n": 1}))]);
}

/// The client's own subscribe.
async fn hear_subscribing(hop: &Hop, leap: &mut LeapEdge) {
    leap.channel_subscribe("asked").await.unwrap();
    let Event::Available(EventCapsule { channel, data, .. }) = next(leap).await else {
        panic!("AVAILABLE answers a subscribe")
    };
    assert_eq!((channel.as_deref(), data.channel.id.as_str()), (Some("asked"), "asked"));
    assert_eq!(data.channel.project_id, PROJECT);
    assert_eq!(data.channel.state, json!({"a": [1, {"b": null}]}));
    assert_eq!(hop.channels.stats(PROJECT, "asked").await.unwrap().online_count, 1);
}

/// Messages to the channel and to the token.
async fn hear_messages(hop: &Hop, leap: &mut LeapEdge, token: &str) {
    let greeting = json!({"text": "é☃", "n": 9_007_199_254_740_993_u64});
    hop.channels.message(PROJECT, "asked", "HELLO", Some(greeting.clone())).await.unwrap();
    let Event::Message(EventCapsule { channel, data, unicast }) = next(leap).await else {
        panic!("MESSAGE")
    };
    assert_eq!((channel.as_deref(), &*data.event, unicast), (Some("asked"), "HELLO", false));
    assert_eq!(data.data, greeting);
    hop.channels.message::<Value>(PROJECT, "asked", "BARE", None).await.unwrap();
    let Event::Message(bare) = next(leap).await else { panic!("MESSAGE") };
    assert_eq!(bare.data.data, Value::Null);
    let data = Some(json!({"x": 1}));
    hop.channels.tokens.direct_message(token, "FOR YOU", data).await.unwrap();
    let Event::DirectMessage(EventCapsule { channel, data, .. }) = next(leap).await else {
        panic!("DIRECT_MESSAGE")
    };
    assert_eq!((channel, &*data.event, data.data), (None, "FOR YOU", json!({"x": 1})));
}

/// A patched and a replaced state.
async fn hear_state(hop: &Hop, leap: &mut LeapEdge) {
    hop.channels.patch_state(PROJECT, "kept", Some(json!({"m": 2}))).await.unwrap();
    let Event::StateUpdate(update) = next(leap).await else { panic!("STATE_UPDATE") };
    assert_eq!(update.data, json!({"state": {"n": 1, "m": 2}}));
    hop.channels.set_state(PROJECT, "kept", Some(json!({"only": true}))).await.unwrap();
    let Event::StateUpdate(update) = next(leap).await else { panic!("STATE_UPDATE") };
    assert_eq!(update.data, json!({"state": {"only": true}}));
}

/// The end of a subscription, of a channel, and of the token.
async fn hear_the_end(hop: &Hop, leap: &mut LeapEdge, token: &str) {
    hop.channels.tokens.unsubscribe("asked", token).await.unwrap();
    let Event::Unavailable(gone) = next(leap).await else { panic!("UNAVAILABLE") };
    assert_eq!((gone.channel.as_deref(), &gone.data["graceful"]), (Some("asked"), &json!(true)));
    hop.channels.delete(PROJECT, "kept").await.unwrap();
    let Event::Unavailable(gone) = next(leap).await else { panic!("UNAVAILABLE") };
    assert_eq!(gone.channel.as_deref(), Some("kept"));
    hop.channels.delete(PROJECT, "asked").await.unwrap();
    hop.channels.tokens.delete(token).await.unwrap();
    assert!(timeout(PATIENCE, leap.listen()).await.unwrap().is_none(), "4001 ends the client");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_name_their_reason_and_leave_the_connection() {
    let server = Server::start();
    let hop = hop(&server, "");
    create(&hop, "closed", ChannelType::Private, json!({})).await;
    create(&hop, "open", ChannelType::Unprotected, json!({})).await;
    let (mut leap, init) = leap(&server, None).await;
    assert!(matches!(init.scope, ConnectionScopes::NoAuth));
    assert!(init.channels.is_empty() && init.metadata.is_none());
    for (channel, code) in [("closed", "NOT_GRANTED"), ("nowhere", "UNKNOWN")] {
        leap.channel_subscribe(channel).await.unwrap();
        let Event::Unavailable(refused) = next(&mut leap).await else { panic!("UNAVAILABLE") };
        assert_eq!((refused.channel.as_deref(), refused.unicast), (Some(channel), true));
        assert_eq!(refused.data, json!({"graceful": false, "error_code": code}));
    }
    // The client calls this "initial data"; it means nothing to the server, and harms nothing.
    leap.channel_subscribe_with_data("open", json!([1, "x"])).await.unwrap();
    assert!(matches!(next(&mut leap).await, Event::Available(_)));
    server.assert_well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_stays_connected_over_its_heartbeats() {
    let server =
        Server::start_with(&[("WARREN_HEARTBEAT", "1"), ("WARREN_HEARTBEAT_TIMEOUT", "5")]);
    let hop = hop(&server, "");
    create(&hop, "open", ChannelType::Unprotected, json!({})).await;
    let (mut leap, _) = leap(&server, None).await;
    leap.channel_subscribe("open").await.unwrap();
    match next(&mut leap).await {
        Event::Available(_) => {}
        other => panic!("{other:?} instead of AVAILABLE"),
    }
    // Seven intervals, with a heartbeat of the server's own in every third. A reconnect would show as a second INIT,
    // and would lose the subscription.
    for n in 0..14 {
        // Real time, because the client's own clock counts: that it stays for so long is the promise.
        tokio::time::sleep(Duration::from_millis(500)).await;
        hop.channels.message(PROJECT, "open", "TICK", Some(json!({"n": n}))).await.unwrap();
        match next(&mut leap).await {
            Event::Message(tick) => assert_eq!(tick.data.data, json!({"n": n})),
            other => panic!("{other:?} instead of tick {n}"),
        }
    }
    assert_eq!(hop.channels.stats(PROJECT, "open").await.unwrap().online_count, 1);
    server.assert_well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_stops_where_it_may_not_come_in() {
    let server = Server::start();
    for (project, token) in [(PROJECT, Some("leap_token_nobody")), ("project_nobody", None)] {
        let ws_url = &format!("ws://{}/ws", server.address);
        let mut leap = LeapEdge::new(LeapOptions { token, project, ws_url }).await.unwrap();
        let end = timeout(PATIENCE, leap.listen()).await.unwrap();
        assert!(end.is_none(), "{end:?}");
    }
    server.assert_well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_suit_the_crate_which_wants_them_bare() {
    let server = Server::start();
    for end in ["", "/"] {
        let hop = hop(&server, end);
        create(&hop, "one", ChannelType::Public, json!({"n": 1})).await;
        let token =
            hop.channels.tokens.create(PROJECT, Some(json!({"id": 1})), None).await.unwrap();
        // Other clients get an object here; the crate names itself in its `User-Agent`.
        let channels = hop.channels.get_all::<Value>(PROJECT).await.unwrap();
        assert_eq!(channels.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["one"]);
        let tokens = hop.channels.tokens.get_all::<Value>(PROJECT).await.unwrap();
        assert_eq!(tokens.iter().map(|t| &t.id).collect::<Vec<_>>(), [&token.id]);
        hop.channels.delete(PROJECT, "one").await.unwrap();
        hop.channels.tokens.delete(&token.id).await.unwrap();
    }
    server.assert_well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_json_web_token_is_a_token() {
    let server = Server::start();
    let issuer = crate::jwt::issuer_of(&server);
    let hop = hop(&server, "");
    create(&hop, "kept", ChannelType::Private, json!({"n": 1})).await;
    let more = json!({"channels": ["kept"], "state": {"user": 7}});
    let token = issuer.token(&crate::jwt::claims("anna", 60.0, more));
    let (mut leap, init) = leap(&server, Some(&token)).await;
    check_init(&init);
    let data = json!({"e": "HELLO", "d": 1}).to_string();
    server.done("POST", "/v1/channels/kept/messages", &data);
    let Event::Message(EventCapsule { channel, data, .. }) = next(&mut leap).await else {
        panic!("a message was published")
    };
    assert_eq!((channel.as_deref(), data.event.as_str()), (Some("kept"), "HELLO"));
    server.assert_well();
}

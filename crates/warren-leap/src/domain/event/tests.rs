//! The shapes of `docs/PROTOCOL.md`, Webhooks, to the byte.

use super::*;
use crate::domain::webhook::EVENTS;
use crate::domain::{Capabilities, ChannelKey, Permissions, ProjectTokenId, State, Visibility};

/// A stamp.
fn stamp() -> Stamp {
    Stamp { id: EventId::from("event_1"), at: Timestamp(0) }
}

/// The project of these tests.
fn project() -> ProjectId {
    ProjectId::from("project_x")
}

/// The data of an event with the number 7, and its whole body checked around it.
fn data(event: &HookEvent) -> String {
    let body = body_for(&WebhookId::from("webhook_1"), &event.body(7)).unwrap();
    let head = format!(
        r#"{{"webhook_id":"webhook_1","project_id":"project_x","occurred_at":"1970-01-01T00:00:00.000Z","id":"event_1","event":"{}","data":"#,
        event.kind.name()
    );
    let data = body.strip_prefix(&head).unwrap_or_else(|| panic!("{body}"));
    data.strip_suffix('}').unwrap().to_owned()
}

#[test]
fn names_are_those_that_webhooks_may_ask_for() {
    let names: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names, EVENTS);
    for kind in EventKind::ALL {
        assert_eq!(EventKind::from_name(kind.name()), Some(*kind));
    }
    assert_eq!(EventKind::from_name("ignite.deployment.created"), None);
    let all = EventKind::ALL.iter().fold(0, |all, kind| all | kind.bit());
    assert_eq!(all, (1 << EventKind::ALL.len()) - 1, "each kind has a bit of its own");
}

#[test]
fn a_channel_is_shown_with_its_state_untouched() {
    let channel = Channel {
        key: ChannelKey { project: project(), id: ChannelId::parse("a\"b").unwrap() },
        visibility: Visibility::Private,
        capabilities: Capabilities::PRESENCE,
        state: State::trusted(r#"{"n":90071992547409931.10}"#),
        version: Version(3),
        created_at: Timestamp(0),
    };
    let event = HookEvent::channel(stamp(), EventKind::ChannelStateUpdated, &channel);
    assert_eq!(
        data(&event),
        r#"{"channel":{"id":"a\"b","project_id":"project_x","type":"private","capabilities":8,"state":{"n":90071992547409931.10},"version":3,"created_at":"1970-01-01T00:00:00.000Z"},"version":3,"seq":7}"#
    );
}

#[test]
fn clients_and_subscriptions_name_the_channel() {
    let (channel, token) = (ChannelId::trusted("a"), LeapTokenId::from("leap_token_1"));
    let session = SessionId::from("session_1");
    let mut presence = PresenceShape {
        channel: &channel,
        token: Some(&token),
        session: &session,
        online_count: 2,
    };
    let kind = EventKind::ChannelClientConnected;
    let event = HookEvent::client(stamp(), kind, &project(), presence);
    assert_eq!(
        data(&event),
        r#"{"channel":"a","token":"leap_token_1","session":"session_1","online_count":2,"seq":7}"#
    );
    presence.token = None;
    let event = HookEvent::client(stamp(), kind, &project(), presence);
    assert_eq!(data(&event), r#"{"channel":"a","session":"session_1","online_count":2,"seq":7}"#);
    let subscribing = Subscribing { channel: &channel, token: &token, ephemeral: true };
    let kind = EventKind::ChannelSubscribed;
    let event = HookEvent::subscription(stamp(), kind, &project(), subscribing);
    assert_eq!(data(&event), r#"{"channel":"a","token":"leap_token_1","ephemeral":true,"seq":7}"#);
}

#[test]
fn a_message_passes_untouched() {
    let channel = ChannelId::trusted("a");
    let connection = ConnectionId::from("cid");
    let message = Message { event: "E".into(), data: RawJson::trusted(r#"{"b":1.10,"a":1}"#) };
    let sent = Sent { channel: &channel, token: None, connection: &connection, message: &message };
    assert_eq!(
        data(&HookEvent::message(stamp(), &project(), sent)),
        r#"{"channel":"a","connection":"cid","e":"E","d":{"b":1.10,"a":1},"seq":7}"#
    );
}

#[test]
fn tokens_are_shown_and_secrets_of_back_ends_are_not() {
    let token = LeapToken {
        id: LeapTokenId::from("leap_token_1"),
        project: project(),
        state: RawJson::trusted(r#"{"k":1}"#),
        expires_at: None,
        created_at: Timestamp(0),
    };
    assert_eq!(
        data(&HookEvent::token(stamp(), EventKind::TokenCreated, &token)),
        r#"{"token":{"id":"leap_token_1","project_id":"project_x","state":{"k":1},"created_at":"1970-01-01T00:00:00.000Z","expires_at":null},"seq":7}"#
    );
    let token = ProjectToken {
        id: ProjectTokenId::from("ptkid_1"),
        project: project(),
        permissions: Permissions::OWNER,
        hint: "ptk_abcd".to_owned(),
        created_at: Timestamp(0),
    };
    assert_eq!(
        data(&HookEvent::project_token(stamp(), EventKind::ProjectTokenDeleted, &token)),
        r#"{"project_token":{"id":"ptkid_1","project_id":"project_x","flags":2251799805280247,"created_at":"1970-01-01T00:00:00.000Z"},"seq":7}"#
    );
}

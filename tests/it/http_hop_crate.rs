//! The unmodified `hop` crate against a real server: the client that is the strictest about answers.

use crate::support::{ADMIN, OWNER, PROJECT, Server};
use hop::{Hop, HopOptions};
use serde_json::{Value, json};

/// A client with this token, its base URL ending like this.
fn client(server: &Server, token: &str, end: &str) -> Hop {
    let api_url = Some(format!("http://{}/v1{end}", server.address));
    Hop::new_with_options(HopOptions { token: Some(token.to_owned()), api_url }).unwrap()
}

#[actix_rt::test]
async fn channels_work_whatever_the_base_urls_end() {
    let server = Server::start();
    for end in ["", "/"] {
        let channels = client(&server, OWNER, end).channels;
        let state = json!({"a": {"x": 1}, "n": 9_007_199_254_740_993_u64});
        let name = Some("room".to_owned());
        let kind = hop::channels::types::ChannelType::Public;
        let made = channels.create(PROJECT, kind, name, Some(state.clone())).await.unwrap();
        assert_eq!((made.id.as_str(), &made.state), ("room", &state));
        let found = channels.get::<Value>(PROJECT, "room").await.unwrap();
        assert_eq!(found.project.id, PROJECT);
        assert_eq!(channels.get_all::<Value>(PROJECT).await.unwrap().len(), 1);
        assert_eq!(channels.state::<Value>(PROJECT, "room").await.unwrap(), state);
        let set = channels.set_state(PROJECT, "room", Some(json!({"b": 1}))).await.unwrap();
        assert_eq!(set, json!({"b": 1}));
        let patched = channels.patch_state(PROJECT, "room", Some(json!({"c": 2}))).await.unwrap();
        assert_eq!(patched, json!({"b": 1, "c": 2}));
        channels.set_state::<Value>(PROJECT, "room", None).await.unwrap();
        channels.message(PROJECT, "room", "A", Some(json!({"x": 1}))).await.unwrap();
        channels.message::<Value>(PROJECT, "room", "A", None).await.unwrap();
        assert_eq!(channels.stats(PROJECT, "room").await.unwrap().online_count, 0);
        channels.delete(PROJECT, "room").await.unwrap();
        let gone = channels.get::<Value>(PROJECT, "room").await.unwrap_err();
        assert!(gone.to_string().contains("channel not found"), "{gone}");
    }
}

#[actix_rt::test]
async fn leap_tokens_work_though_their_paths_lack_a_slash() {
    let server = Server::start();
    server.data("PUT", "/v1/channels/room", "{}");
    for end in ["", "/"] {
        let tokens = client(&server, OWNER, end).channels.tokens;
        let until = Some("2099-01-01T00:00:00Z");
        let made = tokens.create(PROJECT, Some(json!({"id": 1})), until).await.unwrap();
        let id = made.id.as_str();
        assert_eq!(tokens.get::<Value>(id).await.unwrap().state, made.state);
        assert_eq!(tokens.get_all::<Value>(PROJECT).await.unwrap().len(), 1);
        tokens.patch::<Value>(id, Some(json!({"id": 2})), None).await.unwrap();
        tokens.subscribe("room", id).await.unwrap();
        tokens.direct_message(id, "A", Some(json!({"x": 1}))).await.unwrap();
        tokens.unsubscribe("room", id).await.unwrap();
        tokens.delete(id).await.unwrap();
        assert!(tokens.get::<Value>(id).await.is_err());
    }
}

#[actix_rt::test]
async fn projects_users_and_webhooks_are_parsed() {
    use hop::webhooks::types::PossibleEvents;
    let server = Server::start();
    let hop = client(&server, OWNER, "");
    assert_eq!(hop.projects.this().await.unwrap().project.id, PROJECT);
    assert_eq!(hop.projects.members(PROJECT).await.unwrap().len(), 1);
    hop.projects.me_member(PROJECT).await.unwrap();
    let made = hop.projects.tokens.create(PROJECT, &[]).await.unwrap();
    assert!(made.project_token.token.starts_with("ptk_"));
    assert_eq!(hop.projects.tokens.get(PROJECT).await.unwrap().len(), 2);
    hop.projects.tokens.delete(PROJECT, &made.project_token.id).await.unwrap();
    let me = client(&server, ADMIN, "").users.me().await.unwrap();
    assert_eq!(me.projects.len(), 1);
    let body = r#"{"webhook_url":"http://127.0.0.1:9/","events":["channel.created"]}"#;
    server.data("POST", "/v1/projects/@this/webhooks", body);
    let (url, events) = ("http://127.0.0.1:9/", [PossibleEvents::IgniteDeploymentCreated]);
    let webhook = hop.webhooks.create(PROJECT, url, &events).await.unwrap();
    assert!(webhook.secret.unwrap().starts_with("whsec_"));
    assert_eq!(hop.webhooks.get_all(PROJECT).await.unwrap().len(), 2);
    hop.webhooks.patch(PROJECT, &webhook.id, url, &[]).await.unwrap();
    hop.webhooks.regenerate_secret(PROJECT, &webhook.id).await.unwrap();
    hop.webhooks.delete(PROJECT, &webhook.id).await.unwrap();
}

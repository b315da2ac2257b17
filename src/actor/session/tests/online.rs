//! What webhooks hear of sessions coming and going while channels' actors crash.

use super::*;
use crate::domain::{EventKind, Webhook, WebhookId};
use crate::store::WriteStore;

/// Has webhooks hear who is online in the project; returns what they heard so far, in order, each time it is asked.
async fn hear_who_is_online(world: &World) -> impl AsyncFn() -> Vec<(String, u64)> {
    let kinds = [EventKind::ChannelClientConnected, EventKind::ChannelClientDisconnected];
    let webhook = Webhook {
        id: WebhookId::from("w"),
        project: ProjectId::from("p"),
        url: String::new(),
        events: kinds.map(|kind| kind.name().to_owned()).into(),
        secret: String::new(),
        previous: None,
        disabled_at: None,
        created_at: Timestamp(1),
    };
    let persistence = world.supervisor.persistence().clone();
    persistence.write(move |store| store.create_webhook(&webhook)).await.unwrap();
    persistence.load_hooks().await.unwrap();
    persistence.launch_event_log().await.unwrap();
    async move || {
        let later = Timestamp(i64::MAX);
        let due = persistence
            .read(move |store| store.due_deliveries(&WebhookId::from("w"), later, 100))
            .await
            .unwrap();
        let mut heard: Vec<(i64, String, u64)> = Vec::new();
        for due in due {
            let body: Value = serde_json::from_str(&due.body).unwrap();
            let kind = body["event"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
            let (seq, count) = (&body["data"]["seq"], &body["data"]["online_count"]);
            heard.push((seq.as_i64().unwrap(), kind, count.as_u64().unwrap()));
        }
        heard.sort();
        heard.into_iter().map(|(_, kind, count)| (kind, count)).collect()
    }
}

#[actix::test]
async fn a_channels_crash_is_no_coming_and_no_going() {
    let world = World::with(&[("room", Capabilities::default())]).await;
    let open = |store: &mut dyn WriteStore| {
        store.update_channel(&key("room"), Visibility::Unprotected, Capabilities::default())
    };
    world.supervisor.persistence().write(open).await.unwrap();
    let heard = hear_who_is_online(&world).await;
    let fake = world.connect().await;
    fake.subscribe("room", true).await;
    let other = world.try_connect("p", None).await.unwrap();
    other.subscribe("room", true).await;
    for _ in 0..3 {
        let actor = world.supervisor.channel(&key("room")).await.unwrap();
        assert!(actor.send(Crash).await.is_err());
        fake.expect("AVAILABLE").await;
        other.expect("AVAILABLE").await;
    }
    // Whoever ends while the channel has no actor is not forgotten.
    let actor = world.supervisor.channel(&key("room")).await.unwrap();
    assert!(actor.send(Crash).await.is_err());
    world.disconnect(&other).await;
    assert!(until(async || heard().await.len() == 3).await, "{:?}", heard().await);
    fake.expect("AVAILABLE").await;
    let since = world.disconnect(&fake).await;
    advance(since, Duration::from_secs(31)).await;
    assert!(until(async || heard().await.len() == 4).await, "{:?}", heard().await);
    let expected = [("connected", 1), ("connected", 2), ("disconnected", 1), ("disconnected", 0)];
    assert_eq!(heard().await, expected.map(|(kind, count)| (kind.to_owned(), count)));
}

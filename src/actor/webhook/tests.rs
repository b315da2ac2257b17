//! The dispatcher against a real store and an endpoint on loopback.

use super::*;
use crate::domain::{
    Capabilities, Channel, ChannelId, ChannelKey, EventKind, HookEvent, Project, ProjectId, Stamp,
    State, Version, Visibility, WebhookId,
};
use crate::store::diesel::SqliteDatabase;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};

/// Makes the dispatcher panic.
#[derive(Message)]
#[rtype(result = "()")]
struct Crash;

impl Handler<Crash> for WebhookSender {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("on purpose");
    }
}

/// An endpoint that takes everything and tells the ids of what came.
fn endpoint() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (heard, ids) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
            let id = head.filter_map(|line| Some(line.strip_prefix("webhook-id: ")?.to_owned()));
            // Nobody listens any more when the test is over.
            let _ = heard.send(id.last().unwrap_or_default());
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        }
    });
    (url, ids)
}

/// A store with a project and a webhook for new channels at this address.
async fn store(folder: &std::path::Path, url: String) -> Persistence {
    let database = SqliteDatabase::open(&folder.join("warren.db"), 1).unwrap();
    let persistence = Persistence::start(Arc::new(database)).unwrap();
    let made = persistence.write(move |store| {
        let (id, created_at) = (ProjectId::from("project_a"), clock::now());
        let project = Project { id, name: "A".into(), namespace: "a".into(), created_at };
        store.create_project(&project)?;
        store.create_webhook(&Webhook {
            id: WebhookId::from("webhook_a"),
            project: project.id,
            url,
            events: vec!["channel.created".to_owned()],
            secret: "whsec_AAAA".to_owned(),
            previous: None,
            disabled_at: None,
            created_at,
        })
    });
    made.await.unwrap();
    persistence
}

/// Something to tell, under this id.
fn event(id: &str) -> HookEvent {
    let key = ChannelKey { project: ProjectId::from("project_a"), id: ChannelId::trusted("room") };
    let channel = Channel {
        key,
        visibility: Visibility::Public,
        capabilities: Capabilities::default(),
        state: State::empty(),
        version: Version::FIRST,
        created_at: clock::now(),
    };
    let stamp = Stamp { id: id.into(), at: clock::now() };
    HookEvent::channel(stamp, EventKind::ChannelCreated, &channel)
}

/// Stores something to tell.
async fn record(persistence: &Persistence, event: HookEvent) {
    persistence.write_causing(true, |_| Ok(()), |()| vec![event]).await.unwrap();
}

/// What comes next; waits beside the runtime.
async fn next(ids: mpsc::Receiver<String>) -> (String, mpsc::Receiver<String>) {
    let waited = tokio::task::spawn_blocking(move || {
        (ids.recv_timeout(Duration::from_secs(20)).unwrap(), ids)
    });
    waited.await.unwrap()
}

#[actix_rt::test]
async fn a_crash_of_the_dispatcher_does_not_stop_deliveries() {
    let folder = tempfile::tempdir().unwrap();
    let (url, ids) = endpoint();
    let persistence = store(folder.path(), url).await;
    let policy = Policy { allow_private: true, ..Policy::default() };
    WebhookSender::launch(persistence.clone(), Rules { policy, ..Rules::default() });
    record(&persistence, event("event_1")).await;
    let (first, ids) = next(ids).await;
    assert_eq!(first, "event_1");
    let dispatcher = persistence.hooks().dispatcher().unwrap();
    assert!(dispatcher.send(Crash).await.is_err());
    record(&persistence, event("event_2")).await;
    // The first one's outcome may not have been stored yet: then it comes again, under the same id.
    let (mut heard, mut ids) = next(ids).await;
    while heard == "event_1" {
        (heard, ids) = next(ids).await;
    }
    assert_eq!(heard, "event_2");
    assert!(persistence.hooks().dispatcher().unwrap() != dispatcher);
}

#[actix_rt::test]
async fn what_was_to_be_sent_under_a_clock_that_was_set_back_is_sent_now() {
    let folder = tempfile::tempdir().unwrap();
    let (url, ids) = endpoint();
    let persistence = store(folder.path(), url).await;
    // What a clock leaves behind that was a year ahead.
    let year = Duration::from_hours(365 * 24);
    let late = HookEvent { occurred_at: clock::after(year), ..event("event_late") };
    record(&persistence, late).await;
    let policy = Policy { allow_private: true, ..Policy::default() };
    WebhookSender::launch(persistence.clone(), Rules { policy, ..Rules::default() });
    assert_eq!(next(ids).await.0, "event_late");
}

//! The dispatcher against a real store and an endpoint on loopback.

use super::*;
use crate::domain::{
    Authorizer, Capabilities, Channel, ChannelId, ChannelKey, ConnectionId, EventKind, HookEvent,
    LeapToken, LeapTokenId, Project, ProjectId, RawJson, Stamp, State, Version, Visibility,
    WebhookId,
};
use crate::faults::{CrashPoint, crash_at};
use crate::store::diesel::SqliteDatabase;
use crate::webhook::authorize::Verdict;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use tokio::time::{Instant, timeout};

/// Longer than anything takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(20);

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

/// Has the dispatcher crash where it passes next.
#[derive(Message)]
#[rtype(result = "()")]
struct CrashAt(CrashPoint);

impl Handler<CrashAt> for WebhookSender {
    type Result = ();

    fn handle(&mut self, CrashAt(point): CrashAt, _: &mut Context<Self>) {
        crash_at(point, 1);
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
        let project = Project {
            id,
            name: "A".into(),
            namespace: "a".into(),
            allowed_origins: crate::domain::AllowedOrigins::default(),
            created_at,
        };
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

/// A channel of the project.
fn channel() -> Channel {
    let key = ChannelKey { project: ProjectId::from("project_a"), id: ChannelId::trusted("room") };
    Channel {
        key,
        visibility: Visibility::Public,
        capabilities: Capabilities::default(),
        state: State::empty(),
        version: Version::FIRST,
        created_at: clock::now(),
    }
}

/// Something to tell, under this id.
fn event(id: &str) -> HookEvent {
    let stamp = Stamp { id: id.into(), at: clock::now() };
    HookEvent::channel(stamp, EventKind::ChannelCreated, &channel())
}

/// Stores something to tell.
async fn record(persistence: &Persistence, event: HookEvent) {
    persistence.write_causing(true, |_| Ok(()), |()| vec![event]).await.unwrap();
}

/// What comes next; waits beside the runtime.
async fn next(ids: mpsc::Receiver<String>) -> (String, mpsc::Receiver<String>) {
    let waited = tokio::task::spawn_blocking(move || (ids.recv_timeout(PATIENCE).unwrap(), ids));
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

/// A question that came: what it says, and where its answer goes.
type Asked = (String, TcpStream);

/// A channel authorizer that hands over each question that came, to be answered or not.
fn authorizer() -> (String, mpsc::Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (asked, questions) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let head = reader.by_ref().lines().map_while(Result::ok);
            let length = head.take_while(|line| !line.is_empty()).filter_map(|line| {
                line.strip_prefix("content-length: ").and_then(|length| length.parse().ok())
            });
            let mut body = vec![0; length.last().unwrap_or(0)];
            if reader.read_exact(&mut body).is_ok() {
                // Nobody asks any more when the test is over.
                let _ = asked.send((String::from_utf8(body).unwrap(), stream));
            }
        }
    });
    (url, questions)
}

/// Says yes.
fn grant(mut question: TcpStream) {
    let answer = r#"{"granted":true}"#;
    let length = answer.len();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}");
    // A dispatcher that has crashed meanwhile takes nothing.
    let _ = write!(question, "{head}\r\n\r\n{answer}");
}

/// The question of a connection of this token.
fn question(url: &str, token: &str) -> Ask {
    let project = ProjectId::from("project_a");
    let created_at = clock::now();
    Ask {
        authorizer: Authorizer {
            project: project.clone(),
            url: url.to_owned(),
            secret: "whsec_AAAA".to_owned(),
            created_at,
        },
        channel: channel(),
        token: LeapToken {
            id: LeapTokenId::from(token),
            project,
            state: RawJson::null(),
            expires_at: None,
            created_at,
        },
        cid: ConnectionId::from("cid"),
        address: None,
        since: Instant::now(),
    }
}

/// The next question about this token; waits beside the runtime.
async fn next_question(
    token: &'static str,
    questions: mpsc::Receiver<Asked>,
) -> (TcpStream, mpsc::Receiver<Asked>) {
    let waited = tokio::task::spawn_blocking(move || {
        loop {
            let (body, stream) = questions.recv_timeout(PATIENCE).unwrap();
            if body.contains(token) {
                return (stream, questions);
            }
        }
    });
    waited.await.unwrap()
}

#[actix_rt::test]
async fn who_asks_while_the_dispatcher_crashes_is_refused_at_once_and_the_next_one_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let persistence = store(folder.path(), "http://127.0.0.1:1/".to_owned()).await;
    let policy = Policy { allow_private: true, ..Policy::default() };
    WebhookSender::launch(persistence.clone(), Rules { policy, ..Rules::default() });
    let (url, mut questions) = authorizer();
    let ask = |token: &str| {
        let (hooks, question) = (persistence.hooks().clone(), question(&url, token));
        tokio::spawn(async move { timeout(PATIENCE, hooks.ask(question)).await.unwrap() })
    };
    // While the back end thinks about it; and with its answer at hand.
    for is_answered in [false, true] {
        let dispatcher = persistence.hooks().dispatcher().unwrap();
        if is_answered {
            dispatcher.send(CrashAt(CrashPoint::VerdictTold)).await.unwrap();
        }
        let askers = [ask("token_one"), ask("token_one")];
        let (first, rest) = next_question("token_one", questions).await;
        let other = ask("token_other");
        let (second, rest) = next_question("token_other", rest).await;
        if is_answered {
            grant(first);
        } else {
            assert!(dispatcher.send(Crash).await.is_err());
        }
        // Everybody who waited, also those who asked about something else.
        for asker in askers.into_iter().chain([other]) {
            assert_eq!(asker.await.unwrap(), Verdict::Refused);
        }
        drop(second);
        assert!(!dispatcher.connected());
        // Until there is another dispatcher it is no, without a wait; from then on back ends are asked again.
        assert_eq!(ask("token_early").await.unwrap(), Verdict::Refused);
        let since = Instant::now();
        while persistence.hooks().dispatcher().unwrap() == dispatcher {
            assert!(since.elapsed() < PATIENCE, "no other dispatcher");
            tokio::task::yield_now().await;
        }
        let asker = ask("token_one");
        let (asked, rest) = next_question("token_one", rest).await;
        grant(asked);
        let granted = Verdict::Granted { is_ephemeral: None, state: None };
        assert_eq!(asker.await.unwrap(), granted);
        questions = rest;
    }
}

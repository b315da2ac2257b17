//! Who may subscribe to what, in every way there is (`docs/PROTOCOL.md`, Visibility): a generated matrix.

use crate::jwt::{self, Issuer};
use crate::scene::{
    Hearer, channels, cid, create, eventually, hears, leave, members, subscriptions,
};
use crate::socket::{Socket, StreamAsk, StreamClient};
use crate::support::{OWNER, PROJECT, Server};
use serde_json::{Value, json};
use warren::domain::{LeapTokenId, ProjectId, Subject};

/// Long enough for a row to come back within it, short enough to wait for its end.
const GRACE: &str = "2";

/// A channel's visibility, or that there is none.
const CHANNELS: [&str; 4] = ["private", "public", "unprotected", "missing"];

/// Who a subscription is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// A connection without a token.
    Anonymous,
    /// A leap token.
    Leap,
    /// The subject of a JSON Web Token: whatever holds for a leap token.
    Subject,
    /// A project token.
    Project,
}

/// How the subscription is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The client's SUBSCRIBE.
    Client,
    /// The back end's `PUT …/subscribers/:token`.
    Put,
    /// The back end's `POST …/subscribers`.
    Post,
    /// A default channel of a new token; a channel that a JSON Web Token names.
    Default,
}

/// What carries what is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    /// A WebSocket.
    Socket,
    /// An event stream.
    Stream,
}

impl Transport {
    /// A connection, and INIT's data; it subscribes to this channel, and for now alone where that is said, behind that.
    fn enter(
        self,
        server: &Server,
        token: Option<&str>,
        subscribe: Option<(&str, bool)>,
    ) -> (Box<dyn Hearer>, Value) {
        match self {
            Self::Socket => {
                let (mut socket, init) = Socket::enter(server.address, token);
                if let Some((id, is_ephemeral)) = subscribe {
                    socket.dispatch("SUBSCRIBE", id, &json!({"ephemeral": is_ephemeral}));
                }
                (Box::new(socket), init)
            }
            Self::Stream => {
                let mut ask = StreamAsk::with(token);
                if let Some((id, is_ephemeral)) = subscribe {
                    ask = ask.and("channels", id).and("ephemeral", &is_ephemeral.to_string());
                }
                let (stream, init) = StreamClient::enter(server.address, &ask);
                (Box::new(stream), init)
            }
        }
    }
}

/// What must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Subscribed.
    Available,
    /// UNAVAILABLE with this code.
    Unavailable(&'static str),
    /// HTTP 404 with this code.
    NotFound(&'static str),
    /// Nothing comes of it, and nothing is said.
    LeftOut,
}

/// One row.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// The channel's visibility.
    channel: &'static str,
    /// How.
    way: Way,
    /// For whom.
    who: Who,
    /// Whether it is connected at that moment.
    is_online: bool,
    /// Whether the subscription is to end with the session.
    is_ephemeral: bool,
}

impl Row {
    /// What the documents promise.
    fn outcome(self) -> Outcome {
        match (self.way, self.who, self.channel) {
            (Way::Put, Who::Project, _) => Outcome::NotFound("token_not_found"),
            (Way::Default, Who::Subject, "missing") => Outcome::LeftOut,
            (Way::Client, _, "missing") => Outcome::Unavailable("UNKNOWN"),
            (_, _, "missing") => Outcome::NotFound("channel_not_found"),
            (Way::Client, Who::Anonymous, "public" | "private")
            | (Way::Client, Who::Leap | Who::Subject, "private") => {
                Outcome::Unavailable("NOT_GRANTED")
            }
            _ => Outcome::Available,
        }
    }

    /// Whether the subscription outlives the session.
    fn is_permanent(self) -> bool {
        let is_kept = matches!(self.who, Who::Leap | Who::Subject) && !self.is_ephemeral;
        self.outcome() == Outcome::Available && is_kept
    }
}

/// Every combination that has a meaning.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for channel in CHANNELS {
        let mut row = |way, who, is_online, is_ephemeral| {
            rows.push(Row { channel, way, who, is_online, is_ephemeral });
        };
        for who in [Who::Anonymous, Who::Leap, Who::Subject, Who::Project] {
            row(Way::Client, who, true, false);
            row(Way::Client, who, true, true);
        }
        for who in [Who::Leap, Who::Subject] {
            for is_online in [true, false] {
                row(Way::Put, who, is_online, false);
                row(Way::Post, who, is_online, false);
                row(Way::Post, who, is_online, true);
            }
            row(Way::Default, who, false, false);
            row(Way::Default, who, false, true);
        }
        if channel != "missing" {
            row(Way::Put, Who::Project, true, false);
        }
    }
    rows
}

/// A row being played.
struct Play {
    /// The row.
    row: Row,
    /// Its channel's id.
    id: String,
    /// Its token, if it has one.
    token: Option<String>,
    /// Makes its JSON Web Tokens, if it comes with those.
    issuer: Option<Issuer>,
}

impl Play {
    /// Makes the channel and the token.
    fn set_up(server: &Server, number: usize, row: Row, secret: &str) -> Self {
        let id = format!("row-{number}");
        if row.channel != "missing" {
            create(server, &id, row.channel, &["PRESENCE"]);
        }
        let token = match (row.who, row.way) {
            (Who::Anonymous, _) | (Who::Leap, Way::Default) => None,
            (Who::Leap, _) => Some(server.new_leap_token()),
            (Who::Subject, _) => {
                let id = Subject::parse(&id).unwrap();
                let token = LeapTokenId::of_subject(&ProjectId::from(PROJECT), &id);
                Some(token.as_str().to_owned())
            }
            (Who::Project, _) => Some(OWNER.to_owned()),
        };
        let is_subject = row.who == Who::Subject;
        let issuer = is_subject.then(|| Issuer::with_secret("HS256", secret));
        let play = Self { row, id, token, issuer };
        if is_subject && row.way != Way::Default {
            // There is a leap token for it once it has been there.
            let (socket, _) = play.enter(server, Transport::Socket, false, None);
            leave(server, socket, play.token.as_deref().unwrap());
        }
        play
    }

    /// Comes in by this transport, and subscribes to this channel; `is_claiming` where the token names one.
    fn enter(
        &self,
        server: &Server,
        by: Transport,
        is_claiming: bool,
        asks: Option<(&str, bool)>,
    ) -> (Box<dyn Hearer>, Value) {
        let Some(issuer) = &self.issuer else {
            return by.enter(server, self.token.as_deref(), asks);
        };
        let channel = json!({"id": self.id, "ephemeral": self.row.is_ephemeral});
        let more = if is_claiming { json!({"channels": [channel]}) } else { json!({}) };
        let token = issuer.token(&jwt::claims(&self.id, 600.0, more));
        by.enter(server, Some(&token), asks)
    }

    /// Makes the subscription in the back end's name; returns whether it was made.
    fn grant(&mut self, server: &Server) -> bool {
        if (self.row.way, self.row.who) == (Way::Default, Who::Subject) {
            return true;
        }
        let (id, token) = (&self.id, self.token.as_deref().unwrap_or_default());
        let (method, path, body) = match self.row.way {
            Way::Put => ("PUT", format!("/v1/channels/{id}/subscribers/{token}"), String::new()),
            Way::Post => {
                let body = json!({"tokens": [token], "ephemeral": self.row.is_ephemeral});
                ("POST", format!("/v1/channels/{id}/subscribers"), body.to_string())
            }
            _ => {
                let channel = json!({"id": id, "ephemeral": self.row.is_ephemeral});
                let body = json!({"channels": [channel]});
                ("POST", "/v1/channels/tokens".to_owned(), body.to_string())
            }
        };
        let answer = server.call(method, &path, Some(OWNER), &body);
        if let Outcome::NotFound(code) = self.row.outcome() {
            assert_eq!(answer.failure(), (404, code.to_owned()), "{:?}", self.row);
            return false;
        }
        assert_eq!(answer.status, if self.row.way == Way::Put { 204 } else { 200 });
        match self.row.way {
            Way::Default => {
                self.token = answer.data()["token"]["id"].as_str().map(str::to_owned);
            }
            Way::Post => assert_eq!(
                answer.data(),
                json!({"results": [{"token": self.token, "subscribed": true}]})
            ),
            _ => {}
        }
        true
    }

    /// Makes the subscription and asserts what comes of it; returns the connection that has seen it.
    fn run(&mut self, server: &Server, by: Transport) -> Option<Box<dyn Hearer>> {
        let (row, id) = (self.row, self.id.clone());
        let asks = (row.way == Way::Client).then_some((id.as_str(), row.is_ephemeral));
        let is_claiming = (row.way, row.who) == (Way::Default, Who::Subject);
        let online = row.is_online.then(|| self.enter(server, by, is_claiming, asks));
        let is_granted = row.way == Way::Client || self.grant(server);
        if !is_granted && !row.is_online {
            return None;
        }
        let (mut socket, init) =
            online.unwrap_or_else(|| self.enter(server, by, is_claiming, None));
        let cid = cid(&init);
        match row.outcome() {
            Outcome::Available if row.is_online => {
                assert_eq!(channels(&init), [""; 0], "{row:?}");
                let available = socket.hear_of("AVAILABLE");
                assert_eq!(available["c"], id.as_str(), "{row:?}");
                assert_eq!(available["d"]["channel"]["type"], row.channel, "{row:?}");
                assert!(hears(server, &mut *socket, &cid, &id), "{row:?}");
            }
            Outcome::Available => {
                assert_eq!(channels(&init), [id.as_str()], "{row:?}");
                assert!(hears(server, &mut *socket, &cid, &id), "{row:?}");
            }
            Outcome::Unavailable(code) => {
                let refused = socket.hear_of("UNAVAILABLE");
                let expected = json!({"c": id, "u": true, "e": "UNAVAILABLE",
                    "d": {"graceful": false, "error_code": code}});
                assert_eq!(refused, expected, "{row:?}");
            }
            Outcome::LeftOut => assert_eq!(channels(&init), [""; 0], "{row:?}"),
            Outcome::NotFound(_) => {}
        }
        if row.channel == "missing" {
            crate::scene::assert_silent(server, &mut *socket, &cid);
        } else if row.outcome() != Outcome::Available {
            assert!(!hears(server, &mut *socket, &cid, &id), "{row:?}");
        }
        Some(socket)
    }
}

#[test]
fn every_way_to_subscribe_keeps_the_rules_of_visibility() {
    play_all(Transport::Socket);
}

#[test]
fn every_way_to_subscribe_keeps_them_over_an_event_stream() {
    play_all(Transport::Stream);
}

/// Plays every row by this transport.
fn play_all(by: Transport) {
    let server = Server::start_with(&[("WARREN_SESSION_GRACE", GRACE)]);
    let secret = "visibility".repeat(4);
    jwt::add_key(&server, &Issuer::with_secret("HS256", &secret).key());
    let rows = rows();
    assert!(rows.len() >= 72, "{}", rows.len());
    let mut plays = Vec::new();
    for (number, row) in rows.into_iter().enumerate() {
        let mut play = Play::set_up(&server, number, row, &secret);
        let socket = play.run(&server, by);
        let is_leap = matches!(row.who, Who::Leap | Who::Subject);
        let leap = play.token.clone().filter(|_| is_leap);
        if let Some(token) = &leap {
            let expected = if row.is_permanent() { vec![play.id.clone()] } else { Vec::new() };
            assert_eq!(subscriptions(&server, token), expected, "{row:?}");
        }
        plays.push((play, leap, socket));
    }
    for (.., socket) in &mut plays {
        drop(socket.take());
    }
    for (play, leap, _) in &plays {
        if play.row.channel != "missing" {
            eventually("the session has ended", || members(&server, &play.id) == 0);
        }
        let (mut socket, init) = play.enter(&server, by, false, None);
        let expected = if play.row.is_permanent() { vec![play.id.as_str()] } else { Vec::new() };
        assert_eq!(channels(&init), expected, "{:?}", play.row);
        if leap.is_some() && play.row.channel != "missing" {
            let is_heard = hears(&server, &mut *socket, &cid(&init), &play.id);
            assert_eq!(is_heard, play.row.is_permanent(), "{:?}", play.row);
        }
    }
    server.assert_well();
}

//! What a request for an event stream asks for, and the frames by which a socket's client would ask for the same.

use crate::delivery::Link;
use crate::domain::{ChannelId, Resume, Since};
use crate::http::error::ApiError;
use crate::protocol::Bookmark;
use actix_web::dev::RequestHead;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use actix_web::web::Query;
use serde_json::{Map, Value, json};

/// What a browser sends when it comes back: the last `id:` that it read.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The extension that every stream has: without it there is nothing to go on from.
const RESUME: &str = "resume";

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StreamRequest {
    /// The project.
    project: String,
    /// A leap token or project token; none for a stream without.
    token: Option<String>,
    /// The channels, as the client wrote them.
    channels: Vec<String>,
    /// The extensions beside [`RESUME`].
    extensions: Vec<String>,
    /// From where it wants to go on.
    resume: Option<Resume>,
    /// How many messages of before it wants of channels that it comes to.
    rewind: Option<u64>,
    /// Whether the subscriptions are to outlive the session.
    is_permanent: bool,
}

/// A parameter that cannot be what it is.
const fn refused(field: &'static str, reason: &'static str) -> ApiError {
    ApiError::InvalidQuery { field, reason }
}

/// Sets what may be said once.
fn once<T>(place: &mut Option<T>, field: &'static str, value: T) -> Result<(), ApiError> {
    if place.replace(value).is_some() { Err(refused(field, "comes once")) } else { Ok(()) }
}

/// The parts of a list, at its commas.
fn parts(list: &str) -> impl Iterator<Item = String> {
    list.split(',').filter(|part| !part.is_empty()).map(str::to_owned)
}

/// A token, raw or after `Bearer`; none where a header is empty.
fn token_in(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut lines = headers.get_all(AUTHORIZATION);
    let Some(line) = lines.next() else { return Ok(None) };
    let text =
        line.to_str().ok().filter(|_| lines.next().is_none()).ok_or(ApiError::InvalidAuth)?;
    let bare = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let token = bare.map_or(text, |(_, token)| token).trim();
    Ok(Some(token.to_owned()).filter(|token| !token.is_empty()))
}

impl StreamRequest {
    /// Reads a request's query and headers. Parameters that nobody knows are passed over: clients add some against caches.
    ///
    /// # Errors
    /// [`ApiError::InvalidQuery`] names the parameter at fault; [`ApiError::InvalidAuth`].
    pub(super) fn of(head: &RequestHead) -> Result<Self, ApiError> {
        let query =
            Query::<Vec<(String, String)>>::from_query(head.uri.query().unwrap_or_default());
        let query = query.ok().ok_or(refused("query", "is malformed"))?.into_inner();
        let (mut asked, mut project, mut kind) = (Self::default(), None, None);
        let (mut since, mut last) = (None, None);
        for (name, value) in query {
            match name.as_str() {
                "project" => once(&mut project, "project", value)?,
                "token" => once(&mut asked.token, "token", value)?,
                // An id may have a comma in it: then it is named by itself.
                "channel" => asked.channels.push(value),
                "channels" => asked.channels.extend(parts(&value)),
                "ext" => asked.extensions.extend(parts(&value)),
                "since" => once(&mut since, "since", value)?,
                "rewind" => {
                    let count = value.parse().ok();
                    let count = count.ok_or(refused("rewind", "must be a number of messages"))?;
                    once(&mut asked.rewind, "rewind", count)?;
                }
                "ephemeral" => {
                    let is_ephemeral = value.parse::<bool>().ok();
                    let known =
                        is_ephemeral.ok_or(refused("ephemeral", "must be true or false"))?;
                    once(&mut kind, "ephemeral", known)?;
                }
                // The second is what a polyfill calls it.
                "last_event_id" | "lastEventId" => once(&mut last, "last_event_id", value)?,
                _ => {}
            }
        }
        asked.project =
            project.filter(|id| !id.is_empty()).ok_or(refused("project", "is missing"))?;
        asked.is_permanent = kind == Some(false);
        asked.take_token(head.headers())?;
        asked.resume = asked.place(head.headers(), since, last)?;
        Ok(asked)
    }

    /// Its token.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Takes the token of the header, which must be that of the query if both are there.
    fn take_token(&mut self, headers: &HeaderMap) -> Result<(), ApiError> {
        self.token.take_if(|token| token.is_empty());
        if let Some(token) = token_in(headers)? {
            if self.token.as_ref().is_some_and(|other| *other != token) {
                return Err(refused("token", "is another one than in the header Authorization"));
            }
            self.token = Some(token);
        }
        Ok(())
    }

    /// From where it wants to go on: what the browser remembers counts before what the address says, which is as old as the
    /// page.
    fn place(
        &self,
        headers: &HeaderMap,
        since: Option<String>,
        last: Option<String>,
    ) -> Result<Option<Resume>, ApiError> {
        let last = match headers.get(LAST_EVENT_ID) {
            Some(line) => Some(String::from_utf8_lossy(line.as_bytes()).into_owned()),
            None => last,
        };
        if let Some(last) = last.filter(|last| !last.is_empty()) {
            let no_bookmark = "must be the id of an event that this server sent";
            let resume = Bookmark::read(&last).ok();
            return Ok(Some(resume.ok_or(refused("last_event_id", no_bookmark))?));
        }
        let Some(since) = since else { return Ok(None) };
        let [channel] = self.channels.as_slice() else {
            let reason = "is for one channel: with several, go on by last_event_id";
            return Err(refused("since", reason));
        };
        // A channel that cannot be is answered as one.
        let named = ChannelId::parse(channel).ok().map(|id| (id, Since::read(&since)));
        Ok(Some(Resume { channels: named.into_iter().collect(), direct: None }))
    }

    /// IDENTIFY.
    pub(super) fn identify(&self) -> String {
        let mut extensions = self.extensions.clone();
        extensions.push(RESUME.to_owned());
        let resume = self.resume.as_ref().map(|Resume { channels, direct }| {
            let named =
                |(id, since): (&ChannelId, &Since)| (id.as_str().to_owned(), spelled(*since));
            let positions: Map<String, Value> = channels.iter().map(named).collect();
            json!({"positions": positions, "direct": direct.map(spelled)})
        });
        let (project, token) = (&self.project, &self.token);
        let who =
            json!({"project_id": project, "token": token, "ext": extensions, "resume": resume});
        json!({"op": 2, "d": who}).to_string()
    }

    /// The places that it names of channels that it subscribes to.
    pub(super) fn places(&self) -> Vec<(ChannelId, Since)> {
        let Some(resume) = &self.resume else { return Vec::new() };
        let wanted = self.channels.iter().filter_map(|channel| ChannelId::parse(channel).ok());
        let named = wanted.filter_map(|id| resume.channels.get(&id).map(|since| (id, *since)));
        named.collect()
    }

    /// SUBSCRIBE for each channel that is not in INIT: what is, goes on from where it was already.
    pub(super) fn subscribes(&self, link: &Link) -> Vec<String> {
        let is_told =
            |channel: &str| ChannelId::parse(channel).is_ok_and(|id| link.has_told_of(&id));
        let wanted = self.channels.iter().map(|channel| (channel, is_told(channel)));
        // What was for now may be wanted for good.
        let wanted = wanted.filter(|(_, is_told)| !is_told || self.is_permanent);
        wanted.map(|(channel, is_told)| self.subscribe(channel, !is_told)).collect()
    }

    /// SUBSCRIBE for one channel, from where it is to go on or from now on.
    fn subscribe(&self, channel: &str, has_start: bool) -> String {
        let id = ChannelId::parse(channel).ok();
        let since = self.resume.as_ref().zip(id).and_then(|(of, id)| of.channels.get(&id).copied());
        let since = since.filter(|_| has_start).map(spelled);
        let rewind = self.rewind.filter(|_| has_start);
        let data = json!({"ephemeral": !self.is_permanent, "since": since, "rewind": rewind});
        json!({"op": 0, "d": {"e": "SUBSCRIBE", "c": channel, "d": data}}).to_string()
    }
}

/// What the members of the query are called.
#[cfg(test)]
pub(in crate::http) const fn names() -> &'static [&'static str] {
    &[
        "project",
        "token",
        "channel",
        "channels",
        "ext",
        "since",
        "rewind",
        "ephemeral",
        "last_event_id",
        "lastEventId",
    ]
}

/// A place as a client would name it; one that nobody knows is none of ours.
fn spelled(Since(position): Since) -> Value {
    json!(position.map(|position| position.to_string()).unwrap_or_default())
}

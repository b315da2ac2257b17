//! How far an event stream has heard each of its lines: what stands in the `id:` of its events, and what its client sends
//! back as `Last-Event-ID`.
//!
//! A socket's client keeps a position for each line. A browser keeps one text, the last `id:`, so each has all of them:
//! `lobby=4c1f…-12&news=9e02…-4&=77ab…-0`, percent-encoded names, the token's own line without one.

use super::encoded_event::{EncodedEvent, Event, Scope};
use crate::domain::{ChannelId, Position, Resume, Since};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The longest bookmark, bytes: proxies refuse headers that are longer than 8 KiB. About 100 channels.
pub const BOOKMARK_MAX_BYTES: usize = 4096;

/// More lines than a bookmark has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the positions of this stream's channels need more than {BOOKMARK_MAX_BYTES} bytes: use the socket, or several streams"
)]
pub struct BookmarkFull;

/// A text that is no bookmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the `id` of an event that this server sent")]
pub struct NoBookmark;

/// How far each line was heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bookmark {
    /// The last of each channel.
    channels: BTreeMap<ChannelId, Position>,
    /// The last of the token's own line.
    direct: Option<Position>,
    /// What its client has named of channels that the stream has not come to: a break before it does loses nothing.
    named: BTreeMap<ChannelId, Since>,
}

impl Bookmark {
    /// The client has named these places, of channels that the stream is to come to.
    pub fn carry(&mut self, named: impl Iterator<Item = (ChannelId, Since)>) {
        self.named.extend(named);
    }

    /// The stream begins with this `INIT`, and these messages follow it: each line was heard up to where it stands, but for
    /// what of it follows.
    pub fn begin<'a>(
        &mut self,
        init: &Event,
        following: impl DoubleEndedIterator<Item = &'a EncodedEvent>,
    ) {
        let Event::Init { channels, standing: Some(standing), scope, .. } = init else { return };
        let ids = channels.iter().map(|channel| channel.key.id.clone());
        let positions = standing.channels.iter().map(|line| line.position);
        self.channels = ids.zip(positions).collect();
        self.named.retain(|id, _| !self.channels.contains_key(id));
        // Who has no token is given another line with each connection, and nothing is said on it.
        self.direct = (*scope == Scope::Token).then_some(standing.direct.position);
        for event in following.rev() {
            let before = |at: Position| Position { offset: at.offset.saturating_sub(1), ..at };
            self.put(event.event(), event.position().map(before));
        }
    }

    /// An event follows; whether it has changed anything.
    pub fn note(&mut self, event: &EncodedEvent) -> bool {
        match event.event() {
            Event::Unavailable { channel: Some(id), is_unicast: false, .. } => {
                ChannelId::parse(id).is_ok_and(|id| self.channels.remove(&id).is_some())
            }
            other => self.put(other, event.position()),
        }
    }

    /// The line of an event was heard up to there.
    fn put(&mut self, event: &Event, position: Option<Position>) -> bool {
        let Some(position) = position else { return false };
        match event {
            Event::Available { channel, recovered } => {
                let id = &channel.key.id;
                let named = self.named.remove(id).and_then(|Since(named)| named);
                // What came after the place that was named follows.
                let follows = named.filter(|_| *recovered == Some(true));
                self.channels.insert(id.clone(), follows.unwrap_or(position));
            }
            Event::Message { channel, .. } | Event::StateUpdate { channel, .. } => {
                self.channels.insert(channel.clone(), position);
            }
            Event::DirectMessage { .. } | Event::Mail { .. } | Event::TokenStateUpdate { .. } => {
                self.direct = Some(position);
            }
            _ => return false,
        }
        true
    }

    /// Whether the stream hears this channel.
    pub fn has(&self, channel: &ChannelId) -> bool {
        self.channels.contains_key(channel)
    }

    /// The line `id:` that stands before an event.
    ///
    /// # Errors
    /// [`BookmarkFull`].
    pub fn line(&self) -> Result<String, BookmarkFull> {
        let mut line = String::from("id:");
        let start = line.len();
        let heard = self.channels.iter().map(|(id, position)| (id.as_str(), Some(*position)));
        let named = self.named.iter().map(|(id, Since(position))| (id.as_str(), *position));
        let direct = self.direct.map(|position| ("", Some(position)));
        for (name, position) in heard.chain(named).chain(direct) {
            line.push(if line.len() > start { '&' } else { ' ' });
            push_escaped(name, &mut line);
            line.push('=');
            if let Some(position) = position {
                // Writing to a String has no way to fail.
                let _ = write!(line, "{position}");
            }
            if line.len() - start > BOOKMARK_MAX_BYTES + 1 {
                return Err(BookmarkFull);
            }
        }
        line.push('\n');
        Ok(line)
    }

    /// What a client sends back, as the places from which it wants to go on. A place that nobody knows any more is one that
    /// nothing can be recovered from.
    ///
    /// # Errors
    /// [`NoBookmark`].
    pub fn read(text: &str) -> Result<Resume, NoBookmark> {
        let mut resume = Resume::default();
        if text.len() > BOOKMARK_MAX_BYTES {
            return Err(NoBookmark);
        }
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, position) = part.split_once('=').ok_or(NoBookmark)?;
            let since = Since::read(position);
            if name.is_empty() {
                resume.direct = Some(since);
            } else {
                let id = ChannelId::parse(&unescaped(name)?).ok().ok_or(NoBookmark)?;
                resume.channels.insert(id, since);
            }
        }
        Ok(resume)
    }
}

/// Whether a byte of a name stands for itself.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'@' | b'!')
}

/// Appends a name (RFC 3986 §2.1).
fn push_escaped(name: &str, out: &mut String) {
    for byte in name.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// A name as it was before that.
fn unescaped(text: &str) -> Result<String, NoBookmark> {
    let (mut bytes, mut out) = (text.bytes(), Vec::new());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => digit(bytes.next())? << 4 | digit(bytes.next())?,
            plain => plain,
        });
    }
    String::from_utf8(out).ok().ok_or(NoBookmark)
}

/// A hexadecimal digit.
fn digit(byte: Option<u8>) -> Result<u8, NoBookmark> {
    let digit = char::from(byte.ok_or(NoBookmark)?).to_digit(16).ok_or(NoBookmark)?;
    u8::try_from(digit).ok().ok_or(NoBookmark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Capabilities, Channel, ChannelKey, Epoch, Message, ProjectId, RawJson, State, Timestamp,
        Version, Visibility,
    };
    use proptest::prelude::*;

    /// A place.
    fn at(epoch: u64, offset: u64) -> Position {
        Position { epoch: Epoch(epoch), offset }
    }

    /// A message on a channel's line.
    fn message(channel: &str, position: Position) -> EncodedEvent {
        let message = Message { event: "E".into(), data: RawJson::null() };
        let channel = ChannelId::parse(channel).unwrap();
        EncodedEvent::new(Event::Message { channel, message }).said_at(position)
    }

    /// A bookmark that has heard these.
    fn heard(events: &[EncodedEvent]) -> Bookmark {
        let mut bookmark = Bookmark::default();
        for event in events {
            bookmark.note(event);
        }
        bookmark
    }

    /// What a client would send back.
    fn sent_back(bookmark: &Bookmark) -> Resume {
        let line = bookmark.line().unwrap();
        let id = line.strip_prefix("id:").unwrap().strip_suffix('\n').unwrap();
        let id = id.strip_prefix(' ').unwrap_or(id);
        assert!(id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
        Bookmark::read(id).unwrap()
    }

    #[test]
    fn the_last_of_each_line_comes_back() {
        let bookmark =
            heard(&[message("a", at(7, 1)), message("b", at(8, 5)), message("a", at(7, 2))]);
        assert_eq!(bookmark.line().unwrap(), "id: a=7-2&b=8-5\n");
        let resume = sent_back(&bookmark);
        let expected = [("a", at(7, 2)), ("b", at(8, 5))];
        let expected = expected.map(|(id, at)| (ChannelId::trusted(id), Since(Some(at))));
        assert_eq!((resume.channels, resume.direct), (expected.into(), None));
    }

    #[test]
    fn what_was_named_is_named_until_the_stream_comes_to_it() {
        let mut bookmark = Bookmark::default();
        let id = ChannelId::trusted;
        bookmark.carry([(id("a"), Since(Some(at(7, 1)))), (id("b"), Since(None))].into_iter());
        assert!(!bookmark.has(&id("a")), "it was not told of it");
        assert_eq!(bookmark.line().unwrap(), "id: a=7-1&b=\n");
        assert_eq!(sent_back(&bookmark).channels[&id("b")], Since(None));
        bookmark.note(&message("c", at(9, 3)));
        assert_eq!(bookmark.line().unwrap(), "id: c=9-3&a=7-1&b=\n");
        assert_eq!(Bookmark::default().line().unwrap(), "id:\n");
    }

    #[test]
    fn what_came_after_a_place_that_was_named_is_not_taken_for_heard_before_it_comes() {
        let available = |recovered| {
            let id = ChannelId::trusted("a");
            let channel = Channel {
                key: ChannelKey { project: ProjectId::from("project_x"), id },
                visibility: Visibility::Unprotected,
                capabilities: Capabilities::default(),
                state: State::empty(),
                version: Version(1),
                created_at: Timestamp(0),
            };
            EncodedEvent::new(Event::Available { channel, recovered }).said_at(at(7, 5))
        };
        for (recovered, expected) in [(Some(true), "7-1"), (Some(false), "7-5"), (None, "7-5")] {
            let mut bookmark = Bookmark::default();
            let named = [(ChannelId::trusted("a"), Since(Some(at(7, 1))))];
            bookmark.carry(named.into_iter());
            bookmark.note(&available(recovered));
            assert_eq!(bookmark.line().unwrap(), format!("id: a={expected}\n"));
            bookmark.note(&message("a", at(7, 3)));
            assert_eq!(bookmark.line().unwrap(), "id: a=7-3\n");
        }
    }

    #[test]
    fn who_hears_a_channel_no_more_does_not_name_it() {
        let mut bookmark = heard(&[message("a", at(7, 1))]);
        let gone = |is_unicast| {
            let channel = Some("a".to_owned());
            let event =
                Event::Unavailable { channel, is_graceful: true, error_code: None, is_unicast };
            EncodedEvent::new(event)
        };
        assert!(!bookmark.note(&gone(true)), "somebody's question was refused");
        assert!(bookmark.note(&gone(false)));
        assert_eq!(bookmark, Bookmark::default());
    }

    #[test]
    fn what_cannot_be_a_bookmark_is_refused_and_an_unknown_place_is_not() {
        for other in ["a", "a=7-1&b", "%=7-1", "%4=7-1", "%zz=7-1", "%ff=7-1", "%2F=7-1"] {
            assert_eq!(Bookmark::read(other), Err(NoBookmark), "{other}");
        }
        assert_eq!(Bookmark::read(&"a=7-1&".repeat(1000)), Err(NoBookmark));
        let resume = Bookmark::read("a=other&=1-2").unwrap();
        assert_eq!(resume.channels[&ChannelId::trusted("a")], Since(None));
        assert_eq!(resume.direct, Some(Since(Some(at(1, 2)))));
        assert_eq!(Bookmark::read(""), Ok(Resume::default()));
    }

    #[test]
    fn more_than_fits_is_an_error() {
        let mut bookmark = Bookmark::default();
        for number in 0..60 {
            bookmark
                .note(&message(&format!("a-channel-of-twenty-{number}"), at(u64::MAX >> 16, 9)));
        }
        assert!(bookmark.line().is_ok());
        for number in 0..100 {
            bookmark.note(&message(&format!("one-more-{number}"), at(u64::MAX >> 16, 9)));
        }
        assert_eq!(bookmark.line(), Err(BookmarkFull));
    }

    proptest! {
        #[test]
        fn every_name_comes_back(names in proptest::collection::vec("[^/\\\\?#%\\x00-\\x1f\\x7f-\\x9f]{1,20}", 1..5)) {
            let names: Vec<_> = names.iter().filter(|name| ChannelId::parse(name).is_ok()).collect();
            let events: Vec<_> = names.iter().map(|name| message(name, at(1, 2))).collect();
            let resume = sent_back(&heard(&events));
            for name in names {
                prop_assert!(resume.channels.contains_key(&ChannelId::parse(name).unwrap()));
            }
        }
    }
}

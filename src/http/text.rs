//! The text of a request's body: read in pieces, bounded one by one and all together.

use super::App;
use super::auth::Caller;
use super::body_budget::BodyHold;
use super::error::ApiError;
use super::pace::Pace;
use crate::domain::RawJson;
use crate::heavy;
use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use std::ops::Range;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What most routes read.
pub(super) const JSON: &str = "JSON, sent with `Content-Type: application/json`";
/// How long the rest of a refused body is read and thrown away, so that its sender gets to read the answer instead of
/// finding the connection cut.
const DRAIN_TIME: Duration = Duration::from_secs(2);
/// How many bytes of a refused body are thrown away at most.
const DRAIN_BYTES: usize = 256 << 20;

/// From so many bytes on, reading JSON takes 5 ms or more: up to 4 ns for each byte.
const HEAVY_BYTES: usize = 1 << 20;

/// A body that was read: text, and its share of the budget for as long as it is held.
pub(crate) struct Text {
    /// UTF-8, as was checked.
    bytes: Bytes,
    /// Given back when the text is dropped.
    held: BodyHold,
}

/// Reads the body of a call before its handler says what it has to be.
///
/// # Errors
/// As `RequestBody::read`; of what is too large, the handler has the last word.
pub(super) async fn whole(
    app: &App,
    caller: &Caller,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Text, ApiError> {
    let limit = app.limits.get().longest_body();
    BodyBound::new(request.headers(), limit, limit)
        .read(payload, app.body_budget.hold(caller))
        .await
}

/// How long a body may be.
pub(super) struct BodyBound {
    /// The bound, bytes.
    limit: usize,
    /// The bound that its sender is told.
    told: usize,
    /// How long it is, as its sender says.
    announced: Option<usize>,
}

impl BodyBound {
    /// The bound on the body behind these headers, and the one that its sender is told.
    pub(super) fn new(headers: &HeaderMap, limit: usize, told: usize) -> Self {
        Self { limit, told, announced: announced_bytes(headers) }
    }

    /// Takes a body that was read before, if it is not too long.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`].
    pub(super) fn check(&self, text: Text) -> Result<Text, ApiError> {
        let size = text.bytes.len();
        if size > self.limit {
            Err(ApiError::TooLarge { limit: self.told, size })
        } else {
            Ok(text)
        }
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// [`ApiError::TooLarge`], [`ApiError::TooSlow`], [`ApiError::Overloaded`], [`ApiError::InvalidBody`].
    pub(super) async fn read(
        self,
        mut payload: Payload,
        mut held: BodyHold,
    ) -> Result<Text, ApiError> {
        if self.announced.is_some_and(|size| size > self.limit) {
            return Err(self.refuse(payload, 0).await);
        }
        let mut pieces = Pieces::default();
        let mut pace = Pace::new(Instant::now());
        loop {
            let next = timeout_at(pace.deadline(pieces.len()), payload.next()).await;
            let Some(piece) = next.ok().ok_or(ApiError::TooSlow)? else { break };
            let piece = piece.map_err(|error| ApiError::body(error.to_string()))?;
            let size = pieces.len().saturating_add(piece.len());
            if size > self.limit {
                drop((pieces, held));
                return Err(self.refuse(payload, size).await);
            }
            held.cover(size)?;
            pieces.push(piece);
            pace.step(Instant::now());
        }
        let bytes = pieces.joined();
        if bytes.len() < HEAVY_BYTES {
            return Text::new(bytes, held);
        }
        let owner = held.owner().cloned();
        heavy::run(owner.as_ref(), move || Text::new(bytes, held)).await?
    }

    /// The refusal of a body that is too large, after giving its sender time to finish.
    async fn refuse(self, mut payload: Payload, seen: usize) -> ApiError {
        let mut size = seen;
        let drain = async {
            while let Some(Ok(piece)) = payload.next().await {
                size = size.saturating_add(piece.len());
                if size > DRAIN_BYTES {
                    break;
                }
            }
        };
        // A slow sender is cut off; that is its loss alone.
        let _ = tokio::time::timeout(DRAIN_TIME, drain).await;
        ApiError::TooLarge { limit: self.told, size: self.announced.unwrap_or(size) }
    }
}

impl Text {
    /// Takes bytes that have to be UTF-8.
    fn new(bytes: Bytes, held: BodyHold) -> Result<Self, ApiError> {
        match std::str::from_utf8(&bytes) {
            Ok(_) => Ok(Self { bytes, held }),
            Err(_) => Err(ApiError::body("the body is not valid UTF-8")),
        }
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        // Checked in `new`; a second check costs little beside what parsing costs.
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// A piece of this text as a text of its own: it counts with the whole, which is to be held for as long.
    pub(super) fn piece(&self, at: Range<usize>) -> Self {
        let bytes = self.bytes.get(at).map(|piece| self.bytes.slice_ref(piece));
        Self { bytes: bytes.unwrap_or_default(), held: self.held.nothing() }
    }

    /// Makes something of the text; of a large one on another thread, which nobody else waits for.
    ///
    /// # Errors
    /// What `read` says; [`ApiError::Overloaded`] when too many of the same project wait.
    pub(crate) async fn read<T: Send + 'static>(
        self,
        read: impl FnOnce(&str) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        if self.bytes.len() < HEAVY_BYTES {
            return read(self.as_str());
        }
        let owner = self.held.owner().cloned();
        heavy::run(owner.as_ref(), move || read(self.as_str())).await?
    }

    /// Makes a digest of the text, of a large one on another thread; returns both.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`] when too many of the same project wait.
    pub(super) async fn digested<T: Send + 'static>(
        self,
        digest: impl FnOnce(&str) -> T + Send + 'static,
    ) -> Result<(Self, T), ApiError> {
        let (is_light, owner) = (self.bytes.len() < HEAVY_BYTES, self.held.owner().cloned());
        let digested = move || {
            let digest = digest(self.as_str());
            (self, digest)
        };
        if is_light {
            return Ok(digested());
        }
        Ok(heavy::run(owner.as_ref(), digested).await?)
    }

    /// The whole body as one JSON value; `{}` where it is blank.
    ///
    /// # Errors
    /// [`ApiError::InvalidBody`], [`ApiError::Overloaded`].
    pub(crate) async fn value(self) -> Result<RawJson, ApiError> {
        let read = |text: &str| {
            Ok(if is_blank(text) { RawJson::trusted("{}") } else { RawJson::parse(text)? })
        };
        self.read(read).await
    }
}

/// Whether a text says nothing: empty or `null`, which some clients send where they have nothing to say.
pub(crate) fn is_blank(text: &str) -> bool {
    matches!(text.trim_matches([' ', '\t', '\n', '\r']), "" | "null")
}

/// The pieces of a body; a body in one piece is never copied.
#[derive(Default)]
struct Pieces {
    /// The only piece so far.
    first: Option<Bytes>,
    /// All of them, once there are several.
    several: BytesMut,
}

impl Pieces {
    /// How many bytes there are.
    fn len(&self) -> usize {
        self.first.as_ref().map_or(self.several.len(), Bytes::len)
    }

    /// Adds a piece.
    fn push(&mut self, piece: Bytes) {
        if self.len() == 0 {
            self.first = Some(piece);
            return;
        }
        if let Some(first) = self.first.take() {
            self.several.extend_from_slice(&first);
        }
        self.several.extend_from_slice(&piece);
    }

    /// The whole body.
    fn joined(self) -> Bytes {
        self.first.unwrap_or_else(|| self.several.freeze())
    }
}

/// The length that the client announced.
fn announced_bytes(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The content type without its parameters, in lower case; none when there is none.
///
/// # Errors
/// [`ApiError::UnsupportedMediaType`] when it is not even text.
pub(crate) fn media_type(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let unreadable = || ApiError::media_type(&value.as_bytes().escape_ascii().to_string(), JSON);
    let text = value.to_str().ok().ok_or_else(unreadable)?;
    let essence = text.split(';').next().unwrap_or_default().trim();
    Ok((!essence.is_empty()).then(|| essence.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body_budget::BodyBudget;
    use actix_web::test::TestRequest;
    use std::thread;

    #[test]
    fn blank_bodies_are_recognised() {
        for text in ["", " \n", "null", " null\r\n"] {
            assert!(is_blank(text), "{text:?}");
        }
        for text in ["{}", "nul", "\u{a0}", "0"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }

    #[test]
    fn content_types_are_read_without_parameters() {
        let read = |value: &'static str| {
            let request = TestRequest::default().insert_header((header::CONTENT_TYPE, value));
            media_type(request.to_http_request().headers()).unwrap()
        };
        assert_eq!(read("Application/JSON; charset=utf-8").as_deref(), Some("application/json"));
        assert_eq!(read("text/plain").as_deref(), Some("text/plain"));
        assert_eq!(read(""), None);
        assert_eq!(media_type(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn pieces_are_joined_in_order() {
        let mut pieces = Pieces::default();
        for piece in ["", "a", "", "bc", "d"] {
            pieces.push(Bytes::from_static(piece.as_bytes()));
        }
        assert_eq!((pieces.len(), &pieces.joined()[..]), (4, &b"abcd"[..]));
        assert!(Pieces::default().joined().is_empty());
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let bytes = Bytes::from_static(b"{\"a\":\"\xff\"}");
        let held = BodyBudget::new(0, 0).hold(&Caller::Admin);
        assert!(Text::new(bytes, held).is_err());
    }

    #[tokio::test]
    async fn a_large_body_is_read_on_another_thread_and_a_small_one_at_once() {
        let here = thread::current().id();
        let read = async |bytes: usize| {
            let held = BodyBudget::new(0, 0).hold(&Caller::Admin);
            let text = Text::new(Bytes::from(vec![b' '; bytes]), held).unwrap();
            text.read(|_| Ok(thread::current().id())).await.unwrap()
        };
        assert_eq!(read(HEAVY_BYTES - 1).await, here);
        assert_ne!(read(HEAVY_BYTES).await, here);
    }
}

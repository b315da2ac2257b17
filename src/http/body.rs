//! Request bodies: read in pieces, bounded one by one and all together.

use super::body_budget::BodyHold;
use super::call::Call;
use super::error::ApiError;
use super::limits::Content;
use super::pace::Pace;
use crate::domain::RawJson;
use crate::heavy;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What most routes read.
const JSON: &str = "JSON, sent with `Content-Type: application/json`";
/// How long the rest of a refused body is read and thrown away, so that its sender gets to read the answer instead of
/// finding the connection cut.
const DRAIN_TIME: Duration = Duration::from_secs(2);
/// How many bytes of a refused body are thrown away at most.
const DRAIN_BYTES: usize = 256 << 20;

/// A body that has not been read yet.
pub(crate) struct RequestBody(Payload);

impl FromRequest for RequestBody {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(_: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Ok(Self(payload.take())))
    }
}

/// From so many bytes on, reading JSON takes 5 ms or more: up to 4 ns for each byte.
const HEAVY_BYTES: usize = 1 << 20;

/// A body that was read: text, and its share of the budget for as long as it is held.
pub(crate) struct Text {
    /// UTF-8, as was checked.
    bytes: Bytes,
    /// Given back when the text is dropped.
    held: BodyHold,
}

impl RequestBody {
    /// Reads the body to its end. It must be JSON by its content type, or have none.
    ///
    /// # Errors
    /// [`ApiError::UnsupportedMediaType`], [`ApiError::TooLarge`], [`ApiError::TooSlow`], [`ApiError::Overloaded`],
    /// [`ApiError::InvalidBody`].
    pub(crate) async fn json(self, call: &Call, content: Content) -> Result<Text, ApiError> {
        match media_type(&call.request)?.as_deref() {
            None | Some("application/json") => self.read(call, content).await,
            Some(other) => Err(ApiError::media_type(other, JSON)),
        }
    }

    /// Reads the body to its end, whatever its content type.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub(crate) async fn read(mut self, call: &Call, content: Content) -> Result<Text, ApiError> {
        if call.request.headers().contains_key(header::CONTENT_ENCODING) {
            let came = "compressed (`Content-Encoding`)".to_owned();
            return Err(ApiError::UnsupportedMediaType { came, wanted: "sent as it is" });
        }
        let limit = call.app.limits.body(content);
        let told = call.app.limits.told(content);
        let announced = announced_bytes(&call.request);
        if announced.is_some_and(|size| size > limit) {
            return Err(self.refuse(told, 0, announced).await);
        }
        let mut held = call.app.body_budget.hold(&call.caller);
        let mut pieces = Pieces::default();
        let mut pace = Pace::new(Instant::now());
        loop {
            let next = timeout_at(pace.deadline(pieces.len()), self.0.next()).await;
            let Some(piece) = next.ok().ok_or(ApiError::TooSlow)? else { break };
            let piece = piece.map_err(|error| ApiError::body(error.to_string()))?;
            let size = pieces.len().saturating_add(piece.len());
            if size > limit {
                drop((pieces, held));
                return Err(self.refuse(told, size, announced).await);
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
    async fn refuse(mut self, limit: usize, seen: usize, announced: Option<usize>) -> ApiError {
        let mut size = seen;
        let drain = async {
            while let Some(Ok(piece)) = self.0.next().await {
                size = size.saturating_add(piece.len());
                if size > DRAIN_BYTES {
                    break;
                }
            }
        };
        // A slow sender is cut off; that is its loss alone.
        let _ = tokio::time::timeout(DRAIN_TIME, drain).await;
        ApiError::TooLarge { limit, size: announced.unwrap_or(size) }
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
fn announced_bytes(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The content type without its parameters, in lower case; none when there is none.
///
/// # Errors
/// [`ApiError::UnsupportedMediaType`] when it is not even text.
pub(crate) fn media_type(request: &HttpRequest) -> Result<Option<String>, ApiError> {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else { return Ok(None) };
    let unreadable = || ApiError::media_type(&value.as_bytes().escape_ascii().to_string(), JSON);
    let text = value.to_str().ok().ok_or_else(unreadable)?;
    let essence = text.split(';').next().unwrap_or_default().trim();
    Ok((!essence.is_empty()).then(|| essence.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::auth::Caller;
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
            media_type(&request.to_http_request()).unwrap()
        };
        assert_eq!(read("Application/JSON; charset=utf-8").as_deref(), Some("application/json"));
        assert_eq!(read("text/plain").as_deref(), Some("text/plain"));
        assert_eq!(read(""), None);
        assert_eq!(media_type(&TestRequest::default().to_http_request()).unwrap(), None);
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

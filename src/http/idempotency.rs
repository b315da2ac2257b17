//! `Idempotency-Key`: a call that is repeated under its key gets the first answer again, and nothing is done.
//!
//! [`enter`] stands behind authentication and permission and before the handler; [`settle`] keeps what the handler
//! answered. In between the key is under way, which a [`RunningCall`] in the request's extensions stands for: whatever becomes
//! of the call, with it goes the mark.

mod memory;

use super::App;
use super::answer;
use super::auth::Caller;
use super::error::{ApiError, mime};
use super::text::{Text, media_type};
use crate::actor::clock;
use crate::domain::{Digest, FirstCall, KeptAnswer, KeyBounds, KeyError, KeyScope, KeyedCall};
use crate::metrics;
use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::dev::{RequestHead, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage as _, HttpResponse, ResponseError};
use memory::{KeyMemory, KeyState};
use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// The header that names a call.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of an answer that was given before.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The headers of an answer that are kept: those that say what was done.
const KEPT_HEADERS: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::ETAG, header::CACHE_CONTROL, answer::WARREN_POSITION];

/// The keys of all calls; cheap to clone, one for all workers.
#[derive(Clone)]
pub(crate) struct CallKeys(Arc<Mutex<KeyMemory>>);

impl CallKeys {
    /// No keys, and so many bytes for what is kept in memory.
    pub(crate) fn new(bounds: KeyBounds, most_bytes: usize) -> Self {
        Self(Arc::new(Mutex::new(KeyMemory::new(bounds, most_bytes))))
    }

    /// The memory. A panic elsewhere leaves nothing half-done in it.
    fn memory(&self) -> MutexGuard<'_, KeyMemory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a key for its call.
    ///
    /// # Errors
    /// [`EarlyAnswer`]: what is answered instead of carrying the call out.
    pub(super) fn claim(&self, call: KeyedCall) -> Result<RunningCall, EarlyAnswer> {
        match self.memory().claim(&call, Instant::now()) {
            KeyState::New(number) => {
                let key = ClaimedKey { call, is_for_store: Rc::default() };
                Ok(RunningCall { keys: self.clone(), key, number })
            }
            KeyState::UnderWay => Err(ApiError::IdempotencyInProgress.into()),
            KeyState::Answered(answer) => Err(EarlyAnswer::answered(answer)),
            KeyState::Reused(reused) => Err(ApiError::IdempotencyKeyReused(reused).into()),
        }
    }
}

/// A call that is under way under its key, which is free again when this is dropped.
pub(super) struct RunningCall {
    /// Where it is noted.
    keys: CallKeys,
    /// The key with its call.
    key: ClaimedKey,
    /// Its number there.
    number: u64,
}

/// The key of a call that is under way, as its handler knows it.
#[derive(Clone)]
pub(super) struct ClaimedKey {
    /// The call.
    call: KeyedCall,
    /// Whether the store keeps the answer to it, once it is carried out.
    is_for_store: Rc<Cell<bool>>,
}

impl ClaimedKey {
    /// The call.
    pub(super) fn call(&self) -> KeyedCall {
        self.call.clone()
    }

    /// The key alone.
    pub(super) const fn digest(&self) -> Digest {
        self.call.key
    }

    /// The store keeps the answer to this call, if it does what it asks for.
    pub(super) fn leave_to_store(&self) {
        self.is_for_store.set(true);
    }
}

impl RunningCall {
    /// The key with its call.
    pub(super) fn key(&self) -> ClaimedKey {
        self.key.clone()
    }

    /// Keeps the answer, if such an answer is kept; in any case the key is not under way any more.
    pub(super) fn settle(self, response: HttpResponse) -> HttpResponse {
        let is_in_store = self.key.is_for_store.get() && response.status().is_success();
        // Who is told when to come again has no answer yet.
        let is_to_come = response.headers().contains_key(header::RETRY_AFTER);
        if is_in_store || is_to_come || !KeptAnswer::is_kept(response.status().as_u16()) {
            return response;
        }
        let (response, body) = response.into_parts();
        // What is written in pieces is no answer to a write.
        let body = match body.try_into_bytes() {
            Ok(body) => body,
            Err(body) => return response.set_body(body),
        };
        let answer = KeptAnswer {
            status: response.status().as_u16(),
            headers: kept_headers(response.headers()),
            body: body.clone(),
        };
        self.keys.memory().keep(&self.key.call, self.number, answer, Instant::now());
        response.set_body(BoxBody::new(body))
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.keys.memory().release(&self.key.call, self.number);
    }
}

/// What is answered before a handler runs.
#[derive(Debug)]
pub(crate) enum EarlyAnswer {
    /// The call is refused.
    Refused(ApiError),
    /// It was answered before.
    Answered(Arc<KeptAnswer>),
}

impl EarlyAnswer {
    /// It was answered before, and is again.
    fn answered(answer: Arc<KeptAnswer>) -> Self {
        metrics::count(|cells| cells.tallies.idempotency_replays.add(1));
        Self::Answered(answer)
    }
}

impl From<ApiError> for EarlyAnswer {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Display for EarlyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Answered(_) => f.write_str("answered before"),
        }
    }
}

impl ResponseError for EarlyAnswer {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Refused(error) => error.status_code(),
            Self::Answered(answer) => answer::status(answer),
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::Refused(error) => error.error_response(),
            Self::Answered(answer) => again(answer),
        }
    }
}

/// An answer as it was given first, marked as repeated.
fn again(answer: &KeptAnswer) -> HttpResponse {
    let mut response = answer::given(answer);
    response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Whether a request is a write under a key. All that one without a key pays is this look.
pub(crate) fn is_keyed(head: &RequestHead) -> bool {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&head.method);
    !reads && head.headers().contains_key(IDEMPOTENCY_KEY)
}

/// The key in these headers.
///
/// # Errors
/// [`ApiError::InvalidIdempotencyKey`].
pub(super) fn key_of(headers: &HeaderMap) -> Result<Digest, ApiError> {
    let mut lines = headers.get_all(IDEMPOTENCY_KEY);
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(KeyError::Several.into());
    };
    Ok(Digest::of_key(line.as_bytes())?)
}

/// Whose keys a caller's are.
pub(super) fn scope_of(caller: &Caller) -> KeyScope {
    match caller {
        Caller::Project { project, .. } => KeyScope::Project(project.clone()),
        Caller::Admin => KeyScope::Operator,
    }
}

/// Takes the key of a call for it.
///
/// # Errors
/// [`EarlyAnswer`]: what is answered instead of carrying the call out.
pub(super) async fn enter(
    app: &App,
    caller: &Caller,
    head: &RequestHead,
    key: Digest,
    text: Text,
) -> Result<(Text, RunningCall), EarlyAnswer> {
    let (method, path) = (head.method.clone(), head.uri.path().to_owned());
    let query = head.uri.query().unwrap_or_default().to_owned();
    // A body without a type is read as JSON.
    let media_type = media_type(head.headers()).ok().flatten();
    let media_type = media_type.unwrap_or_else(|| mime().to_owned());
    let (text, asked) = text
        .digested(move |text| {
            let (path, query) = (path.as_bytes(), query.as_bytes());
            let head = [method.as_str().as_bytes(), path, query, media_type.as_bytes()];
            Digest::of(&[&Digest::of(&head).0, text.as_bytes()])
        })
        .await?;
    let call = FirstCall { asked, permissions: caller.permissions() };
    let keyed = KeyedCall { scope: scope_of(caller), key, call };
    let running = app.keys.claim(keyed.clone())?;
    // What was done by a process before this one, or by a call that crashed, only the store knows.
    if let Some(answer) = in_store(app, &keyed).await? {
        return Err(EarlyAnswer::answered(Arc::new(answer)));
    }
    Ok((text, running))
}

/// The answer that the store has to a call.
async fn in_store(app: &App, keyed: &KeyedCall) -> Result<Option<KeptAnswer>, ApiError> {
    let (scope, key) = (keyed.scope.clone(), keyed.key);
    let found = app.persistence.read(move |store| store.find_answer(&scope, &key)).await?;
    let Some(found) = found else { return Ok(None) };
    if found.at <= clock::now().earlier(app.limits.get().keys.window) {
        return Ok(None);
    }
    keyed.repeats(&found.first).map_err(ApiError::IdempotencyKeyReused)?;
    Ok(Some(found.answer))
}

/// What the store keeps of a call whose answer holds a secret.
pub(super) fn secret_not_kept() -> KeptAnswer {
    let refusal = ApiError::IdempotencyAnswerNotKept.error_response();
    let (status, headers) = (refusal.status().as_u16(), kept_headers(refusal.headers()));
    let body = refusal.into_body().try_into_bytes().unwrap_or_default();
    KeptAnswer { status, headers, body }
}

/// Ends a request's call, if it has a key: its answer is kept, if such an answer is.
pub(super) fn settle(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let running = response.request().extensions_mut().remove::<RunningCall>();
    let Some(running) = running else { return response };
    let (request, response) = response.into_parts();
    ServiceResponse::new(request, running.settle(response))
}

/// The headers of an answer that are kept.
fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |name: &HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    };
    KEPT_HEADERS.iter().filter_map(text).collect()
}

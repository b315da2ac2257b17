//! What HTTP answers when it cannot do what was asked: status, code, message, in one place.
//!
//! Every failure of a lower layer becomes one of these here and nowhere else; what they are called on the wire is the table
//! in `code`.

mod code;

pub(crate) use code::FailureCode;

mod not_opened;

use super::rates::TooManyCalls;
use super::{cors, envelope};
use crate::actor::clock::NoRandomness;
use crate::actor::{AskError, ChangeError};
use crate::domain::{
    ChannelId, IdError, JsonFault, KeyError, Permission, Reused, StateError, Version,
};
use crate::heavy::NotDone;
use crate::protocol::Close;
use crate::store::{StoreError, Thing};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use std::fmt::Display;
use uuid::Uuid;

/// Where to look instead of a path that does not exist.
pub(crate) const NO_SUCH_PATH: &str = "no such path: the API is at /v1/channels, /v1/projects and /v1/users, the socket at /ws, \
    event streams at /sse, health at /health/ready";
/// How much of a content type that is refused is repeated, characters.
const MEDIA_TYPE_CHARS: usize = 80;

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The body, or one of its fields, is not what the route takes.
    #[error("{}{reason}", .field.map(|name| format!("`{name}` ")).unwrap_or_default())]
    InvalidBody {
        /// The field at fault; none when it is the body as a whole.
        field: Option<&'static str>,
        /// What it has to be.
        reason: String,
    },
    /// A query parameter is not what the route takes.
    #[error("`{field}` {reason}")]
    InvalidQuery {
        /// The parameter at fault.
        field: &'static str,
        /// What it has to be.
        reason: &'static str,
    },
    /// A part of the path cannot be an id.
    #[error("{0}")]
    InvalidId(String),
    /// An admin token was used where the project is not known otherwise.
    #[error("say which project is meant: ?project=project_…")]
    ProjectRequired,
    /// No token, or one that nobody has.
    #[error("the Authorization header holds no valid project token (ptk_…) or admin token (pat_…)")]
    InvalidAuth,
    /// The token lacks the flag that this needs.
    #[error("this token lacks the permission {0}")]
    MissingPermission(Permission),
    /// The token may not hand on a flag that it does not have itself.
    #[error("this token cannot grant {0}, because it does not have it")]
    CannotGrant(Permission),
    /// The page that asks is of an origin that is not allowed.
    #[error(
        "pages of this origin may not open sockets here; the setting allowed-origins names those that may"
    )]
    OriginNotAllowed,
    /// Only the operator's token may do this.
    #[error("this needs an admin token (pat_…)")]
    AdminOnly,
    /// What the request names does not exist, or belongs to somebody else.
    #[error("{} not found", noun(*.0))]
    NotFound(Thing),
    /// One of the channels that the body names does not exist.
    #[error("channel {0:?} not found")]
    NoSuchChannel(ChannelId),
    /// No such path.
    #[error("{NO_SUCH_PATH}")]
    NoSuchPath,
    /// A thing of this name is there already.
    #[error("{} of this name exists already", noun(*.0))]
    Exists(Thing),
    /// The state is not at the version that the caller made its change from.
    #[error("the state was changed in the meantime")]
    VersionConflict {
        /// The version in force, where known.
        current: Option<Version>,
    },
    /// The version is not kept; carries the oldest that is.
    #[error("this version of the state is not kept: the oldest that is has the number {oldest}")]
    VersionGone {
        /// The oldest one.
        oldest: Version,
    },
    /// There has never been such a version.
    #[error("the state has no such version")]
    NoSuchVersion,
    /// What came is no request, or one that could mean several things.
    #[error(
        "this is not a request that can be read: HTTP/1.1, one Host, a path in ASCII, well-formed headers"
    )]
    Unreadable,
    /// A request's head has too many bytes.
    #[error("the request's head is too long")]
    HeadTooLong,
    /// A request, or its body, did not come in the time that there is for it.
    #[error("the request came too slowly")]
    TooSlow,
    /// The body, the data or the state has too many bytes.
    #[error("too large: {size} bytes, the limit is {limit}")]
    TooLarge {
        /// The bound, bytes.
        limit: usize,
        /// How many there were; at least, if the rest was not read.
        size: usize,
    },
    /// A token's state shows more under `public` than presence may say.
    #[error(
        "too large: {size} bytes under `public` in the token's state, which presence shows; the limit is {limit}"
    )]
    PublicTooLarge {
        /// The bound, bytes.
        limit: usize,
        /// How many there were.
        size: usize,
    },
    /// The body is of a kind that the route does not read.
    #[error("the body is {came} and must be {wanted}")]
    UnsupportedMediaType {
        /// What came: a content type, cut to a bound, or what else is wrong with it.
        came: String,
        /// What the route reads, as a header to send.
        wanted: &'static str,
    },
    /// The channel does not do what the request needs; names the capability.
    #[error("the channel lacks the capability {0}")]
    MissingCapability(&'static str),
    /// Something has as many as it may have; carries the limit.
    #[error("{what}: the limit is {limit}")]
    LimitReached {
        /// What there are too many of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// As much waits for the token as may.
    #[error(
        "the token's mailbox is full: as much waits for it as may, until it has heard some of that or its time is over"
    )]
    MailboxFull,
    /// Too many connections from one address.
    #[error("too many connections from this address: the limit is {0}")]
    RateLimited(usize),
    /// Too many calls of one token or one address.
    #[error("{0}")]
    TooManyCalls(TooManyCalls),
    /// An event stream is not opened: its session closes it before it begins.
    #[error("{}", .0.reason)]
    NotOpened(Close),
    /// Too many secrets that nobody has, from one address.
    #[error(
        "too many tokens from this address that nobody has: try again in a second, with one that is right"
    )]
    TooManyGuesses,
    /// A test call of the project is under way, or too many of all.
    #[error("a test call is under way: try again when it has ended, after 10 s at most")]
    TestUnderWay,
    /// As many wait for something to be recorded as may; carries that number.
    #[error("too many wait for what is recorded: at most {0} for one project")]
    TooManyWatchers(usize),
    /// The header `Idempotency-Key` holds no key.
    #[error("Idempotency-Key {0}")]
    InvalidIdempotencyKey(KeyError),
    /// The key belongs to another call.
    #[error("{0}: each call has a key of its own")]
    IdempotencyKeyReused(Reused),
    /// The first call under this key has not been answered yet.
    #[error("the call with this key is under way: try again in a moment")]
    IdempotencyInProgress,
    /// The call was carried out by a process before this one, and its answer held a secret that is shown once.
    #[error(
        "the call was carried out, but its answer held a secret that is kept nowhere and was lost with the process: delete \
         what was made, and make another under another key"
    )]
    IdempotencyAnswerNotKept,
    /// An item of a batch is none of the calls that one takes.
    #[error(
        "a batch takes messages (POST …/messages, …/publish, …/message) and state writes (PUT and PATCH …/state), by the \
         paths of their own calls"
    )]
    NotInBatch,
    /// No such live connection in this project.
    #[error("connection not found")]
    NoSuchConnection,
    /// What stands behind the position is not kept any more, or nobody knows what it is.
    #[error(
        "what came after this position is not kept any more: go on behind {oldest}, and what came before is lost"
    )]
    PositionGone {
        /// The position behind which everything is kept.
        oldest: String,
    },
    /// Too much at once, here or in the database; trying again in a moment may help.
    #[error("the server is overloaded, try again in a moment")]
    Overloaded,
    /// The database takes nothing: its disk is full or fails, or its file has gone.
    #[error("nothing can be stored now, try again in a while; the server's log says why")]
    StorageUnavailable,
    /// The server is going away.
    #[error("the server is stopping")]
    Stopping,
    /// A fault of ours.
    #[error("the server failed; its log says more under {id}")]
    Internal {
        /// The id that the log carries.
        id: String,
    },
}

/// What a thing is called in a sentence.
const fn noun(thing: Thing) -> &'static str {
    match thing {
        Thing::Project => "project",
        Thing::ProjectToken => "project token",
        Thing::Channel => "channel",
        Thing::Token => "token",
        Thing::Webhook => "webhook",
        Thing::AdminToken => "admin token",
        Thing::Delivery => "delivery",
        Thing::Authorizer => "channel authorizer",
        Thing::Mail => "message",
        Thing::JwtKey => "key",
        Thing::JwtRevocation => "revocation",
    }
}

impl ApiError {
    /// A fault of one field of the body.
    pub(crate) fn field(name: &'static str, reason: impl Into<String>) -> Self {
        Self::InvalidBody { field: Some(name), reason: reason.into() }
    }

    /// A fault of the body as a whole.
    pub(crate) fn body(reason: impl Into<String>) -> Self {
        Self::InvalidBody { field: None, reason: reason.into() }
    }

    /// A body of another content type than the route reads; `came` is cut to what is worth repeating.
    pub(crate) fn media_type(came: &str, wanted: &'static str) -> Self {
        let came = format!("`{}`", came.chars().take(MEDIA_TYPE_CHARS).collect::<String>());
        Self::UnsupportedMediaType { came, wanted }
    }

    /// A fault of ours: logged here, once, under an id that the caller is told.
    pub(crate) fn internal(cause: &dyn Display) -> Self {
        let id = format!("fault_{}", Uuid::new_v4().simple());
        tracing::error!(%id, %cause, "a request failed");
        Self::Internal { id }
    }

    /// What it is called on the wire, by which clients branch, and the status that goes with it.
    pub(crate) const fn code(&self) -> FailureCode {
        match self {
            Self::InvalidBody { .. } => FailureCode::InvalidBody,
            Self::InvalidQuery { .. } => FailureCode::InvalidQuery,
            Self::InvalidId(_) => FailureCode::InvalidId,
            Self::ProjectRequired => FailureCode::ProjectRequired,
            Self::InvalidAuth => FailureCode::InvalidAuth,
            Self::MissingPermission(_) | Self::CannotGrant(_) | Self::AdminOnly => {
                FailureCode::MissingPermission
            }
            Self::OriginNotAllowed => FailureCode::PageNotAllowed,
            Self::NotFound(Thing::Channel) | Self::NoSuchChannel(_) => FailureCode::ChannelNotFound,
            Self::NotFound(Thing::Token | Thing::ProjectToken | Thing::AdminToken) => {
                FailureCode::TokenNotFound
            }
            Self::NotFound(Thing::Project) => FailureCode::ProjectNotFound,
            Self::NotFound(Thing::Webhook) => FailureCode::WebhookNotFound,
            Self::NotFound(Thing::Delivery) => FailureCode::DeliveryNotFound,
            Self::NotFound(Thing::Authorizer) => FailureCode::AuthorizerNotFound,
            Self::NotFound(Thing::Mail) => FailureCode::MessageNotFound,
            Self::NotFound(Thing::JwtKey) => FailureCode::KeyNotFound,
            Self::NotFound(Thing::JwtRevocation) => FailureCode::RevocationNotFound,
            Self::NoSuchPath => FailureCode::NoSuchPath,
            Self::Exists(Thing::Channel) => FailureCode::ChannelExists,
            // Nothing else has a name that its maker chooses.
            Self::Exists(_) => FailureCode::ProjectExists,
            Self::VersionConflict { .. } => FailureCode::VersionConflict,
            Self::VersionGone { .. } => FailureCode::VersionGone,
            Self::NoSuchVersion => FailureCode::VersionNotFound,
            Self::Unreadable => FailureCode::Unreadable,
            Self::TooSlow => FailureCode::TooSlow,
            Self::TooLarge { .. } | Self::PublicTooLarge { .. } => FailureCode::TooLarge,
            Self::HeadTooLong => FailureCode::HeadTooLarge,
            Self::UnsupportedMediaType { .. } => FailureCode::UnsupportedMediaType,
            Self::MissingCapability(_) => FailureCode::MissingCapability,
            Self::LimitReached { .. } => FailureCode::LimitReached,
            Self::RateLimited(_)
            | Self::TooManyCalls(_)
            | Self::TooManyGuesses
            | Self::TestUnderWay
            | Self::TooManyWatchers(_) => FailureCode::RateLimited,
            Self::MailboxFull => FailureCode::MailboxFull,
            Self::NotInBatch => FailureCode::NotInBatch,
            Self::NoSuchConnection => FailureCode::ConnectionNotFound,
            Self::InvalidIdempotencyKey(_) => FailureCode::InvalidIdempotencyKey,
            Self::IdempotencyKeyReused(_) => FailureCode::IdempotencyKeyReused,
            Self::IdempotencyAnswerNotKept => FailureCode::IdempotencyAnswerNotKept,
            Self::IdempotencyInProgress => FailureCode::IdempotencyInProgress,
            Self::PositionGone { .. } => FailureCode::PositionGone,
            Self::Overloaded => FailureCode::Overloaded,
            Self::StorageUnavailable => FailureCode::StorageUnavailable,
            Self::Stopping => FailureCode::Stopping,
            Self::Internal { .. } => FailureCode::Internal,
            Self::NotOpened(close) => not_opened::answer(close.code),
        }
    }

    /// What the envelope says beside code and message.
    fn details(&self) -> envelope::Details<'_> {
        let mut details = envelope::Details::default();
        match self {
            Self::InvalidBody { field, .. } => details.field = *field,
            Self::InvalidQuery { field, .. } => details.field = Some(field),
            Self::NoSuchChannel(_) => details.field = Some("channels"),
            Self::MissingPermission(flag) | Self::CannotGrant(flag) => {
                details.permission = Some(flag.name());
            }
            Self::VersionConflict { current } => details.version = *current,
            Self::VersionGone { oldest } => details.oldest_version = Some(*oldest),
            Self::TooLarge { limit, size } | Self::PublicTooLarge { limit, size } => {
                (details.limit, details.size) = (Some(*limit), Some(*size));
            }
            Self::LimitReached { limit, .. } | Self::RateLimited(limit) => {
                details.limit = Some(*limit);
            }
            Self::TooManyCalls(calls) => details.limit = usize::try_from(calls.limit).ok(),
            Self::PositionGone { oldest } => details.oldest = Some(oldest),
            Self::Internal { id } => details.id = Some(id),
            _ => {}
        }
        details
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code().status()
    }

    /// The envelope, with the CORS headers: after a crash nobody behind us can add them.
    fn error_response(&self) -> HttpResponse {
        let code = self.code();
        let mut answer = HttpResponse::build(code.status());
        if let Some(seconds) = code.retry_after() {
            answer.insert_header((header::RETRY_AFTER, seconds));
        }
        if code == FailureCode::InvalidAuth {
            answer.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        let text = envelope::failure(code.word(), &self.to_string(), self.details());
        let mut answer = answer.content_type(mime()).body(text);
        cors::allow(answer.headers_mut());
        answer
    }
}

/// The content type of every answer with a body.
pub(crate) const fn mime() -> &'static str {
    "application/json"
}

impl From<NoRandomness> for ApiError {
    fn from(error: NoRandomness) -> Self {
        Self::internal(&error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(thing) => Self::NotFound(thing),
            StoreError::NoSuchChannel(id) => Self::NoSuchChannel(id),
            StoreError::Exists(thing @ (Thing::Channel | Thing::Project)) => Self::Exists(thing),
            StoreError::MailboxFull => Self::MailboxFull,
            // Its answer will be found by who asks again.
            StoreError::Answered => Self::IdempotencyInProgress,
            StoreError::VersionConflict => Self::VersionConflict { current: None },
            StoreError::Unavailable(_) => Self::StorageUnavailable,
            // An id of ours that is taken already, or a row that cannot be read.
            StoreError::Exists(_) | StoreError::Corrupt(_) => Self::internal(&error),
        }
    }
}

impl From<NotDone> for ApiError {
    fn from(error: NotDone) -> Self {
        AskError::from(error).into()
    }
}

impl From<AskError> for ApiError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Overloaded | AskError::Closed => Self::Overloaded,
            AskError::TooManyChannels(limit) => {
                Self::LimitReached { what: "the session has too many channels", limit }
            }
            AskError::Store(error) => error.into(),
        }
    }
}

impl From<StateError> for ApiError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::TooLarge { limit, actual } => Self::TooLarge { limit, size: actual },
            StateError::Json(_) | StateError::Patch(_) => Self::body(error.to_string()),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Stale(current) => Self::VersionConflict { current: Some(current) },
            ChangeError::Refused(error) => error.into(),
            ChangeError::Ask(error) => error.into(),
        }
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        Self::InvalidIdempotencyKey(error)
    }
}

impl From<IdError> for ApiError {
    fn from(error: IdError) -> Self {
        Self::InvalidId(error.to_string())
    }
}

impl From<JsonFault> for ApiError {
    fn from(fault: JsonFault) -> Self {
        Self::body(fault.to_string())
    }
}

#[cfg(test)]
mod tests;

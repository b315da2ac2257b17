//! The one table of what failures are called on the wire, with the status that each is answered with.
//!
//! The sentence behind each is its documentation here and in `docs/openapi.json`, which is made of this table.

use actix_web::http::StatusCode;

/// Makes the enum and what is known of each of its codes from one row a code.
macro_rules! codes {
    ($($name:ident = $status:ident $word:literal $meaning:literal,)+) => {
        /// By which clients tell failures apart (`docs/PROTOCOL.md`, Errors).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum FailureCode {
            $(#[doc = $meaning] $name,)+
        }

        impl FailureCode {
            /// All of them, by their status.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word on the wire.
            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The status that it is answered with.
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// When it is answered, in a sentence.
            #[cfg(test)]
            pub(crate) const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }
        }
    };
}

codes! {
    InvalidBody = BAD_REQUEST "invalid_body"
        "The body is not JSON or not UTF-8, is nested too deep, or the named field is wrong or missing.",
    InvalidQuery = BAD_REQUEST "invalid_query" "The named query parameter is wrong.",
    InvalidId = BAD_REQUEST "invalid_id" "The path holds no valid channel id, or is not UTF-8.",
    NotInBatch = BAD_REQUEST "not_in_batch"
        "An item of a batch is no message and no state write.",
    InvalidIdempotencyKey = BAD_REQUEST "invalid_idempotency_key"
        "The header `Idempotency-Key` is empty, too long, not visible ASCII or there twice.",
    ProjectRequired = BAD_REQUEST "project_required" "An admin token did not say which project.",
    Unreadable = BAD_REQUEST "bad_request"
        "It is no HTTP request that can be read, or one for a socket without an upgrade.",
    InvalidAuth = UNAUTHORIZED "invalid_auth" "There is no token, or one that nobody has.",
    MissingPermission = FORBIDDEN "missing_permission"
        "The token lacks the named flag, would grant one that it lacks, or is no admin token.",
    PageNotAllowed = FORBIDDEN "origin_not_allowed"
        "The page that asks for a socket is of an origin that is not allowed.",
    ChannelNotFound = NOT_FOUND "channel_not_found"
        "The channel does not exist, or is another project's.",
    TokenNotFound = NOT_FOUND "token_not_found" "The token does not exist, or is another project's.",
    ProjectNotFound = NOT_FOUND "project_not_found"
        "The project does not exist, or is not the token's.",
    WebhookNotFound = NOT_FOUND "webhook_not_found"
        "The webhook does not exist, or is another project's.",
    ConnectionNotFound = NOT_FOUND "connection_not_found"
        "The connection has ended, or is another project's.",
    DeliveryNotFound = NOT_FOUND "delivery_not_found" "The webhook was not sent that event.",
    AuthorizerNotFound = NOT_FOUND "authorizer_not_found"
        "The project has no channel authorizer.",
    MessageNotFound = NOT_FOUND "message_not_found"
        "The message was not put into that token's mailbox, or is forgotten.",
    KeyNotFound = NOT_FOUND "key_not_found"
        "There is no such key for JSON Web Tokens, or it is another project's.",
    RevocationNotFound = NOT_FOUND "revocation_not_found" "The subject was not revoked.",
    VersionNotFound = NOT_FOUND "version_not_found" "The state has never had that version.",
    NoSuchPath = NOT_FOUND "not_found" "There is no such path.",
    MethodNotAllowed = METHOD_NOT_ALLOWED "method_not_allowed"
        "The path does not take that method.",
    TooSlow = REQUEST_TIMEOUT "timeout"
        "The request's head or body did not arrive in time; this ends the connection.",
    ChannelExists = CONFLICT "channel_exists" "There is a channel of that id.",
    ProjectExists = CONFLICT "project_exists" "There is a project of that namespace.",
    MissingCapability = CONFLICT "missing_capability"
        "The channel lacks the capability that the message names.",
    LimitReached = CONFLICT "limit_reached" "There are as many as there may be.",
    IdempotencyAnswerNotKept = CONFLICT "idempotency_answer_not_kept"
        "The call was carried out before a restart, and its answer held a secret that is shown once.",
    IdempotencyInProgress = CONFLICT "idempotency_in_progress"
        "The first call with this key is under way.",
    PositionGone = GONE "position_gone"
        "What came after the position is not kept any more, or it is of another epoch.",
    VersionGone = GONE "version_gone" "The version is not kept.",
    VersionConflict = PRECONDITION_FAILED "version_conflict"
        "`If-Match` is stale, or `If-None-Match` forbids the change.",
    TooLarge = PAYLOAD_TOO_LARGE "too_large"
        "A body, a message's data or a state has too many bytes.",
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type"
        "The content type is not one that the route reads, or the body is compressed.",
    IdempotencyKeyReused = UNPROCESSABLE_ENTITY "idempotency_key_reused"
        "The key was used for another call, or by a token with more permissions.",
    RateLimited = TOO_MANY_REQUESTS "rate_limited"
        "There were, or are, too many of these from this sender: come again after `Retry-After`.",
    MailboxFull = TOO_MANY_REQUESTS "mailbox_full"
        "As much waits for the token as may; it goes once the token has heard some of it.",
    HeadTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE "too_large"
        "The request's head is too long; this ends the connection.",
    Internal = INTERNAL_SERVER_ERROR "internal"
        "A fault of the server: its log says more under the `id`.",
    Overloaded = SERVICE_UNAVAILABLE "overloaded"
        "A queue is full, or an actor ended while it was asked.",
    StorageUnavailable = SERVICE_UNAVAILABLE "storage_unavailable"
        "The database took nothing; nothing was stored.",
    Stopping = SERVICE_UNAVAILABLE "stopping" "The server is going away.",
}

impl FailureCode {
    /// What of its meaning a status that came without a code has.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::InvalidAuth,
            StatusCode::FORBIDDEN => Self::MissingPermission,
            StatusCode::NOT_FOUND => Self::NoSuchPath,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::TooSlow,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Self::TooLarge
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited,
            StatusCode::SERVICE_UNAVAILABLE => Self::Overloaded,
            status if status.is_server_error() => Self::Internal,
            _ => Self::Unreadable,
        }
    }

    /// After how many seconds it is worth to come again; none where that does not depend on time.
    pub(crate) const fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::Overloaded | Self::Stopping | Self::IdempotencyInProgress | Self::RateLimited => {
                Some("1")
            }
            Self::StorageUnavailable => Some("5"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_one_word_has_one_status_but_for_what_is_too_large() {
        let statuses = FailureCode::ALL.iter().map(|code| code.status().as_u16());
        assert!(statuses.clone().is_sorted(), "{:?}", statuses.collect::<Vec<_>>());
        for (at, code) in FailureCode::ALL.iter().enumerate() {
            let same = FailureCode::ALL[..at].iter().find(|other| other.word() == code.word());
            assert!(same.is_none_or(|same| *same == FailureCode::TooLarge), "{code:?}: {same:?}");
        }
    }

    #[test]
    fn the_protocols_page_names_every_code_with_its_status() {
        let page = include_str!("../../../docs/PROTOCOL.md");
        let table = page.split_once("### Errors").unwrap().1.split_once("\n### ").unwrap().0;
        for code in FailureCode::ALL {
            let (status, word) = (code.status().as_u16(), format!("`{}`", code.word()));
            let mut rows = table.lines().filter(|line| line.starts_with(&format!("| {status} |")));
            assert!(rows.any(|row| row.contains(&word)), "no row {status} {word}");
        }
    }

    #[test]
    fn a_bare_status_gets_a_code_of_its_class() {
        for status in (400..600).filter_map(|number| StatusCode::from_u16(number).ok()) {
            let code = FailureCode::of_status(status).status();
            assert_eq!(code.is_server_error(), status.is_server_error(), "{status}");
        }
    }
}

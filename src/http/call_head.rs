//! What a call says of itself, whether it came as a request of its own or as an item of a batch.

use super::App;
use super::rates::{self, TooManyCalls};
use super::request_id::RequestId;
use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::{HttpMessage as _, HttpRequest};

/// Method, path, query and headers of a call.
pub(crate) enum CallHead {
    /// Those of a request.
    Request(HttpRequest),
    /// Those that an item names.
    Item(Box<RequestHead>),
}

impl CallHead {
    /// All of it.
    pub(super) fn head(&self) -> &RequestHead {
        match self {
            Self::Request(request) => request.head(),
            Self::Item(head) => head,
        }
    }

    /// What it is called; none of an item, which goes by its request.
    pub(super) fn id(&self) -> Option<RequestId> {
        match self {
            Self::Request(request) => request.extensions().get::<RequestId>().cloned(),
            Self::Item(_) => None,
        }
    }

    /// Counts one more call of its senders; those that are items are counted by their request.
    pub(super) fn count_again(&self, app: &App) -> Result<(), TooManyCalls> {
        match self {
            Self::Request(request) => rates::count_again(app, request),
            Self::Item(_) => Ok(()),
        }
    }

    /// The headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.head().headers()
    }

    /// The method.
    pub(crate) fn method(&self) -> &Method {
        &self.head().method
    }

    /// The path, escapes included.
    pub(crate) fn path(&self) -> &str {
        self.head().uri.path()
    }

    /// The query; empty where there is none.
    pub(crate) fn query_string(&self) -> &str {
        self.head().uri.query().unwrap_or_default()
    }
}

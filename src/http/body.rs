//! Request bodies, as handlers ask for them.

use super::call::Call;
use super::error::ApiError;
use super::limits::Content;
use super::text::{BodyBound, JSON, Text, media_type};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use std::convert::Infallible;
use std::future::{Ready, ready};

/// A body that has not been read yet.
pub(crate) struct RequestBody(Payload);

impl FromRequest for RequestBody {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(_: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Ok(Self(payload.take())))
    }
}

impl RequestBody {
    /// None: that of an item of a batch came with the batch.
    pub(super) const fn none() -> Self {
        Self(Payload::None)
    }

    /// Reads the body to its end. It must be JSON by its content type, or have none.
    ///
    /// # Errors
    /// [`ApiError::UnsupportedMediaType`], [`ApiError::TooLarge`], [`ApiError::TooSlow`], [`ApiError::Overloaded`],
    /// [`ApiError::InvalidBody`].
    pub(crate) async fn json(self, call: &Call, content: Content) -> Result<Text, ApiError> {
        match media_type(call.request.headers())?.as_deref() {
            None | Some("application/json") => self.read(call, content).await,
            Some(other) => Err(ApiError::media_type(other, JSON)),
        }
    }

    /// Reads the body to its end, whatever its content type.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub(crate) async fn read(self, call: &Call, content: Content) -> Result<Text, ApiError> {
        if call.request.headers().contains_key(header::CONTENT_ENCODING) {
            let came = "compressed (`Content-Encoding`)".to_owned();
            return Err(ApiError::UnsupportedMediaType { came, wanted: "sent as it is" });
        }
        let limits = call.app.limits.get();
        let bound =
            BodyBound::new(call.request.headers(), limits.body(content), limits.told(content));
        match call.take_body() {
            Some(text) => bound.check(text),
            None => bound.read(self.0, call.app.body_budget.hold(&call.caller)).await,
        }
    }
}

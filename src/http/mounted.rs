//! A route as a resource declares it.

use super::answer::Answer;
use super::body::RequestBody;
use super::call::Call;
use super::channel_message::ChannelMessage;
use super::error::ApiError;
use super::items::{ItemHandler, PreparedWrite};
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Responder, Route, web};
use futures_util::FutureExt as _;
use std::rc::Rc;

/// One route: what it takes and who answers.
pub(crate) struct Mounted {
    /// The method.
    pub(crate) method: Method,
    /// The pattern, below `/v1/`.
    pub(crate) pattern: &'static str,
    /// The handler, guarded by the method.
    pub(crate) route: Route,
    /// How it takes an item of a batch; none where it takes none.
    pub(crate) item: Option<ItemHandler>,
}

impl Mounted {
    /// Takes items of a batch that are messages, in the same way.
    pub(crate) fn with_messages<F>(self, send: impl Fn(Call, RequestBody) -> F + 'static) -> Self
    where
        F: Future<Output = Answer> + 'static,
    {
        let send = Rc::new(move |call, body| send(call, body).boxed_local());
        Self { item: Some(ItemHandler::Message(send)), ..self }
    }

    /// Takes items of a batch that are messages to channels, which this prepares.
    pub(crate) fn with_publishes<F>(
        self,
        prepare: impl Fn(Call, RequestBody) -> F + 'static,
    ) -> Self
    where
        F: Future<Output = Result<ChannelMessage, ApiError>> + 'static,
    {
        let prepare = Rc::new(move |call, body| prepare(call, body).boxed_local());
        Self { item: Some(ItemHandler::Publish(prepare)), ..self }
    }

    /// Takes items of a batch that are state writes, which this prepares.
    pub(crate) fn with_writes<F>(self, prepare: impl Fn(Call, RequestBody) -> F + 'static) -> Self
    where
        F: Future<Output = Result<PreparedWrite, ApiError>> + 'static,
    {
        let prepare = Rc::new(move |call, body| prepare(call, body).boxed_local());
        Self { item: Some(ItemHandler::Write(prepare)), ..self }
    }
}

/// A route for one handler.
pub(crate) fn on<F, Args>(method: Method, pattern: &'static str, handler: F) -> Mounted
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let route = web::method(method.clone()).to(handler);
    Mounted { method, pattern, route, item: None }
}

//! Items of a batch on their way to the handlers of their own routes.

use super::answer::Answer;
use super::body::RequestBody;
use super::call::Call;
use super::channel_message::ChannelMessage;
use super::error::ApiError;
use super::path::PathParts;
use crate::actor::ChannelWay;
use actix_web::dev::{Path, ResourceDef, Url};
use actix_web::http::{Method, Uri};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use std::rc::Rc;

/// What becomes of a call.
type Outcome<T> = LocalBoxFuture<'static, Result<T, ApiError>>;

/// How a route takes an item.
#[derive(Clone)]
pub(crate) enum ItemHandler {
    /// A message that is heard when it is sent, which is then answered.
    Message(Rc<dyn Fn(Call, RequestBody) -> LocalBoxFuture<'static, Answer>>),
    /// A message to a channel, which may be kept; all is found out that can be before it is sent.
    Publish(Rc<dyn Fn(Call, RequestBody) -> Outcome<ChannelMessage>>),
    /// A state write, of which all is found out that can be before it is sent.
    Write(Rc<dyn Fn(Call, RequestBody) -> Outcome<PreparedWrite>>),
}

/// A state write that only has to be sent.
pub(crate) struct PreparedWrite {
    /// The way to who carries it out.
    way: ChannelWay,
    /// Sends it; what comes of it is the answer.
    send: Box<dyn FnOnce(ChannelWay) -> LocalBoxFuture<'static, Answer>>,
}

impl PreparedWrite {
    /// A write that is sent by this way and in this manner.
    pub(crate) fn new<F>(way: ChannelWay, send: impl FnOnce(ChannelWay) -> F + 'static) -> Self
    where
        F: Future<Output = Answer> + 'static,
    {
        Self { way, send: Box::new(move |way| send(way).boxed_local()) }
    }

    /// The way that it takes.
    pub(crate) const fn way(&self) -> &ChannelWay {
        &self.way
    }

    /// Sends it; it has left when this returns, and what is returned is its answer.
    pub(crate) fn carry_out(self) -> LocalBoxFuture<'static, Answer> {
        (self.send)(self.way)
    }
}

/// One path with its methods.
struct ItemPath {
    /// The path.
    pattern: ResourceDef,
    /// Each method, and how it takes an item.
    methods: Vec<(Method, Option<ItemHandler>)>,
}

/// All routes, in the order in which they are mounted, with how they take items.
#[derive(Default)]
pub(crate) struct ItemRoutes(Vec<ItemPath>);

/// The route of an item.
pub(crate) struct ItemRoute<'r> {
    /// Its pattern.
    pub(crate) pattern: &'r str,
    /// How it takes the item.
    pub(crate) handler: &'r ItemHandler,
    /// The parts of the item's path.
    pub(crate) parts: PathParts,
}

impl ItemRoutes {
    /// Adds a route, whose pattern is one below `/v1/`.
    pub(crate) fn add(&mut self, pattern: &str, method: Method, item: Option<ItemHandler>) {
        let pattern = format!("/v1/{pattern}");
        let known = self.0.iter_mut().find(|path| path.pattern.pattern() == Some(&pattern));
        match known {
            Some(path) => path.methods.push((method, item)),
            None => self.0.push(ItemPath {
                pattern: ResourceDef::new(pattern),
                methods: vec![(method, item)],
            }),
        }
    }

    /// The route of an item.
    ///
    /// # Errors
    /// [`ApiError::NotInBatch`] where there is none, or one that takes no items; [`ApiError::InvalidId`].
    pub(crate) fn find(&self, method: &Method, uri: &Uri) -> Result<ItemRoute<'_>, ApiError> {
        let mut matched = Path::new(Url::new(uri.clone()));
        let path = self.0.iter().find(|path| path.pattern.capture_match_info(&mut matched));
        let path = path.ok_or(ApiError::NotInBatch)?;
        let taken = path.methods.iter().find(|(one, _)| one == method);
        let handler = taken.and_then(|(_, item)| item.as_ref()).ok_or(ApiError::NotInBatch)?;
        let pattern = path.pattern.pattern().unwrap_or_default();
        Ok(ItemRoute { pattern, handler, parts: PathParts::of(&matched)? })
    }
}

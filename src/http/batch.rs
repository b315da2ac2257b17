//! Many calls in one: messages and state writes, carried out in the order given, each with its own answer.
//!
//! An item goes through the same code as a request of its own: its route is found by the same patterns, its permission in
//! the same table, and the same handler reads it. Only what it does is woven into the others ([`InOrder`]).

mod reading;
mod results;
mod under_way;

use super::answer::Answer;
use super::body::RequestBody;
use super::call::Call;
use super::call_head::CallHead;
use super::channel_message::{ChannelMessage, MessageHandover};
use super::conditions::Tags;
use super::error::ApiError;
use super::idempotency::{self, EarlyAnswer, RunningCall};
use super::in_order::InOrder;
use super::items::{ItemHandler, ItemRoutes};
use super::limits::Content;
use super::mounted::{Mounted, on};
use super::rates::{TooManyCalls, refusal};
use super::text::Text;
use crate::actor::ChannelWay;
use crate::domain::{ChannelKey, Digest};
use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::{ResponseError as _, rt, web};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use reading::Item;
use results::ItemResult;
use std::collections::HashSet;
use under_way::{ItemUnderWay, RecordedItem};

#[cfg(test)]
pub(super) use reading::FIELDS;
#[cfg(test)]
pub(super) use reading::HEADERS;
#[cfg(test)]
pub(super) use reading::ITEM_FIELDS;
pub(super) use reading::MAX_ITEMS;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![on(Method::POST, "batch", batch)]
}

/// `POST /batch`.
///
/// It is carried through though its connection breaks: no key of an item is free while the item is being done.
async fn batch(call: Call, routes: web::Data<ItemRoutes>, body: RequestBody) -> Answer {
    // Another's project is not found, though the items have projects of their own.
    call.known_project().await?;
    let text = body.json(&call, Content::Batch).await?;
    let base = call.request.path().strip_suffix("/v1/batch").unwrap_or_default().to_owned();
    let query = call.request.query_string().to_owned();
    let (text, items) = text.digested(move |text| reading::items(text, &base, &query)).await?;
    let run = BatchRun {
        call,
        routes,
        text,
        keys: HashSet::new(),
        is_paid: true,
        over: None,
        done: InOrder::new(ItemResult::len_bytes),
    };
    let results = rt::spawn(run.all(items?)).await;
    Ok(results::answer(&results.map_err(|crash| ApiError::internal(&crash))?))
}

/// A batch that is being carried out.
struct BatchRun {
    /// The call.
    call: Call,
    /// All routes.
    routes: web::Data<ItemRoutes>,
    /// Its body.
    text: Text,
    /// The keys of its items so far.
    keys: HashSet<Digest>,
    /// Whether the next item is counted already: one is, with the whole.
    is_paid: bool,
    /// Why no further item is carried out: its senders have asked for too much.
    over: Option<TooManyCalls>,
    /// The items so far.
    done: InOrder<ChannelKey, ChannelWay, LocalBoxFuture<'static, ItemResult>>,
}

impl BatchRun {
    /// Carries all out, and waits for them.
    async fn all(mut self, items: Vec<Result<Item, ApiError>>) -> Vec<ItemResult> {
        for (number, item) in items.into_iter().enumerate() {
            let outcome = match item {
                Ok(item) => self.one(number, item).await,
                Err(refused) => Err(refused.into()),
            };
            if let Err(early) = outcome {
                self.done.end(early.error_response().into());
            }
        }
        self.done.finish().await
    }

    /// Carries one out, or sends it on its way.
    ///
    /// # Errors
    /// [`EarlyAnswer`]: what is answered instead.
    async fn one(&mut self, number: usize, item: Item) -> Result<(), EarlyAnswer> {
        let routes = self.routes.clone();
        let route = routes.find(&item.method, &item.uri)?;
        let key = self.key(number, &item)?;
        if matches!(route.handler, ItemHandler::Message(_)) || Tags::are_in(&item.headers) {
            // It is heard behind what was written, or looks at it.
            self.done.settle().await;
        }
        let text = self.text.piece(item.body.clone());
        let head = CallHead::Item(Box::new(head(item)));
        let call = self.call.item(head, route.pattern, route.parts)?;
        let recorded = RecordedItem::begin(&call, route.pattern, &self.call);
        let (call, running) = match key {
            Some(key) => self.enter(call, key, text).await?,
            None => (call.with(text), None),
        };
        self.count()?;
        let item = ItemUnderWay { running, recorded };
        match route.handler {
            ItemHandler::Message(send) => {
                let answer = send(call, RequestBody::none()).await;
                self.done.end(item.ended(answer));
            }
            ItemHandler::Publish(prepare) => match prepare(call, RequestBody::none()).await {
                Ok(message) => self.publish(message, item).await,
                Err(refused) => self.done.end(item.ended(Err(refused))),
            },
            ItemHandler::Write(prepare) => match prepare(call, RequestBody::none()).await {
                Ok(write) => {
                    let way = write.way().clone();
                    self.done.make_way(way.key(), &way).await;
                    let answer = write.carry_out();
                    let outcome = async move { item.ended(answer.await) };
                    self.done.send(way.key().clone(), way, outcome.boxed_local());
                }
                Err(refused) => self.done.end(item.ended(Err(refused))),
            },
        }
        Ok(())
    }

    /// Counts an item as the call that it is; one whose answer is known from before is none. Behind one that is refused all
    /// are: what was sent in order is not done with holes in it.
    fn count(&mut self) -> Result<(), ApiError> {
        if self.over.is_none() && !std::mem::take(&mut self.is_paid) {
            self.over = self.call.request.count_again(&self.call.app).err();
        }
        self.over.map_or(Ok(()), |over| Err(refusal(over)))
    }

    /// Publishes a message. One that is kept is sent on its way; any other is heard behind what was written.
    async fn publish(&mut self, message: ChannelMessage, item: ItemUnderWay) {
        let way = message.way().clone();
        self.done.make_way(way.key(), &way).await;
        let answer = match message.hand(!self.done.is_settled()).await {
            MessageHandover::Ended(answer) => answer,
            MessageHandover::UnderWay(answer) => {
                let outcome = async move { item.ended(answer.await) };
                return self.done.send(way.key().clone(), way, outcome.boxed_local());
            }
            MessageHandover::Declined => {
                self.done.settle().await;
                message.publish().await
            }
        };
        self.done.end(item.ended(answer));
    }

    /// The key of an item: its own, or one that is made of the whole call's and its place.
    fn key(&self, number: usize, item: &Item) -> Result<Option<Digest>, ApiError> {
        if item.headers.contains_key(idempotency::IDEMPOTENCY_KEY) {
            return idempotency::key_of(&item.headers).map(Some);
        }
        let derived = |key: Digest| Digest::of(&[b"item", &key.0, number.to_string().as_bytes()]);
        Ok(self.call.key().map(derived))
    }

    /// Takes a key for an item, behind those before it that had the same.
    async fn enter(
        &mut self,
        call: Call,
        key: Digest,
        text: Text,
    ) -> Result<(Call, Option<RunningCall>), EarlyAnswer> {
        if !self.keys.insert(key) {
            self.done.settle().await;
        }
        let (call, running) = call.under(key, text).await?;
        Ok((call, Some(running)))
    }
}

/// What an item says of itself.
fn head(item: Item) -> RequestHead {
    let Item { method, uri, headers, .. } = item;
    let mut head = RequestHead::default();
    (head.method, head.uri, head.headers) = (method, uri, headers);
    head
}

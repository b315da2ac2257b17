//! Key sets of issuers, fetched by the client that keeps to the rules about addresses.

use super::super::clock;
use super::WebhookSender;
use super::calling::{self, CallPurpose};
use super::wanted::FetchKeys;
use crate::jwt::KeySet;
use crate::webhook::EndpointCall;
use actix::fut::ready;
use actix::prelude::*;
use std::rc::Rc;
use std::time::Duration;

/// How long an answer may take: whoever comes with a token that needs it waits for it.
const TIMEOUT: Duration = Duration::from_secs(4);
/// The most fetches under way; past it one has failed at once.
const AT_ONCE: usize = 32;

impl Handler<FetchKeys> for WebhookSender {
    type Result = ResponseActFuture<Self, Result<KeySet, &'static str>>;

    fn handle(&mut self, FetchKeys(url): FetchKeys, _: &mut Context<Self>) -> Self::Result {
        if !self.client.may_believe(&url) {
            return Box::pin(ready(Err("plain_text")));
        }
        if self.fetching >= AT_ONCE {
            return Box::pin(ready(Err("busy")));
        }
        self.fetching += 1;
        let client = Rc::clone(&self.client);
        let fetched = async move {
            let (headers, body, at) = (Vec::new(), None, clock::now());
            let call = EndpointCall { url: &url, headers, body, timeout: TIMEOUT, turn: 0 };
            let reply = calling::call(&client, CallPurpose::KeySet, call, at).await;
            let reply = reply.map_err(|error| error.reason())?;
            if reply.status != 200 {
                return Err("status");
            }
            let body = reply.body.ok_or("body")?;
            KeySet::read(&body).ok_or("form")
        };
        Box::pin(fetched.into_actor(self).map(|fetched, actor, _| {
            actor.fetching = actor.fetching.saturating_sub(1);
            fetched
        }))
    }
}

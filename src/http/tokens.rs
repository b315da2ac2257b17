//! Leap tokens: create, list, read, change, delete, and what they are subscribed to.

use super::App;
use super::answer::{self, Answer};
use super::body::RequestBody;
use super::call::Call;
use super::error::ApiError;
use super::held::HeldList;
use super::limits::Content;
use super::list;
use super::mounted::{Mounted, on};
use super::query::{self, ListCursor};
use super::token_input::{self, NewToken};
use super::views::{SubscriptionView, TokenView};
use crate::actor::{Receipt, clock};
use crate::ask::AskError;
use crate::domain::event::Subscribing;
use crate::domain::{
    ChannelId, ChannelKey, EventKind, HookEvent, LeapToken, LeapTokenId, Permission, ProjectId,
};
use crate::store::{StoreError, Thing, WriteStore};
use actix_web::http::Method;
use serde::Serialize;
use std::collections::HashSet;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::POST, "channels/tokens", post),
        on(Method::GET, "channels/tokens/{token}", show),
        on(Method::PATCH, "channels/tokens/{token}", update),
        on(Method::DELETE, "channels/tokens/{token}", delete),
        on(Method::GET, "channels/tokens/{token}/subscriptions", subscriptions),
    ]
}

/// `{token}`.
#[derive(Serialize)]
pub(crate) struct TokenBody<'a> {
    /// The token.
    pub(crate) token: TokenView<'a>,
}

/// `POST /channels/tokens`. Default channels are subscriptions, so they need the flag for those.
async fn post(call: Call, body: RequestBody) -> Answer {
    let project = call.project().await?;
    let text = body.json(&call, Content::Record).await?;
    let limit = call.app.limits.get().state_bytes;
    let new = text.read(move |text| NewToken::parse(text, limit)).await?;
    if !(new.permanent.is_empty() && new.ephemeral.is_empty()) {
        call.require(Permission::ManageChannelSubscribers)?;
    }
    let receipt = call
        .receipt(|(token, _)| answer::spelled(TokenBody { token: TokenView::new(token, false) }));
    let token = create(&call.app, project, new, receipt).await?;
    answer::data(TokenBody { token: TokenView::new(&token, false) })
}

/// Makes a token, subscribed to its default channels.
///
/// # Errors
/// [`ApiError::NoSuchChannel`], [`ApiError::LimitReached`], [`ApiError::TooLarge`].
pub(crate) async fn create(
    app: &App,
    project: ProjectId,
    new: NewToken,
    receipt: Option<Receipt<(LeapToken, Vec<ChannelKey>)>>,
) -> Result<LeapToken, ApiError> {
    let limit = app.supervisor.settings().session_channels;
    if new.permanent.len() + new.ephemeral.len() > limit {
        return Err(AskError::TooManyChannels(limit).into());
    }
    new.check(app.limits.get().state_bytes)?;
    let now = clock::now();
    let secret = clock::secret_id("leap_token")?;
    let token = LeapToken {
        id: LeapTokenId::from(secret.as_str()),
        project,
        state: new.state,
        expires_at: new.expires_at,
        created_at: now,
    };
    let keys: Vec<ChannelKey> = new
        .ephemeral
        .into_iter()
        .map(|id| ChannelKey { project: token.project.clone(), id })
        .collect();
    let kinds = [EventKind::TokenCreated, EventKind::ChannelSubscribed];
    let is_wanted = kinds.iter().any(|kind| wants(app, &token.project, *kind));
    let permanent = new.permanent.clone();
    let create = move |store: &mut dyn WriteStore| {
        for key in &keys {
            let found = store.find_channel(key)?;
            found.ok_or_else(|| StoreError::NoSuchChannel(key.id.clone()))?;
        }
        store.create_token(&token, &new.permanent)?;
        Ok((token, keys))
    };
    let keyed = receipt.as_ref().map(|receipt| receipt.call().clone());
    let (token, keys) = app
        .persistence
        .write_once_causing(receipt, is_wanted, create, move |(token, _)| {
            created(token, &permanent)
        })
        .await?;
    for key in &keys {
        if let Err(error) = app.supervisor.subscribe(key, &token.id, true, None).await {
            if let Some(keyed) = keyed {
                app.persistence.free_key(keyed).await?;
            }
            // Nobody will ever learn this token's secret.
            erase(app, token.project, &token.id, None).await?;
            return Err(error.into());
        }
    }
    Ok(token)
}

/// Whether some webhook of the project wants to hear of this kind of event.
fn wants(app: &App, project: &ProjectId, kind: EventKind) -> bool {
    app.persistence.hooks().wants(project, kind)
}

/// What webhooks hear of a new token and its default channels.
fn created(token: &LeapToken, permanent: &[ChannelId]) -> Vec<HookEvent> {
    let mut events = vec![HookEvent::token(clock::stamp(), EventKind::TokenCreated, token)];
    events.extend(permanent.iter().map(|channel| {
        let subscribing = Subscribing { channel, token: &token.id, ephemeral: false };
        let kind = EventKind::ChannelSubscribed;
        HookEvent::subscription(clock::stamp(), kind, &token.project, subscribing)
    }));
    events
}

/// `GET /channels/tokens/:token`.
async fn show(call: Call) -> Answer {
    let token = find(&call).await?;
    one(&call, &token).await
}

/// Answers with one token.
async fn one(call: &Call, token: &LeapToken) -> Answer {
    let is_online = call.app.supervisor.is_online(&token.id).await;
    answer::data(TokenBody { token: TokenView::new(token, is_online) })
}

/// The token that the path names; another project's is as unknown as none.
pub(crate) async fn find(call: &Call) -> Result<LeapToken, ApiError> {
    let (project, id) = call.token().await?;
    load(&call.app, &project, id).await
}

/// A token of this project; another project's is as unknown as none.
///
/// # Errors
/// `NotFound(Token)`.
pub(super) async fn load(
    app: &App,
    project: &ProjectId,
    id: LeapTokenId,
) -> Result<LeapToken, ApiError> {
    let found = app.persistence.read(move |store| store.find_token(&id)).await?;
    found.filter(|token| token.project == *project).ok_or(ApiError::NotFound(Thing::Token))
}

/// `PATCH /channels/tokens/:token`.
async fn update(call: Call, body: RequestBody) -> Answer {
    let (project, id) = call.token().await?;
    let text = body.json(&call, Content::Record).await?;
    let limit = call.app.limits.get().state_bytes;
    let update = text.read(move |text| token_input::update(text, limit)).await?;
    let is_online = call.app.supervisor.is_online(&id).await;
    let receipt = call.receipt(move |token| {
        answer::spelled(TokenBody { token: TokenView::new(token, is_online) })
    });
    let update = move |store: &mut dyn WriteStore| store.update_token(&project, &id, &update);
    let token = call.app.persistence.write_once(receipt, update).await?;
    call.app.supervisor.token_changed(&token.id).await?;
    one(&call, &token).await
}

/// `DELETE /channels/tokens/:token`: gone for good, its connections too.
async fn delete(call: Call) -> Answer {
    let (project, id) = call.token().await?;
    erase(&call.app, project, &id, call.receipt(answer::nothing)).await?;
    Ok(answer::done())
}

/// Deletes a token from the store, then ends its session.
///
/// # Errors
/// `NotFound(Token)`, also for another project's.
pub(crate) async fn erase(
    app: &App,
    project: ProjectId,
    id: &LeapTokenId,
    receipt: Option<Receipt<Option<LeapToken>>>,
) -> Result<(), ApiError> {
    let (deleted, kind) = (id.clone(), EventKind::TokenDeleted);
    let is_wanted = wants(app, &project, kind);
    let delete = move |store: &mut dyn WriteStore| {
        let found = store.find_token(&deleted)?;
        store.delete_token(&project, &deleted)?;
        Ok(found)
    };
    app.persistence
        .write_once_causing(receipt, is_wanted, delete, move |found: &Option<LeapToken>| {
            let event = |token| HookEvent::token(clock::stamp(), kind, token);
            found.as_ref().map(event).into_iter().collect()
        })
        .await?;
    app.supervisor.token_deleted(id).await?;
    Ok(())
}

/// `GET /channels/tokens/:token/subscriptions`: the permanent ones and the ephemeral ones of its live session, oldest first; no more
/// than a session may have.
///
/// The session is asked first: a subscription that becomes permanent meanwhile is then shown as that, and once.
async fn subscriptions(call: Call) -> Answer {
    let wanted = query::wanted(call.request.query_string())?;
    let token = find(&call).await?;
    let live = call.app.supervisor.ephemeral_subscriptions(&token.id).await?;
    let stored = call.app.persistence.read(move |store| store.subscriptions_of(&token.id)).await?;
    let permanent: HashSet<&ChannelId> = stored.iter().map(|one| &one.channel).collect();
    let live = live.iter().filter(|one| !permanent.contains(&one.channel));
    let both = stored.iter().map(|one| (one, false)).chain(live.map(|one| (one, true)));
    let mut subscriptions = HeldList::new("subscriptions");
    for (one, is_ephemeral) in both {
        let place = ListCursor::at(one.created_at, one.channel.as_str());
        subscriptions.add(place, &SubscriptionView::new(one, is_ephemeral))?;
    }
    list::answer(subscriptions, wanted).await
}

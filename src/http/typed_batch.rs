//! Many calls in one, without a request: see `batch`.

use super::App;
use super::batch::MAX_ITEMS;
use super::error::ApiError;
use super::in_order::InOrder;
use super::typed;
use crate::actor::{Changed, ChannelWay, Expected, Handover};
use crate::domain::{ChannelKey, LeapTokenId, ProjectId, RawJson, StateChange, Version};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use std::time::Duration;

/// What became of an item: the state that a change made, nothing for a message.
pub type BatchOutcome = Result<Option<Changed>, ApiError>;

/// One of many calls that are carried out in order.
#[derive(Clone, Debug)]
pub struct BatchItem(Doing);

/// What an item does.
#[derive(Clone, Debug)]
enum Doing {
    /// Publishes to a channel.
    Publish(ChannelKey, String, RawJson),
    /// Sends to all connections of a token; where it may wait for them, for how long.
    Direct(ProjectId, LeapTokenId, String, RawJson, Option<Duration>),
    /// Changes a channel's state, from this version if one is named.
    Change(ChannelKey, StateChange, Option<Version>),
}

impl BatchItem {
    /// Publishes to a channel.
    ///
    /// # Errors
    /// [`ApiError::InvalidBody`] for data that has no JSON.
    pub fn publish(
        channel: &ChannelKey,
        event: &str,
        data: &(impl Serialize + ?Sized),
    ) -> Result<Self, ApiError> {
        Ok(Self(Doing::Publish(channel.clone(), event.to_owned(), typed::json(data)?)))
    }

    /// Sends to all connections of a leap token.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub fn direct(
        project: &str,
        token: &LeapTokenId,
        event: &str,
        data: &(impl Serialize + ?Sized),
    ) -> Result<Self, ApiError> {
        let (project, data) = (ProjectId::from(project), typed::json(data)?);
        Ok(Self(Doing::Direct(project, token.clone(), event.to_owned(), data, None)))
    }

    /// The same, if it is a direct message, as one that waits in the token's mailbox for so long, in whole seconds.
    #[must_use]
    pub fn waiting(self, ttl: Duration) -> Self {
        match self.0 {
            Doing::Direct(project, token, event, data, _) => {
                Self(Doing::Direct(project, token, event, data, Some(ttl)))
            }
            other => Self(other),
        }
    }

    /// Changes a channel's state.
    pub fn change(channel: &ChannelKey, change: StateChange) -> Self {
        Self(Doing::Change(channel.clone(), change, None))
    }

    /// The same, if it is a change, only from this version.
    #[must_use]
    pub fn at(self, version: Version) -> Self {
        match self.0 {
            Doing::Change(channel, change, _) => {
                Self(Doing::Change(channel, change, Some(version)))
            }
            message => Self(message),
        }
    }
}

/// The items so far.
type Done = InOrder<ChannelKey, ChannelWay, BoxFuture<'static, BatchOutcome>>;

/// Carries out all in the order given.
///
/// # Errors
/// [`ApiError::InvalidBody`] for too many.
pub(crate) async fn batch(app: &App, items: Vec<BatchItem>) -> Result<Vec<BatchOutcome>, ApiError> {
    if items.len() > MAX_ITEMS {
        return Err(ApiError::field("items", format!("must have at most {MAX_ITEMS} items")));
    }
    let mut done = Done::new(size);
    for BatchItem(doing) in items {
        match doing {
            Doing::Change(key, change, version) => {
                change_one(app, &mut done, &key, change, version).await;
            }
            Doing::Publish(key, event, data) => {
                if let Err(refused) = publish_one(app, &mut done, &key, &event, data).await {
                    done.end(Err(refused));
                }
            }
            Doing::Direct(project, token, event, data, ttl) => {
                done.settle().await;
                done.end(direct(app, (project, token), &event, data, ttl).await);
            }
        }
    }
    Ok(done.finish().await)
}

/// Publishes one. One that is kept is sent on its way; any other is heard behind what was written.
///
/// # Errors
/// [`ApiError`] where nothing comes of it.
async fn publish_one(
    app: &App,
    done: &mut Done,
    key: &ChannelKey,
    event: &str,
    data: RawJson,
) -> Result<(), ApiError> {
    let message = typed::message(app, event, data)?;
    let way = app.supervisor.way_to(key).await?;
    done.make_way(key, &way).await;
    match app.supervisor.hand(&way, message.clone(), None, !done.is_settled()).await? {
        Handover::Published(_) => done.end(Ok(None)),
        Handover::UnderWay(kept) => {
            done.send(
                key.clone(),
                way,
                async move { kept.await.map(|_| None).map_err(Into::into) }.boxed(),
            );
        }
        Handover::Declined => {
            done.settle().await;
            app.supervisor.publish(key, message).await?;
            done.end(Ok(None));
        }
    }
    Ok(())
}

/// Sends one.
async fn direct(
    app: &App,
    (project, token): (ProjectId, LeapTokenId),
    event: &str,
    data: RawJson,
    ttl: Option<Duration>,
) -> BatchOutcome {
    let message = typed::message(app, event, data)?;
    match ttl {
        Some(ttl) => {
            typed::mail(app, project, token, message, ttl).await?;
        }
        None => app.supervisor.direct_message(&project, &token, message).await?,
    }
    Ok(None)
}

/// Sends a change on its way.
async fn change_one(
    app: &App,
    done: &mut Done,
    key: &ChannelKey,
    change: StateChange,
    version: Option<Version>,
) {
    match app.supervisor.way_to(key).await {
        Ok(way) => {
            done.make_way(key, &way).await;
            let expected = Expected { version, created_at: None };
            let sent = app.supervisor.send_change(way.clone(), change, expected, None, None);
            done.send(key.clone(), way, async move { Ok(Some(sent.await?)) }.boxed());
        }
        Err(error) => done.end(Err(error.into())),
    }
}

/// How many bytes the state has that an item made.
fn size(outcome: &BatchOutcome) -> usize {
    let made = outcome.as_ref().ok().and_then(Option::as_ref);
    made.map_or(0, |changed| changed.state.json().as_str().len())
}

//! Declared webhooks and authorizers.

use super::super::{DeclaredAuthorizer, DeclaredWebhook, shown};
use super::{Became, owner};
use crate::actor::clock;
use crate::domain::delivery::ROTATION;
use crate::domain::{Authorizer, ProjectId, Webhook, WebhookId};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::webhooks;
use crate::store::{StoreError, StoreResult, Thing, WebhookUpdate, WriteStore};

/// A webhook.
pub(super) async fn webhook(
    app: &App,
    only: Option<&ProjectId>,
    wanted: &DeclaredWebhook,
    limit: usize,
) -> Result<Became, ApiError> {
    let (url, events) = wanted.read()?;
    let project = owner(wanted.project.as_ref(), only)?;
    let is_declared = wanted.secret.is_some();
    let made = Webhook {
        id: WebhookId::from(clock::readable_id("webhook").as_str()),
        project: project.clone(),
        url,
        events,
        secret: wanted.secret.clone().map_or_else(webhooks::new_secret, Ok)?,
        previous: None,
        disabled_at: None,
        created_at: clock::now(),
    };
    // Looked for and counted in the write itself: it is never there twice, nor past the bound.
    let became = app.persistence.write(move |store| {
        store.find_project(&made.project)?.ok_or(StoreError::NotFound(Thing::Project))?;
        let known = store.list_webhooks(&made.project)?;
        if let Some(found) = known.iter().find(|webhook| webhook.url == made.url) {
            return change(store, found, &made, is_declared).map(Some);
        }
        if limit > 0 && known.len() >= limit {
            return Ok(None);
        }
        store.create_webhook(&made)?;
        Ok(Some(Became::Made))
    });
    let became = became.await?.ok_or(webhooks::too_many(limit))?;
    if !matches!(became, Became::Same) {
        app.supervisor.webhooks_changed(&project).await;
    }
    if matches!(became, Became::Made) && !is_declared {
        tracing::warn!(
            host = shown(&wanted.url),
            "this webhook's secret was made up; `warren webhooks rotate` shows a new one, or declare one"
        );
    }
    Ok(became)
}

/// Makes a webhook that is there what it is declared to be; a secret that is not declared stays.
fn change(
    store: &mut dyn WriteStore,
    found: &Webhook,
    wanted: &Webhook,
    is_declared: bool,
) -> StoreResult<Became> {
    let has_other_secret = is_declared && found.secret != wanted.secret;
    if found.events == wanted.events && !has_other_secret {
        return Ok(Became::Same);
    }
    let update = WebhookUpdate {
        events: (found.events != wanted.events).then(|| wanted.events.clone()),
        secret: has_other_secret.then(|| wanted.secret.clone()),
        keep_previous_until: has_other_secret.then(|| clock::after(ROTATION)),
        ..WebhookUpdate::default()
    };
    store.update_webhook(&found.project, &found.id, &update)?;
    Ok(Became::Changed)
}

/// Who decides about subscriptions.
pub(super) async fn authorizer(
    app: &App,
    only: Option<&ProjectId>,
    wanted: &DeclaredAuthorizer,
) -> Result<Became, ApiError> {
    let url = wanted.read()?;
    let project = owner(wanted.project.as_ref(), only)?;
    let is_declared = wanted.secret.is_some();
    let secret = wanted.secret.clone().map_or_else(webhooks::new_secret, Ok)?;
    let mut made = Authorizer { project, url, secret, created_at: clock::now() };
    let became = app.persistence.write(move |store| {
        store.find_project(&made.project)?.ok_or(StoreError::NotFound(Thing::Project))?;
        let found = store.find_authorizer(&made.project)?;
        if let Some(found) = &found {
            if !is_declared {
                // Whoever answers knows the one that is there.
                made.secret.clone_from(&found.secret);
            }
            if (&found.url, &found.secret) == (&made.url, &made.secret) {
                return Ok(Became::Same);
            }
        }
        store.set_authorizer(&made)?;
        Ok(if found.is_some() { Became::Changed } else { Became::Made })
    });
    let became = became.await?;
    if matches!(became, Became::Made) && !is_declared {
        tracing::warn!(
            host = shown(&wanted.url),
            "this authorizer's secret was made up, and nobody is told it: declare one, or set it by `warren authorizer set`"
        );
    }
    Ok(became)
}

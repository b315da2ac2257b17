//! Declared things are brought about: made where they are missing and changed where they differ. What the configuration
//! does not name any more stays.

mod hooks;
mod jwt;

use super::{DeclareError, Declared, DeclaredChannel, DeclaredProject, shown};
use crate::actor::clock;
use crate::domain::project::{hint_of, secret_hash};
use crate::domain::{
    AllowedOrigins, Capabilities, Channel, ChannelKey, HistoryLimits, Permissions, Project,
    ProjectId, ProjectToken, ProjectTokenId,
};
use crate::http::channels::{self, Kind};
use crate::http::error::ApiError;
use crate::http::{App, HttpLimits, projects};
use crate::store::WriteStore;

/// How many things were made and changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BroughtAbout {
    /// Those that were not there.
    pub made: u64,
    /// Those that were different.
    pub changed: u64,
}

/// What became of one thing.
#[derive(Clone, Copy)]
enum Became {
    /// It was as declared.
    Same,
    /// It was not there.
    Made,
    /// It was different.
    Changed,
}

impl BroughtAbout {
    /// Counts what became of one thing, and says it.
    fn note(
        &mut self,
        kind: &'static str,
        at: usize,
        name: &str,
        became: Result<Became, ApiError>,
    ) -> Result<(), DeclareError> {
        match became.map_err(|why| DeclareError::new(kind, at, name, why))? {
            Became::Same => {}
            Became::Made => {
                self.made += 1;
                tracing::info!(kind, name, "made, as it is declared");
            }
            Became::Changed => {
                self.changed += 1;
                tracing::info!(kind, name, "changed, as it is declared");
            }
        }
        Ok(())
    }
}

/// Brings about what is declared, within these bounds: webhooks last, so that they hear of nothing that is declared beside
/// them for the first time.
///
/// # Errors
/// The first thing that cannot be; what stands before it is done.
pub(crate) async fn bring_about(
    app: &App,
    declared: &Declared,
    limits: &HttpLimits,
) -> Result<BroughtAbout, DeclareError> {
    let mut done = BroughtAbout::default();
    declared.check(limits.state_bytes)?;
    for (at, wanted) in declared.projects.iter().enumerate() {
        done.note("project", at, &wanted.id, project(app, wanted).await)?;
    }
    let only = only_project(app, declared).await;
    let only = only.as_ref();
    declared.once(only.map(ProjectId::as_str))?;
    for (at, wanted) in declared.channels.iter().enumerate() {
        done.note("channel", at, &wanted.id, channel(app, only, wanted, limits).await)?;
    }
    for (at, wanted) in declared.jwt_keys.iter().enumerate() {
        done.note("jwt-key", at, &wanted.name(), jwt::key(app, only, wanted).await)?;
    }
    for (at, wanted) in declared.authorizers.iter().enumerate() {
        let became = hooks::authorizer(app, only, wanted).await;
        done.note("authorizer", at, &shown(&wanted.url), became)?;
    }
    for (at, wanted) in declared.webhooks.iter().enumerate() {
        let became = hooks::webhook(app, only, wanted, limits.project_webhooks).await;
        done.note("webhook", at, &shown(&wanted.url), became)?;
    }
    Ok(done)
}

/// The project of things that name none: the one that is declared, or the one that there is.
async fn only_project(app: &App, declared: &Declared) -> Option<ProjectId> {
    if let [project] = declared.projects.as_slice() {
        return Some(ProjectId::from(project.id.as_str()));
    }
    let found = app.persistence.read(|store| store.list_projects()).await;
    match found.as_deref() {
        Ok([project]) => Some(project.id.clone()),
        _ => None,
    }
}

/// The project that something belongs to.
fn owner(named: Option<&String>, only: Option<&ProjectId>) -> Result<ProjectId, ApiError> {
    let named = named.map(|id| ProjectId::from(id.as_str()));
    named
        .or_else(|| only.cloned())
        .ok_or_else(|| ApiError::field("project", "must be said: there is none, or more than one"))
}

/// A project, with its token.
async fn project(app: &App, wanted: &DeclaredProject) -> Result<Became, ApiError> {
    let id = ProjectId::from(wanted.id.as_str());
    let (name, namespace) = wanted.read()?;
    let (origins, known) = (wanted.origins()?, id.clone());
    let became = match app.persistence.read(move |store| store.find_project(&known)).await? {
        None => {
            let namespace = namespace.map_or_else(|| projects::derived_namespace(&name), Ok)?;
            let made = Project {
                id: id.clone(),
                name,
                namespace,
                allowed_origins: origins.unwrap_or_default(),
                created_at: clock::now(),
            };
            app.persistence.write(move |store| store.create_project(&made)).await?;
            Became::Made
        }
        Some(found) => {
            let name = wanted.name.is_some().then_some(name).filter(|name| found.name != *name);
            change_project(app, &found, name, origins).await?
        }
    };
    match (&wanted.token, became) {
        (Some(secret), Became::Same) => project_token(app, id, secret).await,
        (Some(secret), became) => project_token(app, id, secret).await.map(|_| became),
        (None, became) => Ok(became),
    }
}

/// Changes what differs of a project.
async fn change_project(
    app: &App,
    found: &Project,
    name: Option<String>,
    origins: Option<AllowedOrigins>,
) -> Result<Became, ApiError> {
    let origins = origins.filter(|origins| found.allowed_origins != *origins);
    if name.is_none() && origins.is_none() {
        return Ok(Became::Same);
    }
    let id = found.id.clone();
    let change = move |store: &mut dyn WriteStore| {
        name.map(|name| store.rename_project(&id, &name)).transpose()?;
        origins.map(|origins| store.allow_origins(&id, &origins)).transpose().map(drop)
    };
    app.persistence.write(change).await?;
    app.supervisor.project_changed(&found.id).await;
    Ok(Became::Changed)
}

/// A token of a project, with every permission.
async fn project_token(app: &App, project: ProjectId, secret: &str) -> Result<Became, ApiError> {
    let hash = secret_hash(secret);
    let found = app.persistence.read(move |store| store.find_project_token(&hash)).await?;
    match found {
        Some(token) if token.project == project => Ok(Became::Same),
        Some(_) => Err(ApiError::field("token", "is another project's")),
        None => {
            let token = ProjectToken {
                id: ProjectTokenId::from(clock::readable_id("ptkid").as_str()),
                project,
                permissions: Permissions::OWNER,
                hint: hint_of(secret),
                created_at: clock::now(),
            };
            app.persistence.write(move |store| store.create_project_token(&token, &hash)).await?;
            Ok(Became::Changed)
        }
    }
}

/// A channel.
async fn channel(
    app: &App,
    only: Option<&ProjectId>,
    wanted: &DeclaredChannel,
    limits: &HttpLimits,
) -> Result<Became, ApiError> {
    let (id, kind, state) = wanted.read(limits.state_bytes)?;
    let key = ChannelKey { project: owner(wanted.project.as_ref(), only)?, id };
    let known = key.clone();
    let found = app.persistence.read(move |store| {
        let Some(channel) = store.find_channel(&known)? else { return Ok(None) };
        let kept = channels::limits_of(store, &channel)?;
        Ok(Some((channel, kept)))
    });
    match found.await? {
        None => {
            if wanted.capabilities.is_none() && wanted.history.is_some() {
                return Err(without_history());
            }
            channels::create(app, key, kind, state, None, None).await?;
            Ok(Became::Made)
        }
        Some((channel, kept)) => reshape(app, &channel, kept, wanted, kind).await,
    }
}

/// The refusal of bounds on what is not kept.
fn without_history() -> ApiError {
    ApiError::field("history", "needs the capability HISTORY")
}

/// Makes a channel that is there what it is declared to be; what is not said stays, and so does its state.
async fn reshape(
    app: &App,
    channel: &Channel,
    kept: HistoryLimits,
    wanted: &DeclaredChannel,
    kind: Kind,
) -> Result<Became, ApiError> {
    let visibility = wanted.visibility.as_ref().map_or(channel.visibility, |_| kind.0);
    let capabilities = wanted.capabilities.as_ref().map_or(channel.capabilities, |_| kind.1);
    let history = wanted.history.as_ref().map_or(kept, |_| kind.2);
    let keeps = capabilities.contains(Capabilities::HISTORY);
    if wanted.history.is_some() && !keeps {
        return Err(without_history());
    }
    let is_kind = channel.visibility == visibility && channel.capabilities == capabilities;
    if is_kind && kept == history {
        return Ok(Became::Same);
    }
    let history = keeps.then_some(history);
    app.supervisor
        .update_channel(&channel.key, Some(visibility), Some(capabilities), history, None)
        .await?;
    Ok(Became::Changed)
}

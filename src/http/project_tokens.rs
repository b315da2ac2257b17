//! Project tokens: create, list, delete.

use super::answer::{self, Answer};
use super::body::RequestBody;
use super::call::Call;
use super::channels::existing;
use super::error::ApiError;
use super::fields::Fields;
use super::limits::Content;
use super::list::{self, List};
use super::mounted::{Mounted, on};
use super::query::{self, ListCursor};
use super::views::ProjectTokenView;
use crate::actor::{Persistence, clock};
use crate::domain::project::hint_of;
use crate::domain::project::secret_hash;
use crate::domain::{
    EventKind, HookEvent, Permission, Permissions, Project, ProjectId, ProjectToken, ProjectTokenId,
};
use crate::store::{ProjectTokenCursor, ReadStore, SecretHash, Start, Thing, WriteStore};
use actix_web::http::Method;
use serde::Serialize;

/// What hides the rest of a secret in lists.
const STARS: &str = "****************";

/// The fields of a new token.
pub(super) const FIELDS: &[&str] = &["flags", "permissions"];

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::GET, "projects/{project}/tokens", list_all),
        on(Method::POST, "projects/{project}/tokens", create),
        on(Method::DELETE, "projects/{project}/tokens/{token}", delete),
    ]
}

/// `GET /projects/:id/tokens`, secrets masked.
async fn list_all(call: Call) -> Answer {
    let wanted = query::wanted(call.request.query_string())?;
    let id = call.project().await?;
    let project = call.load_project(id).await?;
    list::answer(ProjectTokens { persistence: call.app.persistence.clone(), project }, wanted).await
}

/// A project's tokens, oldest first.
struct ProjectTokens {
    /// Where they are read.
    persistence: Persistence,
    /// The project.
    project: Project,
}

impl List for ProjectTokens {
    type Item = ProjectToken;

    fn name(&self) -> &'static str {
        "project_tokens"
    }

    async fn read(
        &self,
        start: &Start<ListCursor>,
        limit: u64,
    ) -> Result<Vec<ProjectToken>, ApiError> {
        let id = self.project.id.clone();
        let start = start.map(|place| ProjectTokenCursor {
            created_at: place.time(),
            id: ProjectTokenId::from(place.id.as_str()),
        });
        let read = move |store: &mut dyn ReadStore| store.project_tokens_after(&id, &start, limit);
        Ok(self.persistence.read(read).await?)
    }

    async fn total(&self) -> Result<u64, ApiError> {
        let id = self.project.id.clone();
        Ok(self.persistence.read(move |store| store.count_project_tokens(&id)).await?)
    }

    fn place(token: &ProjectToken) -> ListCursor {
        ListCursor::at(token.created_at, token.id.as_str())
    }

    fn write(&self, token: &ProjectToken, _: bool, text: &mut Vec<u8>) -> serde_json::Result<()> {
        let shown = masked(&token.hint);
        serde_json::to_writer(text, &ProjectTokenView::new(token, &self.project, &shown))
    }
}

/// A secret of which only the hint is known.
pub(crate) fn masked(hint: &str) -> String {
    format!("{hint}{STARS}")
}

/// `{project_token}`.
#[derive(Serialize)]
struct ProjectTokenBody<'a> {
    /// The token.
    project_token: ProjectTokenView<'a>,
}

/// `POST /projects/:id/tokens`: the only time that the secret is shown.
async fn create(call: Call, body: RequestBody) -> Answer {
    let id = call.project().await?;
    let text = body.json(&call, Content::Record).await?;
    let permissions = permissions(text.as_str())?;
    may_grant(call.caller.permissions(), permissions)?;
    let (token, secret) = mint(&call, id, permissions)?;
    let hash = secret_hash(&secret);
    let (token, project) = call
        .app
        .persistence
        .write_once_causing(
            call.receipt_without_secret(),
            call.wants(&token.project, EventKind::ProjectTokenCreated),
            move |store| {
                let project = existing(store.find_project(&token.project)?, Thing::Project)?;
                store.create_project_token(&token, &hash)?;
                Ok((token, project))
            },
            |(token, _)| {
                let kind = EventKind::ProjectTokenCreated;
                vec![HookEvent::project_token(clock::stamp(), kind, token)]
            },
        )
        .await?;
    answer::data(ProjectTokenBody {
        project_token: ProjectTokenView::new(&token, &project, &secret),
    })
}

/// Makes a token and its secret.
///
/// # Errors
/// [`ApiError::Internal`] without randomness.
pub(crate) fn mint(
    _call: &Call,
    project: ProjectId,
    permissions: Permissions,
) -> Result<(ProjectToken, String), ApiError> {
    let created_at = clock::now();
    let secret = clock::secret_id("ptk")?;
    let id = clock::readable_id("ptkid");
    let id = ProjectTokenId::from(id.as_str());
    let hint = hint_of(&secret);
    Ok((ProjectToken { id, project, permissions, hint, created_at }, secret))
}

/// Reads `{flags}` or `{permissions: [group names]}`; with both, all of them.
fn permissions(text: &str) -> Result<Permissions, ApiError> {
    let fields = Fields::parse(text, FIELDS)?;
    let flags: Option<u64> = fields.typed("flags", "must be a number of permission bits")?;
    let flags = flags.map(Permissions::from_bits).transpose().map_err(|unknown| {
        ApiError::field("flags", format!("has bits that do not exist: {unknown}"))
    })?;
    let names: Option<Vec<String>> =
        fields.typed("permissions", "must be a list of group names")?;
    if flags.is_none() && names.is_none() {
        return Err(ApiError::field("flags", "is missing: a number, or `permissions`"));
    }
    let groups = names.unwrap_or_default();
    let mut groups = groups.iter().map(|name| Permissions::from_group(name));
    groups
        .try_fold(flags.unwrap_or_default(), |all, one| Some(all.union(one?)))
        .ok_or_else(|| ApiError::field("permissions", "names a group that does not exist"))
}

/// Refuses to hand on what the caller does not have: else one flag would be worth all of them.
fn may_grant(held: Permissions, wanted: Permissions) -> Result<(), ApiError> {
    let is_missing = |flag: &Permission| wanted.allows(*flag) && !held.allows(*flag);
    Permission::ALL.into_iter().find(is_missing).map_or(Ok(()), |f| Err(ApiError::CannotGrant(f)))
}

/// `DELETE /projects/:id/tokens/:ptkid`.
async fn delete(call: Call) -> Answer {
    let project = call.project().await?;
    let id = ProjectTokenId::from(call.parts.token.as_str());
    let kind = EventKind::ProjectTokenDeleted;
    let is_wanted = call.wants(&project, kind);
    let delete = move |store: &mut dyn WriteStore| store.delete_project_token(&project, &id);
    let events = move |(token, _): &(ProjectToken, SecretHash)| {
        vec![HookEvent::project_token(clock::stamp(), kind, token)]
    };
    let receipt = call.receipt(answer::nothing);
    let (_, hash) =
        call.app.persistence.write_once_causing(receipt, is_wanted, delete, events).await?;
    call.app.auth.forget(&hash);
    if !call.app.supervisor.key_deleted(&hash).await {
        call.app.auth.forgotten_everywhere().await;
    }
    Ok(answer::done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_bits_or_groups() {
        assert_eq!(permissions(r#"{"flags":0}"#).unwrap().bits(), 0);
        assert_eq!(permissions(r#"{"flags":2251799805280247}"#).unwrap(), Permissions::OWNER);
        let groups = permissions(r#"{"permissions":["MANAGE_CHANNELS","MANAGE_PIPE"]}"#).unwrap();
        assert_eq!(groups.bits(), 1_069_362_970_624);
        assert_eq!(permissions(r#"{"permissions":[]}"#).unwrap().bits(), 0);
        for broken in [
            "{}",
            "",
            r#"{"flags":-1}"#,
            r#"{"flags":1.5}"#,
            r#"{"flags":"1"}"#,
            r#"{"flags":2251799813685248}"#,
            r#"{"permissions":["ALL"]}"#,
            r#"{"permissions":"MANAGE_CHANNELS"}"#,
        ] {
            assert!(permissions(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn nobody_grants_what_they_do_not_have() {
        let own = Permissions::from(Permission::CreateProjectToken);
        assert_eq!(may_grant(own, own), Ok(()));
        assert_eq!(may_grant(Permissions::OWNER, Permissions::OWNER), Ok(()));
        let wanted = own.union(Permission::ReadChannels.into());
        assert_eq!(may_grant(own, wanted), Err(ApiError::CannotGrant(Permission::ReadChannels)));
    }
}

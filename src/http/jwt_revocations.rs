//! Subjects whose JSON Web Tokens do not count any more: revoke, list, forget (`docs/JWT.md`).

use super::answer::{self, Answer};
use super::body::RequestBody;
use super::call::Call;
use super::error::ApiError;
use super::fields::Fields;
use super::limits::Content;
use super::list::{self, List};
use super::mounted::{Mounted, on};
use super::query::{self, ListCursor};
use crate::actor::{Persistence, clock};
use crate::domain::jwt::JWT_REVOCATIONS_MAX;
use crate::domain::{JwtRevocation, LeapTokenId, ProjectId, Subject, Timestamp};
use crate::store::{ReadStore, Start};
use actix_web::http::Method;
use serde::Serialize;

/// What a revocation is read from.
pub(super) const FIELDS: &[&str] = &["subject"];

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::GET, "projects/{project}/jwt/revocations", list_all),
        on(Method::POST, "projects/{project}/jwt/revocations", revoke),
        on(Method::DELETE, "projects/{project}/jwt/revocations/{subject}", forget),
    ]
}

/// A revocation.
#[derive(Serialize)]
struct RevocationView<'a> {
    /// Whom.
    subject: &'a Subject,
    /// The leap token that stands for it.
    token: LeapTokenId,
    /// Until when its tokens must have been issued that do not count.
    revoked_at: Timestamp,
}

impl<'a> RevocationView<'a> {
    /// Shows a revocation of a project.
    fn new(project: &ProjectId, revocation: &'a JwtRevocation) -> Self {
        let JwtRevocation { subject, at } = revocation;
        Self { subject, token: LeapTokenId::of_subject(project, subject), revoked_at: *at }
    }
}

/// `{revocation}`.
#[derive(Serialize)]
struct RevocationBody<'a> {
    /// The revocation.
    revocation: RevocationView<'a>,
}

/// `GET /projects/:id/jwt/revocations`, in the order of subjects.
async fn list_all(call: Call) -> Answer {
    let wanted = query::wanted(call.request.query_string())?;
    let project = call.project().await?;
    let persistence = call.app.persistence.clone();
    list::answer(Revocations { persistence, project }, wanted).await
}

/// A project's revocations.
struct Revocations {
    /// Where they are read.
    persistence: Persistence,
    /// The project.
    project: ProjectId,
}

impl List for Revocations {
    type Item = JwtRevocation;

    fn name(&self) -> &'static str {
        "revocations"
    }

    async fn read(
        &self,
        start: &Start<ListCursor>,
        limit: u64,
    ) -> Result<Vec<JwtRevocation>, ApiError> {
        let project = self.project.clone();
        let start = start.map(|place| Subject::trusted(&place.id));
        let read =
            move |store: &mut dyn ReadStore| store.jwt_revocations_after(&project, &start, limit);
        Ok(self.persistence.read(read).await?)
    }

    async fn total(&self) -> Result<u64, ApiError> {
        let project = self.project.clone();
        Ok(self.persistence.read(move |store| store.count_jwt_revocations(&project)).await?)
    }

    /// By the subject alone: one that is revoked again stays where it is.
    fn place(revocation: &JwtRevocation) -> ListCursor {
        ListCursor::at(Timestamp(0), revocation.subject.as_str())
    }

    fn write(&self, item: &JwtRevocation, _: bool, text: &mut Vec<u8>) -> serde_json::Result<()> {
        serde_json::to_writer(text, &RevocationView::new(&self.project, item))
    }
}

/// `POST /projects/:id/jwt/revocations` `{subject}`: no token of it counts that was issued until now, and its connections
/// are closed.
async fn revoke(call: Call, body: RequestBody) -> Answer {
    let project = call.project().await?;
    let text = body.json(&call, Content::Record).await?;
    let subject = Fields::parse(text.as_str(), FIELDS)?.string("subject")?;
    let subject = subject.ok_or_else(|| ApiError::field("subject", "is missing"))?;
    let subject = Subject::parse(&subject);
    let subject = subject.map_err(|error| ApiError::field("subject", error.to_string()))?;
    let revocation = JwtRevocation { subject, at: clock::now() };
    let (of, told) = (project.clone(), project.clone());
    let receipt = call.receipt(move |revoked: &Option<JwtRevocation>| match revoked {
        Some(revocation) => {
            answer::spelled(RevocationBody { revocation: RevocationView::new(&told, revocation) })
        }
        None => Err(too_many()),
    });
    let revoked = call.app.persistence.write_once(receipt, move |store| {
        let is_known = store.jwt_revocation(&of, &revocation.subject)?.is_some();
        if !is_known && store.count_jwt_revocations(&of)? >= JWT_REVOCATIONS_MAX {
            return Ok(None);
        }
        store.revoke_subject(&of, &revocation)?;
        Ok(Some(revocation))
    });
    let revocation = revoked.await?.ok_or(too_many())?;
    // Durable before anybody is told: who comes back by then finds it.
    call.app.supervisor.subject_revoked(&project, &revocation.subject).await?;
    answer::data(RevocationBody { revocation: RevocationView::new(&project, &revocation) })
}

/// The refusal of one revocation more than there may be.
fn too_many() -> ApiError {
    let limit = usize::try_from(JWT_REVOCATIONS_MAX).unwrap_or(usize::MAX);
    ApiError::LimitReached { what: "the project has revoked too many subjects", limit }
}

/// `DELETE /projects/:id/jwt/revocations/:subject`: tokens that were issued before count again.
async fn forget(call: Call) -> Answer {
    let (project, subject) = (call.project().await?, call.parts.subject());
    let forget = call.app.persistence.write_once(call.receipt(answer::nothing), move |store| {
        store.forget_revocation(&project, &subject)
    });
    forget.await?;
    Ok(answer::done())
}

//! What the operator does to a project that exists: rename it, delete it with everything in it.

use super::answer::{self, Answer};
use super::body::RequestBody;
use super::call::Call;
use super::limits::Content;
use super::mounted::{Mounted, on};
use super::projects;
use super::views::ProjectView;
use crate::domain::Project;
use crate::store::WriteStore;
use actix_web::http::Method;
use serde::Serialize;

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::PATCH, "projects/{project}", rename),
        on(Method::DELETE, "projects/{project}", delete),
    ]
}

/// `{project}`.
#[derive(Serialize)]
struct ProjectBody<'a> {
    /// The project.
    project: ProjectView<'a>,
}

/// `PATCH /projects/:id`: a new name; the namespace stays, because command lines rely on it.
async fn rename(call: Call, body: RequestBody) -> Answer {
    let id = call.project().await?;
    let text = body.json(&call, Content::Record).await?;
    let name = projects::name(text.as_str())?;
    let receipt =
        call.receipt(|project: &Project| answer::spelled(ProjectBody { project: project.into() }));
    let rename = move |store: &mut dyn WriteStore| store.rename_project(&id, &name);
    let project = call.app.persistence.write_once(receipt, rename).await?;
    answer::data(ProjectBody { project: (&project).into() })
}

/// `DELETE /projects/:id`: first the store, then what is remembered of it, then what lives of it, so that nothing can
/// come back to life from the one before.
async fn delete(call: Call) -> Answer {
    let id = call.project().await?;
    let (deleted, receipt) = (id.clone(), call.receipt(answer::nothing));
    call.app.persistence.write_once(receipt, move |store| store.delete_project(&deleted)).await?;
    call.app.auth.forget_project(&id);
    call.app.persistence.refresh_hooks(&id).await;
    if !call.app.supervisor.project_deleted(&id).await {
        call.app.auth.forgotten_everywhere().await;
    }
    Ok(answer::done())
}

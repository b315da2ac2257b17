//! Projects: what a token's own looks like, and what the operator makes and lists.

use super::answer::{self, Answer};
use super::body::RequestBody;
use super::call::Call;
use super::error::ApiError;
use super::fields::Fields;
use super::limits::Content;
use super::list::{self, List};
use super::mounted::{Mounted, on};
use super::project_tokens;
use super::query::{self, ListCursor};
use super::views::{ProjectTokenView, ProjectView};
use crate::actor::{Persistence, clock};
use crate::domain::project::secret_hash;
use crate::domain::{AllowedOrigins, Permissions, Project, ProjectId};
use crate::store::{ProjectCursor, Start};
use actix_web::http::Method;
use serde::Serialize;

/// The longest name, bytes.
pub(super) const MAX_NAME_BYTES: usize = 256;
/// The most origins that a project may name.
const MAX_ORIGINS: usize = 100;
/// The longest namespace, characters.
pub(super) const MAX_NAMESPACE_LETTERS: usize = 64;
/// The fields of a new project.
pub(super) const NEW_FIELDS: &[&str] = &["name", "namespace"];
/// The field that can be changed.
pub(super) const RENAME_FIELDS: &[&str] = &["name"];

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::GET, "projects", list_all),
        on(Method::POST, "projects", create),
        on(Method::GET, "projects/{project}", show),
    ]
}

/// `GET /projects`: all on the server.
async fn list_all(call: Call) -> Answer {
    let wanted = query::wanted(call.request.query_string())?;
    list::answer(Projects { persistence: call.app.persistence.clone() }, wanted).await
}

/// All projects, oldest first.
pub(crate) struct Projects {
    /// Where they are read.
    pub(crate) persistence: Persistence,
}

impl List for Projects {
    type Item = Project;

    fn name(&self) -> &'static str {
        "projects"
    }

    async fn read(&self, start: &Start<ListCursor>, limit: u64) -> Result<Vec<Project>, ApiError> {
        let start = start.map(|place| ProjectCursor {
            created_at: place.time(),
            id: ProjectId::from(place.id.as_str()),
        });
        Ok(self.persistence.read(move |store| store.projects_after(&start, limit)).await?)
    }

    async fn total(&self) -> Result<u64, ApiError> {
        Ok(self.persistence.read(|store| store.count_projects()).await?)
    }

    fn place(project: &Project) -> ListCursor {
        ListCursor::at(project.created_at, project.id.as_str())
    }

    fn write(&self, project: &Project, _: bool, text: &mut Vec<u8>) -> serde_json::Result<()> {
        serde_json::to_writer(text, &ProjectView::from(project))
    }
}

/// `{project, project_token}`.
#[derive(Serialize)]
struct Created<'a> {
    /// The new project.
    project: ProjectView<'a>,
    /// Its first token, with every permission; the only time that the secret is shown.
    project_token: ProjectTokenView<'a>,
}

/// `POST /projects`: the project and a first token for its back end.
async fn create(call: Call, body: RequestBody) -> Answer {
    let text = body.json(&call, Content::Record).await?;
    let (name, namespace) = names(text.as_str())?;
    let now = clock::now();
    let project = Project {
        id: ProjectId::from(clock::readable_id("project").as_str()),
        namespace: namespace.map_or_else(|| derived_namespace(&name), Ok)?,
        name,
        allowed_origins: AllowedOrigins::default(),
        created_at: now,
    };
    let (token, secret) = project_tokens::mint(&call, project.id.clone(), Permissions::OWNER)?;
    let hash = secret_hash(&secret);
    let (project, token) = call
        .app
        .persistence
        .write_once(call.receipt_without_secret(), move |store| {
            store.create_project(&project)?;
            store.create_project_token(&token, &hash)?;
            Ok((project, token))
        })
        .await?;
    let project_token = ProjectTokenView::new(&token, &project, &secret);
    answer::data(Created { project: (&project).into(), project_token })
}

/// Reads a list of origins, an empty one for any.
///
/// # Errors
/// [`ApiError::InvalidBody`].
pub(super) fn origins(listed: &[String]) -> Result<AllowedOrigins, ApiError> {
    const FIELD: &str = "allowed-origins";
    if listed.len() > MAX_ORIGINS {
        return Err(ApiError::field(FIELD, format!("must have at most {MAX_ORIGINS} items")));
    }
    AllowedOrigins::new(listed).map_err(|error| ApiError::field(FIELD, error.to_string()))
}

/// Reads `{name, namespace?}`.
///
/// # Errors
/// [`ApiError::InvalidBody`].
pub(super) fn names(text: &str) -> Result<(String, Option<String>), ApiError> {
    let name = name(text)?;
    let fields = Fields::parse(text, NEW_FIELDS)?;
    let namespace = fields.string("namespace")?;
    if namespace.as_deref().is_some_and(|word| !is_namespace(word)) {
        let reason = "must be 1 to 64 lower-case letters, digits and hyphens";
        return Err(ApiError::field("namespace", reason));
    }
    Ok((name, namespace))
}

/// Reads `{name}`.
///
/// # Errors
/// [`ApiError::InvalidBody`].
pub(crate) fn name(text: &str) -> Result<String, ApiError> {
    let name = Fields::parse(text, RENAME_FIELDS)?.string("name")?.unwrap_or_default();
    if name.trim().is_empty() || name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
        let reason = format!("must be 1 to {MAX_NAME_BYTES} bytes of plain text");
        return Err(ApiError::field("name", reason));
    }
    Ok(name)
}

/// Whether a word can be a namespace.
fn is_namespace(word: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_NAMESPACE_LETTERS).contains(&word.len()) && word.bytes().all(is_fit)
}

/// A namespace after a name, with an end of its own, so that two projects may have one name.
///
/// # Errors
/// [`ApiError::Internal`] without randomness.
pub(super) fn derived_namespace(name: &str) -> Result<String, ApiError> {
    let lower = name.to_ascii_lowercase();
    let words = lower.split(|letter: char| !letter.is_ascii_alphanumeric());
    let word = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    let short: String = word.chars().take(MAX_NAMESPACE_LETTERS - 16).collect();
    let end = u32::from_be_bytes(clock::random()?);
    Ok(format!("{}{end:08x}", if short.is_empty() { short } else { short + "-" }))
}

/// `{project, leap_token}`.
#[derive(Serialize)]
struct Own<'a> {
    /// The project.
    project: ProjectView<'a>,
    /// Hop's own channel for its command line; here a token of nothing, because clients need a string.
    leap_token: String,
}

/// `GET /projects/@this` and `/projects/:id`.
async fn show(call: Call) -> Answer {
    let id = call.project().await?;
    let project = call.load_project(id).await?;
    answer::data(Own { project: (&project).into(), leap_token: idle_leap_token(&call)? })
}

/// A string of a leap token's form that is nobody's.
///
/// # Errors
/// [`ApiError::Internal`] without randomness.
pub(crate) fn idle_leap_token(_call: &Call) -> Result<String, ApiError> {
    Ok(clock::secret_id("leap_token")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(names(r#"{"name":"A b"}"#).unwrap(), ("A b".to_owned(), None));
        let named = names(r#"{"name":"A","namespace":"a-1"}"#).unwrap();
        assert_eq!(named.1.as_deref(), Some("a-1"));
        for broken in [
            "{}",
            r#"{"name":""}"#,
            r#"{"name":" "}"#,
            r#"{"name":7}"#,
            r#"{"name":"a\u0000"}"#,
            r#"{"name":"A","namespace":"A"}"#,
            r#"{"name":"A","namespace":""}"#,
        ] {
            assert!(matches!(names(broken), Err(ApiError::InvalidBody { .. })), "{broken}");
        }
    }

    #[test]
    fn a_derived_namespace_is_a_namespace() {
        for name in ["My App!", "é", &"x".repeat(256)] {
            let word = derived_namespace(name).unwrap();
            assert!(is_namespace(&word), "{word}");
        }
        assert!(derived_namespace("My App!").unwrap().starts_with("my-app-"));
    }
}

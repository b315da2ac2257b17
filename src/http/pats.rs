//! The operator's own tokens: create, list, delete; under the path that the official clients know.

use super::answer::{self, Answer};
use super::body::RequestBody;
use super::call::Call;
use super::error::ApiError;
use super::fields::Fields;
use super::held::HeldList;
use super::limits::Content;
use super::list;
use super::mounted::{Mounted, on};
use super::project_tokens::masked;
use super::query::{self, ListCursor};
use crate::actor::mint;
use crate::domain::project::secret_hash;
use crate::domain::{AdminToken, AdminTokenId, Timestamp};
use actix_web::http::Method;
use serde::Serialize;

/// The field of an admin token that its maker sets.
pub(super) const FIELDS: &[&str] = &["name"];

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::GET, "users/@me/pats", list_all),
        on(Method::POST, "users/@me/pats", create),
        on(Method::DELETE, "users/@me/pats/{token}", delete),
    ]
}

/// An admin token, in the form that the official clients read.
#[derive(Serialize)]
struct PatView<'a> {
    /// `pat_id_…`.
    id: &'a AdminTokenId,
    /// What people call it.
    name: Option<&'a str>,
    /// The secret, whole at creation and masked ever after.
    pat: &'a str,
    /// When it was created.
    created_at: Timestamp,
}

impl<'a> PatView<'a> {
    /// Shows a token with as much of its secret as `shown`.
    fn new(token: &'a AdminToken, shown: &'a str) -> Self {
        Self {
            id: &token.id,
            name: token.name.as_deref(),
            pat: shown,
            created_at: token.created_at,
        }
    }
}

/// `GET /users/@me/pats`, secrets masked.
async fn list_all(call: Call) -> Answer {
    let wanted = query::wanted(call.request.query_string())?;
    let found = call.app.persistence.read(|store| store.list_admin_tokens()).await?;
    let mut pats = HeldList::new("pats");
    for token in &found {
        let place = ListCursor::at(token.created_at, token.id.as_str());
        pats.add(place, &PatView::new(token, &masked(&token.hint)))?;
    }
    list::answer(pats, wanted).await
}

/// `{pat}`.
#[derive(Serialize)]
struct PatBody<'a> {
    /// The token.
    pat: PatView<'a>,
}

/// `POST /users/@me/pats`: the only time that the secret is shown.
async fn create(call: Call, body: RequestBody) -> Answer {
    let text = body.json(&call, Content::Record).await?;
    let (token, secret) = mint::admin_token(name(text.as_str())?)?;
    let hash = secret_hash(&secret);
    let token = call
        .app
        .persistence
        .write_once(call.receipt_without_secret(), move |store| {
            store.create_admin_token(&token, &hash)?;
            Ok(token)
        })
        .await?;
    answer::data(PatBody { pat: PatView::new(&token, &secret) })
}

/// Reads `{name?}`.
fn name(text: &str) -> Result<Option<String>, ApiError> {
    let name = Fields::parse(text, FIELDS)?.string("name")?;
    if name.as_deref().is_some_and(|name| !mint::is_name(name)) {
        let reason = format!("must be 1 to {} bytes of plain text", mint::MAX_NAME_BYTES);
        return Err(ApiError::field("name", reason));
    }
    Ok(name)
}

/// `DELETE /users/@me/pats/:pat`, by the handle or, as the command line's logout does, by the secret itself.
///
/// The last one may go as well: `warren admin create-token` makes another.
async fn delete(call: Call) -> Answer {
    let given = call.parts.token.clone();
    let hash = call
        .app
        .persistence
        .write_once(call.receipt(answer::nothing), move |store| {
            let id = match store.find_admin_token(&secret_hash(&given))? {
                Some(token) => token.id,
                None => AdminTokenId::from(given.as_str()),
            };
            store.delete_admin_token(&id)
        })
        .await?;
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
    fn a_name_is_optional_but_plain() {
        assert_eq!(name("{}").unwrap(), None);
        assert_eq!(name(r#"{"name":null}"#).unwrap(), None);
        assert_eq!(name(r#"{"name":"CI é"}"#).unwrap().as_deref(), Some("CI é"));
        for broken in [r#"{"name":""}"#, r#"{"name":" "}"#, r#"{"name":7}"#, r#"{"name":"a\n"}"#] {
            assert!(matches!(name(broken), Err(ApiError::InvalidBody { .. })), "{broken}");
        }
    }
}

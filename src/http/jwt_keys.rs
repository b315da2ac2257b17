//! The keys under which a project takes JSON Web Tokens: add, list, delete (`docs/JWT.md`).

use super::answer::{self, Answer};
use super::body::RequestBody;
use super::call::Call;
use super::error::ApiError;
use super::fields::Fields;
use super::held::HeldList;
use super::limits::Content;
use super::list;
use super::mounted::{Mounted, on};
use super::query::{self, ListCursor};
use super::reach::{Warning, warnings};
use super::webhooks::is_address;
use crate::actor::clock;
use crate::domain::jwt::{JWT_KEYS_MAX, JWT_NAME_MAX_BYTES};
use crate::domain::{JwtAlgorithm, JwtKey, JwtKeyId, JwtKeyMaterial, ProjectId, Timestamp};
use crate::jwt::VerifyingKey;
use actix_web::http::Method;
use serde::Serialize;

/// What a key is read from.
pub(super) const FIELDS: &[&str] =
    &["kid", "algorithm", "secret", "public_key", "jwks_url", "issuer", "audience"];

/// The routes of this file.
pub(crate) fn routes() -> Vec<Mounted> {
    vec![
        on(Method::GET, "projects/{project}/jwt/keys", list_all),
        on(Method::POST, "projects/{project}/jwt/keys", add),
        on(Method::DELETE, "projects/{project}/jwt/keys/{key}", delete),
    ]
}

/// A key; of a secret nothing is shown.
#[derive(Serialize)]
struct JwtKeyView<'a> {
    /// `jwtkey_…`.
    id: &'a JwtKeyId,
    /// Its project.
    project_id: &'a ProjectId,
    /// Its name in tokens.
    kid: Option<&'a str>,
    /// `secret`, `public_key` or `jwks`.
    kind: &'static str,
    /// The one algorithm that it is for; null of a key set, whose keys say that themselves.
    algorithm: Option<&'static str>,
    /// The public key in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<&'a str>,
    /// Where keys are fetched from.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_url: Option<&'a str>,
    /// What `iss` must be.
    issuer: Option<&'a str>,
    /// What must be in `aud`.
    audience: Option<&'a str>,
    /// When it was added.
    created_at: Timestamp,
}

impl<'a> JwtKeyView<'a> {
    /// Shows a key.
    fn new(key: &'a JwtKey) -> Self {
        let (kind, algorithm, public_key, jwks_url) = match &key.material {
            JwtKeyMaterial::Secret(algorithm, _) => ("secret", Some(algorithm), None, None),
            JwtKeyMaterial::PublicKey(algorithm, pem) => {
                ("public_key", Some(algorithm), Some(pem.as_str()), None)
            }
            JwtKeyMaterial::Jwks(url) => ("jwks", None, None, Some(url.as_str())),
        };
        Self {
            id: &key.id,
            project_id: &key.project,
            kid: key.kid.as_deref(),
            kind,
            algorithm: algorithm.map(|algorithm| algorithm.name()),
            public_key,
            jwks_url,
            issuer: key.issuer.as_deref(),
            audience: key.audience.as_deref(),
            created_at: key.created_at,
        }
    }
}

/// `{key, warnings?}`.
#[derive(Serialize)]
struct JwtKeyBody<'a> {
    /// The key.
    key: JwtKeyView<'a>,
    /// What keeps its address from being called; not there when nothing does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// `GET /projects/:id/jwt/keys`, without secrets.
async fn list_all(call: Call) -> Answer {
    let wanted = query::wanted(call.request.query_string())?;
    let project = call.project().await?;
    let found = call.app.persistence.read(move |store| store.jwt_keys(&project)).await?;
    let mut shown = HeldList::new("keys");
    for key in &found {
        shown.add(ListCursor::at(key.created_at, key.id.as_str()), &JwtKeyView::new(key))?;
    }
    list::answer(shown, wanted).await
}

/// `POST /projects/:id/jwt/keys`: tokens under it are taken from now on.
async fn add(call: Call, body: RequestBody) -> Answer {
    let project = call.project().await?;
    let text = body.json(&call, Content::Record).await?;
    let key = NewJwtKey::parse(text.as_str())?.of(project);
    let mut told = Vec::new();
    if let JwtKeyMaterial::Jwks(url) = &key.material {
        if !call.app.reach.may_believe(url) {
            return Err(ApiError::field("jwks_url", "must be an https:// address"));
        }
        told = warnings(&call, "jwks_url", url).await;
    }
    let repeated = told.clone();
    let receipt = call.receipt(move |added: &Option<JwtKey>| match added {
        Some(key) => {
            answer::spelled(JwtKeyBody { key: JwtKeyView::new(key), warnings: repeated.clone() })
        }
        None => Err(too_many()),
    });
    // Counted in the write itself: two at once cannot both be the last.
    let added = call.app.persistence.write_once(receipt, move |store| {
        if store.jwt_keys(&key.project)?.len() >= JWT_KEYS_MAX {
            return Ok(None);
        }
        store.add_jwt_key(&key)?;
        Ok(Some(key))
    });
    let key = added.await?.ok_or(too_many())?;
    answer::data(JwtKeyBody { key: JwtKeyView::new(&key), warnings: told })
}

/// The refusal of one key more than there may be.
pub(super) const fn too_many() -> ApiError {
    ApiError::LimitReached { what: "the project has too many keys for tokens", limit: JWT_KEYS_MAX }
}

/// `DELETE /projects/:id/jwt/keys/:key`: no token under it is taken any more; who came with one stays as long as that
/// allows.
async fn delete(call: Call) -> Answer {
    let (project, id) = (call.project().await?, call.parts.jwt_key());
    let delete = call.app.persistence.write_once(call.receipt(answer::nothing), move |store| {
        store.delete_jwt_key(&project, &id)
    });
    delete.await?;
    Ok(answer::done())
}

/// A key to be.
pub(crate) struct NewJwtKey {
    /// Its name in tokens.
    kid: Option<String>,
    /// What it is made of.
    material: JwtKeyMaterial,
    /// What `iss` must be.
    issuer: Option<String>,
    /// What must be in `aud`.
    audience: Option<String>,
}

impl NewJwtKey {
    /// Reads `{kid?, algorithm, secret | public_key, issuer?, audience?}` or `{jwks_url, issuer?, audience?}`.
    ///
    /// # Errors
    /// [`ApiError::InvalidBody`].
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let fields = Fields::parse(text, FIELDS)?;
        let algorithm = match fields.string("algorithm")? {
            Some(name) => Some(algorithm(&name)?),
            None => None,
        };
        let material = [
            ("secret", fields.string("secret")?),
            ("public_key", fields.string("public_key")?),
            ("jwks_url", fields.string("jwks_url")?),
        ];
        let material = material.into_iter().filter_map(|(name, text)| Some((name, text?)));
        Ok(Self {
            kid: name(&fields, "kid")?,
            material: read_material(&material.collect::<Vec<_>>(), algorithm)?,
            issuer: name(&fields, "issuer")?,
            audience: name(&fields, "audience")?,
        })
        .and_then(Self::checked)
    }

    /// Refuses what would never fit a token.
    fn checked(self) -> Result<Self, ApiError> {
        if self.kid.is_some() && matches!(self.material, JwtKeyMaterial::Jwks(_)) {
            return Err(ApiError::field(
                "kid",
                "does not go with jwks_url: each key there has one",
            ));
        }
        Ok(self)
    }

    /// The key, as that of a project.
    pub(crate) fn of(self, project: ProjectId) -> JwtKey {
        let Self { kid, material, issuer, audience } = self;
        let id = JwtKeyId::from(clock::readable_id("jwtkey").as_str());
        JwtKey { id, project, kid, material, issuer, audience, created_at: clock::now() }
    }
}

/// The algorithm of a name.
fn algorithm(name: &str) -> Result<JwtAlgorithm, ApiError> {
    JwtAlgorithm::from_name(name).ok_or_else(|| {
        let known = JwtAlgorithm::NAMED.map(|(known, _)| known).join(", ");
        ApiError::field("algorithm", format!("must be one of {known}"))
    })
}

/// What a key is made of, of which exactly one thing must be given.
fn read_material(
    given: &[(&'static str, String)],
    algorithm: Option<JwtAlgorithm>,
) -> Result<JwtKeyMaterial, ApiError> {
    let [(field, text)] = given else {
        let reason = "exactly one of secret, public_key and jwks_url must be given";
        return Err(ApiError::body(reason));
    };
    if *field == "jwks_url" {
        if algorithm.is_some() {
            let reason = "does not go with jwks_url: each key there says what it is for";
            return Err(ApiError::field("algorithm", reason));
        }
        let url = text.trim();
        if !is_address(url) {
            return Err(ApiError::field("jwks_url", "must be an https:// address"));
        }
        return Ok(JwtKeyMaterial::Jwks(url.to_owned()));
    }
    let algorithm = algorithm.ok_or_else(|| ApiError::field("algorithm", "is missing"))?;
    let material = if *field == "secret" {
        JwtKeyMaterial::Secret(algorithm, text.clone())
    } else {
        JwtKeyMaterial::PublicKey(algorithm, text.clone())
    };
    VerifyingKey::of(&material).map_err(|fault| ApiError::field(field, fault.to_string()))?;
    Ok(material)
}

/// A text that tokens have too.
fn name(fields: &Fields<'_>, field: &'static str) -> Result<Option<String>, ApiError> {
    let text = fields.string(field)?;
    if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > JWT_NAME_MAX_BYTES) {
        return Err(ApiError::field(field, format!("must have 1 to {JWT_NAME_MAX_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_keys_are_refused_by_their_field() {
        let secret = "s".repeat(32);
        for (text, expected) in [
            ("{}".to_owned(), None),
            (r#"{"algorithm":"HS256"}"#.to_owned(), None),
            (
                format!(r#"{{"algorithm":"HS256","secret":"{secret}","jwks_url":"https://a"}}"#),
                None,
            ),
            (format!(r#"{{"secret":"{secret}"}}"#), Some("algorithm")),
            (format!(r#"{{"algorithm":"none","secret":"{secret}"}}"#), Some("algorithm")),
            (format!(r#"{{"algorithm":"HS257","secret":"{secret}"}}"#), Some("algorithm")),
            (format!(r#"{{"algorithm":"HS512","secret":"{secret}"}}"#), Some("secret")),
            (format!(r#"{{"algorithm":"RS256","secret":"{secret}"}}"#), Some("secret")),
            (format!(r#"{{"algorithm":"ES256","public_key":"{secret}"}}"#), Some("public_key")),
            (format!(r#"{{"algorithm":"HS256","public_key":"{secret}"}}"#), Some("public_key")),
            (format!(r#"{{"algorithm":"HS256","secret":"{secret}","kid":""}}"#), Some("kid")),
            (format!(r#"{{"algorithm":"HS256","secret":"{secret}","issuer":5}}"#), Some("issuer")),
            (r#"{"jwks_url":"a.example"}"#.to_owned(), Some("jwks_url")),
            (r#"{"jwks_url":"https://a.example","kid":"a"}"#.to_owned(), Some("kid")),
            (
                r#"{"jwks_url":"https://a.example","algorithm":"RS256"}"#.to_owned(),
                Some("algorithm"),
            ),
        ] {
            match NewJwtKey::parse(&text).err() {
                Some(ApiError::InvalidBody { field, .. }) => assert_eq!(field, expected, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_key_is_read_with_all_that_it_asks_for() {
        let secret = "s".repeat(32);
        let text = format!(
            r#"{{"algorithm":"HS256","secret":"{secret}","kid":"k","issuer":"i","audience":"a"}}"#
        );
        let key = NewJwtKey::parse(&text).ok().unwrap().of(ProjectId::from("p"));
        assert_eq!(key.material, JwtKeyMaterial::Secret(JwtAlgorithm::Hs256, secret));
        let names = [key.kid, key.issuer, key.audience].map(Option::unwrap);
        assert_eq!(names, ["k", "i", "a"]);
    }
}

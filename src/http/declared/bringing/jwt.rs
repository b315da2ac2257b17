//! Declared keys for JSON Web Tokens.

use super::super::DeclaredJwtKey;
use super::{Became, owner};
use crate::domain::jwt::JWT_KEYS_MAX;
use crate::domain::{JwtKey, JwtKeyMaterial, ProjectId};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::jwt_keys;
use crate::store::{StoreError, Thing};

/// A key: known by its `kid`; without one, by its address or its algorithm.
pub(super) async fn key(
    app: &App,
    only: Option<&ProjectId>,
    wanted: &DeclaredJwtKey,
) -> Result<Became, ApiError> {
    let made = wanted.read()?.of(owner(wanted.project.as_ref(), only)?);
    if let JwtKeyMaterial::Jwks(url) = &made.material
        && !app.reach.may_believe(url)
    {
        return Err(ApiError::field("jwks-url", "must be an https:// address"));
    }
    let became = app.persistence.write(move |store| {
        store.find_project(&made.project)?.ok_or(StoreError::NotFound(Thing::Project))?;
        let known = store.jwt_keys(&made.project)?;
        let Some(found) = known.iter().find(|key| is_the_same(key, &made)) else {
            if known.len() >= JWT_KEYS_MAX {
                return Ok(None);
            }
            store.add_jwt_key(&made)?;
            return Ok(Some(Became::Made));
        };
        let all = |key: &JwtKey| (key.material.clone(), key.issuer.clone(), key.audience.clone());
        if all(found) == all(&made) {
            return Ok(Some(Became::Same));
        }
        store.delete_jwt_key(&found.project, &found.id)?;
        store.add_jwt_key(&made)?;
        Ok(Some(Became::Changed))
    });
    became.await?.ok_or(jwt_keys::too_many())
}

/// Whether two keys are one that may have changed.
fn is_the_same(one: &JwtKey, other: &JwtKey) -> bool {
    use JwtKeyMaterial::{Jwks, PublicKey, Secret};
    one.kid == other.kid
        && match (&one.material, &other.material) {
            (Jwks(one), Jwks(other)) => one == other,
            (Jwks(_), _) | (_, Jwks(_)) => false,
            _ if one.kid.is_some() => true,
            (Secret(one, _), Secret(other, _)) | (PublicKey(one, _), PublicKey(other, _)) => {
                one == other
            }
            _ => false,
        }
}

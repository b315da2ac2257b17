//! Keys for JSON Web Tokens, and revoked subjects.

use super::error::{found, refusal};
use super::rows::{Row, all, corrupt, sql_count, unsigned};
use super::schema::{jwt_keys, jwt_revocations};
use super::store::DieselStore;
use crate::domain::{
    JwtAlgorithm, JwtKey, JwtKeyId, JwtKeyMaterial, JwtRevocation, ProjectId, Subject, Timestamp,
};
use crate::store::{ReadJwt, Start, StoreResult, Thing, WriteJwt};
use diesel::prelude::*;

/// What a secret is called in `kind`.
const SECRET: &str = "secret";
/// What a public key is called there.
const PUBLIC_KEY: &str = "public_key";
/// What the address of a key set is called there.
const JWKS: &str = "jwks";

/// A row of `jwt_keys`.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = jwt_keys)]
struct JwtKeyRow {
    /// Text of the id.
    id: String,
    /// Text of the project's id.
    project_id: String,
    /// Its name in tokens.
    kid: Option<String>,
    /// What it is made of.
    kind: String,
    /// Name of the algorithm; none of a key set.
    algorithm: Option<String>,
    /// The secret, the key or the address.
    material: String,
    /// What `iss` must be.
    issuer: Option<String>,
    /// What must be in `aud`.
    audience: Option<String>,
    /// Milliseconds.
    created_at: i64,
}

impl Row for JwtKeyRow {
    type Thing = JwtKey;

    fn into_domain(self) -> StoreResult<JwtKey> {
        let algorithm = self.algorithm.as_deref().and_then(JwtAlgorithm::from_name);
        let material = match (self.kind.as_str(), algorithm) {
            (SECRET, Some(algorithm)) => JwtKeyMaterial::Secret(algorithm, self.material),
            (PUBLIC_KEY, Some(algorithm)) => JwtKeyMaterial::PublicKey(algorithm, self.material),
            (JWKS, None) => JwtKeyMaterial::Jwks(self.material),
            _ => return Err(corrupt("jwt_keys.kind")),
        };
        Ok(JwtKey {
            id: JwtKeyId::from(self.id.as_str()),
            project: ProjectId::from(self.project_id.as_str()),
            kid: self.kid,
            material,
            issuer: self.issuer,
            audience: self.audience,
            created_at: Timestamp(self.created_at),
        })
    }
}

impl From<&JwtKey> for JwtKeyRow {
    fn from(key: &JwtKey) -> Self {
        let (kind, algorithm, material) = match &key.material {
            JwtKeyMaterial::Secret(algorithm, secret) => (SECRET, Some(algorithm), secret),
            JwtKeyMaterial::PublicKey(algorithm, pem) => (PUBLIC_KEY, Some(algorithm), pem),
            JwtKeyMaterial::Jwks(url) => (JWKS, None, url),
        };
        Self {
            id: key.id.as_str().to_owned(),
            project_id: key.project.as_str().to_owned(),
            kid: key.kid.clone(),
            kind: kind.to_owned(),
            algorithm: algorithm.map(|algorithm| algorithm.name().to_owned()),
            material: material.clone(),
            issuer: key.issuer.clone(),
            audience: key.audience.clone(),
            created_at: key.created_at.0,
        }
    }
}

/// A subject and since when its tokens do not count, as they are stored.
fn revocation((subject, at): (String, i64)) -> JwtRevocation {
    JwtRevocation { subject: Subject::trusted(&subject), at: Timestamp(at) }
}

impl ReadJwt for DieselStore<'_> {
    fn jwt_keys(&mut self, project: &ProjectId) -> StoreResult<Vec<JwtKey>> {
        let query = jwt_keys::table
            .filter(jwt_keys::project_id.eq(project.as_str()))
            .order_by((jwt_keys::created_at, jwt_keys::id))
            .select(JwtKeyRow::as_select());
        all(query.load(self.connection))
    }

    fn jwt_revocation(
        &mut self,
        project: &ProjectId,
        subject: &Subject,
    ) -> StoreResult<Option<JwtRevocation>> {
        let row: Option<(String, i64)> = jwt_revocations::table
            .find((project.as_str(), subject.as_str()))
            .select((jwt_revocations::subject, jwt_revocations::revoked_at))
            .first(self.connection)
            .optional()?;
        Ok(row.map(revocation))
    }

    fn jwt_revocations_after(
        &mut self,
        project: &ProjectId,
        start: &Start<Subject>,
        limit: u64,
    ) -> StoreResult<Vec<JwtRevocation>> {
        let (last, skipped) = match start {
            Start::Skip(count) => ("", *count),
            Start::Behind(subject) => (subject.as_str(), 0),
        };
        let rows: Vec<(String, i64)> = jwt_revocations::table
            .filter(jwt_revocations::project_id.eq(project.as_str()))
            .filter(jwt_revocations::subject.gt(last))
            .order_by(jwt_revocations::subject)
            .limit(sql_count(limit))
            .offset(sql_count(skipped))
            .select((jwt_revocations::subject, jwt_revocations::revoked_at))
            .load(self.connection)?;
        Ok(rows.into_iter().map(revocation).collect())
    }

    fn count_jwt_revocations(&mut self, project: &ProjectId) -> StoreResult<u64> {
        let of_project =
            jwt_revocations::table.filter(jwt_revocations::project_id.eq(project.as_str()));
        let rows: i64 = of_project.count().get_result(self.connection)?;
        Ok(unsigned(rows))
    }
}

impl WriteJwt for DieselStore<'_> {
    fn add_jwt_key(&mut self, key: &JwtKey) -> StoreResult<()> {
        let row = JwtKeyRow::from(key);
        self.write(|connection| {
            let insert = diesel::insert_into(jwt_keys::table).values(&row);
            let inserted = insert.execute(connection).map(drop);
            inserted.map_err(refusal(Thing::JwtKey, Thing::Project))
        })
    }

    fn delete_jwt_key(&mut self, project: &ProjectId, id: &JwtKeyId) -> StoreResult<()> {
        self.write(|connection| {
            let row =
                jwt_keys::table.find(id.as_str()).filter(jwt_keys::project_id.eq(project.as_str()));
            found(diesel::delete(row).execute(connection)?, Thing::JwtKey)
        })
    }

    fn revoke_subject(
        &mut self,
        project: &ProjectId,
        revocation: &JwtRevocation,
    ) -> StoreResult<()> {
        let known = self.jwt_revocation(project, &revocation.subject)?;
        if known.is_some_and(|known| known.at >= revocation.at) {
            return Ok(());
        }
        self.write(|connection| {
            let insert = diesel::insert_into(jwt_revocations::table)
                .values((
                    jwt_revocations::project_id.eq(project.as_str()),
                    jwt_revocations::subject.eq(revocation.subject.as_str()),
                    jwt_revocations::revoked_at.eq(revocation.at.0),
                ))
                .on_conflict((jwt_revocations::project_id, jwt_revocations::subject))
                .do_update()
                .set(jwt_revocations::revoked_at.eq(revocation.at.0));
            let inserted = insert.execute(connection).map(drop);
            inserted.map_err(refusal(Thing::JwtRevocation, Thing::Project))
        })
    }

    fn forget_revocation(&mut self, project: &ProjectId, subject: &Subject) -> StoreResult<()> {
        self.write(|connection| {
            let row = jwt_revocations::table.find((project.as_str(), subject.as_str()));
            found(diesel::delete(row).execute(connection)?, Thing::JwtRevocation)
        })
    }
}

//! Answers to calls that came with a key.
//!
//! Rows of a scope go from the oldest on and nowhere else, so its numbers have no gaps and its sums hold.

use super::backend::Conn;
use super::rows::{corrupt, sql_count};
use super::schema::answers;
use super::store::DieselStore;
use crate::domain::{
    Digest, FirstCall, KeptAnswer, KeyBounds, KeyScope, KeyedCall, Permissions, ProjectId,
    Timestamp,
};
use crate::num;
use crate::store::{ReadAnswers, StoreError, StoreResult, StoredAnswer, WriteAnswers};
use bytes::Bytes;
use diesel::prelude::*;

/// How many of the oldest go at most with each that comes, where there are too many.
const STEP: i64 = 8;

/// A row, as far as its answer is concerned.
type AnswerRow = (Vec<u8>, i64, i64, i64, String, Vec<u8>);

/// A scope as a column holds it.
fn scope_text(scope: &KeyScope) -> &str {
    match scope {
        KeyScope::Project(project) => project.as_str(),
        KeyScope::Operator => "",
    }
}

/// What stands for the key of a row that gave its own away: shorter than any digest, and different in each row.
fn no_key(number: i64) -> [u8; 8] {
    number.to_be_bytes()
}

/// Gives the key of a row away.
fn give_key_away(connection: &mut Conn, call: &KeyedCall, number: i64) -> StoreResult<()> {
    diesel::update(answers::table.find((scope_text(&call.scope), number)))
        .set(answers::key_digest.eq(no_key(number).as_slice()))
        .execute(connection)?;
    Ok(())
}

/// The number of the row that has a key, and when it was answered.
fn holder(connection: &mut Conn, call: &KeyedCall) -> StoreResult<Option<(i64, i64)>> {
    let row = answers::table
        .filter(answers::scope.eq(scope_text(&call.scope)))
        .filter(answers::key_digest.eq(call.key.0.as_slice()))
        .select((answers::number, answers::answered_at));
    Ok(row.first(connection).optional()?)
}

/// Adds a row; returns its number and the bytes up to its end.
fn add(
    connection: &mut Conn,
    call: &KeyedCall,
    at: Timestamp,
    answer: &KeptAnswer,
) -> StoreResult<(i64, i64)> {
    let scope = scope_text(&call.scope);
    let last: Option<(i64, i64, i64)> = answers::table
        .filter(answers::scope.eq(scope))
        .order_by(answers::number.desc())
        .select((answers::number, answers::bytes, answers::bytes_before))
        .first(connection)
        .optional()?;
    let (number, before) = last.map_or((1, 0), |(last, own, before)| (last + 1, before + own));
    let bytes = sql_count(answer.len_bytes());
    // Pairs of strings: writing them cannot fail.
    let headers = serde_json::to_string(&answer.headers).unwrap_or_default();
    diesel::insert_into(answers::table)
        .values((
            answers::scope.eq(scope),
            answers::number.eq(number),
            answers::key_digest.eq(call.key.0.as_slice()),
            answers::asked.eq(call.call.asked.0.as_slice()),
            answers::permissions.eq(i64::try_from(call.call.permissions.bits()).unwrap_or(0)),
            answers::answered_at.eq(at.0),
            answers::bytes.eq(bytes),
            answers::bytes_before.eq(before),
            answers::status.eq(i64::from(answer.status)),
            answers::headers.eq(headers),
            answers::body.eq(answer.body.as_ref()),
        ))
        .execute(connection)?;
    Ok((number, before + bytes))
}

/// Deletes a scope's rows up to this one.
fn delete_up_to(connection: &mut Conn, scope: &str, number: i64) -> StoreResult<u64> {
    let rows = answers::table.filter(answers::scope.eq(scope)).filter(answers::number.le(number));
    let deleted = diesel::delete(rows).execute(connection)?;
    Ok(num::counter(deleted))
}

/// A row as what it means.
fn stored((asked, permissions, at, status, headers, body): AnswerRow) -> StoreResult<StoredAnswer> {
    let asked = asked.try_into().ok().ok_or_else(|| corrupt("answers.asked"))?;
    let permissions = u64::try_from(permissions).ok().map(Permissions::from_bits);
    let permissions = permissions.and_then(Result::ok);
    let status = u16::try_from(status).ok().ok_or_else(|| corrupt("answers.status"))?;
    let headers = serde_json::from_str(&headers).ok().ok_or_else(|| corrupt("answers.headers"))?;
    let permissions = permissions.ok_or_else(|| corrupt("answers.permissions"))?;
    Ok(StoredAnswer {
        first: FirstCall { asked: Digest(asked), permissions },
        at: Timestamp(at),
        answer: KeptAnswer { status, headers, body: Bytes::from(body) },
    })
}

impl ReadAnswers for DieselStore<'_> {
    fn find_answer(&mut self, scope: &KeyScope, key: &Digest) -> StoreResult<Option<StoredAnswer>> {
        let row: Option<AnswerRow> = answers::table
            .filter(answers::scope.eq(scope_text(scope)))
            .filter(answers::key_digest.eq(key.0.as_slice()))
            .select((
                answers::asked,
                answers::permissions,
                answers::answered_at,
                answers::status,
                answers::headers,
                answers::body,
            ))
            .first(self.connection)
            .optional()?;
        row.map(stored).transpose()
    }

    fn next_answers(
        &mut self,
        behind: Option<&KeyScope>,
    ) -> StoreResult<Option<(KeyScope, Timestamp)>> {
        let rows = answers::table
            .order_by((answers::scope, answers::number))
            .select((answers::scope, answers::answered_at));
        let row: Option<(String, i64)> = match behind {
            Some(scope) => rows.filter(answers::scope.gt(scope_text(scope))).first(self.connection),
            None => rows.filter(answers::scope.ge("")).first(self.connection),
        }
        .optional()?;
        Ok(row.map(|(scope, at)| {
            let scope = match scope.as_str() {
                "" => KeyScope::Operator,
                project => KeyScope::Project(ProjectId::from(project)),
            };
            (scope, Timestamp(at))
        }))
    }
}

impl WriteAnswers for DieselStore<'_> {
    fn claim_key(&mut self, call: &KeyedCall, oldest: Timestamp) -> StoreResult<()> {
        self.write(|connection| match holder(connection, call)? {
            Some((_, at)) if at > oldest.0 => Err(StoreError::Answered),
            Some((number, _)) => give_key_away(connection, call, number),
            None => Ok(()),
        })
    }

    fn keep_answer(
        &mut self,
        call: &KeyedCall,
        at: Timestamp,
        answer: &KeptAnswer,
        bounds: &KeyBounds,
    ) -> StoreResult<()> {
        self.write(|connection| {
            let (newest, end) = add(connection, call, at, answer)?;
            let scope = scope_text(&call.scope);
            let oldest: Vec<(i64, i64)> = answers::table
                .filter(answers::scope.eq(scope))
                .order_by(answers::number)
                .select((answers::number, answers::bytes_before))
                .limit(STEP)
                .load(connection)?;
            let is_over = |(number, before): &(i64, i64)| {
                let is_many = newest - number >= sql_count(bounds.keys);
                *number < newest && (is_many || end - before > sql_count(bounds.bytes))
            };
            let over = oldest.into_iter().take_while(is_over).last();
            over.map_or(Ok(()), |(number, _)| delete_up_to(connection, scope, number).map(drop))
        })
    }

    fn free_key(&mut self, call: &KeyedCall) -> StoreResult<()> {
        self.write(|connection| match holder(connection, call)? {
            Some((number, _)) => give_key_away(connection, call, number),
            None => Ok(()),
        })
    }

    fn prune_answers(
        &mut self,
        scope: &KeyScope,
        oldest: Timestamp,
        limit: u64,
    ) -> StoreResult<u64> {
        self.write(|connection| {
            let scope = scope_text(scope);
            let first: Vec<(i64, i64)> = answers::table
                .filter(answers::scope.eq(scope))
                .order_by(answers::number)
                .select((answers::number, answers::answered_at))
                .limit(sql_count(limit))
                .load(connection)?;
            let last = first.into_iter().take_while(|(_, at)| *at <= oldest.0).last();
            last.map_or(Ok(0), |(number, _)| delete_up_to(connection, scope, number))
        })
    }
}

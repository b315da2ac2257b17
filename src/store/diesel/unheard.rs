//! What the last orderly stop knew of what leap tokens have not heard.

use super::backend::Conn;
use super::rows::sql_count;
use super::schema::unheard;
use crate::domain::{LeapTokenId, MISSED_UNKNOWN};
use crate::store::{StoreResult, Unheard};
use diesel::prelude::*;

/// Whom the row stands for that is for all who have none.
const OTHERS: &str = "";
/// How many rows go in one statement.
const ROWS: usize = 500;

/// A number as it is stored; none where nobody knows.
fn stored(missed: u64) -> Option<i64> {
    if missed == MISSED_UNKNOWN { None } else { Some(sql_count(missed)) }
}

/// A stored number.
fn read(missed: Option<i64>) -> u64 {
    missed.and_then(|missed| u64::try_from(missed).ok()).unwrap_or(MISSED_UNKNOWN)
}

/// `WriteStore::keep_unheard`.
pub(super) fn keep(connection: &mut Conn, left: &Unheard) -> StoreResult<()> {
    diesel::delete(unheard::table).execute(connection)?;
    let named = left.tokens.iter().map(|(token, missed)| (token.as_str(), *missed));
    let rows: Vec<_> = named
        .chain([(OTHERS, left.others)])
        .map(|(token, missed)| (unheard::token_id.eq(token), unheard::missed.eq(stored(missed))))
        .collect();
    for rows in rows.chunks(ROWS) {
        diesel::insert_into(unheard::table).values(rows.to_vec()).execute(connection)?;
    }
    Ok(())
}

/// `WriteStore::take_unheard`.
pub(super) fn take(connection: &mut Conn) -> StoreResult<Unheard> {
    let rows: Vec<(String, Option<i64>)> = unheard::table.load(connection)?;
    diesel::delete(unheard::table).execute(connection)?;
    let mut left = Unheard::default();
    for (token, missed) in rows {
        if token == OTHERS {
            left.others = read(missed);
        } else {
            left.tokens.push((LeapTokenId::from(token.as_str()), read(missed)));
        }
    }
    Ok(left)
}

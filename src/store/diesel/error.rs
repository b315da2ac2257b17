//! The one place where Diesel's errors become the store's.

use crate::store::{StoreError, Thing};
use diesel::ConnectionError;
use diesel::result::{DatabaseErrorKind, Error};

impl From<Error> for StoreError {
    /// Keeps the database's own words, which name tables and columns but never the values of a statement.
    fn from(error: Error) -> Self {
        match error {
            Error::DeserializationError(fault) => Self::Corrupt(fault.to_string()),
            Error::DatabaseError(_, told) => Self::Unavailable(one_line(told.message())),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// What a database says over several lines, as one.
fn one_line(told: &str) -> String {
    told.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// What an insert's error means: the `thing` is there already, or the `parent` that it points to is not.
pub(super) fn refusal(thing: Thing, parent: Thing) -> impl Fn(Error) -> StoreError {
    move |error| match error {
        Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => StoreError::Exists(thing),
        Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => {
            StoreError::NotFound(parent)
        }
        other => other.into(),
    }
}

/// Whether an insert failed because something that it points to is not there.
pub(super) fn is_missing_parent(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _))
}

/// Turns the number of rows that a statement changed into an error when it is none.
pub(super) fn found(rows: usize, thing: Thing) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::NotFound(thing)) } else { Ok(()) }
}

/// A connection that could not be opened.
pub(super) fn not_opened(error: &ConnectionError) -> StoreError {
    StoreError::Unavailable(one_line(&format!("cannot open the database: {error}")))
}

/// A pool that had no connection in time.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err asks for")]
pub(super) fn no_reader(error: r2d2::Error) -> StoreError {
    StoreError::Unavailable(one_line(&format!("no connection to read on: {error}")))
}

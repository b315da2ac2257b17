//! Which history a server goes on with. A standby that is promoted begins one of its own, at the place up to which it has heard
//! the other's: from there on the same numbers are given to other transactions.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

/// Asks for it: the first 8 digits of what a server's log is written to. A standby has no answer to that.
const ASK: &str = "SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS number";

/// The answer.
#[derive(QueryableByName)]
struct Answer {
    /// In hexadecimal digits.
    #[diesel(sql_type = Text)]
    number: String,
}

/// The number of a history, unless the server does not tell it: what is like a `PostgreSQL` may have no such log, and a role may
/// not be allowed to ask. Neither keeps anybody from being served.
#[derive(Clone, Debug)]
pub(super) struct Timeline(Option<String>);

impl Timeline {
    /// What the server at the other end writes. It cannot change for as long as a connection to one that writes is open.
    pub(super) fn of(connection: &mut PgConnection) -> Self {
        let answer = sql_query(ASK).get_result(connection);
        Self(answer.ok().map(|Answer { number }| number))
    }

    /// Whether this is certainly the other's.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.is_some() && self.0 == other.0
    }

    /// Whether this is certainly not the other's.
    pub(super) fn is_not(&self, other: &Self) -> bool {
        self.0.is_some() && other.0.is_some() && self.0 != other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_told_is_neither() {
        let [first, second, unknown] =
            [Some("00000001"), Some("00000002"), None].map(|it| Timeline(it.map(str::to_owned)));
        assert!(first.is(&first.clone()) && !first.is_not(&first.clone()));
        assert!(first.is_not(&second) && !first.is(&second));
        for other in [&first, &unknown] {
            assert!(!unknown.is(other) && !unknown.is_not(other), "{other:?}");
            assert!(!other.is(&unknown) && !other.is_not(&unknown), "{other:?}");
        }
    }
}

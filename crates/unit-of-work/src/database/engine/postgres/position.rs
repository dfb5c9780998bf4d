//! Where a server is: how far its data goes, and on which timeline.

use std::num::NonZero;

use sqlx::{Row as _, postgres::PgRow};

use super::backend::Backend;
use crate::ConsistencyToken;

/// The question, in two statements, each with one row.
///
/// - *The position* is where a primary will write next, or up to where a standby has replayed. A primary's is not before the end of any
///   record that it has written, also if `synchronous_commit` is off for the transaction. What a standby has received comes after it: it may
///   be in the middle of replaying that.
/// - *The timeline* is asked after the position, and by a statement of its own. A standby is on it or comes to it, so that what it has
///   replayed by then belongs to the history of that timeline, and is not from the end of an earlier one that was lost. A standby tells it
///   to roles that may see all statistics, while it follows a primary. A primary's is read from the first eight digits of a WAL file's
///   name, as in [`Backend`].
pub(super) const POSITION: &str = "\
    SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END)::text, \
           CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn()::text, '') END; \
    SELECT CASE WHEN pg_is_in_recovery() THEN (SELECT received_tli::text FROM pg_stat_wal_receiver) \
                ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int::text END";

/// The question to the primary, which costs it less. The timeline is known: a primary gets another one, or becomes a standby, only when it is
/// started again, and no connection outlasts that.
const OF_PRIMARY: &str = "SELECT pg_current_wal_insert_lsn()";

/// What to ask the server at the other end of a connection, behind BEGIN or the end of a transaction.
pub(super) fn question(backend: &Backend) -> &'static str {
    match backend.server {
        Some(_) => OF_PRIMARY,
        None => POSITION,
    }
}

/// The answer to [`POSITION`], or to [`question`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Up to here, a later snapshot has everything.
    pub(super) position: u64,
    /// Whether an earlier snapshot can have one record more than that.
    is_replaying: bool,
    /// `None` if the server does not tell.
    pub(super) timeline: Option<NonZero<u32>>,
}

impl Position {
    /// Reads the answer to [`question`] from the last rows of a flight. `None` if the server does not tell.
    pub(super) fn answered(rows: &[PgRow], backend: &Backend) -> Option<Self> {
        let Some(server) = &backend.server else {
            return Self::read(rows);
        };
        let position = rows.last()?.try_get_unchecked::<Option<String>, usize>(0);
        Some(Self {
            position: lsn(&position.ok()??)?,
            is_replaying: false,
            timeline: NonZero::new(server.timeline),
        })
    }

    /// Reads the answer to [`POSITION`] from the last rows of a flight. `None` if the server does not tell.
    pub(super) fn read(rows: &[PgRow]) -> Option<Self> {
        let [.., position, timeline] = rows else {
            return None;
        };
        let text = |row: &PgRow, at| row.try_get_unchecked::<Option<String>, usize>(at).ok()?;
        let replayed = text(position, 0)?;
        let received = text(position, 1);
        Some(Self {
            position: lsn(&replayed)?,
            is_replaying: received.is_some_and(|received| received != replayed),
            timeline: text(timeline, 0).and_then(|timeline| timeline.parse().ok()),
        })
    }

    /// A token for all that a snapshot has which is taken after this at the server at the other end. `None` if the server does not tell enough.
    pub(super) fn included(self, backend: &Backend) -> Option<ConsistencyToken> {
        Some(ConsistencyToken {
            timeline: Some(self.timeline?),
            position: NonZero::new(self.position)?,
            system: backend.system_number()?,
        })
    }

    /// A token for all that a snapshot can have which was taken before this.
    ///
    /// A standby lets others see what a COMMIT has written before it says that it has replayed that record. So if there may be such a record,
    /// the token asks for it: whoever has replayed more than the position has replayed the record that begins there.
    pub(super) fn seen(self, backend: &Backend) -> Option<ConsistencyToken> {
        let included = self.included(backend)?;
        let position = included
            .position
            .checked_add(u64::from(self.is_replaying))?;
        Some(ConsistencyToken {
            position,
            ..included
        })
    }
}

/// A position as PostgreSQL writes it: two hexadecimal numbers of 32 bits, with a slash between them.
fn lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    let half = |digits| u32::from_str_radix(digits, 16).ok().map(u64::from);
    Some(half(high)? << 32 | half(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record that is being replayed may have been seen, and a later snapshot need not have it.
    #[test]
    fn what_is_being_replayed_counts_as_seen_and_not_as_there() {
        let backend = Backend {
            system: Some("7".to_owned()),
            ..Backend::default()
        };
        for (is_replaying, seen) in [(false, 100), (true, 101)] {
            let position = Position {
                position: 100,
                is_replaying,
                timeline: NonZero::new(2),
            };
            let at = |token: Option<ConsistencyToken>| token.map(|token| token.position.get());
            assert_eq!(at(position.included(&backend)), Some(100));
            assert_eq!(at(position.seen(&backend)), Some(seen));
        }
    }

    #[test]
    fn a_position_is_read_as_postgres_writes_it() {
        assert_eq!(lsn("0/0"), Some(0));
        assert_eq!(lsn("16/B374D848"), Some(0x16_B374_D848));
        assert_eq!(lsn("FFFFFFFF/FFFFFFFF"), Some(u64::MAX));
        for other in [
            "",
            "/",
            "16",
            "16/",
            "/1",
            "100000000/0",
            "0/100000000",
            "x/0",
        ] {
            assert_eq!(lsn(other), None, "{other:?}");
        }
    }
}

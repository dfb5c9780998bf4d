//! Recomputes every balance from the lines, compares what describes accounts, and groups of accounts, with their history, and reports what differs.
//!
//! The database does the sums, so memory stays bounded whatever the ledger's size; how many differences are reported is the caller's
//! choice. Several statements make up one check, so it needs one snapshot: run it in a query's unit (REPEATABLE READ on PostgreSQL), or
//! entries posted meanwhile look like differences.
//!
//! The database's constraints refuse most of what this looks for. It looks all the same: a dropped constraint, a restored file or a bug
//! in the database would show nowhere else. Damage beyond 64 bits is reported on PostgreSQL, and fails the check
//! with "integer overflow" on SQLite.

mod changes;
mod checks;
mod describe;
mod difference;
mod entries;
mod groups;
mod history;
mod ledgers;

pub use difference::{CheckedAccount, CheckedLine, Difference, EntryProblem, SealProblem, Total};
use sea_orm::{ConnectionTrait, DbErr};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerCheck {
    /// How many accounts were checked.
    pub accounts: i64,
    /// How many entries were checked.
    pub entries: i64,
    /// How many lines were checked.
    pub lines: i64,
    /// What differs; empty when the ledger is sound.
    pub differences: Vec<Difference>,
    /// Whether there are more differences than were asked for.
    pub truncated: bool,
}

impl LedgerCheck {
    /// Whether nothing differs.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.differences.is_empty() && !self.truncated
    }
}

/// Checks the whole ledger in seventeen statements, and some for each 100 events that are sealed, and reports at most `limit` differences.
///
/// # Errors
/// When the database fails.
pub async fn verify(db: &impl ConnectionTrait, limit: usize) -> Result<LedgerCheck, DbErr> {
    let (accounts, entries, lines) = checks::counts(db).await?;
    let mut differences = Vec::new();
    // One more than asked for tells whether there are more.
    let room = |found: &Vec<Difference>| limit.saturating_add(1).saturating_sub(found.len());
    differences.extend(checks::totals(db, room(&differences)).await?);
    differences.extend(checks::running_balances(db, room(&differences)).await?);
    differences.extend(checks::currencies(db, room(&differences)).await?);
    differences.extend(checks::limits(db, room(&differences)).await?);
    differences.extend(history::pending(db, room(&differences)).await?);
    differences.extend(history::late(db, room(&differences)).await?);
    differences.extend(changes::accounts(db, room(&differences)).await?);
    differences.extend(ledgers::accounts(db, room(&differences)).await?);
    differences.extend(changes::closings(db, room(&differences)).await?);
    differences.extend(groups::groups(db, room(&differences)).await?);
    differences.extend(groups::members(db, room(&differences)).await?);
    differences.extend(groups::prefixes(db, room(&differences)).await?);
    differences.extend(entries::entries(db, room(&differences)).await?);
    differences.extend(super::seal::differences(db, room(&differences)).await?);
    let truncated = differences.len() > limit;
    differences.truncate(limit);
    Ok(LedgerCheck {
        accounts,
        entries,
        lines,
        differences,
        truncated,
    })
}

//! The balances of an account at a point in its history: at a version, as known at an instant, or as effective at an instant.
//!
//! The cost does not grow with the number of lines: no lines are added up.
//!
//! **A version**: the line that made it has the posted balance after it; the last row of `account_pending` up to it has the
//! pending totals.
//!
//! **As it was known at an instant**: the last version that was recorded by then. Versions are numbered without a gap and are recorded
//! in their order, because the clock is read while the account is locked. So a binary search finds the version, one line a step. (Where
//! several servers post, this is off by as much as their clocks differ.)
//!
//! **As it counts at an instant**: whatever has come to be known since. Let M(v) be the latest instant that a line up to version v
//! counts from; it never falls, so a binary search finds the last v with M(v) up to the instant. All lines up to v count. Of those after it
//! only *late* ones can: lines that count from an earlier instant than a line before them. Hence
//!
//! ```text
//! balance = balance at v - late lines up to v + late lines that count from the instant or earlier
//! ```
//!
//! and the two sums are stored: the first in `late_line`, running in the order of versions, the second in `late_total`, by time, as
//! sums over buckets of 1, 64, 64², … microseconds, of which at most 63 of each of ten sizes make up any stretch from the beginning on.

mod buckets;
mod point_in_time;
mod sql;

pub(super) use buckets::{LEVELS, buckets, microseconds};
use daybook_entity::Side;
pub use point_in_time::PointInTime;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
pub use sql::statement;
pub(super) use sql::{first_step, latest_effective_at, of_line};
use std::collections::HashMap;
use uuid::Uuid;

/// What was on an account, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalancesAt {
    /// The posted balance, positive on the normal side.
    pub posted: i64,
    /// What holds would still debit.
    pub debits_pending: i64,
    /// What holds would still credit.
    pub credits_pending: i64,
    /// How many lines make this up.
    pub version: i64,
}

impl BalancesAt {
    /// What holds would change the posted balance by.
    #[must_use]
    pub fn pending(&self, normal_side: Side) -> i64 {
        super::balance::signed(normal_side, self.debits_pending, self.credits_pending)
    }

    /// What was there and not set aside.
    #[must_use]
    pub fn available(&self, normal_side: Side) -> i64 {
        let lowering = match normal_side {
            Side::Debit => self.credits_pending,
            Side::Credit => self.debits_pending,
        };
        self.posted.saturating_sub(lowering)
    }
}

/// What was on each of these accounts at `point`: one statement, by index, whatever the number of their lines.
///
/// # Errors
/// When the database fails.
pub async fn balances_at(
    db: &impl ConnectionTrait,
    account_ids: &[Uuid],
    point: PointInTime,
) -> Result<HashMap<Uuid, BalancesAt>, DbErr> {
    let statement = statement(db, account_ids, point);
    let rows = db.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| {
            let row = Row::from_query_result(row, "")?;
            Ok((row.account_id, row.balances()?))
        })
        .collect()
}

/// The parts of a balance: at the version that was found, and what late lines take from that and add to it.
#[derive(FromQueryResult)]
struct Row {
    account_id: Uuid,
    version: i64,
    posted: i64,
    debits_pending: i64,
    credits_pending: i64,
    before_lines: i64,
    before_posted: i64,
    before_debits_pending: i64,
    before_credits_pending: i64,
    late_lines: i64,
    late_posted: i64,
    late_debits_pending: i64,
    late_credits_pending: i64,
}

impl Row {
    fn balances(&self) -> Result<BalancesAt, DbErr> {
        // The result fits 64 bits; the terms on the way to it need not.
        let sum = |at: i64, before: i64, late: i64| {
            let sum = i128::from(at) - i128::from(before) + i128::from(late);
            i64::try_from(sum).map_err(|_| DbErr::Type(format!("{sum} is no balance")))
        };
        Ok(BalancesAt {
            posted: sum(self.posted, self.before_posted, self.late_posted)?,
            debits_pending: sum(
                self.debits_pending,
                self.before_debits_pending,
                self.late_debits_pending,
            )?,
            credits_pending: sum(
                self.credits_pending,
                self.before_credits_pending,
                self.late_credits_pending,
            )?,
            version: sum(self.version, self.before_lines, self.late_lines)?,
        })
    }
}

//! What was on an account at some point: at a version, as it was known at an instant, or as it counts at an instant.
//!
//! No lines are added up, however many there are.
//!
//! **A version**: the line that made it has the posted balance after it; the last row of `account_pending` up to it has the
//! pending totals.
//!
//! **As it was known at an instant**: the last version that was recorded by then. Versions are numbered without a gap and are recorded
//! in their order, for the clock is read when the account is locked; so a binary search finds it, one line a step. (Where several
//! servers post, this is off by as much as their clocks are apart.)
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

mod sql;

use super::{InvalidInput, input};
use chrono::{DateTime, Utc};
use daybook_entity::{Side, account};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
pub use sql::statement;
use std::collections::HashMap;
use uuid::Uuid;

/// How many sizes of buckets there are: 64^10 microseconds are more than the years that the ledger knows.
const LEVELS: i32 = 10;

/// From the year 1, where the ledger's years begin, to 1970.
const MICROSECONDS_BEFORE_1970: i64 = 62_135_596_800_000_000;

/// A point in an account's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PointInTime {
    /// With all lines that count from this instant or earlier, whenever they became known.
    EffectiveAt(DateTime<Utc>),
    /// With all lines that were recorded at this instant or earlier.
    RecordedAt(DateTime<Utc>),
    /// After so many lines.
    Version(i64),
}

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

impl PointInTime {
    /// The point as history can be asked for it.
    ///
    /// # Errors
    /// When the instant is outside of the years that the ledger knows, or when the account has not had so many versions.
    pub fn check(self, account: &account::Model) -> Result<Self, InvalidInput> {
        match self {
            Self::EffectiveAt(at) => Ok(Self::EffectiveAt(input::instant("at.effectiveAt", at)?)),
            Self::RecordedAt(at) => Ok(Self::RecordedAt(input::instant("at.recordedAt", at)?)),
            Self::Version(version) if (0..=account.version).contains(&version) => Ok(self),
            Self::Version(version) => Err(InvalidInput::new(
                "at.version",
                format!(
                    "is {version}, and the account `{}` has the versions 0 to {}",
                    account.code, account.version
                ),
            )),
        }
    }
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

/// The buckets of all sizes that an instant falls in, as level and number.
pub(super) fn buckets(instant: DateTime<Utc>) -> impl Iterator<Item = (i32, i64)> {
    let microseconds = instant.timestamp_micros() + MICROSECONDS_BEFORE_1970;
    (0..LEVELS).map(move |level| (level, microseconds >> (6 * level)))
}

/// The ranges of buckets that together are all time up to `instant`, as level, first and last number. Empty ones end before they begin.
fn up_to(instant: DateTime<Utc>) -> impl Iterator<Item = (i32, i64, i64)> {
    buckets(instant).map(|(level, bucket)| {
        let last = if level == 0 { bucket } else { bucket - 1 };
        (level, bucket >> 6 << 6, last)
    })
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
        // The result is a sum over lines that fits, and what is on the way to it need not.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn instant(microseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(microseconds - MICROSECONDS_BEFORE_1970).unwrap()
    }

    proptest! {
        /// An instant is in exactly one of the ranges when it is not after the other, and in none when it is.
        #[test]
        fn the_ranges_up_to_an_instant_are_all_time_until_then(a in 0..315_537_897_600_000_000_i64, b in 0..315_537_897_600_000_000_i64, near in -70..70_i64) {
            for (of, until) in [(a, b), (b, a), (a, a), ((a + near).max(0), a)] {
                let ranges: Vec<_> = up_to(instant(until)).collect();
                let within = buckets(instant(of))
                    .zip(&ranges)
                    .filter(|((level, bucket), range)| *level == range.0 && (range.1..=range.2).contains(bucket))
                    .count();
                prop_assert_eq!(within, usize::from(of <= until));
            }
        }
    }

    #[test]
    fn the_largest_bucket_holds_all_time() {
        let last: DateTime<Utc> = "9999-12-31T23:59:59.999999Z".parse().unwrap();
        assert!(
            buckets(last).all(|(level, bucket)| bucket >= 0 && (level < LEVELS - 1 || bucket < 64))
        );
        let first: DateTime<Utc> = "0001-01-01T00:00:00Z".parse().unwrap();
        assert!(buckets(first).all(|(_, bucket)| bucket == 0));
    }
}

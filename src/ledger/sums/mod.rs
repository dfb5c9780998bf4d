//! Sums over accounts: what was debited and credited in a period, and the balances before and after it.
//!
//! Amounts of different currencies are never added up. Only what entries have moved counts; what holds set aside does not.
//!
//! **A period** contains its beginning and not its end, so that neighbouring periods share no entry. Both times can be asked for at once:
//! "January, as it was known on 5 February" leaves out what was recorded later, although it counts from January.
//!
//! **Cost.** The accounts have the totals of all their lines. What is read of the journal are the entries that count from the
//! period's beginning on (without a beginning: from its end on), or were recorded after the instant of knowledge; the rest is the
//! difference. So a question about last month reads little, and one about all time without bounds reads no line at all.

mod calendar;
mod sql;

pub use calendar::{Every, Series, day, time_zone};
pub use sql::statement as account_sums_statement;

use super::page_accounts::AccountFilter;
use super::{InvalidInput, PageError, input};
use chrono::{DateTime, Utc};
use daybook_entity::{AccountClass, account};
use sea_orm::{ActiveEnum, ConnectionTrait, DbErr, FromQueryResult};
use std::collections::BTreeMap;

/// The most rows of an answer.
pub const MOST_SUMS: usize = 25_000;

/// The most rows of the statement: those of a group are its totals, its periods, and what is left out.
const MOST_ROWS: usize = 3 * MOST_SUMS;

/// Which sums.
#[derive(Clone, Debug, Default)]
pub struct SumRequest {
    /// Over which accounts.
    pub filter: AccountFilter,
    /// Classes apart.
    pub by_class: bool,
    /// Codes apart.
    pub by_code: Option<CodeParts>,
    /// The groups of a tree apart.
    pub by_group: Option<GroupParts>,
    /// The period's beginning; none is the beginning of the ledger.
    pub effective_from: Option<DateTime<Utc>>,
    /// The period's end, which it does not contain; none is the end of time, so that entries dated in the future count.
    pub effective_until: Option<DateTime<Utc>>,
    /// Leaves out what was recorded at this instant or later.
    pub recorded_until: Option<DateTime<Utc>>,
    /// Cuts the period into many, which needs its beginning and its end.
    pub series: Option<Series>,
}

/// How much of an account's code counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeParts {
    /// All of it: each account by itself.
    All,
    /// So many of its parts, which colons separate.
    First(u32),
}

/// Which groups are kept apart. Accounts that are in none are kept apart from those that are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupParts {
    /// The tree, by its path.
    pub tree: String,
    /// How many levels below the tree are apart; what is deeper counts with the group above it. All by default.
    pub depth: Option<u32>,
}

impl GroupParts {
    /// How many parts of a path are kept.
    fn parts(&self) -> Option<u32> {
        self.depth.map(|depth| depth.saturating_add(1))
    }
}

/// The sums over the accounts of a group in a period, in minor units. They can be beyond 64 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSum {
    /// The currency of its accounts.
    pub currency: String,
    /// Their class, if classes are apart; none if they are not classified.
    pub class: Option<AccountClass>,
    /// Their code or its first parts, if codes are apart.
    pub code: Option<String>,
    /// The path of the group that they are in, if groups are apart; none if they are in no group of the tree.
    pub group: Option<String>,
    /// How many accounts there are in the group, also those without entries.
    pub accounts: u64,
    /// The period's beginning.
    pub from: Option<DateTime<Utc>>,
    /// Its end.
    pub until: Option<DateTime<Utc>>,
    /// Debits less credits before the period.
    pub opening: i128,
    /// What was debited in it.
    pub debits: i128,
    /// What was credited in it.
    pub credits: i128,
}

impl AccountSum {
    /// Debits less credits up to the end of the period.
    #[must_use]
    pub const fn closing(&self) -> i128 {
        self.opening + self.debits - self.credits
    }
}

/// The sums, by currency, class, group and code, and then by period; groups without an entry in a period have a row too: one statement, and
/// one more for each group or tree that the request names.
///
/// # Errors
/// When the request breaks a rule or names a group that there is not, the answer would have more than [`MOST_SUMS`] rows, or the database fails.
pub async fn account_sums(
    db: &impl ConnectionTrait,
    request: &SumRequest,
) -> Result<Vec<AccountSum>, PageError> {
    let periods = request.periods()?;
    let statement = sql::write(db, request, &periods).await?;
    let rows = db.query_all_raw(statement).await?;
    if rows.len() > MOST_ROWS {
        return Err(too_many("more").into());
    }
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    for row in &rows {
        let row = Row::from_query_result(row, "")?;
        let (key, part) = row.part(request)?;
        let group = groups
            .entry(key)
            .or_insert_with(|| Group::new(periods.count()));
        group.add(&part, periods.count());
    }
    let count = groups.len().saturating_mul(periods.count());
    if count > MOST_SUMS {
        return Err(too_many(&count.to_string()).into());
    }
    Ok(groups
        .into_iter()
        .flat_map(|(key, group)| group.rows(&key, &periods))
        .collect())
}

fn too_many(count: &str) -> InvalidInput {
    let problem = format!(
        "asks for {count} sums, and at most {MOST_SUMS} are answered: choose fewer accounts, group more of them together, or ask for \
         fewer periods"
    );
    InvalidInput::new("by", problem)
}

/// The period, and the instants that cut it into many.
struct Periods {
    from: Option<DateTime<Utc>>,
    /// The ends of all periods but the last.
    cuts: Vec<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    recorded_until: Option<DateTime<Utc>>,
}

impl SumRequest {
    fn periods(&self) -> Result<Periods, InvalidInput> {
        let instant = |field: &str, at: Option<DateTime<Utc>>| {
            at.map(|at| input::instant(field, at)).transpose()
        };
        let from = instant("effectiveFrom", self.effective_from)?;
        let until = instant("effectiveUntil", self.effective_until)?;
        let recorded_until = instant("recordedUntil", self.recorded_until)?;
        if let (Some(from), Some(until)) = (from, until)
            && from >= until
        {
            let problem =
                "must be after `effectiveFrom`: a period does not contain its end".to_owned();
            return Err(InvalidInput::new("effectiveUntil", problem));
        }
        if let Some(CodeParts::First(0)) = self.by_code {
            return Err(InvalidInput::new(
                "codeDepth",
                "must be at least 1: leave CODE out of `by` for sums over all codes",
            ));
        }
        let cuts = match (self.series, from, until) {
            (None, ..) => Vec::new(),
            (Some(series), Some(from), Some(until)) => series.cuts(from, until)?,
            (Some(_), ..) => {
                return Err(InvalidInput::new(
                    "every",
                    "needs the beginning and the end of the period: give `effectiveFrom` and `effectiveUntil`",
                ));
            }
        };
        Ok(Periods {
            from,
            cuts,
            until,
            recorded_until,
        })
    }
}

impl Periods {
    const fn count(&self) -> usize {
        self.cuts.len() + 1
    }

    fn bounds(&self, period: usize) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
        let from = match period.checked_sub(1) {
            None => self.from,
            Some(before) => self.cuts.get(before).copied(),
        };
        (from, self.cuts.get(period).copied().or(self.until))
    }
}

/// What is kept apart, in the order of the answer. What has no class, or no group, comes after what has one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    currency: String,
    no_class: bool,
    class: Option<AccountClass>,
    no_group: bool,
    group: Option<String>,
    code: Option<String>,
}

/// A row of the statement. Sums are in two parts, so that they do not overflow in the database.
#[derive(FromQueryResult)]
struct Row {
    currency: String,
    class: Option<String>,
    group_path: Option<String>,
    code: Option<String>,
    /// -1 in the rows of all-time totals; beyond the last period, in those of what is left out.
    period: i64,
    accounts: i64,
    debits_high: i64,
    debits_low: i64,
    credits_high: i64,
    credits_low: i64,
}

struct Part {
    period: i64,
    accounts: u64,
    debits: i128,
    credits: i128,
}

impl Row {
    fn part(self, request: &SumRequest) -> Result<(Key, Part), DbErr> {
        let class = self
            .class
            .map(|class| AccountClass::try_from_value(&class))
            .transpose()?;
        let code = self.code.map(|code| match request.by_code {
            Some(CodeParts::First(parts)) => first_parts(&code, parts).to_owned(),
            _ => code,
        });
        let parts = request.by_group.as_ref().and_then(GroupParts::parts);
        let group = self.group_path.map(|path| match parts {
            Some(parts) => first_parts(&path, parts).to_owned(),
            None => path,
        });
        let whole = |high: i64, low: i64| (i128::from(high) << 32) + i128::from(low);
        let part = Part {
            period: self.period,
            accounts: u64::try_from(self.accounts).unwrap_or_default(),
            debits: whole(self.debits_high, self.debits_low),
            credits: whole(self.credits_high, self.credits_low),
        };
        let key = Key {
            currency: self.currency,
            no_class: class.is_none(),
            class,
            no_group: group.is_none(),
            group,
            code,
        };
        Ok((key, part))
    }
}

/// The first parts of a code or a path, which colons separate.
fn first_parts(code: &str, parts: u32) -> &str {
    let nth = usize::try_from(parts)
        .unwrap_or(usize::MAX)
        .saturating_sub(1);
    match code.match_indices(':').nth(nth) {
        Some((end, _)) => &code[..end],
        None => code,
    }
}

#[derive(Clone, Copy, Default)]
struct Moved {
    debits: i128,
    credits: i128,
}

struct Group {
    accounts: u64,
    all: Moved,
    left_out: Moved,
    periods: Vec<Moved>,
}

impl Group {
    fn new(periods: usize) -> Self {
        Self {
            accounts: 0,
            all: Moved::default(),
            left_out: Moved::default(),
            periods: vec![Moved::default(); periods],
        }
    }

    fn add(&mut self, part: &Part, periods: usize) {
        self.accounts += part.accounts;
        let place = match usize::try_from(part.period) {
            Err(_) => &mut self.all,
            Ok(period) if period < periods => &mut self.periods[period],
            Ok(_) => &mut self.left_out,
        };
        place.debits += part.debits;
        place.credits += part.credits;
    }

    fn rows(mut self, key: &Key, periods: &Periods) -> Vec<AccountSum> {
        let kept = Moved {
            debits: self.all.debits - self.left_out.debits,
            credits: self.all.credits - self.left_out.credits,
        };
        let mut opening = 0;
        if periods.from.is_some() {
            let within: i128 = self.periods.iter().map(|it| it.debits - it.credits).sum();
            opening = kept.debits - kept.credits - within;
        } else {
            self.periods = vec![kept];
        }
        let row = |(period, moved): (usize, &Moved)| {
            let (from, until) = periods.bounds(period);
            let sum = AccountSum {
                currency: key.currency.clone(),
                class: key.class,
                code: key.code.clone(),
                group: key.group.clone(),
                accounts: self.accounts,
                from,
                until,
                opening,
                debits: moved.debits,
                credits: moved.credits,
            };
            opening = sum.closing();
            sum
        };
        self.periods.iter().enumerate().map(row).collect()
    }
}

/// The columns of an account that sums are made of.
const COLUMNS: [account::Column; 6] = [
    account::Column::Id,
    account::Column::Code,
    account::Column::Currency,
    account::Column::Class,
    account::Column::DebitsPosted,
    account::Column::CreditsPosted,
];

#[cfg(test)]
mod tests {
    use super::first_parts;

    #[test]
    fn the_first_parts_of_a_code_end_at_a_colon() {
        for (code, parts, first) in [
            ("a:b:c", 1, "a"),
            ("a:b:c", 2, "a:b"),
            ("a:b:c", 3, "a:b:c"),
            ("a:b:c", 9, "a:b:c"),
            ("a::c", 2, "a:"),
            (":b", 1, ""),
            ("a", 1, "a"),
        ] {
            assert_eq!(first_parts(code, parts), first);
        }
    }
}

//! Sums over accounts, and the reports that are made of them.

use async_graphql::{Context, Enum, InputObject, Object, Result};
use futures_util::FutureExt as _;
use unit_of_work::ContextExt as _;

use super::account::AccountFilter;
use crate::{
    graphql::{
        count_items::count_items,
        object::{AccountSum, BalanceSheet, IncomeStatement, TrialBalance},
        refusal::{bad_input, refuse},
        time::{Days, Time},
    },
    ledger::{self, CodeParts, GroupParts, Series, SumRequest, Until},
};

/// By what sums are kept apart. Currencies always are.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountSumKey {
    /// The class. Accounts without one are a group of their own.
    Class,
    /// The code: all of it, or its first parts if `codeDepth` is given.
    Code,
    /// The group of the tree that `groupTree` names. Accounts in no group of it are a row of their own.
    Group,
}

/// How long the periods of a series are.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// A day of the calendar.
    Day,
    /// Seven days.
    Week,
    /// A month of the calendar.
    Month,
}

/// A period. It contains its beginning and not its end, so that neighbouring periods share no entry: January begins on 1 January and ends on 1
/// February, both at midnight. Given as dates, it contains both days: January is from `2026-01-01` until `2026-01-31`.
#[derive(InputObject, Clone, Debug, Default)]
pub struct SumPeriod {
    /// From this instant or day on, by the instants that entries count from; null is the beginning of the ledger.
    pub effective_from: Option<Time>,
    /// Up to this instant, and without it, or to the end of this day; null leaves out nothing, so that entries dated in the future count.
    pub effective_until: Option<Time>,
    /// As it was known just before this instant, or at the end of this day: without what was recorded later, whatever that counts from.
    pub recorded_until: Option<Time>,
}

#[derive(Default)]
pub struct ReportQuery;

#[Object]
impl ReportQuery {
    /// Sums over accounts: what entries debited and credited in a period, and the balances before and after it. Each currency is by itself.
    /// What holds set aside is not in them.
    #[expect(clippy::too_many_arguments, reason = "all but the period are optional")]
    async fn account_sums(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Over which accounts; all by default.")] filter: Option<AccountFilter>,
        #[graphql(desc = "What is kept apart, besides currencies; nothing by default.")] by: Option<
            Vec<AccountSumKey>,
        >,
        #[graphql(
            desc = "How many parts of the code count, which colons separate: with 1, `assets:bank` and `assets:cash` are one group, \
                    `assets`. All by default. It needs CODE in `by`."
        )]
        code_depth: Option<i32>,
        #[graphql(
            desc = "The tree whose groups are kept apart, by its path. It needs GROUP in `by`, and GROUP needs it."
        )]
        group_tree: Option<String>,
        #[graphql(
            desc = "How many levels of groups below the tree are kept apart: what is deeper counts with the group above it. All by \
                    default; with 0, what is in the tree is one row. It needs GROUP in `by`."
        )]
        group_depth: Option<i32>,
        #[graphql(desc = "The period; everything that is recorded by default.")] during: Option<
            SumPeriod,
        >,
        #[graphql(
            desc = "Cuts the period into days, weeks or months from its beginning on, at most 400; the last one may be shorter. It needs \
                    the period's beginning and end."
        )]
        every: Option<Every>,
        #[graphql(
            desc = "Whose days and months they are, those of `every` and of dates, by its name in the IANA database, such as \
                    `Europe/Berlin`; UTC by default."
        )]
        time_zone: Option<String>,
    ) -> Result<Vec<AccountSum>> {
        let by = by.unwrap_or_default();
        let by_code = match (by.contains(&AccountSumKey::Code), code_depth) {
            (false, None) => None,
            (true, None) => Some(CodeParts::All),
            (true, Some(depth)) => Some(CodeParts::First(u32::try_from(depth).unwrap_or(0))),
            (false, Some(_)) => {
                return Err(bad_input("codeDepth", "it needs CODE in `by`"));
            }
        };
        let by_group = by_group(&by, group_tree, group_depth)?;
        let during = during.unwrap_or_default();
        let mut days = Days::of("timeZone", time_zone.as_deref())?;
        let request = SumRequest {
            filter: AccountFilter::parse(filter)?,
            by_class: by.contains(&AccountSumKey::Class),
            by_code,
            by_group,
            effective_from: days.from("during.effectiveFrom", during.effective_from)?,
            effective_until: days.until("during.effectiveUntil", during.effective_until)?,
            recorded_until: days.until("during.recordedUntil", during.recorded_until)?,
            series: series(every, &mut days),
        };
        days.finish("`every` or a date")?;
        let sums = ledger::account_sums(ctx.unit(), &request)
            .boxed()
            .await
            .map_err(refuse)?;
        count_items(ctx, sums.len())?;
        Ok(sums.into_iter().map(AccountSum).collect())
    }

    /// The trial balance: every account with its balance, in the column of debits or of credits.
    async fn trial_balance(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Up to this instant, and without it, or to the end of this day; null leaves out nothing, so that entries dated in the \
                    future count."
        )]
        effective_until: Option<Time>,
        #[graphql(desc = "As it was known just before this instant, or at the end of this day.")]
        recorded_until: Option<Time>,
        #[graphql(
            desc = "Whose days the dates are, by its name in the IANA database, such as `Europe/Berlin`; UTC by default."
        )]
        time_zone: Option<String>,
    ) -> Result<TrialBalance> {
        let until = until(effective_until, recorded_until, time_zone.as_deref())?;
        let report = ledger::trial_balance(ctx.unit(), until).boxed().await;
        report.map(TrialBalance).map_err(refuse)
    }

    /// The balance sheet: assets, liabilities and equity at a time, for each currency.
    async fn balance_sheet(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Up to this instant, and without it, or to the end of this day; null leaves out nothing, so that entries dated in the \
                    future count."
        )]
        effective_until: Option<Time>,
        #[graphql(desc = "As it was known just before this instant, or at the end of this day.")]
        recorded_until: Option<Time>,
        #[graphql(
            desc = "Whose days the dates are, by its name in the IANA database, such as `Europe/Berlin`; UTC by default."
        )]
        time_zone: Option<String>,
    ) -> Result<Vec<BalanceSheet>> {
        let until = until(effective_until, recorded_until, time_zone.as_deref())?;
        let report = ledger::balance_sheets(ctx.unit(), until).boxed().await;
        let sheets = report.map_err(refuse)?;
        count_items(ctx, sheets.len())?;
        Ok(sheets.into_iter().map(BalanceSheet).collect())
    }

    /// The income statement: income and expenses of a period, for each currency.
    async fn income_statement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From this instant or day on.")] effective_from: Time,
        #[graphql(desc = "Up to this instant, and without it, or to the end of this day.")]
        effective_until: Time,
        #[graphql(desc = "As it was known just before this instant, or at the end of this day.")]
        recorded_until: Option<Time>,
        #[graphql(
            desc = "Cuts the period into days, weeks or months from its beginning on, at most 400."
        )]
        every: Option<Every>,
        #[graphql(
            desc = "Whose days and months they are, those of `every` and of dates, by its name in the IANA database, such as \
                    `Europe/Berlin`; UTC by default."
        )]
        time_zone: Option<String>,
    ) -> Result<Vec<IncomeStatement>> {
        let mut days = Days::of("timeZone", time_zone.as_deref())?;
        let request = SumRequest {
            effective_from: days.from("effectiveFrom", Some(effective_from))?,
            effective_until: days.until("effectiveUntil", Some(effective_until))?,
            recorded_until: days.until("recordedUntil", recorded_until)?,
            series: series(every, &mut days),
            ..SumRequest::default()
        };
        days.finish("`every` or a date")?;
        let report = ledger::income_statements(ctx.unit(), request).boxed();
        let statements = report.await.map_err(refuse)?;
        count_items(ctx, statements.len())?;
        Ok(statements.into_iter().map(IncomeStatement).collect())
    }
}

/// What of groups is kept apart.
fn by_group(
    by: &[AccountSumKey],
    tree: Option<String>,
    depth: Option<i32>,
) -> Result<Option<GroupParts>> {
    match (by.contains(&AccountSumKey::Group), tree, depth) {
        (false, None, None) => Ok(None),
        (false, Some(_), _) => Err(bad_input("groupTree", "it needs GROUP in `by`")),
        (false, None, Some(_)) => Err(bad_input("groupDepth", "it needs GROUP in `by`")),
        (true, None, _) => Err(bad_input(
            "groupTree",
            "GROUP in `by` needs a tree: see `accountTrees`",
        )),
        (true, Some(tree), depth) => {
            let depth = depth.map(u32::try_from).transpose();
            let depth = depth.map_err(|_| bad_input("groupDepth", "it must be at least 0"))?;
            Ok(Some(GroupParts { tree, depth }))
        }
    }
}

fn until(
    effective: Option<Time>,
    recorded: Option<Time>,
    time_zone: Option<&str>,
) -> Result<Until> {
    let mut days = Days::of("timeZone", time_zone)?;
    let until = Until {
        effective: days.until("effectiveUntil", effective)?,
        recorded: days.until("recordedUntil", recorded)?,
    };
    days.finish("a date")?;
    Ok(until)
}

fn series(every: Option<Every>, days: &mut Days) -> Option<Series> {
    let every = match every? {
        Every::Day => ledger::Every::Day,
        Every::Week => ledger::Every::Week,
        Every::Month => ledger::Every::Month,
    };
    let time_zone = days.time_zone();
    Some(Series { every, time_zone })
}

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
        scalars::DateTime,
    },
    ledger::{self, CodeParts, Series, SumRequest, Until},
};

/// By what sums are kept apart. Currencies always are.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountSumKey {
    /// The class. Accounts without one are a group of their own.
    Class,
    /// The code: all of it, or its first parts if `codeDepth` is given.
    Code,
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
/// February, both at midnight.
#[derive(InputObject, Clone, Debug, Default)]
pub struct SumPeriod {
    /// From this instant on, by the instants that entries count from; null is the beginning of the ledger.
    pub effective_from: Option<DateTime>,
    /// Up to this instant, and without it; null leaves out nothing, so that entries dated in the future count.
    pub effective_until: Option<DateTime>,
    /// As it was known just before this instant: without what was recorded at it or later, whatever that counts from.
    pub recorded_until: Option<DateTime>,
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
        #[graphql(desc = "The period; everything that is recorded by default.")] during: Option<
            SumPeriod,
        >,
        #[graphql(
            desc = "Cuts the period into days, weeks or months from its beginning on, at most 400; the last one may be shorter. It needs \
                    the period's beginning and end."
        )]
        every: Option<Every>,
        #[graphql(
            desc = "Whose days and months they are, by its name in the IANA database, such as `Europe/Berlin`; UTC by default."
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
        let during = during.unwrap_or_default();
        let request = SumRequest {
            filter: filter.map(Into::into).unwrap_or_default(),
            by_class: by.contains(&AccountSumKey::Class),
            by_code,
            effective_from: during.effective_from.map(|at| at.0),
            effective_until: during.effective_until.map(|at| at.0),
            recorded_until: during.recorded_until.map(|at| at.0),
            series: series(every, time_zone.as_deref())?,
        };
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
            desc = "Up to this instant, and without it; null leaves out nothing, so that entries dated in the future count."
        )]
        effective_until: Option<DateTime>,
        #[graphql(desc = "As it was known just before this instant.")] recorded_until: Option<
            DateTime,
        >,
    ) -> Result<TrialBalance> {
        let until = until(effective_until, recorded_until);
        let report = ledger::trial_balance(ctx.unit(), until).boxed().await;
        report.map(TrialBalance).map_err(refuse)
    }

    /// The balance sheet: assets, liabilities and equity at a time, for each currency.
    async fn balance_sheet(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Up to this instant, and without it; null leaves out nothing, so that entries dated in the future count."
        )]
        effective_until: Option<DateTime>,
        #[graphql(desc = "As it was known just before this instant.")] recorded_until: Option<
            DateTime,
        >,
    ) -> Result<Vec<BalanceSheet>> {
        let until = until(effective_until, recorded_until);
        let report = ledger::balance_sheets(ctx.unit(), until).boxed().await;
        let sheets = report.map_err(refuse)?;
        count_items(ctx, sheets.len())?;
        Ok(sheets.into_iter().map(BalanceSheet).collect())
    }

    /// The income statement: income and expenses of a period, for each currency.
    async fn income_statement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From this instant on.")] effective_from: DateTime,
        #[graphql(desc = "Up to this instant, and without it.")] effective_until: DateTime,
        #[graphql(desc = "As it was known just before this instant.")] recorded_until: Option<
            DateTime,
        >,
        #[graphql(
            desc = "Cuts the period into days, weeks or months from its beginning on, at most 400."
        )]
        every: Option<Every>,
        #[graphql(
            desc = "Whose days and months they are, by its name in the IANA database, such as `Europe/Berlin`; UTC by default."
        )]
        time_zone: Option<String>,
    ) -> Result<Vec<IncomeStatement>> {
        let series = series(every, time_zone.as_deref())?;
        let recorded_until = recorded_until.map(|at| at.0);
        let (from, until) = (effective_from.0, effective_until.0);
        let report =
            ledger::income_statements(ctx.unit(), from, until, recorded_until, series).boxed();
        let statements = report.await.map_err(refuse)?;
        count_items(ctx, statements.len())?;
        Ok(statements.into_iter().map(IncomeStatement).collect())
    }
}

fn until(effective: Option<DateTime>, recorded: Option<DateTime>) -> Until {
    Until {
        effective: effective.map(|at| at.0),
        recorded: recorded.map(|at| at.0),
    }
}

fn series(every: Option<Every>, time_zone: Option<&str>) -> Result<Option<Series>> {
    let every = match every {
        Some(Every::Day) => ledger::Every::Day,
        Some(Every::Week) => ledger::Every::Week,
        Some(Every::Month) => ledger::Every::Month,
        None if time_zone.is_some() => {
            return Err(bad_input("timeZone", "it needs `every`"));
        }
        None => return Ok(None),
    };
    let name = time_zone.unwrap_or("UTC");
    let time_zone = ledger::time_zone("timeZone", name).map_err(refuse)?;
    Ok(Some(Series { every, time_zone }))
}

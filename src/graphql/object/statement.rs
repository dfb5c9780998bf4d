//! A line of an account's statement.

use async_graphql::{Context, Enum, Error, InputObject, Object, Result};
use daybook_entity::{self as entity, account};
use unit_of_work::ContextExt as _;

use super::{Account, Entry, EntryLine, Money, Side, entry_line::LineEffect};
use crate::{
    graphql::{
        connection::{
            ConnectionOf, StatementLineConnectionName, StatementLineEdgeName, connection,
        },
        loaders::{
            self, Accounts, EffectiveStatements, Entries, RunningBalances, StatementCounts,
            Statements,
        },
        refusal::refuse,
        scalars::Int64,
        time::{Days, Time},
    },
    ledger::{
        self, EffectiveRequest, PageRequest, RunningBalance, RunningLine, StatementCount,
        StatementRequest,
    },
};

/// A page of a statement.
pub type StatementLineConnection =
    ConnectionOf<StatementLine, StatementTotal, StatementLineConnectionName, StatementLineEdgeName>;

/// Counts the lines, only if `totalCount` is selected.
pub struct StatementTotal(StatementCount);

#[Object]
impl StatementTotal {
    /// How many lines the filter lets through, over all pages.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = match self.0.known() {
            Some(count) => Some(count),
            None => loaders::load::<StatementCounts, _>(ctx, self.0.clone()).await?,
        };
        // Cannot happen: each count is answered.
        let count = count.ok_or_else(|| Error::new("the lines were not counted"))?;
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

/// Chooses lines of a statement.
#[derive(InputObject, Clone, Debug, Default)]
pub struct StatementFilter {
    /// That do one of these: `[POST, CAPTURE]` for what has moved money.
    pub effects: Option<Vec<LineEffect>>,
    /// On which the account is on this side.
    pub side: Option<Side>,
    /// That count from this instant or day, or a later one.
    pub effective_from: Option<Time>,
    /// That count from before this instant, or by the end of this day.
    pub effective_until: Option<Time>,
    /// Whose days the dates are, by its name in the IANA database, such as `Europe/Berlin`; UTC by default.
    pub time_zone: Option<String>,
}

impl StatementFilter {
    pub(super) fn parse(self) -> Result<ledger::StatementFilter> {
        let mut days = Days::of("filter.timeZone", self.time_zone.as_deref())?;
        let effects = self.effects;
        let filter = ledger::StatementFilter {
            effects: effects.map(|effects| effects.into_iter().map(Into::into).collect()),
            side: self.side.map(Into::into),
            effective_from: days.from("filter.effectiveFrom", self.effective_from)?,
            effective_until: days.until("filter.effectiveUntil", self.effective_until)?,
        };
        days.finish("a date")?;
        Ok(filter)
    }
}

/// What the lines of a statement are ordered by.
#[derive(Enum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatementOrderField {
    /// When the ledger learned of them: the order in which they were posted.
    #[default]
    RecordedAt,
    /// When they count from; among equals, the order in which they were posted.
    EffectiveAt,
}

/// A page in the order in which lines were posted.
pub(super) async fn recorded(
    ctx: &Context<'_>,
    account: &account::Model,
    page: &PageRequest,
    filter: ledger::StatementFilter,
    newest_first: bool,
) -> Result<StatementLineConnection> {
    let total = StatementCount::new(account, filter.clone()).map_err(refuse)?;
    let request = StatementRequest::new(account, page, filter, newest_first).map_err(refuse)?;
    let slices = request.slices();
    let statements = ctx.loader::<Statements>();
    // Boxed for the same reason as what `load` answers.
    let mut read = Box::pin(statements.load_many(slices.clone())).await?;
    let read = slices
        .iter()
        .map(|slice| read.remove(slice).unwrap_or_default());
    let normal_side = account.normal_side;
    let line = |line: ledger::StatementLine| StatementLine {
        balance: RunningBalance::Known(line.balance_after()),
        line,
        normal_side,
    };
    Ok(connection(
        request.page(read.collect()),
        StatementTotal(total),
        line,
    ))
}

/// A page in the order of the instants that lines count from.
pub(super) async fn effective(
    ctx: &Context<'_>,
    account: &account::Model,
    page: &PageRequest,
    filter: ledger::StatementFilter,
    newest_first: bool,
) -> Result<StatementLineConnection> {
    let total = StatementCount::new(account, filter.clone()).map_err(refuse)?;
    let request = EffectiveRequest::new(account, page, filter, newest_first).map_err(refuse)?;
    let slices = request.slices();
    let statements = ctx.loader::<EffectiveStatements>();
    let mut read = Box::pin(statements.load_many(slices.clone())).await?;
    let read = slices
        .iter()
        .map(|slice| read.remove(slice).unwrap_or_default());
    let normal_side = account.normal_side;
    let line = |RunningLine { line, balance }| StatementLine {
        balance,
        line,
        normal_side,
    };
    Ok(connection(
        request.page(read.collect()),
        StatementTotal(total),
        line,
    ))
}

/// A line as one of its accounts sees it.
pub struct StatementLine {
    line: ledger::StatementLine,
    normal_side: entity::Side,
    /// After it, in the statement's order.
    balance: RunningBalance,
}

impl StatementLine {
    fn money(&self, minor_units: i64) -> Money {
        Money {
            minor_units,
            currency: self.line.line.currency.clone(),
        }
    }
}

/// A line as one of its accounts sees it.
#[Object]
impl StatementLine {
    /// The line.
    async fn line(&self) -> EntryLine {
        EntryLine(self.line.line.clone())
    }

    /// The entry that it belongs to.
    async fn entry(&self, ctx: &Context<'_>) -> Result<Entry> {
        let entry = loaders::load::<Entries, _>(ctx, self.line.line.entry_id).await?;
        // Cannot happen: a foreign key keeps the entry from being deleted.
        let entry = entry.ok_or_else(|| Error::new("the entry of a line is missing"))?;
        Ok(Entry::new(entry))
    }

    /// The account's side of the line.
    async fn side(&self) -> Side {
        self.line.side.into()
    }

    /// The account on the other side.
    async fn counterparty(&self, ctx: &Context<'_>) -> Result<Account> {
        let account = loaders::load::<Accounts, _>(ctx, self.line.counterparty_id()).await?;
        // Cannot happen: a foreign key keeps the account from being deleted.
        let account = account.ok_or_else(|| Error::new("the account of a line is missing"))?;
        Ok(Account(account))
    }

    /// What the line adds to the posted balance: negative where it lowers it, zero where it only sets aside or frees.
    async fn change(&self) -> Money {
        self.money(self.line.change(self.normal_side))
    }

    /// The posted balance after the line, in the order of the statement: what the lines up to this one add up to. Ordered by `EFFECTIVE_AT`,
    /// entries that were dated back count from their date.
    async fn balance_after(&self, ctx: &Context<'_>) -> Result<Money> {
        let balance = match self.balance {
            RunningBalance::Known(balance) => Some(balance),
            RunningBalance::After(line) => loaders::load::<RunningBalances, _>(ctx, line).await?,
        };
        // Cannot happen: foreign keys keep the account of a line.
        let balance = balance.ok_or_else(|| Error::new("the account of a line is missing"))?;
        Ok(self.money(balance))
    }

    /// The account's version after the line, in the order in which lines were posted; `balances(at: { version })` has all balances after it.
    async fn version(&self) -> Int64 {
        Int64(self.line.version())
    }
}

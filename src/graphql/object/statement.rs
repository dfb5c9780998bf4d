//! A line of an account's statement.

use async_graphql::{Context, Error, InputObject, Object, Result};
use daybook_entity as entity;

use super::{Account, Entry, EntryLine, Money, Side, entry_line::LineEffect};
use crate::{
    graphql::{
        connection::{ConnectionOf, StatementLineConnectionName, StatementLineEdgeName},
        loaders::{self, Accounts, Entries},
        scalars::Int64,
        time::{Days, Time},
    },
    ledger,
};

/// A page of a statement.
pub type StatementLineConnection = ConnectionOf<
    StatementLine,
    async_graphql::connection::EmptyFields,
    StatementLineConnectionName,
    StatementLineEdgeName,
>;

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

/// A line as one of its accounts sees it.
pub struct StatementLine {
    pub(super) line: ledger::StatementLine,
    pub(super) normal_side: entity::Side,
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

    /// The posted balance after the line, in the order in which lines were posted.
    async fn balance_after(&self) -> Money {
        self.money(self.line.balance_after())
    }

    /// The account's version after the line; `balances(at: { version })` has all balances after it.
    async fn version(&self) -> Int64 {
        Int64(self.line.version())
    }
}

//! A line of an entry.

use async_graphql::{Context, Enum, Error, ID, Object, Result};
use daybook_entity::{account, entry_line};
use uuid::Uuid;

use super::{Account, Money, global_id};
use crate::{
    graphql::loaders::{self, Accounts, Remainders},
    ledger::Id,
};

/// What a line does with its amount, to both of its accounts.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "daybook_entity::LineEffect")]
pub enum LineEffect {
    /// Moves it.
    Post,
    /// Sets it aside.
    Hold,
    /// Moves it, and it is no longer set aside.
    Capture,
    /// It is no longer set aside.
    Release,
}

/// One positive amount, from a debit account to a credit account.
pub struct EntryLine(pub(in crate::graphql) entry_line::Model);

impl EntryLine {
    fn money(&self, minor_units: i64) -> Money {
        Money {
            minor_units,
            currency: self.0.currency.clone(),
        }
    }
}

async fn load(ctx: &Context<'_>, id: Uuid) -> Result<Account> {
    let account: Option<account::Model> = loaders::load::<Accounts, _>(ctx, id).await?;
    // Cannot happen: a foreign key keeps the account from being deleted.
    let account = account.ok_or_else(|| Error::new("the account of a line is missing"))?;
    Ok(Account(account))
}

/// One positive amount, from a debit account to a credit account.
#[Object]
impl EntryLine {
    /// `line_…`
    pub async fn id(&self) -> ID {
        global_id(Id::Line {
            entry_id: self.0.entry_id,
            line_no: self.0.line_no,
        })
    }

    /// The account that is debited.
    async fn debit(&self, ctx: &Context<'_>) -> Result<Account> {
        load(ctx, self.0.debit_account_id).await
    }

    /// The account that is credited.
    async fn credit(&self, ctx: &Context<'_>) -> Result<Account> {
        load(ctx, self.0.credit_account_id).await
    }

    /// What the line does with its amount.
    async fn effect(&self) -> LineEffect {
        self.0.effect.into()
    }

    /// How much; positive.
    async fn amount(&self) -> Money {
        self.money(self.0.amount)
    }

    /// What is left of the amount now: of what was moved, what no reversal has moved back; of what was set aside, what is neither captured nor
    /// released. Null for a line that only freed something.
    async fn remaining(&self, ctx: &Context<'_>) -> Result<Option<Money>> {
        let remaining = loaders::load::<Remainders, _>(ctx, self.0.entry_id).await?;
        let remaining = remaining.unwrap_or_default().of(&self.0);
        Ok(remaining.map(|minor_units| self.money(minor_units)))
    }

    /// The posted balance of the debited account after this line.
    async fn debit_balance_after(&self) -> Money {
        self.money(self.0.debit_balance)
    }

    /// The posted balance of the credited account after this line.
    async fn credit_balance_after(&self) -> Money {
        self.money(self.0.credit_balance)
    }
}

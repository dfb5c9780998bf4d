//! Sums over accounts, and the reports that are made of them.

use async_graphql::{Context, Object, Result};

use super::{AccountClass, AccountGroup, MoneyTotal};
use crate::{
    graphql::{
        count_items::count_items,
        loaders::{self, AccountGroupsByPath},
        refusal::bad_input,
        scalars::{CurrencyCode, DateTime},
    },
    ledger,
};

/// The most accounts of one page of a trial balance.
const MOST_ROWS: i32 = 1000;

fn total(minor_units: i128, currency: &str) -> MoneyTotal {
    MoneyTotal {
        minor_units,
        currency: currency.to_owned(),
    }
}

/// The sums over the accounts of a group in a period. Balances are debits less credits, on every account.
pub struct AccountSum(pub(in crate::graphql) ledger::AccountSum);

/// The sums over the accounts of a group in a period. Balances are debits less credits, on every account.
#[Object]
impl AccountSum {
    /// The currency of the group's accounts.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.0.currency.clone())
    }

    /// The class of the group's accounts; null if they have none, or if `by` has no CLASS.
    async fn class(&self) -> Option<AccountClass> {
        self.0.class.map(Into::into)
    }

    /// The code of the group's accounts, or its first parts; null if `by` has no CODE.
    async fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The group of accounts; null if they are in no group of the tree, or if `by` has no GROUP.
    async fn group(&self, ctx: &Context<'_>) -> Result<Option<AccountGroup>> {
        let Some(path) = self.0.group.clone() else {
            return Ok(None);
        };
        let group = loaders::load::<AccountGroupsByPath, _>(ctx, path).await?;
        Ok(group.map(AccountGroup))
    }

    /// How many accounts the group has, also those without entries.
    async fn accounts(&self) -> i32 {
        i32::try_from(self.0.accounts).unwrap_or(i32::MAX)
    }

    /// The beginning of the period; null if it has none.
    async fn effective_from(&self) -> Option<DateTime> {
        self.0.from.map(DateTime)
    }

    /// The end of the period, which it does not contain; null if it has none.
    async fn effective_until(&self) -> Option<DateTime> {
        self.0.until.map(DateTime)
    }

    /// Debits less credits before the period.
    async fn opening(&self) -> MoneyTotal {
        total(self.0.opening, &self.0.currency)
    }

    /// What was debited in the period.
    async fn debits(&self) -> MoneyTotal {
        total(self.0.debits, &self.0.currency)
    }

    /// What was credited in the period.
    async fn credits(&self) -> MoneyTotal {
        total(self.0.credits, &self.0.currency)
    }

    /// Debits less credits up to the end of the period.
    async fn closing(&self) -> MoneyTotal {
        total(self.0.closing(), &self.0.currency)
    }
}

/// The balances of all accounts, each in the column of the side on which it is.
pub struct TrialBalance(pub(in crate::graphql) ledger::TrialBalance);

/// The balances of all accounts, each in the column of the side on which it is.
#[Object]
impl TrialBalance {
    /// The accounts by code, also those without a balance. A page is cut from the whole trial balance, so pages are consistent with each
    /// other only where nothing was posted in between that counts: give `recordedUntil` an instant in the past.
    async fn accounts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 1000.", default = 100)] first: i32,
        #[graphql(desc = "Those after the account with this code.")] after_code: Option<String>,
    ) -> Result<Vec<TrialBalanceAccount>> {
        let first = usize::try_from(first)
            .ok()
            .filter(|_| first <= MOST_ROWS)
            .ok_or_else(|| bad_input("first", "write a number from 0 to 1000"))?;
        let rest = self.0.accounts.iter();
        let rest = rest.skip_while(|row| after_code.is_some() && row.code <= after_code);
        let page: Vec<_> = rest
            .take(first)
            .map(|row| TrialBalanceAccount(row.clone()))
            .collect();
        count_items(ctx, page.len())?;
        Ok(page)
    }

    /// How many accounts there are.
    async fn account_count(&self) -> i32 {
        i32::try_from(self.0.accounts.len()).unwrap_or(i32::MAX)
    }

    /// The sums of the two columns over all accounts, by currency. They are equal.
    async fn totals(&self, ctx: &Context<'_>) -> Result<Vec<TrialBalanceTotal>> {
        count_items(ctx, self.0.totals.len())?;
        let totals = self.0.totals.iter();
        Ok(totals
            .map(|(currency, (debit, credit))| TrialBalanceTotal {
                currency: currency.clone(),
                debit: *debit,
                credit: *credit,
            })
            .collect())
    }
}

/// The balance of an account, in one of two columns.
pub struct TrialBalanceAccount(ledger::AccountSum);

/// The balance of an account, in one of two columns.
#[Object]
impl TrialBalanceAccount {
    /// The account's code.
    async fn code(&self) -> &str {
        self.0.code.as_deref().unwrap_or_default()
    }

    /// The account's class; null if it is not classified.
    async fn class(&self) -> Option<AccountClass> {
        self.0.class.map(Into::into)
    }

    /// The account's currency.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.0.currency.clone())
    }

    /// The balance, if debits are more than credits; else nothing.
    async fn debit(&self) -> MoneyTotal {
        total(ledger::columns(self.0.closing()).0, &self.0.currency)
    }

    /// The balance, if credits are more than debits; else nothing.
    async fn credit(&self) -> MoneyTotal {
        total(ledger::columns(self.0.closing()).1, &self.0.currency)
    }
}

/// The sums of the two columns of a trial balance in one currency.
pub struct TrialBalanceTotal {
    currency: String,
    debit: i128,
    credit: i128,
}

/// The sums of the two columns of a trial balance in one currency.
#[Object]
impl TrialBalanceTotal {
    /// The currency.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.currency.clone())
    }

    /// The sum of all debit balances.
    async fn debit(&self) -> MoneyTotal {
        total(self.debit, &self.currency)
    }

    /// The sum of all credit balances.
    async fn credit(&self) -> MoneyTotal {
        total(self.credit, &self.currency)
    }
}

/// What is owned and owed, in one currency. `assets + unclassified = liabilities + equity + netIncome`.
pub struct BalanceSheet(pub(in crate::graphql) ledger::BalanceSheet);

/// What is owned and owed, in one currency. `assets + unclassified = liabilities + equity + netIncome`.
#[Object]
impl BalanceSheet {
    /// The currency.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.0.currency.clone())
    }

    /// Debits less credits of all assets.
    async fn assets(&self) -> MoneyTotal {
        total(self.0.assets, &self.0.currency)
    }

    /// Credits less debits of all liabilities.
    async fn liabilities(&self) -> MoneyTotal {
        total(self.0.liabilities, &self.0.currency)
    }

    /// Credits less debits of all equity.
    async fn equity(&self) -> MoneyTotal {
        total(self.0.equity, &self.0.currency)
    }

    /// Income less expenses since the beginning, as far as it was not posted to an account of equity.
    async fn net_income(&self) -> MoneyTotal {
        total(self.0.net_income, &self.0.currency)
    }

    /// Debits less credits of the accounts that have no class. With anything here, the sheet is not complete.
    async fn unclassified(&self) -> MoneyTotal {
        total(self.0.unclassified, &self.0.currency)
    }
}

/// What was earned and spent in a period, in one currency.
pub struct IncomeStatement(pub(in crate::graphql) ledger::IncomeStatement);

/// What was earned and spent in a period, in one currency.
#[Object]
impl IncomeStatement {
    /// The currency.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.0.currency.clone())
    }

    /// The beginning of the period.
    async fn effective_from(&self) -> DateTime {
        DateTime(self.0.from)
    }

    /// The end of the period, which it does not contain.
    async fn effective_until(&self) -> DateTime {
        DateTime(self.0.until)
    }

    /// Credits less debits of all income in the period.
    async fn income(&self) -> MoneyTotal {
        total(self.0.income, &self.0.currency)
    }

    /// Debits less credits of all expenses in the period.
    async fn expenses(&self) -> MoneyTotal {
        total(self.0.expenses, &self.0.currency)
    }

    /// Income less expenses.
    async fn net_income(&self) -> MoneyTotal {
        total(self.0.income - self.0.expenses, &self.0.currency)
    }
}

//! Trial balance, balance sheet and income statement: sums over accounts by class, a currency at a time.

use super::sums::{AccountSum, CodeParts, SumRequest, account_sums};
use super::{InvalidInput, PageError};
use chrono::{DateTime, Utc};
use daybook_entity::AccountClass;
use sea_orm::ConnectionTrait;
use std::collections::BTreeMap;

/// The balances of all accounts, each on the side on which it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrialBalance {
    /// Each account, by code.
    pub accounts: Vec<AccountSum>,
    /// The sums of all debit balances and of all credit balances, by currency. The two are equal.
    pub totals: BTreeMap<String, (i128, i128)>,
}

/// What is owned and owed at a time, in minor units of a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceSheet {
    /// The currency.
    pub currency: String,
    /// What is owned.
    pub assets: i128,
    /// What is owed.
    pub liabilities: i128,
    /// What belongs to the owners, as far as it was posted to their accounts.
    pub equity: i128,
    /// Income less expenses from the beginning on, as far as it was not posted to equity.
    pub net_income: i128,
    /// Debits less credits of the accounts without a class.
    pub unclassified: i128,
}

/// What was earned and spent in a period, in minor units of a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomeStatement {
    /// The currency.
    pub currency: String,
    /// The beginning of the period.
    pub from: DateTime<Utc>,
    /// Its end, which it does not contain.
    pub until: DateTime<Utc>,
    /// What was earned.
    pub income: i128,
    /// What was spent.
    pub expenses: i128,
}

/// Up to which instants entries count: before both of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Until {
    /// Leaves out what counts from this instant or later; none leaves out nothing, so that entries dated in the future count.
    pub effective: Option<DateTime<Utc>>,
    /// Leaves out what was recorded at this instant or later.
    pub recorded: Option<DateTime<Utc>>,
}

/// The debit and credit columns of a balance of debits less credits.
#[must_use]
pub const fn columns(closing: i128) -> (i128, i128) {
    if closing < 0 {
        (0, -closing)
    } else {
        (closing, 0)
    }
}

/// The trial balance: one statement.
///
/// # Errors
/// When an instant is outside of the years that the ledger knows, there are too many accounts, or the database fails.
pub async fn trial_balance(
    db: &impl ConnectionTrait,
    until: Until,
) -> Result<TrialBalance, PageError> {
    let request = SumRequest {
        by_class: true,
        by_code: Some(CodeParts::All),
        ..request(until)
    };
    let mut accounts = account_sums(db, &request).await?;
    accounts.sort_unstable_by(|a, b| a.code.cmp(&b.code));
    let mut totals: BTreeMap<String, (i128, i128)> = BTreeMap::new();
    for account in &accounts {
        let (debit, credit) = columns(account.closing());
        let total = totals.entry(account.currency.clone()).or_default();
        total.0 += debit;
        total.1 += credit;
    }
    Ok(TrialBalance { accounts, totals })
}

/// A balance sheet for each currency that an account has: one statement.
///
/// # Errors
/// When an instant is outside of the years that the ledger knows, or the database fails.
pub async fn balance_sheets(
    db: &impl ConnectionTrait,
    until: Until,
) -> Result<Vec<BalanceSheet>, PageError> {
    let mut sheets: Vec<BalanceSheet> = Vec::new();
    for sum in account_sums(db, &request(until)).await? {
        // They come by currency.
        if sheets.last().is_none_or(|it| it.currency != sum.currency) {
            sheets.push(BalanceSheet {
                currency: sum.currency.clone(),
                assets: 0,
                liabilities: 0,
                equity: 0,
                net_income: 0,
                unclassified: 0,
            });
        }
        let closing = sum.closing();
        if let Some(sheet) = sheets.last_mut() {
            match sum.class {
                Some(AccountClass::Asset) => sheet.assets += closing,
                Some(AccountClass::Liability) => sheet.liabilities -= closing,
                Some(AccountClass::Equity) => sheet.equity -= closing,
                Some(AccountClass::Income | AccountClass::Expense) => sheet.net_income -= closing,
                None => sheet.unclassified += closing,
            }
        }
    }
    Ok(sheets)
}

/// An income statement for each currency that an account has, and each period of the request, whose beginning and end must be given: one
/// statement.
///
/// # Errors
/// When an instant is outside of the years that the ledger knows, the period is empty or has too many parts, or the database fails.
pub async fn income_statements(
    db: &impl ConnectionTrait,
    mut request: SumRequest,
) -> Result<Vec<IncomeStatement>, PageError> {
    request.by_class = true;
    let mut statements: BTreeMap<(String, DateTime<Utc>), IncomeStatement> = BTreeMap::new();
    for sum in account_sums(db, &request).await? {
        let (Some(from), Some(until)) = (sum.from, sum.until) else {
            return Err(
                InvalidInput::new("effectiveFrom", "must be given, with `effectiveUntil`").into(),
            );
        };
        let statement = statements
            .entry((sum.currency.clone(), from))
            .or_insert_with(|| IncomeStatement {
                currency: sum.currency.clone(),
                from,
                until,
                income: 0,
                expenses: 0,
            });
        let moved = sum.debits - sum.credits;
        match sum.class {
            Some(AccountClass::Income) => statement.income -= moved,
            Some(AccountClass::Expense) => statement.expenses += moved,
            _ => {}
        }
    }
    Ok(statements.into_values().collect())
}

fn request(until: Until) -> SumRequest {
    SumRequest {
        by_class: true,
        effective_until: until.effective,
        recorded_until: until.recorded,
        ..SumRequest::default()
    }
}

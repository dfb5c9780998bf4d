//! The object types of the schema, one noun per file.
//!
//! `account`, `account_change`, `account_group`, `statement`, `entry`, `entry_change` and `entry_line` import each other, because their types refer to each other in the schema: an account
//! has a statement, and a statement's line has a counterparty, which is an account.

mod account;
mod account_change;
mod account_group;
mod account_group_change;
mod accounts;
mod balances;
mod closing;
mod currency;
mod entry;
mod entry_change;
mod entry_line;
mod global_id;
mod ledger;
mod ledger_check;
mod money;
mod money_total;
mod node;
mod receipt;
mod report;
mod statement;
mod webhook;

pub use account::{Account, AccountClass, AccountStatus, LimitPolicy, Side};
pub use account_change::{AccountChange, AccountChangeConnection, AccountChangeTotal};
pub use account_group::{AccountGroup, AccountGroupConnection, AccountGroupTotal};
pub use account_group_change::{
    AccountGroupChange, AccountGroupChangeConnection, AccountGroupChangeTotal,
};
pub use accounts::{AccountConnection, AccountTotal};
pub use balances::Balances;
pub use closing::{Closing, ClosingConnection, ClosingTotal};
pub use currency::Currency;
pub use entry::{Entry, EntryKind, HoldStatus};
pub use entry_change::EntryChange;
pub use entry_line::EntryLine;
pub use global_id::global_id;
pub use ledger::Ledger;
pub use ledger_check::LedgerCheck;
pub use money::Money;
pub use money_total::MoneyTotal;
pub use node::Node;
pub use receipt::Receipt;
pub use report::{AccountSum, BalanceSheet, IncomeStatement, TrialBalance};
pub use statement::StatementLineConnection;
pub use webhook::{Webhook, WebhookEvent, WhenExhausted};

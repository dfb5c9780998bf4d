//! What the schema talks about, a noun a file.

mod account;
mod balances;
mod currency;
mod entry;
mod entry_line;
mod ledger_check;
mod money;
mod node;
mod statement;

pub use account::{Account, AccountStatus, LimitPolicy, Side};
pub use balances::Balances;
pub use currency::Currency;
pub use entry::{Entry, EntryKind};
pub use entry_line::EntryLine;
pub use ledger_check::LedgerCheck;
pub use money::Money;
pub use node::{Node, global_id};
pub use statement::StatementLineConnection;

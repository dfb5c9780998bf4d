//! The items of a file: transactions and declarations.

use super::note::AccountNote;
use super::transaction::Transaction;
use daybook_entity::AccountClass;

/// One item of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    /// A transaction moves money.
    Transaction(Transaction),
    /// An account is declared, for all uses after it.
    Account(Declared),
    /// A currency is declared to have at least this many decimal places.
    Commodity { symbol: String, places: u32 },
}

/// The declaration of an account.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Declared {
    pub(super) line: u64,
    pub(super) name: String,
    /// By its tag `type:`.
    pub(super) class: Option<AccountClass>,
    pub(super) note: Option<AccountNote>,
}

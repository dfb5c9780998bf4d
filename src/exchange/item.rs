//! What files say, one thing at a time.

use super::note::AccountNote;
use super::transaction::Transaction;
use daybook_entity::Side;

/// One thing that a file says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    /// Money moves.
    Transaction(Transaction),
    /// An account is like this, wherever it is used from here on.
    Account(Declared),
    /// A currency has at least so many decimal places.
    Commodity { symbol: String, places: u32 },
}

/// What a file says of an account by itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Declared {
    pub(super) line: u64,
    pub(super) name: String,
    pub(super) side: Option<Side>,
    pub(super) note: Option<AccountNote>,
}

//! Why a part cannot be taken.

use crate::ledger::{Code, Id, InvalidInput};
use uuid::Uuid;

/// More is asked for than is left of a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{field}` is {requested}, and {remaining} minor units of that line of the entry {} are left: take no more than that",
    Id::Entry(*entry_id)
)]
pub struct RemainingExceeded {
    /// The entry whose line it is.
    pub entry_id: Uuid,
    /// Where in the input.
    pub field: String,
    /// What is left of the line: minor units.
    pub remaining: i64,
    /// What is asked for: minor units.
    pub requested: i64,
}

impl RemainingExceeded {
    /// What clients switch on.
    #[must_use]
    pub const fn code(&self) -> Code {
        Code::RemainingExceeded
    }
}

/// Why amounts cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(in crate::ledger) enum PartError {
    #[error(transparent)]
    Input(#[from] InvalidInput),
    #[error(transparent)]
    Exceeded(#[from] RemainingExceeded),
}

//! What clients write, as the domain reads it.

use async_graphql::{ID, InputObject, OneofObject, Result};

use super::{
    error::refuse,
    scalars::{CurrencyCode, Int64},
};
use crate::ledger;

/// An account, by its id or by its code.
#[derive(OneofObject, Clone, Debug)]
pub enum AccountRef {
    /// `acct_…`
    Id(ID),
    /// Its unique name.
    Code(String),
}

impl AccountRef {
    pub(super) fn parse(self) -> Result<ledger::AccountRef> {
        match self {
            Self::Id(id) => Ok(ledger::AccountRef::Id(account_id(&id)?)),
            Self::Code(code) => Ok(ledger::AccountRef::Code(code)),
        }
    }
}

/// The account that an id names; an id of anything else is refused.
pub(super) fn account_id(id: &ID) -> Result<uuid::Uuid> {
    match id.parse::<ledger::Id>() {
        Ok(ledger::Id::Account(id)) => Ok(id),
        Ok(_) => Err(super::error::bad_input(
            "id",
            "it does not name an account (acct_…)",
        )),
        Err(invalid) => Err(refuse(invalid)),
    }
}

/// One positive amount to move, from a debit account to a credit account.
#[derive(InputObject, Clone, Debug)]
pub struct LineInput {
    /// The account to debit.
    pub debit: AccountRef,
    /// The account to credit.
    pub credit: AccountRef,
    /// Minor units; positive.
    pub amount: Int64,
    /// The currency of both accounts.
    pub currency: CurrencyCode,
}

/// An account, and the version that it must still be at.
#[derive(InputObject, Clone, Debug)]
pub struct ExpectedVersion {
    /// The account.
    pub account: AccountRef,
    /// `balances.version`, as it was read.
    pub version: Int64,
}

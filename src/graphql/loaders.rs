//! What fields load together: one statement for all the accounts, entries or lines that a turn of the operation asks for.
//!
//! Each loader reads through the operation's own unit, hence from its snapshot.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use daybook_entity::{account, currency, entry, entry_line};
use sea_orm::DbErr;
use unit_of_work::{UnitLoader, UnitOfWork};
use uuid::Uuid;

use crate::ledger;

macro_rules! loader {
    ($(#[$doc:meta])* $name:ident: $key:ty => $value:ty, |$unit:ident, $keys:ident| $load:expr) => {
        $(#[$doc])*
        pub(super) struct $name(UnitOfWork);

        impl UnitLoader for $name {
            fn from_unit(unit: UnitOfWork) -> Self {
                Self(unit)
            }
        }

        impl Loader<$key> for $name {
            type Value = $value;
            type Error = DbErr;

            async fn load(&self, $keys: &[$key]) -> Result<HashMap<$key, $value>, DbErr> {
                let $unit = &self.0;
                $load
            }
        }
    };
}

loader! {
    /// Accounts by id.
    Accounts: Uuid => account::Model, |unit, ids| ledger::accounts_by_id(unit, ids.iter().copied()).await
}

loader! {
    /// Entries by id.
    Entries: Uuid => entry::Model, |unit, ids| ledger::entries_by_id(unit, ids.iter().copied()).await
}

loader! {
    /// The lines of entries, in their order, by the entry's id.
    Lines: Uuid => Vec<entry_line::Model>, |unit, ids| ledger::lines_by_entry_id(unit, ids.iter().copied()).await
}

loader! {
    /// The entries that resolve holds, by the hold's id.
    Resolvers: Uuid => entry::Model, |unit, ids| ledger::resolvers_by_hold_id(unit, ids.iter().copied()).await
}

loader! {
    /// The entries that reverse others, by the reversed entry's id.
    Reversals: Uuid => entry::Model, |unit, ids| ledger::reversals_by_entry_id(unit, ids.iter().copied()).await
}

loader! {
    /// Currencies by code. There are few of them: one statement reads them all.
    Currencies: String => currency::Model, |unit, codes| {
        let currencies = ledger::currencies(unit).await?;
        Ok(currencies
            .into_iter()
            .filter(|currency| codes.contains(&currency.code))
            .map(|currency| (currency.code.clone(), currency))
            .collect())
    }
}

//! Loaders: one statement for all the accounts, entries or lines that fields ask for at the same time.
//!
//! Each loader reads through the operation's unit, and so from its snapshot.

use std::{collections::HashMap, hash::Hash};

use async_graphql::{Context, dataloader::Loader};
use chrono::{DateTime, Utc};
use daybook_entity::{
    account, account_change, account_group, currency, entry, entry_change, entry_line,
    ledger as ledgers_table,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use sea_orm::DbErr;
use unit_of_work::{ContextExt as _, SharedLookUp, UnitLoader, UnitOfWork};
use uuid::Uuid;

use crate::ledger::{
    self, About, BalancesAt, EffectiveLines, EffectiveSlice, GroupPlace, LinePlace, PointInTime,
    Receipt, Remaining, Revision, StatementCount, StatementLine, StatementSlice,
};

/// Loads one value, together with others that are asked for at the same time.
///
/// The future is boxed. Every field of a type has a future as large as the largest of them, so this one would make them all larger.
pub(super) fn load<'a, L, K>(
    ctx: &Context<'a>,
    key: K,
) -> BoxFuture<'a, Result<Option<L::Value>, L::Error>>
where
    L: UnitLoader + Loader<K>,
    K: Send + Sync + Hash + Eq + Clone + 'static,
{
    let loader = ctx.loader::<L>();
    async move { loader.load_one(key).await }.boxed()
}

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

/// A loader whose statement operations can share: one key that is asked for by itself is looked up together with those of others.
macro_rules! shared_loader {
    ($(#[$doc:meta])* $name:ident: $key:ty => $value:ty, |$unit:ident, $keys:ident| $load:expr) => {
        loader! {
            $(#[$doc])*
            $name: $key => $value, |unit, keys| match keys {
                [key] => {
                    let found = unit.look_up::<$name>(key.clone()).await?;
                    Ok(found.map(|found| (key.clone(), found)).into_iter().collect())
                }
                keys => <$name as SharedLookUp>::load(unit, keys).await,
            }
        }

        impl SharedLookUp for $name {
            type Key = $key;
            type Value = $value;

            async fn load($unit: &UnitOfWork, $keys: &[$key]) -> Result<HashMap<$key, $value>, DbErr> {
                $load
            }
        }
    };
}

shared_loader! {
    /// Accounts by id.
    Accounts: Uuid => account::Model, |unit, ids| ledger::accounts_by_id(unit, ids.iter().copied()).await
}

loader! {
    /// Revisions of accounts.
    AccountChanges: Revision => account_change::Model, |unit, revisions| ledger::account_changes(unit, revisions).await
}

loader! {
    /// Groups of accounts by id.
    AccountGroups: Uuid => account_group::Model, |unit, ids| ledger::account_groups_by_id(unit, ids.iter().copied()).await
}

loader! {
    /// Groups of accounts by path.
    AccountGroupsByPath: String => account_group::Model, |unit, paths| ledger::account_groups_by_path(unit, paths.iter().cloned()).await
}

loader! {
    /// The groups directly in others, by the path of the others.
    Subgroups: String => Vec<account_group::Model>, |unit, paths| ledger::children_of_groups(unit, paths.iter().cloned()).await
}

loader! {
    /// The prefixes of codes in groups, by the group's id.
    CodePrefixes: Uuid => Vec<String>, |unit, ids| ledger::code_prefixes_of_groups(unit, ids).await
}

loader! {
    /// The groups that accounts are in, by the account's id.
    GroupsOfAccounts: Uuid => Vec<GroupPlace>, |unit, ids| ledger::groups_of_accounts(unit, ids).await
}

loader! {
    /// Until when accounts are closed, by id, for those that are.
    ClosedUntil: Uuid => DateTime<Utc>, |unit, ids| ledger::closed_until(unit, ids).await
}

loader! {
    /// Ledgers by code.
    Ledgers: String => ledgers_table::Model, |unit, codes| ledger::ledgers_by_code(unit, codes.iter().cloned()).await
}

shared_loader! {
    /// Entries by id.
    Entries: Uuid => entry::Model, |unit, ids| ledger::entries_by_id(unit, ids.iter().copied()).await
}

shared_loader! {
    /// Entries by reference, as it is stored: at most one of each ledger.
    EntriesByReference: String => Vec<entry::Model>, |unit, references| ledger::entries_by_reference(unit, references.iter().cloned()).await
}

loader! {
    /// The changes of entries, newest first, by the entry's id.
    EntryChanges: Uuid => Vec<entry_change::Model>, |unit, ids| ledger::entry_changes(unit, ids.iter().copied()).await
}

loader! {
    /// The lines of entries, in their order, by the entry's id.
    Lines: Uuid => Vec<entry_line::Model>, |unit, ids| ledger::lines_by_entry_id(unit, ids.iter().copied()).await
}

loader! {
    /// The accounts that webhooks choose, by the webhook's id, for those that do.
    AccountsOfWebhooks: Uuid => Vec<account::Model>, |unit, ids| ledger::accounts_of_webhooks(unit, ids).await
}

loader! {
    /// The receipts of entries, by the entry's id.
    Receipts: Uuid => Receipt, |unit, ids| ledger::entry_receipts(unit, ids).await
}

loader! {
    /// The entries that have ended holds, by the hold's id.
    Resolvers: Uuid => entry::Model, |unit, ids| ledger::resolvers_by_hold_id(unit, ids.iter().copied()).await
}

loader! {
    /// The entries that have undone others, by the undone entry's id.
    Reversals: Uuid => entry::Model, |unit, ids| ledger::reversals_by_entry_id(unit, ids.iter().copied()).await
}

loader! {
    /// The captures and releases of holds, by the hold's id.
    Resolutions: Uuid => Vec<About>, |unit, ids| ledger::resolutions_by_hold_id(unit, ids.iter().copied()).await
}

loader! {
    /// The reversals of entries, also of parts of them, by the id of the entry that they undo.
    ReversalParts: Uuid => Vec<About>, |unit, ids| ledger::reversals_of_entries(unit, ids.iter().copied()).await
}

loader! {
    /// What is left of the lines of entries, by the entry's id.
    Remainders: Uuid => Remaining, |unit, ids| ledger::remaining_by_entry_id(unit, ids).await
}

loader! {
    /// Balances at points in time, by account and point: a statement a point.
    History: (Uuid, PointInTime) => BalancesAt, |unit, keys| {
        let mut points: HashMap<PointInTime, Vec<Uuid>> = HashMap::new();
        for (id, point) in keys {
            points.entry(*point).or_default().push(*id);
        }
        let mut balances = HashMap::new();
        for (point, ids) in points {
            let at_point = ledger::balances_at(unit, &ids, point).await?;
            balances.extend(at_point.into_iter().map(|(id, found)| ((id, point), found)));
        }
        Ok(balances)
    }
}

loader! {
    /// Lines of statements, by slice.
    Statements: StatementSlice => Vec<StatementLine>, |unit, slices| ledger::statement_lines(unit, slices).await
}

loader! {
    /// Lines of statements in effective order, by slice.
    EffectiveStatements: EffectiveSlice => EffectiveLines, |unit, slices| ledger::effective_lines(unit, slices).await
}

loader! {
    /// How many lines statements have.
    StatementCounts: StatementCount => i64, |unit, counts| ledger::count_statement_lines(unit, counts).await
}

loader! {
    /// Balances in effective order, by line.
    RunningBalances: LinePlace => i64, |unit, lines| ledger::running_balances(unit, lines).await
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

/// Account by code, for operations that load one account. Several operations are looked up in one statement.
pub(super) struct AccountByCode;

impl SharedLookUp for AccountByCode {
    type Key = String;
    type Value = account::Model;

    async fn load(
        unit: &UnitOfWork,
        codes: &[String],
    ) -> Result<HashMap<String, account::Model>, DbErr> {
        ledger::accounts_by_code(unit, codes.iter().cloned()).await
    }
}

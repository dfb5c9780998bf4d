//! Mutations, a verb a file. Every mutation operation is one unit of work: all of its fields happen, or none.

mod open_account;
mod post_entry;
mod set_account_status;

use async_graphql::{MergedObject, SimpleObject};

use super::object::Account;

/// What clients do. All fields of one operation happen together, or none does.
#[derive(MergedObject, Default)]
#[graphql(name = "Mutation")]
pub struct MutationRoot(
    open_account::OpenAccountMutation,
    set_account_status::SetAccountStatusMutation,
    post_entry::PostEntryMutation,
);

/// The account as it is now.
#[derive(SimpleObject)]
pub struct AccountPayload {
    /// The account as it is now.
    account: Account,
}

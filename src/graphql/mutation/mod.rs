//! Mutations, one verb per file. Every mutation operation is one unit of work: all of its fields happen, or none.
//!
//! The future of a verb is boxed: otherwise every field's future would be as large as the largest verb's.

mod account_group;
mod account_group_contents;
mod annotate_entry;
mod capture_hold;
mod close_books;
mod create_ledger;
mod currency;
mod lock_set;
mod open_account;
mod payload;
mod place_hold;
mod post_entries;
mod post_entry;
mod release_hold;
mod reverse_entry;
mod set_account_status;
mod update_account;
mod webhook;

use async_graphql::MergedObject;

/// Mutations. All fields of one operation happen together, or none does.
#[derive(MergedObject, Default)]
#[graphql(name = "Mutation")]
pub struct MutationRoot(
    open_account::OpenAccountMutation,
    set_account_status::SetAccountStatusMutation,
    update_account::UpdateAccountMutation,
    post_entry::PostEntryMutation,
    post_entries::PostEntriesMutation,
    place_hold::PlaceHoldMutation,
    capture_hold::CaptureHoldMutation,
    release_hold::ReleaseHoldMutation,
    reverse_entry::ReverseEntryMutation,
    annotate_entry::AnnotateEntryMutation,
    close_books::CloseBooksMutation,
    currency::CurrencyMutation,
    create_ledger::CreateLedgerMutation,
    account_group::AccountGroupMutation,
    account_group_contents::AccountGroupContentsMutation,
    webhook::WebhookMutation,
);

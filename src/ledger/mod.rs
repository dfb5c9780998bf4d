//! The ledger: accounts, and entries that move money between them.
//!
//! Free functions over a connection. They do not begin or finish a transaction, read no clock and draw no random numbers. The caller
//! lends a transaction, and passes ids and the time in: as an instant, or as a [`Clock`] where the time must be read after a lock was won.
//!
//! **An error from a verb that writes means that the transaction must be rolled back** (or its savepoint). Otherwise what was
//! written before the refusal stays. Refusals come from reads and guarded statements (`UPDATE … WHERE …` that hits no row), so a
//! refusal leaves the transaction usable; the database's own constraints are the net below, and a statement that fails
//! there ends it.

mod account_changes;
mod annotate_entry;
mod balance;
mod clock;
mod closing;
mod code;
mod currencies;
mod dialect;
mod entry_filter;
mod find;
mod group;
mod history;
mod hold;
mod id;
mod input;
mod insert_once;
mod keyset;
mod ledgers;
mod limit;
mod literal;
mod locking;
mod money;
mod open_account;
mod outbox;
mod page_accounts;
mod page_entries;
mod part;
mod post_entries;
mod post_entry;
mod posting;
mod record_import;
mod replay;
mod report;
mod reverse_entry;
mod revise;
mod seal;
mod set_account_status;
mod sql;
mod statement;
mod statement_cache;
mod sums;
mod update_account;
mod verify;
mod webhook;
mod words;

pub use account_changes::{Revision, account_changes, page_account_changes};
pub use annotate_entry::{
    AnnotateEntry, AnnotateEntryError, EntryRef, annotate_entry, entry_changes,
};
pub use balance::{available_balance, pending_balance, posted_balance};
pub use clock::Clock;
pub use closing::{
    CloseBooks, CloseBooksError, all_closings, close_books, closed_periods, closed_until,
    count_closings, page_closings, reopen_books,
};
pub use code::Code;
pub use currencies::{
    CreateCurrency, CurrencyError, create_currency, register_currency, set_currency_symbol,
};
pub use entry_filter::{AmountRange, EntryFilter, HoldIs};
pub use find::{
    AccountNotFound, AccountRef, account, accounts_by_code, accounts_by_id, currencies, currency,
    entries_by_id, entries_by_reference, entry, latest_recorded_at, lines_by_entry_id,
    resolvers_by_hold_id, reversals_by_entry_id, stored_reference, unknown_account,
};
pub use group::{
    AccountGroupError, ChangeGroupContents, CreateAccountGroup, DeleteAccountGroup,
    GroupChangeFilter, GroupNotFound, GroupPlace, GroupRef, MOST_GROUPS, MOST_PREFIXES, MOST_TREES,
    UpdateAccountGroup, account_group, account_groups_by_id, account_groups_by_path, account_trees,
    add_to_account_group, children_of_groups, code_prefixes_of_groups, count_account_groups,
    count_group_changes, create_account_group, delete_account_group, groups_by_hand,
    groups_of_accounts, page_account_groups, page_group_changes, remove_from_account_group,
    update_account_group,
};
pub use history::{BalancesAt, PointInTime, balances_at, statement as balances_at_statement};
pub use hold::{
    CaptureHold, ExpiredHold, HoldError, PlaceHold, ReleaseHold, ResolvedBy, capture_hold,
    expired_holds, find_expired_holds, place_hold, release_expired_hold, release_hold,
};
pub use id::{Id, InvalidId, LINES_PER_ENTRY, Random, new_account_id, new_entry_id, random};
pub use input::{InvalidInput, MOST_PROBLEMS};
pub use keyset::{Edge, Page, PageError, PageRequest};
pub use ledgers::{
    CreateLedger, CreateLedgerError, MOST_LEDGERS, Visible, can_confine, confine, create_ledger,
    ledger, ledgers, ledgers_by_code,
};
pub use limit::Limit;
pub use locking::{LockSet, Locking, locking};
pub use money::{decimal, sum_decimal};
pub use open_account::{OpenAccount, OpenAccountError, open_account};
pub use outbox::{
    Chosen, EventKind, Horizon, Look, NUMBERED_AT_ONCE, OutboxEvent, Progress, Subject,
    TouchedAccount, accounts_of_subjects, fence_outbox, has_unnumbered_events, look_at_outbox,
    newest_in_outbox, number_events, numbers_one_by_one, read_outbox, visible_in_outbox,
};
pub use page_accounts::{
    AccountFilter, AccountOrder, AccountOrderField, InGroup, count_accounts, page_accounts,
    page_accounts_statement,
};
pub use page_entries::{
    EntryOrder, EntryOrderField, count_entries, page_entries, page_entries_statements,
};
pub use part::{
    About, Remaining, RemainingExceeded, remaining_by_entry_id, resolutions_by_hold_id,
    reversals_of_entries,
};
pub use post_entries::{PostedEntries, post_entries, post_entry_list};
pub use post_entry::{NewLine, PostEntry, post_entry};
pub use posting::{
    BalanceCondition, BalanceKind, BulkPosting, EntryNotes, ExpectedVersion, OnTakenReference,
    PostEntriesError, PostEntryError, PostedEntry, UnmetCondition,
};
pub use record_import::record_import;
pub use replay::{ReplayedEntry, replay, used_currencies};
pub use report::{
    BalanceSheet, IncomeStatement, TrialBalance, Until, balance_sheets, columns, income_statements,
    trial_balance,
};
pub use reverse_entry::{ReverseEntry, ReverseEntryError, reverse_entry};
pub use seal::{Receipt, entry_receipts, latest_receipt, receipts, seal_events};
pub use set_account_status::{SetAccountStatus, SetAccountStatusError, set_account_status};
pub use statement::{
    EffectiveLines, EffectiveRequest, EffectiveSlice, LinePlace, RunningBalance, RunningLine,
    StatementCount, StatementFilter, StatementLine, StatementRequest, StatementSlice,
    count_statement as statement_counts_statement, count_statement_lines, effective_lines,
    effective_lines_statement, running_balances, running_balances_statement, statement_lines,
    whole_statement as statement_lines_statement,
};
pub use sums::{
    AccountSum, CodeParts, Every, GroupParts, MOST_SUMS, Series, SumRequest, account_sums,
    account_sums_statement, day, time_zone,
};
pub use update_account::{UpdateAccount, UpdateAccountError, update_account};
pub use verify::{
    CheckedAccount, CheckedLine, Difference, EntryProblem, LedgerCheck, SealProblem, Total, verify,
};
pub use webhook::{
    Attempt, CreateWebhook, MOST_WEBHOOKS, NextDelivery, Outcome, RotateWebhookSecret, Searched,
    StartAfter, UpdateWebhook, WebhookDue, WebhookError, WebhookState, accounts_of_webhooks,
    count_dead_letters, create_webhook, dead_letters, delete_webhook, due_webhooks, lease_webhook,
    next_delivery, pass_over, record_attempt, redeliver_webhook_events, release_webhook,
    rotate_webhook_secret, update_webhook, webhook, webhook_kinds, webhooks,
};

//! Posts an entry: money moves now, or not at all.

use super::posting::{self, Draft, DraftLine, EntryNotes};
use super::{AccountRef, BalanceCondition, Clock, ExpectedVersion, PostEntryError, PostedEntry};
use daybook_entity::{EntryKind, LineEffect};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

/// The entry to post.
#[derive(Clone, Debug)]
pub struct PostEntry {
    /// From [`new_entry_id`](crate::ledger::new_entry_id).
    pub id: Uuid,
    /// 1 to 1000 lines; they may be of several currencies.
    pub lines: Vec<NewLine>,
    /// When it counts from, and what people and programs read.
    pub notes: EntryNotes,
    /// The versions that accounts (of the entry, or others) must still have; each account once.
    pub expect: Vec<ExpectedVersion>,
    /// What balances of accounts (of the entry, or others) must be, before it; an account can be in several.
    pub conditions: Vec<BalanceCondition>,
}

/// A line to post.
#[derive(Clone, Debug)]
pub struct NewLine {
    /// The account to debit.
    pub debit: AccountRef,
    /// The account to credit, another one.
    pub credit: AccountRef,
    /// Minor units; positive.
    pub amount: i64,
    /// That of both accounts.
    pub currency: String,
}

impl NewLine {
    pub(super) fn draft(self, effect: LineEffect) -> DraftLine {
        DraftLine {
            debit: self.debit,
            credit: self.credit,
            amount: self.amount,
            currency: self.currency,
            effect,
        }
    }
}

/// Posts an entry: two statements on PostgreSQL; on SQLite three, and one for each account in it.
///
/// # Errors
/// When the input breaks a rule, an account is missing, not open, of another currency, at another version, beyond a limit or not as a condition
/// asks, when a sum does not fit, or when the database fails. The transaction must then be rolled back.
pub async fn post_entry(
    db: &impl ConnectionTrait,
    command: PostEntry,
    clock: &Clock,
) -> Result<PostedEntry, PostEntryError> {
    let lines = command.lines.into_iter();
    let lines = lines.map(|line| line.draft(LineEffect::Post)).collect();
    let mut draft = Draft::new(command.id, EntryKind::Post, command.notes, lines);
    draft.expect = command.expect;
    draft.conditions = command.conditions;
    written(draft.id, posting::write(db, draft, clock).await)
}

/// An entry that resolves and reverses nothing has no second to be in its way.
pub(super) fn written(
    entry_id: Uuid,
    written: Result<Option<PostedEntry>, PostEntryError>,
) -> Result<PostedEntry, PostEntryError> {
    written?.ok_or_else(|| PostEntryError::Database {
        entry_id,
        source: DbErr::RecordNotInserted,
    })
}

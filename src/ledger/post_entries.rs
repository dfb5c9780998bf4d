//! Posts many entries in one transaction.

use super::posting::{BulkPosting, Draft, PostEntriesError};
use super::{Clock, PostEntry};
use daybook_entity::{EntryKind, LineEffect};
use sea_orm::ConnectionTrait;

/// Posts entries in their order, each as [`post_entry`](super::post_entry()) would. The entries of one call are recorded at the same
/// instant. A call takes at most two round trips, whatever the number of entries, unless one is dated back.
///
/// `several` goes from call to call of one transaction, in which nothing else may post to their accounts meanwhile, and has to
/// [end](BulkPosting::end) before the transaction does: then the accounts themselves are written.
///
/// All entries of a call together may have at most 1500 lines, to stay within every engine's number of parameters.
///
/// # Errors
/// When one of them is refused, as `post_entry` refuses it, or when the database fails. The transaction must then be rolled back.
pub async fn post_entries(
    db: &impl ConnectionTrait,
    bulk: &mut BulkPosting,
    commands: Vec<PostEntry>,
    clock: &Clock,
) -> Result<(), PostEntriesError> {
    let mut drafts = Vec::with_capacity(commands.len());
    for (index, command) in commands.into_iter().enumerate() {
        let lines = command.lines.into_iter();
        let lines = lines.map(|line| line.draft(LineEffect::Post)).collect();
        let draft = Draft::new(command.id, EntryKind::Post, command.notes, lines);
        let mut draft = draft.map_err(|error| PostEntriesError::Entry {
            index,
            source: error.into(),
        })?;
        draft.expect = command.expect;
        drafts.push(draft);
    }
    bulk.write(db, drafts, clock).await
}

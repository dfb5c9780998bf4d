//! Posts many entries at once.

use super::posting::{self, Draft, PostEntriesError};
use super::{Clock, PostEntry};
use daybook_entity::{EntryKind, LineEffect};
use sea_orm::ConnectionTrait;

/// Posts entries in their order, each as [`post_entry`](super::post_entry()) would, and all at the same instant: in two statements on
/// PostgreSQL, whatever their number, and in three and one an account on SQLite, where none is dated back.
///
/// All of them together may have at most 1500 lines, to stay within every engine's number of parameters.
///
/// # Errors
/// When one of them is refused, as `post_entry` refuses it, or when the database fails. The transaction must then be rolled back.
pub async fn post_entries(
    db: &impl ConnectionTrait,
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
    posting::write_all(db, drafts, clock).await
}

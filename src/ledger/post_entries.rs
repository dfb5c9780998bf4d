//! Posts many entries in one transaction.

use super::posting::{BulkPosting, Draft, PostEntriesError, WrittenEntries};
use super::{Clock, InvalidInput, PostEntry};
use daybook_entity::{EntryKind, LineEffect, account, entry, entry_line};
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
    write(db, bulk, commands, clock).await.map(drop)
}

/// The most entries of a list.
const MOST_ENTRIES: usize = 500;

/// The most lines that all entries of a list have together: within every engine's number of parameters.
const MOST_LINES: usize = 1500;

/// Entries of a list, as they were posted.
#[derive(Clone, Debug)]
pub struct PostedEntries {
    /// Each with its lines, in the order of the list.
    pub entries: Vec<(entry::Model, Vec<entry_line::Model>)>,
    /// The accounts that they touched, as they are now, by id.
    pub accounts: Vec<account::Model>,
}

/// Posts a list of 1 to 500 entries, with at most 1500 lines together, in their order: all of them, or none. It takes as many statements as
/// one entry, and one more for the accounts (on SQLite for each account); with references, two more for all of them.
///
/// # Errors
/// When there are too few or too many, when one of them is refused, as `post_entry` refuses it, or when the database fails. The
/// transaction must then be rolled back.
pub async fn post_entry_list(
    db: &impl ConnectionTrait,
    commands: Vec<PostEntry>,
    clock: &Clock,
) -> Result<PostedEntries, PostEntriesError> {
    let count = commands.len();
    let lines: usize = commands.iter().map(|command| command.lines.len()).sum();
    if count == 0 || count > MOST_ENTRIES || lines > MOST_LINES {
        let problem = format!(
            "has {count} entries with {lines} lines: give 1 to {MOST_ENTRIES} entries with at most {MOST_LINES} lines together"
        );
        return Err(InvalidInput::new("inputs", problem).into());
    }
    let mut bulk = BulkPosting::default();
    let written = write(db, &mut bulk, commands, clock).await?;
    let accounts = bulk.accounts();
    bulk.end(db).await?;
    let mut lines = written.lines.into_iter().peekable();
    let entries = written.entries.into_iter().map(|entry| {
        let mut own = Vec::new();
        while let Some(line) = lines.next_if(|line| line.entry_id == entry.id) {
            own.push(line);
        }
        (entry, own)
    });
    Ok(PostedEntries {
        entries: entries.collect(),
        accounts,
    })
}

async fn write(
    db: &impl ConnectionTrait,
    bulk: &mut BulkPosting,
    commands: Vec<PostEntry>,
    clock: &Clock,
) -> Result<WrittenEntries, PostEntriesError> {
    let mut drafts = Vec::with_capacity(commands.len());
    for (index, command) in commands.into_iter().enumerate() {
        let lines = command.lines.into_iter();
        let lines = lines.map(|line| line.draft(LineEffect::Post)).collect();
        let draft = Draft::new(command.id, EntryKind::Post, command.notes, lines);
        let mut draft = draft.checked().map_err(|error| PostEntriesError::Entry {
            index,
            source: error.into(),
        })?;
        draft.expect = command.expect;
        draft.conditions = command.conditions;
        drafts.push(draft);
    }
    bulk.write(db, drafts, clock).await
}

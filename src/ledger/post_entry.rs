//! Posts an entry: money moves now, or not at all.
//!
//! In the good case three statements and one per account that is touched:
//!
//! 1. read the accounts (all of them in one statement, without locks: what is read only serves refusals),
//! 2. insert the entry,
//! 3. update each account's totals, in the order of their ids, `RETURNING` the row,
//! 4. insert the lines.
//!
//! **Why the lines come last.** A line is append-only and carries the version and the balance that each side had after it. These
//! are known for certain only once the account's row is ours, that is after its update. Were lines inserted first, with
//! versions guessed from the read, every race for an account would end in a unique violation and run the operation again. So accounts
//! are locked for the length of one insert and the COMMIT; all else comes before.
//!
//! **Why no update is lost.** Updates are relative (`credits_posted = credits_posted + ?`), and their conditions (open, version,
//! limit, range) stand in their WHERE: under READ COMMITTED they are checked against the row as it is when the lock is won. Locks are
//! taken in one global order, so entries cannot deadlock each other.
//!
//! **How it fails.** An update that hits no row is followed by a read of that account that says why: a refusal that leaves the
//! transaction usable, though it must be rolled back (see the module above). If that read shows nothing in the way any more, the
//! update is tried again, a few times.

mod command;
mod error;
mod movement;
mod rows;

use super::input;
pub use command::{ExpectedVersion, NewLine, PostEntry};
pub use error::PostEntryError;

use chrono::{DateTime, Utc};
use command::Resolved;
use daybook_entity::{EntryKind, account, entry, entry_line};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};
use std::collections::BTreeMap;
use uuid::Uuid;

/// An entry as it was posted.
#[derive(Clone, Debug, PartialEq)]
pub struct PostedEntry {
    /// The entry.
    pub entry: entry::Model,
    /// Its lines, in order.
    pub lines: Vec<entry_line::Model>,
    /// The accounts that it touched, as they are after it, by id.
    pub accounts: Vec<account::Model>,
}

/// Posts an entry: three statements, and one for each account in it.
///
/// # Errors
/// When the input breaks a rule, an account is missing, not open, of another currency, at another version or short of funds,
/// when a sum does not fit, or when the database fails. The transaction must then be rolled back.
pub async fn post_entry(
    db: &impl ConnectionTrait,
    command: PostEntry,
    now: DateTime<Utc>,
) -> Result<PostedEntry, PostEntryError> {
    command::check(&command)?;
    let recorded_at = input::instant("now", now)?;
    let entry = entry::Model {
        id: command.id,
        kind: EntryKind::Post,
        resolves_id: None,
        reverses_id: None,
        description: input::description("description", command.description.as_deref())?,
        effective_at: input::instant("effectiveAt", command.effective_at.unwrap_or(recorded_at))?,
        recorded_at,
        expires_at: None,
        metadata: input::metadata("metadata", command.metadata)?,
    };
    let Resolved {
        lines,
        movements,
        accounts,
    } = command::resolve(db, &command.lines, &command.expect).await?;
    for account in &accounts {
        if let Some(refusal) = movements
            .get(&account.id)
            .and_then(|movement| movement.refusal(account))
        {
            return Err(refusal);
        }
    }

    entry::Entity::insert(entry.clone().into_active_model())
        .exec_without_returning(db)
        .await
        .map_err(|source| PostEntryError::Database {
            entry_id: entry.id,
            source,
        })?;
    let mut after: BTreeMap<Uuid, account::Model> = BTreeMap::new();
    for account in accounts {
        if let Some(movement) = movements.get(&account.id) {
            after.insert(account.id, movement.apply(db, account, entry.id).await?);
        }
    }
    let lines = rows::rows(entry.id, &lines, &movements, &after);
    entry_line::Entity::insert_many(
        lines
            .iter()
            .cloned()
            .map(IntoActiveModel::into_active_model),
    )
    .exec_without_returning(db)
    .await
    .map_err(|source| PostEntryError::Database {
        entry_id: entry.id,
        source,
    })?;

    after.retain(|id, _| movements.get(id).is_some_and(|movement| movement.lines > 0));
    Ok(PostedEntry {
        entry,
        lines,
        accounts: after.into_values().collect(),
    })
}

//! Writes an entry of any kind: all of its lines, or none.
//!
//! In the good case three statements and one per account that is touched:
//!
//! 1. read the accounts (all of them in one statement, without locks: what is read only serves refusals),
//! 2. insert the entry,
//! 3. update each account's totals, in the order of their ids, `RETURNING` the row,
//! 4. insert the lines; where they change what is pending, the pending totals after them as well; and where they are late (see
//!    [`history`](super::history)), the sums of the late lines.
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

mod error;
mod late;
mod movement;
mod resolve;
mod rows;

use super::{AccountRef, InvalidInput, input};
pub use error::PostEntryError;

use chrono::{DateTime, SecondsFormat, Utc};
use daybook_entity::{EntryKind, LineEffect, account, entry, entry_line};
use resolve::Resolved;
use rows::Rows;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, TryInsertResult};
use serde_json::Value as Json;
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

/// A version that an account must still have before the entry.
#[derive(Clone, Debug)]
pub struct ExpectedVersion {
    /// The account.
    pub account: AccountRef,
    /// Its version.
    pub version: i64,
}

/// What callers say about an entry of any kind, besides its lines.
#[derive(Clone, Debug, Default)]
pub struct EntryNotes {
    /// When it counts from; now, where not said.
    pub effective_at: Option<DateTime<Utc>>,
    /// At most 1000 characters for people.
    pub description: Option<String>,
    /// A JSON object; none is the empty one.
    pub metadata: Option<Json>,
}

impl EntryNotes {
    /// The notes of an entry that ends or undoes `earlier`: it counts from now, or, where `earlier` counts from a later instant only,
    /// from then.
    ///
    /// Counting from before it would leave history with a hold that ended before it began.
    pub(super) fn not_before(
        self,
        earlier: &entry::Model,
        now: DateTime<Utc>,
    ) -> Result<Self, InvalidInput> {
        if self
            .effective_at
            .is_some_and(|at| at < earlier.effective_at)
        {
            let problem = format!(
                "is before {}, from when on the entry that it ends or undoes counts: choose that instant or a later one",
                earlier
                    .effective_at
                    .to_rfc3339_opts(SecondsFormat::AutoSi, true)
            );
            return Err(InvalidInput::new("effectiveAt", problem));
        }
        let effective_at = self.effective_at.unwrap_or(now.max(earlier.effective_at));
        Ok(Self {
            effective_at: Some(effective_at),
            ..self
        })
    }
}

/// An entry to write.
pub(super) struct Draft {
    pub(super) entry: entry::Model,
    pub(super) lines: Vec<DraftLine>,
    pub(super) expect: Vec<ExpectedVersion>,
}

/// A line to write.
pub(super) struct DraftLine {
    pub(super) debit: AccountRef,
    pub(super) credit: AccountRef,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) effect: LineEffect,
}

/// An entry's row from what the caller says, with nothing that only some kinds have.
pub(super) fn entry_row(
    id: Uuid,
    kind: EntryKind,
    notes: EntryNotes,
    now: DateTime<Utc>,
) -> Result<entry::Model, InvalidInput> {
    let recorded_at = input::instant("now", now)?;
    Ok(entry::Model {
        id,
        kind,
        resolves_id: None,
        reverses_id: None,
        description: input::description("description", notes.description.as_deref())?,
        effective_at: input::instant("effectiveAt", notes.effective_at.unwrap_or(recorded_at))?,
        recorded_at,
        expires_at: None,
        metadata: input::metadata("metadata", notes.metadata)?,
    })
}

/// Writes the entry and all that it changes; `None`, and nothing written, when another entry resolves or reverses the same one.
pub(super) async fn write(
    db: &impl ConnectionTrait,
    draft: Draft,
) -> Result<Option<PostedEntry>, PostEntryError> {
    let Draft {
        entry,
        lines,
        expect,
    } = draft;
    // What resolves a hold has up to two lines for each of the hold's, and none that a caller wrote.
    if entry.resolves_id.is_none() {
        resolve::check(&lines, &expect)?;
    }
    let Resolved {
        lines,
        movements,
        accounts,
    } = resolve::resolve(db, &lines, &expect).await?;
    let refusal = || {
        let refused = |account: &account::Model| movements.get(&account.id)?.refusal(account);
        accounts.iter().find_map(refused)
    };
    let failed = |source| PostEntryError::Database {
        entry_id: entry.id,
        source,
    };
    // Of two that resolve or reverse the same entry, the second may read what the first has done to the accounts. It is to hear of
    // the first, and not of its traces: so it is refused by what it read only after the insert, which knows of the first.
    let has_rival = entry.resolves_id.is_some() || entry.reverses_id.is_some();
    if let (false, Some(refusal)) = (has_rival, refusal()) {
        return Err(refusal);
    }
    if !insert_entry(db, &entry).await.map_err(failed)? {
        return Ok(None);
    }
    if let (true, Some(refusal)) = (has_rival, refusal()) {
        return Err(refusal);
    }
    let mut after: BTreeMap<Uuid, account::Model> = BTreeMap::new();
    for account in accounts {
        if let Some(movement) = movements.get(&account.id) {
            after.insert(account.id, movement.apply(db, account, &entry).await?);
        }
    }
    let Rows {
        lines,
        pending,
        changes,
    } = rows::rows(entry.id, &lines, &movements, &after);
    insert(db, &lines).await.map_err(failed)?;
    if !pending.is_empty() {
        insert(db, &pending).await.map_err(failed)?;
    }
    late::write(db, &entry, &after, &changes).await?;

    after.retain(|id, _| movements.get(id).is_some_and(|movement| movement.lines > 0));
    Ok(Some(PostedEntry {
        entry,
        lines,
        accounts: after.into_values().collect(),
    }))
}

/// Inserts the entry. `false` when it would be the second to resolve or reverse an entry: a race with another operation, which only
/// a database with concurrent writers can have, and which this waits out. The caller has read before what was there already.
async fn insert_entry(db: &impl ConnectionTrait, entry: &entry::Model) -> Result<bool, DbErr> {
    let insert = entry::Entity::insert(entry.clone().into_active_model());
    let once = if entry.resolves_id.is_some() {
        entry::Column::ResolvesId
    } else if entry.reverses_id.is_some() {
        entry::Column::ReversesId
    } else {
        insert.exec_without_returning(db).await?;
        return Ok(true);
    };
    // Not a plain INSERT: its unique violation would end the transaction, this is just a row less.
    let inserted = insert
        .on_conflict_do_nothing_on([once])
        .exec_without_returning(db)
        .await?;
    Ok(matches!(inserted, TryInsertResult::Inserted(1..)))
}

async fn insert<M>(db: &impl ConnectionTrait, rows: &[M]) -> Result<(), DbErr>
where
    M: sea_orm::ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
    <M::Entity as EntityTrait>::ActiveModel: Send,
{
    // Within every engine's number of parameters.
    for rows in rows.chunks(1000) {
        let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
        M::Entity::insert_many(rows)
            .exec_without_returning(db)
            .await?;
    }
    Ok(())
}

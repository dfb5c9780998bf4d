//! Writes an entry of any kind: all of its lines, or none.
//!
//! In the good case two statements on PostgreSQL, whatever the number of accounts and lines; on SQLite three and one an account:
//!
//! 1. read the accounts and lock them, all of them in one statement, in the order of their ids (`FOR NO KEY UPDATE`; on SQLite the
//!    transaction has the write lock already),
//! 2. write the entry, the accounts' totals and the lines (where they change what is pending, the pending totals after them as
//!    well): in one statement where the engine can ([`together`]), one after the other elsewhere.
//!
//! Lines that are late (see [`history`](super::history)) bring their sums in statements of their own: they can have more parameters than
//! one statement takes. What ends or undoes an entry is inserted by itself before the rest, for only the database knows whether it is the
//! first to.
//!
//! **Why the accounts are locked first.** A line carries the version and the balance that each side had after it, and the entry the
//! instant from which it counts. All are known for certain only once the accounts are ours: were they taken from an unlocked
//! read, entries that race for an account would violate its versions, and would overtake each other in time. From the lock on there is
//! one statement and the COMMIT to wait for. Accounts are locked in one global order, so entries cannot deadlock each other.
//!
//! **Why no update is lost.** Updates are relative (`credits_posted = credits_posted + ?`), the table's CHECKs hold its limits, and
//! a version of an account can be written once only: should the caller's connection be in no transaction, and so hold no lock, the
//! database refuses the second of two that race.
//!
//! **How it fails.** A refusal comes from what was read under the lock, before anything is written, and leaves the transaction usable,
//! though it must be rolled back (see the module above).

mod all;
mod error;
mod late;
mod movement;
mod resolve;
mod rows;
mod together;

use super::{AccountRef, Clock, InvalidInput, input};
pub use all::{BulkPosting, PostEntriesError};
pub use error::PostEntryError;

use chrono::{DateTime, SecondsFormat, Utc};
use daybook_entity::{EntryKind, LineEffect, account, entry, entry_line};
use late::Late;
use movement::Movement;
use resolve::{Locked, Resolved};
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

/// An entry to write.
pub(super) struct Draft {
    pub(super) id: Uuid,
    pub(super) kind: EntryKind,
    pub(super) resolves_id: Option<Uuid>,
    pub(super) reverses_id: Option<Uuid>,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) lines: Vec<DraftLine>,
    pub(super) expect: Vec<ExpectedVersion>,
    description: Option<String>,
    metadata: Json,
    counts_from: CountsFrom,
}

/// From when on an entry counts.
enum CountsFrom {
    /// From when the caller says.
    Instant(DateTime<Utc>),
    /// From when it is recorded, or from this instant, if that is later.
    Recording(Option<DateTime<Utc>>),
}

/// A line to write.
pub(super) struct DraftLine {
    pub(super) debit: AccountRef,
    pub(super) credit: AccountRef,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) effect: LineEffect,
}

impl Draft {
    /// An entry of these lines, with nothing that only some kinds have.
    pub(super) fn new(
        id: Uuid,
        kind: EntryKind,
        notes: EntryNotes,
        lines: Vec<DraftLine>,
    ) -> Result<Self, InvalidInput> {
        let effective_at = notes.effective_at;
        let effective_at = effective_at.map(|at| input::instant("effectiveAt", at));
        Ok(Self {
            id,
            kind,
            resolves_id: None,
            reverses_id: None,
            expires_at: None,
            lines,
            expect: Vec::new(),
            description: input::description("description", notes.description.as_deref())?,
            metadata: input::metadata("metadata", notes.metadata)?,
            counts_from: match effective_at.transpose()? {
                Some(instant) => CountsFrom::Instant(instant),
                None => CountsFrom::Recording(None),
            },
        })
    }

    /// The draft of an entry that ends or undoes `earlier`, and counts from no instant before it.
    ///
    /// Counting from before it would leave history with a hold that ended before it began.
    pub(super) fn not_before(mut self, earlier: &entry::Model) -> Result<Self, InvalidInput> {
        match self.counts_from {
            CountsFrom::Instant(instant) if instant < earlier.effective_at => {
                let earliest = earlier
                    .effective_at
                    .to_rfc3339_opts(SecondsFormat::AutoSi, true);
                let problem = format!(
                    "is before {earliest}, from when on the entry that it ends or undoes counts: choose that instant or a later one"
                );
                return Err(InvalidInput::new("effectiveAt", problem));
            }
            CountsFrom::Instant(_) => {}
            CountsFrom::Recording(_) => {
                self.counts_from = CountsFrom::Recording(Some(earlier.effective_at));
            }
        }
        Ok(self)
    }

    /// Of two that resolve or reverse the same entry, only one is written.
    const fn has_rival(&self) -> bool {
        self.resolves_id.is_some() || self.reverses_id.is_some()
    }

    /// The entry's row, when it is recorded at this instant.
    fn recorded_at(self, recorded_at: DateTime<Utc>) -> entry::Model {
        entry::Model {
            id: self.id,
            kind: self.kind,
            resolves_id: self.resolves_id,
            reverses_id: self.reverses_id,
            description: self.description,
            effective_at: match self.counts_from {
                CountsFrom::Instant(instant) => instant,
                CountsFrom::Recording(None) => recorded_at,
                CountsFrom::Recording(Some(earliest)) => recorded_at.max(earliest),
            },
            recorded_at,
            expires_at: self.expires_at,
            metadata: self.metadata,
        }
    }
}

/// Writes the entry and all that it changes; `None`, and nothing written, when another entry resolves or reverses the same one.
pub(super) async fn write(
    db: &impl ConnectionTrait,
    draft: Draft,
    clock: &Clock,
) -> Result<Option<PostedEntry>, PostEntryError> {
    // What resolves a hold has up to two lines for each of the hold's, and none that a caller wrote.
    if draft.resolves_id.is_none() {
        resolve::check(&draft.lines, &draft.expect)?;
    }
    let drafts = [draft];
    let mut locked = Locked::default();
    resolve::lock(db, &drafts, &mut locked).await?;
    let [draft] = drafts;
    let Resolved { lines, movements } = resolve::resolve(&locked, &draft.lines, &draft.expect)?;
    let has_rival = draft.has_rival();
    // The accounts are ours from here on. Whoever has them next records later, and counts from later where nobody says otherwise.
    let entry = draft.recorded_at(input::instant("now", clock.now())?);
    let failed = |source| PostEntryError::Database {
        entry_id: entry.id,
        source,
    };
    // The second of two rivals may read what the first has done to the accounts. It is to hear of the first, and not of its traces: so
    // it is refused by what it read only after the insert, which knows of the first.
    if has_rival && !insert_once(db, &entry).await.map_err(failed)? {
        return Ok(None);
    }
    let after = applied(&mut locked.accounts, &movements, &entry)?;
    let Rows {
        lines,
        pending,
        changes,
    } = rows::rows(entry.id, &lines, &movements, &after);

    let mut statements = Vec::new();
    if !has_rival {
        statements.extend(together::inserts(std::slice::from_ref(&entry)));
    }
    let engine = db.get_database_backend();
    statements.extend(movement::updates(engine, &movements, |_| {
        entry.effective_at
    }));
    statements.extend(together::inserts(&pending));
    statements.extend(together::inserts(&lines));
    together::execute(db, statements).await.map_err(failed)?;
    let mut late = Late::default();
    late.add(db, &entry, &after, &changes).await?;
    late.write(db).await.map_err(failed)?;

    Ok(Some(PostedEntry {
        entry,
        lines,
        accounts: after.into_values().collect(),
    }))
}

/// Takes the accounts that the movements of an entry touch out of `accounts`, as they are after it.
fn applied(
    accounts: &mut BTreeMap<Uuid, account::Model>,
    movements: &BTreeMap<Uuid, Movement>,
    entry: &entry::Model,
) -> Result<BTreeMap<Uuid, account::Model>, PostEntryError> {
    let mut after = BTreeMap::new();
    for (id, movement) in movements {
        let account = accounts.get(id);
        if let Some(refusal) = account.and_then(|account| movement.refusal(account)) {
            return Err(refusal);
        }
        if movement.lines > 0
            && let Some(account) = accounts.remove(id)
        {
            after.insert(*id, movement.applied(account, entry.effective_at));
        }
    }
    Ok(after)
}

/// Inserts the entry. `false` when it would be the second to resolve or reverse an entry: a race with another operation, which only
/// a database with concurrent writers can have, and which this waits out. The caller has read before what was there already.
async fn insert_once(db: &impl ConnectionTrait, entry: &entry::Model) -> Result<bool, DbErr> {
    let once = if entry.resolves_id.is_some() {
        entry::Column::ResolvesId
    } else {
        entry::Column::ReversesId
    };
    // Not a plain INSERT: its unique violation would end the transaction, this is just a row less.
    let inserted = entry::Entity::insert(entry.clone().into_active_model())
        .on_conflict_do_nothing_on([once])
        .exec_without_returning(db)
        .await?;
    Ok(matches!(inserted, TryInsertResult::Inserted(1..)))
}

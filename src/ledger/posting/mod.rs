//! Writes an entry of any kind: all of its lines, or none.
//!
//! An entry that is accepted takes two round trips, whatever the number of its accounts and lines. The steps:
//!
//! 1. read the accounts and lock them, all of them in one statement, in the order of their ids (`FOR NO KEY UPDATE`; on SQLite the
//!    transaction has the write lock already),
//! 2. write the entry, the accounts' totals and the lines (where they change what is pending, the pending totals after them as
//!    well): in one statement where the engine can, else in one text of several ([`together`]).
//!
//! Lines that are late (see [`history`](super::history)) bring their sums in statements of their own: they can have more parameters than
//! one statement takes. What ends or undoes an entry, or has a [`reference`], is inserted by itself before the rest, for only the
//! database knows whether it is the first to.
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
mod apply;
mod condition;
mod draft;
mod error;
mod late;
mod movement;
mod reference;
mod resolve;
mod rows;
mod together;

use super::closing::refuse_closed;
use super::{Clock, find, input, insert_once};
pub(super) use all::WrittenEntries;
pub use all::{BulkPosting, PostEntriesError};
pub use condition::{BalanceCondition, BalanceKind, UnmetCondition};
pub(super) use draft::{Draft, DraftLine};
pub use draft::{EntryNotes, ExpectedVersion, OnTakenReference};
pub use error::PostEntryError;

use apply::applied;
use daybook_entity::{account, entry, entry_line};
use late::Late;
use movement::Movement;
use resolve::{Locked, Resolved};
use rows::Rows;
use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use std::collections::BTreeMap;
use uuid::Uuid;

/// An entry as it was posted.
#[derive(Clone, Debug, PartialEq)]
pub struct PostedEntry {
    /// The entry.
    pub entry: entry::Model,
    /// Its lines, in order.
    pub lines: Vec<entry_line::Model>,
    /// The accounts that it touched, as they are now, by id.
    pub accounts: Vec<account::Model>,
    /// Whether it was there before, under the reference that was given, so that nothing was written now.
    pub already_posted: bool,
}

/// Writes the entry and all that it changes; `None`, and nothing written, when another entry was first to resolve or reverse the same one, or
/// to be that part of it. If another entry has its reference, that entry is the answer, or the refusal, and nothing is written.
pub(super) async fn write(
    db: &impl ConnectionTrait,
    draft: Draft,
    clock: &Clock,
) -> Result<Option<PostedEntry>, PostEntryError> {
    let mut draft = draft;
    let mut problems = std::mem::take(&mut draft.problems);
    // Not for what resolves a hold: its lines are made from the hold's (up to two for each), not written by a caller.
    if draft.resolves_id.is_none() {
        problems.extend(resolve::check(&draft));
    }
    if !problems.is_empty() {
        return Err(Box::pin(resolve::refused(db, &draft, problems)).await);
    }
    let drafts = [draft];
    let mut locked = Locked::default();
    resolve::lock(db, &drafts, &mut locked).await?;
    let [mut draft] = drafts;
    let parts = std::mem::take(&mut draft.part.lines);
    let Resolved {
        lines,
        movements,
        ledger,
    } = resolve::resolve(&locked, &draft)?;
    let has_rival = draft.has_rival();
    let (on_taken, counts_from) = (draft.on_taken_reference, draft.counts_from);
    // The accounts are locked from here on. The next entry on them is recorded later, and by default also counts from later.
    let entry = draft.recorded_at(input::instant("now", clock.now())?, ledger);
    let failed = |source| PostEntryError::Database {
        entry_id: entry.id,
        source,
    };
    // Report the rival itself, not its effects on the accounts: insert first, then check the accounts. The second of two rivals may read
    // balances that the first has changed, and only the insert knows that there was a first.
    if has_rival && !insert_once(db, &entry).await.map_err(failed)? {
        let repeat = reference::Repeat {
            on_taken,
            counts_from,
            lines: &lines,
            accounts: &locked.accounts,
        };
        // Boxed: it is rare, and every entry's future would otherwise be as large.
        return Box::pin(reference::answer(db, &entry, repeat)).await;
    }
    if !locked.closed.is_empty() {
        let touched = touched(&locked, &movements);
        refuse_closed(db, &entry, touched, &locked.closed).await?;
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
    statements.extend(together::words(std::slice::from_ref(&entry)));
    statements.extend(together::inserts(&pending));
    statements.extend(together::inserts(&parts));
    statements.extend(together::inserts(&lines));
    together::execute(db, statements).await.map_err(failed)?;
    let mut late = Late::default();
    late.add(db, &entry, &after, &changes).await?;
    late.write(db).await.map_err(failed)?;

    Ok(Some(PostedEntry {
        entry,
        lines,
        accounts: after.into_values().collect(),
        already_posted: false,
    }))
}

/// The accounts that lines touch, of those that are locked.
fn touched<'a>(
    locked: &'a Locked,
    movements: &'a BTreeMap<Uuid, Movement>,
) -> impl Iterator<Item = &'a account::Model> {
    let moved = movements.iter().filter(|(_, movement)| movement.lines > 0);
    moved.filter_map(|(id, _)| locked.accounts.get(id))
}

/// Inserts the entry. `false` when another operation has resolved or reversed the same entry meanwhile, or has used the same reference.
/// This waits until that operation has ended. That nothing had resolved or reversed the entry was checked before: there, only
/// concurrent writers (PostgreSQL, MariaDB) can race.
async fn insert_once(db: &impl ConnectionTrait, entry: &entry::Model) -> Result<bool, DbErr> {
    // The triggers of SQLite refuse a row that is in another's way, also where the statement would insert nothing. There is one
    // writer, so what is not found here cannot appear before the insert.
    if db.get_database_backend() == DbBackend::Sqlite
        && let Some(reference) = &entry.reference
        && find::entry_by_reference(db, reference, entry.ledger.as_deref())
            .await?
            .is_some()
    {
        return Ok(false);
    }
    insert_once::insert_once(db, entry, &[]).await
}

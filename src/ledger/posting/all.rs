//! Writes many entries. The result is that of posting them one after the other; a batch takes as many statements as one entry does.
//!
//! Their accounts are locked when an entry first names them, and stay locked until the transaction ends, so what is known of them stays
//! true: each entry is checked against the accounts as those before it leave them. The rows of a batch are written together. The
//! rows of the accounts are written once, at the end: PostgreSQL keeps every version of a row that a transaction writes until the
//! transaction ends, and would read all of them each time. What the module above says of one entry holds for each of these.

use super::apply::applied;
use super::draft::{Draft, OnTakenReference};
use super::error::PostEntryError;
use super::late::Late;
use super::movement::{self, Movement};
use super::reference;
use super::resolve::{self, Locked, Resolved};
use super::rows::{self, Rows};
use super::together;
use super::touched;
use crate::ledger::closing::refuse_closed;
use crate::ledger::{Clock, InvalidInput, input};
use daybook_entity::{account, entry, entry_line};
use sea_orm::{ConnectionTrait, DbErr};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Why entries were not posted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostEntriesError {
    /// One of them is refused, or none can be read.
    #[error("the entry {index} of several was not posted: {source}")]
    Entry {
        /// Which, from 0; the first where it is not about one.
        index: usize,
        /// Why.
        source: PostEntryError,
    },
    /// There are too few or too many of them.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// The database failed.
    #[error("the database failed while entries were being posted")]
    Database(#[from] DbErr),
}

impl PostEntriesError {
    /// The database's own error, where it is what failed; a refusal, as one.
    #[must_use]
    pub fn into_db_err(self) -> DbErr {
        match self {
            Self::Database(source) => source,
            Self::Entry { source, .. } => source.into_db_err(),
            Self::Input(refusal) => DbErr::Custom(refusal.to_string()),
        }
    }
}

/// Entries of one batch, as they were written.
pub(in crate::ledger) struct WrittenEntries {
    /// In their order.
    pub(in crate::ledger) entries: Vec<entry::Model>,
    /// All of the first entry, then all of the second, and so on.
    pub(in crate::ledger) lines: Vec<entry_line::Model>,
}

/// Entries that one transaction posts, in batches.
#[derive(Default)]
pub struct BulkPosting {
    locked: Locked,
    /// Not yet written to the accounts' rows.
    movements: BTreeMap<Uuid, Movement>,
}

impl BulkPosting {
    /// Writes entries, none of which resolves or reverses another, in their order; their accounts are written by [`Self::end`].
    pub(in crate::ledger) async fn write(
        &mut self,
        db: &impl ConnectionTrait,
        drafts: Vec<Draft>,
        clock: &Clock,
    ) -> Result<WrittenEntries, PostEntriesError> {
        let at = |index| move |source| PostEntriesError::Entry { index, source };
        for (index, draft) in drafts.iter().enumerate() {
            if draft.on_taken_reference != OnTakenReference::Refuse {
                let problem = "cannot be chosen for entries that are posted together";
                let refusal = InvalidInput::new("onTakenReference", problem);
                return Err(at(index)(refusal.into()));
            }
            let problems = resolve::check(draft);
            if !problems.is_empty() {
                // Boxed: it is rare, and every import's future would otherwise be as large.
                let refused = Box::pin(resolve::refused(db, draft, problems)).await;
                return Err(at(index)(refused));
            }
        }
        let locking = resolve::lock(db, &drafts, &mut self.locked);
        locking.await.map_err(at(0))?;
        let now = input::instant("now", clock.now()).map_err(|error| at(0)(error.into()))?;

        let mut entries: Vec<entry::Model> = Vec::with_capacity(drafts.len());
        let (mut all_lines, mut all_pending) = (Vec::new(), Vec::new());
        let mut late = Late::default();
        for (index, draft) in drafts.into_iter().enumerate() {
            let resolved = resolve::resolve(&self.locked, &draft);
            let Resolved {
                lines,
                movements,
                ledger,
            } = resolved.map_err(at(index))?;
            let entry = draft.recorded_at(now, ledger);
            if !self.locked.closed.is_empty() {
                let touched = touched(&self.locked, &movements);
                let checked = refuse_closed(db, &entry, touched, &self.locked.closed).await;
                checked.map_err(at(index))?;
            }
            let accounts = &mut self.locked.accounts;
            let after = applied(accounts, &movements, &entry).map_err(at(index))?;
            let Rows {
                lines,
                pending,
                changes,
            } = rows::rows(entry.id, &lines, &movements, &after);
            late.add(db, &entry, &after, &changes)
                .await
                .map_err(at(index))?;
            all_lines.extend(lines);
            all_pending.extend(pending);
            for (id, movement) in &movements {
                self.movements.entry(*id).or_default().add_all(movement);
            }
            self.locked.accounts.extend(after);
            entries.push(entry);
        }
        let mut statements: Vec<_> = if entries.iter().any(|it| it.reference.is_some()) {
            let inserted = reference::insert_all(db, &entries).await?;
            inserted.map_err(|(index, source)| at(index)(source))?;
            Vec::new()
        } else {
            together::inserts(&entries).collect()
        };
        statements.extend(together::words(&entries));
        statements.extend(together::inserts(&all_pending));
        statements.extend(together::inserts(&all_lines));
        together::execute(db, statements).await?;
        late.write(db).await?;
        Ok(WrittenEntries {
            entries,
            lines: all_lines,
        })
    }

    /// The accounts that the entries touched, as the last one has left them, by id.
    pub(in crate::ledger) fn accounts(&self) -> Vec<account::Model> {
        let touched = self.movements.iter().filter(|(_, it)| it.lines > 0);
        let accounts = touched.filter_map(|(id, _)| self.locked.accounts.get(id));
        accounts.cloned().collect()
    }

    /// Writes the rows of the accounts.
    ///
    /// # Errors
    /// When the database fails. The transaction must then be rolled back.
    pub async fn end(self, db: &impl ConnectionTrait) -> Result<(), PostEntriesError> {
        // Within every engine's number of parameters.
        const ACCOUNTS: usize = 1000;
        let latest = |id: &Uuid| {
            let account: Option<&account::Model> = self.locked.accounts.get(id);
            account.and_then(|it| it.latest_effective_at)
        };
        let mut movements = self.movements.into_iter().peekable();
        while movements.peek().is_some() {
            let some: BTreeMap<Uuid, Movement> = movements.by_ref().take(ACCOUNTS).collect();
            // Each has had an entry, and so a latest instant.
            let latest = |id: &Uuid| latest(id).unwrap_or_default();
            let updates = movement::updates(db.get_database_backend(), &some, latest);
            together::execute(db, updates).await?;
        }
        Ok(())
    }
}

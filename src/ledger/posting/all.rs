//! Writes many entries at once: as one after the other would, in as many statements as one of them takes.
//!
//! Their accounts are locked together, and each entry is checked against the accounts as those before it leave them; the rows of all are
//! written at the end. What is said of one entry in the module above holds for each.

use super::error::PostEntryError;
use super::late::Late;
use super::movement::{self, Movement};
use super::resolve::{self, Resolved};
use super::rows::{self, Rows};
use super::{Draft, applied, together};
use crate::ledger::{Clock, input};
use daybook_entity::{account, entry};
use sea_orm::{ConnectionTrait, DbErr};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Why entries were not posted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostEntriesError {
    /// One of them is refused, or none can be read.
    #[error("the entry {index} of several was not posted")]
    Entry {
        /// Which, from 0; the first where it is not about one.
        index: usize,
        /// Why.
        source: PostEntryError,
    },
    /// The database failed.
    #[error("the database failed while entries were being posted")]
    Database(#[from] DbErr),
}

/// Writes the entries, none of which resolves or reverses another, in their order.
pub(in crate::ledger) async fn write_all(
    db: &impl ConnectionTrait,
    drafts: Vec<Draft>,
    clock: &Clock,
) -> Result<(), PostEntriesError> {
    let at = |index| move |source| PostEntriesError::Entry { index, source };
    for (index, draft) in drafts.iter().enumerate() {
        resolve::check(&draft.lines, &draft.expect).map_err(|error| at(index)(error.into()))?;
    }
    let mut locked = resolve::lock(db, &drafts).await.map_err(at(0))?;
    let now = input::instant("now", clock.now()).map_err(|error| at(0)(error.into()))?;

    let mut entries: Vec<entry::Model> = Vec::with_capacity(drafts.len());
    let (mut all_lines, mut all_pending) = (Vec::new(), Vec::new());
    let mut all_movements: BTreeMap<Uuid, Movement> = BTreeMap::new();
    let mut late = Late::default();
    for (index, draft) in drafts.into_iter().enumerate() {
        let resolved = resolve::resolve(&locked, &draft.lines, &draft.expect);
        let Resolved { lines, movements } = resolved.map_err(at(index))?;
        let entry = draft.recorded_at(now);
        let after = applied(&mut locked.accounts, &movements, &entry).map_err(at(index))?;
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
            all_movements.entry(*id).or_default().add_all(movement);
        }
        locked.accounts.extend(after);
        entries.push(entry);
    }

    let latest = |id: &Uuid| {
        let account: Option<&account::Model> = locked.accounts.get(id);
        account.and_then(|it| it.latest_effective_at).unwrap_or(now)
    };
    let mut statements: Vec<_> = together::inserts(&entries).collect();
    let engine = db.get_database_backend();
    statements.extend(movement::updates(engine, &all_movements, latest));
    statements.extend(together::inserts(&all_pending));
    statements.extend(together::inserts(&all_lines));
    together::execute(db, statements).await?;
    late.write(db).await?;
    Ok(())
}

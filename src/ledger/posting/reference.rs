//! References: the names that callers give their entries, at most one entry of a ledger for each, for ever.
//!
//! A unique index keeps this. The domain does not wait for the index to refuse an entry, which would end the transaction on PostgreSQL: it
//! inserts the entry only if no row is in the way, and then reads whose row that is.
//!
//! A caller that does not know whether its entry was posted can post it again under its reference: the answer is then the earlier
//! entry, if it is what would have been posted. An input that differs is refused, with the names of the fields that differ, because the
//! caller would otherwise believe that the second input was posted.

use super::draft::{CountsFrom, OnTakenReference};
use super::error::PostEntryError;
use super::resolve::ResolvedLine;
use super::{PostedEntry, find, together};
use crate::ledger::{annotate_entry, insert_once};
use daybook_entity::{account, entry, entry_line};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use std::collections::{BTreeMap, HashMap};

/// What the caller wants of an entry that is there already.
pub(super) struct Repeat<'a> {
    pub(super) on_taken: OnTakenReference,
    pub(super) counts_from: CountsFrom,
    pub(super) lines: &'a [ResolvedLine],
    /// The accounts that are locked, by id.
    pub(super) accounts: &'a BTreeMap<uuid::Uuid, account::Model>,
}

/// The answer to `entry`, which was not inserted; `None` where no entry has its reference, and so something else was in the way.
pub(super) async fn answer(
    db: &impl ConnectionTrait,
    entry: &entry::Model,
    repeat: Repeat<'_>,
) -> Result<Option<PostedEntry>, PostEntryError> {
    let failed = |source| PostEntryError::Database {
        entry_id: entry.id,
        source,
    };
    let Some(reference) = &entry.reference else {
        return Ok(None);
    };
    let earlier = find::entry_by_reference(db, reference, entry.ledger.as_deref())
        .await
        .map_err(failed)?;
    let Some(earlier) = earlier else {
        return Ok(None);
    };
    if repeat.on_taken == OnTakenReference::Refuse {
        return Err(taken(reference, &earlier, Vec::new()));
    }
    let mut lines = find::lines_by_entry_id(db, [earlier.id])
        .await
        .map_err(failed)?;
    let lines = lines.remove(&earlier.id).unwrap_or_default();
    // Metadata may have been added since.
    let metadata = annotate_entry::first_metadata(db, &earlier);
    let metadata = metadata.await.map_err(failed)?;
    let posted = entry::Model {
        metadata,
        ..earlier.clone()
    };
    let differs = differences(entry, &repeat, &posted, &lines);
    if !differs.is_empty() {
        return Err(taken(reference, &earlier, differs));
    }
    let touched = |account: &&account::Model| {
        let mut lines = lines.iter();
        lines.any(|it| [it.debit_account_id, it.credit_account_id].contains(&account.id))
    };
    Ok(Some(PostedEntry {
        accounts: repeat.accounts.values().filter(touched).cloned().collect(),
        entry: earlier,
        lines,
        already_posted: true,
    }))
}

fn taken(reference: &str, earlier: &entry::Model, differs: Vec<String>) -> PostEntryError {
    PostEntryError::ReferenceTaken {
        reference: reference.to_owned(),
        entry_id: earlier.id,
        differs,
    }
}

/// The most lines that are named one by one.
const NAMED: usize = 20;

/// The fields in which the input is not that of the earlier entry, as the caller writes them.
fn differences(
    entry: &entry::Model,
    repeat: &Repeat<'_>,
    earlier: &entry::Model,
    lines: &[entry_line::Model],
) -> Vec<String> {
    let effective_at = repeat.counts_from.at(earlier.recorded_at);
    let fields = [
        ("kind", entry.kind != earlier.kind),
        ("hold", entry.resolves_id != earlier.resolves_id),
        ("entry", entry.reverses_id != earlier.reverses_id),
        ("expiresAt", entry.expires_at != earlier.expires_at),
        ("effectiveAt", effective_at != earlier.effective_at),
        ("description", entry.description != earlier.description),
        ("metadata", entry.metadata != earlier.metadata),
        ("lines", repeat.lines.len() != lines.len()),
    ];
    let fields = fields.into_iter().filter(|(_, differs)| *differs);
    let fields = fields.map(|(field, _)| field.to_owned());
    let pairs = repeat.lines.iter().zip(lines).zip(0..);
    let pairs = pairs.filter(|((new, old), _)| !is_same(new, old));
    let pairs = pairs.map(|(_, index): (_, usize)| format!("lines[{index}]"));
    fields.chain(pairs.take(NAMED)).collect()
}

fn is_same(new: &ResolvedLine, old: &entry_line::Model) -> bool {
    new.debit == old.debit_account_id
        && new.credit == old.credit_account_id
        && new.amount == old.amount
        && new.currency == old.currency
        && new.effect == old.effect
}

/// Inserts entries of which some have references. Otherwise answers the index of one that cannot have its reference, and why: the
/// transaction must then be rolled back.
pub(super) async fn insert_all(
    db: &impl ConnectionTrait,
    entries: &[entry::Model],
) -> Result<Result<(), (usize, PostEntryError)>, DbErr> {
    if let Some(refusal) = any_taken(db, entries).await? {
        return Ok(Err(refusal));
    }
    for some in entries.chunks(together::ROWS) {
        if insert_once::insert_all_once(db, some, &[]).await? {
            continue;
        }
        // Another transaction has committed one of the references since they were looked up.
        return match any_taken(db, some).await? {
            Some(refusal) => Ok(Err(refusal)),
            None => Err(DbErr::RecordNotInserted),
        };
    }
    Ok(Ok(()))
}

/// The first of these entries whose reference another entry of its ledger has: one before it among these, or one that was posted.
async fn any_taken(
    db: &impl ConnectionTrait,
    entries: &[entry::Model],
) -> Result<Option<(usize, PostEntryError)>, DbErr> {
    let references = entries.iter().filter_map(|it| it.reference.as_deref());
    let found = entry::Entity::find()
        .filter(entry::Column::Reference.is_in(references))
        .all(db)
        .await?;
    let found = found
        .iter()
        .filter_map(|it| Some(((it.reference.as_deref()?, it.ledger.as_deref()), it)));
    let mut owners: HashMap<(&str, Option<&str>), &entry::Model> = found.collect();
    for (index, entry) in entries.iter().enumerate() {
        let Some(reference) = entry.reference.as_deref() else {
            continue;
        };
        let named = (reference, entry.ledger.as_deref());
        let owner = *owners.entry(named).or_insert(entry);
        if owner.id != entry.id {
            return Ok(Some((index, taken(reference, owner, Vec::new()))));
        }
    }
    Ok(None)
}

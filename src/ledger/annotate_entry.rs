//! Adds metadata to an entry that was posted.
//!
//! Keys are added. A key that has another value already is refused, unless the caller asks for the value to be replaced: then the history
//! keeps what it was. Nothing else of an entry ever changes.

use super::{Clock, Code, Id, InvalidInput, find, input, locking};
use crate::ledger::dialect;
use daybook_entity::{entry, entry_change};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Value,
};
use serde_json::Value as Json;
use std::collections::HashMap;
use uuid::Uuid;

/// How often the metadata of an entry can be changed.
pub const CHANGES_PER_ENTRY: i64 = 100;

/// How a caller names an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryRef {
    /// By its id.
    Id(Uuid),
    /// By the reference that it was posted with, if only one entry has it.
    Reference(String),
}

/// Metadata to add to an entry.
#[derive(Clone, Debug)]
pub struct AnnotateEntry {
    /// The entry.
    pub entry: EntryRef,
    /// A JSON object: its keys are added, those at the top alone.
    pub metadata: Json,
    /// Whether a key that has another value already gets the new one.
    pub replace: bool,
    /// Who adds it: 1 to 1024 characters, as the caller's authentication names them; none where nobody is known.
    pub recorded_by: Option<String>,
}

/// Why metadata was not added to an entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnotateEntryError {
    /// The input breaks a rule.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// No such entry.
    #[error("there is no entry {}: check its id or its reference", named(entry))]
    NotFound {
        /// As the caller named it.
        entry: EntryRef,
    },
    /// Keys have other values already.
    #[error(
        "the metadata of the entry {} has other values for {}: choose other keys, or ask for these values to be replaced, which keeps \
         the old ones in the entry's history",
        Id::Entry(*entry_id),
        keys.iter().map(|key| format!("`{}`", key.escape_debug())).collect::<Vec<_>>().join(", ")
    )]
    KeysTaken {
        /// The entry.
        entry_id: Uuid,
        /// The keys; the first twenty.
        keys: Vec<String>,
    },
    /// The database failed.
    #[error("the database failed while metadata was being added to an entry")]
    Database {
        /// How.
        #[from]
        source: DbErr,
    },
}

impl AnnotateEntryError {
    /// What clients switch on; `None` when it is not the caller's doing.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Input(input) => Some(input.code()),
            Self::NotFound { .. } => Some(Code::EntryNotFound),
            Self::KeysTaken { .. } => Some(Code::MetadataKeyTaken),
            Self::Database { .. } => None,
        }
    }
}

fn named(entry: &EntryRef) -> String {
    match entry {
        EntryRef::Id(id) => Id::Entry(*id).to_string(),
        EntryRef::Reference(reference) => {
            format!("with the reference `{}`", reference.escape_debug())
        }
    }
}

/// Adds metadata to an entry: three statements, or one if the entry has it already, which is no change.
///
/// # Errors
/// When the input breaks a rule, when there is no such entry, when a key has another value, when the metadata would be too large, or when
/// the database fails.
pub async fn annotate_entry(
    db: &impl ConnectionTrait,
    command: AnnotateEntry,
    clock: &Clock,
) -> Result<entry::Model, AnnotateEntryError> {
    let added = input::metadata("metadata", Some(command.metadata))?;
    let found = match &command.entry {
        EntryRef::Id(id) => Some(entry::Column::Id.eq(*id)),
        EntryRef::Reference(text) => {
            find::stored_reference(text).map(|it| entry::Column::Reference.eq(it))
        }
    };
    let found = match found {
        // The lock is not that of a foreign key: other entries can still end or reverse this one.
        Some(found) => {
            let select = entry::Entity::find().filter(found);
            let mut found = select.lock(locking::of_update(db)).all(db).await?;
            if found.len() > 1 {
                let problem = "is that of an entry in each of several ledgers: give the id of one";
                return Err(InvalidInput::new("entry.reference", problem).into());
            }
            found.pop()
        }
        None => None,
    };
    let Some(entry) = found else {
        let entry = command.entry;
        return Err(AnnotateEntryError::NotFound { entry });
    };
    let metadata = merged(&entry, added, command.replace)?;
    if is_same(&metadata, &entry.metadata) {
        return Ok(entry);
    }
    let last = entry_change::Entity::find()
        .select_only()
        .column_as(entry_change::Column::Number.max(), "last")
        .filter(entry_change::Column::EntryId.eq(entry.id))
        .into_tuple::<Option<i64>>()
        .one(db)
        .await?;
    let number = last.flatten().unwrap_or(0) + 1;
    if number > CHANGES_PER_ENTRY {
        let problem =
            format!("cannot be changed any more: it was changed {CHANGES_PER_ENTRY} times");
        return Err(InvalidInput::new("metadata", problem).into());
    }
    let recorded_at = input::instant("now", clock.now())?;
    let change = [
        number.into(),
        metadata.clone().into(),
        recorded_at.into(),
        command.recorded_by.into(),
        entry.id.into(),
    ];
    write(db, change, entry.id).await?;
    Ok(entry::Model { metadata, ..entry })
}

/// Writes a change. The database writes it to the entry. What was before is copied, as it is spelled.
async fn write(db: &impl ConnectionTrait, change: [Value; 5], entry_id: Uuid) -> Result<(), DbErr> {
    let engine = db.get_database_backend();
    if engine != DbBackend::MySql {
        let insert = "INSERT INTO entry_change (entry_id, number, metadata_before, metadata_after, recorded_at, recorded_by)
             SELECT id, $1, metadata, $2, $3, $4 FROM entry WHERE id = $5";
        let insert = dialect::statement(engine, insert, change);
        return db.execute_raw(insert).await.map(drop);
    }
    // There, a table that a statement reads cannot be written by its triggers.
    let before = "SELECT metadata FROM entry WHERE id = $1";
    let before = dialect::statement(engine, before, [entry_id.into()]);
    let before = db.query_one_raw(before).await?;
    let before: Option<String> = before.map(|row| row.try_get("", "metadata")).transpose()?;
    let insert = "INSERT INTO entry_change (number, metadata_after, recorded_at, recorded_by, entry_id, metadata_before)
         VALUES ($1, $2, $3, $4, $5, $6)";
    let values = change.into_iter().chain([before.into()]);
    let insert = dialect::statement(engine, insert, values);
    db.execute_raw(insert).await.map(drop)
}

/// The entry's metadata with these keys.
fn merged(entry: &entry::Model, added: Json, replace: bool) -> Result<Json, AnnotateEntryError> {
    /// The most keys that a refusal names.
    const NAMED: usize = 20;
    let (Json::Object(mut metadata), Json::Object(added)) = (entry.metadata.clone(), added) else {
        return Err(InvalidInput::new("metadata", "must be a JSON object").into());
    };
    if !replace {
        let taken = added.iter();
        let taken =
            taken.filter(|(key, value)| metadata.get(*key).is_some_and(|it| !is_same(it, value)));
        let keys: Vec<_> = taken.map(|(key, _)| key.clone()).take(NAMED).collect();
        if !keys.is_empty() {
            let entry_id = entry.id;
            return Err(AnnotateEntryError::KeysTaken { entry_id, keys });
        }
    }
    metadata.extend(added);
    Ok(input::metadata("metadata", Some(Json::Object(metadata)))?)
}

/// Whether two values are the same. Numbers are compared by what they are worth, as PostgreSQL does: `1.0` for `1` is no change.
fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => match (whole(one), whole(other)) {
            (Some(one), Some(other)) => one == other,
            _ => one.as_f64() == other.as_f64(),
        },
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            let has = |(key, value): (&String, &Json)| {
                other.get(key).is_some_and(|it| is_same(value, it))
            };
            one.len() == other.len() && one.iter().all(has)
        }
        _ => one == other,
    }
}

/// The number, if it is written as an integer: all of its digits count then.
fn whole(number: &serde_json::Number) -> Option<i128> {
    let positive = number.as_u64().map(i128::from);
    positive.or_else(|| number.as_i64().map(i128::from))
}

/// The changes of the metadata of entries, newest first, by the entry's id: one statement.
///
/// # Errors
/// When the database fails.
pub async fn entry_changes(
    db: &impl ConnectionTrait,
    entry_ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Vec<entry_change::Model>>, DbErr> {
    let rows = entry_change::Entity::find()
        .filter(entry_change::Column::EntryId.is_in(entry_ids))
        .order_by_asc(entry_change::Column::EntryId)
        .order_by_desc(entry_change::Column::Number)
        .all(db)
        .await?;
    let mut changes: HashMap<Uuid, Vec<entry_change::Model>> = HashMap::new();
    for row in rows {
        changes.entry(row.entry_id).or_default().push(row);
    }
    Ok(changes)
}

/// The metadata that an entry was posted with: one statement.
pub(super) async fn first_metadata(
    db: &impl ConnectionTrait,
    entry: &entry::Model,
) -> Result<Json, DbErr> {
    let first = entry_change::Entity::find_by_id((entry.id, 1))
        .one(db)
        .await?;
    Ok(first.map_or_else(|| entry.metadata.clone(), |it| it.metadata_before))
}

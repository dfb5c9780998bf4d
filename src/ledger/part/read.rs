//! Reads what parts there are, and what is left.

use super::{OpenLine, Relation, Subject};
use crate::ledger::{find, sql::Sql};
use chrono::{DateTime, Utc};
use daybook_entity::{EntryKind, LineEffect, entry, entry_line, line_part};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect,
};
use std::collections::HashMap;
use uuid::Uuid;

/// What decides of an entry. Its metadata, which is large, does not.
#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    kind: EntryKind,
    effective_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    resolves_id: Option<Uuid>,
    reverses_id: Option<Uuid>,
    reference: Option<String>,
    ledger: Option<String>,
    part: Option<i32>,
    leaves_rest: bool,
}

impl Row {
    const fn is_about(&self, relation: Relation) -> Option<Uuid> {
        match relation {
            Relation::Reverses => self.reverses_id,
            Relation::Resolves => self.resolves_id,
        }
    }

    /// What undoes or ends an entry at once would have been its first part.
    fn number(&self) -> i32 {
        self.part.unwrap_or(1)
    }
}

/// The entry with this id, what parts of it there are, and whether an entry of its ledger has the reference: one statement.
pub(in crate::ledger) async fn subject(
    db: &impl ConnectionTrait,
    relation: Relation,
    id: Uuid,
    reference: Option<&str>,
) -> Result<Option<Subject>, DbErr> {
    use entry::Column;
    let found: Vec<Row> = entry::Entity::find()
        .select_only()
        .columns([
            Column::Id,
            Column::Kind,
            Column::EffectiveAt,
            Column::ExpiresAt,
            Column::ResolvesId,
            Column::ReversesId,
            Column::Reference,
            Column::Ledger,
            Column::Part,
            Column::LeavesRest,
        ])
        .filter(
            Condition::any()
                .add(Column::Id.eq(id))
                .add(relation.column().eq(id))
                .add_option(reference.map(|it| Column::Reference.eq(it))),
        )
        .into_model()
        .all(db)
        .await?;
    let Some(row) = found.iter().find(|it| it.id == id) else {
        return Ok(None);
    };
    let owner = found.iter().find(|it| {
        reference.is_some() && it.reference.as_deref() == reference && it.ledger == row.ledger
    });
    let mut parts = found.iter().filter(|it| it.is_about(relation) == Some(id));
    let (parts, ended_by) = match owner {
        Some(owner) if owner.is_about(relation) == Some(id) => (owner.number() - 1, None),
        Some(_) => (0, None),
        None => (
            parts.clone().map(Row::number).max().unwrap_or(0),
            parts.find(|it| !it.leaves_rest).map(|it| (it.id, it.kind)),
        ),
    };
    let is_taken = owner.is_some();
    Ok(Some(Subject {
        id,
        kind: row.kind,
        effective_at: row.effective_at,
        expires_at: row.expires_at,
        ended_by,
        is_taken,
        parts,
    }))
}

/// The lines of the subject of which something can be taken, with what is left: one statement, and one more if there are parts.
pub(in crate::ledger) async fn lines(
    db: &impl ConnectionTrait,
    relation: Relation,
    subject: &Subject,
) -> Result<Vec<OpenLine>, DbErr> {
    let mut lines = find::lines_by_entry_id(db, [subject.id]).await?;
    let mut left = match subject.parts {
        0 => HashMap::new(),
        parts => left(db, &[subject.id], parts).await?,
    };
    let mut left = left.remove(&subject.id).unwrap_or_default();
    let lines = lines.remove(&subject.id).unwrap_or_default().into_iter();
    let lines = lines.filter(|line| relation.is_about(line.effect));
    let open = lines.map(|line| OpenLine {
        remaining: left.remove(&line.line_no).unwrap_or(line.amount),
        line,
    });
    Ok(open.collect())
}

/// What the first `parts` parts have left of the lines of these entries, by line, for those lines of which they took something.
async fn left(
    db: &impl ConnectionTrait,
    entry_ids: &[Uuid],
    parts: i32,
) -> Result<HashMap<Uuid, HashMap<i32, i64>>, DbErr> {
    let mut left: HashMap<Uuid, HashMap<i32, i64>> = HashMap::new();
    for (entry_id, line_no, remaining) in query(db, of_lines(entry_ids, parts)).await? {
        left.entry(entry_id).or_default().insert(line_no, remaining);
    }
    Ok(left)
}

/// One row of the index for each line, whatever the number of parts.
fn of_lines(entry_ids: &[Uuid], parts: i32) -> Sql {
    Sql::new(
        "SELECT entry_id, line_no, remaining FROM (
             SELECT entry_id, line_no, (
                 SELECT remaining FROM line_part AS part
                 WHERE part.entry_id = entry_line.entry_id AND part.line_no = entry_line.line_no AND part.part <= ",
    )
    .and(Sql::new("?").bind(parts))
    .then(" ORDER BY part.part DESC LIMIT 1) AS remaining FROM entry_line WHERE entry_id IN (")
    .and(list(entry_ids))
    .then(")) AS lines WHERE remaining IS NOT NULL")
}

fn list(ids: &[Uuid]) -> Sql {
    Sql::join(ids.iter().map(|id| Sql::new("?").bind(*id)), ", ")
}

async fn query(db: &impl ConnectionTrait, sql: Sql) -> Result<Vec<(Uuid, i32, i64)>, DbErr> {
    let rows = db.query_all_raw(sql.statement(db)).await?;
    let rows = rows.into_iter().map(|row| {
        Ok((
            row.try_get("", "entry_id")?,
            row.try_get("", "line_no")?,
            row.try_get("", "remaining")?,
        ))
    });
    rows.collect()
}

/// What is left of an entry's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remaining {
    is_over: bool,
    left: HashMap<i32, i64>,
}

impl Remaining {
    /// What is left of a line of the entry: of money that was moved, what no reversal has moved back; of what was set aside, what is neither
    /// captured nor released. None for a line that has only freed something.
    #[must_use]
    pub fn of(&self, line: &entry_line::Model) -> Option<i64> {
        match line.effect {
            LineEffect::Release => None,
            _ if self.is_over => Some(0),
            _ => Some(*self.left.get(&line.line_no).unwrap_or(&line.amount)),
        }
    }
}

/// What is left of the lines of these entries, by the entry's id; entries of which nothing was taken are not among them. One statement.
///
/// # Errors
/// When the database fails.
pub async fn remaining_by_entry_id(
    db: &impl ConnectionTrait,
    entry_ids: &[Uuid],
) -> Result<HashMap<Uuid, Remaining>, DbErr> {
    /// What stands for all lines.
    const ALL: i32 = 0;
    if entry_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut sql = of_lines(entry_ids, super::MOST_PARTS);
    for column in ["reverses_id", "resolves_id"] {
        sql = sql
            .then(&format!(
                " UNION ALL SELECT {column}, {ALL}, 0 FROM entry WHERE NOT leaves_rest AND {column} IN ("
            ))
            .and(list(entry_ids))
            .then(")");
    }
    let mut all: HashMap<Uuid, Remaining> = HashMap::new();
    for (entry_id, line_no, remaining) in query(db, sql).await? {
        let entry = all.entry(entry_id).or_default();
        if line_no == ALL {
            entry.is_over = true;
        } else {
            entry.left.insert(line_no, remaining);
        }
    }
    Ok(all)
}

/// An entry that is about another one. Its metadata, which is large, is left to be read once it is known how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Its id.
    pub id: Uuid,
    /// What it does.
    pub kind: EntryKind,
}

/// What has undone these entries, wholly or in part, in its order, by the id of the entry that is undone: at most 100 each.
///
/// # Errors
/// When the database fails.
pub async fn reversals_of_entries(
    db: &impl ConnectionTrait,
    entry_ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Vec<About>>, DbErr> {
    about(db, Relation::Reverses, entry_ids).await
}

/// What has captured or released these holds, wholly or in part, in its order, by the hold's id: at most 100 each.
///
/// # Errors
/// When the database fails.
pub async fn resolutions_by_hold_id(
    db: &impl ConnectionTrait,
    hold_ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Vec<About>>, DbErr> {
    about(db, Relation::Resolves, hold_ids).await
}

async fn about(
    db: &impl ConnectionTrait,
    relation: Relation,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Vec<About>>, DbErr> {
    let rows: Vec<(Uuid, Uuid, EntryKind)> = entry::Entity::find()
        .select_only()
        .columns([relation.column(), entry::Column::Id, entry::Column::Kind])
        .filter(relation.column().is_in(ids))
        .order_by_asc(relation.column())
        .order_by_asc(entry::Column::Part)
        .into_tuple()
        .all(db)
        .await?;
    let mut parts: HashMap<Uuid, Vec<About>> = HashMap::new();
    for (subject, id, kind) in rows {
        parts.entry(subject).or_default().push(About { id, kind });
    }
    Ok(parts)
}

/// What these entries take as parts of others, in the order of the lines, by the id of the part.
pub(in crate::ledger) async fn line_parts_of(
    db: &impl ConnectionTrait,
    by_entry_ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, Vec<line_part::Model>>, DbErr> {
    let mut parts: HashMap<Uuid, Vec<line_part::Model>> = HashMap::new();
    if by_entry_ids.is_empty() {
        return Ok(parts);
    }
    let rows = line_part::Entity::find()
        .filter(line_part::Column::ByEntryId.is_in(by_entry_ids))
        .order_by_asc(line_part::Column::ByEntryId)
        .order_by_asc(line_part::Column::LineNo)
        .all(db)
        .await?;
    for row in rows {
        parts.entry(row.by_entry_id).or_default().push(row);
    }
    Ok(parts)
}

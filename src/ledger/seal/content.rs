//! What an event says, as the text that is hashed: JSON with sorted keys and without spaces, of everything that was recorded with the
//! event and never changes.
//!
//! - `ENTRY`: an entry as it was posted, with the metadata that it had then. What was added later is an event of its own. If it undoes or
//!   ends another entry in part: which part it is, and what it takes and leaves of each line.
//! - `ENTRY_CHANGE`: the metadata of an entry before and after a change.
//! - `ACCOUNT_CHANGE`: an account as it was opened, or what describes it after a change.
//!
//! The text is made anew of the rows each time. So a release of Daybook must write the same text of the same row as those before it: what is
//! added to an event later is left out of the text where it has its default.

use super::super::{Id, account_changes, accounts_by_id, find, part, sql};
use super::{OutboxEvent, Subject};
use chrono::{DateTime, SecondsFormat, Utc};
use daybook_entity::{account, account_change, entry, entry_change, entry_line, line_part};
use sea_orm::{ActiveEnum, ConnectionTrait, DbErr, FromQueryResult};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// The number of the first change of an entry.
const FIRST: i64 = 1;

/// What these events say, by number. An event whose rows are not there has none. At most five statements, and one more if there are parts.
pub(super) async fn of_events(
    db: &impl ConnectionTrait,
    events: &[OutboxEvent],
) -> Result<HashMap<i64, String>, DbErr> {
    let (mut entries, mut changed, mut revisions) = (Vec::new(), Vec::new(), Vec::new());
    for event in events {
        match event.subject {
            Subject::Entry(id) => {
                entries.push(id);
                // It has the metadata that the entry was posted with.
                changed.push((id, FIRST));
            }
            Subject::EntryChange(id, number) => changed.push((id, number)),
            Subject::AccountChange(id, revision) => revisions.push((id, revision)),
        }
    }
    // The changes are read after the entries: if an entry is changed in between, its metadata from before is in the change.
    let posted = find::entries_by_id(db, entries.iter().copied()).await?;
    let lines = find::lines_by_entry_id(db, entries.iter().copied()).await?;
    let parts = posted.values().filter(|entry| entry.part.is_some());
    let parts = part::line_parts_of(db, parts.map(|entry| entry.id).collect()).await?;
    let changes = changes(db, changed).await?;
    let states = account_changes::account_changes(db, &revisions).await?;
    let accounts = accounts_by_id(db, revisions.iter().map(|(id, _)| *id)).await?;

    let mut contents = HashMap::with_capacity(events.len());
    for event in events {
        let content = match event.subject {
            Subject::Entry(id) => posted.get(&id).map(|entry| {
                let first = changes.get(&(id, FIRST));
                let metadata = first.map_or(&entry.metadata, |change| &change.metadata_before);
                let lines = lines.get(&id).map_or(&[][..], Vec::as_slice);
                let parts = parts.get(&id).map_or(&[][..], Vec::as_slice);
                of_entry(event.seq, entry, metadata, (lines, parts))
            }),
            Subject::EntryChange(id, number) => changes
                .get(&(id, number))
                .map(|change| of_entry_change(event.seq, change)),
            Subject::AccountChange(id, revision) => states
                .get(&(id, revision))
                .zip(accounts.get(&id))
                .map(|(change, account)| of_account_change(event.seq, account, change)),
        };
        if let Some(content) = content {
            let mut text = String::new();
            write(&content, &mut text);
            contents.insert(event.seq, text);
        }
    }
    Ok(contents)
}

/// These changes of entries: no others, since an entry can have a hundred, of 16 KiB each.
async fn changes(
    db: &impl ConnectionTrait,
    mut wanted: Vec<(Uuid, i64)>,
) -> Result<HashMap<(Uuid, i64), entry_change::Model>, DbErr> {
    let mut changes = HashMap::with_capacity(wanted.len());
    if wanted.is_empty() {
        return Ok(changes);
    }
    wanted.sort_unstable();
    wanted.dedup();
    let wanted = sql::numbered_of("entry_change", ("entry_id", "number"), wanted);
    for row in db.query_all_raw(wanted.statement(db)).await? {
        let change = entry_change::Model::from_query_result(&row, "")?;
        changes.insert((change.entry_id, change.number), change);
    }
    Ok(changes)
}

fn of_entry(
    number: i64,
    entry: &entry::Model,
    metadata: &Json,
    (lines, parts): (&[entry_line::Model], &[line_part::Model]),
) -> Json {
    let line = |line: &entry_line::Model| {
        json!({
            "line": line.line_no,
            "debit": Id::Account(line.debit_account_id).to_string(),
            "credit": Id::Account(line.credit_account_id).to_string(),
            "amount": line.amount.to_string(),
            "currency": line.currency,
            "effect": line.effect.to_value(),
        })
    };
    let mut content = json!({
        "event": "ENTRY",
        "number": number.to_string(),
        "entry": Id::Entry(entry.id).to_string(),
        "kind": entry.kind.to_value(),
        "lines": lines.iter().map(line).collect::<Vec<_>>(),
        "effectiveAt": instant(entry.effective_at),
        "recordedAt": instant(entry.recorded_at),
        "expiresAt": entry.expires_at.map(instant),
        "resolves": entry.resolves_id.map(|id| Id::Entry(id).to_string()),
        "reverses": entry.reverses_id.map(|id| Id::Entry(id).to_string()),
        "reference": entry.reference,
        "description": entry.description,
        "metadata": metadata,
        "recordedBy": entry.recorded_by,
    });
    if let Some(part) = entry.part {
        let taken = |it: &line_part::Model| {
            json!({
                "line": it.line_no,
                "amount": it.amount.to_string(),
                "remaining": it.remaining.to_string(),
            })
        };
        content["part"] = part.into();
        content["leavesRest"] = entry.leaves_rest.into();
        content["takes"] = parts.iter().map(taken).collect();
    }
    content
}

fn of_entry_change(number: i64, change: &entry_change::Model) -> Json {
    json!({
        "event": "ENTRY_CHANGE",
        "number": number.to_string(),
        "entry": Id::Entry(change.entry_id).to_string(),
        "change": change.number,
        "metadataBefore": change.metadata_before,
        "metadataAfter": change.metadata_after,
        "recordedAt": instant(change.recorded_at),
        "recordedBy": change.recorded_by,
    })
}

fn of_account_change(
    number: i64,
    account: &account::Model,
    change: &account_change::Model,
) -> Json {
    let mut content = json!({
        "event": "ACCOUNT_CHANGE",
        "number": number.to_string(),
        "account": Id::Account(account.id).to_string(),
        "code": account.code,
        "currency": account.currency,
        "normalSide": account.normal_side.to_value(),
        "revision": change.revision,
        "name": change.name,
        "class": change.class.map(|class| class.to_value()),
        "limitPolicy": change.limit_policy.to_value(),
        "status": change.status.to_value(),
        "metadata": change.metadata,
        "recordedAt": instant(change.recorded_at),
        "recordedBy": change.recorded_by,
    });
    for (name, limit) in [
        ("minBalance", change.min_balance),
        ("maxBalance", change.max_balance),
    ] {
        if let Some(limit) = limit {
            content[name] = limit.to_string().into();
        }
    }
    content
}

/// As answers have instants.
fn instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Writes JSON with sorted keys and without spaces, whatever order the library keeps keys in.
fn write(json: &Json, text: &mut String) {
    match json {
        Json::Object(object) => {
            let sorted: BTreeMap<_, _> = object.iter().collect();
            text.push('{');
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                *text += &Json::String(key.clone()).to_string();
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
        Json::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        plain => *text += &plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_level() {
        let json: Json =
            serde_json::from_str(r#"{"b": [{"z": 1, "a": "é\n\""}], "a": null, "B": 1.5}"#)
                .unwrap();
        let mut text = String::new();
        write(&json, &mut text);
        assert_eq!(
            text,
            "{\"B\":1.5,\"a\":null,\"b\":[{\"a\":\"é\\n\\\"\",\"z\":1}]}"
        );
    }
}

//! Seals: a chain of hashes over the events of the outbox, in their order, which shows whether the past was changed.
//!
//! The database refuses to change what is recorded. Whoever can switch its rules off, or write to its files, can change it all the same, and
//! then a balance may still add up. A seal is the SHA-256 of what an event says and of the seal before it. So a change of any event
//! changes all later seals; [`verify`](super::verify()) computes them anew. Somebody who computes all of them anew after a change cannot
//! change the [`Receipt`]s that clients have kept: one kept hash vouches for everything up to its event.
//!
//! Events are sealed once they are settled, in the order of their numbers, by a job, and not while they are posted: nobody waits
//! for the one before. So an entry has its receipt a second or two after it was posted.
//!
//! Read `content.rs` first: it says what is hashed.

mod check;
mod content;

pub(super) use check::differences;

use super::locking;
use super::outbox::{self, OutboxEvent, Subject};
use crate::ledger::dialect;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use uuid::Uuid;

/// What stands before the first seal.
const NONE_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The proof that the ledger had an event, to be kept: `hash` is the SHA-256 of `previous`, a line feed and `content`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The number of the event.
    pub number: i64,
    /// The hash of the event before it, in hexadecimal digits; 64 zeros for the first one.
    pub previous: String,
    /// What the event says, as JSON with sorted keys and without spaces; `None` where the event is not there any more.
    pub content: Option<String>,
    /// In hexadecimal digits.
    pub hash: String,
}

/// Seals at most `limit` of the events that are not sealed yet, up to number `until`, which must be settled. Returns how many: fewer
/// than `limit` if there are no more. At most nine statements.
///
/// # Errors
/// When the database fails, or an event is not there any more: later ones cannot be sealed then, and [`verify`](super::verify()) says which.
/// The transaction must then be rolled back.
pub async fn seal_events(
    db: &impl ConnectionTrait,
    until: i64,
    limit: usize,
) -> Result<usize, DbErr> {
    let engine = db.get_database_backend();
    // Other servers wait here, and then go on from what this one has sealed. Who reads does not wait.
    locking::whole(db, "seal", "SHARE ROW EXCLUSIVE").await?;
    let last = "SELECT seq, hash FROM seal ORDER BY seq DESC LIMIT 1";
    let last = db.query_one_raw(dialect::plain(engine, last));
    let (mut after, mut previous) = match last.await? {
        Some(row) => (row.try_get("", "seq")?, row.try_get("", "hash")?),
        None => (0, NONE_BEFORE.to_owned()),
    };
    let events = outbox::events_between(db, after, until, limit).await?;
    if events.is_empty() {
        return Ok(0);
    }
    let contents = content::of_events(db, &events).await?;
    let mut parameters: Vec<Value> = Vec::with_capacity(4 * events.len());
    for event in &events {
        let Some(content) = contents.get(&event.seq) else {
            return Err(DbErr::RecordNotFound(format!(
                "the event {} of the outbox",
                event.seq
            )));
        };
        let hash = hash(&previous, content);
        let entry_id = match event.subject {
            Subject::Entry(id) => Some(id),
            _ => None,
        };
        parameters.extend([
            event.seq.into(),
            after.into(),
            entry_id.into(),
            hash.clone().into(),
        ]);
        (after, previous) = (event.seq, hash);
    }
    let rows = (0..events.len()).map(|row| {
        let place = |column| 4 * row + column;
        format!(
            "(${}, ${}, ${}, ${})",
            place(1),
            place(2),
            place(3),
            place(4)
        )
    });
    let sql = format!(
        "INSERT INTO seal (seq, after_seq, entry_id, hash) VALUES {}",
        rows.collect::<Vec<_>>().join(", ")
    );
    db.execute_raw(dialect::statement(engine, sql, parameters))
        .await?;
    Ok(events.len())
}

/// The receipts of the events with these numbers, by number, as far as they are sealed.
///
/// # Errors
/// When the database fails.
pub async fn receipts(
    db: &impl ConnectionTrait,
    numbers: &[i64],
) -> Result<HashMap<i64, Receipt>, DbErr> {
    let numbers = numbers.iter().map(|number| Value::from(*number));
    let found = receipts_where(db, "seal.seq", numbers.collect()).await?;
    let by_number = found.into_iter().map(|(_, it)| (it.number, it));
    Ok(by_number.collect())
}

/// The receipts of these entries, by the entry's id, as far as they are sealed.
///
/// # Errors
/// When the database fails.
pub async fn entry_receipts(
    db: &impl ConnectionTrait,
    entries: &[Uuid],
) -> Result<HashMap<Uuid, Receipt>, DbErr> {
    let ids = entries.iter().map(|id| Value::from(*id));
    let found = receipts_where(db, "seal.entry_id", ids.collect()).await?;
    let by_entry = found.into_iter().filter_map(|(event, receipt)| {
        let Subject::Entry(id) = event.subject else {
            return None;
        };
        Some((id, receipt))
    });
    Ok(by_entry.collect())
}

/// The receipt of the last event that is sealed.
///
/// # Errors
/// When the database fails.
pub async fn latest_receipt(db: &impl ConnectionTrait) -> Result<Option<Receipt>, DbErr> {
    let sql = "SELECT MAX(seq) AS seq FROM seal";
    let row = db.query_one_raw(dialect::plain(db.get_database_backend(), sql));
    let Some(seq) = row.await?.map(|row| row.try_get("", "seq")).transpose()? else {
        return Ok(None);
    };
    let Some(seq): Option<i64> = seq else {
        return Ok(None);
    };
    Ok(receipts(db, &[seq]).await?.remove(&seq))
}

async fn receipts_where(
    db: &impl ConnectionTrait,
    column: &str,
    values: Vec<Value>,
) -> Result<Vec<(OutboxEvent, Receipt)>, DbErr> {
    if values.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<_> = (1..=values.len())
        .map(|place| format!("${place}"))
        .collect();
    let sql = format!(
        "{SEALED} WHERE {column} IN ({}) ORDER BY outbox.seq",
        places.join(", ")
    );
    let statement = dialect::statement(db.get_database_backend(), sql, values);
    let sealed = sealed(&db.query_all_raw(statement).await?)?;
    let events: Vec<_> = sealed.iter().map(|(event, ..)| *event).collect();
    let mut contents = content::of_events(db, &events).await?;
    let receipt = |(event, previous, hash): (OutboxEvent, String, String)| {
        let receipt = Receipt {
            number: event.seq,
            previous,
            content: contents.remove(&event.seq),
            hash,
        };
        (event, receipt)
    };
    Ok(sealed.into_iter().map(receipt).collect())
}

/// Events that are sealed, with the hash before each.
const SEALED: &str = "SELECT outbox.seq, outbox.entry_id, outbox.account_id, outbox.revision, seal.hash, earlier.hash AS previous
    FROM seal JOIN outbox ON outbox.seq = seal.seq LEFT JOIN seal AS earlier ON earlier.seq = seal.after_seq";

fn sealed(rows: &[QueryResult]) -> Result<Vec<(OutboxEvent, String, String)>, DbErr> {
    let mut sealed = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(event) = outbox::event_of(row)? {
            let previous: Option<String> = row.try_get("", "previous")?;
            let previous = previous.unwrap_or_else(|| NONE_BEFORE.to_owned());
            sealed.push((event, previous, row.try_get("", "hash")?));
        }
    }
    Ok(sealed)
}

/// The hash of an event: of the hash before it, a line feed, and what the event says.
fn hash(previous: &str, content: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(previous);
    digest.update("\n");
    digest.update(content);
    let mut hash = String::with_capacity(64);
    for byte in digest.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(hash, "{byte:02x}");
    }
    hash
}

//! Computes the seals anew, and compares them with those that are kept.

use super::super::outbox::{OutboxEvent, Subject, event_of};
use super::super::verify::{Difference, SealProblem};
use super::{NONE_BEFORE, content, hash};
use crate::ledger::dialect;
use sea_orm::{ConnectionTrait, DbErr};

/// How many events are read at a time: few, since an entry can have a thousand lines.
const BATCH: usize = 100;

/// What is kept of an event.
struct Kept {
    event: OutboxEvent,
    seal: Option<Seal>,
}

struct Seal {
    after: i64,
    hash: String,
}

/// The first `limit` events that are not what was sealed. They are read in batches, so memory stays bounded.
pub(in crate::ledger) async fn differences(
    db: &impl ConnectionTrait,
    limit: usize,
) -> Result<Vec<Difference>, DbErr> {
    let mut found = Vec::new();
    let engine = db.get_database_backend();
    let sql = "SELECT COALESCE(MAX(seq), 0) AS seq FROM seal";
    let last = db.query_one_raw(dialect::plain(engine, sql)).await?;
    let last: i64 = last.map_or(Ok(0), |row| row.try_get("", "seq"))?;
    // Of the seal before: its number and its hash.
    let mut before = (0, NONE_BEFORE.to_owned());
    let mut read_until = 0;
    while read_until < last && found.len() < limit {
        let kept = read(db, read_until, last).await?;
        let Some(newest) = kept.last() else {
            break;
        };
        read_until = newest.event.seq;
        let events: Vec<_> = kept.iter().map(|it| it.event).collect();
        let contents = content::of_events(db, &events).await?;
        for Kept { event, seal } in kept {
            let problem = match (contents.get(&event.seq), &seal) {
                (_, None) => Some(SealProblem::NotSealed),
                (None, Some(_)) => Some(SealProblem::Changed),
                (Some(content), Some(seal)) => {
                    let follows = seal.after == before.0;
                    let is_same = follows && seal.hash == hash(&before.1, content);
                    (!is_same).then_some(SealProblem::Changed)
                }
            };
            if let Some(problem) = problem {
                let entry_id = match event.subject {
                    Subject::Entry(id) | Subject::EntryChange(id, _) => Some(id),
                    Subject::AccountChange(..) => None,
                };
                found.push(Difference::Seal {
                    number: event.seq,
                    entry_id,
                    problem,
                });
            }
            // One event that was changed is not to make all later ones look changed.
            if let Some(seal) = seal {
                before = (event.seq, seal.hash);
            }
        }
    }
    if found.len() < limit {
        found.extend(without_events(db, limit - found.len()).await?);
    }
    found.truncate(limit);
    Ok(found)
}

async fn read(db: &impl ConnectionTrait, after: i64, until: i64) -> Result<Vec<Kept>, DbErr> {
    let sql = format!(
        "SELECT outbox.seq, outbox.entry_id, outbox.account_id, outbox.revision, seal.after_seq, seal.hash
         FROM outbox LEFT JOIN seal ON seal.seq = outbox.seq
         WHERE outbox.seq > $1 AND outbox.seq <= $2 ORDER BY outbox.seq LIMIT {BATCH}"
    );
    let parameters = [after.into(), until.into()];
    let statement = dialect::statement(db.get_database_backend(), sql, parameters);
    let mut kept = Vec::new();
    for row in db.query_all_raw(statement).await? {
        if let Some(event) = event_of(&row)? {
            let after: Option<i64> = row.try_get("", "after_seq")?;
            let hash: Option<String> = row.try_get("", "hash")?;
            let seal = after.zip(hash);
            kept.push(Kept {
                event,
                seal: seal.map(|(after, hash)| Seal { after, hash }),
            });
        }
    }
    Ok(kept)
}

/// Seals of events that the outbox does not have any more.
async fn without_events(db: &impl ConnectionTrait, limit: usize) -> Result<Vec<Difference>, DbErr> {
    let sql = format!(
        "SELECT seq FROM seal WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.seq = seal.seq) ORDER BY seq LIMIT {limit}"
    );
    let statement = dialect::plain(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await?;
    let difference = |row: &sea_orm::QueryResult| {
        Ok(Difference::Seal {
            number: row.try_get("", "seq")?,
            entry_id: None,
            problem: SealProblem::NoEvent,
        })
    };
    rows.iter().map(difference).collect()
}

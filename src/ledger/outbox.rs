//! The outbox: every committed entry once, in the order of commits, to be read from any place on.
//!
//! The database numbers an entry when its lines are written, while its accounts are locked. So the numbers of entries that touch a
//! common account are in the order of their commits; between others there is no order that anybody could tell.
//!
//! **What must not be read yet.** A number is drawn before it is committed, so a larger one may become visible first. Whoever reads
//! on from the largest number seen would miss the smaller one for ever. A gap may also stay, when the transaction that drew its number
//! was rolled back. PostgreSQL tells the two apart: whatever drew a number had its transaction id by then, so at the moment when some
//! number is visible, all those who hold smaller numbers have ids below `pg_snapshot_xmax(pg_current_snapshot())`. Once
//! `pg_snapshot_xmin(pg_current_snapshot())` has reached that id they have all ended, and every number up to the visible one is
//! settled: visible to each snapshot from then on, or never to be. A [`Horizon`] is moved on by this rule. It keeps nothing that would have to
//! survive a restart: where a reader was is a number, and the rule can be applied from there on by any server.
//!
//! A transaction that writes for long holds the horizon up, whatever it writes; nothing is lost by that. SQLite has one writer at a time,
//! so what is visible there is settled.

use super::AccountRef;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, Value};
use uuid::Uuid;

/// What the database shows of the outbox at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Sighting {
    /// The largest number that is visible; 0 when there is none.
    pub newest: i64,
    /// All transactions with smaller ids have ended.
    pub oldest_running: i64,
    /// No transaction had this id or a larger one yet.
    pub next: i64,
}

/// How far the outbox is settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Horizon {
    settled: i64,
    /// A number that is visible, and the transaction id below which all must have ended until it is settled.
    awaited: Option<(i64, i64)>,
}

impl Horizon {
    /// Every number up to this one is visible to all snapshots from now on, or never to be.
    #[must_use]
    pub const fn settled(&self) -> i64 {
        self.settled
    }

    /// Whether something is visible that is not settled yet.
    #[must_use]
    pub const fn is_awaiting(&self) -> bool {
        self.awaited.is_some()
    }

    /// Moves on to what a new sighting, later than those before, settles.
    pub fn see(&mut self, sighting: Sighting) {
        if let Some((newest, fence)) = self.awaited
            && sighting.oldest_running >= fence
        {
            self.settled = newest;
            self.awaited = None;
        }
        if self.awaited.is_none() && sighting.newest > self.settled {
            if sighting.oldest_running >= sighting.next {
                self.settled = sighting.newest;
            } else {
                self.awaited = Some((sighting.newest, sighting.next));
            }
        }
    }
}

/// Looks at the outbox: one statement.
///
/// # Errors
/// When the database fails.
pub async fn sight_outbox(db: &impl ConnectionTrait) -> Result<Sighting, DbErr> {
    let id = |function: &str| match db.get_database_backend() {
        DbBackend::Postgres => {
            format!("CAST(CAST({function}(pg_current_snapshot()) AS text) AS bigint)")
        }
        _ => "0".to_owned(),
    };
    let sql = format!(
        "SELECT COALESCE((SELECT MAX(seq) FROM outbox), 0) AS newest, {} AS oldest_running, {} AS next",
        id("pg_snapshot_xmin"),
        id("pg_snapshot_xmax")
    );
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("a sighting".to_owned()))?;
    Sighting::from_query_result(&row, "")
}

/// An event: an entry was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct OutboxEvent {
    /// Its number.
    pub seq: i64,
    /// The entry.
    pub entry_id: Uuid,
}

/// At most `limit` events after `after` up to `until`, which must be settled: of entries that touch one of `accounts`, if any are given.
///
/// # Errors
/// When the database fails.
pub async fn read_outbox(
    db: &impl ConnectionTrait,
    after: i64,
    until: i64,
    accounts: Option<&[AccountRef]>,
    limit: u64,
) -> Result<Vec<OutboxEvent>, DbErr> {
    let mut parameters: Vec<Value> = vec![after.into(), until.into()];
    let wanted = match accounts {
        None => String::new(),
        Some(accounts) => {
            let (mut ids, mut codes) = (Vec::new(), Vec::new());
            for account in accounts.iter().filter_map(AccountRef::normalised) {
                let place = format!("${}", parameters.len() + 1);
                match account {
                    AccountRef::Id(id) => {
                        ids.push(place);
                        parameters.push(id.into());
                    }
                    AccountRef::Code(code) => {
                        codes.push(place);
                        parameters.push(code.into());
                    }
                }
            }
            // By code anew each time: an account that does not exist yet may be opened later.
            format!(
                " AND EXISTS (
                    SELECT 1 FROM entry_line JOIN account ON account.id IN (debit_account_id, credit_account_id)
                    WHERE entry_line.entry_id = outbox.entry_id AND ({} OR {})
                 )",
                one_of("account.id", &ids),
                one_of("account.code", &codes)
            )
        }
    };
    let sql = format!(
        "SELECT seq, entry_id FROM outbox WHERE seq > $1 AND seq <= $2{wanted} ORDER BY seq LIMIT {limit}"
    );
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, parameters);
    let rows = db.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| OutboxEvent::from_query_result(row, ""))
        .collect()
}

fn one_of(column: &str, places: &[String]) -> String {
    if places.is_empty() {
        "1 = 0".to_owned()
    } else {
        format!("{column} IN ({})", places.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn sighting(newest: i64, oldest_running: i64, next: i64) -> Sighting {
        Sighting {
            newest,
            oldest_running,
            next,
        }
    }

    #[test]
    fn what_is_visible_while_nobody_writes_is_settled() {
        let mut horizon = Horizon::default();
        horizon.see(sighting(7, 100, 100));
        assert_eq!((horizon.settled(), horizon.is_awaiting()), (7, false));
    }

    /// 7 is visible, and whoever has drawn 6 may still be running: as transaction 99 at most.
    #[test]
    fn what_is_visible_is_settled_when_all_who_ran_then_have_ended() {
        let mut horizon = Horizon::default();
        horizon.see(sighting(7, 90, 100));
        assert_eq!((horizon.settled(), horizon.is_awaiting()), (0, true));
        horizon.see(sighting(9, 99, 120));
        assert_eq!(horizon.settled(), 0);
        // They have ended; of those who ran when 9 was seen, some have not.
        horizon.see(sighting(12, 100, 130));
        assert_eq!((horizon.settled(), horizon.is_awaiting()), (7, true));
        horizon.see(sighting(12, 130, 140));
        assert_eq!((horizon.settled(), horizon.is_awaiting()), (12, false));
    }
}

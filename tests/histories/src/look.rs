//! What a connection of its own sees in the database, past servers and wires.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use sqlx::{Connection as _, Row as _};

use crate::{
    history::{Entry, Ledger, Line, Side},
    stand::{Database, Link},
};

/// An entry's line with its entry, by the order of entries. `hex(x)` of an id and the placeholders differ by engine.
const LINES: &str =
    "SELECT ID, COALESCE(entry.description, ''), debit.code, entry_line.debit_version, credit.code,
        entry_line.credit_version, entry_line.amount, entry_line.effect
    FROM entry
    JOIN entry_line ON entry_line.entry_id = entry.id
    JOIN account AS debit ON debit.id = entry_line.debit_account_id
    JOIN account AS credit ON credit.id = entry_line.credit_account_id
    ORDER BY entry.recorded_at, entry.id, entry_line.line_no";

/// The final state.
///
/// # Errors
/// When the database cannot be read.
pub async fn ledger(database: &Database) -> Result<Ledger> {
    let mut ledgers = ledgers(database).await?;
    Ok(ledgers.swap_remove(0))
}

/// The final state as each node has it; where there are no nodes, it is one.
///
/// # Errors
/// When the database cannot be read.
pub async fn ledgers(database: &Database) -> Result<Vec<Ledger>> {
    let mut ledgers = Vec::new();
    for link in database.connect().await? {
        ledgers.push(ledger_by(link).await?);
    }
    Ok(ledgers)
}

async fn ledger_by(mut link: Link) -> Result<Ledger> {
    let mut ledger = Ledger::default();
    let accounts = "SELECT code, normal_side FROM account";
    for (code, side) in link
        .rows(accounts, |row| (row.text(0), row.text(1)))
        .await?
    {
        let side = if side == "DEBIT" {
            Side::Debit
        } else {
            Side::Credit
        };
        ledger.accounts.insert(code, side);
    }
    let numbers = link.with_id(
        "SELECT ID, outbox.seq FROM outbox WHERE outbox.entry_id IS NOT NULL",
        "outbox.entry_id",
    );
    let mut events: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (id, number) in link
        .rows(&numbers, |row| (row.text(0), row.number(1)))
        .await?
    {
        events.entry(id).or_default().push(number);
    }
    let lines = link.with_id(LINES, "entry.id");
    let lines = link
        .rows(&lines, |row| {
            let line = Line {
                debit: row.text(2),
                debit_version: row.number(3).try_into().unwrap_or_default(),
                credit: row.text(4),
                credit_version: row.number(5).try_into().unwrap_or_default(),
                amount: row.number(6),
                moves: ["POST", "CAPTURE"].contains(&row.text(7).as_str()),
            };
            (row.text(0), row.text(1), line)
        })
        .await?;
    for (id, tag, line) in lines {
        if ledger.entries.last().is_none_or(|last| last.id != id) {
            ledger.entries.push(Entry {
                numbers: events.remove(&id).unwrap_or_default(),
                id,
                tag,
                lines: Vec::new(),
            });
        }
        if let Some(last) = ledger.entries.last_mut() {
            last.lines.push(line);
        }
    }
    // Events of entries that have no line, or are not there.
    ledger
        .entries
        .extend(events.into_iter().map(|(id, numbers)| Entry {
            id,
            numbers,
            ..Entry::default()
        }));
    link.close().await;
    Ok(ledger)
}

/// The sessions that are in a transaction; on SQLite, whether somebody has the write lock.
///
/// # Errors
/// When the database cannot be asked.
pub async fn open_sessions(database: &Database) -> Result<Vec<String>> {
    let mut open = Vec::new();
    for link in database.connect().await? {
        open.extend(open_by(link).await?);
    }
    Ok(open)
}

async fn open_by(mut link: Link) -> Result<Vec<String>> {
    let open = match &mut link {
        Link::Postgres(link) => {
            sqlx::query_scalar(
                "SELECT concat_ws(' ', pid, state, wait_event, now() - xact_start, left(query, 80)) FROM pg_stat_activity
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
                   AND (xact_start IS NOT NULL OR state LIKE 'idle in transaction%')",
            )
            .fetch_all(link)
            .await?
        }
        Link::MariaDb(link) => {
            let sql = "SELECT CONCAT_WS(' ', ID, COMMAND, TIME_MS, STATE, trx_state, trx_id, trx_started, trx_isolation_level,
                    trx_rows_locked, trx_rows_modified, LEFT(INFO, 80))
                FROM information_schema.INNODB_TRX JOIN information_schema.PROCESSLIST ON ID = trx_mysql_thread_id
                WHERE ID <> CONNECTION_ID() AND USER <> 'system user'";
            let rows = sqlx::query(sql).fetch_all(link).await?;
            let texts = rows.iter().map(|row| row.try_get_unchecked(0));
            texts.collect::<Result<_, _>>()?
        }
        Link::Sqlite(link) => {
            sqlx::query("PRAGMA busy_timeout = 0").execute(&mut *link).await?;
            match sqlx::query("BEGIN IMMEDIATE").execute(&mut *link).await {
                Ok(_) => {
                    sqlx::query("ROLLBACK").execute(link).await?;
                    Vec::new()
                }
                Err(error) => vec![format!("the write lock is taken: {error}")],
            }
        }
    };
    link.close().await;
    Ok(open)
}

/// Where a server has read the queries that a standby could have answered, as its metrics count.
///
/// # Errors
/// When it does not tell.
pub async fn read_at(server: SocketAddr) -> Result<Vec<(String, u64)>> {
    let asked = reqwest::Client::new()
        .get(format!("http://{server}/metrics"))
        .timeout(Duration::from_secs(30));
    let metrics = asked.send().await?.error_for_status()?.text().await?;
    let lines = metrics.lines();
    let counts = lines.filter_map(|line| {
        // `unit_of_work_replica_reads_total{at="replica"} 12`
        let line = line.strip_prefix("unit_of_work_replica_reads_total{at=\"")?;
        line.split_once("\"} ")
    });
    let counts = counts.map(|(at, count)| {
        let count = count.parse().with_context(|| format!("{at} {count}"))?;
        Ok((at.to_owned(), count))
    });
    counts.collect()
}

/// A row of any engine.
enum Row<'a> {
    Sqlite(&'a sqlx::sqlite::SqliteRow),
    Postgres(&'a sqlx::postgres::PgRow),
    MariaDb(&'a sqlx::mysql::MySqlRow),
}

impl Row<'_> {
    fn text(&self, column: usize) -> String {
        let text = match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
            Self::MariaDb(row) => row.try_get_unchecked(column),
        };
        text.unwrap_or_default()
    }

    fn number(&self, column: usize) -> i64 {
        let number = match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
            Self::MariaDb(row) => row.try_get_unchecked(column),
        };
        number.unwrap_or_default()
    }
}

impl Link {
    /// The statement with `ID` as the hexadecimal digits of an id, without hyphens.
    fn with_id(&self, sql: &str, id: &str) -> String {
        let digits = match self {
            Self::Sqlite(_) | Self::MariaDb(_) => format!("lower(hex({id}))"),
            Self::Postgres(_) => format!("replace(CAST({id} AS text), '-', '')"),
        };
        sql.replacen("ID", &digits, 1)
    }

    async fn rows<T>(&mut self, sql: &str, read: impl Fn(Row<'_>) -> T) -> Result<Vec<T>> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        Ok(match self {
            Self::Sqlite(link) => {
                let rows = sqlx::query(sql).fetch_all(link).await?;
                rows.iter().map(|row| read(Row::Sqlite(row))).collect()
            }
            Self::Postgres(link) => {
                let rows = sqlx::query(sql).fetch_all(link).await?;
                rows.iter().map(|row| read(Row::Postgres(row))).collect()
            }
            Self::MariaDb(link) => {
                let rows = sqlx::query(sql).fetch_all(link).await?;
                rows.iter().map(|row| read(Row::MariaDb(row))).collect()
            }
        })
    }

    async fn close(self) {
        let _ = match self {
            Self::Sqlite(link) => link.close().await,
            Self::Postgres(link) => link.close().await,
            Self::MariaDb(link) => link.close().await,
        };
    }
}

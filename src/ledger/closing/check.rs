//! Whether an entry would be in a closed period, asked for with the statement that locks its accounts.

use crate::ledger::dialect;
use crate::ledger::locking::mariadb::Asking;
use crate::ledger::posting::PostEntryError;
use chrono::{DateTime, Utc};
use daybook_entity::{account, entry};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, FromQueryResult, QueryFilter, QueryResult, QuerySelect,
    Select,
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Until when accounts are closed, by id; those that are not are not here.
pub(in crate::ledger) type Closed = BTreeMap<Uuid, DateTime<Utc>>;

/// An account, and until when it is closed.
pub(in crate::ledger) struct Asked {
    pub(in crate::ledger) account: account::Model,
    pub(in crate::ledger) closed_until: Option<DateTime<Utc>>,
}

impl FromQueryResult for Asked {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            account: account::Model::from_query_result(row, prefix)?,
            closed_until: row.try_get(prefix, "closed_until")?,
        })
    }
}

/// Asks until when accounts are closed, on MariaDB. No closing can be made from then on until the transaction ends.
///
/// It reads with a lock, and so what is committed when it reads: the statement's snapshot can be older than a closing that it has waited for.
pub(in crate::ledger) const ON_MARIADB: Asking = Asking {
    column: "(SELECT MAX(closed_until) FROM closed_period WHERE substr(account.code, 1, char_length(code_prefix)) = code_prefix \
             LOCK IN SHARE MODE) AS closed_until",
    shares: "closed_period",
};

/// Asks with `select` until when the accounts are closed. On PostgreSQL, no closing can be made from then on until the transaction ends.
pub(in crate::ledger) fn ask(
    select: Select<account::Entity>,
    engine: DbBackend,
) -> Select<account::Entity> {
    let until = "(SELECT MAX(closed_until) FROM closed_period WHERE substr(account.code, 1, length(code_prefix)) = code_prefix)";
    let select = select.expr_as(Expr::cust(until), "closed_until");
    if engine != DbBackend::Postgres {
        return select;
    }
    // It finds no row. It is there for the table's lock (ROW SHARE), which is taken before the statement's snapshot is, and which is only
    // in the way of a closing.
    select.filter(Expr::cust(
        "NOT EXISTS (SELECT 1 FROM closed_period WHERE FALSE FOR KEY SHARE)",
    ))
}

/// Refuses an entry that counts from an instant at which one of the accounts that it touches is closed.
pub(in crate::ledger) async fn refuse_closed(
    db: &impl ConnectionTrait,
    entry: &entry::Model,
    touched: impl Iterator<Item = &account::Model>,
    closed: &Closed,
) -> Result<(), PostEntryError> {
    let until = |account: &account::Model| {
        let until = closed.get(&account.id)?;
        (entry.effective_at < *until).then_some(*until)
    };
    let mut in_the_way = touched.filter_map(|account| Some((account, until(account)?)));
    let Some((account, closed_until)) = in_the_way.next() else {
        return Ok(());
    };
    let failed = |source| PostEntryError::Database {
        entry_id: entry.id,
        source,
    };
    let statement = dialect::statement(
        db.get_database_backend(),
        "SELECT code_prefix FROM closed_period
         WHERE closed_until = $1 AND substr($2, 1, length(code_prefix)) = code_prefix ORDER BY code_prefix",
        [closed_until.into(), account.code.as_str().into()],
    );
    let row = db.query_one_raw(statement).await.map_err(failed)?;
    let code_prefix = row.map_or(Ok(String::new()), |row| row.try_get("", "code_prefix"));
    Err(PostEntryError::PeriodClosed {
        account_id: account.id,
        account_code: account.code.clone(),
        code_prefix: code_prefix.map_err(failed)?,
        closed_until,
        effective_at: entry.effective_at,
    })
}

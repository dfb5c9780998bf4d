//! Checks what describes accounts, and what is closed, against its history.

use super::checks::{FullJoin, rows};
use super::{CheckedAccount, Difference};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

/// Accounts that are not what the last of their changes says, of which a change is missing, or of which the feed does not have each change
/// once.
pub(super) async fn accounts(
    db: &impl ConnectionTrait,
    limit: usize,
) -> Result<Vec<Difference>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
        code: String,
    }
    let sql = "SELECT account.id, account.code FROM account
        LEFT JOIN account_change last ON last.account_id = account.id AND last.revision = account.revision
        LEFT JOIN (
            SELECT account_id, COUNT(*) AS times, MAX(revision) AS newest FROM account_change GROUP BY account_id
        ) AS kept ON kept.account_id = account.id
        LEFT JOIN (
            SELECT account_id, COUNT(*) AS times, COUNT(DISTINCT revision) AS revisions FROM outbox WHERE account_id IS NOT NULL
            GROUP BY account_id
        ) AS told ON told.account_id = account.id
        WHERE last.account_id IS NULL OR last.name <> account.name OR last.class IS DISTINCT FROM account.class
           OR last.limit_policy <> account.limit_policy
           OR last.min_balance IS DISTINCT FROM account.min_balance OR last.max_balance IS DISTINCT FROM account.max_balance
           OR last.status <> account.status OR last.metadata <> account.metadata
           OR last.recorded_at <> COALESCE(account.revised_at, account.created_at)
           OR last.recorded_by IS DISTINCT FROM account.revised_by
           OR kept.times <> account.revision OR kept.newest <> account.revision
           OR COALESCE(told.times, 0) <> account.revision OR told.revisions <> account.revision
        ORDER BY account.id";
    let rows = rows::<Row>(db, sql, limit).await?;
    let difference = |row: Row| Difference::AccountChanges {
        account: CheckedAccount {
            id: row.id,
            code: row.code,
        },
    };
    Ok(rows.into_iter().map(difference).collect())
}

/// Prefixes of which something else is closed than the last closing says.
pub(super) async fn closings(
    db: &impl ConnectionTrait,
    limit: usize,
) -> Result<Vec<Difference>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        code_prefix: String,
    }
    let join = FullJoin {
        columns: "COALESCE(last.code_prefix, closed_period.code_prefix) AS code_prefix",
        left: "(
            SELECT * FROM closing WHERE number IN (SELECT MAX(number) FROM closing GROUP BY code_prefix) AND closed_until IS NOT NULL
        ) AS last",
        right: "closed_period",
        on: "closed_period.code_prefix = last.code_prefix",
        and: "",
        condition: "last.closed_until IS DISTINCT FROM closed_period.closed_until",
        left_key: "last.code_prefix",
    };
    let sql = join.sql(db.get_database_backend()) + " ORDER BY 1";
    let rows = rows::<Row>(db, &sql, limit).await?;
    let difference = |row: Row| Difference::Closing {
        code_prefix: row.code_prefix,
    };
    Ok(rows.into_iter().map(difference).collect())
}

//! Checks that accounts are in the ledgers that their codes say.

use super::checks::rows;
use super::{CheckedAccount, Difference};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult};
use uuid::Uuid;

/// Accounts that are in another ledger than the one whose code is the first part of theirs.
pub(super) async fn accounts(
    db: &impl ConnectionTrait,
    limit: usize,
) -> Result<Vec<Difference>, DbErr> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
        code: String,
    }
    let first_part = match db.get_database_backend() {
        DbBackend::Postgres => "split_part(account.code, ':', 1)",
        _ => "substr(account.code || ':', 1, instr(account.code || ':', ':') - 1)",
    };
    let sql = format!(
        "SELECT account.id, account.code FROM account LEFT JOIN ledger ON ledger.code = {first_part}
         WHERE account.ledger IS DISTINCT FROM ledger.code ORDER BY account.id"
    );
    let rows = rows::<Row>(db, &sql, limit).await?;
    let difference = |row: Row| Difference::Ledger {
        account: CheckedAccount {
            id: row.id,
            code: row.code,
        },
    };
    Ok(rows.into_iter().map(difference).collect())
}

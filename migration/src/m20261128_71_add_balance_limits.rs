//! The least and the largest balance that an account may have, in minor units, positive on its normal side; NULL: no such limit, as all
//! accounts before this migration have none.
//!
//! Holds count at once, in whichever direction they are: what would lower the balance counts against the least, and what would raise it
//! against the largest. So no capture of a hold can be beyond a limit.
//!
//! A limit policy is a limit of 0 on one side. One that would be wider than the policy would have no effect, and is refused.
//!
//! Both are a part of what describes an account, and so of its history.

use crate::dialect::{Dialect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What describes an account, before this migration.
const BEFORE: &[&str] = &["name", "class", "limit_policy", "status", "metadata"];

/// And from it on.
const AFTER: &[&str] = &[
    "name",
    "class",
    "limit_policy",
    "status",
    "metadata",
    "min_balance",
    "max_balance",
];

/// The triggers of an account that name what describes it.
const OF_ACCOUNT: [&str; 3] = [
    "account_next_revision",
    "account_opening_to_history",
    "account_change_to_history",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        let bigint = dialect.bigint;
        drop_history(manager, &dialect).await?;
        // Posted and pending totals of a side fit 64 bits together (account_debits_range), so no difference below can overflow.
        run(
            manager,
            &format!(
                "ALTER TABLE account ADD COLUMN min_balance {bigint}
                     CONSTRAINT account_min_balance CHECK (
                         min_balance IS NULL OR min_balance <= CASE normal_side
                             WHEN 'CREDIT' THEN credits_posted - debits_posted - debits_pending
                             ELSE debits_posted - credits_posted - credits_pending END
                     )
                     CONSTRAINT account_min_balance_by_policy CHECK (
                         min_balance IS NULL OR min_balance >= 0
                         OR limit_policy <> CASE normal_side WHEN 'CREDIT' THEN 'NO_DEBIT_OVERDRAFT' ELSE 'NO_CREDIT_OVERDRAFT' END
                     );
                 ALTER TABLE account ADD COLUMN max_balance {bigint}
                     CONSTRAINT account_max_balance CHECK (
                         max_balance IS NULL OR max_balance >= CASE normal_side
                             WHEN 'CREDIT' THEN credits_posted + credits_pending - debits_posted
                             ELSE debits_posted + debits_pending - credits_posted END
                     )
                     CONSTRAINT account_max_balance_by_policy CHECK (
                         max_balance IS NULL OR max_balance <= 0
                         OR limit_policy <> CASE normal_side WHEN 'CREDIT' THEN 'NO_CREDIT_OVERDRAFT' ELSE 'NO_DEBIT_OVERDRAFT' END
                     );
                 ALTER TABLE account_change ADD COLUMN min_balance {bigint};
                 ALTER TABLE account_change ADD COLUMN max_balance {bigint};"
            ),
        )
        .await?;
        keep_history(manager, &dialect, AFTER).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        drop_history(manager, &dialect).await?;
        run(
            manager,
            "ALTER TABLE account_change DROP COLUMN max_balance;
             ALTER TABLE account_change DROP COLUMN min_balance;
             ALTER TABLE account DROP COLUMN max_balance;
             ALTER TABLE account DROP COLUMN min_balance;",
        )
        .await?;
        keep_history(manager, &dialect, BEFORE).await
    }
}

async fn drop_history(manager: &SchemaManager<'_>, dialect: &Dialect) -> Result<(), DbErr> {
    let rule = "account_change_is_account";
    run(manager, &dialect.drop_trigger("account_change", rule)).await?;
    for trigger in OF_ACCOUNT {
        run(manager, &dialect.drop_trigger("account", trigger)).await?;
    }
    Ok(())
}

/// Has the database write the history of these columns, as `m20261127_21` says.
async fn keep_history(
    manager: &SchemaManager<'_>,
    dialect: &Dialect,
    described: &[&str],
) -> Result<(), DbErr> {
    let names = described.join(", ");
    let new = format!("NEW.{}", described.join(", NEW."));
    let same = described
        .iter()
        .map(|column| format!("{column} IS NOT DISTINCT FROM NEW.{column}"));
    let same = same.collect::<Vec<_>>().join(" AND ");
    let columns = format!("account_id, revision, {names}, recorded_at, recorded_by");
    let [next_revision, opening, change] = OF_ACCOUNT;
    for rule in [
        dialect.refuse(
            "account_change",
            "account_change_is_account",
            "BEFORE INSERT",
            &format!("NOT EXISTS (SELECT 1 FROM account WHERE id = NEW.account_id AND revision = NEW.revision AND {same})"),
        ),
        dialect.refuse(
            "account",
            next_revision,
            &format!("BEFORE UPDATE OF {names}, revision, revised_at, revised_by"),
            "NEW.revision <> OLD.revision + 1 OR NEW.revised_at IS NULL",
        ),
        dialect.after(
            "account",
            opening,
            "INSERT",
            &format!(
                "INSERT INTO account_change ({columns}) VALUES (NEW.id, NEW.revision, {new}, NEW.created_at, NEW.revised_by);"
            ),
        ),
        dialect.after(
            "account",
            change,
            "UPDATE OF revision",
            &format!(
                "INSERT INTO account_change ({columns}) VALUES (NEW.id, NEW.revision, {new}, NEW.revised_at, NEW.revised_by);"
            ),
        ),
    ] {
        run(manager, &rule).await?;
    }
    Ok(())
}

//! `late_place`: where late lines stand among an account's lines in the order of the instants that they count from; append-only.
//!
//! A statement in that order is two lists, merged: lines that came in order, which the index of versions has, and late lines
//! (`m20261125_07_add_history`), which have their own here. Its running balances need the sum of the late lines up to a place. `late_total`
//! has it for those from earlier instants. `posted` has it for those from the same instant: what they add up to this one.
//!
//! The database itself writes it with each late line, one version after the other: a running sum needs what comes before it.
//!
//! `late_line_run_idx` finds the end of a run of late lines, so that the next line in order is found without reading them: within a run,
//! the number of lines in order before a line (`version - lines`) stays the same.

use crate::dialect::{Dialect, run};
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const WRITE: &str = "late_line_to_place";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        let Dialect {
            bigint,
            uuid,
            timestamp,
            ..
        } = dialect;
        // The whole row is nearly its key. On SQLite, such a table is its own index.
        let table_options = match manager.get_database_backend() {
            DbBackend::Sqlite => "STRICT, WITHOUT ROWID",
            _ => "",
        };
        let effective_at_rule = dialect.timestamp_rule("effective_at");
        run(
            manager,
            &format!(
                "CREATE INDEX late_line_run_idx ON late_line (account_id, (version - lines), version);
                 CREATE TABLE late_place (
                    account_id   {uuid} NOT NULL,
                    effective_at {timestamp} NOT NULL,
                    version      {bigint} NOT NULL,
                    posted       {bigint} NOT NULL,
                    CONSTRAINT late_place_pkey PRIMARY KEY (account_id, effective_at, version),
                    CONSTRAINT late_place_line_fkey FOREIGN KEY (account_id, version) REFERENCES late_line (account_id, version),
                    CONSTRAINT late_place_effective_at_form CHECK ({effective_at_rule})
                 ) {table_options};

                 WITH touched AS (
                    SELECT debit_account_id AS account_id, debit_version AS version, entry_id FROM entry_line
                    UNION ALL
                    SELECT credit_account_id, credit_version, entry_id FROM entry_line
                 ), change AS (
                    SELECT account_id, version,
                           posted - COALESCE(LAG(posted) OVER (PARTITION BY account_id ORDER BY version), 0) AS posted
                    FROM late_line
                 )
                 INSERT INTO late_place (account_id, effective_at, version, posted)
                 SELECT change.account_id, effective_at, change.version, SUM(posted) OVER (
                     PARTITION BY change.account_id, effective_at ORDER BY change.version ROWS UNBOUNDED PRECEDING
                 )
                 FROM change
                 JOIN touched ON touched.account_id = change.account_id AND touched.version = change.version
                 JOIN entry ON entry.id = touched.entry_id;"
            ),
        )
        .await?;
        let of_line = |side: &str| {
            format!(
                "(SELECT effective_at FROM entry JOIN entry_line ON entry_line.entry_id = entry.id
                  WHERE {side}_account_id = NEW.account_id AND {side}_version = NEW.version)"
            )
        };
        // Without a line there is no instant, and the row is refused.
        let write = format!(
            "INSERT INTO late_place (account_id, effective_at, version, posted)
             SELECT NEW.account_id, late.effective_at, NEW.version,
                    NEW.posted - COALESCE((
                        SELECT posted FROM late_line WHERE account_id = NEW.account_id AND version < NEW.version
                        ORDER BY version DESC LIMIT 1
                    ), 0) + COALESCE((
                        SELECT posted FROM late_place WHERE account_id = NEW.account_id AND effective_at = late.effective_at
                        ORDER BY version DESC LIMIT 1
                    ), 0)
             FROM (SELECT COALESCE({}, {}) AS effective_at) AS late;",
            of_line("debit"),
            of_line("credit")
        );
        for rule in [
            dialect.append_only("late_place", &[]),
            dialect.refuse(
                "late_place",
                "late_place_in_order",
                "BEFORE INSERT",
                "EXISTS (
                     SELECT 1 FROM late_place AS other WHERE other.account_id = NEW.account_id
                         AND other.effective_at = NEW.effective_at AND other.version >= NEW.version
                 )",
            ),
            dialect.after("late_line", WRITE, "INSERT", &write),
        ] {
            run(manager, &rule).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        let sql = [
            dialect.drop_trigger("late_line", WRITE),
            dialect.drop_trigger("late_place", "late_place_in_order"),
            "DROP TABLE late_place; DROP INDEX late_line_run_idx;".to_owned(),
            dialect.drop_append_only("late_place"),
        ];
        run(manager, &sql.concat()).await
    }
}

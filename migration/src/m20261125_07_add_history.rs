//! Balances at an effective time, found by index and not by summing. Entries in chronological order cost nothing more.
//!
//! On most accounts lines come in the order of the instants that they count from, and then the balance after a line is the balance
//! from its instant on: a search among an account's lines finds it. A *late* line counts from an earlier instant than a line before
//! it. Late lines are kept apart, with running sums in the order of versions (`late_line`), and with sums over buckets of time of ten
//! sizes, each 64 times as long as the one before (`late_total`), so that the sum up to any instant is one over at most ten ranges of
//! 63 buckets. `src/ledger/history/mod.rs` puts them together.

use crate::dialect::{Dialect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What was posted before this migration: every line of every account, with what it adds and the latest instant up to it.
const LINES: &str = "effects AS (
    SELECT entry_line.*, effective_at,
           CASE WHEN effect IN ('POST', 'CAPTURE') THEN amount ELSE 0 END AS moved,
           CASE effect WHEN 'HOLD' THEN amount WHEN 'POST' THEN 0 ELSE -amount END AS pending
    FROM entry_line JOIN entry ON entry.id = entry_line.entry_id
), touched AS (
    SELECT debit_account_id AS account_id, debit_version AS version, effective_at, moved AS debit, 0 AS credit,
           pending AS debits_pending, 0 AS credits_pending
    FROM effects
    UNION ALL
    SELECT credit_account_id, credit_version, effective_at, 0, moved, 0, pending FROM effects
), dated AS (
    SELECT account_id, touched.version, effective_at, touched.debits_pending, touched.credits_pending,
           CASE normal_side WHEN 'DEBIT' THEN debit - credit ELSE credit - debit END AS posted,
           MAX(effective_at) OVER (PARTITION BY account_id ORDER BY touched.version ROWS UNBOUNDED PRECEDING) AS latest
    FROM touched JOIN account ON account.id = touched.account_id
)";

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
            table_options,
            ..
        } = dialect;
        let latest_rule = dialect.timestamp_rule("latest_effective_at");
        let microseconds = dialect.microseconds("effective_at");
        run(
            manager,
            &format!(
                "ALTER TABLE account ADD COLUMN latest_effective_at {timestamp}
                     CONSTRAINT account_latest_effective_at_form CHECK (latest_effective_at IS NULL OR ({latest_rule}));
                 CREATE TABLE late_line (
                    account_id          {uuid} NOT NULL,
                    version             {bigint} NOT NULL,
                    latest_effective_at {timestamp} NOT NULL,
                    lines               {bigint} NOT NULL,
                    posted              {bigint} NOT NULL,
                    debits_pending      {bigint} NOT NULL,
                    credits_pending     {bigint} NOT NULL,
                    held                {bigint} NOT NULL,
                    CONSTRAINT late_line_pkey PRIMARY KEY (account_id, version),
                    CONSTRAINT late_line_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
                    CONSTRAINT late_line_range CHECK (version > 0 AND lines > 0 AND held >= 0),
                    CONSTRAINT late_line_latest_effective_at_form CHECK ({latest_rule})
                 ) {table_options};
                 CREATE TABLE late_total (
                    account_id      {uuid} NOT NULL,
                    level           INTEGER NOT NULL,
                    bucket          {bigint} NOT NULL,
                    lines           {bigint} NOT NULL,
                    posted          {bigint} NOT NULL,
                    debits_pending  {bigint} NOT NULL,
                    credits_pending {bigint} NOT NULL,
                    CONSTRAINT late_total_pkey PRIMARY KEY (account_id, level, bucket),
                    CONSTRAINT late_total_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
                    CONSTRAINT late_total_range CHECK (level BETWEEN 0 AND 9 AND bucket >= 0 AND lines > 0)
                 ) {table_options};

                 WITH {LINES}, latest AS (SELECT account_id, MAX(effective_at) AS instant FROM dated GROUP BY account_id)
                 UPDATE account SET latest_effective_at = (SELECT instant FROM latest WHERE latest.account_id = account.id);

                 WITH {LINES}
                 INSERT INTO late_line
                 SELECT account_id, version, latest, COUNT(*) OVER so_far, SUM(posted) OVER so_far, SUM(debits_pending) OVER so_far,
                        SUM(credits_pending) OVER so_far, SUM(abs(debits_pending) + abs(credits_pending)) OVER so_far
                 FROM dated WHERE effective_at < latest
                 WINDOW so_far AS (PARTITION BY account_id ORDER BY version ROWS UNBOUNDED PRECEDING);

                 WITH {LINES}, sizes(level) AS (VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9))
                 INSERT INTO late_total
                 SELECT account_id, level, ({microseconds}) >> (6 * level) AS bucket, COUNT(*), SUM(posted),
                        SUM(debits_pending), SUM(credits_pending)
                 FROM dated CROSS JOIN sizes WHERE effective_at < latest
                 GROUP BY account_id, level, ({microseconds}) >> (6 * level);"
            ),
        )
        .await?;
        run(
            manager,
            &dialect.append_only(
                "late_line",
                &[(
                    "late_line_pkey",
                    "account_id = NEW.account_id AND version = NEW.version",
                )],
            ),
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let leftovers = Dialect::of(manager)?.drop_append_only("late_line");
        run(
            manager,
            &format!(
                "DROP TABLE late_total; DROP TABLE late_line; {leftovers}
                 ALTER TABLE account DROP COLUMN latest_effective_at;"
            ),
        )
        .await
    }
}

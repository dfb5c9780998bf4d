//! `late_line`, `late_total` and `late_place`: balances at an effective time, and the order of statements in it. See
//! `m20261125_07_add_history` and `m20261128_41_add_effective_order`.
//!
//! `late_line.run_after` is the expression `version - lines` of PostgreSQL's index.

use super::rules::{INSTANT, TABLE, UUID, append_only, refuse, trigger};
use crate::dialect::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let triggers = [
            append_only("late_line"),
            append_only("late_place"),
            refuse(
                "late_place",
                "late_place_in_order",
                "BEFORE INSERT",
                "EXISTS (
                     SELECT 1 FROM late_place AS other WHERE other.account_id = NEW.account_id
                         AND other.effective_at = NEW.effective_at AND other.version >= NEW.version
                 )",
            ),
            trigger(
                "late_line",
                "late_line_to_place",
                "AFTER INSERT",
                &to_place(),
            ),
        ];
        run(manager, &(tables() + &triggers.concat())).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "DROP TABLE late_place; DROP TABLE late_total; DROP TABLE late_line;",
        )
        .await
    }
}

fn tables() -> String {
    format!(
        "CREATE TABLE late_line (
            account_id          {UUID} NOT NULL,
            version             bigint NOT NULL,
            latest_effective_at {INSTANT} NOT NULL,
            `lines`             bigint NOT NULL,
            posted              bigint NOT NULL,
            debits_pending      bigint NOT NULL,
            credits_pending     bigint NOT NULL,
            held                bigint NOT NULL,
            run_after           bigint GENERATED ALWAYS AS (version - `lines`) VIRTUAL,
            PRIMARY KEY (account_id, version),
            CONSTRAINT late_line_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
            CONSTRAINT late_line_range CHECK (version > 0 AND `lines` > 0 AND held >= 0)
         ) {TABLE};
         CREATE INDEX late_line_run_idx ON late_line (account_id, run_after, version);
         CREATE TABLE late_total (
            account_id      {UUID} NOT NULL,
            level           int NOT NULL,
            bucket          bigint NOT NULL,
            `lines`         bigint NOT NULL,
            posted          bigint NOT NULL,
            debits_pending  bigint NOT NULL,
            credits_pending bigint NOT NULL,
            PRIMARY KEY (account_id, level, bucket),
            CONSTRAINT late_total_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
            CONSTRAINT late_total_range CHECK (level BETWEEN 0 AND 9 AND bucket >= 0 AND `lines` > 0)
         ) {TABLE};
         CREATE TABLE late_place (
            account_id   {UUID} NOT NULL,
            effective_at {INSTANT} NOT NULL,
            version      bigint NOT NULL,
            posted       bigint NOT NULL,
            PRIMARY KEY (account_id, effective_at, version),
            CONSTRAINT late_place_line_fkey FOREIGN KEY (account_id, version) REFERENCES late_line (account_id, version)
         ) {TABLE};\n"
    )
}

/// Without a line there is no instant, and the row is refused.
fn to_place() -> String {
    let of_line = |side: &str| {
        format!(
            "(SELECT effective_at FROM entry JOIN entry_line ON entry_line.entry_id = entry.id
              WHERE {side}_account_id = NEW.account_id AND {side}_version = NEW.version)"
        )
    };
    format!(
        "DECLARE instant datetime(6) DEFAULT COALESCE({}, {});
         DECLARE before_line bigint DEFAULT (
             SELECT posted FROM late_line WHERE account_id = NEW.account_id AND version < NEW.version ORDER BY version DESC LIMIT 1
         );
         DECLARE at_instant bigint DEFAULT (
             SELECT posted FROM late_place WHERE account_id = NEW.account_id AND effective_at = instant ORDER BY version DESC LIMIT 1
         );
         INSERT INTO late_place (account_id, effective_at, version, posted)
             VALUES (NEW.account_id, instant, NEW.version, NEW.posted - COALESCE(before_line, 0) + COALESCE(at_instant, 0));",
        of_line("debit"),
        of_line("credit")
    )
}

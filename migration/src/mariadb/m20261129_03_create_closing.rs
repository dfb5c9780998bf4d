//! `closing`: until when the books are closed; append-only. `closed_period`: what is closed now. See `m20261127_23_add_closing`.
//!
//! Whoever inserts a line shares the lock `closed_period`, and whoever inserts into `closing` takes it alone. So a closing waits for the
//! entries that are under way, and entries that come after it see it.
//!
//! A closing has the number of the last event before it. So every entry that was posted before it must have its number.

use super::rules::{INSTANT, KEY_TEXT, TABLE, UUID, append_only, length, refuse, take, trigger};
use crate::dialect::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = format!(
            "CREATE TABLE closing (
                number       bigint NOT NULL AUTO_INCREMENT,
                id           {UUID} NOT NULL,
                code_prefix  {KEY_TEXT} NOT NULL,
                closed_until {INSTANT},
                reason       text,
                after_seq    bigint NOT NULL,
                recorded_at  {INSTANT} NOT NULL,
                recorded_by  text,
                PRIMARY KEY (number),
                CONSTRAINT closing_id_key UNIQUE (id),
                CONSTRAINT closing_code_prefix_length CHECK (char_length(code_prefix) <= 64),
                CONSTRAINT closing_reason_length CHECK ({reason}),
                CONSTRAINT closing_recorded_by_length CHECK ({recorded_by})
             ) {TABLE};
             CREATE INDEX closing_code_prefix_number_idx ON closing (code_prefix, number);
             CREATE TABLE closed_period (
                code_prefix  {KEY_TEXT} NOT NULL,
                closed_until {INSTANT} NOT NULL,
                PRIMARY KEY (code_prefix)
             ) {TABLE};\n",
            reason = length("reason", 1000),
            recorded_by = length("recorded_by", 1024),
        );
        let rules = [
            append_only("closing"),
            trigger(
                "closing",
                "closing_locks",
                "BEFORE INSERT",
                &take("closed_period"),
            ),
            refuse(
                "closing",
                "closing_numbered",
                "BEFORE INSERT",
                "NEW.after_seq <> (SELECT COALESCE(MAX(seq), 0) FROM outbox)
                     OR EXISTS (SELECT 1 FROM outbox_unnumbered WHERE entry_id IS NOT NULL AND revision IS NULL)",
            ),
            trigger(
                "closing",
                "closing_to_closed_period",
                "AFTER INSERT",
                "DELETE FROM closed_period WHERE code_prefix = NEW.code_prefix;
                 IF NEW.closed_until IS NOT NULL THEN
                     INSERT INTO closed_period (code_prefix, closed_until) VALUES (NEW.code_prefix, NEW.closed_until);
                 END IF;",
            ),
            refuse(
                "closed_period",
                "closed_period_is_closing",
                "BEFORE INSERT",
                &format!("NOT {}", last("NEW")),
            ),
            refuse(
                "closed_period",
                "closed_period_fixed",
                "BEFORE UPDATE",
                "TRUE",
            ),
            refuse(
                "closed_period",
                "closed_period_stays",
                "BEFORE DELETE",
                &last("OLD"),
            ),
        ];
        run(manager, &(tables + &rules.concat())).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "DROP TABLE closed_period; DROP TABLE closing;").await
    }
}

/// The condition that `row` is what the last closing of its prefix says.
fn last(row: &str) -> String {
    format!(
        "EXISTS (
             SELECT 1 FROM closing WHERE code_prefix = {row}.code_prefix AND closed_until = {row}.closed_until
                 AND number = (SELECT MAX(number) FROM closing WHERE code_prefix = {row}.code_prefix)
         )"
    )
}

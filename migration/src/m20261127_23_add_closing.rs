//! `closing`: until when the books are closed, for all accounts or for those whose code begins with a prefix; append-only, with who closed
//! and reopened them. `closed_period`: what is closed now, which is the last row of `closing` for each prefix.
//!
//! No line of an entry that counts from an earlier instant can be inserted on an account that is closed until then.
//!
//! **Races.** Whoever inserts a line locks `closed_period` in the mode ROW SHARE until the end of the transaction, and whoever inserts into
//! `closing` locks it in the mode EXCLUSIVE. So on PostgreSQL a closing waits for the entries that are under way, and entries that come
//! after it see it. Neither waits for those who only read, such as a backup. SQLite has one writer.

use crate::dialect::{Dialect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const LAST: &str = "EXISTS (
    SELECT 1 FROM closing WHERE code_prefix = {row}.code_prefix AND closed_until = {row}.closed_until
        AND number = (SELECT MAX(number) FROM closing WHERE code_prefix = {row}.code_prefix)
)";

/// Whether a line is of an entry that counts from an instant at which one of its accounts is closed. The entry is looked up only if
/// something is closed.
const CLOSED: &str = "EXISTS (
    SELECT 1 FROM closed_period WHERE closed_until > (SELECT effective_at FROM entry WHERE id = NEW.entry_id) AND EXISTS (
        SELECT 1 FROM account WHERE id IN (NEW.debit_account_id, NEW.credit_account_id)
            AND substr(code, 1, length(code_prefix)) = code_prefix
    )
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
            sorted_text,
            timestamp,
            numbered,
            table_options,
            ..
        } = dialect;
        let id_rule = dialect.uuid_rule("id");
        let closed_until_rule = dialect.timestamp_rule("closed_until");
        let recorded_at_rule = dialect.timestamp_rule("recorded_at");
        run(
            manager,
            &format!(
                "CREATE TABLE closing (
                    number       {numbered},
                    id           {uuid} NOT NULL,
                    code_prefix  {sorted_text} NOT NULL,
                    closed_until {timestamp},
                    reason       text,
                    after_seq    {bigint} NOT NULL,
                    recorded_at  {timestamp} NOT NULL,
                    recorded_by  text,
                    CONSTRAINT closing_pkey PRIMARY KEY (number),
                    CONSTRAINT closing_id_key UNIQUE (id),
                    CONSTRAINT closing_id_form CHECK ({id_rule}),
                    CONSTRAINT closing_code_prefix_length CHECK (length(code_prefix) <= 64),
                    CONSTRAINT closing_reason_length CHECK (length(reason) BETWEEN 1 AND 1000),
                    CONSTRAINT closing_closed_until_form CHECK ({closed_until_rule}),
                    CONSTRAINT closing_recorded_at_form CHECK ({recorded_at_rule}),
                    CONSTRAINT closing_recorded_by_length CHECK (length(recorded_by) BETWEEN 1 AND 1024)
                 ) {table_options};
                 CREATE INDEX closing_code_prefix_number_idx ON closing (code_prefix, number);
                 CREATE TABLE closed_period (
                    code_prefix  {sorted_text} NOT NULL,
                    closed_until {timestamp} NOT NULL,
                    CONSTRAINT closed_period_pkey PRIMARY KEY (code_prefix)
                 ) {table_options};"
            ),
        )
        .await?;
        for rule in [
            dialect.append_only(
                "closing",
                &[
                    ("closing_pkey", "number = NEW.number"),
                    ("closing_id_key", "id = NEW.id"),
                ],
            ),
            dialect.before_each(
                "closing",
                "closing_locks",
                "INSERT",
                "LOCK TABLE closed_period IN EXCLUSIVE MODE;",
            ),
            // By name after the lock: on PostgreSQL, triggers run in the order of their names.
            dialect.refuse(
                "closing",
                "closing_numbered",
                "BEFORE INSERT",
                "NEW.after_seq <> (SELECT COALESCE(MAX(seq), 0) FROM outbox)",
            ),
            dialect.after(
                "closing",
                "closing_to_closed_period",
                "INSERT",
                "DELETE FROM closed_period WHERE code_prefix = NEW.code_prefix;
                 INSERT INTO closed_period (code_prefix, closed_until)
                     SELECT NEW.code_prefix, NEW.closed_until WHERE NEW.closed_until IS NOT NULL;",
            ),
            dialect.refuse(
                "closed_period",
                "closed_period_is_closing",
                "BEFORE INSERT",
                &format!("NOT {}", LAST.replace("{row}", "NEW")),
            ),
            dialect.refuse(
                "closed_period",
                "closed_period_fixed",
                "BEFORE UPDATE",
                "NEW.code_prefix IS NOT NULL",
            ),
            dialect.refuse(
                "closed_period",
                "closed_period_stays",
                "BEFORE DELETE",
                &LAST.replace("{row}", "OLD"),
            ),
            lines_of_open_periods(&dialect),
        ] {
            run(manager, &rule).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        for sql in [
            dialect.drop_trigger("entry_line", "entry_period_closed"),
            lines_of_all_periods(&dialect),
            dialect.drop_trigger("closed_period", "closed_period_is_closing"),
            dialect.drop_trigger("closed_period", "closed_period_fixed"),
            dialect.drop_trigger("closed_period", "closed_period_stays"),
            dialect.drop_trigger("closing", "closing_to_closed_period"),
            dialect.drop_trigger("closing", "closing_numbered"),
            dialect.drop_before_each("closing", "closing_locks"),
            format!(
                "DROP TABLE closed_period; DROP TABLE closing; {}",
                dialect.drop_append_only("closing")
            ),
        ] {
            run(manager, &sql).await?;
        }
        Ok(())
    }
}

/// Refuses lines of closed periods, after their insertion: before it, the entry that the same statement inserts could not be seen.
///
/// On PostgreSQL, each call of a trigger costs an entry time. So the first line, which most entries have alone, is checked by the statement
/// that tells the outbox of the entry.
fn lines_of_open_periods(dialect: &Dialect) -> String {
    if !dialect.alters_columns() {
        return dialect.refuse("entry_line", "entry_period_closed", "AFTER INSERT", CLOSED);
    }
    // It finds nothing, and is there for the lock.
    let lock = "EXISTS (SELECT 1 FROM closed_period WHERE FALSE FOR KEY SHARE)";
    let refuse = "RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation', TABLE = 'entry_line', CONSTRAINT = 'entry_period_closed', MESSAGE = 'entry_period_closed: refused';";
    format!(
        "CREATE OR REPLACE FUNCTION entry_line_to_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             INSERT INTO outbox (entry_id) SELECT NEW.entry_id WHERE NOT {lock} AND NOT {CLOSED};
             IF NOT FOUND THEN
                 {refuse}
             END IF;
             RETURN NULL;
         END $$;
         CREATE FUNCTION entry_period_closed() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF {lock} OR {CLOSED} THEN
                 {refuse}
             END IF;
             RETURN NULL;
         END $$;
         CREATE TRIGGER entry_period_closed AFTER INSERT ON entry_line FOR EACH ROW WHEN (NEW.line_no <> 1)
             EXECUTE FUNCTION entry_period_closed();"
    )
}

/// Undoes what [`lines_of_open_periods`] has made of the outbox's trigger.
fn lines_of_all_periods(dialect: &Dialect) -> String {
    match dialect.alters_columns() {
        true => "CREATE OR REPLACE FUNCTION entry_line_to_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN INSERT INTO outbox (entry_id) VALUES (NEW.entry_id); RETURN NULL; END $$;"
            .to_owned(),
        false => String::new(),
    }
}

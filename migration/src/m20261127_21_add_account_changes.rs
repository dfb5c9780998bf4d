//! `account_change`: what an account was called, was, and might do, from its opening on; append-only. And changes of accounts in the outbox.
//!
//! The database itself writes the history: the opening of an account is revision 1, and each change of what describes it (name, class,
//! limit, status, metadata) has to be the next revision, and says when and by whom it is made. So nothing can be changed past the history.
//! What never changes (code, currency, normal side) is refused here.
//!
//! A row has the whole state after the change. The state before it is the row before.
//!
//! Of an account that was opened before this migration, revision 1 is the state that it has now, from its opening on, by nobody.
//!
//! The history is in the outbox, so that subscribers hear of changes in their order among entries: the account's row is locked by then.

use crate::dialect::{Dialect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What describes an account.
const DESCRIPTION: &str = "name, class, limit_policy, status, metadata";

const OUTBOX: &str = "outbox";

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
            json,
            table_options,
            ..
        } = dialect;
        let revised_at_rule = dialect.timestamp_rule("revised_at");
        let recorded_at_rule = dialect.timestamp_rule("recorded_at");
        run(
            manager,
            &format!(
                "ALTER TABLE account ADD COLUMN revision {bigint} NOT NULL DEFAULT 1;
                 ALTER TABLE account ADD COLUMN revised_at {timestamp}
                     CONSTRAINT account_revised_at_form CHECK ({revised_at_rule});
                 ALTER TABLE account ADD COLUMN revised_by text
                     CONSTRAINT account_revised_by_length CHECK (length(revised_by) BETWEEN 1 AND 1024);
                 CREATE TABLE account_change (
                    account_id   {uuid} NOT NULL,
                    revision     {bigint} NOT NULL,
                    name         text NOT NULL,
                    class        text,
                    limit_policy text NOT NULL,
                    status       text NOT NULL,
                    metadata     {json} NOT NULL,
                    recorded_at  {timestamp} NOT NULL,
                    recorded_by  text,
                    CONSTRAINT account_change_pkey PRIMARY KEY (account_id, revision),
                    CONSTRAINT account_change_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
                    CONSTRAINT account_change_revision_range CHECK (revision >= 1),
                    CONSTRAINT account_change_recorded_at_form CHECK ({recorded_at_rule})
                 ) {table_options};"
            ),
        )
        .await?;
        run(manager, &account_events(&dialect)).await?;
        let columns = format!("account_id, revision, {DESCRIPTION}, recorded_at, recorded_by");
        let described = "NEW.name, NEW.class, NEW.limit_policy, NEW.status, NEW.metadata";
        for rule in [
            dialect.append_only(
                "account_change",
                &[(
                    "account_change_pkey",
                    "account_id = NEW.account_id AND revision = NEW.revision",
                )],
            ),
            dialect.after(
                "account_change",
                "account_change_to_outbox",
                "INSERT",
                "INSERT INTO outbox (account_id, revision) VALUES (NEW.account_id, NEW.revision);",
            ),
            format!(
                "INSERT INTO account_change ({columns})
                 SELECT id, revision, {DESCRIPTION}, created_at, NULL FROM account ORDER BY created_at, id;"
            ),
            dialect.refuse(
                "account_change",
                "account_change_is_account",
                "BEFORE INSERT",
                "NOT EXISTS (
                     SELECT 1 FROM account WHERE id = NEW.account_id AND revision = NEW.revision AND name = NEW.name
                         AND class IS NOT DISTINCT FROM NEW.class AND limit_policy = NEW.limit_policy AND status = NEW.status
                         AND metadata = NEW.metadata
                 )",
            ),
            dialect.refuse(
                "account",
                "account_first_revision",
                "BEFORE INSERT",
                "NEW.revision <> 1 OR NEW.revised_at IS NOT NULL",
            ),
            dialect.refuse(
                "account",
                "account_identity_fixed",
                "BEFORE UPDATE OF id, code, currency, normal_side, created_at",
                "NEW.id <> OLD.id OR NEW.code <> OLD.code OR NEW.currency <> OLD.currency
                 OR NEW.normal_side <> OLD.normal_side OR NEW.created_at <> OLD.created_at",
            ),
            dialect.refuse(
                "account",
                "account_next_revision",
                &format!("BEFORE UPDATE OF {DESCRIPTION}, revision, revised_at, revised_by"),
                "NEW.revision <> OLD.revision + 1 OR NEW.revised_at IS NULL",
            ),
            dialect.after(
                "account",
                "account_opening_to_history",
                "INSERT",
                &format!(
                    "INSERT INTO account_change ({columns})
                     VALUES (NEW.id, NEW.revision, {described}, NEW.created_at, NEW.revised_by);"
                ),
            ),
            dialect.after(
                "account",
                "account_change_to_history",
                "UPDATE OF revision",
                &format!(
                    "INSERT INTO account_change ({columns})
                     VALUES (NEW.id, NEW.revision, {described}, NEW.revised_at, NEW.revised_by);"
                ),
            ),
        ] {
            run(manager, &rule).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        for trigger in [
            "account_first_revision",
            "account_identity_fixed",
            "account_next_revision",
            "account_opening_to_history",
            "account_change_to_history",
        ] {
            run(manager, &dialect.drop_trigger("account", trigger)).await?;
        }
        for trigger in ["account_change_to_outbox", "account_change_is_account"] {
            run(manager, &dialect.drop_trigger("account_change", trigger)).await?;
        }
        let leftovers = dialect.drop_append_only("account_change");
        // On PostgreSQL this rule does not name its column, so it does not go with it.
        let rule = match dialect.alters_columns() {
            true => "ALTER TABLE account DROP CONSTRAINT account_revised_at_form;",
            false => "",
        };
        run(
            manager,
            &format!(
                "DROP TABLE account_change; {leftovers} {rule}
                 ALTER TABLE account DROP COLUMN revised_by;
                 ALTER TABLE account DROP COLUMN revised_at;
                 ALTER TABLE account DROP COLUMN revision;"
            ),
        )
        .await?;
        run(manager, &entries_alone(&dialect)).await
    }
}

fn on_first_line(dialect: &Dialect) -> String {
    dialect.after_insert(
        "entry_line",
        "entry_line_to_outbox",
        "NEW.line_no = 1",
        "INSERT INTO outbox (entry_id) VALUES (NEW.entry_id);",
    )
}

fn append_only(dialect: &Dialect) -> String {
    dialect.append_only(OUTBOX, &[("outbox_pkey", "seq = NEW.seq")])
}

/// An event is an entry that was posted, a change of an entry (both columns, see the next migration), or a change of an account.
const ONE_EVENT: &str = "CASE WHEN entry_id IS NULL THEN account_id IS NOT NULL AND revision IS NOT NULL ELSE account_id IS NULL END";

/// Lets the outbox have events of accounts.
fn account_events(dialect: &Dialect) -> String {
    let Dialect {
        bigint,
        uuid,
        numbered,
        table_options,
        ..
    } = dialect;
    // Few events are not about new entries. Subscribers to them read this index, and no entries.
    let index = "CREATE INDEX outbox_changes_idx ON outbox (seq) WHERE revision IS NOT NULL;";
    if dialect.alters_columns() {
        return format!(
            "ALTER TABLE outbox ALTER COLUMN entry_id DROP NOT NULL, ADD COLUMN account_id {uuid}, ADD COLUMN revision {bigint},
                 ADD CONSTRAINT outbox_one_event CHECK ({ONE_EVENT});
             {index}"
        );
    }
    format!(
        "DROP TRIGGER entry_line_to_outbox;
         CREATE TABLE outbox_next (
            seq        {numbered},
            entry_id   {uuid},
            account_id {uuid},
            revision   {bigint},
            CONSTRAINT outbox_pkey PRIMARY KEY (seq),
            CONSTRAINT outbox_one_event CHECK ({ONE_EVENT})
         ) {table_options};
         INSERT INTO outbox_next (seq, entry_id) SELECT seq, entry_id FROM outbox;
         DROP TABLE outbox;
         ALTER TABLE outbox_next RENAME TO outbox;
         {index} {} {}",
        on_first_line(dialect),
        append_only(dialect)
    )
}

/// The outbox as it was, without the events of accounts.
fn entries_alone(dialect: &Dialect) -> String {
    let Dialect {
        uuid,
        numbered,
        table_options,
        ..
    } = dialect;
    if dialect.alters_columns() {
        return format!(
            "{} DROP INDEX outbox_changes_idx; DELETE FROM outbox WHERE entry_id IS NULL;
             ALTER TABLE outbox DROP CONSTRAINT outbox_one_event, DROP COLUMN revision, DROP COLUMN account_id,
                 ALTER COLUMN entry_id SET NOT NULL;
             {}",
            dialect.lift_append_only(OUTBOX, &[]),
            append_only(dialect)
        );
    }
    format!(
        "DROP TRIGGER entry_line_to_outbox;
         CREATE TABLE outbox_before (
            seq      {numbered},
            entry_id {uuid} NOT NULL,
            CONSTRAINT outbox_pkey PRIMARY KEY (seq)
         ) {table_options};
         INSERT INTO outbox_before (seq, entry_id) SELECT seq, entry_id FROM outbox WHERE entry_id IS NOT NULL;
         DROP TABLE outbox;
         ALTER TABLE outbox_before RENAME TO outbox;
         {} {}",
        on_first_line(dialect),
        append_only(dialect)
    )
}

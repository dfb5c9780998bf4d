//! `entry_change`: metadata that was added to an entry, or put in the place of other metadata, after the entry was posted; append-only.
//!
//! Everything else of an entry never changes. An entry's metadata is changed by inserting a change, which says what it was before and what
//! it is then: the database writes it to the entry, and tells the outbox. Nothing else can change an entry, so no metadata is ever lost.

use crate::dialect::{Dialect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What a change of an entry's row has to be: the one that the last change of its metadata says.
const CHANGED: &str = "EXISTS (
    SELECT 1 FROM entry_change WHERE entry_id = OLD.id AND metadata_before = OLD.metadata AND metadata_after = NEW.metadata
        AND number = (SELECT MAX(number) FROM entry_change WHERE entry_id = OLD.id)
)";

/// The columns of an entry that never change.
const FIXED: [&str; 10] = [
    "id",
    "kind",
    "resolves_id",
    "reverses_id",
    "description",
    "effective_at",
    "recorded_at",
    "expires_at",
    "reference",
    "recorded_by",
];

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
        let recorded_at_rule = dialect.timestamp_rule("recorded_at");
        let metadata_rule = dialect.json_object_rule("metadata_after");
        run(
            manager,
            &format!(
                "CREATE TABLE entry_change (
                    entry_id        {uuid} NOT NULL,
                    number          {bigint} NOT NULL,
                    metadata_before {json} NOT NULL,
                    metadata_after  {json} NOT NULL,
                    recorded_at     {timestamp} NOT NULL,
                    recorded_by     text,
                    CONSTRAINT entry_change_pkey PRIMARY KEY (entry_id, number),
                    CONSTRAINT entry_change_entry_fkey FOREIGN KEY (entry_id) REFERENCES entry (id),
                    CONSTRAINT entry_change_number_range CHECK (number BETWEEN 1 AND 100),
                    CONSTRAINT entry_change_metadata_object CHECK ({metadata_rule}),
                    CONSTRAINT entry_change_recorded_at_form CHECK ({recorded_at_rule}),
                    CONSTRAINT entry_change_recorded_by_length CHECK (length(recorded_by) BETWEEN 1 AND 1024)
                 ) {table_options};"
            ),
        )
        .await?;
        for rule in [
            dialect.append_only(
                "entry_change",
                &[(
                    "entry_change_pkey",
                    "entry_id = NEW.entry_id AND number = NEW.number",
                )],
            ),
            dialect.refuse(
                "entry_change",
                "entry_change_follows",
                "BEFORE INSERT",
                "NEW.metadata_before = NEW.metadata_after
                 OR NEW.number <> COALESCE((SELECT MAX(number) FROM entry_change WHERE entry_id = NEW.entry_id), 0) + 1
                 OR NOT EXISTS (SELECT 1 FROM entry WHERE id = NEW.entry_id AND metadata = NEW.metadata_before)",
            ),
            dialect.after(
                "entry_change",
                "entry_change_to_entry",
                "INSERT",
                "UPDATE entry SET metadata = NEW.metadata_after WHERE id = NEW.entry_id;
                 INSERT INTO outbox (entry_id, revision) VALUES (NEW.entry_id, NEW.number);",
            ),
            dialect.fix_but_for("entry", "metadata", &FIXED, CHANGED),
        ] {
            run(manager, &rule).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        let outbox = dialect.lift_append_only("outbox", &["outbox_pkey"]);
        let outbox_again = dialect.append_only("outbox", &[("outbox_pkey", "seq = NEW.seq")]);
        for sql in [
            dialect.fix_all("entry"),
            dialect.drop_trigger("entry_change", "entry_change_follows"),
            dialect.drop_trigger("entry_change", "entry_change_to_entry"),
            format!(
                "{outbox} DELETE FROM outbox WHERE entry_id IS NOT NULL AND revision IS NOT NULL; {outbox_again}"
            ),
            format!(
                "DROP TABLE entry_change; {}",
                dialect.drop_append_only("entry_change")
            ),
        ] {
            run(manager, &sql).await?;
        }
        Ok(())
    }
}

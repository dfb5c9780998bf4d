//! `entry`: one event of the journal; append-only.
//!
//! `resolves_id` names the hold that a capture or release ends, `reverses_id` the entry that a reversal undoes; each at most
//! once. An entry's id ends in twelve zero bits: a line's public id is the entry's with the line's number in them.

use crate::dialect::{Dialect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        let Dialect {
            uuid,
            timestamp,
            json,
            table_options,
            ..
        } = dialect;
        let id_rule = dialect.uuid_rule("id");
        let low_bits_free = dialect.low_bits_free("id");
        let effective_at_rule = dialect.timestamp_rule("effective_at");
        let recorded_at_rule = dialect.timestamp_rule("recorded_at");
        let expires_at_rule = dialect.timestamp_rule("expires_at");
        let metadata_rule = dialect.json_object_rule("metadata");
        run(
            manager,
            &format!(
                "CREATE TABLE entry (
                    id           {uuid} NOT NULL,
                    kind         text NOT NULL,
                    resolves_id  {uuid},
                    reverses_id  {uuid},
                    description  text,
                    effective_at {timestamp} NOT NULL,
                    recorded_at  {timestamp} NOT NULL,
                    expires_at   {timestamp},
                    metadata     {json} NOT NULL,
                    CONSTRAINT entry_pkey PRIMARY KEY (id),
                    CONSTRAINT entry_resolved_once UNIQUE (resolves_id),
                    CONSTRAINT entry_reversed_once UNIQUE (reverses_id),
                    CONSTRAINT entry_resolves_fkey FOREIGN KEY (resolves_id) REFERENCES entry (id),
                    CONSTRAINT entry_reverses_fkey FOREIGN KEY (reverses_id) REFERENCES entry (id),
                    CONSTRAINT entry_id_form CHECK ({id_rule} AND {low_bits_free}),
                    CONSTRAINT entry_kind_known CHECK (kind IN ('POST', 'HOLD', 'CAPTURE', 'RELEASE', 'REVERSAL')),
                    CONSTRAINT entry_resolves_by_kind CHECK ((resolves_id IS NOT NULL) = (kind IN ('CAPTURE', 'RELEASE'))),
                    CONSTRAINT entry_reverses_by_kind CHECK ((reverses_id IS NOT NULL) = (kind = 'REVERSAL')),
                    CONSTRAINT entry_expires_by_kind CHECK (expires_at IS NULL OR kind = 'HOLD'),
                    CONSTRAINT entry_description_length CHECK (length(description) BETWEEN 1 AND 1000),
                    CONSTRAINT entry_metadata_object CHECK ({metadata_rule}),
                    CONSTRAINT entry_effective_at_form CHECK ({effective_at_rule}),
                    CONSTRAINT entry_recorded_at_form CHECK ({recorded_at_rule}),
                    CONSTRAINT entry_expires_at_form CHECK ({expires_at_rule})
                ) {table_options};
                CREATE INDEX entry_recorded_at_id_idx ON entry (recorded_at, id);
                CREATE INDEX entry_effective_at_id_idx ON entry (effective_at, id);"
            ),
        )
        .await?;
        run(
            manager,
            &dialect.append_only(
                "entry",
                &[
                    ("entry_pkey", "id = NEW.id"),
                    ("entry_resolved_once", "resolves_id = NEW.resolves_id"),
                    ("entry_reversed_once", "reverses_id = NEW.reverses_id"),
                ],
            ),
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let leftovers = Dialect::of(manager)?.drop_append_only("entry");
        run(manager, &format!("DROP TABLE entry; {leftovers}")).await
    }
}

//! `seal`: a chain of hashes over the events of the outbox; append-only. See `m20261128_61_create_seal`.

use super::rules::{TABLE, UUID, append_only, refuse};
use crate::dialect::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = format!(
            "CREATE TABLE seal (
                seq       bigint NOT NULL,
                after_seq bigint NOT NULL,
                entry_id  {UUID},
                hash      text NOT NULL,
                PRIMARY KEY (seq),
                CONSTRAINT seal_after_seq_key UNIQUE (after_seq),
                CONSTRAINT seal_entry_id_key UNIQUE (entry_id),
                CONSTRAINT seal_seq_fkey FOREIGN KEY (seq) REFERENCES outbox (seq),
                CONSTRAINT seal_entry_fkey FOREIGN KEY (entry_id) REFERENCES entry (id),
                CONSTRAINT seal_order CHECK (after_seq >= 0 AND after_seq < seq),
                CONSTRAINT seal_hash_form CHECK (char_length(hash) = 64)
             ) {TABLE};\n"
        );
        let rules = [
            append_only("seal"),
            refuse(
                "seal",
                "seal_follows",
                "BEFORE INSERT",
                "NEW.after_seq <> (SELECT COALESCE(MAX(seq), 0) FROM seal)",
            ),
        ];
        run(manager, &(table + &rules.concat())).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "DROP TABLE seal;").await
    }
}

//! `seal`: a chain of hashes over the events of the outbox, in their order; append-only.
//!
//! Each row has the hash of one event and of the row before it. So whoever has kept a hash can tell later whether anything up to that event
//! was changed, even by somebody who can write to the database past its rules. What is hashed is in `src/ledger/seal/content.rs`.
//!
//! The rows are written after the events, by whichever server is first. A row follows the last one, or is refused: of two servers that seal
//! the same event, one is refused by the unique constraints.

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
            bigint,
            uuid,
            table_options,
            ..
        } = dialect;
        let uuid_rule = dialect.uuid_rule("entry_id");
        run(
            manager,
            &format!(
                "CREATE TABLE seal (
                    seq       {bigint} NOT NULL,
                    after_seq {bigint} NOT NULL,
                    entry_id  {uuid},
                    hash      text NOT NULL,
                    CONSTRAINT seal_pkey PRIMARY KEY (seq),
                    CONSTRAINT seal_after_seq_key UNIQUE (after_seq),
                    CONSTRAINT seal_entry_id_key UNIQUE (entry_id),
                    CONSTRAINT seal_seq_fkey FOREIGN KEY (seq) REFERENCES outbox (seq),
                    CONSTRAINT seal_entry_fkey FOREIGN KEY (entry_id) REFERENCES entry (id),
                    CONSTRAINT seal_order CHECK (after_seq >= 0 AND after_seq < seq),
                    CONSTRAINT seal_entry_id_form CHECK ({uuid_rule}),
                    CONSTRAINT seal_hash_form CHECK (length(hash) = 64)
                 ) {table_options};"
            ),
        )
        .await?;
        for rule in [
            dialect.append_only(
                "seal",
                &[
                    ("seal_pkey", "seq = NEW.seq"),
                    ("seal_after_seq_key", "after_seq = NEW.after_seq"),
                    ("seal_entry_id_key", "entry_id = NEW.entry_id"),
                ],
            ),
            dialect.refuse(
                "seal",
                "seal_follows",
                "BEFORE INSERT",
                "NEW.after_seq <> (SELECT COALESCE(MAX(seq), 0) FROM seal)",
            ),
        ] {
            run(manager, &rule).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        for sql in [
            dialect.drop_trigger("seal", "seal_follows"),
            format!("DROP TABLE seal; {}", dialect.drop_append_only("seal")),
        ] {
            run(manager, &sql).await?;
        }
        Ok(())
    }
}

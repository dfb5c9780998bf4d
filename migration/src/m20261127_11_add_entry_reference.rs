//! `entry.reference`: the name that callers give an entry, at most one entry for each, for ever.
//!
//! The unique index has no row for an entry without a reference, so those entries do not pay for it.

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
        let sorted_text = dialect.sorted_text;
        let guard = dialect.guard_unique(
            "entry",
            "entry_reference_once",
            "NEW.reference IS NOT NULL",
            "reference = NEW.reference",
        );
        run(
            manager,
            &format!(
                "ALTER TABLE entry ADD COLUMN reference {sorted_text}
                     CONSTRAINT entry_reference_length CHECK (length(reference) BETWEEN 1 AND 200);
                 CREATE UNIQUE INDEX entry_reference_once ON entry (reference) WHERE reference IS NOT NULL;
                 {guard}"
            ),
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let guard = Dialect::of(manager)?.drop_guard("entry_reference_once");
        run(
            manager,
            &format!(
                "{guard} DROP INDEX entry_reference_once; ALTER TABLE entry DROP COLUMN reference;"
            ),
        )
        .await
    }
}

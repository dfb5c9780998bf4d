//! `import`: the imported files, by the hash of their contents, so that none is imported twice; append-only.
//!
//! A row is written in the transaction that imports its file.

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
            sorted_text,
            timestamp,
            table_options,
            ..
        } = dialect;
        let imported_at_rule = dialect.timestamp_rule("imported_at");
        run(
            manager,
            &format!(
                "CREATE TABLE import (
                    sha256      {sorted_text} NOT NULL,
                    name        text NOT NULL,
                    imported_at {timestamp} NOT NULL,
                    CONSTRAINT import_pkey PRIMARY KEY (sha256),
                    CONSTRAINT import_sha256_length CHECK (length(sha256) = 64),
                    CONSTRAINT import_imported_at_form CHECK ({imported_at_rule})
                ) {table_options};"
            ),
        )
        .await?;
        run(
            manager,
            &dialect.append_only("import", &[("import_pkey", "sha256 = NEW.sha256")]),
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let leftovers = Dialect::of(manager)?.drop_append_only("import");
        run(manager, &format!("DROP TABLE import; {leftovers}")).await
    }
}

//! `entry.recorded_by`: who had the entry recorded, as the token names them (`sub`).

use crate::dialect::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "ALTER TABLE entry ADD COLUMN recorded_by text
                 CONSTRAINT entry_recorded_by_length CHECK (length(recorded_by) BETWEEN 1 AND 1024);",
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "ALTER TABLE entry DROP COLUMN recorded_by;").await
    }
}

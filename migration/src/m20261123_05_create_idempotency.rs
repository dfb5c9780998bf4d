//! `unit_of_work_idempotency`: the idempotency keys of mutations, and their responses. The crate unit-of-work defines the table.

use sea_orm_migration::prelude::*;
use unit_of_work::idempotency;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        idempotency::Migration.up(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        idempotency::Migration.down(manager).await
    }
}

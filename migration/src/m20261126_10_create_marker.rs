//! `unit_of_work_marker`: the rows that prove commits whose answer was lost. The crate unit-of-work defines the table.

use sea_orm_migration::prelude::*;
use unit_of_work::marker;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        marker::Migration.up(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        marker::Migration.down(manager).await
    }
}

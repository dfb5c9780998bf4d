//! The table that says which node of a Galera cluster writes. A server that is no node of a cluster does not use it.

use crate::dialect::run;
use sea_orm_migration::prelude::*;
use unit_of_work::galera;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &galera::create_table().concat()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, galera::drop_table()).await
    }
}

//! The class of an account, for reports: asset, liability, equity, income or expense. NULL: not classified, as all accounts before this
//! migration are.

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
        // The index has only classified accounts, so that others cost nothing more to open.
        run(
            manager,
            "ALTER TABLE account ADD COLUMN class text
                 CONSTRAINT account_class_known CHECK (class IN ('ASSET', 'LIABILITY', 'EQUITY', 'INCOME', 'EXPENSE'));
             CREATE INDEX account_class_code_idx ON account (class, code) WHERE class IS NOT NULL;",
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "DROP INDEX account_class_code_idx; ALTER TABLE account DROP COLUMN class;",
        )
        .await
    }
}

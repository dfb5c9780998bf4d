//! What people write for a currency, and who created it when. NULL for those of ISO 4217, which are there from the beginning, and for those
//! that were registered before. A currency's code and exponent never change.

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
        let timestamp = dialect.timestamp;
        // It names the column whatever the rule is: PostgreSQL drops with a column what is about it, and nothing else.
        let recorded_at_rule = dialect.timestamp_rule("recorded_at");
        run(
            manager,
            &format!(
                "ALTER TABLE currency ADD COLUMN symbol text
                     CONSTRAINT currency_symbol_length CHECK (length(symbol) BETWEEN 1 AND 12);
                 ALTER TABLE currency ADD COLUMN recorded_at {timestamp}
                     CONSTRAINT currency_recorded_at_form CHECK (recorded_at IS NULL OR {recorded_at_rule});
                 ALTER TABLE currency ADD COLUMN recorded_by text
                     CONSTRAINT currency_recorded_by_length CHECK (length(recorded_by) BETWEEN 1 AND 1024);"
            ),
        )
        .await?;
        // Amounts are kept in minor units: with another exponent they would all be other amounts.
        let fixed = dialect.refuse(
            "currency",
            "currency_fixed",
            "BEFORE UPDATE OF code, exponent, recorded_at, recorded_by",
            "NEW.code <> OLD.code OR NEW.exponent <> OLD.exponent
                 OR NEW.recorded_at IS DISTINCT FROM OLD.recorded_at OR NEW.recorded_by IS DISTINCT FROM OLD.recorded_by",
        );
        run(manager, &fixed).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        run(
            manager,
            &format!(
                "{} ALTER TABLE currency DROP COLUMN recorded_by; ALTER TABLE currency DROP COLUMN recorded_at;
                 ALTER TABLE currency DROP COLUMN symbol;",
                dialect.drop_trigger("currency", "currency_fixed")
            ),
        )
        .await
    }
}

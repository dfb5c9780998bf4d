//! `currency`: what an amount is counted in, and the active codes of ISO 4217.

use crate::dialect::{Dialect, run};
use crate::iso_4217::CURRENCIES;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let Dialect {
            sorted_text,
            table_options,
            ..
        } = Dialect::of(manager)?;
        run(
            manager,
            &format!(
                "CREATE TABLE currency (
                    code     {sorted_text} NOT NULL,
                    exponent INTEGER NOT NULL,
                    CONSTRAINT currency_pkey PRIMARY KEY (code),
                    CONSTRAINT currency_code_form CHECK (length(code) BETWEEN 3 AND 12 AND code = upper(code)),
                    CONSTRAINT currency_exponent_range CHECK (exponent BETWEEN 0 AND 18)
                ) {table_options};"
            ),
        )
        .await?;
        let rows: Vec<String> = CURRENCIES
            .iter()
            .map(|(code, exponent)| format!("('{code}', {exponent})"))
            .collect();
        run(
            manager,
            &format!(
                "INSERT INTO currency (code, exponent) VALUES {};",
                rows.join(", ")
            ),
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "DROP TABLE currency;").await
    }
}

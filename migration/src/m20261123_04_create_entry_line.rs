//! `entry_line`: one positive amount of one currency, from a debit account to a credit account; append-only.
//!
//! A line cannot be unbalanced, because it is both sides; it cannot cross currencies, because both of its foreign keys
//! contain the currency. It keeps the version and the balance that each side had after it.

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
            sorted_text,
            table_options,
            ..
        } = dialect;
        run(
            manager,
            &format!(
                "CREATE TABLE entry_line (
                    entry_id          {uuid} NOT NULL,
                    line_no           INTEGER NOT NULL,
                    debit_account_id  {uuid} NOT NULL,
                    credit_account_id {uuid} NOT NULL,
                    currency          {sorted_text} NOT NULL,
                    amount            {bigint} NOT NULL,
                    debit_version     {bigint} NOT NULL,
                    debit_balance     {bigint} NOT NULL,
                    credit_version    {bigint} NOT NULL,
                    credit_balance    {bigint} NOT NULL,
                    CONSTRAINT entry_line_pkey PRIMARY KEY (entry_id, line_no),
                    CONSTRAINT entry_line_debit_version_key UNIQUE (debit_account_id, debit_version),
                    CONSTRAINT entry_line_credit_version_key UNIQUE (credit_account_id, credit_version),
                    CONSTRAINT entry_line_entry_fkey FOREIGN KEY (entry_id) REFERENCES entry (id),
                    CONSTRAINT entry_line_debit_account_fkey
                        FOREIGN KEY (debit_account_id, currency) REFERENCES account (id, currency),
                    CONSTRAINT entry_line_credit_account_fkey
                        FOREIGN KEY (credit_account_id, currency) REFERENCES account (id, currency),
                    CONSTRAINT entry_line_no_range CHECK (line_no BETWEEN 1 AND 4095),
                    CONSTRAINT entry_line_two_accounts CHECK (debit_account_id <> credit_account_id),
                    CONSTRAINT entry_line_amount_positive CHECK (amount > 0),
                    CONSTRAINT entry_line_version_range CHECK (debit_version > 0 AND credit_version > 0)
                ) {table_options};"
            ),
        )
        .await?;
        run(
            manager,
            &dialect.append_only(
                "entry_line",
                &[
                    ("entry_line_pkey", "entry_id = NEW.entry_id AND line_no = NEW.line_no"),
                    (
                        "entry_line_debit_version_key",
                        "debit_account_id = NEW.debit_account_id AND debit_version = NEW.debit_version",
                    ),
                    (
                        "entry_line_credit_version_key",
                        "credit_account_id = NEW.credit_account_id AND credit_version = NEW.credit_version",
                    ),
                ],
            ),
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let leftovers = Dialect::of(manager)?.drop_append_only("entry_line");
        run(manager, &format!("DROP TABLE entry_line; {leftovers}")).await
    }
}

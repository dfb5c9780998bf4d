//! Holds: what a line does with its amount, and what was pending on an account after each line that changed it.
//!
//! A line adds its amount to the posted totals of both sides (POST, CAPTURE), to the pending ones (HOLD), or takes it from
//! these (CAPTURE, RELEASE). So every total is a sum over lines, and a line says by itself what it adds.
//!
//! `account_pending` is sparse: a line that only posts leaves what is pending as it was, and has no row there.

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
            table_options,
            ..
        } = dialect;
        run(
            manager,
            &format!(
                "ALTER TABLE entry_line ADD COLUMN effect text NOT NULL DEFAULT 'POST'
                     CONSTRAINT entry_line_effect_known CHECK (effect IN ('POST', 'HOLD', 'CAPTURE', 'RELEASE'));
                 CREATE INDEX entry_expires_at_id_idx ON entry (expires_at, id) WHERE expires_at IS NOT NULL;
                 CREATE TABLE account_pending (
                    account_id      {uuid} NOT NULL,
                    version         {bigint} NOT NULL,
                    debits_pending  {bigint} NOT NULL,
                    credits_pending {bigint} NOT NULL,
                    CONSTRAINT account_pending_pkey PRIMARY KEY (account_id, version),
                    CONSTRAINT account_pending_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
                    CONSTRAINT account_pending_version_range CHECK (version > 0),
                    CONSTRAINT account_pending_range CHECK (debits_pending >= 0 AND credits_pending >= 0)
                 ) {table_options};"
            ),
        )
        .await?;
        run(
            manager,
            &dialect.append_only(
                "account_pending",
                &[(
                    "account_pending_pkey",
                    "account_id = NEW.account_id AND version = NEW.version",
                )],
            ),
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let leftovers = Dialect::of(manager)?.drop_append_only("account_pending");
        run(
            manager,
            &format!(
                "DROP TABLE account_pending; {leftovers}
                 DROP INDEX entry_expires_at_id_idx;
                 ALTER TABLE entry_line DROP COLUMN effect;"
            ),
        )
        .await
    }
}

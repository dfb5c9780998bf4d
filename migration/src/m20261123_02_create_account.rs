//! `account`: an account, with its totals.
//!
//! The four totals only grow while lines are posted (pending ones shrink when a hold ends); a balance is their difference.
//! `version` counts the lines that have touched the account.

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
            timestamp,
            json,
            table_options,
            ..
        } = dialect;
        let id_rule = dialect.uuid_rule("id");
        let created_at_rule = dialect.timestamp_rule("created_at");
        let metadata_rule = dialect.json_object_rule("metadata");
        // The sums are compared by moving one side over, so that the check itself cannot overflow.
        run(
            manager,
            &format!(
                "CREATE TABLE account (
                    id              {uuid} NOT NULL,
                    code            {sorted_text} NOT NULL,
                    name            text NOT NULL,
                    currency        {sorted_text} NOT NULL,
                    normal_side     text NOT NULL,
                    debits_posted   {bigint} NOT NULL DEFAULT 0,
                    debits_pending  {bigint} NOT NULL DEFAULT 0,
                    credits_posted  {bigint} NOT NULL DEFAULT 0,
                    credits_pending {bigint} NOT NULL DEFAULT 0,
                    limit_policy    text NOT NULL,
                    version         {bigint} NOT NULL DEFAULT 0,
                    status          text NOT NULL,
                    metadata        {json} NOT NULL,
                    created_at      {timestamp} NOT NULL,
                    CONSTRAINT account_pkey PRIMARY KEY (id),
                    CONSTRAINT account_code_key UNIQUE (code),
                    CONSTRAINT account_id_currency_key UNIQUE (id, currency),
                    CONSTRAINT account_currency_fkey FOREIGN KEY (currency) REFERENCES currency (code),
                    CONSTRAINT account_id_form CHECK ({id_rule}),
                    CONSTRAINT account_code_length CHECK (length(code) BETWEEN 1 AND 64),
                    CONSTRAINT account_name_length CHECK (length(name) BETWEEN 1 AND 200),
                    CONSTRAINT account_normal_side_known CHECK (normal_side IN ('DEBIT', 'CREDIT')),
                    CONSTRAINT account_limit_policy_known
                        CHECK (limit_policy IN ('NONE', 'NO_DEBIT_OVERDRAFT', 'NO_CREDIT_OVERDRAFT')),
                    CONSTRAINT account_status_known CHECK (status IN ('OPEN', 'FROZEN', 'CLOSED')),
                    CONSTRAINT account_version_range CHECK (version >= 0),
                    CONSTRAINT account_debits_range
                        CHECK (debits_posted >= 0 AND debits_pending >= 0 AND debits_posted <= 9223372036854775807 - debits_pending),
                    CONSTRAINT account_credits_range
                        CHECK (credits_posted >= 0 AND credits_pending >= 0 AND credits_posted <= 9223372036854775807 - credits_pending),
                    CONSTRAINT account_no_debit_overdraft
                        CHECK (limit_policy <> 'NO_DEBIT_OVERDRAFT' OR debits_posted <= credits_posted - debits_pending),
                    CONSTRAINT account_no_credit_overdraft
                        CHECK (limit_policy <> 'NO_CREDIT_OVERDRAFT' OR credits_posted <= debits_posted - credits_pending),
                    CONSTRAINT account_closed_is_empty
                        CHECK (status <> 'CLOSED' OR (debits_posted = credits_posted AND debits_pending = 0 AND credits_pending = 0)),
                    CONSTRAINT account_metadata_object CHECK ({metadata_rule}),
                    CONSTRAINT account_created_at_form CHECK ({created_at_rule})
                ) {table_options};
                CREATE INDEX account_created_at_id_idx ON account (created_at, id);"
            ),
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "DROP TABLE account;").await
    }
}

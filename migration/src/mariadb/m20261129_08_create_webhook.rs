//! `webhook`: where events of the outbox are sent, and how far each endpoint has got; `webhook_account`, `webhook_dead_letter`. See
//! `m20261128_93_create_webhook`.

use super::rules::{INSTANT, TABLE, UUID, length, refuse, take, trigger};
use crate::dialect::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

/// The rules of changes, by name.
const RULES: [(&str, &str, &str); 4] = [
    (
        "webhook_most",
        "BEFORE INSERT",
        "(SELECT COUNT(*) FROM webhook) >= 100",
    ),
    (
        "webhook_fixed",
        "BEFORE UPDATE",
        "NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at OR NOT NEW.created_by <=> OLD.created_by",
    ),
    (
        "webhook_lease_rises",
        "BEFORE UPDATE",
        "NEW.lease < OLD.lease OR NEW.lease = OLD.lease AND NOT NEW.lease_ms <=> OLD.lease_ms",
    ),
    (
        "webhook_position_moves",
        "BEFORE UPDATE",
        "NEW.position < OLD.position
             OR NEW.position > OLD.position AND (OLD.lease_ms IS NULL OR NEW.lease <= OLD.lease
                 OR NEW.position > (SELECT COALESCE(MAX(seq), 0) FROM outbox))",
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Two that are created at the same moment do not see each other: one waits, so that not both are the last one.
        let one_by_one = trigger(
            "webhook",
            "webhook_locks",
            "BEFORE INSERT",
            &take("webhook"),
        );
        let rules = RULES.map(|(name, event, condition)| refuse("webhook", name, event, condition));
        run(manager, &(tables() + &one_by_one + &rules.concat())).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "DROP TABLE webhook_dead_letter; DROP TABLE webhook_account; DROP TABLE webhook;",
        )
        .await
    }
}

fn tables() -> String {
    format!(
        "CREATE TABLE webhook (
            id                    {UUID} NOT NULL,
            url                   text NOT NULL,
            events                text NOT NULL,
            choice                bigint NOT NULL,
            when_exhausted        text NOT NULL,
            status                text NOT NULL,
            secret                text NOT NULL,
            previous_secret       text,
            previous_secret_until {INSTANT},
            position              bigint NOT NULL,
            failed_attempts       bigint NOT NULL,
            next_attempt_at       {INSTANT},
            last_success_at       {INSTANT},
            last_failure_at       {INSTANT},
            last_failure          text,
            lease                 bigint NOT NULL,
            lease_ms              bigint,
            created_at            {INSTANT} NOT NULL,
            created_by            text,
            PRIMARY KEY (id),
            CONSTRAINT webhook_url_length CHECK ({url}),
            CONSTRAINT webhook_events_known CHECK (events IN (
                'ENTRY_POSTED', 'ACCOUNT_CHANGED', 'ENTRY_CHANGED', 'ENTRY_POSTED ACCOUNT_CHANGED', 'ENTRY_POSTED ENTRY_CHANGED',
                'ACCOUNT_CHANGED ENTRY_CHANGED', 'ENTRY_POSTED ACCOUNT_CHANGED ENTRY_CHANGED'
            )),
            CONSTRAINT webhook_choice_least CHECK (choice >= 1),
            CONSTRAINT webhook_when_exhausted_known CHECK (when_exhausted IN ('SKIP', 'STOP')),
            CONSTRAINT webhook_status_known CHECK (status IN ('ACTIVE', 'PAUSED', 'STOPPED')),
            CONSTRAINT webhook_secret_form CHECK (substr(secret, 1, 6) = 'whsec_'),
            CONSTRAINT webhook_previous_secret_form CHECK (substr(previous_secret, 1, 6) = 'whsec_'),
            CONSTRAINT webhook_previous_secret_ends CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL)),
            CONSTRAINT webhook_position_least CHECK (position >= 0),
            CONSTRAINT webhook_failed_attempts_least CHECK (failed_attempts >= 0),
            CONSTRAINT webhook_last_failure_length CHECK ({last_failure}),
            CONSTRAINT webhook_lease_ms_least CHECK (lease_ms > 0),
            CONSTRAINT webhook_created_by_length CHECK ({created_by})
         ) {TABLE};
         CREATE TABLE webhook_account (
            webhook_id {UUID} NOT NULL,
            account_id {UUID} NOT NULL,
            PRIMARY KEY (webhook_id, account_id),
            CONSTRAINT webhook_account_webhook_fkey FOREIGN KEY (webhook_id) REFERENCES webhook (id) ON DELETE CASCADE,
            CONSTRAINT webhook_account_account_fkey FOREIGN KEY (account_id) REFERENCES account (id)
         ) {TABLE};
         CREATE TABLE webhook_dead_letter (
            webhook_id   {UUID} NOT NULL,
            seq          bigint NOT NULL,
            attempts     bigint NOT NULL,
            failed_at    {INSTANT} NOT NULL,
            reason       text NOT NULL,
            is_requested bigint NOT NULL,
            PRIMARY KEY (webhook_id, seq),
            CONSTRAINT webhook_dead_letter_webhook_fkey FOREIGN KEY (webhook_id) REFERENCES webhook (id) ON DELETE CASCADE,
            CONSTRAINT webhook_dead_letter_seq_fkey FOREIGN KEY (seq) REFERENCES outbox (seq),
            CONSTRAINT webhook_dead_letter_attempts_least CHECK (attempts > 0),
            CONSTRAINT webhook_dead_letter_reason_length CHECK ({reason}),
            CONSTRAINT webhook_dead_letter_is_requested_known CHECK (is_requested IN (0, 1))
         ) {TABLE};
         CREATE INDEX webhook_dead_letter_requested_idx ON webhook_dead_letter (webhook_id, is_requested, seq);\n",
        url = length("url", 2000),
        last_failure = length("last_failure", 500),
        created_by = length("created_by", 1024),
        reason = length("reason", 500),
    )
}

//! `webhook`: where events of the outbox are sent, which ones, and how far each endpoint has got.
//!
//! `position` is the number up to which everything was delivered, or put into `webhook_dead_letter`. It never goes back, and it moves only
//! under a lease, whose number rises with every move, and never past the last event. So a server whose lease was taken over can move
//! nothing any more: whatever it believes, no event is skipped.
//!
//! The secrets are kept as they are, since requests are signed with them.

use crate::dialect::{Dialect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The rules of changes, by name.
const RULES: [(&str, &str, &str); 4] = [
    (
        "webhook_most",
        "BEFORE INSERT",
        "(SELECT COUNT(*) FROM webhook) >= 100",
    ),
    (
        "webhook_fixed",
        "BEFORE UPDATE OF id, created_at, created_by",
        "NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at OR NEW.created_by IS DISTINCT FROM OLD.created_by",
    ),
    (
        "webhook_lease_rises",
        "BEFORE UPDATE OF lease, lease_ms",
        "NEW.lease < OLD.lease OR NEW.lease = OLD.lease AND NEW.lease_ms IS DISTINCT FROM OLD.lease_ms",
    ),
    (
        "webhook_position_moves",
        "BEFORE UPDATE OF position",
        "NEW.position < OLD.position
             OR NEW.position > OLD.position AND (OLD.lease_ms IS NULL OR NEW.lease <= OLD.lease
                 OR NEW.position > (SELECT COALESCE(MAX(seq), 0) FROM outbox))",
    ),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        run(manager, &tables(&dialect)).await?;
        // Two that are created at the same moment do not see each other: one waits, so that not both are the last one.
        let one_by_one = "LOCK TABLE webhook IN SHARE ROW EXCLUSIVE MODE;";
        let one_by_one = dialect.before_each("webhook", "webhook_locks", "INSERT", one_by_one);
        run(manager, &one_by_one).await?;
        for (name, event, condition) in RULES {
            let rule = dialect.refuse("webhook", name, event, condition);
            run(manager, &rule).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        let mut sql = dialect.drop_before_each("webhook", "webhook_locks");
        for (name, _, _) in RULES {
            sql += &dialect.drop_trigger("webhook", name);
        }
        sql += "DROP TABLE webhook_dead_letter; DROP TABLE webhook_account; DROP TABLE webhook;";
        run(manager, &sql).await
    }
}

fn tables(dialect: &Dialect) -> String {
    let Dialect {
        bigint,
        uuid,
        timestamp,
        table_options,
        ..
    } = dialect;
    let id_rule = dialect.uuid_rule("id");
    let instants: String = [
        "previous_secret_until",
        "next_attempt_at",
        "last_success_at",
        "last_failure_at",
        "created_at",
    ]
    .iter()
    .map(|column| {
        let rule = dialect.timestamp_rule(column);
        format!("CONSTRAINT webhook_{column}_form CHECK ({rule}),\n            ")
    })
    .collect();
    let failed_at_rule = dialect.timestamp_rule("failed_at");
    format!(
        "CREATE TABLE webhook (
            id                    {uuid} NOT NULL,
            url                   text NOT NULL,
            events                text NOT NULL,
            choice                {bigint} NOT NULL,
            when_exhausted        text NOT NULL,
            status                text NOT NULL,
            secret                text NOT NULL,
            previous_secret       text,
            previous_secret_until {timestamp},
            position              {bigint} NOT NULL,
            failed_attempts       {bigint} NOT NULL,
            next_attempt_at       {timestamp},
            last_success_at       {timestamp},
            last_failure_at       {timestamp},
            last_failure          text,
            lease                 {bigint} NOT NULL,
            lease_ms              {bigint},
            created_at            {timestamp} NOT NULL,
            created_by            text,
            CONSTRAINT webhook_pkey PRIMARY KEY (id),
            CONSTRAINT webhook_id_form CHECK ({id_rule}),
            CONSTRAINT webhook_url_length CHECK (length(url) BETWEEN 1 AND 2000),
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
            CONSTRAINT webhook_last_failure_length CHECK (length(last_failure) BETWEEN 1 AND 500),
            CONSTRAINT webhook_lease_ms_least CHECK (lease_ms > 0),
            {instants}CONSTRAINT webhook_created_by_length CHECK (length(created_by) BETWEEN 1 AND 1024)
         ) {table_options};
         CREATE TABLE webhook_account (
            webhook_id {uuid} NOT NULL,
            account_id {uuid} NOT NULL,
            CONSTRAINT webhook_account_pkey PRIMARY KEY (webhook_id, account_id),
            CONSTRAINT webhook_account_webhook_fkey FOREIGN KEY (webhook_id) REFERENCES webhook (id) ON DELETE CASCADE,
            CONSTRAINT webhook_account_account_fkey FOREIGN KEY (account_id) REFERENCES account (id)
         ) {table_options};
         CREATE TABLE webhook_dead_letter (
            webhook_id   {uuid} NOT NULL,
            seq          {bigint} NOT NULL,
            attempts     {bigint} NOT NULL,
            failed_at    {timestamp} NOT NULL,
            reason       text NOT NULL,
            is_requested {bigint} NOT NULL,
            CONSTRAINT webhook_dead_letter_pkey PRIMARY KEY (webhook_id, seq),
            CONSTRAINT webhook_dead_letter_webhook_fkey FOREIGN KEY (webhook_id) REFERENCES webhook (id) ON DELETE CASCADE,
            CONSTRAINT webhook_dead_letter_seq_fkey FOREIGN KEY (seq) REFERENCES outbox (seq),
            CONSTRAINT webhook_dead_letter_attempts_least CHECK (attempts > 0),
            CONSTRAINT webhook_dead_letter_failed_at_form CHECK ({failed_at_rule}),
            CONSTRAINT webhook_dead_letter_reason_length CHECK (length(reason) BETWEEN 1 AND 500),
            CONSTRAINT webhook_dead_letter_is_requested_known CHECK (is_requested IN (0, 1))
         ) {table_options};
         CREATE INDEX webhook_dead_letter_requested_idx ON webhook_dead_letter (webhook_id, seq) WHERE is_requested = 1;"
    )
}

//! `outbox`: every event once, in the order of commits as far as events touch the same account; append-only. `outbox_unnumbered`: events that
//! have no number yet. `named_lock`: locks that transactions take; a row is a lock. Also the two tables of the crate unit-of-work.
//!
//! **Why numbers come later.** A transaction that draws its event's number commits later, so a larger number may become visible first. On
//! PostgreSQL, a snapshot says whether a smaller number can still appear; on MariaDB, nothing does. So the triggers write events to
//! `outbox_unnumbered`. After their transaction has committed, whoever looks for events first moves them to `outbox`, and gives each the
//! next number (`number_events` in `src/ledger/outbox/`).
//!
//! - One at a time: who numbers has the lock `outbox` until its COMMIT. So no smaller number becomes visible after a larger one.
//! - In one snapshot, in the order of `id`: of two events that touch the same account, the later one drew its `id` after the earlier one was
//!   committed. So a snapshot that shows the later one shows the earlier one, too.
//! - None twice: `outbox_numbered_once`. None lost: a row leaves `outbox_unnumbered` only when it is in `outbox`.
//!
//! **Locks.** Whoever takes a lock alone raises its `turn`: who has waited for it, and has an older snapshot, loses a conflict.

use super::rules::{INSTANT, KEY_TEXT, TABLE, UUID, append_only, refuse};
use crate::dialect::run;
use sea_orm_migration::prelude::*;
use unit_of_work::{idempotency, marker};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

/// Each is named after the table that PostgreSQL locks.
const LOCKS: [&str; 6] = [
    "account_group",
    "closed_period",
    "ledger",
    "outbox",
    "seal",
    "webhook",
];

/// An event is an entry that was posted, a change of an entry (both columns), or a change of an account.
const ONE_EVENT: &str = "CASE WHEN entry_id IS NULL THEN account_id IS NOT NULL AND revision IS NOT NULL ELSE account_id IS NULL END";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let locks = LOCKS.map(|name| format!("('{name}', 0)")).join(", ");
        // Few events are not about new entries. Subscribers to them read the index of `is_change`, and no entries.
        let tables = format!(
            "CREATE TABLE named_lock (
                name varchar(64) NOT NULL,
                turn bigint NOT NULL,
                PRIMARY KEY (name)
             ) {TABLE};
             INSERT INTO named_lock (name, turn) VALUES {locks};
             CREATE TABLE outbox_unnumbered (
                id         bigint NOT NULL AUTO_INCREMENT,
                entry_id   {UUID},
                account_id {UUID},
                revision   bigint,
                PRIMARY KEY (id),
                CONSTRAINT outbox_unnumbered_one_event CHECK ({ONE_EVENT})
             ) {TABLE};
             CREATE TABLE outbox (
                seq           bigint NOT NULL,
                entry_id      {UUID},
                account_id    {UUID},
                revision      bigint,
                unnumbered_id bigint NOT NULL,
                is_change     tinyint(1) GENERATED ALWAYS AS (revision IS NOT NULL) VIRTUAL,
                PRIMARY KEY (seq),
                CONSTRAINT outbox_numbered_once UNIQUE (unnumbered_id),
                CONSTRAINT outbox_one_event CHECK ({ONE_EVENT})
             ) {TABLE};
             CREATE INDEX outbox_changes_idx ON outbox (is_change, seq);
             CREATE TABLE import (
                sha256      {KEY_TEXT} NOT NULL,
                name        text NOT NULL,
                imported_at {INSTANT} NOT NULL,
                PRIMARY KEY (sha256),
                CONSTRAINT import_sha256_length CHECK (char_length(sha256) = 64)
             ) {TABLE};\n"
        );
        let rules = [
            refuse("named_lock", "named_lock_stays", "BEFORE DELETE", "TRUE"),
            append_only("outbox"),
            refuse(
                "outbox_unnumbered",
                "outbox_unnumbered_fixed",
                "BEFORE UPDATE",
                "TRUE",
            ),
            refuse(
                "outbox_unnumbered",
                "outbox_unnumbered_stays",
                "BEFORE DELETE",
                "NOT EXISTS (SELECT 1 FROM outbox WHERE unnumbered_id = OLD.id AND entry_id <=> OLD.entry_id
                     AND account_id <=> OLD.account_id AND revision <=> OLD.revision)",
            ),
            append_only("import"),
        ];
        run(manager, &(tables + &rules.concat())).await?;
        idempotency::Migration.up(manager).await?;
        marker::Migration.up(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        marker::Migration.down(manager).await?;
        idempotency::Migration.down(manager).await?;
        run(
            manager,
            "DROP TABLE import; DROP TABLE outbox; DROP TABLE outbox_unnumbered; DROP TABLE named_lock;",
        )
        .await
    }
}

//! `outbox`: every entry once, in the order of commits as far as entries touch the same account; append-only.
//!
//! The database itself writes it, when an entry's first line is inserted, so that no entry can be posted without its event. By then the
//! accounts of the entry are locked: of two entries that touch the same account, the one that is committed first has the smaller
//! number. Every entry has exactly one first line, and a line has its entry (keys of `entry_line`), so each is here exactly once.
//!
//! With concurrent writers, numbers become visible out of order; `src/ledger/outbox/mod.rs` says how readers deal with it.

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
            uuid,
            numbered,
            table_options,
            ..
        } = dialect;
        let on_first_line = dialect.after_insert(
            "entry_line",
            "entry_line_to_outbox",
            "NEW.line_no = 1",
            "INSERT INTO outbox (entry_id) VALUES (NEW.entry_id);",
        );
        run(
            manager,
            &format!(
                "CREATE TABLE outbox (
                    seq      {numbered},
                    entry_id {uuid} NOT NULL,
                    CONSTRAINT outbox_pkey PRIMARY KEY (seq)
                 ) {table_options};
                 INSERT INTO outbox (entry_id) SELECT id FROM entry ORDER BY recorded_at, id;"
            ),
        )
        .await?;
        run(manager, &on_first_line).await?;
        run(
            manager,
            &dialect.append_only("outbox", &[("outbox_pkey", "seq = NEW.seq")]),
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        let trigger = dialect.drop_after_insert("entry_line", "entry_line_to_outbox");
        let leftovers = dialect.drop_append_only("outbox");
        run(
            manager,
            &format!("{trigger} DROP TABLE outbox; {leftovers}"),
        )
        .await
    }
}

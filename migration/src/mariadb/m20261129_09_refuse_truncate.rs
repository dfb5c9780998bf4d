//! `not_truncated`: foreign keys that refuse TRUNCATE (error 1701), which runs no trigger. The table never has a row.
//!
//! Tables to which other foreign keys refer already are not here.

use super::rules::{INSTANT, KEY_TEXT, TABLE, UUID};
use crate::dialect::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

/// The tables whose rows cannot be deleted freely, with their keys.
const KEYS: [(&str, &[(&str, &str)]); 15] = [
    (
        "account_change",
        &[("account_id", UUID), ("revision", "bigint")],
    ),
    (
        "account_pending",
        &[("account_id", UUID), ("version", "bigint")],
    ),
    ("closed_period", &[("code_prefix", KEY_TEXT)]),
    ("closing", &[("number", "bigint")]),
    ("entry_change", &[("entry_id", UUID), ("number", "bigint")]),
    ("entry_word", &[("word", KEY_TEXT), ("entry_id", UUID)]),
    ("group_change", &[("number", "bigint")]),
    ("group_member", &[("tree_id", UUID), ("account_id", UUID)]),
    (
        "group_prefix",
        &[("tree_id", UUID), ("code_prefix", KEY_TEXT)],
    ),
    ("import", &[("sha256", KEY_TEXT)]),
    (
        "late_place",
        &[
            ("account_id", UUID),
            ("effective_at", INSTANT),
            ("version", "bigint"),
        ],
    ),
    (
        "line_part",
        &[("entry_id", UUID), ("line_no", "int"), ("part", "int")],
    ),
    ("named_lock", &[("name", "varchar(64)")]),
    ("outbox_unnumbered", &[("id", "bigint")]),
    ("seal", &[("seq", "bigint")]),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut columns = Vec::new();
        let mut keys = Vec::new();
        for (table, key) in KEYS {
            let name = |(column, _): &(&str, &str)| format!("{table}_{column}");
            columns.extend(key.iter().map(|it| format!("{} {}", name(it), it.1)));
            let here: Vec<_> = key.iter().map(name).collect();
            let there: Vec<_> = key.iter().map(|(column, _)| *column).collect();
            keys.push(format!(
                "CONSTRAINT {table}_not_truncated FOREIGN KEY ({}) REFERENCES {table} ({})",
                here.join(", "),
                there.join(", ")
            ));
        }
        let sql = format!(
            "CREATE TABLE not_truncated ({}, {}, CONSTRAINT not_truncated_empty CHECK (FALSE)) {TABLE};",
            columns.join(", "),
            keys.join(", ")
        );
        run(manager, &sql).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "DROP TABLE not_truncated;").await
    }
}

//! Entries that are undone, and holds that are ended, in parts.
//!
//! Several entries can name the same entry in `reverses_id`, or the same hold in `resolves_id`. `part` numbers them from 1; it is NULL for the
//! one that undoes or ends all at once, as all do that are older than this migration. `leaves_rest` says that something is left after it.
//! A part follows one that has left something, and there is one of each number. So nothing follows what has left nothing, and of two
//! that would be the same part at the same time, one waits for the other and is refused.
//!
//! `line_part` has what each part takes of each line, and what is left of the line after it; append-only. What is left is never less than
//! nothing, and is what was left before, less what the part takes: so the rows of a line never take more than it has. Whether the lines of a
//! part move what its rows say is for `verify`: to compare them here would cost every line that is posted. What is undone or ended at once has
//! no rows here.
//!
//! The indexes of both columns have only the entries that have one of them; most have neither.

use crate::dialect::{Dialect, run};
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, Statement};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// What a part's row has to be like.
const PART_FORM: &str = "CASE WHEN part IS NULL THEN NOT leaves_rest
    ELSE (resolves_id IS NOT NULL OR reverses_id IS NOT NULL) AND part BETWEEN 1 AND 100
        AND (leaves_rest OR part > 1) AND (part < 100 OR NOT leaves_rest) END";

/// Whether a part has none before it that has left something.
const FOLLOWS_NONE: &str = "NEW.part > 1 AND NOT EXISTS (
    SELECT 1 FROM entry AS earlier WHERE (earlier.reverses_id = NEW.reverses_id OR earlier.resolves_id = NEW.resolves_id)
        AND earlier.part = NEW.part - 1 AND earlier.leaves_rest
)";

/// Whether a row is not of the part that it says, or what is left is not what was left before less what is taken.
const NOT_LEFT: &str = "NOT EXISTS (
    SELECT 1 FROM entry WHERE id = NEW.by_entry_id AND part = NEW.part AND COALESCE(reverses_id, resolves_id) = NEW.entry_id
        AND (leaves_rest OR NEW.remaining = 0)
) OR EXISTS (
    SELECT 1 FROM line_part WHERE entry_id = NEW.entry_id AND line_no = NEW.line_no AND part >= NEW.part
) OR NEW.remaining + NEW.amount <> COALESCE(
    (SELECT remaining FROM line_part WHERE entry_id = NEW.entry_id AND line_no = NEW.line_no ORDER BY part DESC LIMIT 1),
    (SELECT amount FROM entry_line WHERE entry_id = NEW.entry_id AND line_no = NEW.line_no AND effect <> 'RELEASE'),
    -1
)";

/// What a change of an entry's row has to be: the one that the last change of its metadata says.
const CHANGED: &str = "EXISTS (
    SELECT 1 FROM entry_change WHERE entry_id = OLD.id AND metadata_before = OLD.metadata AND metadata_after = NEW.metadata
        AND number = (SELECT MAX(number) FROM entry_change WHERE entry_id = OLD.id)
)";

/// The columns that an entry had before, but for its metadata.
const FIXED: [&str; 10] = [
    "id",
    "kind",
    "resolves_id",
    "reverses_id",
    "description",
    "effective_at",
    "recorded_at",
    "expires_at",
    "reference",
    "recorded_by",
];

/// The two relations: the index, and its column.
const RELATIONS: [(&str, &str); 2] = [
    ("entry_resolved_once", "resolves_id"),
    ("entry_reversed_once", "reverses_id"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        if dialect.alters_columns() {
            run(
                manager,
                &format!(
                    "{} ALTER TABLE entry ADD COLUMN part integer, ADD COLUMN leaves_rest boolean NOT NULL DEFAULT false,
                         DROP CONSTRAINT entry_resolved_once, DROP CONSTRAINT entry_reversed_once,
                         ADD CONSTRAINT entry_part_form CHECK ({PART_FORM});",
                    dialect.drop_after_insert("entry", "entry_ends_hold")
                ),
            )
            .await?;
            run(manager, &indexes()).await?;
        } else {
            let columns = "part INTEGER, leaves_rest INTEGER NOT NULL DEFAULT FALSE CONSTRAINT entry_leaves_rest_form CHECK (leaves_rest IN (FALSE, TRUE)),";
            let rules = format!("CONSTRAINT entry_part_form CHECK ({PART_FORM}),");
            rewrite(manager, &dialect, columns, &rules, &indexes()).await?;
            let fixed = [&FIXED[..], &["part", "leaves_rest"]].concat();
            let changed = dialect.fix_but_for("entry", "metadata", &fixed, CHANGED);
            run(manager, &changed).await?;
        }
        for (name, column) in RELATIONS {
            let guard = dialect.guard_unique(
                "entry",
                name,
                &format!("NEW.{column} IS NOT NULL"),
                &format!("{column} = NEW.{column} AND COALESCE(part, 1) = COALESCE(NEW.part, 1)"),
            );
            run(manager, &guard).await?;
        }
        let Dialect {
            bigint,
            uuid,
            table_options,
            ..
        } = dialect;
        run(
            manager,
            &format!(
                "CREATE TABLE line_part (
                    entry_id    {uuid} NOT NULL,
                    line_no     INTEGER NOT NULL,
                    part        INTEGER NOT NULL,
                    by_entry_id {uuid} NOT NULL,
                    amount      {bigint} NOT NULL,
                    remaining   {bigint} NOT NULL,
                    CONSTRAINT line_part_pkey PRIMARY KEY (entry_id, line_no, part),
                    CONSTRAINT line_part_by_key UNIQUE (by_entry_id, line_no),
                    CONSTRAINT line_part_line_fkey FOREIGN KEY (entry_id, line_no) REFERENCES entry_line (entry_id, line_no),
                    CONSTRAINT line_part_by_fkey FOREIGN KEY (by_entry_id) REFERENCES entry (id),
                    CONSTRAINT line_part_amount_positive CHECK (amount > 0),
                    CONSTRAINT line_part_remaining_range CHECK (remaining >= 0)
                 ) {table_options};"
            ),
        )
        .await?;
        let unique = [
            (
                "line_part_pkey",
                "entry_id = NEW.entry_id AND line_no = NEW.line_no AND part = NEW.part",
            ),
            (
                "line_part_by_key",
                "by_entry_id = NEW.by_entry_id AND line_no = NEW.line_no",
            ),
        ];
        for rule in [
            dialect.append_only("line_part", &unique),
            dialect.refuse("line_part", "line_part_follows", "BEFORE INSERT", NOT_LEFT),
            dialect.refuse_insert(
                "entry",
                "entry_part_follows",
                "NEW.part IS NOT NULL",
                FOLLOWS_NONE,
            ),
            ends_hold(
                &dialect,
                "NEW.resolves_id IS NOT NULL AND NOT NEW.leaves_rest",
            ),
        ] {
            run(manager, &rule).await?;
        }
        Ok(())
    }

    /// Refused if something was undone or ended in parts: they would have nowhere to be.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        let parts = "SELECT 1 FROM entry WHERE part IS NOT NULL LIMIT 1";
        let parts = Statement::from_string(manager.get_database_backend(), parts);
        if manager
            .get_connection()
            .query_one_raw(parts)
            .await?
            .is_some()
        {
            let refusal = "entries were undone or holds were ended in parts, which cannot be kept without this migration";
            return Err(DbErr::Migration(refusal.to_owned()));
        }
        for sql in [
            dialect.drop_trigger("line_part", "line_part_follows"),
            format!(
                "DROP TABLE line_part; {}",
                dialect.drop_append_only("line_part")
            ),
            dialect.drop_trigger("entry", "entry_part_follows"),
        ] {
            run(manager, &sql).await?;
        }
        let unique = RELATIONS.map(|(name, column)| format!("CONSTRAINT {name} UNIQUE ({column})"));
        if dialect.alters_columns() {
            let unique = unique.map(|unique| format!("ADD {unique}")).join(", ");
            run(
                manager,
                &format!(
                    "{} DROP INDEX entry_resolved_once; DROP INDEX entry_reversed_once;
                     ALTER TABLE entry DROP CONSTRAINT entry_part_form, DROP COLUMN leaves_rest, DROP COLUMN part, {unique};",
                    dialect.drop_after_insert("entry", "entry_ends_hold")
                ),
            )
            .await?;
        } else {
            rewrite(manager, &dialect, "", &(unique.join(", ") + ","), "").await?;
            let changed = dialect.fix_but_for("entry", "metadata", &FIXED, CHANGED);
            run(manager, &changed).await?;
        }
        for (name, column) in RELATIONS {
            let in_the_way = format!("{column} = NEW.{column}");
            let guard = dialect.guard_unique("entry", name, "TRUE", &in_the_way);
            run(manager, &guard).await?;
        }
        run(manager, &ends_hold(&dialect, "NEW.resolves_id IS NOT NULL")).await
    }
}

fn indexes() -> String {
    let index = |(name, column)| {
        format!(
            "CREATE UNIQUE INDEX {name} ON entry ({column}, COALESCE(part, 1)) WHERE {column} IS NOT NULL;"
        )
    };
    RELATIONS.map(index).concat()
}

/// A hold is open until an entry leaves nothing of it.
fn ends_hold(dialect: &Dialect, condition: &str) -> String {
    dialect.after_insert(
        "entry",
        "entry_ends_hold",
        condition,
        "DELETE FROM open_hold WHERE entry_id = NEW.resolves_id;",
    )
}

/// Writes SQLite's table anew, with other columns and rules; its triggers and indexes stay, but for those about what ends and undoes.
///
/// The rows leave and come back under the same name, so that foreign keys, which are checked at the end of the transaction, find them.
async fn rewrite(
    manager: &SchemaManager<'_>,
    dialect: &Dialect,
    columns: &str,
    rules: &str,
    indexes: &str,
) -> Result<(), DbErr> {
    let kept = "SELECT sql FROM sqlite_master WHERE tbl_name = 'entry' AND type IN ('index', 'trigger') AND sql IS NOT NULL
        AND name NOT IN ('entry_resolved_once', 'entry_reversed_once', 'entry_ends_hold') ORDER BY type, rowid";
    let kept = Statement::from_string(DbBackend::Sqlite, kept);
    let mut sql = String::new();
    for row in manager.get_connection().query_all_raw(kept).await? {
        sql += &row.try_get::<String>("", "sql")?;
        sql += ";\n";
    }
    let id_rule = dialect.uuid_rule("id");
    let low_bits_free = dialect.low_bits_free("id");
    let effective_at_rule = dialect.timestamp_rule("effective_at");
    let recorded_at_rule = dialect.timestamp_rule("recorded_at");
    let expires_at_rule = dialect.timestamp_rule("expires_at");
    let metadata_rule = dialect.json_object_rule("metadata");
    let before = FIXED.join(", ");
    run(
        manager,
        &format!(
            "PRAGMA defer_foreign_keys = ON;
             CREATE TABLE entry_before AS SELECT {before}, metadata FROM entry ORDER BY rowid;
             DROP TABLE entry;
             CREATE TABLE entry (
                id           BLOB NOT NULL,
                kind         text NOT NULL,
                resolves_id  BLOB,
                reverses_id  BLOB,
                description  text,
                effective_at TEXT NOT NULL,
                recorded_at  TEXT NOT NULL,
                expires_at   TEXT,
                metadata     TEXT NOT NULL,
                reference    TEXT CONSTRAINT entry_reference_length CHECK (length(reference) BETWEEN 1 AND 200),
                recorded_by  text CONSTRAINT entry_recorded_by_length CHECK (length(recorded_by) BETWEEN 1 AND 1024),
                {columns}
                CONSTRAINT entry_pkey PRIMARY KEY (id),
                {rules}
                CONSTRAINT entry_resolves_fkey FOREIGN KEY (resolves_id) REFERENCES entry (id),
                CONSTRAINT entry_reverses_fkey FOREIGN KEY (reverses_id) REFERENCES entry (id),
                CONSTRAINT entry_id_form CHECK ({id_rule} AND {low_bits_free}),
                CONSTRAINT entry_kind_known CHECK (kind IN ('POST', 'HOLD', 'CAPTURE', 'RELEASE', 'REVERSAL')),
                CONSTRAINT entry_resolves_by_kind CHECK ((resolves_id IS NOT NULL) = (kind IN ('CAPTURE', 'RELEASE'))),
                CONSTRAINT entry_reverses_by_kind CHECK ((reverses_id IS NOT NULL) = (kind = 'REVERSAL')),
                CONSTRAINT entry_expires_by_kind CHECK (expires_at IS NULL OR kind = 'HOLD'),
                CONSTRAINT entry_description_length CHECK (length(description) BETWEEN 1 AND 1000),
                CONSTRAINT entry_metadata_object CHECK ({metadata_rule}),
                CONSTRAINT entry_effective_at_form CHECK ({effective_at_rule}),
                CONSTRAINT entry_recorded_at_form CHECK ({recorded_at_rule}),
                CONSTRAINT entry_expires_at_form CHECK ({expires_at_rule})
             ) STRICT;
             {indexes}
             INSERT INTO entry ({before}, metadata) SELECT {before}, metadata FROM entry_before ORDER BY rowid;
             DROP TABLE entry_before;
             {sql}"
        ),
    )
    .await
}

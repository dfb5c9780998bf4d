//! What entries and accounts are found by: metadata, words of descriptions, open holds, kinds and amounts.
//!
//! An entry without metadata, without a description, and that is no hold, pays for the index on amounts alone.
//!
//! `entry_metadata` and `account_metadata` have a row for each key at the top of the metadata whose value is a text of at most 200
//! characters, a whole number of at most 18 digits, or true or false. The database keeps them, also when metadata changes. `entry_word` has
//! the words of descriptions, which never change: the server splits them, because no two engines agree on what a word is. `open_hold` has
//! the holds that nothing has resolved yet.

use crate::dialect::{Dialect, run};
use icu_normalizer::ComposingNormalizerBorrowed;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, JsonValue, Statement};
use std::collections::BTreeSet;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// How many descriptions are split at a time.
const BATCH: usize = 1000;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        let engine = manager.get_database_backend();
        let Dialect {
            uuid, sorted_text, ..
        } = dialect;
        // The whole row is the key. On SQLite, such a table is its own index.
        let options = match engine {
            DbBackend::Sqlite => "STRICT, WITHOUT ROWID",
            _ => "",
        };
        let mut sql = format!(
            "CREATE TABLE entry_word (
                word     {sorted_text} NOT NULL,
                entry_id {uuid} NOT NULL,
                CONSTRAINT entry_word_pkey PRIMARY KEY (word, entry_id)
             ) {options};
             CREATE TABLE open_hold (
                entry_id {uuid} NOT NULL,
                CONSTRAINT open_hold_pkey PRIMARY KEY (entry_id)
             ) {options};
             INSERT INTO open_hold SELECT id FROM entry WHERE kind = 'HOLD'
                 AND NOT EXISTS (SELECT 1 FROM entry AS resolver WHERE resolver.resolves_id = entry.id);
             CREATE INDEX entry_other_recorded_at_id_idx ON entry (recorded_at, id) WHERE kind <> 'POST';
             CREATE INDEX entry_other_effective_at_id_idx ON entry (effective_at, id) WHERE kind <> 'POST';
             CREATE INDEX entry_line_currency_amount_idx ON entry_line (currency, amount);"
        );
        sql += &dialect.after_insert(
            "entry",
            "entry_opens_hold",
            "NEW.kind = 'HOLD'",
            "INSERT INTO open_hold VALUES (NEW.id);",
        );
        sql += &dialect.after_insert(
            "entry",
            "entry_ends_hold",
            "NEW.resolves_id IS NOT NULL",
            "DELETE FROM open_hold WHERE entry_id = NEW.resolves_id;",
        );
        for table in ["entry", "account"] {
            let pairs = |metadata: &str| pairs(engine, metadata);
            sql += &format!(
                "CREATE TABLE {table}_metadata (
                    key        {sorted_text} NOT NULL,
                    value      {sorted_text} NOT NULL,
                    {table}_id {uuid} NOT NULL,
                    CONSTRAINT {table}_metadata_pkey PRIMARY KEY (key, value, {table}_id)
                 ) {options};
                 {existing};",
                existing = existing(engine, table),
            );
            let insert = format!(
                "INSERT INTO {table}_metadata SELECT pair.key, pair.value, NEW.id FROM ({}) AS pair WHERE true ON CONFLICT DO NOTHING;",
                pairs("NEW.metadata")
            );
            let change = format!(
                "DELETE FROM {table}_metadata WHERE {table}_id = OLD.id AND (key, value) IN ({}); {insert}",
                pairs("OLD.metadata")
            );
            let name = format!("{table}_has_metadata");
            sql += &dialect.after_insert(table, &name, "NEW.metadata <> '{}'", &insert);
            sql += &after_change(engine, table, &change);
        }
        run(manager, &sql).await?;
        run(manager, &dialect.append_only("entry_word", &[])).await?;
        split_descriptions(manager.get_connection(), engine).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        let engine = manager.get_database_backend();
        let mut sql = String::new();
        for table in ["entry", "account"] {
            sql += &drop_after_change(engine, table);
            sql += &dialect.drop_after_insert(table, &format!("{table}_has_metadata"));
            sql += &format!("DROP TABLE {table}_metadata;");
        }
        for name in ["entry_opens_hold", "entry_ends_hold"] {
            sql += &dialect.drop_after_insert("entry", name);
        }
        sql += "DROP INDEX entry_line_currency_amount_idx; DROP INDEX entry_other_effective_at_id_idx; DROP INDEX entry_other_recorded_at_id_idx;
                DROP TABLE open_hold; DROP TABLE entry_word;";
        sql += &dialect.drop_append_only("entry_word");
        run(manager, &sql).await
    }
}

/// The keys and values of a JSON object that can be found.
fn pairs(engine: DbBackend, metadata: &str) -> String {
    match engine {
        DbBackend::Sqlite => format!(
            "SELECT each.key AS key, CASE each.type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(each.value AS TEXT) END AS value
             FROM json_each({metadata}) AS each
             WHERE length(each.key) <= 200 AND (
                 each.type IN ('true', 'false') OR each.type = 'text' AND length(each.value) <= 200
                 OR each.type = 'integer' AND typeof(each.value) = 'integer'
                     AND each.value BETWEEN -999999999999999999 AND 999999999999999999
             )"
        ),
        _ => format!(
            "SELECT each.key AS key, each.value #>> '{{}}' AS value FROM jsonb_each({metadata}) AS each
             WHERE length(each.key) <= 200 AND length(each.value #>> '{{}}') <= 200 AND (
                 jsonb_typeof(each.value) IN ('string', 'boolean')
                 OR jsonb_typeof(each.value) = 'number' AND each.value #>> '{{}}' ~ '^-?[0-9]{{1,18}}$'
             )"
        ),
    }
}

/// Writes the pairs of the rows that are there already.
fn existing(engine: DbBackend, table: &str) -> String {
    let pairs = pairs(engine, &format!("{table}.metadata"));
    match engine {
        // A function may read the table before it, which a SELECT around it may not.
        DbBackend::Sqlite => {
            let pairs = pairs.replacen("FROM", &format!(", {table}.id FROM {table},"), 1);
            format!("INSERT INTO {table}_metadata {pairs} AND {table}.metadata <> '{{}}' ON CONFLICT DO NOTHING")
        }
        _ => format!(
            "INSERT INTO {table}_metadata SELECT pair.key, pair.value, {table}.id FROM {table}, LATERAL ({pairs}) AS pair
             WHERE {table}.metadata <> '{{}}' ON CONFLICT DO NOTHING"
        ),
    }
}

fn after_change(engine: DbBackend, table: &str, sql: &str) -> String {
    let name = format!("{table}_changes_metadata");
    match engine {
        DbBackend::Postgres => format!(
            "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {sql} RETURN NULL; END $$;
             CREATE TRIGGER {name} AFTER UPDATE OF metadata ON {table} FOR EACH ROW WHEN (OLD.metadata <> NEW.metadata)
                 EXECUTE FUNCTION {name}();"
        ),
        _ => format!(
            "CREATE TRIGGER {name} AFTER UPDATE OF metadata ON {table} WHEN OLD.metadata <> NEW.metadata BEGIN {sql} END;"
        ),
    }
}

fn drop_after_change(engine: DbBackend, table: &str) -> String {
    let name = format!("{table}_changes_metadata");
    match engine {
        DbBackend::Postgres => format!("DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}();"),
        _ => format!("DROP TRIGGER {name};"),
    }
}

/// Writes the words of the descriptions that are there already.
async fn split_descriptions<C: ConnectionTrait>(db: &C, engine: DbBackend) -> Result<(), DbErr> {
    let (id, after, of_text) = match engine {
        DbBackend::Sqlite => ("hex(id)", "unhex($1)", "unhex(one.value ->> 1)"),
        _ => (
            "replace(CAST(id AS text), '-', '')",
            "CAST($1 AS uuid)",
            "CAST(one.value ->> 1 AS uuid)",
        ),
    };
    let (each, of_json) = match engine {
        DbBackend::Sqlite => ("json_each", "$1"),
        _ => ("jsonb_array_elements", "CAST($1 AS jsonb)"),
    };
    let mut last = "0".repeat(32);
    loop {
        let sql = format!(
            "SELECT {id} AS id, description FROM entry WHERE description IS NOT NULL AND id > {after} ORDER BY entry.id LIMIT {BATCH}"
        );
        let select = Statement::from_sql_and_values(engine, sql, [last.clone().into()]);
        let rows = db.query_all_raw(select).await?;
        let mut words = Vec::new();
        for row in &rows {
            last = row.try_get("", "id")?;
            let description: String = row.try_get("", "description")?;
            let of_row = split(&description).into_iter();
            words.extend(of_row.map(|word| JsonValue::from(vec![word, last.clone()])));
        }
        let sql = format!(
            "INSERT INTO entry_word SELECT one.value ->> 0, {of_text} FROM {each}({of_json}) AS one"
        );
        let words = JsonValue::from(words).to_string();
        db.execute_raw(Statement::from_sql_and_values(engine, sql, [words.into()]))
            .await?;
        if rows.len() < BATCH {
            return Ok(());
        }
    }
}

/// The words of a description, as the ledger splits them at the time of this migration.
fn split(description: &str) -> BTreeSet<String> {
    let normal = ComposingNormalizerBorrowed::new_nfkc().normalize(description);
    let lower = normal.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words.map(|word| word.chars().take(64).collect()).collect()
}

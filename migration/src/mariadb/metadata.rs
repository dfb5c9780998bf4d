//! The keys and values of metadata that entries and accounts are found by; see `m20261127_30_add_finding`.

use super::rules::{TABLE, UUID, trigger};

/// Creates `<table>_metadata`, and the triggers that keep it.
pub(super) fn create(table: &str) -> String {
    let create = format!(
        "CREATE TABLE {table}_metadata (
            `key`      varchar(200) NOT NULL,
            value      varchar(200) NOT NULL,
            {table}_id {UUID} NOT NULL,
            PRIMARY KEY (`key`, value, {table}_id)
         ) {TABLE};\n"
    );
    // Of a key that a document has twice, one value is enough.
    let insert = format!(
        "INSERT INTO {table}_metadata (`key`, value, {table}_id) SELECT pair.name, pair.value, NEW.id FROM ({}) AS pair
             ON DUPLICATE KEY UPDATE {table}_metadata.value = {table}_metadata.value;",
        pairs("NEW.metadata")
    );
    let delete = format!(
        "DELETE kept FROM {table}_metadata AS kept JOIN ({}) AS pair ON kept.`key` = pair.name AND kept.value = pair.value
             WHERE kept.{table}_id = OLD.id;",
        pairs("OLD.metadata")
    );
    let has = trigger(
        table,
        &format!("{table}_has_metadata"),
        "AFTER INSERT",
        &format!("IF NEW.metadata <> '{{}}' THEN {insert} END IF;"),
    );
    let changes = trigger(
        table,
        &format!("{table}_changes_metadata"),
        "AFTER UPDATE",
        &format!("IF OLD.metadata <> NEW.metadata THEN {delete} {insert} END IF;"),
    );
    [create, has, changes].concat()
}

/// The keys and values of a JSON object that can be found. Both lists are in the order of the document.
fn pairs(metadata: &str) -> String {
    const FOUND: &str = "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PATH '$'";
    format!(
        "SELECT name, value
         FROM json_table(json_keys({metadata}), '$[*]' COLUMNS (place FOR ORDINALITY, name {FOUND})) AS names
         JOIN json_table(json_extract({metadata}, '$.*'), '$[*]' COLUMNS (place FOR ORDINALITY, value {FOUND}, document json PATH '$')) AS found
             ON found.place = names.place
         WHERE char_length(name) <= 200 AND char_length(value) <= 200 AND (
             json_type(document) IN ('STRING', 'BOOLEAN') OR json_type(document) = 'INTEGER' AND value REGEXP '^-?[0-9]{{1,18}}$'
         )"
    )
}

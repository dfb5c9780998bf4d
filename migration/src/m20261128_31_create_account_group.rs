//! `account_group`: trees of groups of accounts, beside the hierarchy of their codes. A tree is a group without a parent. An account is in
//! at most one group of a tree by hand (`group_member`); otherwise in the one with the longest prefix of its code (`group_prefix`).
//!
//! A group is known by its path, `tax-report:income:wages`. Its parent is the group whose path is one part shorter, which a foreign key asks
//! for. So there is no cycle, whoever moves what.
//!
//! `group_change` is the history, append-only. The other tables follow from it: a row is inserted there, with what was before, and the
//! database itself writes it to them. Nothing else can change them.

use crate::dialect::{Dialect, run};
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// A path without its last part; none for a tree. What is trimmed away from the end is every character but the colon.
const PARENT: &str = "NULLIF(rtrim(rtrim(path, replace(path, ':', '')), ':'), '')";

/// Whether a change is about a group itself, and not about what is in it.
const OF_GROUP: &str = "account_id IS NULL AND code_prefix IS NULL";

/// The tables of what is in groups, and the column of what it is.
const CONTENTS: [(&str, &str); 2] = [
    ("group_member", "account_id"),
    ("group_prefix", "code_prefix"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        run(manager, &tables(&dialect)).await?;
        for rule in history(&dialect) {
            run(manager, &rule).await?;
        }
        for rule in groups(&dialect) {
            run(manager, &rule).await?;
        }
        for (table, column) in CONTENTS {
            for rule in contents(&dialect, table, column) {
                run(manager, &rule).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager)?;
        let mut sql = String::new();
        for name in ["group_change_follows", "group_change_to_group"] {
            sql += &dialect.drop_trigger("group_change", name);
        }
        for (table, _) in CONTENTS {
            sql += &dialect.drop_trigger("group_change", &format!("group_change_to_{table}"));
            for rule in ["is_change", "fixed", "stays"] {
                sql += &dialect.drop_trigger(table, &format!("{table}_{rule}"));
            }
        }
        sql += &dialect.drop_trigger("group_prefix", "group_prefix_most");
        for rule in ["most", "is_change", "follows_change", "stays"] {
            sql += &dialect.drop_trigger("account_group", &format!("account_group_{rule}"));
        }
        sql += "DROP TABLE group_prefix; DROP TABLE group_member; DROP TABLE account_group; DROP TABLE group_change;";
        sql += &dialect.drop_append_only("group_change");
        run(manager, &sql).await
    }
}

fn tables(dialect: &Dialect) -> String {
    let Dialect {
        bigint,
        uuid,
        sorted_text,
        timestamp,
        numbered,
        table_options,
        ..
    } = dialect;
    let id_rule = dialect.uuid_rule("id");
    let group_id_rule = dialect.uuid_rule("group_id");
    let tree_id_rule = dialect.uuid_rule("tree_id");
    let recorded_at_rule = dialect.timestamp_rule("recorded_at");
    // The parent is asked for at COMMIT: while a group moves, those below it follow one by one.
    format!(
        "CREATE TABLE account_group (
            id          {uuid} NOT NULL,
            tree_id     {uuid} NOT NULL,
            path        {sorted_text} NOT NULL,
            parent_path {sorted_text} GENERATED ALWAYS AS ({PARENT}) STORED,
            name        text NOT NULL,
            revision    {bigint} NOT NULL,
            CONSTRAINT account_group_pkey PRIMARY KEY (id),
            CONSTRAINT account_group_path_key UNIQUE (path),
            CONSTRAINT account_group_tree_id_path_key UNIQUE (tree_id, path),
            CONSTRAINT account_group_tree_id_id_key UNIQUE (tree_id, id),
            CONSTRAINT account_group_parent_fkey FOREIGN KEY (tree_id, parent_path) REFERENCES account_group (tree_id, path)
                DEFERRABLE INITIALLY DEFERRED,
            CONSTRAINT account_group_tree_has_no_parent CHECK ((tree_id = id) = (parent_path IS NULL)),
            CONSTRAINT account_group_id_form CHECK ({id_rule}),
            CONSTRAINT account_group_path_length CHECK (length(path) BETWEEN 1 AND 200),
            CONSTRAINT account_group_path_form CHECK (path NOT LIKE ':%' AND path NOT LIKE '%:' AND path NOT LIKE '%::%'),
            CONSTRAINT account_group_depth CHECK (length(path) - length(replace(path, ':', '')) <= 9),
            CONSTRAINT account_group_name_length CHECK (length(name) BETWEEN 1 AND 200)
         ) {table_options};
         CREATE INDEX account_group_parent_path_idx ON account_group (parent_path, tree_id);
         CREATE TABLE group_member (
            tree_id    {uuid} NOT NULL,
            account_id {uuid} NOT NULL,
            group_id   {uuid} NOT NULL,
            CONSTRAINT group_member_pkey PRIMARY KEY (tree_id, account_id),
            CONSTRAINT group_member_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
            CONSTRAINT group_member_group_fkey FOREIGN KEY (tree_id, group_id) REFERENCES account_group (tree_id, id)
         ) {table_options};
         CREATE INDEX group_member_group_id_account_id_idx ON group_member (group_id, account_id);
         CREATE INDEX group_member_account_id_idx ON group_member (account_id);
         CREATE TABLE group_prefix (
            tree_id     {uuid} NOT NULL,
            code_prefix {sorted_text} NOT NULL,
            group_id    {uuid} NOT NULL,
            CONSTRAINT group_prefix_pkey PRIMARY KEY (tree_id, code_prefix),
            CONSTRAINT group_prefix_group_fkey FOREIGN KEY (tree_id, group_id) REFERENCES account_group (tree_id, id),
            CONSTRAINT group_prefix_length CHECK (length(code_prefix) BETWEEN 1 AND 64)
         ) {table_options};
         CREATE INDEX group_prefix_group_id_code_prefix_idx ON group_prefix (group_id, code_prefix);
         CREATE TABLE group_change (
            number      {numbered},
            tree_id     {uuid} NOT NULL,
            group_id    {uuid} NOT NULL,
            account_id  {uuid},
            code_prefix {sorted_text},
            path_before {sorted_text},
            path_after  {sorted_text},
            name_before text,
            name_after  text,
            recorded_at {timestamp} NOT NULL,
            recorded_by text,
            CONSTRAINT group_change_pkey PRIMARY KEY (number),
            CONSTRAINT group_change_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
            CONSTRAINT group_change_id_form CHECK ({group_id_rule} AND {tree_id_rule}),
            CONSTRAINT group_change_one_subject CHECK (account_id IS NULL OR code_prefix IS NULL),
            CONSTRAINT group_change_names CHECK (
                CASE WHEN {OF_GROUP} THEN (path_before IS NULL) = (name_before IS NULL) AND (path_after IS NULL) = (name_after IS NULL)
                ELSE name_before IS NULL AND name_after IS NULL END
            ),
            CONSTRAINT group_change_changes
                CHECK (path_before IS DISTINCT FROM path_after OR name_before IS DISTINCT FROM name_after),
            CONSTRAINT group_change_recorded_at_form CHECK ({recorded_at_rule}),
            CONSTRAINT group_change_recorded_by_length CHECK (length(recorded_by) BETWEEN 1 AND 1024)
         ) {table_options};
         CREATE INDEX group_change_tree_id_number_idx ON group_change (tree_id, number);
         CREATE INDEX group_change_group_id_number_idx ON group_change (group_id, number) WHERE {OF_GROUP};
         CREATE INDEX group_change_account_id_number_idx ON group_change (account_id, tree_id, number) WHERE account_id IS NOT NULL;
         CREATE INDEX group_change_code_prefix_number_idx ON group_change (tree_id, code_prefix, number)
             WHERE code_prefix IS NOT NULL;"
    )
}

/// A change says rightly what was before, and is written to the other tables.
fn history(dialect: &Dialect) -> Vec<String> {
    let mut follows = vec![
        "NEW.account_id IS NULL AND NEW.code_prefix IS NULL AND (
             NEW.path_before IS NULL AND EXISTS (SELECT 1 FROM group_change WHERE group_id = NEW.group_id)
             OR NEW.path_before IS NOT NULL AND NOT EXISTS (
                 SELECT 1 FROM account_group WHERE id = NEW.group_id AND tree_id = NEW.tree_id
                     AND path = NEW.path_before AND name = NEW.name_before
             )
         )"
        .to_owned(),
        "(NEW.account_id IS NOT NULL OR NEW.code_prefix IS NOT NULL) AND NEW.path_after IS NOT NULL AND NOT EXISTS (
             SELECT 1 FROM account_group WHERE id = NEW.group_id AND tree_id = NEW.tree_id AND path = NEW.path_after
         )"
        .to_owned(),
    ];
    for (table, column) in CONTENTS {
        let there = format!("{table}.tree_id = NEW.tree_id AND {table}.{column} = NEW.{column}");
        follows.push(format!(
            "NEW.{column} IS NOT NULL AND (
                 NEW.path_before IS DISTINCT FROM (
                     SELECT path FROM {table} JOIN account_group ON account_group.id = {table}.group_id WHERE {there}
                 )
                 OR NEW.path_after IS NULL AND NOT EXISTS (SELECT 1 FROM {table} WHERE {there} AND group_id = NEW.group_id)
             )"
        ));
    }
    let count =
        format!("SELECT COUNT(*) FROM group_change WHERE group_id = NEW.group_id AND {OF_GROUP}");
    let mut rules = vec![
        dialect.append_only("group_change", &[("group_change_pkey", "number = NEW.number")]),
        dialect.refuse(
            "group_change",
            "group_change_follows",
            "BEFORE INSERT",
            &follows.join(" OR "),
        ),
        dialect.after_insert(
            "group_change",
            "group_change_to_group",
            "NEW.account_id IS NULL AND NEW.code_prefix IS NULL",
            &format!(
                "INSERT INTO account_group (id, tree_id, path, name, revision)
                     SELECT NEW.group_id, NEW.tree_id, NEW.path_after, NEW.name_after, 1 WHERE NEW.path_before IS NULL;
                 UPDATE account_group SET path = NEW.path_after, name = NEW.name_after, revision = ({count})
                     WHERE id = NEW.group_id AND NEW.path_before IS NOT NULL AND NEW.path_after IS NOT NULL;
                 DELETE FROM account_group WHERE id = NEW.group_id AND NEW.path_after IS NULL;"
            ),
        ),
    ];
    for (table, column) in CONTENTS {
        rules.push(dialect.after_insert(
            "group_change",
            &format!("group_change_to_{table}"),
            &format!("NEW.{column} IS NOT NULL"),
            &format!(
                "DELETE FROM {table} WHERE tree_id = NEW.tree_id AND {column} = NEW.{column};
                 INSERT INTO {table} (tree_id, {column}, group_id)
                     SELECT NEW.tree_id, NEW.{column}, NEW.group_id WHERE NEW.path_after IS NOT NULL;"
            ),
        ));
    }
    rules
}

/// A group is what the last of its changes says.
fn groups(dialect: &Dialect) -> Vec<String> {
    let changes = |row: &str| format!("group_id = {row}.id AND {OF_GROUP}");
    let last = |row: &str, is: &str| {
        let of_group = changes(row);
        format!(
            "EXISTS (SELECT 1 FROM group_change WHERE {of_group} AND {is}
                 AND number = (SELECT MAX(number) FROM group_change WHERE {of_group}))"
        )
    };
    let is_last = last(
        "NEW",
        "tree_id = NEW.tree_id AND path_after = NEW.path AND name_after = NEW.name",
    );
    let count = format!(
        "(SELECT COUNT(*) FROM group_change WHERE {})",
        changes("NEW")
    );
    vec![
        dialect.refuse(
            "account_group",
            "account_group_is_change",
            "BEFORE INSERT",
            &format!("NEW.revision <> {count} OR NOT {is_last}"),
        ),
        dialect.refuse(
            "account_group",
            "account_group_follows_change",
            "BEFORE UPDATE",
            &format!("NEW.id <> OLD.id OR NEW.revision <> {count} OR NOT {is_last}"),
        ),
        dialect.refuse(
            "account_group",
            "account_group_stays",
            "BEFORE DELETE",
            &last("OLD", "path_after IS NOT NULL"),
        ),
        dialect.refuse(
            "account_group",
            "account_group_most",
            "BEFORE INSERT",
            "(SELECT COUNT(*) FROM account_group WHERE tree_id = NEW.tree_id) >= 1000
             OR NEW.tree_id = NEW.id AND (SELECT COUNT(*) FROM account_group WHERE parent_path IS NULL) >= 20",
        ),
    ]
}

/// An account or a prefix is in the group that the last of its changes says.
fn contents(dialect: &Dialect, table: &str, column: &str) -> Vec<String> {
    let last = |row: &str| {
        let changes = format!("tree_id = {row}.tree_id AND {column} = {row}.{column}");
        format!(
            "EXISTS (SELECT 1 FROM group_change WHERE {changes} AND group_id = {row}.group_id AND path_after IS NOT NULL
                 AND number = (SELECT MAX(number) FROM group_change WHERE {changes}))"
        )
    };
    let mut rules = vec![
        dialect.refuse(
            table,
            &format!("{table}_is_change"),
            "BEFORE INSERT",
            &format!("NOT {}", last("NEW")),
        ),
        dialect.refuse(
            table,
            &format!("{table}_fixed"),
            "BEFORE UPDATE",
            "NEW.group_id IS NOT NULL",
        ),
        dialect.refuse(
            table,
            &format!("{table}_stays"),
            "BEFORE DELETE",
            &last("OLD"),
        ),
    ];
    if table == "group_prefix" {
        rules.push(dialect.refuse(
            table,
            "group_prefix_most",
            "BEFORE INSERT",
            "(SELECT COUNT(*) FROM group_prefix WHERE tree_id = NEW.tree_id) >= 1000",
        ));
    }
    rules
}

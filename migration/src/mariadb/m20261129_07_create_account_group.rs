//! `account_group` and what is in groups, with their history (`group_change`). See `m20261128_31_create_account_group`.
//!
//! **What is weaker here.** Elsewhere the rule that a group's parent is there (`account_group_parent_fkey`) is checked at COMMIT, because while
//! a group moves, those below it follow one by one. Here triggers check it: a group appears or moves only where its parent is, and is deleted
//! only when nothing is below it, and moves to no place below itself. A move that leaves behind what is below the group is not refused. The
//! domain moves all of them in one statement, and `verify` finds a group without a parent.
//!
//! Whoever inserts a group locks its parent, so that this stays where it is until the end of the transaction.

use super::rules::{
    INSTANT, KEY_TEXT, TABLE, UUID, append_only, length, refuse, refuse_as, trigger,
};
use crate::dialect::run;
use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

/// A path without its last part; none for a tree. `{path}` stands for the path.
const PARENT: &str = "NULLIF(substring_index({path}, ':', char_length({path}) - char_length(replace({path}, ':', ''))), '')";

/// Whether a change is about a group itself, and not about what is in it.
const OF_GROUP: &str = "account_id IS NULL AND code_prefix IS NULL";

/// The tables of what is in groups, and the column of what it is.
const CONTENTS: [(&str, &str); 2] = [
    ("group_member", "account_id"),
    ("group_prefix", "code_prefix"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut sql = tables() + &changes() + &history() + &groups() + &parents();
        for (table, column) in CONTENTS {
            sql += &contents(table, column);
        }
        run(manager, &sql).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "DROP TABLE group_prefix; DROP TABLE group_member; DROP TABLE account_group; DROP TABLE group_change;",
        )
        .await
    }
}

fn tables() -> String {
    format!(
        "CREATE TABLE account_group (
            id          {UUID} NOT NULL,
            tree_id     {UUID} NOT NULL,
            path        {KEY_TEXT} NOT NULL,
            parent_path {KEY_TEXT} GENERATED ALWAYS AS ({parent}) STORED,
            name        text NOT NULL,
            revision    bigint NOT NULL,
            PRIMARY KEY (id),
            CONSTRAINT account_group_path_key UNIQUE (path),
            CONSTRAINT account_group_tree_id_path_key UNIQUE (tree_id, path),
            CONSTRAINT account_group_tree_id_id_key UNIQUE (tree_id, id),
            CONSTRAINT account_group_tree_has_no_parent CHECK ((tree_id = id) = (parent_path IS NULL)),
            CONSTRAINT account_group_path_length CHECK ({path}),
            CONSTRAINT account_group_path_form CHECK (path NOT LIKE ':%' AND path NOT LIKE '%:' AND path NOT LIKE '%::%'),
            CONSTRAINT account_group_depth CHECK (char_length(path) - char_length(replace(path, ':', '')) <= 9),
            CONSTRAINT account_group_name_length CHECK ({name})
         ) {TABLE};
         CREATE INDEX account_group_parent_path_idx ON account_group (parent_path, tree_id);
         CREATE TABLE group_member (
            tree_id    {UUID} NOT NULL,
            account_id {UUID} NOT NULL,
            group_id   {UUID} NOT NULL,
            PRIMARY KEY (tree_id, account_id),
            CONSTRAINT group_member_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
            CONSTRAINT group_member_group_fkey FOREIGN KEY (tree_id, group_id) REFERENCES account_group (tree_id, id)
         ) {TABLE};
         CREATE INDEX group_member_group_id_account_id_idx ON group_member (group_id, account_id);
         CREATE INDEX group_member_account_id_idx ON group_member (account_id);
         CREATE TABLE group_prefix (
            tree_id     {UUID} NOT NULL,
            code_prefix {KEY_TEXT} NOT NULL,
            group_id    {UUID} NOT NULL,
            PRIMARY KEY (tree_id, code_prefix),
            CONSTRAINT group_prefix_group_fkey FOREIGN KEY (tree_id, group_id) REFERENCES account_group (tree_id, id),
            CONSTRAINT group_prefix_length CHECK ({code_prefix})
         ) {TABLE};
         CREATE INDEX group_prefix_group_id_code_prefix_idx ON group_prefix (group_id, code_prefix);\n",
        parent = PARENT.replace("{path}", "path"),
        path = length("path", 200),
        name = length("name", 200),
        code_prefix = length("code_prefix", 64),
    )
}

fn changes() -> String {
    format!(
        "CREATE TABLE group_change (
            number      bigint NOT NULL AUTO_INCREMENT,
            tree_id     {UUID} NOT NULL,
            group_id    {UUID} NOT NULL,
            account_id  {UUID},
            code_prefix {KEY_TEXT},
            path_before {KEY_TEXT},
            path_after  {KEY_TEXT},
            name_before text,
            name_after  text,
            recorded_at {INSTANT} NOT NULL,
            recorded_by text,
            PRIMARY KEY (number),
            CONSTRAINT group_change_account_fkey FOREIGN KEY (account_id) REFERENCES account (id),
            CONSTRAINT group_change_one_subject CHECK (account_id IS NULL OR code_prefix IS NULL),
            CONSTRAINT group_change_names CHECK (
                CASE WHEN {OF_GROUP} THEN (path_before IS NULL) = (name_before IS NULL) AND (path_after IS NULL) = (name_after IS NULL)
                ELSE name_before IS NULL AND name_after IS NULL END
            ),
            CONSTRAINT group_change_changes CHECK (NOT (path_before <=> path_after AND name_before <=> name_after)),
            CONSTRAINT group_change_recorded_by_length CHECK ({recorded_by})
         ) {TABLE};
         CREATE INDEX group_change_tree_id_number_idx ON group_change (tree_id, number);
         CREATE INDEX group_change_group_id_number_idx ON group_change (group_id, number);
         CREATE INDEX group_change_account_id_number_idx ON group_change (account_id, tree_id, number);
         CREATE INDEX group_change_code_prefix_number_idx ON group_change (tree_id, code_prefix, number);\n",
        recorded_by = length("recorded_by", 1024),
    )
}

/// A change says rightly what was before, and is written to the other tables.
fn history() -> String {
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
                 NOT NEW.path_before <=> (
                     SELECT path FROM {table} JOIN account_group ON account_group.id = {table}.group_id WHERE {there}
                 )
                 OR NEW.path_after IS NULL AND NOT EXISTS (SELECT 1 FROM {table} WHERE {there} AND group_id = NEW.group_id)
             )"
        ));
    }
    let count =
        format!("SELECT COUNT(*) FROM group_change WHERE group_id = NEW.group_id AND {OF_GROUP}");
    let mut rules = append_only("group_change");
    rules += &refuse(
        "group_change",
        "group_change_follows",
        "BEFORE INSERT",
        &follows.join(" OR "),
    );
    rules += &trigger(
        "group_change",
        "group_change_to_group",
        "AFTER INSERT",
        &format!(
            "IF NEW.account_id IS NULL AND NEW.code_prefix IS NULL THEN
                 IF NEW.path_before IS NULL THEN
                     INSERT INTO account_group (id, tree_id, path, name, revision)
                         VALUES (NEW.group_id, NEW.tree_id, NEW.path_after, NEW.name_after, 1);
                 ELSEIF NEW.path_after IS NULL THEN
                     DELETE FROM account_group WHERE id = NEW.group_id;
                 ELSE
                     UPDATE account_group SET path = NEW.path_after, name = NEW.name_after, revision = ({count}) WHERE id = NEW.group_id;
                 END IF;
             END IF;"
        ),
    );
    for (table, column) in CONTENTS {
        rules += &trigger(
            "group_change",
            &format!("group_change_to_{table}"),
            "AFTER INSERT",
            &format!(
                "IF NEW.{column} IS NOT NULL THEN
                     DELETE FROM {table} WHERE tree_id = NEW.tree_id AND {column} = NEW.{column};
                     IF NEW.path_after IS NOT NULL THEN
                         INSERT INTO {table} (tree_id, {column}, group_id) VALUES (NEW.tree_id, NEW.{column}, NEW.group_id);
                     END IF;
                 END IF;"
            ),
        );
    }
    rules
}

/// A group is what the last of its changes says.
fn groups() -> String {
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
    [
        refuse(
            "account_group",
            "account_group_is_change",
            "BEFORE INSERT",
            &format!("NEW.revision <> {count} OR NOT {is_last}"),
        ),
        refuse(
            "account_group",
            "account_group_follows_change",
            "BEFORE UPDATE",
            &format!("NEW.id <> OLD.id OR NEW.revision <> {count} OR NOT {is_last}"),
        ),
        refuse(
            "account_group",
            "account_group_stays",
            "BEFORE DELETE",
            &last("OLD", "path_after IS NOT NULL"),
        ),
        refuse(
            "account_group",
            "account_group_most",
            "BEFORE INSERT",
            "(SELECT COUNT(*) FROM account_group WHERE tree_id = NEW.tree_id) >= 1000
             OR NEW.tree_id = NEW.id AND (SELECT COUNT(*) FROM account_group WHERE parent_path IS NULL) >= 20",
        ),
    ]
    .concat()
}

/// A group is where its parent is.
fn parents() -> String {
    const RULE: &str = "account_group_parent_fkey";
    let parent = PARENT.replace("{path}", "NEW.path");
    let missing = format!(
        "{parent} IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM account_group WHERE tree_id = NEW.tree_id AND path = {parent} LOCK IN SHARE MODE)"
    );
    [
        refuse_as(
            "account_group",
            "account_group_has_parent",
            RULE,
            "BEFORE INSERT",
            &missing,
        ),
        refuse_as(
            "account_group",
            "account_group_moves_to_parent",
            RULE,
            "BEFORE UPDATE",
            &format!(
                "NEW.path <> OLD.path AND ({missing} OR substr(NEW.path, 1, char_length(OLD.path) + 1) = concat(OLD.path, ':'))"
            ),
        ),
        refuse_as(
            "account_group",
            "account_group_is_no_parent",
            RULE,
            "BEFORE DELETE",
            "EXISTS (SELECT 1 FROM account_group WHERE tree_id = OLD.tree_id AND parent_path = OLD.path LOCK IN SHARE MODE)",
        ),
    ]
    .concat()
}

/// An account or a prefix is in the group that the last of its changes says.
fn contents(table: &str, column: &str) -> String {
    let last = |row: &str| {
        let changes = format!("tree_id = {row}.tree_id AND {column} = {row}.{column}");
        format!(
            "EXISTS (SELECT 1 FROM group_change WHERE {changes} AND group_id = {row}.group_id AND path_after IS NOT NULL
                 AND number = (SELECT MAX(number) FROM group_change WHERE {changes}))"
        )
    };
    let mut rules = [
        refuse(
            table,
            &format!("{table}_is_change"),
            "BEFORE INSERT",
            &format!("NOT {}", last("NEW")),
        ),
        refuse(table, &format!("{table}_fixed"), "BEFORE UPDATE", "TRUE"),
        refuse(
            table,
            &format!("{table}_stays"),
            "BEFORE DELETE",
            &last("OLD"),
        ),
    ]
    .concat();
    if table == "group_prefix" {
        rules += &refuse(
            table,
            "group_prefix_most",
            "BEFORE INSERT",
            "(SELECT COUNT(*) FROM group_prefix WHERE tree_id = NEW.tree_id) >= 1000",
        );
    }
    rules
}

//! What the database refuses by itself of groups, whoever writes.

use super::{a_tree, create, path};
use crate::ledger::book::{Book, violated};
use crate::ledger::rules::foreign_key;
use daybook::ledger::account_group;
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, DbErr};

/// A change of what is before and after, of the group `tax:in` by default.
fn change(engine: Engine, columns: &str, values: &str) -> String {
    // On MariaDB, a table that a statement reads cannot be written by its triggers.
    let (before, groups) = match engine {
        Engine::MariaDb => (
            "CREATE OR REPLACE TEMPORARY TABLE there AS SELECT * FROM account_group; ",
            "there AS account_group",
        ),
        Engine::Sqlite | Engine::Postgres => ("", "account_group"),
    };
    format!(
        "{before}INSERT INTO group_change (tree_id, group_id, recorded_at, {columns})
         SELECT account_group.tree_id, account_group.id, account.created_at, {values}
         FROM {groups}, account WHERE path = 'tax:in' AND account.code = 'x'"
    )
}

/// On MariaDB, what a trigger asks for is asked first: that the parent is there. So a path that breaks two rules breaks this one.
fn parent_is_first(book: &Book, is: &str, name: &str) -> bool {
    book.engine == Engine::MariaDb
        && is == "account_group_parent_fkey"
        && name.starts_with("account_group_")
}

on_every_engine! {
    /// Groups, and what is in them, are what the last changes say, and each change is kept.
    async fn groups_are_changed_with_their_history_alone(database: TestDatabase) {
        let book = Book::new(database).await;
        a_tree(&book).await;
        let change = |columns: &str, values: &str| change(book.engine, columns, values);
        let paths = "path_before, path_after, name_before, name_after";
        let member = "account_id, path_before, path_after";
        let prefix = "code_prefix, path_before, path_after";
        let tax = "(SELECT id FROM account_group WHERE path = 'tax')";
        let next = "id, tree_id, path, name, revision";
        let new = match book.engine {
            Engine::MariaDb => "X'018f0000000070008000000000000000'",
            Engine::Sqlite => "x'018f0000000070008000000000000000'",
            Engine::Postgres => "CAST('018f0000-0000-7000-8000-000000000000' AS uuid)",
        };
        let mut attempts = vec![
            // The history itself.
            ("UPDATE group_change SET name_after = 'x'".to_owned(), "group_change_append_only"),
            ("DELETE FROM group_change".to_owned(), "group_change_append_only"),
            // A change that does not say what is there, or that changes nothing.
            (change(paths, "'tax:other', 'tax:new', account_group.name, account_group.name"), "group_change_follows"),
            (change(paths, "path, 'tax:new', 'other', account_group.name"), "group_change_follows"),
            (change(paths, "NULL, 'tax:new', NULL, 'again'"), "group_change_follows"),
            (change(paths, "path, path, account_group.name, account_group.name"), "group_change_changes"),
            (change(paths, "path, 'tax:new', account_group.name, NULL"), "group_change_names"),
            (change(member, "account.id, NULL, NULL"), "group_change_follows"),
            (change(prefix, "'a', path, path"), "group_change_changes"),
            (change(member, "account.id, 'tax:in', NULL"), "group_change_follows"),
            (change(member, "account.id, NULL, 'tax:out'"), "group_change_follows"),
            (change(prefix, "'a', NULL, path"), "group_change_follows"),
            (change(prefix, "'a:b', 'tax:in:deep', NULL"), "group_change_follows"),
            (change("account_id, code_prefix, path_after", "account.id, 'z', path"), "group_change_one_subject"),
            (change("account_id, path_after, name_after", "account.id, path, 'x'"), "group_change_names"),
            (change("code_prefix, path_after, recorded_by", "'z', path, ''"), "group_change_recorded_by_length"),
            (change("code_prefix, path_after", "'', path"), "group_prefix_length"),
            // What follows from the history, past it.
            ("UPDATE account_group SET name = 'x'".to_owned(), "account_group_follows_change"),
            ("UPDATE account_group SET revision = 7 WHERE path = 'tax'".to_owned(), "account_group_follows_change"),
            ("UPDATE account_group SET name = name, revision = revision + 1".to_owned(), "account_group_follows_change"),
            (format!("UPDATE account_group SET id = {new} WHERE path = 'tax:out'"), "account_group_follows_change"),
            ("DELETE FROM account_group WHERE path = 'tax:out'".to_owned(), "account_group_stays"),
            (format!("INSERT INTO account_group ({next}) VALUES ({new}, {tax}, 'tax:new', 'x', 1)"), "account_group_is_change"),
            ("UPDATE group_member SET group_id = tree_id".to_owned(), "group_member_fixed"),
            ("DELETE FROM group_member".to_owned(), "group_member_stays"),
            (format!("INSERT INTO group_member (tree_id, account_id, group_id) SELECT {tax}, id, {tax} FROM account WHERE code = 'x'"), "group_member_is_change"),
            ("UPDATE group_prefix SET code_prefix = 'z'".to_owned(), "group_prefix_fixed"),
            ("DELETE FROM group_prefix".to_owned(), "group_prefix_stays"),
            (format!("INSERT INTO group_prefix (tree_id, code_prefix, group_id) SELECT {tax}, 'z', {tax}"), "group_prefix_is_change"),
            // A group with something in it, and a history of accounts that are there.
            (
                change(paths, "path, NULL, account_group.name, NULL"),
                match book.engine {
                    // There is also a group below it, which is found first there.
                    Engine::MariaDb => "account_group_parent_fkey",
                    Engine::Sqlite | Engine::Postgres => foreign_key(&book, "group_prefix_group_fkey"),
                },
            ),
            (change(member, &format!("{new}, NULL, path")), foreign_key(&book, "group_change_account_fkey")),
        ];
        for path in ["tax:", "tax::x", ":tax:x"] {
            let form = change(paths, &format!("path, '{path}', account_group.name, account_group.name"));
            attempts.push((form, "account_group_path_form"));
        }
        let deep = change(paths, "path, 'tax:1:2:3:4:5:6:7:8:9:10', account_group.name, account_group.name");
        attempts.push((deep, "account_group_depth"));
        attempts.push((change(paths, "path, path, account_group.name, ''"), "account_group_name_length"));
        if book.engine == Engine::Sqlite {
            attempts.push(("INSERT OR REPLACE INTO group_change SELECT * FROM group_change WHERE number = 1".to_owned(), "group_change_pkey"));
            attempts.push((format!("INSERT OR REPLACE INTO account_group ({next}) SELECT id, tree_id, path, 'x', revision FROM account_group"), "account_group_is_change"));
        }
        for (sql, name) in attempts {
            let error = book.db.execute_unprepared(&sql).await.expect_err(&sql);
            let is = violated(&error);
            // The guards of SQLite against REPLACE come in any order.
            let in_any_order = sql.contains("REPLACE INTO group_change") && is.starts_with("group_change_");
            assert!(is == name || in_any_order || parent_is_first(&book, &is, name), "{sql}: {is}");
        }
        book.is_sound().await;
        // What was done past the domain is in the history.
        book.db.execute_unprepared(&change(paths, "path, path, account_group.name, 'Renamed'")).await.unwrap();
        let group = account_group(&book.db, &path("tax:in")).await.unwrap().unwrap();
        assert_eq!((group.name.as_str(), group.revision), ("Renamed", 2));
        book.is_sound().await;
    }

    /// The parent is asked for at the end of the transaction: there is no group without one, and no cycle.
    async fn a_group_is_in_a_group_that_there_is(database: TestDatabase) {
        let book = Book::new(database).await;
        a_tree(&book).await;
        create(&book, "other").await.unwrap();
        let move_to = |to: &str| change(
            book.engine,
            "path_before, path_after, name_before, name_after",
            &format!("path, '{to}', account_group.name, account_group.name"),
        );
        // Into nothing, below itself, into another tree; and what was below stays behind.
        let staying = ["tax:nothing:in", "tax:in:in", "other:in"];
        // On MariaDB, nobody looks at the end of a transaction for what was left behind: see the migration.
        let behind = (book.engine != Engine::MariaDb).then_some("tax:moved");
        for to in staying.into_iter().chain(behind) {
            let error = book.db.execute_unprepared(&move_to(to)).await.expect_err(to);
            assert_eq!(violated(&error), foreign_key(&book, "account_group_parent_fkey"), "{to}");
        }
        // A tree has no parent, and nothing else has none.
        for (to, from) in [("in", "tax:in"), ("tax:tree", "other")] {
            let error = book.db.execute_unprepared(&move_to(to).replace("'tax:in'", &format!("'{from}'"))).await.expect_err(to);
            let (is, name) = (violated(&error), "account_group_tree_has_no_parent");
            assert!(is == name || parent_is_first(&book, &is, name), "{to}: {is}");
        }
        // With what is below it, in one transaction, whichever is first.
        let undone = book.write(async |tx| {
            tx.execute_unprepared(&move_to("tax:moved")).await?;
            tx.execute_unprepared(&move_to("tax:moved:deep").replace("path = 'tax:in'", "path = 'tax:in:deep'")).await?;
            Ok::<_, DbErr>(())
        }).await;
        undone.unwrap();
        assert!(account_group(&book.db, &path("tax:moved:deep")).await.unwrap().is_some());
        book.is_sound().await;
    }
}

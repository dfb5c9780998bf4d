//! `verify` finds groups that are not what their history says.

use super::a_tree;
use crate::ledger::book::Book;
use crate::ledger::rules_of_mariadb;
use daybook::ledger::{Difference, verify};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, DbErr};

/// What `verify` finds when `sql` has been run with the rules of the database out of the way. Everything is undone afterwards.
async fn found_after(book: &Book, sql: &str) -> Vec<Difference> {
    let lift = match book.engine {
        Engine::MariaDb => {
            rules_of_mariadb::drop_triggers(book).await;
            rules_of_mariadb::OFF.to_owned()
        }
        Engine::Sqlite => {
            let off = "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON";
            book.db.execute_unprepared(off).await.unwrap();
            let mut drops = String::new();
            for table in ["group_member", "group_prefix"] {
                for rule in ["is_change", "fixed", "stays"] {
                    drops += &format!("DROP TRIGGER {table}_{rule};");
                }
                drops += &format!("DROP TRIGGER group_change_to_{table};");
            }
            drops
                + "DROP TRIGGER account_group_is_change; DROP TRIGGER account_group_follows_change; DROP TRIGGER account_group_stays;
                   DROP TRIGGER group_change_follows; DROP TRIGGER group_change_to_group;
                   DROP TRIGGER group_change_refuse_UPDATE; DROP TRIGGER group_change_refuse_DELETE;"
        }
        Engine::Postgres => "SET LOCAL session_replication_role = replica;
            ALTER TABLE account_group DROP CONSTRAINT account_group_tree_has_no_parent;
            ALTER TABLE group_change DROP CONSTRAINT group_change_changes;"
            .to_owned(),
    };
    let mut found = Vec::new();
    let undone = book
        .write(async |tx| {
            tx.execute_unprepared(&lift).await?;
            tx.execute_unprepared(sql).await?;
            found = verify(tx, 100).await?.differences;
            if book.engine == Engine::MariaDb {
                tx.execute_unprepared(rules_of_mariadb::ON).await?;
            }
            Err::<(), _>(DbErr::Custom("undone".to_owned()))
        })
        .await;
    assert_eq!(undone, Err(DbErr::Custom("undone".to_owned())), "{sql}");
    found
}

fn group(path: &str) -> impl Fn(&Difference) -> bool {
    move |it| matches!(it, Difference::AccountGroup { path: is } if is == path)
}

fn member(code: &str) -> impl Fn(&Difference) -> bool {
    move |it| matches!(it, Difference::GroupMember { account } if account.code == code)
}

fn prefix(prefix: &str) -> impl Fn(&Difference) -> bool {
    move |it| matches!(it, Difference::GroupPrefix { code_prefix } if code_prefix == prefix)
}

type Tells = Box<dyn Fn(&Difference) -> bool>;

on_every_engine! {
    async fn each_damage_of_groups_is_found(database: TestDatabase) {
        let book = Book::new(database).await;
        a_tree(&book).await;
        book.is_sound().await;
        let of = |path: &str| format!("(SELECT id FROM account_group WHERE path = '{path}')");
        let (deep, out) = (of("tax:in:deep"), of("tax:out"));
        let damages: Vec<(String, Tells)> = vec![
            ("UPDATE account_group SET name = 'x' WHERE path = 'tax:out'".to_owned(), Box::new(group("tax:out"))),
            ("UPDATE account_group SET path = 'tax:x' WHERE path = 'tax:out'".to_owned(), Box::new(group("tax:x"))),
            ("UPDATE account_group SET path = 'tax:x' WHERE path = 'tax:in'".to_owned(), Box::new(group("tax:in:deep"))),
            ("UPDATE account_group SET revision = 2 WHERE path = 'tax:out'".to_owned(), Box::new(group("tax:out"))),
            (format!("UPDATE account_group SET tree_id = {out} WHERE path = 'tax:out'"), Box::new(group("tax:out"))),
            ("DELETE FROM account_group WHERE path = 'tax:out'".to_owned(), Box::new(group("tax:out"))),
            (format!("DELETE FROM group_change WHERE group_id = {out} AND account_id IS NULL"), Box::new(group("tax:out"))),
            (format!("UPDATE group_change SET name_after = 'x' WHERE group_id = {out} AND account_id IS NULL"), Box::new(group("tax:out"))),
            (format!("UPDATE group_member SET group_id = {deep}"), Box::new(member("a:b:c"))),
            ("DELETE FROM group_member".to_owned(), Box::new(member("a:b:c"))),
            (format!("INSERT INTO group_member (tree_id, account_id, group_id) SELECT {}, id, {deep} FROM account WHERE code = 'x'", of("tax")), Box::new(member("x"))),
            ("DELETE FROM group_change WHERE account_id IS NOT NULL".to_owned(), Box::new(member("a:b:c"))),
            ("UPDATE group_change SET path_after = NULL WHERE account_id IS NOT NULL".to_owned(), Box::new(member("a:b:c"))),
            (format!("UPDATE group_prefix SET group_id = {out} WHERE code_prefix = 'a:b'"), Box::new(prefix("a:b"))),
            ("UPDATE group_prefix SET code_prefix = 'z' WHERE code_prefix = 'a:b'".to_owned(), Box::new(prefix("z"))),
            ("DELETE FROM group_prefix WHERE code_prefix = 'a:b'".to_owned(), Box::new(prefix("a:b"))),
            (format!("UPDATE group_change SET group_id = {out} WHERE code_prefix = 'a'"), Box::new(prefix("a"))),
        ];
        for (sql, tells) in damages {
            let found = found_after(&book, &sql).await;
            assert!(found.iter().any(tells), "{sql}: {found:#?}");
            for difference in &found {
                assert!(difference.to_string().len() > 20, "{difference:?}");
            }
        }
        book.is_sound().await;
    }
}

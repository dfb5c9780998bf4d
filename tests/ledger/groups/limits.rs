//! How many groups there are, and how deep: refused before the database has to.

use super::{add, contents, create, moved, update};
use crate::ledger::book::{Book, by, noon};
use daybook::ledger::{
    AccountGroupError, ChangeGroupContents, Clock, Code, MOST_GROUPS, MOST_PREFIXES, MOST_TREES,
    add_to_account_group,
};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::ConnectionTrait;

fn field(refused: &AccountGroupError) -> &str {
    match refused {
        AccountGroupError::Input(input) => &input.field,
        other => panic!("{other:?}"),
    }
}

on_every_engine! {
    async fn there_are_so_many_groups_and_no_more(database: TestDatabase) {
        let book = Book::new(database).await;
        create(&book, "big").await.unwrap();
        let id = book.new_id();
        let bigint = if book.engine == Engine::MariaDb { "signed" } else { "bigint" };
        let numbers = format!("WITH RECURSIVE number(n) AS (SELECT CAST(2 AS {bigint}) UNION ALL SELECT n + 1 FROM number WHERE n < {MOST_GROUPS})");
        let many = format!("INSERT INTO group_change (tree_id, group_id, recorded_at, path_after, name_after)
            {numbers} SELECT tree_id, {id}, recorded_at, 'big:' || n, 'x' FROM group_change, number");
        book.db.execute_unprepared(&many).await.unwrap();
        assert_eq!(field(&create(&book, "big:more").await.unwrap_err()), "path");
        let past = format!("INSERT INTO group_change (tree_id, group_id, recorded_at, path_after, name_after)
            SELECT tree_id, {id}, recorded_at, 'big:more', 'x' FROM group_change WHERE path_after = 'big'");
        let error = book.db.execute_unprepared(&past).await.unwrap_err();
        assert!(error.to_string().contains("account_group_most"), "{error}");
        // All of them move with their tree.
        update(&book, moved("big", "large")).await.unwrap();
        assert_eq!(daybook::ledger::count_account_groups(&book.db, Some("large")).await.unwrap(), MOST_GROUPS);
        for number in 1..MOST_TREES {
            create(&book, &format!("tree {number}")).await.unwrap();
        }
        assert_eq!(field(&create(&book, "one more").await.unwrap_err()), "path");
        let past = format!("INSERT INTO group_change (tree_id, group_id, recorded_at, path_after, name_after)
            SELECT one.id, one.id, recorded_at, 'one more', 'x' FROM group_change, (SELECT {id} AS id) AS one WHERE path_after = 'big'");
        let error = book.db.execute_unprepared(&past).await.unwrap_err();
        assert!(error.to_string().contains("account_group_most"), "{error}");
        book.is_sound().await;
    }

    async fn there_are_so_many_prefixes_and_no_more(database: TestDatabase) {
        let book = Book::new(database).await;
        create(&book, "t").await.unwrap();
        create(&book, "t:other").await.unwrap();
        let prefixes: Vec<String> = (0..MOST_PREFIXES).map(|n| format!("p{n}")).collect();
        for part in prefixes.chunks(500) {
            let part: Vec<&str> = part.iter().map(String::as_str).collect();
            add(&book, "t", &[], &part).await.unwrap();
        }
        assert_eq!(field(&add(&book, "t", &[], &["q"]).await.unwrap_err()), "codePrefixes");
        // What is there already can move, and be named again.
        add(&book, "t:other", &[], &["p1", "p2", "p2"]).await.unwrap();
        let many = contents("t", &[], &["p1"; 501]);
        let clock = Clock::at(noon());
        for command in [
            many,
            ChangeGroupContents { accounts: vec![by("a"); 501], ..contents("t", &[], &[]) },
            contents("t", &[], &[]),
            contents("t", &[], &[" "]),
            contents("t", &[], &["a\u{0}"]),
        ] {
            let refused = book.write(async |tx| add_to_account_group(tx, command, &clock).await).await.unwrap_err();
            assert_eq!(refused.code(), Some(Code::BadUserInput));
        }
        book.is_sound().await;
    }

    async fn a_group_moves_only_where_all_below_it_have_room(database: TestDatabase) {
        let book = Book::new(database).await;
        let mut path = "t".to_owned();
        create(&book, "t").await.unwrap();
        for part in 1..8 {
            path += &format!(":{part}");
            create(&book, &path).await.unwrap();
        }
        for path in ["t:a", "t:a:b", "t:a:b:c", "t:a:b:c:d"] {
            create(&book, path).await.unwrap();
        }
        assert_eq!(field(&update(&book, moved("t:a", "t:1:2:3:4:5:6:a")).await.unwrap_err()), "path");
        update(&book, moved("t:a", "t:1:2:3:4:5:a")).await.unwrap();
        assert_eq!(field(&update(&book, moved("t:1:2:3:4:5:a", &format!("t:{}", "x".repeat(198)))).await.unwrap_err()), "path");
        let long = format!("t:{}", "x".repeat(192));
        update(&book, moved("t:1:2:3:4:5:a", &long)).await.unwrap();
        assert_eq!(field(&update(&book, moved(&long, &format!("{long}x"))).await.unwrap_err()), "path");
        book.is_sound().await;
    }
}

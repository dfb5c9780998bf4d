//! Seals: whatever is changed of the past is found, and the chain has one order.

use super::book::Book;
use super::verification::{a_book_of_parts, a_varied_book, found_after};
use daybook::ledger::{Difference, SealProblem, latest_receipt, receipts, seal_events};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::DbErr;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Seals everything, a few events at a time.
async fn seal(book: &Book) {
    let newest = book.newest().await;
    while book
        .write(async |tx| seal_events(tx, newest, 3).await)
        .await
        .unwrap()
        == 3
    {}
    let last = latest_receipt(&book.db).await.unwrap().unwrap();
    assert_eq!(last.number, newest);
}

fn has_seal(found: &[Difference], wanted: SealProblem) -> bool {
    found
        .iter()
        .any(|it| matches!(it, Difference::Seal { problem, .. } if *problem == wanted))
}

on_every_engine! {
    /// Everything that an event says, and everything that the chain is made of. What else is in these tables can be computed from it, and
    /// then `verify` does.
    async fn whatever_is_changed_of_an_event_is_found(database: TestDatabase) {
        let book = a_varied_book(database).await;
        seal(&book).await;
        book.is_sound().await;

        let (id, other_id) = match book.engine {
            Engine::MariaDb => ("X'018f0000000070008000000000000000'", "X'018f0000000070008000000000001000'"),
            Engine::Sqlite => ("x'018f0000000070008000000000000000'", "x'018f0000000070008000000000001000'"),
            Engine::Postgres => (
                "CAST('018f0000-0000-7000-8000-000000000000' AS uuid)",
                "CAST('018f0000-0000-7000-8000-000000001000' AS uuid)",
            ),
        };
        let instant = match book.engine {
            Engine::MariaDb => "'2026-01-01 00:00:00'",
            Engine::Sqlite => "'2026-01-01T00:00:00+00:00'",
            Engine::Postgres => "CAST('2026-01-01T00:00:00Z' AS timestamptz)",
        };
        let post = "id = (SELECT id FROM entry WHERE kind = 'POST' ORDER BY id LIMIT 1)";
        let line = "line_no = 1 AND entry_id = (SELECT id FROM entry WHERE kind = 'POST' ORDER BY id LIMIT 1)";
        let change = "number = 1";
        let state = "account_id = (SELECT id FROM account WHERE code = 'w1')";
        let account = "code = 'w1'";
        let columns = [
            ("entry", post, "kind", "'HOLD'"),
            ("entry", "kind = 'CAPTURE'", "resolves_id", id),
            ("entry", "kind = 'REVERSAL'", "reverses_id", id),
            ("entry", post, "description", "'another'"),
            ("entry", post, "effective_at", instant),
            ("entry", post, "recorded_at", instant),
            ("entry", "kind = 'HOLD'", "expires_at", instant),
            ("entry", post, "metadata", "'{\"a\": 1}'"),
            ("entry", post, "reference", "'another'"),
            ("entry", post, "recorded_by", "'another'"),
            ("entry_line", line, "debit_account_id", id),
            ("entry_line", line, "credit_account_id", id),
            ("entry_line", line, "currency", "'USD'"),
            ("entry_line", line, "amount", "amount + 1"),
            ("entry_line", line, "effect", "'HOLD'"),
            ("entry_line", line, "line_no", "7"),
            ("entry_line", line, "entry_id", id),
            ("entry_change", change, "metadata_before", "'{\"a\": 1}'"),
            ("entry_change", change, "metadata_after", "'{\"a\": 1}'"),
            ("entry_change", change, "recorded_at", instant),
            ("entry_change", change, "recorded_by", "'another'"),
            ("account_change", state, "name", "'another'"),
            ("account_change", state, "class", "'ASSET'"),
            ("account_change", state, "limit_policy", "'NONE'"),
            ("account_change", state, "min_balance", "0"),
            ("account_change", state, "max_balance", "1000"),
            ("account_change", state, "status", "'FROZEN'"),
            ("account_change", state, "metadata", "'{\"a\": 1}'"),
            ("account_change", state, "recorded_at", instant),
            ("account_change", state, "recorded_by", "'another'"),
            ("account_change", state, "revision", "2"),
            ("account", account, "code", "'another'"),
            ("account", account, "normal_side", "'DEBIT'"),
        ];
        for (table, which, column, value) in columns {
            let sql = format!("UPDATE {table} SET {column} = {value} WHERE {which}");
            let found = found_after(&book, &sql).await;
            assert!(has_seal(&found, SealProblem::Changed), "{sql}: {found:?}");
        }
        let last = "(SELECT MAX(seq) FROM seal)";
        let middle = match book.engine {
            Engine::MariaDb => "(SELECT MAX(seq) DIV 2 FROM seal)",
            Engine::Sqlite | Engine::Postgres => "(SELECT MAX(seq) / 2 FROM seal)",
        };
        let gone = [
            (format!("UPDATE entry SET id = {other_id} WHERE {post}"), SealProblem::Changed),
            (format!("DELETE FROM entry_line WHERE {line}"), SealProblem::Changed),
            (format!("DELETE FROM entry_change WHERE {change}"), SealProblem::Changed),
            (format!("DELETE FROM account_change WHERE {state}"), SealProblem::Changed),
            (format!("DELETE FROM outbox WHERE seq = {middle}"), SealProblem::NoEvent),
            (format!("DELETE FROM seal WHERE seq = {middle}"), SealProblem::NotSealed),
            (format!("UPDATE seal SET hash = (SELECT hash FROM seal WHERE seq = {last}) WHERE seq = {middle}"), SealProblem::Changed),
        ];
        for (sql, wanted) in gone {
            let found = found_after(&book, &sql).await;
            assert!(has_seal(&found, wanted), "{sql}: {found:?}");
        }
        book.is_sound().await;
    }

    /// Which part it is, and what it takes and leaves of each line. What is no part says nothing of this, as before there were parts.
    async fn whatever_is_changed_of_a_part_is_found(database: TestDatabase) {
        let book = a_book_of_parts(database).await;
        let whole = book.transfer("w1", "w2", 1).await.unwrap().entry.id;
        book.reverse(whole).await.unwrap();
        seal(&book).await;
        book.is_sound().await;
        let part = "by_entry_id = (SELECT id FROM entry WHERE kind = 'REVERSAL' AND part = 1)";
        for sql in [
            format!("UPDATE line_part SET amount = amount + 1 WHERE {part}"),
            format!("UPDATE line_part SET remaining = remaining + 1 WHERE {part}"),
            format!("UPDATE line_part SET line_no = 2 WHERE {part}"),
            format!("DELETE FROM line_part WHERE {part}"),
            "UPDATE entry SET part = 7 WHERE kind = 'REVERSAL' AND part = 3".to_owned(),
            "UPDATE entry SET leaves_rest = TRUE WHERE kind = 'REVERSAL' AND part = 3".to_owned(),
        ] {
            let found = found_after(&book, &sql).await;
            assert!(has_seal(&found, SealProblem::Changed), "{sql}: {found:?}");
        }
        let newest = book.newest().await;
        let all: Vec<i64> = (1..=newest).collect();
        let found = receipts(&book.db, &all).await.unwrap();
        let contents = found.values().filter_map(|it| it.content.as_deref());
        let contents = contents.map(|it| serde_json::from_str::<serde_json::Value>(it).unwrap());
        let of_parts = |it: &serde_json::Value| it["kind"] == "REVERSAL" && it.get("part").is_some();
        let (parts, others): (Vec<_>, Vec<_>) = contents.partition(of_parts);
        assert_eq!(parts.len(), 3);
        let second = parts.iter().find(|it| it["part"] == 2).unwrap();
        assert_eq!(second["takes"], serde_json::json!([
            { "line": 1, "amount": "5", "remaining": "10" }, { "line": 2, "amount": "5", "remaining": "5" },
        ]));
        assert_eq!(second["leavesRest"], true);
        let whole = others.iter().find(|it| it["kind"] == "REVERSAL").unwrap();
        assert!(["part", "leavesRest", "takes"].iter().all(|key| whole.get(key).is_none()), "{whole}");
    }

    /// One change makes one difference, not one for each later event.
    async fn the_event_that_was_changed_is_named(database: TestDatabase) {
        let book = a_varied_book(database).await;
        seal(&book).await;
        let sql = "UPDATE entry SET description = 'another' WHERE kind = 'REVERSAL'";
        let found = found_after(&book, sql).await;
        let seals: Vec<_> = found.iter().filter(|it| matches!(it, Difference::Seal { .. })).collect();
        let [Difference::Seal { entry_id: Some(_), problem: SealProblem::Changed, .. }] = seals[..] else {
            panic!("{found:?}");
        };
        assert!(seals[0].to_string().contains(" is not what was sealed: it, or its seal, was changed since then"));
    }

    /// Each hash is that of the text that the receipt shows, computed here by itself, and the chain has no gap.
    async fn receipts_are_what_they_say(database: TestDatabase) {
        let book = a_varied_book(database).await;
        seal(&book).await;
        let newest = book.newest().await;
        let all: Vec<i64> = (1..=newest).collect();
        let found = receipts(&book.db, &all).await.unwrap();
        let mut previous = "0".repeat(64);
        for number in all {
            let receipt = &found[&number];
            assert_eq!(receipt.previous, previous);
            let content = receipt.content.as_ref().unwrap();
            let mut hash = String::new();
            for byte in Sha256::digest(format!("{previous}\n{content}")) {
                write!(hash, "{byte:02x}").unwrap();
            }
            assert_eq!(receipt.hash, hash);
            let content: serde_json::Value = serde_json::from_str(content).unwrap();
            assert_eq!(content["number"], number.to_string());
            previous = hash;
        }
        // Nothing was sealed twice, and there is nothing more to seal.
        let more = book.write(async |tx| seal_events(tx, newest, 100).await).await.unwrap();
        assert_eq!(more, 0);
    }

    /// Only after the last one, and never changed.
    async fn the_chain_has_one_end(database: TestDatabase) {
        let book = a_varied_book(database).await;
        seal(&book).await;
        let hash = "'0000000000000000000000000000000000000000000000000000000000000000'";
        book.transfer("w1", "w2", 1).await.unwrap();
        let newest = book.newest().await;
        let refused = [
            (format!("INSERT INTO seal (seq, after_seq, hash) VALUES ({newest}, {newest} - 2, {hash})"), ["seal_follows", "seal_after_seq_key"]),
            (format!("INSERT INTO seal (seq, after_seq, hash) VALUES ({newest}, {newest} - 1, 'abc')"), ["seal_hash_form"; 2]),
            (format!("INSERT INTO seal (seq, after_seq, hash) VALUES ({newest} + 1, {newest} - 1, {hash})"), ["seal_seq_fkey", "FOREIGN KEY"]),
            ("UPDATE seal SET hash = hash".to_owned(), ["seal_append_only"; 2]),
            ("DELETE FROM seal".to_owned(), ["seal_append_only"; 2]),
        ];
        for (sql, names) in refused {
            let error = book
                .write(async |tx| {
                    use sea_orm::ConnectionTrait as _;
                    tx.execute_unprepared(&sql).await
                })
                .await
                .map(|_| ())
                .unwrap_err();
            assert!(names.iter().any(|name| error.to_string().contains(name)), "{sql}: {error}");
        }
        seal(&book).await;
        book.is_sound().await;
    }

    /// An event that is not there any more cannot be sealed, and nothing after it.
    async fn what_is_not_there_is_not_sealed(database: TestDatabase) {
        let book = a_varied_book(database).await;
        let newest = book.newest().await;
        let lift = match book.engine {
            // It ends a transaction, so it comes before that.
            Engine::MariaDb => {
                use sea_orm::ConnectionTrait as _;
                book.db.execute_unprepared("DROP TRIGGER account_change_refuse_DELETE").await.unwrap();
                "SELECT 1"
            }
            Engine::Sqlite => "DROP TRIGGER account_change_refuse_DELETE",
            Engine::Postgres => "SET LOCAL session_replication_role = replica",
        };
        let sealed = book
            .write(async |tx| {
                use sea_orm::ConnectionTrait as _;
                tx.execute_unprepared(lift).await?;
                tx.execute_unprepared("DELETE FROM account_change WHERE account_id = (SELECT id FROM account WHERE code = 'w2')").await?;
                seal_events(tx, newest, 100).await
            })
            .await;
        assert!(matches!(sealed, Err(DbErr::RecordNotFound(_))), "{sealed:?}");
        book.is_sound().await;
    }
}

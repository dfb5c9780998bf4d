//! What the database refuses by itself of changes that go past their history, whoever writes.

use super::book::{Book, noon, violated};
use super::rules::{an_account, foreign_key, refused, with_an_entry};
use daybook_entity::{account, account_change, entry};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder, Statement};
use serde_json::json;

on_every_engine! {
    /// Whoever writes, and however: an account is what the last of its changes says, and each change is kept.
    async fn what_describes_an_account_is_changed_with_its_history_alone(database: TestDatabase) {
        let book = Book::new(database).await;
        book.account("a").await;
        book.account("b").await;
        let next = "revision = revision + 1, revised_at = created_at";
        let set = |sets: &str| format!("UPDATE account SET {sets} WHERE code = 'a'");
        let of_a = "(SELECT id FROM account WHERE code = 'a')";
        let columns = "account_id, revision, name, class, limit_policy, status, metadata, recorded_at";
        let state = "id, revision, name, class, limit_policy, status, metadata, created_at";
        let mut attempts = vec![
            (set("name = 'x'"), "account_next_revision"),
            (set("class = 'ASSET'"), "account_next_revision"),
            (set("limit_policy = 'NO_DEBIT_OVERDRAFT'"), "account_next_revision"),
            (set("min_balance = 0"), "account_next_revision"),
            (set("max_balance = 0"), "account_next_revision"),
            (set("status = 'FROZEN'"), "account_next_revision"),
            (set("metadata = '{\"a\": 1}'"), "account_next_revision"),
            (set("revised_by = 'x'"), "account_next_revision"),
            (set("revised_at = created_at"), "account_next_revision"),
            (set("revision = revision + 2, revised_at = created_at, name = 'x'"), "account_next_revision"),
            (set("revision = revision - 1, revised_at = created_at, name = 'x'"), "account_next_revision"),
            (set("revision = revision + 1, name = 'x'"), "account_next_revision"),
            (set(&format!("{next}, revised_by = ''")), "account_revised_by_length"),
            (set("code = 'x'"), "account_identity_fixed"),
            (set("currency = 'USD'"), "account_identity_fixed"),
            (set(&format!("{next}, normal_side = 'DEBIT'")), "account_identity_fixed"),
            ("UPDATE account_change SET name = 'x'".to_owned(), "account_change_append_only"),
            ("UPDATE account_change SET name = name".to_owned(), "account_change_append_only"),
            ("DELETE FROM account_change".to_owned(), "account_change_append_only"),
            ("DELETE FROM account".to_owned(), foreign_key(&book, "account_change_account_fkey")),
            (format!("INSERT INTO account_change ({columns}) SELECT {} FROM account", state.replace("revision", "2")), "account_change_is_account"),
            (format!("INSERT INTO account_change ({columns}) SELECT {} FROM account", state.replace("name", "'x'")), "account_change_is_account"),
        ];
        for limit in ["min_balance", "max_balance"] {
            attempts.push((format!("INSERT INTO account_change ({columns}, {limit}) SELECT {state}, 0 FROM account"), "account_change_is_account"));
        }
        match book.engine {
            Engine::Postgres => attempts.extend([
                ("TRUNCATE account_change".to_owned(), "account_change_append_only"),
                (format!("INSERT INTO account_change ({columns}) SELECT {state} FROM account"), "account_change_pkey"),
            ]),
            Engine::MariaDb => attempts.extend([
                (format!("INSERT INTO account_change ({columns}) SELECT {state} FROM account"), "PRIMARY"),
                (format!("REPLACE INTO account_change ({columns}) SELECT {state} FROM account"), "account_change_append_only"),
            ]),
            Engine::Sqlite => attempts.extend([
                (format!("INSERT OR REPLACE INTO account_change ({columns}) SELECT {state} FROM account"), "account_change_pkey"),
                (format!("INSERT OR REPLACE INTO account SELECT * FROM account WHERE id = {of_a}"), "account_change_pkey"),
            ]),
        }
        for (sql, name) in attempts {
            let error = book.db.execute_unprepared(&sql).await.expect_err(&sql);
            assert_eq!(violated(&error), name, "{sql}");
        }
        for model in [
            account::Model { revision: 2, ..an_account() },
            account::Model { revised_at: Some(noon()), ..an_account() },
        ] {
            refused(&book, model, "account_first_revision").await;
        }
        // What was done past the domain is in the history, and in the feed.
        book.db.execute_unprepared(&set(&format!("{next}, name = 'x', revised_by = 'ann'"))).await.unwrap();
        let changes = account_change::Entity::find().order_by_asc(account_change::Column::Revision).all(&book.db).await.unwrap();
        let changes: Vec<_> = changes.iter().map(|it| (it.revision, it.name.as_str(), it.recorded_by.as_deref())).collect();
        assert_eq!(changes[2..], [(2, "x", Some("ann"))]);
        book.is_sound().await;
    }

    /// Of every column but the metadata, whichever there are.
    async fn of_an_entry_metadata_alone_changes_and_with_its_history(database: TestDatabase) {
        let (book, _, posted) = with_an_entry(database).await;
        let columns = match book.engine {
            Engine::MariaDb => "SELECT CAST(COLUMN_NAME AS char) AS name FROM information_schema.COLUMNS
                WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'entry' AND IS_GENERATED = 'NEVER'",
            Engine::Sqlite => "SELECT name FROM pragma_table_info('entry')",
            Engine::Postgres => "SELECT CAST(column_name AS text) AS name FROM information_schema.columns WHERE table_name = 'entry'",
        };
        let names = book.db.query_all_raw(Statement::from_string(book.db.get_database_backend(), columns)).await.unwrap();
        let names: Vec<String> = names.iter().map(|row| row.try_get("", "name").unwrap()).collect();
        assert!(names.len() >= 11, "{names:?}");
        // Another value of each column's type, beside a change of the metadata that its history allows.
        let (id, instant) = match book.engine {
            Engine::MariaDb => ("X'018f0000000070008000000000000000'", "'2000-01-01'"),
            Engine::Sqlite => ("CAST(randomblob(14) || x'0000' AS BLOB)", "'2000-01-01T00:00:00+00:00'"),
            Engine::Postgres => ("CAST('018f0000-0000-7000-8000-000000000000' AS uuid)", "CAST('2000-01-01T00:00:00Z' AS timestamptz)"),
        };
        let change = |after: &str| format!(
            "INSERT INTO entry_change (entry_id, number, metadata_before, metadata_after, recorded_at)
             SELECT id, 1, metadata, {after}, recorded_at FROM entry WHERE kind = 'POST'"
        );
        let jsonb = |sql: String| match book.engine {
            // An INSERT whose triggers change a table cannot read it.
            Engine::MariaDb => sql
                .replace("SELECT id,", &format!("SELECT X'{}',", posted.entry.id.simple()))
                .replace(", metadata,", ", '{}',")
                .replace(", metadata,", ", '{}',")
                .replace(", recorded_at FROM entry WHERE kind = 'POST'", ", '2026-01-01'"),
            Engine::Sqlite => sql,
            Engine::Postgres => sql.replace("}'", "}'::jsonb").replace("'[]'", "'[]'::jsonb"),
        };
        // On MariaDB, the transaction would end with it.
        let mut trigger = String::new();
        if book.engine == Engine::MariaDb {
            let show = Statement::from_string(book.db.get_database_backend(), "SHOW CREATE TRIGGER entry_change_to_entry");
            trigger = book.db.query_one_raw(show).await.unwrap().unwrap().try_get_by_index(2).unwrap();
            book.db.execute_unprepared("DROP TRIGGER entry_change_to_entry").await.unwrap();
        }
        let lift = match book.engine {
            Engine::MariaDb => "DO 0",
            Engine::Sqlite => "DROP TRIGGER entry_change_to_entry",
            Engine::Postgres => "ALTER TABLE entry_change DISABLE TRIGGER entry_change_to_entry",
        };
        for name in names.iter().filter(|name| *name != "metadata") {
            let value = match name.as_str() {
                _ if name.ends_with("_at") => instant,
                _ if name == "id" || name.ends_with("_id") => id,
                "part" => "7",
                "leaves_rest" => "TRUE",
                _ => "'x'",
            };
            let undone = book.write(async |tx| {
                tx.execute_unprepared(lift).await?;
                tx.execute_unprepared(&jsonb(change("'{\"k\": 1}'"))).await?;
                tx.execute_unprepared(&format!("UPDATE entry SET metadata = '{{\"k\": 1}}', {name} = {value}")).await.map(|_| ())
            }).await;
            assert_eq!(violated(&undone.expect_err(name)), "entry_append_only", "{name}");
        }
        if book.engine == Engine::MariaDb {
            book.db.execute_unprepared(&trigger).await.unwrap();
        }
        // The history alone, and what does not follow from it.
        let set = |after: &str| format!("UPDATE entry SET metadata = {after}");
        for (sql, name) in [
            (set("'{\"k\": 1}'"), "entry_append_only"),
            (set("metadata"), "entry_append_only"),
            (change("metadata"), "entry_change_follows"),
            (change("'{\"k\": 1}'").replace("id, 1,", "id, 2,"), "entry_change_follows"),
            (change("'{\"k\": 1}'").replace("1, metadata", "1, '{\"z\": 1}'"), "entry_change_follows"),
            (change("'[]'"), "entry_change_metadata_object"),
        ] {
            let sql = jsonb(sql);
            let error = book.db.execute_unprepared(&sql).await.expect_err(&sql);
            assert_eq!(violated(&error), name, "{sql}");
        }
        book.db.execute_unprepared(&jsonb(change("'{\"k\": 1}'"))).await.unwrap();
        let entry = entry::Entity::find_by_id(posted.entry.id).one(&book.db).await.unwrap().unwrap();
        assert_eq!(entry.metadata, json!({ "k": 1 }));
        for sql in ["UPDATE entry_change SET number = 7", "DELETE FROM entry_change"] {
            let error = book.db.execute_unprepared(sql).await.expect_err(sql);
            assert_eq!(violated(&error), "entry_change_append_only", "{sql}");
        }
        book.is_sound().await;
    }
}

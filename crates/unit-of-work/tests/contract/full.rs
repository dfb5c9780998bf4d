//! A database that has no room left says so alike on every engine, at a statement and at COMMIT.

use async_graphql::{Response, Value};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};

use crate::stage::{Stage, codes, data};

fn assert_full(response: &Response) {
    assert_eq!(codes(response), ["DATABASE_FULL"], "{response:?}");
    assert_eq!(data(response), serde_json::Value::Null);
    let extensions = response.errors[0].extensions.as_ref().expect("extensions");
    assert_eq!(extensions.get("retryable"), Some(&Value::from(true)));
    assert!(extensions.get("id").is_some(), "{response:?}");
    let text = response.errors[0].message.to_lowercase();
    assert!(
        !text.contains("disk full") && !text.contains("disk is full"),
        "{text}"
    );
}

on_every_engine! {
    /// Nothing of the operation happened, and the next one finds the connection as it was.
    async fn disk_without_room(test: TestDatabase) {
        let engine = test.engine();
        let stage = Stage::new(test).await;
        // A disk that is full in truth is nothing for a test: PostgreSQL's code does say so, and SQLite's file may not grow.
        let fill = match engine {
            Engine::Postgres => "DO $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$",
            Engine::MariaDb => "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1021, MESSAGE_TEXT = 'disk full'",
            Engine::Sqlite => "PRAGMA max_page_count = 1; INSERT INTO mark VALUES (hex(zeroblob(1000000)))",
        };
        let mutation = format!("mutation {{ mark(name: \"a\") raw(sql: \"{fill}\") }}");
        assert_full(&stage.run(&mutation).await);
        assert_eq!(stage.marks().await, Vec::<String>::new());
        stage.assert_whole().await;
    }
}

#[tokio::test]
async fn disk_without_room_at_commit() {
    let stage = Stage::new(TestDatabase::create(Engine::Postgres).await).await;
    stage
        .observer()
        .await
        .execute(
            "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$; \
             CREATE CONSTRAINT TRIGGER fills AFTER INSERT ON mark DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW WHEN (NEW.name = 'a') EXECUTE FUNCTION fill()",
        )
        .await;
    assert_full(&stage.run("mutation { mark(name: \"a\") }").await);
    assert_eq!(stage.marks().await, Vec::<String>::new());
    stage.assert_whole().await;
}

//! Fresh databases, their observers, and the macro that runs a test on every engine.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};

on_every_engine! {
    /// One database does not see another.
    async fn fresh_databases_are_separate(database: TestDatabase) {
        let other = TestDatabase::create(database.engine()).await;
        assert_ne!(database.url(), other.url());
        database.observer().await.execute("CREATE TABLE t (id INTEGER)").await;
        let unknown = other.observer().await.try_execute("SELECT * FROM t").await;
        assert!(unknown.is_err());
    }

    async fn an_observer_sees_only_what_is_committed(database: TestDatabase) {
        let (writer, reader) = (database.observer().await, database.observer().await);
        if database.engine() == Engine::Sqlite {
            writer.execute("PRAGMA journal_mode = WAL").await;
        }
        writer.execute("CREATE TABLE t (id INTEGER)").await;
        writer.execute("BEGIN").await;
        assert_eq!(writer.execute("INSERT INTO t VALUES (1), (2)").await, 2);
        assert_eq!(writer.i64("SELECT count(*) FROM t").await, 2);
        assert_eq!(reader.i64("SELECT count(*) FROM t").await, 0);
        writer.execute("COMMIT").await;
        assert_eq!(reader.i64("SELECT count(*) FROM t").await, 2);
    }

    async fn an_open_transaction_is_counted_until_it_ends(database: TestDatabase) {
        let writer = database.observer().await;
        writer.execute("CREATE TABLE t (id INTEGER)").await;
        assert_eq!(database.open_transactions().await, 0);
        writer.execute("BEGIN").await;
        writer.execute("INSERT INTO t VALUES (1)").await;
        assert_eq!(database.open_transactions().await, 1);
        writer.execute("ROLLBACK").await;
        assert_eq!(database.open_transactions().await, 0);
    }

    async fn an_observer_reads_any_scalar_as_text(database: TestDatabase) {
        let observer = database.observer().await;
        observer.execute("CREATE TABLE t (n INTEGER, s TEXT)").await;
        assert_eq!(observer.optional_text("SELECT s FROM t").await, None);
        observer.execute("INSERT INTO t VALUES (1, NULL), (41, 'b')").await;
        assert_eq!(observer.i64("SELECT sum(n) FROM t").await, 42);
        assert_eq!(observer.text("SELECT n FROM t WHERE s IS NOT NULL").await, "41");
        assert_eq!(observer.optional_text("SELECT s FROM t WHERE n = 1").await, None);
        assert_eq!(
            observer.texts("SELECT s FROM t ORDER BY n").await,
            [None, Some("b".to_owned())]
        );
    }

    async fn a_lock_timeout_bounds_the_wait(database: TestDatabase) {
        let (holder, waiter) = (database.observer().await, database.observer().await);
        holder.execute("CREATE TABLE t (id INTEGER)").await;
        holder.execute("INSERT INTO t VALUES (1)").await;
        holder.execute("BEGIN").await;
        holder.execute("UPDATE t SET id = 2").await;
        waiter.lock_timeout(Duration::ZERO).await;
        assert!(waiter.try_execute("UPDATE t SET id = 3").await.is_err());
        holder.execute("COMMIT").await;
        assert_eq!(waiter.execute("UPDATE t SET id = 3").await, 1);
    }

    #[should_panic(expected = "no such thing")]
    async fn attributes_reach_both_tests(mut _database: TestDatabase) {
        panic!("no such thing");
    }
}

#[tokio::test]
async fn a_dropped_database_is_gone() {
    let sqlite = TestDatabase::create(Engine::Sqlite).await;
    sqlite
        .observer()
        .await
        .execute("CREATE TABLE t (id INTEGER)")
        .await;
    let file = sqlite.url().strip_prefix("sqlite://").unwrap();
    let file = std::path::PathBuf::from(file.strip_suffix("?mode=rwc").unwrap());
    assert!(file.exists());
    drop(sqlite);
    assert!(!file.exists());

    let stays = TestDatabase::create(Engine::Postgres).await;
    let goes = TestDatabase::create(Engine::Postgres).await;
    let name = goes
        .observer()
        .await
        .text("SELECT current_database()")
        .await;
    let count = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    let observer = stays.observer().await;
    assert_eq!(observer.i64(&count).await, 1);
    let _connected = goes.observer().await;
    drop(goes);
    assert_eq!(observer.i64(&count).await, 0);
}

#[tokio::test]
async fn eventually_asks_until_the_condition_holds() {
    let asked = AtomicU32::new(0);
    eventually("the third question is answered", async || {
        asked.fetch_add(1, Ordering::Relaxed) == 2
    })
    .await;
    assert_eq!(asked.into_inner(), 3);
}

/// `.cargo/config.toml` is followed, and says why.
#[tokio::test]
async fn connections_to_sqlite_share_no_lock() {
    let database = TestDatabase::create(Engine::Sqlite).await;
    let observer = database.observer().await;
    let options = observer.texts("PRAGMA compile_options").await;
    let has = |option: &str| options.iter().flatten().any(|it| it == option);
    assert!(has("DEFAULT_MEMSTATUS=0"), "{options:?}");
    assert!(!has("ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
}

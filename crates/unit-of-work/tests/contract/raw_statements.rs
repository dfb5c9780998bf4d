//! Statements that are not for a unit: what would end its transaction is refused, what changes the session does not reach
//! the next unit.

use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use unit_of_work::{Database, DatabaseOptions, UnitError, UnitOfWork};

use crate::stage::{Stage, insert_mark};

/// One connection of each kind, so that what stays on it would be seen.
async fn one(test: &TestDatabase) -> Database {
    let mut options = DatabaseOptions::default();
    options.max_connections = 1;
    Database::connect(test.url(), options)
        .await
        .expect("connects")
}

async fn prepared(unit: &UnitOfWork, sql: &str) -> Result<(), DbErr> {
    let statement = Statement::from_string(unit.get_database_backend(), sql);
    unit.execute_raw(statement).await.map(drop)
}

async fn text(unit: &UnitOfWork, sql: &str) -> Result<Option<String>, DbErr> {
    let statement = Statement::from_string(unit.get_database_backend(), sql);
    match unit.query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0),
        None => Ok(None),
    }
}

fn assert_refused(answer: Result<(), DbErr>, sql: &str) {
    let error = answer.expect_err(sql);
    assert!(
        matches!(
            UnitError::in_db_err(&error),
            Some(UnitError::TransactionControl { .. })
        ),
        "{sql}: {error}"
    );
}

on_every_engine! {
    /// Whatever a resolver makes of the refusal, nothing of the unit happens, and nothing is left open.
    async fn transaction_is_not_a_statement_s_to_end(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for sql in [
            "COMMIT",
            "ROLLBACK",
            "/* then */ commit; BEGIN",
            "INSERT INTO mark VALUES ('b'); COMMIT",
            "SAVEPOINT mine",
            "BEGIN",
            "END",
        ] {
            let answer = stage.database.write(async |unit| {
                insert_mark(&unit, "a").await?;
                assert_refused(unit.execute_unprepared(sql).await.map(drop), sql);
                Ok::<_, DbErr>(())
            }).await;
            let error = answer.expect_err(sql);
            assert_eq!(UnitError::in_db_err(&error), Some(&UnitError::Doomed), "{sql}");
            for send in [true, false] {
                let refused = stage.database.write(async |unit| {
                    insert_mark(&unit, "a").await?;
                    if send { prepared(&unit, sql).await } else { text(&unit, sql).await.map(drop) }
                }).await;
                assert_refused(refused, sql);
            }
            // A query of one statement has no transaction, and one of two has.
            let read = stage.database.read(async |unit| unit.execute_unprepared(sql).await.map(drop)).await;
            assert_refused(read, sql);
            assert_eq!(stage.marks().await, Vec::<String>::new(), "{sql}");
        }
        stage.assert_whole().await;
    }

    /// In a savepoint too: what it was to do is not left out, and the unit goes on without the savepoint.
    async fn savepoint_is_not_a_statement_s_to_end(test: TestDatabase) {
        let stage = Stage::new(test).await;
        stage.database.write(async |unit| {
            insert_mark(&unit, "a").await?;
            let inside = unit.savepoint(async |tx| {
                insert_mark(tx, "b").await?;
                assert_refused(tx.execute_unprepared("RELEASE savepoint_1").await.map(drop), "RELEASE");
                Ok::<_, DbErr>(())
            }).await;
            let error = inside.expect_err("is not kept");
            assert_eq!(UnitError::in_db_err(&error), Some(&UnitError::SavepointFailed));
            Ok::<_, DbErr>(())
        }).await.expect("goes on");
        assert_eq!(stage.marks().await, ["a"]);
        stage.assert_whole().await;
    }

    /// What looks like the end of a transaction, and is text, is stored.
    async fn words_in_a_text_are_no_statements(test: TestDatabase) {
        let stage = Stage::new(test).await;
        stage.database.write(async |unit| {
            for name in ["x; COMMIT", "/* y", "-- z"] {
                insert_mark(&unit, name).await?;
            }
            unit.execute_unprepared("INSERT INTO mark VALUES ('; ROLLBACK'); -- ; COMMIT\n").await?;
            Ok::<_, DbErr>(())
        }).await.expect("commits");
        let mut marks = stage.marks().await;
        marks.sort();
        assert_eq!(marks, ["-- z", "/* y", "; ROLLBACK", "x; COMMIT"]);
    }
}

/// A unit's access and isolation are its own, whatever a statement says.
#[tokio::test]
async fn query_cannot_make_itself_a_writer() {
    let stage = Stage::new(TestDatabase::create(Engine::Postgres).await).await;
    for sql in [
        "SET TRANSACTION READ WRITE",
        "SET transaction_read_only = off",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    ] {
        let refused = stage.database.read(async |unit| {
            unit.execute_unprepared(sql).await?;
            insert_mark(&unit, "a").await
        });
        assert_refused(refused.await, sql);
    }
    stage.assert_whole().await;
}

/// What PostgreSQL's own code does: a COMMIT in a block or a procedure is the server's to refuse, in a transaction.
#[tokio::test]
async fn code_cannot_end_the_transaction() {
    let stage = Stage::new(TestDatabase::create(Engine::Postgres).await).await;
    stage
        .observer()
        .await
        .execute("CREATE PROCEDURE ends() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$")
        .await;
    for sql in [
        "DO $$ BEGIN COMMIT; END $$",
        "DO $$ BEGIN ROLLBACK; END $$",
        "CALL ends()",
    ] {
        let answer = stage.database.write(async |unit| {
            insert_mark(&unit, "a").await?;
            unit.execute_unprepared(sql).await.map(drop)
        });
        let error = answer.await.expect_err(sql);
        assert!(
            error
                .to_string()
                .contains("invalid transaction termination"),
            "{sql}: {error}"
        );
        assert_eq!(stage.marks().await, Vec::<String>::new(), "{sql}");
    }
    stage.assert_whole().await;
}

/// What a unit does to its session, the next one does not find: settings, roles, locks, temporary tables, prepared statements.
#[tokio::test]
async fn session_of_postgres_does_not_stay_changed() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let database = one(&test).await;
    let observer = test.observer().await;
    observer
        .execute("CREATE TABLE temporary_or_not (a INT)")
        .await;
    let role = format!("r{}", uuid::Uuid::new_v4().simple());
    observer.execute(&format!("CREATE ROLE {role}")).await;
    let find = |sql: &'static str| {
        let database = database.clone();
        async move {
            let found = database.write(async |unit| text(&unit, sql).await).await;
            found.expect("is read")
        }
    };
    let user = find("SELECT current_user::text").await;
    for (change, look, expected) in [
        (
            "SET search_path = pg_catalog".to_owned(),
            "SHOW search_path",
            Some("\"$user\", public".to_owned()),
        ),
        (
            format!("SET ROLE {role}"),
            "SELECT current_user::text",
            user.clone(),
        ),
        (
            "SELECT set_config('app.tenant', '42', false)".to_owned(),
            "SELECT current_setting('app.tenant', true)",
            None,
        ),
        (
            "CREATE TEMP TABLE temporary_or_not (b INT)".to_owned(),
            "SELECT 'temporary_or_not'::regclass::oid::text FROM pg_class \
             WHERE oid = 'temporary_or_not'::regclass AND relpersistence = 't'",
            None,
        ),
        (
            "PREPARE mine AS SELECT 1".to_owned(),
            "SELECT name FROM pg_prepared_statements WHERE name = 'mine'",
            None,
        ),
        (
            "LISTEN mine".to_owned(),
            "SELECT c FROM pg_listening_channels() c",
            None,
        ),
    ] {
        let sent = database.write(async |unit| unit.execute_unprepared(&change).await.map(drop));
        sent.await.expect("is sent");
        assert_eq!(find(look).await, expected, "{change}");
    }
    // A lock that a session holds goes with it.
    let locked = database.write(async |unit| text(&unit, "SELECT pg_advisory_lock(7)::text").await);
    locked.await.expect("is locked");
    daybook_test_harness::eventually("the lock is free", async || {
        observer
            .text("SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND objid = 7")
            .await
            == "0"
    })
    .await;
    // What is the transaction's alone costs no connection.
    let backend = find("SELECT pg_backend_pid()::text").await;
    let local = database.write(async |unit| {
        unit.execute_unprepared("SET LOCAL work_mem = '1MB'; SELECT pg_advisory_xact_lock(8)")
            .await
            .map(drop)
    });
    local.await.expect("is sent");
    assert_eq!(find("SELECT pg_backend_pid()::text").await, backend);
    observer.execute(&format!("DROP ROLE {role}")).await;
}

/// On SQLite: settings, temporary tables, files that were attached.
#[tokio::test]
async fn session_of_sqlite_does_not_stay_changed() {
    let test = TestDatabase::create(Engine::Sqlite).await;
    let database = one(&test).await;
    let find = async |sql: &str| {
        let statement = Statement::from_string(DbBackend::Sqlite, sql);
        let found = database
            .write(async |unit| unit.query_all_raw(statement).await)
            .await;
        let rows = found.expect("is read");
        rows.iter()
            .map(|row| row.try_get_by_index::<i64>(0).expect("a number"))
            .collect::<Vec<_>>()
    };
    for (change, look, expected) in [
        (
            "PRAGMA ignore_check_constraints = ON",
            "PRAGMA ignore_check_constraints",
            vec![0],
        ),
        (
            "PRAGMA recursive_triggers = ON",
            "PRAGMA recursive_triggers",
            vec![0],
        ),
        (
            "CREATE TEMP TABLE mine (a)",
            "SELECT count(*) FROM sqlite_temp_schema",
            vec![0],
        ),
        (
            "ATTACH ':memory:' AS mine",
            "SELECT count(*) FROM pragma_database_list WHERE name = 'mine'",
            vec![0],
        ),
    ] {
        let sent = database.write(async |unit| unit.execute_unprepared(change).await.map(drop));
        sent.await.expect("is sent");
        assert_eq!(find(look).await, expected, "{change}");
    }
}

/// SQLite and its driver read some texts in other ways than one would: the driver cuts white space of all kinds off both ends, a byte order
/// mark is a space, and `$a(…)` is a variable, with all that is in the parentheses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_hides_no_end_of_the_transaction() {
    let stage = Stage::new(TestDatabase::create(Engine::Sqlite).await).await;
    for sql in [
        "\u{a0}COMMIT\u{2003}",
        "SELECT 1; \u{feff}COMMIT",
        "SELECT $a(');COMMIT;--')",
    ] {
        let refused = stage
            .database
            .write(async |unit| {
                insert_mark(&unit, "a").await?;
                prepared(&unit, sql).await
            })
            .await;
        assert_refused(refused, sql);
        assert_eq!(stage.marks().await, Vec::<String>::new(), "{sql}");
    }
    stage.assert_whole().await;
}

//! What only MariaDB does: it commits at DDL, rolls back everything at a deadlock, and defers nothing to COMMIT. `lost` has COMMITs that are not
//! answered.

mod instants;
mod isolation;
mod lost;

use std::time::{Duration, Instant};

use daybook_test_harness::{Engine, TestDatabase, mariadb::MariaDbServer};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tokio::time::timeout;
use unit_of_work::{
    ConnectError, Database, DatabaseOptions, FailureKind, UnitError, UnitTerms, marker,
};

use crate::stage::{PATIENCE, Stage, codes, insert_mark, outcome};

async fn test() -> TestDatabase {
    TestDatabase::create(Engine::MariaDb).await
}

/// A stage with the table of markers.
async fn marked() -> Stage {
    let test = test().await;
    let markers = marker::create_table(DbBackend::MySql);
    test.observer().await.execute(&markers).await;
    Stage::new(test).await
}

/// DDL would commit what came before it, and nothing would say so.
#[tokio::test]
async fn statements_that_commit_by_themselves_are_refused() {
    let stage = Stage::new(test().await).await;
    for sql in [
        "CREATE TABLE other (id INT)",
        "DROP TABLE counter",
        "TRUNCATE TABLE counter",
        "ALTER TABLE counter ADD COLUMN more INT",
        "LOCK TABLES counter WRITE",
        "ANALYZE TABLE counter",
        "GRANT SELECT ON counter TO CURRENT_USER",
        "SET autocommit = 1",
        "SELECT 1 /*! ; COMMIT */",
        "/*M! COMMIT */",
        "SELECT 1 /*!999999 ' */ ; COMMIT -- '",
        "SET NAMES gbk",
        "SET sql_mode = ''",
    ] {
        let response = stage
            .run(&format!(
                "mutation {{ mark(name: \"a\") raw(sql: \"{sql}\") }}"
            ))
            .await;
        assert_eq!(codes(&response), ["INTERNAL"], "{sql}: {response:?}");
        assert_eq!(stage.marks().await, Vec::<String>::new(), "{sql}");
    }
    assert_eq!(stage.counter().await, 0);
    stage.assert_whole().await;
}

/// A deadlock rolls back the whole transaction, and the driver believes that it is still open. Who hides it can do no more, and commits
/// nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlock_that_is_hidden_commits_no_half() {
    let stage = Stage::new(test().await).await;
    let other = stage.observer().await;
    other.execute("INSERT INTO parent VALUES (1), (2)").await;
    other.execute("BEGIN").await;
    // The one that has done less is rolled back.
    other
        .execute("INSERT INTO parent SELECT seq FROM seq_100_to_400")
        .await;
    other
        .execute("UPDATE parent SET id = -2 WHERE id = 2")
        .await;
    let database = stage.database.clone();
    let (has_first, first) = tokio::sync::oneshot::channel();
    let unit = tokio::spawn(async move {
        database
            .write(async |unit| {
                insert_mark(&unit, "before").await?;
                unit.execute_unprepared("UPDATE parent SET id = -1 WHERE id = 1")
                    .await?;
                has_first.send(()).expect("the test waits");
                let lost = unit
                    .execute_unprepared("UPDATE parent SET id = -3 WHERE id = 2")
                    .await
                    .expect_err("loses");
                assert_eq!(FailureKind::of(&lost), FailureKind::Conflict, "{lost}");
                let refused = insert_mark(&unit, "after").await.expect_err("is refused");
                assert_eq!(UnitError::in_db_err(&refused), Some(&UnitError::Doomed));
                Ok::<_, DbErr>(())
            })
            .await
    });
    timeout(PATIENCE, first)
        .await
        .expect("in time")
        .expect("it has the first row");
    other
        .execute("UPDATE parent SET id = -4 WHERE id = 1")
        .await;
    let ended = timeout(PATIENCE, unit)
        .await
        .expect("in time")
        .expect("ends");
    let error = ended.expect_err("is not committed");
    assert_eq!(
        UnitError::in_db_err(&error),
        Some(&UnitError::Doomed),
        "{error:?}"
    );
    other.execute("ROLLBACK").await;
    assert_eq!(stage.marks().await, Vec::<String>::new());
    stage.assert_whole().await;
}

/// A node of Galera without its cluster is refused, whoever asks. (`galera` has nodes with theirs.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_without_a_cluster_is_refused() {
    let settings = [("wsrep-on", "ON"), ("binlog-format", "ROW")];
    let server = tokio::task::spawn_blocking(move || MariaDbServer::start(&settings))
        .await
        .expect("starts");
    for read_only in [false, true] {
        let mut options = DatabaseOptions::default();
        options.read_only = read_only;
        let refused = Database::connect(&server.database_url("mysql"), options).await;
        let refused = refused.expect_err("is refused");
        assert!(matches!(refused, ConnectError::Open { .. }), "{refused:?}");
        assert!(
            format!("{refused:?}").contains("wsrep_ready"),
            "{refused:?}"
        );
    }
}

/// A COMMIT can be refused all the same: its marker is inserted in the same flight.
#[tokio::test]
async fn commit_that_is_refused_is_told() {
    let stage = marked().await;
    let observer = stage.observer().await;
    observer
        .execute(
            "CREATE TRIGGER refuses BEFORE INSERT ON unit_of_work_marker FOR EACH ROW \
             SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not today'",
        )
        .await;
    let response = stage.run("mutation { mark(name: \"a\") }").await;
    assert_eq!(codes(&response), ["COMMIT_FAILED"], "{response:?}");
    assert_eq!(stage.marks().await, Vec::<String>::new());
    observer.execute("DROP TRIGGER refuses").await;
    assert_eq!(
        outcome(&stage.run("mutation { mark(name: \"a\") }").await),
        "COMMITTED"
    );
    assert_eq!(stage.marks().await, ["a"]);
    assert_eq!(
        observer
            .i64("SELECT COUNT(*) FROM unit_of_work_marker")
            .await,
        1
    );
}

/// A server that others may not write on is not used for mutations, and can be read.
#[tokio::test]
async fn server_that_is_read_only_takes_no_mutations() {
    let server = tokio::task::spawn_blocking(|| MariaDbServer::start(&[("read-only", "ON")]))
        .await
        .expect("starts");
    let options = DatabaseOptions::default()
        .acquire_timeout(Duration::from_millis(200))
        .connect_timeout(Duration::from_secs(5));
    let database = Database::connect(server.url(), options)
        .await
        .expect("connects");
    let read = database
        .read(async |unit| unit.execute_unprepared("SELECT 1").await)
        .await;
    assert!(read.is_ok(), "{read:?}");
    let written = database
        .write(async |unit| unit.execute_unprepared("DO 1").await)
        .await;
    let error = written.expect_err("is refused");
    assert_eq!(
        FailureKind::of(&error),
        FailureKind::Unavailable,
        "{error:?}"
    );
    assert!(
        database
            .check_writable(Duration::from_secs(1))
            .await
            .is_err()
    );
    database.close().await;
}

#[tokio::test]
async fn parameters_that_would_be_ignored_are_refused() {
    let url = format!("{}?timezone=%2B08:00", test().await.url());
    let error = Database::connect(&url, DatabaseOptions::default()).await;
    assert!(
        matches!(error, Err(ConnectError::Refused { .. })),
        "{error:?}"
    );
}

/// Durability is the server's, and a table of another engine knows no transactions.
#[tokio::test]
async fn weaknesses_are_told() {
    let stage = Stage::new(test().await).await;
    assert_eq!(stage.database.weaknesses().await, Ok(Vec::new()));
    stage
        .observer()
        .await
        .execute("CREATE TABLE old (id INT) ENGINE = MyISAM")
        .await;
    let told = stage.database.weaknesses().await.expect("is asked");
    assert_eq!(told, ["ENGINE = MyISAM of the table old"]);
}

/// Statements with values are prepared. When there is no room for another one, all are closed at once: the driver would close one before each,
/// and wait 40 milliseconds for the server's acknowledgement.
#[tokio::test]
async fn many_prepared_statements_are_no_slower() {
    const STATEMENTS: usize = 500;
    let stage = Stage::new(test().await).await;
    let started = Instant::now();
    let found = stage
        .database
        .read(async |unit| {
            let mut sum = 0;
            for number in 0..STATEMENTS {
                let sql = format!("SELECT CAST(? AS SIGNED) + {number}");
                let ask = Statement::from_sql_and_values(DbBackend::MySql, sql, [1_i64.into()]);
                let row = unit.query_one_raw(ask).await?.expect("a row");
                sum += row.try_get_by_index::<i64>(0)?;
            }
            Ok::<_, DbErr>(sum)
        })
        .await;
    assert_eq!(found.expect("is read"), 125_250);
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

/// A deadline shortens the time-outs of the session, and the next operation has them as they were, with a transaction or without.
#[tokio::test]
async fn limits_end_with_their_transaction() {
    const LIMITS: &str = "SELECT CONCAT(@@max_statement_time, ' ', @@idle_transaction_timeout)";
    let stage = Stage::new(test().await).await;
    let limits = async |terms: UnitTerms| {
        let limits = stage.database.write_with(terms, async |unit| {
            let ask = Statement::from_string(DbBackend::MySql, LIMITS);
            let row = unit.query_one_raw(ask).await?.expect("a row");
            row.try_get_by_index::<String>(0)
        });
        limits.await.expect("is read")
    };
    let usual = "30.000000 30";
    assert_eq!(limits(UnitTerms::default()).await, usual);
    for ends_well in [true, false] {
        let terms = UnitTerms::named("short").deadline(Duration::from_secs(5));
        if ends_well {
            let short = limits(terms).await;
            assert_ne!(short, usual);
            assert!(short.ends_with(" 5"), "{short}");
        } else {
            let failed = stage.database.write_with(terms, async |unit| {
                unit.execute_unprepared("nonsense").await
            });
            failed.await.expect_err("fails");
        }
        let terms = || UnitTerms::default().deadline(None);
        assert_eq!(limits(terms()).await, usual, "{ends_well}");
    }
}

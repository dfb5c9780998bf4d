//! The proxy: what it logs and how it disturbs.

use std::time::Duration;

use daybook_test_harness::{Engine, Observer, TestDatabase, WireProxy, eventually};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, query, query_scalar, raw_sql};
use tokio::time::timeout;

/// Long enough to show that something does not happen, where nothing can be awaited.
const A_WHILE: Duration = Duration::from_millis(100);

struct Wire {
    proxy: WireProxy,
    observer: Observer,
    database: TestDatabase,
}

impl Wire {
    /// A proxy in front of a database with one table, `t`.
    async fn new() -> Self {
        let database = TestDatabase::create(Engine::Postgres).await;
        let observer = database.observer().await;
        observer.execute("CREATE TABLE t (id INTEGER)").await;
        let proxy = database.proxy().await;
        Self {
            proxy,
            observer,
            database,
        }
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(self.proxy.url()).await.unwrap()
    }

    async fn rows(&self) -> i64 {
        self.observer.i64("SELECT count(*) FROM t").await
    }
}

#[tokio::test]
async fn a_session_is_logged_flight_by_flight() {
    let wire = Wire::new().await;
    let mut client = wire.connect().await;
    assert_eq!(wire.proxy.log()[0], "CONNECT");
    wire.proxy.clear_log();

    for _ in 0..2 {
        let mut tx = client.begin().await.unwrap();
        let one: i32 = query_scalar("SELECT $1 + 0")
            .bind(1)
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        assert_eq!(one, 1);
        tx.commit().await.unwrap();
    }
    client.ping().await.unwrap();
    client.close().await.unwrap();

    eventually("the goodbye arrives", async || wire.proxy.log().len() == 9).await;
    assert_eq!(
        wire.proxy.log(),
        [
            "BEGIN",
            "PREPARE SELECT $1 + 0",
            "SELECT $1 + 0",
            "COMMIT",
            "BEGIN",
            "SELECT $1 + 0",
            "COMMIT",
            "PING",
            "TERMINATE",
        ]
    );
}

#[tokio::test]
async fn flights_name_their_connection() {
    let wire = Wire::new().await;
    let (mut first, mut second) = (wire.connect().await, wire.connect().await);
    wire.proxy.clear_log();
    raw_sql("SELECT 2").execute(&mut second).await.unwrap();
    raw_sql("SELECT 1").execute(&mut first).await.unwrap();
    let flights = wire.proxy.flights();
    let flights: Vec<_> = flights
        .iter()
        .map(|flight| (flight.connection, flight.text.as_str()))
        .collect();
    assert_eq!(flights, [(2, "SELECT 2"), (1, "SELECT 1")]);
}

#[tokio::test]
async fn a_dropped_transaction_rolls_back_before_the_next_statement() {
    let wire = Wire::new().await;
    let mut client = wire.connect().await;
    wire.proxy.clear_log();
    drop(client.begin().await.unwrap());
    raw_sql("SELECT 1").execute(&mut client).await.unwrap();
    assert_eq!(wire.proxy.log(), ["BEGIN", "ROLLBACK", "SELECT 1"]);
}

#[tokio::test]
async fn large_messages_pass_whole_in_both_directions() {
    let wire = Wire::new().await;
    let mut client = wire.connect().await;
    let text: String = ('a'..='z').cycle().take(3_000_000).collect();
    let back: String = query_scalar("SELECT $1 || $1")
        .bind(&text)
        .fetch_one(&mut client)
        .await
        .unwrap();
    assert!(back == format!("{text}{text}"));
    let rows: Vec<i64> = query_scalar("SELECT generate_series(1, 100000)::bigint")
        .fetch_all(&mut client)
        .await
        .unwrap();
    assert!(rows.into_iter().eq(1..=100_000));
}

#[tokio::test]
async fn a_held_flight_does_not_reach_the_server() {
    let wire = Wire::new().await;
    let mut client = wire.connect().await;
    let gate = wire.proxy.hold(|sql| sql.starts_with("INSERT"));
    let insert = tokio::spawn(async move {
        query("INSERT INTO t VALUES (1)")
            .execute(&mut client)
            .await
            .unwrap();
        client
    });
    gate.reached().await;
    assert_eq!(wire.rows().await, 0);
    // Others pass, the same statement too: a gate holds one flight.
    let mut other = wire.connect().await;
    query("INSERT INTO t VALUES (2)")
        .execute(&mut other)
        .await
        .unwrap();
    assert_eq!(wire.rows().await, 1);
    assert!(!insert.is_finished());
    gate.release();
    insert.await.unwrap();
    assert_eq!(wire.rows().await, 2);
}

#[tokio::test]
async fn a_held_reply_leaves_the_work_done_and_the_client_waiting() {
    let wire = Wire::new().await;
    let mut client = wire.connect().await;
    let gate = wire.proxy.hold_reply(|sql| sql == "COMMIT");
    let commit = tokio::spawn(async move {
        let mut tx = client.begin().await.unwrap();
        query("INSERT INTO t VALUES (1)")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    });
    gate.reached().await;
    assert_eq!(wire.rows().await, 1);
    assert!(!commit.is_finished());
    gate.release();
    commit.await.unwrap();
}

#[tokio::test]
async fn a_reply_can_be_held_behind_a_pipelined_rollback() {
    let wire = Wire::new().await;
    let mut client = wire.connect().await;
    // A dropped transaction sends its ROLLBACK together with the next flight.
    drop(client.begin().await.unwrap());
    let gate = wire.proxy.hold_reply(|sql| sql.starts_with("INSERT"));
    let insert = tokio::spawn(async move {
        raw_sql("INSERT INTO t VALUES (1)")
            .execute(&mut client)
            .await
    });
    gate.reached().await;
    assert_eq!(wire.rows().await, 1);
    assert!(!insert.is_finished());
    gate.release();
    insert.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_held_reply_is_reached_once_the_server_has_said_all_of_it() {
    let wire = Wire::new().await;
    let mut client = wire.connect().await;
    let gate = wire.proxy.hold_reply(|sql| sql.starts_with("SELECT"));
    let select = tokio::spawn(async move {
        let sql = "SELECT repeat('x', 1000) FROM generate_series(1, 20000)";
        raw_sql(sql).fetch_all(&mut client).await.unwrap().len()
    });
    gate.reached().await;
    // A server that still had rows to send would be in the middle of the statement's transaction.
    assert_eq!(wire.database.open_transactions().await, 0);
    gate.release();
    assert_eq!(select.await.unwrap(), 20_000);
}

#[tokio::test]
async fn a_cut_commit_that_was_held_is_lost() {
    let wire = Wire::new().await;
    let mut client = wire.connect().await;
    let gate = wire.proxy.hold(|sql| sql == "COMMIT");
    let commit = tokio::spawn(async move {
        let mut tx = client.begin().await.unwrap();
        query("INSERT INTO t VALUES (1)")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await
    });
    gate.reached().await;
    gate.cut();
    let error = commit.await.unwrap().unwrap_err();
    assert!(matches!(error, sqlx::Error::Io(_)), "{error}");
    eventually("the server rolls back", async || {
        wire.database.open_transactions().await == 0
    })
    .await;
    assert_eq!(wire.rows().await, 0);
}

#[tokio::test]
async fn a_cut_commit_whose_reply_was_held_is_durable() {
    let wire = Wire::new().await;
    let mut client = wire.connect().await;
    let gate = wire.proxy.hold_reply(|sql| sql == "COMMIT");
    let commit = tokio::spawn(async move {
        let mut tx = client.begin().await.unwrap();
        query("INSERT INTO t VALUES (1)")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await
    });
    gate.reached().await;
    gate.cut();
    let error = commit.await.unwrap().unwrap_err();
    assert!(matches!(error, sqlx::Error::Io(_)), "{error}");
    assert_eq!(wire.rows().await, 1);
}

#[tokio::test]
async fn a_gate_that_is_dropped_holds_nothing() {
    let wire = Wire::new().await;
    let mut client = wire.connect().await;
    drop(wire.proxy.hold(|sql| sql == "SELECT 1"));
    raw_sql("SELECT 1").execute(&mut client).await.unwrap();
}

#[tokio::test]
async fn cut_all_ends_what_is_there_and_welcomes_what_comes() {
    let wire = Wire::new().await;
    let (mut first, mut second) = (wire.connect().await, wire.connect().await);
    wire.proxy.cut_all();
    assert!(raw_sql("SELECT 1").execute(&mut first).await.is_err());
    assert!(raw_sql("SELECT 1").execute(&mut second).await.is_err());
    let mut third = wire.connect().await;
    raw_sql("SELECT 1").execute(&mut third).await.unwrap();
}

#[tokio::test]
async fn a_killed_backend_is_heard_through_the_proxy() {
    let wire = Wire::new().await;
    let mut client = wire.connect().await;
    let pid: i32 = query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut client)
        .await
        .unwrap();
    let gate = wire.proxy.hold(|sql| sql == "SELECT 1");
    let select = tokio::spawn(async move { raw_sql("SELECT 1").execute(&mut client).await });
    gate.reached().await;
    wire.observer
        .text(&format!("SELECT pg_terminate_backend({pid})"))
        .await;
    assert!(select.await.unwrap().is_err());
}

#[tokio::test]
async fn a_black_hole_swallows_everything_until_restored() {
    let wire = Wire::new().await;
    let mut client = wire.connect().await;
    wire.proxy.clear_log();
    wire.proxy.blackhole();
    let newcomer = PgConnection::connect(wire.proxy.url());
    assert!(timeout(A_WHILE, newcomer).await.is_err());
    let mut insert =
        tokio::spawn(async move { query("INSERT INTO t VALUES (1)").execute(&mut client).await });
    assert!(timeout(A_WHILE, &mut insert).await.is_err());
    assert_eq!(wire.rows().await, 0);
    assert_eq!(wire.proxy.log(), [""; 0]);
    wire.proxy.restore();
    insert.await.unwrap().unwrap();
    assert_eq!(wire.rows().await, 1);
}

#[tokio::test]
async fn a_black_hole_keeps_the_reply_of_a_statement_under_way() {
    let wire = Wire::new().await;
    let mut client = wire.connect().await;
    let gate = wire
        .proxy
        .hold_reply(|sql| sql == "INSERT INTO t VALUES (1)");
    let mut insert = tokio::spawn(async move {
        raw_sql("INSERT INTO t VALUES (1)")
            .execute(&mut client)
            .await
    });
    gate.reached().await;
    wire.proxy.blackhole();
    gate.release();
    assert!(timeout(A_WHILE, &mut insert).await.is_err());
    assert_eq!(wire.rows().await, 1);
    wire.proxy.restore();
    insert.await.unwrap().unwrap();
}

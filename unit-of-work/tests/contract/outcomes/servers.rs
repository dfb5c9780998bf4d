//! A COMMIT that is not answered because of what happens to the server: it crashes, it waits for a standby.

use std::{sync::Arc, time::Duration};

use daybook_test_harness::{TestDatabase, eventually, postgres::PostgresServer};
use tokio::time::{Instant, timeout};
use unit_of_work::DatabaseOptions;

use super::{is_commit, with_markers_on};
use crate::stage::{PATIENCE, Stage, codes, data};

const WAITS_FOR_STANDBY: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%COMMIT'";

async fn start(settings: &'static [(&'static str, &'static str)]) -> Arc<PostgresServer> {
    tokio::task::spawn_blocking(|| Arc::new(PostgresServer::start(settings)))
        .await
        .expect("starts")
}

async fn crash_and_start(server: &Arc<PostgresServer>) {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || {
        server.crash();
        server.start_again();
    })
    .await
    .expect("starts again");
}

/// Whether PostgreSQL says that the transaction of this id was committed.
async fn says_committed(stage: &Stage, id: &str) -> bool {
    let observer = stage.observer().await;
    let asked = format!("SELECT pg_xact_status('{id}'::xid8)");
    observer.optional_text(&asked).await.as_deref() == Some("committed")
}

/// The server crashes before it has written anything of the transaction, and gives its id to the next one, which commits.
/// PostgreSQL says "committed" of that id; but the row is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn id_of_a_lost_transaction_is_given_to_another() {
    // Nothing is written before a COMMIT asks for it.
    let server = start(&[
        ("wal_writer_delay", "10000"),
        ("autovacuum", "off"),
        ("bgwriter_delay", "10000"),
    ])
    .await;
    let test = TestDatabase::create_on(Arc::clone(&server)).await;
    let (stage, proxy) =
        with_markers_on(test, DatabaseOptions::default(), |extension| extension).await;
    let commit = proxy.hold(is_commit);
    let lost = stage.start("mutation { mark(name: \"lost\") effects }");
    commit.reached().await;
    let observer = stage.observer().await;
    let id = observer
        .text("SELECT backend_xid FROM pg_stat_activity WHERE backend_xid IS NOT NULL")
        .await;
    crash_and_start(&server).await;
    stage
        .observer()
        .await
        .execute("INSERT INTO mark VALUES ('next')")
        .await;
    assert!(
        says_committed(&stage, &id).await,
        "the id was not given out again: this run shows nothing"
    );
    commit.release();
    let lost = timeout(PATIENCE, lost)
        .await
        .expect("ends")
        .expect("answers");
    assert_eq!(codes(&lost), ["COMMIT_FAILED"]);
    assert_eq!(data(&lost), serde_json::Value::Null);
    assert_eq!(stage.cue.effects(), Vec::<String>::new());
    assert_eq!(stage.marks().await, ["next"]);
}

/// The server crashes while COMMIT waits for its write, which is made to take a tenth of a second. Whether the write came
/// first is chance: what is told and what is there agree either way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_during_the_write_is_told_as_it_is() {
    let server = start(&[
        ("commit_delay", "100000"),
        ("commit_siblings", "0"),
        ("wal_writer_delay", "10000"),
    ])
    .await;
    let test = TestDatabase::create_on(Arc::clone(&server)).await;
    let (stage, proxy) =
        with_markers_on(test, DatabaseOptions::default(), |extension| extension).await;
    for round in 0..3 {
        let answer = proxy.hold_reply(is_commit);
        let operation = stage.start(&format!("mutation {{ mark(name: \"{round}\") }}"));
        eventually("COMMIT is sent", async || {
            proxy.log().iter().any(|sql| is_commit(sql))
        })
        .await;
        crash_and_start(&server).await;
        let observer = stage.observer().await;
        observer
            .execute(&format!("INSERT INTO mark VALUES ('after {round}')"))
            .await;
        answer.release();
        let response = timeout(PATIENCE, operation)
            .await
            .expect("ends")
            .expect("answers");
        let is_there = stage.marks().await.contains(&round.to_string());
        assert_eq!(response.is_ok(), is_there, "{response:?}");
        if !is_there {
            assert_eq!(codes(&response), ["COMMIT_FAILED"]);
        }
        proxy.clear_log();
    }
}

/// COMMIT waits for a standby that is not there. It is waited for, and the wait is never ended by us: that would not undo the
/// COMMIT, and would make any answer a lie.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_for_a_standby_is_never_ended() {
    let server = start(&[("fsync", "off")]).await;
    let test = TestDatabase::create_on(server).await;
    let mut options = DatabaseOptions::default();
    options.finish_timeout = Duration::from_secs(1);
    let (stage, _proxy) = with_markers_on(test, options, |extension| {
        extension.deadline(Duration::from_secs(2))
    })
    .await;
    let observer = stage.observer().await;
    observer
        .execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        .await;
    observer.execute("SELECT pg_reload_conf()").await;
    // One by one, until the first has to wait.
    let probes = stage.observer().await;
    let probing = tokio::spawn(async move {
        for number in 0.. {
            let insert = format!("BEGIN; INSERT INTO parent VALUES ({number}); COMMIT");
            probes.execute(&insert).await;
        }
    });
    eventually("a commit waits for the standby", async || {
        observer.i64(WAITS_FOR_STANDBY).await == 1
    })
    .await;

    let started = Instant::now();
    let response = stage.run("mutation { mark(name: \"a\") effects }").await;
    let took = started.elapsed();
    assert_eq!(codes(&response), ["OUTCOME_UNKNOWN"]);
    assert!(
        (Duration::from_secs(2)..Duration::from_secs(4)).contains(&took),
        "{took:?}"
    );
    assert_eq!(stage.cue.effects(), Vec::<String>::new());
    // Closing the connection does not end the wait either.
    timeout(PATIENCE, stage.database.close())
        .await
        .expect("closes");
    assert_eq!(observer.i64(WAITS_FOR_STANDBY).await, 2);
    assert_eq!(stage.marks().await, Vec::<String>::new());

    observer
        .execute("ALTER SYSTEM RESET synchronous_standby_names")
        .await;
    observer.execute("SELECT pg_reload_conf()").await;
    eventually("the commit is through", async || {
        stage.marks().await == ["a"]
    })
    .await;
    probing.abort();
}

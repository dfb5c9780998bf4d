//! A COMMIT that is not answered because of what happens to the server: it crashes, it waits for a standby.

use std::{sync::Arc, time::Duration};

use daybook_test_harness::{
    Observer, TestDatabase, WireProxy, eventually, postgres::PostgresServer,
};
use tokio::time::{Instant, timeout};
use unit_of_work::DatabaseOptions;

use super::markers::{is_commit, with_markers_on};
use crate::stage::{PATIENCE, Stage, codes, data, ended};

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

/// The server loses a transaction before it has written anything of it, and gives its id to the next one, which commits.
/// PostgreSQL says "committed" of that id; but the row is not there. Where there is a standby, it takes over.
async fn id_is_given_to_another(
    server: Arc<PostgresServer>,
    has_standby: bool,
    fails: impl AsyncFnOnce(&Arc<PostgresServer>, i64),
) {
    let test = TestDatabase::create_on(Arc::clone(&server)).await;
    let (mut stage, proxy) =
        with_markers_on(test, DatabaseOptions::default(), |extension| extension).await;
    let mut standby = None;
    if has_standby {
        standby = Some(start_standby(&server).await);
    }
    let commit = proxy.hold(is_commit);
    let lost = stage.start("mutation { mark(name: \"lost\") effects }");
    commit.reached().await;
    let observer = stage.observer().await;
    let of_lost =
        |column| format!("SELECT {column} FROM pg_stat_activity WHERE backend_xid IS NOT NULL");
    let id = observer.text(&of_lost("backend_xid")).await;
    let pid = observer.i64(&of_lost("pid")).await;
    fails(&server, pid).await;
    if let Some(standby) = standby {
        promote(&standby).await;
        stage.test = stage.test.on_standby(standby);
        proxy.lead_to(stage.test.url());
    }
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
    let lost = ended(lost).await;
    assert_eq!(codes(&lost), ["COMMIT_FAILED"]);
    assert_eq!(data(&lost), serde_json::Value::Null);
    assert_eq!(stage.cue.effects(), Vec::<String>::new());
    assert_eq!(stage.marks().await, ["next"]);
}

/// Nothing is written before a COMMIT asks for it.
const WRITES_LATE: &[(&str, &str)] = &[
    ("wal_writer_delay", "10000"),
    ("autovacuum", "off"),
    ("bgwriter_delay", "10000"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn id_of_a_lost_transaction_is_given_to_another() {
    let server = start(WRITES_LATE).await;
    id_is_given_to_another(server, false, async |server, _| {
        crash_and_start(server).await;
    })
    .await;
}

/// A backend that is killed takes all others with it, and what was not written; the server's first process stays the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn id_is_given_to_another_after_a_backend_was_killed() {
    let server = start(WRITES_LATE).await;
    id_is_given_to_another(server, false, async |server, pid| {
        let witness = Observer::try_connect(server.url()).await.expect("connects");
        let killed = Arc::clone(server);
        tokio::task::spawn_blocking(move || killed.kill(pid))
            .await
            .expect("kills");
        // Until the server has noticed, it takes connections that it then ends.
        eventually("the server has ended all", async || {
            witness.try_execute("SELECT 1").await.is_err()
        })
        .await;
        eventually("the server has recovered", async || {
            Observer::try_connect(server.url()).await.is_ok()
        })
        .await;
    })
    .await;
}

/// A standby that never had the transaction takes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn id_is_given_to_another_after_a_failover() {
    let server = start(WRITES_LATE).await;
    id_is_given_to_another(server, true, async |server, _| crash(server).await).await;
}

async fn start_standby(server: &Arc<PostgresServer>) -> Arc<PostgresServer> {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || Arc::new(server.start_standby(&[("fsync", "off")])))
        .await
        .expect("starts")
}

async fn crash(server: &Arc<PostgresServer>) {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || server.crash())
        .await
        .expect("stops");
}

async fn promote(standby: &Arc<PostgresServer>) {
    let standby = Arc::clone(standby);
    tokio::task::spawn_blocking(move || standby.promote())
        .await
        .expect("takes over");
}

/// The server had committed, its answer was lost with it, and the standby that takes over has the row: success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_survives_a_failover() {
    let server = start(&[("fsync", "off")]).await;
    let test = TestDatabase::create_on(Arc::clone(&server)).await;
    let (mut stage, proxy) =
        with_markers_on(test, DatabaseOptions::default(), |extension| extension).await;
    let answer = proxy.hold_reply(is_commit);
    let operation = stage.start("mutation { mark(name: \"a\") }");
    answer.reached().await;
    // It is made of what was committed until now.
    let standby = start_standby(&server).await;
    crash(&server).await;
    promote(&standby).await;
    stage.test = stage.test.on_standby(standby);
    proxy.lead_to(stage.test.url());
    answer.cut();
    let response = ended(operation).await;
    assert!(response.is_ok(), "{response:?}");
    assert_eq!(stage.marks().await, ["a"]);
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
        let response = ended(operation).await;
        let is_there = stage.marks().await.contains(&round.to_string());
        assert_eq!(response.is_ok(), is_there, "{response:?}");
        if !is_there {
            assert_eq!(codes(&response), ["COMMIT_FAILED"]);
        }
        proxy.clear_log();
    }
}

/// A stage on whose server every COMMIT waits for a standby that is not there.
struct WithoutStandby {
    stage: Stage,
    server: Arc<PostgresServer>,
    observer: Observer,
    _proxy: WireProxy,
}

async fn without_its_standby(deadline: Duration) -> WithoutStandby {
    let server = start(&[("fsync", "off")]).await;
    let test = TestDatabase::create_on(Arc::clone(&server)).await;
    let mut options = DatabaseOptions::default();
    options.finish_timeout = Duration::from_secs(1);
    let (stage, proxy) =
        with_markers_on(test, options, |extension| extension.deadline(deadline)).await;
    let observer = stage.observer().await;
    observer
        .execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        .await;
    observer.execute("SELECT pg_reload_conf()").await;
    // One by one, until the first has to wait.
    let probes = stage.observer().await;
    tokio::spawn(async move {
        for number in 0.. {
            let insert = format!("BEGIN; INSERT INTO parent VALUES ({number}); COMMIT");
            if probes.try_execute(&insert).await.is_err() {
                break;
            }
        }
    });
    eventually("a commit waits for the standby", async || {
        observer.i64(WAITS_FOR_STANDBY).await == 1
    })
    .await;
    WithoutStandby {
        stage,
        server,
        observer,
        _proxy: proxy,
    }
}

/// COMMIT waits for a standby that is not there. It is waited for, and the wait is never ended by us: that would not undo the
/// COMMIT, and would make any answer a lie.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_for_a_standby_is_never_ended() {
    let without = without_its_standby(Duration::from_secs(2)).await;
    let (stage, observer) = (&without.stage, &without.observer);
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
}

/// A crash ends the wait too, and the row is there afterwards, on this server alone. Whoever takes over would not have it: nothing
/// is claimed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crash_that_ends_the_wait_proves_nothing() {
    let without = without_its_standby(Duration::from_secs(8)).await;
    let (stage, observer) = (&without.stage, &without.observer);
    let operation = stage.start("mutation { mark(name: \"a\") effects }");
    eventually("the commit waits too", async || {
        observer.i64(WAITS_FOR_STANDBY).await == 2
    })
    .await;
    crash_and_start(&without.server).await;
    assert_eq!(stage.marks().await, ["a"]);
    let response = ended(operation).await;
    assert_eq!(codes(&response), ["OUTCOME_UNKNOWN"]);
    assert_eq!(stage.cue.effects(), Vec::<String>::new());
}

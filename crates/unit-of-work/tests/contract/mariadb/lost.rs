//! A COMMIT that is not answered: MariaDB is asked what became of it.

use async_graphql::{Request, Response};
use daybook_test_harness::{Cable, Engine, Lost, Observer, eventually, mariadb::MariaDbServer};
use sea_orm::DbBackend;
use tokio::{task::JoinHandle, time::timeout};
use unit_of_work::{
    Database, DatabaseOptions, IdempotencySettings, UnitError, idempotency, marker,
};

use super::test;
use crate::stage::{PATIENCE, Stage, codes, count_marks, ended, insert_mark, outcome};

const MUTATION: &str = "mutation { mark(name: \"a\") effects meet }";

/// A stage behind a cable, with the table of markers.
async fn behind_a_cable() -> (Stage, Cable) {
    let test = test().await;
    let markers = marker::create_table(DbBackend::MySql);
    test.observer().await.execute(&markers).await;
    let cable = Cable::to(test.url()).await;
    let stage = Stage::at(test, cable.url(), DatabaseOptions::default(), |it| it).await;
    (stage, cable)
}

/// Begins a mutation whose COMMIT loses what the cable is told to lose.
async fn loses(stage: &Stage, query: &str, lose: impl FnOnce()) -> JoinHandle<Response> {
    let operation = stage.start(query);
    timeout(PATIENCE, stage.cue.reached())
        .await
        .expect("in time");
    lose();
    stage.cue.proceed();
    operation
}

/// A server that dies in the middle of a COMMIT: the marker is not there, so nothing happened, and the client is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_that_dies_with_its_server_did_not_happen() {
    let server = tokio::task::spawn_blocking(|| MariaDbServer::start(&[]))
        .await
        .expect("starts");
    let observer = Observer::connect(Engine::MariaDb, server.url()).await;
    observer.execute("CREATE DATABASE dies").await;
    let url = server.database_url("dies");
    let setup = Observer::connect(Engine::MariaDb, &url).await;
    setup
        .execute("CREATE TABLE mark (name VARCHAR(100) PRIMARY KEY)")
        .await;
    setup.execute(&marker::create_table(DbBackend::MySql)).await;
    setup
        .execute(
            "CREATE TRIGGER hangs BEFORE INSERT ON unit_of_work_marker FOR EACH ROW SET @slept = SLEEP(600)",
        )
        .await;
    let database = Database::connect(&url, DatabaseOptions::default())
        .await
        .expect("connects");
    let unit = tokio::spawn({
        let database = database.clone();
        async move {
            database
                .write(async |unit| insert_mark(&unit, "a").await)
                .await
        }
    });
    eventually("COMMIT is under way", async || {
        let hangs = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(600)%' AND ID <> CONNECTION_ID()";
        observer.i64(hangs).await == 1
    })
    .await;
    let again = tokio::task::spawn_blocking(move || {
        server.crash();
        server.start_again();
        server
    });
    let server = timeout(PATIENCE, again)
        .await
        .expect("in time")
        .expect("starts again");
    let ended = timeout(PATIENCE, unit)
        .await
        .expect("in time")
        .expect("ends");
    let error = ended.expect_err("is not committed");
    assert!(
        matches!(
            UnitError::in_db_err(&error),
            Some(UnitError::CommitFailed(_))
        ),
        "{error:?}"
    );
    let marks = database.read(async |unit| count_marks(&unit).await).await;
    assert_eq!(marks.expect("is read"), 0);
    database.close().await;
    drop(server);
}

/// COMMIT has happened and its answer is lost with the connection: the marker says so, and the client is told of success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_after_the_commit_is_success() {
    let (stage, cable) = behind_a_cable().await;
    let operation = loses(&stage, MUTATION, || cable.lose_answers()).await;
    eventually("it is committed", async || stage.marks().await == ["a"]).await;
    cable.cut();
    let response = ended(operation).await;
    assert!(response.is_ok(), "{response:?}");
    assert_eq!(outcome(&response), "COMMITTED");
    assert_eq!(stage.cue.effects(), ["first", "last"]);
    stage.assert_whole().await;
}

/// The connection goes silent after COMMIT. The server is asked how far it is, and what it says is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_after_the_commit_is_success() {
    let (stage, cable) = behind_a_cable().await;
    let operation = loses(&stage, MUTATION, || cable.lose_answers()).await;
    let response = ended(operation).await;
    assert_eq!(outcome(&response), "COMMITTED", "{response:?}");
    assert_eq!(stage.marks().await, ["a"]);
    cable.cut();
    stage.assert_whole().await;
}

/// COMMIT never arrives, and the server still holds the transaction open: it is ended, so that there is an outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_before_the_commit_is_failure() {
    let (stage, cable) = behind_a_cable().await;
    let operation = loses(&stage, MUTATION, || cable.lose_orders()).await;
    let response = ended(operation).await;
    assert_eq!(codes(&response), ["COMMIT_FAILED"], "{response:?}");
    assert_eq!(stage.marks().await, Vec::<String>::new());
    assert_eq!(stage.cue.effects(), Vec::<String>::new());
    cable.cut();
    stage.assert_whole().await;
}

/// Without the table nothing proves a COMMIT, and nothing is claimed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_markers_it_is_unknown() {
    let (stage, cable) = without_markers().await;
    let operation = loses(&stage, MUTATION, || cable.lose_answers()).await;
    eventually("it is committed", async || stage.marks().await == ["a"]).await;
    cable.cut();
    assert_eq!(codes(&ended(operation).await), ["OUTCOME_UNKNOWN"]);
}

/// A stage behind a cable, without markers.
async fn without_markers() -> (Stage, Cable) {
    let test = test().await;
    let cable = Cable::to(test.url()).await;
    let stage = Stage::at(test, cable.url(), DatabaseOptions::default(), |it| it).await;
    (stage, cable)
}

/// The row that the operation has named is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_of_the_application_is_evidence() {
    const EVIDENT: &str = "mutation { evident(name: \"a\") meet }";
    let (stage, cable) = without_markers().await;
    let operation = loses(&stage, EVIDENT, || cable.lose_answers()).await;
    eventually("it is committed", async || stage.marks().await == ["a"]).await;
    cable.cut();
    assert_eq!(outcome(&ended(operation).await), "COMMITTED");
    stage.observer().await.execute("DELETE FROM mark").await;
    let operation = loses(&stage, EVIDENT, || cable.lose_orders()).await;
    let response = ended(operation).await;
    assert_eq!(codes(&response), ["COMMIT_FAILED"], "{response:?}");
    assert_eq!(stage.marks().await, Vec::<String>::new());
    cable.cut();
    stage.assert_whole().await;
}

/// So is the row of an idempotency key that is kept for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_is_evidence() {
    let (mut stage, cable) = without_markers().await;
    let keys = idempotency::create_table(DbBackend::MySql);
    stage.observer().await.execute(&keys).await;
    stage.schema = stage.schema_with(|units| units.idempotency(IdempotencySettings::default()));
    let start = |stage: &Stage| {
        let schema = stage.schema.clone();
        let mut request = Request::new(MUTATION);
        request
            .extensions
            .insert("idempotencyKey".to_owned(), "k".into());
        tokio::spawn(async move { schema.execute(request).await })
    };
    for (lost, expected) in [(Lost::Orders, "COMMIT_FAILED"), (Lost::Answers, "")] {
        let operation = start(&stage);
        timeout(PATIENCE, stage.cue.reached())
            .await
            .expect("in time");
        // Before COMMIT, the response is written to the key's row.
        cable.lose_from("COMMIT", lost);
        stage.cue.proceed();
        let response = ended(operation).await;
        assert_eq!(codes(&response).concat(), expected, "{response:?}");
        cable.cut();
    }
    assert_eq!(stage.marks().await, ["a"]);
    stage.assert_whole().await;
}

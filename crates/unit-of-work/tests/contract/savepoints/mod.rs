//! Part of a unit, undone by itself.

mod scene;
mod schema;

use std::time::Duration;

use async_graphql::{Request, value};
use daybook_test_harness::{Engine, TestDatabase, WireProxy, eventually, on_every_engine};
use sea_orm::{DbErr, IsolationLevel};
use tokio::time::timeout;
use unit_of_work::{DatabaseOptions, UnitError};

use crate::stage::{PATIENCE, Stage, codes, data, ended, insert_mark, lock, report};
use crate::wire::BEGIN;

use self::scene::*;
pub use self::schema::brief_sql;

on_every_engine! {
    /// What violates a constraint is undone, and the unit goes on and commits.
    async fn constraint_violation_is_handled(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("mutation { handles }").await;
        assert!(response.is_ok(), "{response:?}");
        // SAVEPOINT and ROLLBACK TO are no statements of the resolvers.
        assert_eq!(report(&response)["statements"], 4);
        assert_eq!(scene.stage.marks().await, ["a", "b"]);
        scene.stage.assert_whole().await;
    }

    async fn savepoint_that_answers_is_kept(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("keeps(name: \"a\")").await, ["a"]);
    }

    /// An error of the body's own undoes it as one of the database does.
    async fn savepoint_that_refuses_is_undone(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("undoes keeps(name: \"a\")").await, ["a"]);
    }

    async fn inner_savepoint_is_undone_alone(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("innerUndone").await, ["outer", "second", "third"]);
    }

    async fn outer_savepoint_is_undone_with_the_inner_one(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("outerUndone").await, ["a"]);
    }

    /// A sibling field's statement and effect are not undone with a savepoint that was open when it came.
    async fn sibling_cannot_land_inside(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("pair { undone beside }").await, ["beside"]);
        assert_eq!(scene.stage.cue.effects(), ["beside"]);
    }

    /// The unit, an outer savepoint and a loader are refused inside, at once; and what was refused cannot be overlooked.
    async fn unit_inside_its_own_savepoint_is_an_error(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("usesWhatItHolds").await, ["a", "outer"]);
    }

    /// Effects go with their savepoint, whichever handle they were registered with; the others keep their order.
    async fn effects_go_with_their_savepoint(test: TestDatabase) {
        let scene = Scene::new(test).await;
        scene.marks_after("effects").await;
        assert_eq!(
            scene.stage.cue.effects(),
            ["first", "second", "third", "fourth", "fifth", "last"]
        );
    }

    /// A failure that the body swallows is not kept; the savepoint refuses what comes after it, and the unit goes on.
    async fn swallowed_failure_inside_is_not_kept(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("swallows").await, ["a"]);
        let response = scene.run("mutation { passesOn }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        assert_eq!(report(&response)["reason"], "ERROR");
    }

    async fn dropped_savepoint_dooms(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("mutation { drops }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        assert_eq!(report(&response)["reason"], "DOOMED");
        assert_eq!(scene.stage.marks().await, Vec::<String>::new());
        scene.stage.assert_whole().await;
        let response = scene.run("{ marksAfterADroppedSavepoint }").await;
        assert_eq!(codes(&response), ["UNIT_DOOMED"]);
        scene.stage.assert_whole().await;
    }

    /// What is dropped inside a savepoint is undone with it.
    async fn dropped_inside_a_savepoint_is_undone_with_it(test: TestDatabase) {
        let scene = Scene::new(test).await;
        assert_eq!(scene.marks_after("dropsInside").await, ["a"]);
        scene.stage.observer().await.execute("DELETE FROM mark").await;
        assert_eq!(scene.marks_after("abandons").await, ["a"]);
    }

    async fn panic_inside_a_savepoint_rolls_back(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("mutation { panics }").await;
        assert_eq!(codes(&response), ["INTERNAL"]);
        assert_eq!(report(&response)["reason"], "PANIC");
        assert_eq!(scene.stage.marks().await, Vec::<String>::new());
        scene.stage.assert_whole().await;
    }

    async fn savepoint_in_a_query(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let response = scene.run("{ marksInASavepoint marksAfterARefusedWrite }").await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(data(&response), serde_json::json!({ "marksInASavepoint": 0, "marksAfterARefusedWrite": 0 }));
        scene.stage.assert_whole().await;
    }

    /// The client goes while a savepoint is open.
    async fn client_gone_inside_a_savepoint(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let schema = scene.schema.clone();
        let operation = tokio::spawn(async move { schema.execute("mutation { meets }").await });
        scene.stage.cue.reached().await;
        operation.abort();
        assert!(operation.await.expect_err("is gone").is_cancelled());
        scene.stage.assert_whole().await;
        assert_eq!(scene.stage.marks().await, Vec::<String>::new());
    }

    /// A unit's savepoint is that unit's alone: others can be used inside.
    async fn another_unit_inside_a_savepoint(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let request = Request::new("mutation { anotherUnit }").data(scene.stage.database.clone());
        let response = timeout(PATIENCE, scene.schema.execute(request)).await.expect("ends");
        assert_eq!(response.data, value!({ "anotherUnit": 0 }), "{response:?}");
    }

    /// Outside an operation, in a task of its own.
    async fn savepoint_in_a_write(test: TestDatabase) {
        let scene = Scene::new(test).await;
        let database = scene.stage.database.clone();
        let writing = tokio::spawn(async move {
            database
                .write(async |unit| {
                    insert_mark(&unit, "a").await?;
                    let again = unit.savepoint(async |tx| insert_mark(tx, "a").await);
                    again.await.expect_err("is there already");
                    Ok::<_, DbWriteError>(())
                })
                .await
        });
        writing.await.expect("no panic").expect("commits");
        assert_eq!(scene.stage.marks().await, ["a"]);
        scene.stage.assert_whole().await;
    }
}

#[derive(Debug)]
struct DbWriteError;

impl From<DbErr> for DbWriteError {
    fn from(_: DbErr) -> Self {
        Self
    }
}

impl From<UnitError> for DbWriteError {
    fn from(_: UnitError) -> Self {
        Self
    }
}

/// A serialization failure cannot be mended by a savepoint: the operation has to run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conflict_inside_a_savepoint_dooms() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let url = test.url().to_owned();
    let mut options = DatabaseOptions::default();
    options.writer_isolation = IsolationLevel::RepeatableRead;
    let scene = Scene::at(test, &url, options).await;
    let observer = scene.stage.observer().await;
    observer.execute("INSERT INTO mark VALUES ('a')").await;
    let schema = scene.schema.clone();
    let operation = tokio::spawn(async move { schema.execute("mutation { conflicts }").await });
    scene.stage.cue.reached().await;
    observer.execute("UPDATE mark SET name = name").await;
    scene.stage.cue.proceed();
    let response = ended(operation).await;
    assert_eq!(codes(&response), ["CONFLICT_RETRIES_EXHAUSTED"]);
    assert_eq!(scene.stage.marks().await, ["a"]);
    scene.stage.assert_whole().await;
}

/// A scene behind a proxy, with its connections made and its statements prepared.
async fn behind_a_proxy() -> (Scene, WireProxy) {
    let test = TestDatabase::create(Engine::Postgres).await;
    let proxy = test.proxy().await;
    let scene = Scene::at(test, proxy.url(), DatabaseOptions::default()).await;
    scene.marks_after("keeps(name: \"a\")").await;
    scene
        .stage
        .observer()
        .await
        .execute("DELETE FROM mark")
        .await;
    proxy.clear_log();
    (scene, proxy)
}

/// The connection is lost inside a savepoint, and the resolver looks away from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_lost_inside_a_savepoint_dooms() {
    let (scene, proxy) = behind_a_proxy().await;
    let schema = scene.schema.clone();
    let operation = tokio::spawn(async move { schema.execute("mutation { meets }").await });
    scene.stage.cue.reached().await;
    proxy.cut_all();
    scene.stage.cue.proceed();
    let response = ended(operation).await;
    assert_eq!(codes(&response), ["DATABASE_UNAVAILABLE"]);
    scene.stage.assert_whole().await;
    assert_eq!(scene.stage.marks().await, Vec::<String>::new());
}

/// What a savepoint costs: one round trip to open it and one to end it, whichever way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_savepoint_sends() {
    let (scene, proxy) = behind_a_proxy().await;
    let cases = [
        ("keeps(name: \"undone\")", "RELEASE SAVEPOINT savepoint_1"),
        (
            "undoes",
            "ROLLBACK TO SAVEPOINT savepoint_1; RELEASE SAVEPOINT savepoint_1",
        ),
    ];
    for (mutation, end) in cases {
        proxy.clear_log();
        let response = scene.run(&format!("mutation {{ {mutation} }}")).await;
        assert!(response.is_ok(), "{response:?}");
        eventually("the connection is back", async || {
            proxy.log().last().is_some_and(|last| last == "COMMIT")
        })
        .await;
        let mut log = proxy.log();
        log.retain(|flight| !flight.starts_with("PREPARE"));
        let insert = "INSERT INTO mark VALUES ('undone')";
        let expected = [BEGIN, "SAVEPOINT savepoint_1", insert, end, "COMMIT"];
        assert_eq!(log, expected, "{mutation}");
        let observer = scene.stage.observer().await;
        observer.execute("DELETE FROM mark").await;
    }
}

/// A task that was spawned inside a savepoint is a sibling: it waits for its end. A body that waits for such a task
/// waits for itself, until the deadline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn savepoint_of_a_task_is_bounded_by_the_deadline() {
    let test = TestDatabase::create(Engine::Postgres).await;
    let url = test.url().to_owned();
    let stage = Stage::at(test, &url, DatabaseOptions::default(), |extension| {
        extension.deadline(Duration::from_millis(500))
    })
    .await;
    let operation = stage.start("mutation { escape mark(name: \"a\") meet }");
    stage.cue.reached().await;
    let escaped = lock(&stage.cue.handle).take().expect("has escaped");
    let waits_for_itself = tokio::spawn(async move {
        let sibling = escaped.clone();
        escaped
            .savepoint(async move |_| {
                let task = tokio::spawn(async move { insert_mark(&sibling, "b").await });
                task.await.expect("no panic")
            })
            .await
    });
    let response = ended(operation).await;
    assert_eq!(codes(&response), ["DEADLINE_EXCEEDED"]);
    waits_for_itself.abort();
    let _ = waits_for_itself.await;
    stage.assert_whole().await;
    assert_eq!(stage.marks().await, Vec::<String>::new());
}

//! Who joins a group, and who waits for a transaction of its own.

use std::sync::Arc;

use async_graphql::{BatchRequest, Executor, Request, Response};
use daybook_test_harness::{TestDatabase, on_every_engine};
use sea_orm::IsolationLevel;
use serde_json::json;
use tokio::task::JoinHandle;
use unit_of_work::{
    AllOrNothing, DryRun, IdempotencyKey, IdempotencySettings, Isolation, Report, Retrying,
    SessionSettings, Viewer, idempotency,
};

use super::{
    A, assert_committed,
    scene::{Scene, patient, queued},
};
use crate::stage::{PATIENCE, codes, data, ended, insert_mark};

/// A member that changes the session is followed by nobody on it.
#[tokio::test]
async fn session_that_was_changed_is_not_handed_on() {
    let scene = Scene::new(patient()).await;
    let first = scene.first(A).await;
    let changes = "mutation { raw(sql: \"CREATE TEMPORARY TABLE mine (id INTEGER)\") }";
    let changes = scene.queued(changes).await;
    let last = scene
        .queued("mutation { raw(sql: \"INSERT INTO mine VALUES (1)\") }")
        .await;
    let before = scene.commits();
    scene.cue.proceed();
    assert_committed(&ended(first).await, 1);
    assert_committed(&ended(changes).await, 1);
    assert_eq!(codes(&ended(last).await), ["INTERNAL"], "does not find it");
    assert_eq!(scene.commits(), before + 1);
    scene.assert_whole().await;
}

/// Whoever waits behind the first operation and has terms of its own does not join: the first is answered while it runs.
#[tokio::test]
async fn own_terms_do_not_join() {
    let request = || Request::new("mutation { mark(name: \"b\") meet }");
    for (name, own) in [
        ("a dry run", request().data(DryRun)),
        (
            "an isolation level",
            request().data(Isolation(IsolationLevel::Serializable)),
        ),
        ("a timeline", request().data(Report::Timeline)),
        (
            "rows that it sees",
            request().data(SessionSettings::new().rows("mark", "TRUE")),
        ),
        ("a batch", request().data(AllOrNothing)),
    ] {
        let scene = Scene::new(patient()).await;
        let first = scene.first("mutation { mark(name: \"a\") meet }").await;
        let is_batch = name == "a batch";
        let retrying = scene.retrying.clone();
        let own = queued(async move {
            if is_batch {
                retrying.execute_batch(BatchRequest::Batch(vec![own])).await;
            } else {
                retrying.execute(own).await;
            }
        })
        .await;
        does_not_join(&scene, first, own, name).await;
    }
}

/// Nor is its transaction handed on: the next one would see what it sees.
#[tokio::test]
async fn rows_hand_nothing_on() {
    let scene = Scene::new(patient()).await;
    let insert = "INSERT INTO mark VALUES ('hidden')";
    scene.observer().await.execute(insert).await;
    let own = Request::new("mutation { mark(name: \"b\") meet }");
    let own = own.data(SessionSettings::new().rows("mark", "name <> 'hidden'"));
    let own = scene.first(own).await;
    let before = scene.commits();
    let next = scene.queued("mutation { marksAroundAWrite }").await;
    scene.cue.proceed();
    assert_committed(&ended(own).await, 1);
    let next = ended(next).await;
    assert_eq!(data(&next), json!({ "marksAroundAWrite": [2, 3] }));
    assert_eq!(scene.commits(), before + 2, "each has its own COMMIT");
    scene.assert_whole().await;
}

async fn does_not_join<T>(
    scene: &Scene,
    first: JoinHandle<Response>,
    own: JoinHandle<T>,
    name: &str,
) {
    let joins = scene.queued("mutation { mark(name: \"c\") }").await;
    scene.cue.proceed();
    assert_eq!(codes(&ended(first).await), Vec::<String>::new(), "{name}");
    assert!(!own.is_finished());
    scene.cue.reached().await;
    scene.cue.proceed();
    tokio::time::timeout(PATIENCE, own)
        .await
        .unwrap_or_else(|_| panic!("{name}: ends"))
        .expect("answers");
    assert_committed(&ended(joins).await, 1);
    scene.assert_whole().await;
}

/// Nor do jobs, a schema that runs nothing again, or a policy that does not.
#[tokio::test]
async fn who_is_not_run_again_does_not_join() {
    for name in ["a job", "a schema", "one attempt"] {
        let scene = Scene::new(patient()).await;
        let first = scene.first("mutation { mark(name: \"a\") meet }").await;
        let (schema, once, database, cue) = (
            scene.schema.clone(),
            scene.stage.retrying(1),
            scene.database.clone(),
            Arc::clone(&scene.cue),
        );
        let request = Request::new("mutation { mark(name: \"b\") meet }");
        let own = queued(async move {
            match name {
                "a job" => {
                    let job = async move |unit: unit_of_work::UnitOfWork| {
                        insert_mark(&unit, "b").await?;
                        cue.meet().await;
                        Ok::<_, sea_orm::DbErr>(())
                    };
                    database.write(job).await.expect("is done");
                }
                "a schema" => drop(schema.execute(request).await),
                _ => drop(once.execute(request).await),
            }
        })
        .await;
        scene.cue.proceed();
        assert_committed(&ended(first).await, 1);
        scene.cue.reached().await;
        assert!(!own.is_finished(), "{name}");
        scene.cue.proceed();
        own.await.expect("ends");
        assert_eq!(scene.marks().await, ["a", "b"], "{name}");
        scene.assert_whole().await;
    }
}

/// And where the switch is off, nobody does.
#[tokio::test]
async fn nothing_is_shared_where_that_is_off() {
    let scene = Scene::new(patient().share_commits(false)).await;
    let first = scene.first("mutation { mark(name: \"a\") meet }").await;
    let second = scene.queued("mutation { mark(name: \"b\") meet }").await;
    scene.cue.proceed();
    assert_committed(&ended(first).await, 1);
    scene.cue.reached().await;
    assert_eq!(scene.marks().await, ["a"]);
    scene.cue.proceed();
    assert_committed(&ended(second).await, 1);
    scene.assert_whole().await;
}

/// Two with the same idempotency key in one group: the second is answered what the first was, after their COMMIT; and where that
/// fails, one of them runs and the other is answered that.
#[tokio::test]
async fn key_is_used_once_within_a_group() {
    for commit_fails in [false, true] {
        let mut scene = Scene::new(patient()).await;
        let table = idempotency::create_table(scene.database.backend());
        scene.observer().await.execute(&table).await;
        let schema =
            scene.schema_with(|extension| extension.idempotency(IdempotencySettings::default()));
        scene.retrying = Retrying::new(schema);
        let with_key = || {
            Request::new("mutation { increment }")
                .data(IdempotencyKey::new("k").expect("is a key"))
                .data(Viewer("alice".to_owned()))
        };
        let first = scene.first("mutation { mark(name: \"a\") meet }").await;
        let once = scene.queued(with_key()).await;
        let twice = scene.queued(with_key()).await;
        let last = if commit_fails {
            "mutation { orphan }"
        } else {
            "mutation { mark(name: \"b\") meet }"
        };
        let last = scene.queued(last).await;
        scene.cue.proceed();
        // The last one; or the first one, which runs again.
        scene.cue.reached().await;
        assert!(commit_fails || !once.is_finished() && !twice.is_finished());
        scene.cue.proceed();
        let (once, twice) = (ended(once).await, ended(twice).await);
        assert_eq!(
            (data(&once), data(&twice)),
            (json!({ "increment": 1 }), json!({ "increment": 1 }))
        );
        let replays =
            [&once, &twice].map(|response| response.extensions.contains_key("idempotency"));
        assert_eq!(
            replays.iter().filter(|replayed| **replayed).count(),
            1,
            "{commit_fails}"
        );
        assert_committed(&ended(first).await, if commit_fails { 2 } else { 1 });
        assert_eq!(ended(last).await.is_err(), commit_fails);
        assert_eq!(scene.counter().await, 1);
    }
}

on_every_engine! {
    /// A root field that is undone by itself is undone within its member.
    async fn fields_with_savepoints_join(test: TestDatabase) {
        let mut scene = Scene::on(test, patient()).await;
        scene.retrying = Retrying::new(scene.schema_with(|extension| extension.field_savepoints(true)));
        let first = scene.first("mutation { mark(name: \"a\") meet }").await;
        let partly = scene
            .queued("mutation { mark(name: \"b\") nullable: markAndFail(name: \"c\") }")
            .await;
        let last = scene.queued("mutation { mark(name: \"d\") }").await;
        let before = scene.commits();
        scene.cue.proceed();
        let partly = ended(partly).await;
        assert_eq!(
            data(&partly),
            json!({ "mark": "b", "nullable": null }),
            "{partly:?}"
        );
        assert_committed(&ended(first).await, 1);
        assert_committed(&ended(last).await, 1);
        assert_eq!(scene.marks().await, ["a", "b", "d"]);
        assert_eq!(scene.commits(), before + 1);
        scene.assert_whole().await;
    }
}

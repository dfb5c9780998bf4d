//! Mutations that share one COMMIT.
//!
//! The first operation has the writer and is at the cue; the others have queued up behind it. SQLite alone shares: where the engine
//! has many writers, nobody waits for one. `random` has all of this at random, and `power` cuts the power.

mod power;
mod random;
mod scene;

use std::{sync::Arc, time::Duration};

use async_graphql::{BatchRequest, Executor, Request, Response};
use daybook_test_harness::eventually;
use sea_orm::IsolationLevel;
use serde_json::json;
use tokio::task::JoinHandle;
use unit_of_work::{
    AllOrNothing, DryRun, IdempotencyKey, IdempotencySettings, Isolation, OperationDeadline,
    Report, Retrying, Viewer, idempotency,
};

use crate::stage::{PATIENCE, codes, data, ended, insert_mark, lock, outcome, report};
use scene::{Scene, impatient, patient, queued};

const A: &str = "mutation { effectsOfAllKinds mark(name: \"a\") meet }";

fn attempts(response: &Response) -> i64 {
    report(response)["attempts"].as_i64().expect("a number")
}

fn assert_committed(response: &Response, attempts: i64) {
    assert_eq!(codes(response), Vec::<String>::new(), "{response:?}");
    assert_eq!(outcome(response), "COMMITTED");
    assert_eq!(self::attempts(response), attempts, "{response:?}");
}

/// The effects that ran; the one that nobody waits for is let go.
async fn effects(scene: &Scene) -> Vec<String> {
    scene.cue.reached().await;
    scene.cue.proceed();
    eventually("the effect that nobody waits for has run", async || {
        scene.cue.effects().contains(&"detached".to_owned())
    })
    .await;
    std::mem::take(&mut *lock(&scene.cue.effects))
}

/// Nobody hears anything before the one COMMIT, and then everybody does: success, refusal and panic.
#[tokio::test]
async fn nothing_is_heard_before_the_one_commit() {
    let scene = Scene::new(patient()).await;
    let first = scene.first(A).await;
    let before = scene.commits();
    let others = [
        scene.queued("mutation { mark(name: \"b\") refuse }").await,
        scene.queued("mutation { mark(name: \"c\") panics }").await,
        scene.queued("mutation { mark(name: \"d\") }").await,
    ];
    let last = scene
        .queued("mutation { mark(name: \"e\") meet f: mark(name: \"f\") }")
        .await;
    scene.cue.proceed();
    scene.cue.reached().await;
    for operation in [&first].into_iter().chain(&others) {
        assert!(!operation.is_finished(), "heard before COMMIT");
    }
    assert_eq!(scene.marks().await, Vec::<String>::new());
    assert_eq!(scene.cue.effects(), Vec::<String>::new());
    assert_eq!(scene.commits(), before);
    scene.cue.proceed();
    assert_committed(&ended(last).await, 1);
    assert_eq!(scene.marks().await, ["a", "d", "e", "f"]);
    assert_eq!(scene.commits(), before + 1, "one COMMIT for all");
    assert_committed(&ended(first).await, 1);
    let [refused, panicked, done] = others;
    let refused = ended(refused).await;
    assert_eq!(refused.errors[0].message, "refused");
    assert_eq!(
        (data(&refused), outcome(&refused)),
        (json!(null), "ROLLED_BACK".to_owned())
    );
    assert_eq!(codes(&ended(panicked).await), ["INTERNAL"]);
    assert_committed(&ended(done).await, 1);
    assert_eq!(effects(&scene).await, ["committed", "detached"]);
    scene.assert_whole().await;
}

/// Who is alone sends what it would send without any of this, and so do those who come one after the other.
#[tokio::test]
async fn who_is_alone_commits_alone() {
    let scene = Scene::new(patient()).await;
    for number in 1..=5 {
        let before = scene.commits();
        let request = format!("mutation {{ mark(name: \"{number}\") }}");
        let response = scene.retrying.execute(Request::new(request)).await;
        assert_committed(&response, 1);
        assert_eq!(scene.commits(), before + 1);
    }
    scene.assert_whole().await;
}

/// What each member sees is what those before it have left: nothing of who was undone.
#[tokio::test]
async fn members_run_one_after_the_other() {
    let scene = Scene::new(patient()).await;
    let first = scene.first("mutation { increment meet }").await;
    let mut others = Vec::new();
    for fails in [false, true, false, true, true, false] {
        let query = if fails {
            "mutation { increment refuse }"
        } else {
            "mutation { increment }"
        };
        others.push((fails, scene.queued(query).await));
    }
    let before = scene.commits();
    scene.cue.proceed();
    assert_eq!(data(&ended(first).await)["increment"], 1);
    let mut value = 1;
    for (fails, operation) in others {
        let response = ended(operation).await;
        if fails {
            assert_eq!(response.errors[0].message, "refused");
        } else {
            value += 1;
            assert_eq!(data(&response)["increment"], value);
        }
    }
    assert_eq!(scene.counter().await, value);
    assert_eq!(scene.commits(), before + 1);
    scene.assert_whole().await;
}

/// A member that fails in the database, swallows that, drops a statement half way, or is undone in part by savepoints of its own:
/// it is told what it would be told alone, and the others commit.
#[tokio::test]
async fn member_that_fails_is_undone_alone() {
    for (query, told) in [
        (
            "mutation { mark(name: \"b\") again: mark(name: \"a\") }",
            "INTERNAL",
        ),
        ("mutation { swallow(name: \"b\") }", "UNIT_DOOMED"),
        ("mutation { mark(name: \"b\") abandon }", "UNIT_DOOMED"),
        (
            "mutation { mark(name: \"b\") rollbackOnly(reason: \"no\") }",
            "ROLLBACK_ONLY",
        ),
        (
            "mutation { mark(name: \"b\") raw(sql: \"COMMIT\") }",
            "INTERNAL",
        ),
        (
            "mutation { mark(name: \"b\") raw(sql: \"nonsense\") }",
            "INTERNAL",
        ),
    ] {
        let scene = Scene::new(patient()).await;
        let first = scene.first(A).await;
        let faulty = scene.queued(query).await;
        let last = scene
            .queued("mutation { evidentInASavepoint(name: \"c\", undo: true) }")
            .await;
        let before = scene.commits();
        scene.cue.proceed();
        let faulty = ended(faulty).await;
        assert_eq!(codes(&faulty), [told], "{query}: {faulty:?}");
        assert_eq!(
            (data(&faulty), attempts(&faulty)),
            (json!(null), 1),
            "{query}"
        );
        assert_committed(&ended(first).await, 1);
        assert_committed(&ended(last).await, 1);
        assert_eq!(scene.marks().await, ["a", "c"], "{query}");
        assert_eq!(scene.commits(), before + 1, "{query}");
        scene.assert_whole().await;
    }
}

/// A COMMIT that a deferred constraint refuses is nobody's success: each runs again by itself, and the one at fault is told.
#[tokio::test]
async fn commit_that_is_refused_is_nobodys_success() {
    let scene = Scene::new(patient()).await;
    let first = scene.first(A).await;
    let guilty = scene.queued("mutation { mark(name: \"b\") orphan }").await;
    let refused = scene.queued("mutation { mark(name: \"c\") refuse }").await;
    let last = scene.queued("mutation { mark(name: \"d\") }").await;
    scene.cue.proceed();
    // The first one runs again.
    scene.cue.reached().await;
    assert_eq!(scene.cue.effects(), ["rolled back"]);
    scene.cue.proceed();
    assert_committed(&ended(first).await, 2);
    let guilty = ended(guilty).await;
    assert_eq!(
        (codes(&guilty), attempts(&guilty)),
        (vec!["COMMIT_FAILED".to_owned()], 2)
    );
    let refused = ended(refused).await;
    assert_eq!(
        (refused.errors[0].message.as_str(), attempts(&refused)),
        ("refused", 2)
    );
    assert_committed(&ended(last).await, 2);
    assert_eq!(scene.marks().await, ["a", "d"]);
    assert_eq!(
        effects(&scene).await,
        ["rolled back", "committed", "detached"]
    );
    scene.assert_whole().await;
}

/// A statement that makes SQLite roll the whole transaction back takes the group with it, and no more.
#[tokio::test]
async fn transaction_that_is_lost_is_run_again_by_all() {
    let scene = Scene::new(patient()).await;
    let taken = "INSERT INTO mark VALUES ('taken')";
    scene.observer().await.execute(taken).await;
    let first = scene.first("mutation { mark(name: \"a\") meet }").await;
    let guilty = scene
        .queued("mutation { raw(sql: \"INSERT OR ROLLBACK INTO mark VALUES ('taken')\") }")
        .await;
    let last = scene.queued("mutation { mark(name: \"c\") }").await;
    scene.cue.proceed();
    scene.cue.reached().await;
    scene.cue.proceed();
    let first = ended(first).await;
    assert_committed(&first, 2);
    let guilty = ended(guilty).await;
    assert_eq!(
        (codes(&guilty), attempts(&guilty)),
        (vec!["INTERNAL".to_owned()], 2)
    );
    assert_eq!(codes(&ended(last).await), Vec::<String>::new());
    assert_eq!(scene.marks().await, ["a", "c", "taken"]);
    scene.assert_whole().await;
}

/// A member that keeps the others waiting is undone; they commit without it, and it runs again by itself.
#[tokio::test]
async fn member_that_overstays_runs_again_by_itself() {
    let scene = Scene::new(impatient()).await;
    let first = scene.first("mutation { mark(name: \"a\") meet }").await;
    let slow = scene
        .queued("mutation { mark(name: \"b\") meet increment }")
        .await;
    scene.cue.proceed();
    scene.cue.reached().await;
    // Nobody lets it go on.
    assert_committed(&ended(first).await, 1);
    assert_eq!(scene.marks().await, ["a"]);
    // It is back, with the writer for itself: whoever comes now waits for its end.
    scene.cue.reached().await;
    let later = scene.queued("mutation { mark(name: \"c\") }").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(!slow.is_finished() && !later.is_finished());
    scene.cue.proceed();
    let slow = ended(slow).await;
    assert_committed(&slow, 2);
    assert_eq!(data(&slow)["increment"], 1);
    assert_committed(&ended(later).await, 1);
    assert_eq!(scene.marks().await, ["a", "b", "c"]);
    scene.assert_whole().await;
}

/// The same, in a statement that does not end: it is stopped.
#[tokio::test]
async fn statement_that_overstays_is_stopped() {
    let scene = Scene::new(impatient()).await;
    let first = scene.first(A).await;
    let endless = scene
        .queued(
            Request::new("mutation { mark(name: \"b\") endless(escaped: false) }").data(
                OperationDeadline(tokio::time::Instant::now() + Duration::from_secs(3)),
            ),
        )
        .await;
    scene.cue.proceed();
    assert_committed(&ended(first).await, 1);
    assert_eq!(codes(&ended(endless).await), ["DEADLINE_EXCEEDED"]);
    assert_eq!(scene.marks().await, ["a"]);
    scene.assert_whole().await;
}

/// The same, in a statement of a handle that got away from its operation.
#[tokio::test]
async fn statement_of_a_handle_that_got_away_is_stopped() {
    let scene = Scene::new(impatient()).await;
    let first = scene.first(A).await;
    let deadline = OperationDeadline(tokio::time::Instant::now() + Duration::from_secs(3));
    let escaped = Request::new("mutation { mark(name: \"b\") endless(escaped: true) }");
    let escaped = scene.queued(escaped.data(deadline)).await;
    scene.cue.proceed();
    assert_committed(&ended(first).await, 1);
    assert_eq!(codes(&ended(escaped).await), ["DEADLINE_EXCEEDED"]);
    scene.assert_whole().await;
}

/// Clients go: one that waits, one whose unit is under way, between statements and in one, and one whose unit is done.
#[tokio::test]
async fn client_that_goes_leaves_the_group() {
    let scene = Scene::new(patient()).await;
    let first = scene.first(A).await;
    let waits = scene.queued("mutation { mark(name: \"b\") }").await;
    let runs = scene.queued("mutation { mark(name: \"c\") meet }").await;
    let in_a_statement = scene.queued("mutation { mark(name: \"d\") slow }").await;
    let last = scene.queued("mutation { mark(name: \"e\") meet }").await;
    let before = scene.commits();
    waits.abort();
    scene.cue.proceed();
    scene.cue.reached().await;
    runs.abort();
    scene.cue.reached().await;
    in_a_statement.abort();
    scene.cue.reached().await;
    // Its unit has ended, and it is to be committed.
    first.abort();
    for gone in [first, waits, runs, in_a_statement] {
        assert!(gone.await.expect_err("is gone").is_cancelled());
    }
    scene.cue.proceed();
    assert_committed(&ended(last).await, 1);
    eventually("both are there", async || scene.marks().await == ["a", "e"]).await;
    assert_eq!(scene.commits(), before + 1);
    assert_eq!(effects(&scene).await, ["committed", "detached"]);
    scene.assert_whole().await;
}

/// A deadline that passes is that operation's alone.
#[tokio::test]
async fn deadline_that_passes_is_one_members() {
    let scene = Scene::new(patient()).await;
    let first = scene.first(A).await;
    let deadline = OperationDeadline(tokio::time::Instant::now() + Duration::from_millis(300));
    let late = Request::new("mutation { mark(name: \"b\") meet }").data(deadline);
    let late = scene.queued(late).await;
    let last = scene.queued("mutation { mark(name: \"c\") }").await;
    scene.cue.proceed();
    scene.cue.reached().await;
    assert_eq!(codes(&ended(late).await), ["DEADLINE_EXCEEDED"]);
    assert_committed(&ended(first).await, 1);
    assert_committed(&ended(last).await, 1);
    assert_eq!(scene.marks().await, ["a", "c"]);
    scene.assert_whole().await;
}

/// A refusal whose deadline passes while the others are under way is not told before their COMMIT.
#[tokio::test]
async fn refusal_is_not_told_early_by_its_deadline() {
    let scene = Scene::new(patient()).await;
    let first = scene.first(A).await;
    let deadline = tokio::time::Instant::now() + Duration::from_millis(300);
    let refused = Request::new("mutation { mark(name: \"b\") refuse }");
    let refused = refused.data(OperationDeadline(deadline));
    let refused = scene.queued(refused).await;
    let last = scene.queued("mutation { mark(name: \"c\") meet }").await;
    scene.cue.proceed();
    scene.cue.reached().await;
    tokio::time::sleep_until(deadline + Duration::from_millis(100)).await;
    assert!(!refused.is_finished() && !first.is_finished());
    scene.cue.proceed();
    assert_eq!(ended(refused).await.errors[0].message, "refused");
    assert_committed(&ended(first).await, 1);
    assert_committed(&ended(last).await, 1);
    scene.assert_whole().await;
}

/// A file that is replaced under a group: whoever was to be committed is not told that it was, or was not.
#[tokio::test]
async fn outcome_that_is_unknown_is_so_for_all() {
    let scene = Scene::new(patient()).await;
    let first = scene.first(A).await;
    let refused = scene.queued("mutation { mark(name: \"b\") refuse }").await;
    let last = scene.queued("mutation { mark(name: \"c\") meet }").await;
    scene.cue.proceed();
    scene.cue.reached().await;
    std::fs::remove_file(scene.path()).expect("is removed");
    scene.cue.proceed();
    assert_eq!(codes(&ended(last).await), ["OUTCOME_UNKNOWN"]);
    assert_eq!(codes(&ended(first).await), ["OUTCOME_UNKNOWN"]);
    // Nothing of it happened: it is run again, and that is refused before anything else.
    assert_eq!(codes(&ended(refused).await), ["DATABASE_FILE_REPLACED"]);
    assert_eq!(scene.cue.effects(), Vec::<String>::new());
}

/// The same file, noticed by who is to join.
#[tokio::test]
async fn file_that_is_replaced_takes_nobody_in() {
    let scene = Scene::new(patient()).await;
    let first = scene.first(A).await;
    let joins = scene.queued("mutation { mark(name: \"b\") }").await;
    std::fs::remove_file(scene.path()).expect("is removed");
    scene.cue.proceed();
    assert_eq!(codes(&ended(joins).await), ["DATABASE_FILE_REPLACED"]);
    assert_eq!(codes(&ended(first).await), ["OUTCOME_UNKNOWN"]);
}

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

/// A root field that is undone by itself is undone within its member.
#[tokio::test]
async fn fields_with_savepoints_join() {
    let mut scene = Scene::new(patient()).await;
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

/// The database is closed while a group is under way: nobody loses what it was told, or is to be told.
#[tokio::test]
async fn database_that_is_closed_ends_the_group_first() {
    let scene = Scene::new(patient()).await;
    let first = scene.first("mutation { mark(name: \"a\") meet }").await;
    let last = scene.queued("mutation { mark(name: \"b\") meet }").await;
    scene.cue.proceed();
    scene.cue.reached().await;
    let database = scene.database.clone();
    let closing = queued(async move { database.close().await }).await;
    scene.cue.proceed();
    assert_committed(&ended(first).await, 1);
    assert_committed(&ended(last).await, 1);
    tokio::time::timeout(PATIENCE, closing)
        .await
        .expect("ends")
        .expect("no panic");
    assert_eq!(scene.marks().await, ["a", "b"]);
}

//! Mutations that share one COMMIT.
//!
//! The first operation has what the others wait for, and is at the cue: SQLite's one writer, or on PostgreSQL the rows that all of them
//! name. `rows` has what only such rows can do. `joining` has who shares, `failures` and `leaving` what undoes a member or all of them,
//! `random` has all of this at random, and `power` cuts the power.

mod failures;
mod joining;
mod leaving;
mod power;
mod random;
mod rows;
mod scene;

use async_graphql::Response;
use daybook_test_harness::{TestDatabase, eventually, on_every_engine};
use serde_json::json;

use crate::stage::{PATIENCE, codes, data, ended, lock, outcome, report};
pub use scene::queued;
use scene::{Scene, patient};

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

on_every_engine! {
    /// Nobody hears anything before the one COMMIT, and then everybody does: success, refusal and panic.
    async fn nothing_is_heard_before_the_one_commit(test: TestDatabase) {
        let scene = Scene::on(test, patient()).await;
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
}

on_every_engine! {
    /// Who is alone sends what it would send without any of this, and so do those who come one after the other.
    async fn who_is_alone_commits_alone(test: TestDatabase) {
        let scene = Scene::on(test, patient()).await;
        for number in 1..=5 {
            let before = scene.commits();
            let request = format!("mutation {{ mark(name: \"{number}\") }}");
            let response = scene.alone(request).await;
            assert_committed(&response, 1);
            assert_eq!(scene.commits(), before + 1);
        }
        scene.assert_whole().await;
    }
}

on_every_engine! {
    /// What each member sees is what those before it have left: nothing of who was undone.
    async fn members_run_one_after_the_other(test: TestDatabase) {
        let scene = Scene::on(test, patient()).await;
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
}

on_every_engine! {
    /// The database is closed while a group is under way: nobody loses what it was told, or is to be told.
    async fn database_that_is_closed_ends_the_group_first(test: TestDatabase) {
        let scene = Scene::on(test, patient()).await;
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
}

//! Members that leave a group before its COMMIT: they overstay, their client goes, or their deadline passes.

use std::time::Duration;

use async_graphql::Request;
use daybook_test_harness::{TestDatabase, eventually, on_every_engine};
use unit_of_work::OperationDeadline;

use super::{
    A, assert_committed, effects,
    scene::{Scene, impatient, patient},
};
use crate::stage::{codes, data, ended};

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
    // Nothing happens, for twice the patience of a group.
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

on_every_engine! {
    /// Clients go: one that waits, one whose unit is under way, between statements and in one, and one whose unit is done.
    async fn client_that_goes_leaves_the_group(test: TestDatabase) {
        let scene = Scene::on(test, patient()).await;
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

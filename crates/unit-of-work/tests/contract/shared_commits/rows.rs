//! What operations that wait for the same rows of PostgreSQL can do, and those that wait for one writer cannot.

use std::time::Duration;

use async_graphql::{Executor, Request};
use daybook_test_harness::{Engine, TestDatabase, eventually};
use sea_orm::IsolationLevel;
use unit_of_work::{
    DatabaseOptions, DryRun, Isolation, OperationDeadline, Report, SessionSettings,
};

use super::{
    A, assert_committed, attempts,
    scene::{Scene, impatient, patient},
};
use crate::stage::{codes, data, ended, outcome};

async fn scene(options: DatabaseOptions) -> Scene {
    Scene::on(TestDatabase::create(Engine::Postgres).await, options).await
}

/// Who names other rows, or none, waits for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_rows_do_not_wait() {
    let scene = scene(patient()).await;
    let first = scene.first("mutation { mark(name: \"a\") meet }").await;
    let other = scene.queued_for(&["other"], "mutation { mark(name: \"b\") }");
    assert_committed(&ended(other.await).await, 1);
    let unnamed = Request::new("mutation { mark(name: \"c\") }");
    assert_committed(&scene.retrying.execute(unnamed).await, 1);
    assert_eq!(scene.marks().await, ["b", "c"]);
    scene.cue.proceed();
    assert_committed(&ended(first).await, 1);
    scene.assert_whole().await;
}

/// Nobody joins a transaction while another one has rows that it names too: the two could wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_needs_the_rows_of_two_joins_the_last() {
    let scene = scene(patient()).await;
    let one = scene
        .queued_for(&["one"], "mutation { mark(name: \"a\") meet }")
        .await;
    scene.cue.reached().await;
    let other = scene
        .queued_for(&["other"], "mutation { mark(name: \"b\") meet }")
        .await;
    scene.cue.reached().await;
    let both = scene
        .queued_for(&["one", "other"], "mutation { mark(name: \"c\") meet }")
        .await;
    let behind = scene
        .queued_for(&["one"], "mutation { mark(name: \"d\") }")
        .await;
    let before = scene.commits();
    scene.cue.proceed();
    // `behind` has joined it.
    assert_committed(&ended(one).await, 1);
    assert_committed(&ended(behind).await, 1);
    assert_eq!(scene.marks().await, ["a", "d"]);
    assert_eq!(scene.commits(), before + 1);
    scene.cue.proceed();
    // `both` has joined the other, and names what is free by now.
    scene.cue.reached().await;
    let waits = scene
        .queued_for(&["one"], "mutation { mark(name: \"e\") }")
        .await;
    assert!(!other.is_finished() && !waits.is_finished());
    scene.cue.proceed();
    for operation in [other, both, waits] {
        assert_committed(&ended(operation).await, 1);
    }
    assert_eq!(scene.marks().await, ["a", "b", "c", "d", "e"]);
    assert_eq!(scene.commits(), before + 2);
    scene.assert_whole().await;
}

/// A member that waits for a row which somebody else has, such as another server, keeps nobody waiting: the others commit without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_that_waits_for_a_lock_overstays() {
    let scene = scene(impatient()).await;
    let elsewhere = scene.observer().await;
    elsewhere.execute("BEGIN").await;
    elsewhere
        .execute("UPDATE counter SET value = value + 1")
        .await;
    let first = scene.first(A).await;
    let waits = scene
        .queued("mutation { mark(name: \"b\") lockAndGoOn }")
        .await;
    let last = scene.queued("mutation { mark(name: \"c\") }").await;
    scene.cue.proceed();
    assert_committed(&ended(first).await, 1);
    assert_committed(&ended(last).await, 1);
    assert_eq!(scene.marks().await, ["a", "c"]);
    assert!(!waits.is_finished());
    elsewhere.execute("COMMIT").await;
    assert_committed(&ended(waits).await, 2);
    assert_eq!(scene.marks().await, ["a", "b", "c"]);
    assert_eq!(scene.counter().await, 2);
    scene.assert_whole().await;
}

/// A member sees what others have committed since its group began, as a transaction of its own would.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_see_what_others_commit_meanwhile() {
    let scene = scene(patient()).await;
    let first = scene.first("mutation { marksAroundAWrite meet }").await;
    let member = scene.queued("mutation { increment }").await;
    let outside = scene.observer().await;
    outside.execute("UPDATE counter SET value = 41").await;
    scene.cue.proceed();
    assert_eq!(data(&ended(member).await)["increment"], 42);
    assert_committed(&ended(first).await, 1);
    scene.assert_whole().await;
}

/// Operations on terms of their own hand nothing on, and nobody waits for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_terms_hand_nothing_on() {
    let request = || Request::new("mutation { mark(name: \"a\") meet }");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
    for (name, own) in [
        ("a dry run", request().data(DryRun)),
        (
            "an isolation level",
            request().data(Isolation(IsolationLevel::RepeatableRead)),
        ),
        ("a timeline", request().data(Report::Timeline)),
        (
            "a setting",
            request().data(SessionSettings::new().set("app.tenant", "1")),
        ),
        ("a deadline", request().data(OperationDeadline(deadline))),
    ] {
        let scene = scene(patient()).await;
        let own = scene.first(own).await;
        let other = scene.queued("mutation { mark(name: \"b\") }").await;
        assert_committed(&ended(other).await, 1);
        assert_eq!(scene.marks().await, ["b"], "{name}");
        scene.cue.proceed();
        assert_eq!(codes(&ended(own).await), Vec::<String>::new(), "{name}");
        scene.assert_whole().await;
    }
}

/// Nor where all mutations are of a stricter level: a member would see what was there when its group began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_are_not_shared() {
    let options = patient().writer_isolation(IsolationLevel::RepeatableRead);
    let scene = scene(options).await;
    let first = scene.first("mutation { mark(name: \"a\") meet }").await;
    let other = scene.queued("mutation { mark(name: \"b\") }").await;
    assert_committed(&ended(other).await, 1);
    scene.cue.proceed();
    assert_committed(&ended(first).await, 1);
    scene.assert_whole().await;
}

/// And where the switch is off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_where_sharing_is_off() {
    let scene = scene(patient().share_commits(false)).await;
    let first = scene.first("mutation { mark(name: \"a\") meet }").await;
    let other = scene.queued("mutation { mark(name: \"b\") }").await;
    assert_committed(&ended(other).await, 1);
    scene.cue.proceed();
    assert_committed(&ended(first).await, 1);
    scene.assert_whole().await;
}

/// The answer to the shared COMMIT is lost: the database is asked, and everybody is told the same. The first one says that nobody needs
/// to know, but the others do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shared_commit_that_is_not_answered_is_looked_up() {
    for has_happened in [true, false] {
        let scene = scene(patient()).await;
        let first = scene
            .first("mutation { needsNoProof mark(name: \"a\") meet }")
            .await;
        let refused = scene.queued("mutation { mark(name: \"b\") refuse }").await;
        let last = scene.queued("mutation { mark(name: \"c\") }").await;
        let proxy = scene.proxy.as_ref().expect("a proxy");
        let gate = if has_happened {
            proxy.hold_reply(|sql| sql.ends_with("COMMIT"))
        } else {
            proxy.hold(|sql| sql.ends_with("COMMIT"))
        };
        scene.cue.proceed();
        gate.reached().await;
        gate.cut();
        if !has_happened {
            // The first runs again.
            scene.cue.reached().await;
            scene.cue.proceed();
        }
        let again = if has_happened { 1 } else { 2 };
        let refused = ended(refused).await;
        assert_eq!(
            (refused.errors[0].message.as_str(), attempts(&refused)),
            ("refused", again)
        );
        assert_committed(&ended(first).await, again);
        assert_committed(&ended(last).await, again);
        assert_eq!(scene.marks().await, ["a", "c"], "{has_happened}");
        scene.assert_whole().await;
    }
}

/// The backend of a group dies while a member runs: all of them run again by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_that_dies_undoes_all() {
    let scene = scene(patient()).await;
    let first = scene.first(A).await;
    let member = scene
        .queued("mutation { mark(name: \"b\") meet again: mark(name: \"c\") }")
        .await;
    scene.cue.proceed();
    scene.cue.reached().await;
    let ended_backends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND state = 'idle in transaction'";
    scene.observer().await.execute(ended_backends).await;
    scene.cue.proceed();
    eventually("both have run again", async || {
        // Both meet the test again, maybe at the same time.
        scene.cue.proceed();
        first.is_finished() && member.is_finished()
    })
    .await;
    for operation in [first, member] {
        let response = ended(operation).await;
        assert_committed(&response, 2);
        assert_eq!(outcome(&response), "COMMITTED");
    }
    assert_eq!(scene.marks().await, ["a", "b", "c"]);
    scene.assert_whole().await;
}

//! What fails in a group: one member alone, where it can be undone alone, or all of them, who then run again by themselves.

use daybook_test_harness::{TestDatabase, on_every_engine};
use serde_json::json;

use super::{
    A, assert_committed, attempts, effects,
    scene::{Scene, patient},
};
use crate::stage::{codes, data, ended};

on_every_engine! {
    /// A member that fails in the database, swallows that, drops a statement half way, or is undone in part by savepoints of its own:
    /// it is told what it would be told alone, and the others commit.
    async fn member_that_fails_is_undone_alone(test: TestDatabase) {
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
            let scene = Scene::on(TestDatabase::create(test.engine()).await, patient()).await;
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
}

on_every_engine! {
    /// A COMMIT that a deferred constraint refuses is nobody's success: each runs again by itself, and the one at fault is told.
    (not on MariaDB: "it defers nothing to COMMIT")
    async fn commit_that_is_refused_is_nobodys_success(test: TestDatabase) {
        let scene = Scene::on(test, patient()).await;
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

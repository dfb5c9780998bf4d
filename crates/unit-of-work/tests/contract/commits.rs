//! Commit first, response after.

use daybook_test_harness::{TestDatabase, eventually, on_every_engine};
use tokio::time::timeout;

use crate::stage::{PATIENCE, Stage, codes, data, lock, outcome, report};

on_every_engine! {
    /// A mutation with no errors is in the database when its response is there.
    async fn committed_before_the_response(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("mutation { a: mark(name: \"a\") b: mark(name: \"b\") }").await;
        assert_eq!(stage.marks().await, ["a", "b"]);
        assert_eq!(data(&response), serde_json::json!({ "a": "a", "b": "b" }));
        assert_eq!(outcome(&response), "COMMITTED");
        stage.assert_whole().await;
    }

    /// Neither a connection nor a transaction is used by an operation that needs none: it answers while the only
    /// connections are taken.
    async fn nothing_touched_nothing_begun(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let reader = stage.start("{ marksTwice }");
        stage.cue.reached().await;
        let writer = stage.start("mutation { mark(name: \"held\") meet }");
        stage.cue.reached().await;
        for query in [
            "{ __typename }",
            "{ ping }",
            "{ __schema { queryType { name } } }",
            "mutation { ping }",
        ] {
            let response = stage.run(query).await;
            assert_eq!(outcome(&response), "UNTOUCHED", "{query}");
            assert_eq!(report(&response)["statements"], 0);
            assert_eq!(report(&response)["isolation"], serde_json::Value::Null);
        }
        for invalid in ["{ unknown }", "{ marks", "query A { marks } query B { marks }"] {
            assert!(stage.run(invalid).await.is_err(), "{invalid}");
        }
        stage.cue.proceed();
        stage.cue.proceed();
        for operation in [reader, writer] {
            // One permit is kept for the one that comes second.
            stage.cue.proceed();
            let response = timeout(PATIENCE, operation).await.expect("ends").expect("answers");
            assert!(response.is_ok(), "{response:?}");
        }
    }

    /// Effects run in order, after COMMIT, and a panic in one harms neither the others nor the response.
    async fn effects_run_after_commit(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("mutation { mark(name: \"a\") effects }").await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(stage.cue.effects(), ["first", "last"]);
        stage.assert_whole().await;
    }

    /// An effect that nobody waits for holds up neither the response nor the effects after it; closing the database does
    /// wait for it.
    async fn detached_effects_run_on(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("mutation { mark(name: \"a\") effectsOfAllKinds }").await;
        assert!(response.is_ok(), "{response:?}");
        assert_eq!(stage.cue.effects(), ["committed"]);
        stage.cue.reached().await;
        let database = stage.database.clone();
        let closing = tokio::spawn(async move { database.close().await });
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!closing.is_finished(), "did not wait for the effect");
        stage.cue.proceed();
        timeout(PATIENCE, closing).await.expect("ends").expect("no panic");
        assert_eq!(stage.cue.effects(), ["committed", "detached"]);
    }

    /// What is to follow a rollback follows every rollback, and nothing else.
    async fn effects_of_a_rollback(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for query in [
            "mutation { mark(name: \"a\") effectsOfAllKinds refuse }",
            "mutation { effectsOfAllKinds refuse }",
            "mutation { effectsOfAllKinds orphan }",
            "mutation { effectsOfAllKinds panics }",
            "mutation { effectsOfAllKinds rollbackOnly(reason: \"no\") }",
        ] {
            assert!(stage.run(query).await.is_err(), "{query}");
            assert_eq!(std::mem::take(&mut *lock(&stage.cue.effects)), ["rolled back"], "{query}");
        }
        stage.assert_whole().await;
    }

    /// Effects that have begun go on when the client goes, also those of an operation that had nothing to commit.
    async fn effects_outlast_their_client(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for query in ["mutation { mark(name: \"a\") effectMeets }", "mutation { effectMeets }"] {
            let operation = stage.start(query);
            stage.cue.reached().await;
            operation.abort();
            assert!(operation.await.expect_err("is gone").is_cancelled());
            stage.cue.proceed();
            eventually("the effect ends", async || stage.cue.effects() == ["met"]).await;
            lock(&stage.cue.effects).clear();
        }
        stage.assert_whole().await;
    }

    /// An effect that never ends holds up its response until the deadline, and no longer; then it is waited for only by
    /// those who close the database.
    async fn effect_cannot_outlast_the_deadline_of_its_response(test: TestDatabase) {
        let url = test.url().to_owned();
        let stage = Stage::at(test, &url, unit_of_work::DatabaseOptions::default(), |extension| {
            extension.deadline(std::time::Duration::from_millis(500))
        }).await;
        for query in ["mutation { mark(name: \"a\") effectMeets }", "mutation { effectMeets }"] {
            let response = stage.run(query).await;
            assert!(response.is_ok(), "{response:?}");
            assert_eq!(stage.cue.effects(), Vec::<String>::new());
            stage.cue.reached().await;
            stage.cue.proceed();
            eventually("the effect ends", async || stage.cue.effects() == ["met"]).await;
            lock(&stage.cue.effects).clear();
        }
        assert_eq!(stage.marks().await, ["a"]);
        stage.assert_whole().await;
    }

    /// Nothing was committed, so no effect ran.
    async fn effects_are_dropped_with_a_rollback(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for query in [
            "mutation { mark(name: \"a\") effects refuse }",
            "mutation { effects orphan }",
            "mutation { effects swallow(name: \"a\") }",
            "mutation { effects panics }",
        ] {
            assert!(stage.run(query).await.is_err(), "{query}");
            assert_eq!(stage.cue.effects(), Vec::<String>::new(), "{query}");
        }
        stage.assert_whole().await;
    }

    /// A COMMIT that the database refuses is an error with a code, and never phantom success.
    (not on MariaDB: "it defers nothing to COMMIT")
    async fn failed_commit_is_a_typed_error(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("mutation { header mark(name: \"a\") orphan }").await;
        assert_eq!(data(&response), serde_json::Value::Null);
        assert_eq!(codes(&response), ["COMMIT_FAILED"]);
        assert_eq!(report(&response)["outcome"], "ROLLED_BACK");
        assert_eq!(report(&response)["reason"], "COMMIT_FAILED");
        assert!(response.http_headers.is_empty());
        assert_eq!(stage.marks().await, Vec::<String>::new());
        stage.assert_whole().await;
    }

    /// Outside any operation: `write` commits, or rolls back with the error of its body.
    async fn a_unit_outside_an_operation(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let write = async |name: &'static str, fail: bool| {
            stage.database.write(async move |unit| {
                crate::stage::insert_mark(&unit, name).await?;
                if fail { Err(sea_orm::DbErr::Custom("no".to_owned())) } else { Ok(()) }
            }).await
        };
        assert!(write("kept", false).await.is_ok());
        assert_eq!(write("undone", true).await, Err(sea_orm::DbErr::Custom("no".to_owned())));
        assert_eq!(stage.marks().await, ["kept"]);
        let counted = stage.database.read(async |unit| crate::stage::count_marks(&unit).await).await;
        assert_eq!(counted, Ok(1));
        assert!(lock(&stage.cue.handle).is_none());
        stage.assert_whole().await;
    }
}

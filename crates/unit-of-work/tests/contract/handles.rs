//! Handles that outlive their operation.

use std::sync::Arc;

use daybook_test_harness::{TestDatabase, on_every_engine};
use sea_orm::{ConnectionTrait, DbErr};
use tokio::time::timeout;
use unit_of_work::{FailureKind, UnitError, UnitOfWork};

use crate::stage::{PATIENCE, Stage, codes, count_marks, insert_mark, lock, slow_sql};

fn refusal<T: std::fmt::Debug>(result: Result<T, DbErr>) -> UnitError {
    let error = result.expect_err("is refused");
    assert_eq!(FailureKind::of(&error), FailureKind::Other);
    UnitError::in_db_err(&error)
        .unwrap_or_else(|| panic!("{error}"))
        .clone()
}

impl Stage {
    /// The handle that the field `escape` let out.
    fn escaped(&self) -> UnitOfWork {
        lock(&self.cue.handle).take().expect("a handle has escaped")
    }
}

on_every_engine! {
    /// Every use of a handle after its operation is a clear error, whether the unit was touched or not, and however it
    /// ended. It does not begin again.
    async fn handle_outlives_its_operation(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for operation in [
            "mutation { escape }",
            "mutation { escape mark(name: \"a\") }",
            "mutation { escape mark(name: \"b\") refuse }",
            "mutation { escape swallow(name: \"b\") }",
        ] {
            stage.run(operation).await;
            let escaped = stage.escaped();
            assert_eq!(refusal(insert_mark(&escaped, "late").await), UnitError::Finished, "{operation}");
            assert_eq!(refusal(count_marks(&escaped).await), UnitError::Finished, "{operation}");
            assert_eq!(refusal(escaped.execute_unprepared("SELECT 1").await), UnitError::Finished, "{operation}");
            stage.assert_whole().await;
        }
        assert_eq!(stage.marks().await, ["a"]);
    }

    /// An effect that comes too late never runs, and is not kept either: it may hold the handle that it is registered on.
    async fn effect_after_the_end_is_dropped(test: TestDatabase) {
        let stage = Stage::new(test).await;
        for operation in ["mutation { escape }", "mutation { escape mark(name: \"a\") }", "mutation { escape refuse }"] {
            stage.run(operation).await;
            let escaped = stage.escaped();
            let witness = Arc::new(());
            let held = (Arc::clone(&witness), escaped.clone());
            escaped.after_commit(async move { drop(held) });
            assert_eq!(Arc::strong_count(&witness), 1, "{operation}");
        }
    }

    /// A task that uses the unit while its operation still runs is part of the operation, one statement at a time.
    async fn task_within_the_operation_takes_part(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let operation = stage.start("mutation { escape mark(name: \"a\") meet }");
        stage.cue.reached().await;
        let escaped = stage.escaped();
        tokio::spawn(async move { insert_mark(&escaped, "spawned").await }).await.expect("ends").expect("inserts");
        stage.cue.proceed();
        assert!(timeout(PATIENCE, operation).await.expect("ends").expect("answers").is_ok());
        assert_eq!(stage.marks().await, ["a", "spawned"]);
    }

    /// A handle that is kept does not hold up the commit, and neither do statements that queue up behind it.
    async fn kept_handle_does_not_block_the_commit(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let operation = stage.start("mutation { escape mark(name: \"a\") meet }");
        stage.cue.reached().await;
        let escaped = stage.escaped();
        // Reads for ever, until it is refused.
        let reading = tokio::spawn(async move {
            loop {
                if let Err(error) = count_marks(&escaped).await {
                    break error;
                }
            }
        });
        stage.cue.proceed();
        assert!(timeout(PATIENCE, operation).await.expect("ends").expect("answers").is_ok());
        let error = timeout(PATIENCE, reading).await.expect("ends").expect("answers");
        assert_eq!(UnitError::in_db_err(&error), Some(&UnitError::Finished));
        assert_eq!(stage.marks().await, ["a"]);
        stage.assert_whole().await;
    }

    /// A task whose statement outlasts the deadline: the operation is answered and rolled back all the same.
    async fn statement_of_a_task_cannot_outlast_the_deadline(test: TestDatabase) {
        let url = test.url().to_owned();
        let mut options = unit_of_work::DatabaseOptions::default();
        options.statement_timeout = std::time::Duration::from_secs(2);
        let stage = Stage::at(test, &url, options, |extension| {
            extension.deadline(std::time::Duration::from_millis(500))
        }).await;
        let operation = stage.start("mutation { escape mark(name: \"a\") meet }");
        stage.cue.reached().await;
        let escaped = stage.escaped();
        let slow = tokio::spawn(async move { escaped.execute_unprepared(slow_sql(&escaped)).await.map(drop) });
        stage.cue.proceed();
        let response = timeout(PATIENCE, operation).await.expect("ends").expect("answers");
        // The task's statement may come before the end of the operation, or too late.
        if response.is_err() {
            assert_eq!(codes(&response), ["DEADLINE_EXCEEDED"]);
            assert_eq!(stage.marks().await, Vec::<String>::new());
        }
        let _ = timeout(PATIENCE, slow).await.expect("ends").expect("no panic");
        stage.assert_whole().await;
    }

    /// A resolver that asks the pool for a second unit while it holds the only connection gets an error in a bounded time,
    /// instead of waiting for itself for ever.
    async fn second_unit_inside_an_operation_is_an_error(test: TestDatabase) {
        let url = test.url().to_owned();
        let mut options = unit_of_work::DatabaseOptions::default();
        options.acquire_timeout = std::time::Duration::from_millis(200);
        let stage = Stage::at(test, &url, options, |extension| extension).await;
        let response = stage.run("mutation { asksForAnotherUnit }").await;
        assert_eq!(codes(&response), ["OVERLOADED"]);
        assert_eq!(stage.marks().await, Vec::<String>::new());
        stage.assert_whole().await;
    }
}

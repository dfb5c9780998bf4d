//! What a statement on MariaDB finds when it has waited for a lock.

use daybook_test_harness::eventually;
use sea_orm::{ConnectionTrait as _, DbErr, IsolationLevel};
use tokio::time::timeout;
use unit_of_work::{FailureKind, UnitTerms};

use super::test;
use crate::stage::{PATIENCE, Stage, statement};

/// Locks the counter with a statement that reads another table, too, and waits for somebody who adds one. What it has found there.
async fn found_after_waiting(stage: &Stage, terms: UnitTerms) -> Result<i64, DbErr> {
    let other = stage.observer().await;
    other.execute("BEGIN").await;
    other.execute("UPDATE counter SET value = value + 1").await;
    let database = stage.database.clone();
    let unit = tokio::spawn(async move {
        let found = database.write_with(terms.attempts(1), async |unit| {
            let sql = "SELECT value FROM (SELECT COUNT(*) FROM parent) AS parents STRAIGHT_JOIN counter FOR UPDATE";
            let row = unit.query_one_raw(statement(&unit, sql)).await?;
            let row = row.ok_or_else(|| DbErr::RecordNotFound("counter".to_owned()))?;
            row.try_get_by_index(0)
        });
        found.await
    });
    let observer = stage.observer().await;
    eventually("the unit waits for the lock", async || {
        let report = observer.column("SHOW ENGINE INNODB STATUS", 2).await;
        let report: String = report.into_iter().flatten().collect();
        let mut transactions = report.split("---TRANSACTION ");
        transactions.any(|one| one.contains("LOCK WAIT") && one.contains("AS parents"))
    })
    .await;
    other.execute("COMMIT").await;
    let ended = timeout(PATIENCE, unit).await.expect("in time");
    ended.expect("does not panic")
}

/// READ COMMITTED finds what is there when it has the lock. REPEATABLE READ, in its own transaction alone, overwrites nothing that it has not seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lock_that_was_waited_for() {
    let stage = Stage::new(test().await).await;
    assert_eq!(
        found_after_waiting(&stage, UnitTerms::default()).await,
        Ok(1)
    );
    let repeatable = UnitTerms::default().isolation(IsolationLevel::RepeatableRead);
    let error = found_after_waiting(&stage, repeatable).await;
    let error = error.expect_err("has changed since it was read");
    assert_eq!(FailureKind::of(&error), FailureKind::Conflict, "{error}");
    assert_eq!(
        found_after_waiting(&stage, UnitTerms::default()).await,
        Ok(3)
    );
    stage.assert_whole().await;
}

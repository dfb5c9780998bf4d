//! Units outside of an operation: what a job writes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use sea_orm::{ConnectionTrait, DbErr, IsolationLevel};
use tokio::time::timeout;
use unit_of_work::{FailureKind, RetryPolicy, SessionSettings, UnitError, UnitOfWork, UnitTerms};

use crate::{
    retries::contended,
    stage::{Cue, PATIENCE, Stage, count_marks, insert_mark, lock, statement},
};

fn policy(attempts: u32) -> RetryPolicy {
    RetryPolicy::default()
        .attempts(attempts)
        .first_delay(Duration::from_millis(1))
}

/// What the job does: it writes one more than it has read. The first time it meets the test in between, on PostgreSQL.
struct Job {
    cue: Arc<Cue>,
    engine: Engine,
    begun: AtomicU32,
}

impl Job {
    fn of(stage: &Stage) -> Arc<Self> {
        Arc::new(Self {
            cue: Arc::clone(&stage.cue),
            engine: stage.test.engine(),
            begun: AtomicU32::new(0),
        })
    }

    fn begun(&self) -> u32 {
        self.begun.load(Ordering::SeqCst)
    }

    async fn run(self: Arc<Self>, unit: UnitOfWork) -> Result<Option<u32>, DbErr> {
        let earlier = self.begun.fetch_add(1, Ordering::SeqCst);
        let last = unit.from_last_attempt(|earlier: &u32| *earlier);
        unit.for_next_attempt(|left: &mut u32| *left = earlier);
        let cue = Arc::clone(&self.cue);
        unit.after_commit(async move { lock(&cue.effects).push("committed".to_owned()) });
        insert_mark(&unit, "job").await?;
        let row = unit
            .query_one_raw(statement(&unit, "SELECT value FROM counter"))
            .await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("counter".to_owned()))?;
        let value: i64 = row.try_get_by_index(0)?;
        if self.engine != Engine::Sqlite && earlier == 0 {
            self.cue.meet().await;
        }
        let update = format!("UPDATE counter SET value = {}", value + 1);
        unit.execute_raw(statement(&unit, &update)).await?;
        Ok(last)
    }

    /// Starts the job, and has it lose: on SQLite until `is_enough` says so, as the file is busy; else once.
    async fn lose(
        self: &Arc<Self>,
        stage: &Stage,
        attempts: u32,
        is_enough: impl Fn(u32) -> bool,
    ) -> Result<Option<u32>, DbErr> {
        let other = stage.observer().await;
        if self.engine == Engine::Sqlite {
            other.execute("BEGIN IMMEDIATE").await;
        }
        let (database, job) = (stage.database.clone(), Arc::clone(self));
        let running = tokio::spawn(async move {
            let run = |unit| Arc::clone(&job).run(unit);
            database.write_retrying(policy(attempts), run).await
        });
        if self.engine != Engine::Sqlite {
            self.cue.reached().await;
        } else {
            eventually("it has lost", async || {
                is_enough(self.begun()) || running.is_finished()
            })
            .await;
        }
        other.execute("UPDATE counter SET value = value + 10").await;
        if self.engine == Engine::Sqlite {
            other.execute("COMMIT").await;
        }
        self.cue.proceed();
        timeout(PATIENCE, running)
            .await
            .expect("ends")
            .expect("does not panic")
    }
}

on_every_engine! {
    /// The whole body runs again, on what is there now; its effect happens once, and it finds what the attempt before has left.
    async fn write_that_loses_a_conflict_is_run_again(test: TestDatabase) {
        let stage = contended(test).await;
        let job = Job::of(&stage);
        let last = job.lose(&stage, 1000, |begun| begun > 1).await.expect("is committed");
        assert!(job.begun() > 1);
        assert_eq!(last, Some(job.begun() - 2));
        assert_eq!(stage.counter().await, 11);
        assert_eq!(stage.marks().await, ["job"]);
        assert_eq!(stage.cue.effects(), ["committed"]);
        stage.assert_whole().await;
    }

    /// With one attempt it loses, and nothing of it is left.
    async fn write_is_not_run_again_beyond_its_attempts(test: TestDatabase) {
        let stage = contended(test).await;
        let job = Job::of(&stage);
        let error = job.lose(&stage, 1, |_| false).await.expect_err("has lost");
        assert_eq!(FailureKind::of(&error), FailureKind::Conflict, "{error:?}");
        assert_eq!(job.begun(), 1);
        assert_eq!(stage.counter().await, 10);
        assert_eq!(stage.marks().await, [""; 0]);
        assert_eq!(stage.cue.effects(), [""; 0]);
        stage.assert_whole().await;
    }

    /// What would fail again is not tried again: a constraint, the body's own error, a failure that the body hides.
    async fn write_that_fails_is_not_run_again(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let begun = AtomicU32::new(0);
        let twice = stage.database.write_retrying(policy(1000), async |unit| {
            begun.fetch_add(1, Ordering::SeqCst);
            insert_mark(&unit, "a").await?;
            insert_mark(&unit, "a").await
        });
        let error = twice.await.expect_err("is refused");
        assert_eq!(FailureKind::of(&error), FailureKind::Constraint, "{error:?}");

        let own = stage.database.write_retrying(policy(1000), async |unit| {
            begun.fetch_add(1, Ordering::SeqCst);
            insert_mark(&unit, "b").await?;
            Err::<(), _>(DbErr::Custom("no".to_owned()))
        });
        assert_eq!(own.await.expect_err("is its own"), DbErr::Custom("no".to_owned()));

        let hidden = stage.database.write_retrying(policy(1000), async |unit| {
            begun.fetch_add(1, Ordering::SeqCst);
            insert_mark(&unit, "c").await?;
            let _ = insert_mark(&unit, "c").await;
            count_marks(&unit).await.or(Ok::<_, DbErr>(0))
        });
        let error = hidden.await.expect_err("is doomed");
        assert_eq!(UnitError::in_db_err(&error), Some(&UnitError::Doomed), "{error:?}");
        assert_eq!(begun.load(Ordering::SeqCst), 3);
        assert_eq!(stage.marks().await, [""; 0]);
        stage.assert_whole().await;
    }

    /// Isolation, settings, deadline and attempts of what runs outside of an operation.
    (not on MariaDB: "it has no settings of a transaction, and no rows of an operation")
    async fn terms_of_a_write(test: TestDatabase) {
        let stage = contended(test).await;
        let is_postgres = stage.test.engine() == Engine::Postgres;
        let late = UnitTerms::named("late").deadline(Duration::from_millis(500)).attempts(5);
        let never = stage.database.write_with(late, async |unit| {
            insert_mark(&unit, "late").await?;
            std::future::pending::<Result<(), DbErr>>().await
        });
        let error = timeout(PATIENCE, never).await.expect("ends").expect_err("is late");
        assert_eq!(UnitError::in_db_err(&error), Some(&UnitError::DeadlineExceeded), "{error:?}");
        let refused = stage.database.write_with(UnitTerms::default(), async |unit| {
            insert_mark(&unit, "refused").await?;
            unit.set_rollback_only("not today");
            Ok::<_, DbErr>(())
        });
        let error = refused.await.expect_err("is rolled back");
        let reason = UnitError::RollbackOnly { reason: "not today".to_owned() };
        assert_eq!(UnitError::in_db_err(&error), Some(&reason), "{error:?}");
        let terms = UnitTerms::default().settings(SessionSettings::new().set("app.tenant", "42"));
        let set = stage.database.write_with(terms, async |unit| {
            let row = unit.query_one_raw(statement(&unit, "SELECT current_setting('app.tenant')")).await?;
            row.ok_or_else(|| DbErr::RecordNotFound("setting".to_owned()))?.try_get_by_index::<String>(0)
        });
        // On SQLite, which has none, it is refused.
        assert_eq!(set.await.ok().as_deref(), is_postgres.then_some("42"));
        let terms = UnitTerms::default().isolation(IsolationLevel::Serializable);
        let level = stage.database.read_with(terms, async |unit| {
            let level = unit.query_one_raw(statement(&unit, "SELECT current_setting('transaction_isolation')")).await?;
            level.ok_or_else(|| DbErr::RecordNotFound("level".to_owned()))?.try_get_by_index::<String>(0)
        });
        assert_eq!(level.await.ok().as_deref(), is_postgres.then_some("serializable"));
        assert_eq!(stage.marks().await, [""; 0]);
        stage.assert_whole().await;
    }

    /// A read that is late lets its snapshot go.
    async fn deadline_of_a_read(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let terms = UnitTerms::default().deadline(Duration::from_millis(300));
        let never = stage.database.read_with(terms, async |unit| {
            count_marks(&unit).await?;
            std::future::pending::<Result<(), DbErr>>().await
        });
        let error = timeout(PATIENCE, never).await.expect("ends").expect_err("is late");
        assert_eq!(UnitError::in_db_err(&error), Some(&UnitError::DeadlineExceeded), "{error:?}");
        stage.assert_whole().await;
    }
}

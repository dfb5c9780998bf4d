//! One operation, and the resolver that runs it.

use std::{
    panic,
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_graphql::{Context, Error, Object, Result};
use proptest::{collection::vec, prelude::*};
use sea_orm::{ConnectionTrait, DbErr, TransactionSession, TransactionTrait};
use unit_of_work::ContextExt;

use crate::stage::{insert_mark, lock, slow_sql, statement};

/// How long a group waits for its members here.
pub(super) const COMMIT_PATIENCE: Duration = Duration::from_millis(25);

/// A row that is there from the beginning.
pub(super) const TAKEN: &str = "taken";

/// What a resolver does, beside incrementing the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Insert,
    Yield,
    /// Registers an effect for after COMMIT, and one for after ROLLBACK.
    Effects,
    /// Inserts in a savepoint that is undone.
    Undone,
    /// Inserts in a savepoint that is kept.
    Kept,
    /// Inserts in a transaction of SeaORM's that is rolled back.
    RolledBack,
    /// Inserts in a transaction of SeaORM's that is committed.
    Begun,
    Fail,
    Panic,
    /// A statement that fails, reported.
    Duplicate,
    /// A statement that fails, hidden.
    Swallow,
    /// A statement that is dropped half way.
    Abandon,
    /// What COMMIT will refuse.
    Orphan,
    /// A statement that fails, and makes SQLite roll back all of the transaction.
    LoseAll,
    /// Leaves something on the session.
    ChangeSession,
    /// Takes longer than a group waits.
    Overstay,
}

#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) steps: Vec<Step>,
    /// It goes when its operation has been polled this often and has not answered.
    pub(super) goes_after: Option<usize>,
}

pub(super) fn operation() -> impl Strategy<Value = Operation> {
    let step = prop_oneof![
        30 => Just(Step::Insert),
        15 => Just(Step::Yield),
        15 => Just(Step::Effects),
        5 => Just(Step::Undone),
        5 => Just(Step::Kept),
        5 => Just(Step::RolledBack),
        5 => Just(Step::Begun),
        3 => Just(Step::Fail),
        2 => Just(Step::Panic),
        3 => Just(Step::Duplicate),
        2 => Just(Step::Swallow),
        2 => Just(Step::Abandon),
        1 => Just(Step::Orphan),
        1 => Just(Step::LoseAll),
        1 => Just(Step::ChangeSession),
        1 => Just(Step::Overstay),
    ];
    let goes_after = prop_oneof![8 => Just(None), 1 => (1..8_usize).prop_map(Some)];
    (vec(step, 0..6), goes_after).prop_map(|(steps, goes_after)| Operation { steps, goes_after })
}

impl Operation {
    /// The code that its client is told, if it hears of a failure. The first step that fails decides, COMMIT comes last.
    pub(super) fn code(&self) -> Option<&'static str> {
        let mut at_the_end = None;
        for step in &self.steps {
            match step {
                Step::Fail => return Some(""),
                Step::Panic | Step::Duplicate | Step::LoseAll => return Some("INTERNAL"),
                // Whatever uses the unit after it is refused, with the same code.
                Step::Swallow | Step::Abandon => return Some("UNIT_DOOMED"),
                Step::Orphan => at_the_end = Some("COMMIT_FAILED"),
                _ => {}
            }
        }
        at_the_end
    }

    pub(super) fn count(&self, which: Step) -> usize {
        self.steps.iter().filter(|step| **step == which).count()
    }
}

/// One operation as it runs.
pub(super) struct Run {
    pub(super) operation: Operation,
    pub(super) name: String,
    pub(super) attempts: AtomicUsize,
    /// What the last attempt that looked has read.
    pub(super) seen: Mutex<Option<i64>>,
    pub(super) committed: AtomicUsize,
    pub(super) rolled_back: AtomicUsize,
}

pub(super) struct Mutation;

#[Object]
#[expect(
    clippy::disallowed_methods,
    reason = "it is what code does that knows nothing of units"
)]
impl Mutation {
    async fn run(&self, ctx: &Context<'_>) -> Result<i64> {
        let run = ctx.data_unchecked::<Arc<Run>>();
        let unit = ctx.unit();
        run.attempts.fetch_add(1, Ordering::SeqCst);
        let update = "UPDATE counter SET value = value + 1 RETURNING value";
        let row = unit.query_one_raw(statement(unit, update)).await?;
        let value: i64 = row.ok_or("no counter")?.try_get_by_index(0)?;
        *lock(&run.seen) = Some(value);
        insert_mark(unit, &format!("{} own", run.name)).await?;
        for (number, step) in run.operation.steps.iter().enumerate() {
            let name = format!("{} {number}", run.name);
            match step {
                Step::Insert => insert_mark(unit, &name).await?,
                Step::Yield => tokio::task::yield_now().await,
                Step::Effects => {
                    let committed = Arc::clone(run);
                    unit.after_commit(async move {
                        committed.committed.fetch_add(1, Ordering::SeqCst);
                    });
                    let rolled_back = Arc::clone(run);
                    unit.after_rollback(async move {
                        rolled_back.rolled_back.fetch_add(1, Ordering::SeqCst);
                    });
                }
                Step::Undone | Step::Kept => {
                    let kept = unit
                        .savepoint(async |tx| {
                            insert_mark(tx, &name).await?;
                            match step {
                                Step::Kept => Ok(()),
                                _ => Err(DbErr::Custom("undone".to_owned())),
                            }
                        })
                        .await;
                    if *step == Step::Kept {
                        kept?;
                    }
                }
                Step::RolledBack | Step::Begun => {
                    let transaction = unit.begin().await?;
                    insert_mark(&transaction, &name).await?;
                    if *step == Step::Begun {
                        transaction.commit().await?;
                    } else {
                        transaction.rollback().await?;
                    }
                }
                Step::Fail => return Err(Error::new("on purpose")),
                Step::Panic => panic::panic_any(OnPurpose),
                Step::Duplicate => insert_mark(unit, TAKEN).await?,
                Step::Swallow => {
                    let _ = insert_mark(unit, TAKEN).await;
                    return Ok(value);
                }
                Step::Abandon => {
                    let mut slow = Box::pin(unit.execute_unprepared(slow_sql(unit)));
                    let _ = futures_util::poll!(&mut slow);
                    drop(slow);
                    return Ok(value);
                }
                Step::Orphan => {
                    let insert = format!("INSERT INTO child VALUES ({value}{number:02}, 404)");
                    unit.execute_unprepared(&insert).await?;
                }
                Step::LoseAll => {
                    let insert = format!("INSERT OR ROLLBACK INTO mark VALUES ('{TAKEN}')");
                    unit.execute_unprepared(&insert).await?;
                }
                Step::ChangeSession => {
                    let create = "CREATE TEMPORARY TABLE IF NOT EXISTS mine (id INTEGER)";
                    unit.execute_unprepared(create).await?;
                }
                // Nothing but time tells a group that it was kept waiting.
                Step::Overstay => tokio::time::sleep(COMMIT_PATIENCE * 2).await,
            }
        }
        Ok(value)
    }
}

/// What a panic on purpose carries.
struct OnPurpose;

pub(super) fn silence_panics_on_purpose() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !panic.payload().is::<OnPurpose>() {
                report(panic);
            }
        }));
    });
}

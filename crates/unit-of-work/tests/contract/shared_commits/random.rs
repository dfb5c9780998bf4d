//! Operations at random that meet at the writer: each is all there or not at all, hears what happened, and hears it when it has.
//!
//! Every operation increments one counter, so the values that the committed ones have seen must be all numbers from 1, each once, and
//! whatever an answer says it has seen must have been committed when it is heard.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    panic,
    pin::pin,
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use async_graphql::{
    Context, EmptySubscription, Error, Executor, Object, Request, Response, Result, Schema,
};
use daybook_test_harness::{Engine, Observer, TestDatabase, eventually};
use futures_util::future::{join_all, poll_fn};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use sea_orm::{ConnectionTrait, DbErr};
use tokio::{runtime::Handle, task::block_in_place, time::timeout};
use unit_of_work::{ContextExt, DatabaseOptions, Report, Retrying, UnitOfWorkExtension};

use super::scene::Scene;
use crate::stage::{PATIENCE, Query, codes, data, insert_mark, lock, report, slow_sql, statement};

/// How long a group waits for its members here.
const COMMIT_PATIENCE: Duration = Duration::from_millis(25);

/// A row that is there from the beginning.
const TAKEN: &str = "taken";

/// What a resolver does, beside incrementing the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Insert,
    Yield,
    /// Registers an effect for after COMMIT, and one for after ROLLBACK.
    Effects,
    /// Inserts in a savepoint that is undone.
    Undone,
    /// Inserts in a savepoint that is kept.
    Kept,
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
struct Operation {
    steps: Vec<Step>,
    /// It goes when its operation has been polled this often and has not answered.
    goes_after: Option<usize>,
}

fn operation() -> impl Strategy<Value = Operation> {
    let step = prop_oneof![
        30 => Just(Step::Insert),
        15 => Just(Step::Yield),
        15 => Just(Step::Effects),
        5 => Just(Step::Undone),
        5 => Just(Step::Kept),
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
    fn code(&self) -> Option<&'static str> {
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

    fn count(&self, which: Step) -> usize {
        self.steps.iter().filter(|step| **step == which).count()
    }
}

/// One operation as it runs.
struct Run {
    operation: Operation,
    name: String,
    attempts: AtomicUsize,
    /// What the last attempt that looked has read.
    seen: Mutex<Option<i64>>,
    committed: AtomicUsize,
    rolled_back: AtomicUsize,
}

struct Mutation;

#[Object]
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
                Step::Overstay => tokio::time::sleep(COMMIT_PATIENCE * 2).await,
            }
        }
        Ok(value)
    }
}

/// What a panic on purpose carries.
struct OnPurpose;

fn silence_panics_on_purpose() {
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

struct Theatre {
    scene: Scene,
    retrying: Retrying<Schema<Query, Mutation, EmptySubscription>>,
    observer: Observer,
    rounds: usize,
    seen: BTreeMap<&'static str, usize>,
}

impl Theatre {
    async fn new() -> Self {
        let options = DatabaseOptions::default().commit_patience(COMMIT_PATIENCE);
        let scene = Scene::on(TestDatabase::create(Engine::Sqlite).await, options).await;
        let observer = scene.observer().await;
        let taken = format!("INSERT INTO mark VALUES ('{TAKEN}')");
        observer.execute(&taken).await;
        let units = UnitOfWorkExtension::new(scene.database.clone()).report(Report::InExtensions);
        let schema = Schema::build(Query, Mutation, EmptySubscription)
            .extension(units)
            .finish();
        Self {
            scene,
            retrying: Retrying::new(schema),
            observer,
            rounds: 0,
            seen: BTreeMap::new(),
        }
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_insert(0) += 1;
    }

    /// Runs operations at the same time, and looks at what there is when each has answered, and afterwards.
    async fn check(&mut self, operations: Vec<Operation>) -> Result<(), TestCaseError> {
        self.rounds += 1;
        let base = self.scene.counter().await;
        let commits = self.scene.commits();
        let runs: Vec<_> = operations
            .into_iter()
            .enumerate()
            .map(|(number, operation)| {
                Arc::new(Run {
                    operation,
                    name: format!("{} {number}", self.rounds),
                    attempts: AtomicUsize::new(0),
                    seen: Mutex::default(),
                    committed: AtomicUsize::new(0),
                    rolled_back: AtomicUsize::new(0),
                })
            })
            .collect();
        let answers = runs.iter().map(|run| {
            let (retrying, run) = (self.retrying.clone(), Arc::clone(run));
            let observer = self.scene.observer();
            async move {
                let observer = observer.await;
                let request = Request::new("mutation { run }").data(Arc::clone(&run));
                let answer = while_client_stays(&run, retrying.execute(request)).await;
                // What an answer rests on is there when it is heard.
                let committed = observer.i64("SELECT value FROM counter").await;
                (answer, committed)
            }
        });
        let answers = timeout(PATIENCE, join_all(answers)).await.map_err(fail)?;
        eventually("no transaction is left open", async || {
            self.scene.test.open_transactions().await == 0
        })
        .await;
        eventually("nothing is left of the operations", async || {
            runs.iter().all(|run| Arc::strong_count(run) == 1)
        })
        .await;
        let mut values = Vec::new();
        let mut is_shared = 0;
        for (run, (answer, committed)) in runs.iter().zip(&answers) {
            let is_there = self.check_one(run, answer.as_ref(), *committed).await?;
            if is_there {
                let seen = *lock(&run.seen);
                values.push(seen.ok_or_else(|| fail("it has seen nothing"))?);
                is_shared += 1;
            }
        }
        values.sort_unstable();
        let expected: Vec<_> = (base + 1..).take(values.len()).collect();
        prop_assert_eq!(&values, &expected, "what the committed ones have seen");
        prop_assert_eq!(
            self.scene.counter().await,
            base + i64::try_from(values.len()).map_err(fail)?
        );
        // A log that was begun anew says nothing.
        if self
            .scene
            .commits()
            .checked_sub(commits)
            .is_some_and(|commits| commits < is_shared)
        {
            self.saw("a shared COMMIT");
        }
        Ok(())
    }

    /// Whether the operation was committed; all of it, or nothing.
    async fn check_one(
        &mut self,
        run: &Run,
        answer: Option<&Response>,
        committed: i64,
    ) -> Result<bool, TestCaseError> {
        let Run {
            operation, name, ..
        } = run;
        let rows = format!("SELECT COUNT(*) FROM mark WHERE name LIKE '{name} %'");
        let rows = usize::try_from(self.observer.i64(&rows).await).map_err(fail)?;
        let effects = run.committed.load(Ordering::SeqCst);
        let all = 1 + operation.count(Step::Insert) + operation.count(Step::Kept);
        let seen = lock(&run.seen).unwrap_or_default();
        let is_there = match answer {
            Some(response) if response.is_ok() => {
                prop_assert_eq!(operation.code(), None, "{:?}", response);
                prop_assert_eq!(&data(response)["run"], &seen);
                prop_assert!(committed >= seen, "{} was told before {}", seen, committed);
                let attempts = report(response)["attempts"].as_u64().unwrap_or_default();
                prop_assert_eq!(
                    usize::try_from(attempts).map_err(fail)?,
                    run.attempts.load(Ordering::SeqCst)
                );
                self.saw(if attempts > 1 {
                    "committed by itself"
                } else {
                    "committed"
                });
                true
            }
            Some(response) => {
                prop_assert_eq!(
                    codes(response),
                    operation.code().into_iter().collect::<Vec<_>>(),
                    "{:?}",
                    response
                );
                prop_assert!(
                    committed >= seen - 1,
                    "{} was told before {}",
                    seen,
                    committed
                );
                self.saw(operation.code().unwrap_or_default());
                false
            }
            // Nobody was told: what is there has to say which it was.
            None => {
                let is_there = rows > 0;
                self.saw(if is_there {
                    "gone, committed"
                } else {
                    "gone, not committed"
                });
                is_there
            }
        };
        let registered = operation.count(Step::Effects);
        prop_assert_eq!(rows, if is_there { all } else { 0 }, "rows of {}", name);
        prop_assert_eq!(
            effects,
            if is_there { registered } else { 0 },
            "effects of {}",
            name
        );
        if is_there {
            let undone = run.rolled_back.load(Ordering::SeqCst);
            let attempts = run.attempts.load(Ordering::SeqCst);
            prop_assert!(
                undone <= (attempts - 1) * registered,
                "{} of {} attempts",
                undone,
                attempts
            );
        }
        Ok(is_there)
    }
}

/// The answer, unless the client goes before: then the operation is dropped.
async fn while_client_stays(
    run: &Run,
    execution: impl Future<Output = Response>,
) -> Option<Response> {
    let mut execution = pin!(execution);
    let mut polls = 0;
    poll_fn(|context| {
        polls += 1;
        match execution.as_mut().poll(context) {
            Poll::Pending if run.operation.goes_after.is_some_and(|most| polls >= most) => {
                Poll::Ready(None)
            }
            answer => answer.map(Some),
        }
    })
    .await
}

fn fail(reason: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(reason.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_for_groups() {
    silence_panics_on_purpose();
    let config = Config {
        cases: 400,
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let rounds = vec(operation(), 2..10);
    let theatre = Cell::new(Some(Theatre::new().await));
    let seen = RefCell::new(BTreeMap::new());
    let result = block_in_place(|| {
        TestRunner::new(config).run(&rounds, |operations| {
            Handle::current().block_on(async {
                let mut stage = match theatre.take() {
                    Some(stage) => stage,
                    // The last one has failed.
                    None => Theatre::new().await,
                };
                stage.check(operations).await?;
                seen.replace(stage.seen.clone());
                theatre.set(Some(stage));
                Ok(())
            })
        })
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let seen = seen.into_inner();
    // A property that is never put to the test holds too.
    for what in [
        "a shared COMMIT",
        "committed",
        "committed by itself",
        "",
        "INTERNAL",
        "UNIT_DOOMED",
        "COMMIT_FAILED",
        "gone, committed",
        "gone, not committed",
    ] {
        assert!(
            seen.contains_key(what),
            "no operation has ended so: {what:?}: {seen:?}"
        );
    }
}

//! Where operations run at the same time, and what is looked at afterwards.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use async_graphql::{EmptySubscription, Executor, Request, Response, Schema};
use daybook_test_harness::{Engine, Observer, TestDatabase, eventually};
use futures_util::future::{join_all, poll_fn};
use proptest::{prelude::*, test_runner::TestCaseError};
use tokio::time::timeout;
use unit_of_work::{DatabaseOptions, Report, Retrying, UnitOfWorkExtension};

use super::{
    super::scene::Scene,
    operation::{COMMIT_PATIENCE, Mutation, Operation, Run, Step, TAKEN},
};
use crate::stage::{PATIENCE, Query, codes, data, lock, report};

pub(super) struct Theatre {
    scene: Scene,
    retrying: Retrying<Schema<Query, Mutation, EmptySubscription>>,
    observer: Observer,
    rounds: usize,
    pub(super) seen: BTreeMap<&'static str, usize>,
}

impl Theatre {
    pub(super) async fn new() -> Self {
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
    pub(super) async fn check(&mut self, operations: Vec<Operation>) -> Result<(), TestCaseError> {
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
        let all = 1 + [Step::Insert, Step::Kept, Step::Begun]
            .map(|it| operation.count(it))
            .into_iter()
            .sum::<usize>();
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

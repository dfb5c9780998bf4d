//! The contract holds for whatever resolvers do: random trees of them, run on every engine, against a model.
//!
//! An [`Operation`](operation::Operation) is a tree of fields whose resolvers insert, read, fail, panic, hide errors,
//! drop statements, start tasks, keep handles and do the same inside savepoints; its client may go half way. Fields run concurrently and drop each
//! other, so the resolvers note what they came to do ([`trace`]). From both follows what the response must say, which
//! rows must be there and which effects must have run ([`model`]); afterwards the pool of one must be whole.
//!
//! A failure prints the smallest operation that shows it.

mod model;
mod operation;
mod resolvers;
mod savepoints;
mod trace;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    panic,
    pin::pin,
    sync::{Arc, Once},
    task::Poll,
    time::Duration,
};

use async_graphql::{Request, Response};
use daybook_test_harness::{Engine, Observer, TestDatabase, eventually, on_every_engine};
use futures_util::future::poll_fn;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use tokio::{runtime::Handle, task::block_in_place, time::timeout};
use unit_of_work::{DatabaseOptions, UnitError};

use crate::stage::{PATIENCE, Stage, codes, count_marks, data, report};
use model::Ending;
use operation::{Client, Kind, Operation, operations};
use resolvers::{OnPurpose, Run, TAKEN, TreeSchema, schema};
use trace::{End, Notes};

on_every_engine! {
    async fn the_contract_holds(test: TestDatabase) {
        silence_panics_on_purpose();
        let engine = test.engine();
        let cases = match engine {
            Engine::Sqlite => 10_000,
            Engine::Postgres | Engine::MariaDb => 1_000,
        };
        let config = Config { cases, failure_persistence: None, max_shrink_time: 60_000, ..Config::default() };
        // A theatre that saw a failure is not used again: what is broken there would fail the next case too.
        let theatre = Cell::new(Some(Theatre::new(test).await));
        let seen = RefCell::new(BTreeMap::new());
        // What has failed once is tried more often while it is made smaller: it may take some luck to fail again.
        let tries = Cell::new(1);
        let here = Handle::current();
        let result = block_in_place(|| {
            TestRunner::new(config).run(&operations(), |operation| here.block_on(async {
                let attempts = tries.replace(20);
                for _ in 0..attempts {
                    let mut stage = match theatre.take() {
                        Some(stage) => stage,
                        None => Theatre::new(TestDatabase::create(engine).await).await,
                    };
                    for what in stage.check(&operation).await? {
                        *seen.borrow_mut().entry(what).or_insert(0) += 1;
                    }
                    theatre.set(Some(stage));
                }
                tries.set(attempts);
                Ok(())
            }))
        });
        if let Err(failure) = result {
            panic!("{failure}");
        }
        let seen = seen.into_inner();
        // A property that is never put to the test holds too.
        for ending in [
            "COMMITTED", "ROLLED_BACK ERROR", "ROLLED_BACK DOOMED", "ROLLED_BACK PANIC", "READ", "UNTOUCHED",
            "gone, rows kept", "gone, nothing kept", "committed with a savepoint kept", "committed with a savepoint undone",
        ] {
            assert!(seen.contains_key(ending), "no operation has ended so: {ending}: {seen:?}");
        }
    }
}

/// A panic of these resolvers says nothing; all others are reported as ever.
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

/// A database for one operation after the other, and somebody who watches it.
struct Theatre {
    stage: Stage,
    schema: TreeSchema,
    observer: Observer,
    runs: usize,
}

impl Theatre {
    async fn new(test: TestDatabase) -> Self {
        let url = test.url().to_owned();
        let mut options = DatabaseOptions::default();
        options.acquire_timeout = Duration::from_secs(2);
        let stage = Stage::at(test, &url, options, |extension| extension).await;
        let observer = stage.observer().await;
        observer
            .execute(&format!("INSERT INTO mark VALUES ('{TAKEN}')"))
            .await;
        // What the observer clears away between operations need not outlive a power cut.
        observer
            .execute(match stage.test.engine() {
                Engine::Sqlite => "PRAGMA synchronous = OFF",
                Engine::Postgres => "SET synchronous_commit = off",
                Engine::MariaDb => "DO 0",
            })
            .await;
        let schema = schema(&stage.database);
        Self {
            stage,
            schema,
            observer,
            runs: 0,
        }
    }

    /// Runs the operation, holds it against the model, and says how it ended.
    async fn check(&mut self, operation: &Operation) -> Result<Vec<String>, TestCaseError> {
        self.runs += 1;
        let run = Run::new(operation, &format!("run {}", self.runs));
        let request = Request::new(operation.document()).data(Arc::clone(&run));
        let response = while_client_stays(operation, &run, self.schema.execute(request));
        let response = timeout(PATIENCE, response).await.map_err(fail)?;
        let notes = run.trace.notes();
        self.assert_handles_are_finished(&run).await?;
        // Before the pool is used again: that would put an end to what a dropped operation has left open.
        if response.is_none() || self.runs.is_multiple_of(100) {
            eventually("no transaction is left open", async || {
                self.stage.test.open_transactions().await == 0
            })
            .await;
        }
        self.assert_pool_is_whole(operation.kind).await?;
        // Tasks, effects and handles hold the run, and a task that is left over may still let a handle out.
        eventually("nothing of the operation is left", async || {
            drop(run.trace.take_escaped());
            Arc::strong_count(&run) == 1
        })
        .await;
        let afterwards = run.trace.notes();
        let rows = self.clear().await;

        let endings = model::endings(operation, &notes);
        let ending = match &response {
            Some(response) => {
                let ending = *endings
                    .iter()
                    .find(|ending| is_told(ending, response))
                    .ok_or_else(|| fail(format!("{response:?} is none of {endings:?}")))?;
                assert_response(operation, &notes, ending, response)?;
                ending
            }
            // Nobody was told: what is there has to say which it was.
            None => *endings
                .iter()
                .find(|ending| {
                    rows == ending.rows(&notes) && afterwards.effects_run == ending.effects(&notes)
                })
                .unwrap_or(&endings[0]),
        };
        prop_assert_eq!(&rows, &ending.rows(&notes), "rows after {:?}", ending);
        prop_assert_eq!(
            &afterwards.effects_run,
            ending.effects(&notes),
            "effects after {:?}",
            ending
        );
        prop_assert_eq!(afterwards.violations(), Vec::<String>::new());
        let mut seen = Vec::new();
        if ending.keeps_rows && notes.kept > 0 {
            seen.push("committed with a savepoint kept".to_owned());
        }
        if ending.keeps_rows && notes.undone > 0 {
            seen.push("committed with a savepoint undone".to_owned());
        }
        seen.push(match (response, ending.reason) {
            (None, _) if rows.is_empty() => "gone, nothing kept".to_owned(),
            (None, _) => "gone, rows kept".to_owned(),
            (Some(_), Some(reason)) => format!("{} {reason}", ending.outcome),
            (Some(_), None) => ending.outcome.to_owned(),
        });
        Ok(seen)
    }

    /// A handle that was kept is of no use, from the moment that the operation has ended.
    async fn assert_handles_are_finished(&self, run: &Run) -> Result<(), TestCaseError> {
        for unit in run.trace.notes().escaped {
            let result = count_marks(&unit).await;
            let refusal = result.as_ref().err().and_then(UnitError::in_db_err);
            prop_assert_eq!(refusal, Some(&UnitError::Finished), "{:?}", result);
        }
        Ok(())
    }

    /// The only connection of the pool that the operation used is free, and nothing is open on it.
    async fn assert_pool_is_whole(&self, kind: Kind) -> Result<(), TestCaseError> {
        let database = &self.stage.database;
        let count = async |unit| count_marks(&unit).await;
        let next = async {
            match kind {
                Kind::Query => database.read(count).await,
                Kind::Mutation => database.write(count).await,
            }
        };
        let counted = timeout(PATIENCE, next).await.map_err(fail)?;
        prop_assert!(counted.is_ok(), "the pool is not whole: {:?}", counted);
        Ok(())
    }

    /// The rows that were committed; they are taken away for the next operation.
    async fn clear(&self) -> Vec<String> {
        let mine = format!("FROM mark WHERE name <> '{TAKEN}'");
        let select = format!("SELECT name {mine}");
        let rows = self.observer.texts(&select).await;
        if !rows.is_empty() {
            self.observer.execute(&format!("DELETE {mine}")).await;
        }
        let mut rows: Vec<String> = rows.into_iter().flatten().collect();
        rows.sort();
        rows
    }
}

fn is_told(ending: &Ending, response: &Response) -> bool {
    let report = report(response);
    report["outcome"] == ending.outcome && report["reason"].as_str() == ending.reason
}

fn assert_response(
    operation: &Operation,
    notes: &Notes,
    ending: Ending,
    response: &Response,
) -> Result<(), TestCaseError> {
    let report = report(response);
    if notes.orphans == 0 {
        prop_assert_eq!(&report["statements"], notes.answered);
    }
    let expected = if ending.has_data {
        model::data(operation, notes).map_err(fail)?
    } else {
        serde_json::Value::Null
    };
    prop_assert_eq!(data(response), expected);
    match ending.reason {
        Some("DOOMED") => prop_assert_eq!(codes(response), ["UNIT_DOOMED"]),
        _ if notes.ends.values().any(|end| *end == End::Panicked) => {
            prop_assert_eq!(codes(response), ["INTERNAL"]);
        }
        _ => {
            let failed = notes.ends.values().any(|end| *end == End::Failed);
            prop_assert_eq!(response.is_err(), failed);
        }
    }
    let shown = serde_json::to_string(&response.errors).map_err(fail)?;
    prop_assert!(!shown.contains("mark"), "the database's words: {}", shown);
    Ok(())
}

/// The answer, unless the client goes before: then the operation is dropped.
async fn while_client_stays(
    operation: &Operation,
    run: &Run,
    execution: impl Future<Output = Response>,
) -> Option<Response> {
    let mut execution = pin!(execution);
    let resolvers = operation.all_fields().len();
    let mut polls = 0;
    poll_fn(|context| {
        polls += 1;
        let answer = execution.as_mut().poll(context);
        let goes = match operation.client {
            Client::Stays => false,
            Client::GoesAfter(most) => polls >= most,
            Client::GoesAtTheEnd => run.trace.notes().ends.len() == resolvers,
        };
        match answer {
            Poll::Pending if goes => Poll::Ready(None),
            answer => answer.map(Some),
        }
    })
    .await
}

fn fail(reason: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(reason.to_string())
}

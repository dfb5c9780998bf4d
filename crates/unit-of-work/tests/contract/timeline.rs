//! The timeline of a report: what was said to the database, and what was waited for.

use std::time::Duration;

use async_graphql::{BatchRequest, BatchResponse, Executor, Request, Response};
use daybook_test_harness::{Engine, TestDatabase, on_every_engine};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::timeout;
use unit_of_work::{AllOrNothing, DatabaseOptions, Report, UnitOfWorkExtension};

use crate::{
    retries::{contended, ended},
    stage::{PATIENCE, Stage, codes, report},
};

/// A stage whose responses tell everything.
async fn watched(
    test: TestDatabase,
    configure: impl FnOnce(UnitOfWorkExtension) -> UnitOfWorkExtension,
) -> Stage {
    let url = test.url().to_owned();
    Stage::at(test, &url, DatabaseOptions::default(), |extension| {
        configure(extension.report(Report::Timeline))
    })
    .await
}

fn timeline(response: &Response) -> Vec<Value> {
    let timeline = report(response)["timeline"].take();
    timeline.as_array().expect("a timeline").clone()
}

/// Of each step, one member, where it has it.
fn members<'a>(timeline: &'a [Value], member: &'a str) -> Vec<&'a str> {
    let found = timeline.iter().filter_map(|step| step[member].as_str());
    found.collect()
}

fn steps(timeline: &[Value]) -> Vec<&str> {
    members(timeline, "step")
}

/// Every step has ended, one after the other.
fn assert_in_order(timeline: &[Value]) {
    let mut before = 0.0;
    for step in timeline {
        let number = |member: &str| step[member].as_f64();
        let at = number("at").expect("a beginning");
        assert!(at >= before, "{timeline:?}");
        before = at + number("milliseconds").expect("an end");
        // Rounded to a microsecond each.
        before -= 0.003;
    }
}

on_every_engine! {
    async fn mutation_from_wait_to_commit(test: TestDatabase) {
        let stage = watched(test, |extension| extension).await;
        let response = stage.run("mutation { mark(name: \"a\") second: mark(name: \"b\") }").await;
        let timeline = timeline(&response);
        assert_eq!(steps(&timeline), ["WAIT", "BEGIN", "STATEMENT", "STATEMENT", "COMMIT"]);
        assert_eq!(members(&timeline, "sql"), ["INSERT INTO mark VALUES ('a')", "INSERT INTO mark VALUES ('b')"]);
        assert_eq!((&timeline[2]["field"], &timeline[3]["field"]), (&"mark".into(), &"second".into()));
        assert_eq!(timeline[4].get("field"), None, "COMMIT is for all fields");
        // There is one server, so nobody has to be told which.
        assert!(members(&timeline, "server").is_empty(), "{timeline:?}");
        assert_eq!(report(&response)["server"], Value::Null);
        assert_in_order(&timeline);
        stage.assert_whole().await;
    }

    /// What failed says how, and ROLLBACK follows it.
    async fn failure_and_its_rollback(test: TestDatabase) {
        let stage = watched(test, |extension| extension.field_savepoints(true)).await;
        let response = stage.run("mutation { mark(name: \"a\") again: mark(name: \"a\") }").await;
        let timeline = timeline(&response);
        assert_eq!(
            steps(&timeline),
            ["WAIT", "BEGIN", "SAVEPOINT", "STATEMENT", "SAVEPOINT", "SAVEPOINT", "STATEMENT", "ROLLBACK"]
        );
        assert_eq!(timeline[6]["failure"], "CONSTRAINT");
        assert_eq!(members(&timeline, "failure"), ["CONSTRAINT"]);
        stage.assert_whole().await;
    }

    /// All attempts of an operation are on one timeline, with the wait between them.
    async fn every_attempt_is_told(test: TestDatabase) {
        let mut stage = contended(test).await;
        stage.schema = stage.schema_with(|extension| extension.report(Report::Timeline));
        let retrying = stage.retrying(1000);
        let operation = stage.loses_once(&retrying, "mutation { increment(meet: MEET) }").await;
        let response = ended(operation).await;
        let attempts = report(&response)["attempts"].as_u64();
        let timeline = timeline(&response);
        let last = timeline.last().expect("a step");
        assert_eq!((last["attempt"].as_u64(), &last["step"]), (attempts, &"COMMIT".into()));
        assert!(attempts > Some(1), "{response:?}");
        let again = steps(&timeline).iter().filter(|step| **step == "RUN_AGAIN").count();
        assert_eq!(Some(again as u64 + 1), attempts);
        assert!(members(&timeline, "failure").contains(&"CONFLICT"), "{timeline:?}");
        stage.assert_whole().await;
    }

    /// One statement needs no BEGIN; what was thrown away for a second one is told, and is no attempt of its own.
    async fn query_without_and_with_a_transaction(test: TestDatabase) {
        let stage = watched(test, |extension| extension).await;
        let retrying = stage.retrying(5);
        let run = async |query: &str| timeout(PATIENCE, retrying.execute(Request::new(query))).await.expect("answers");
        assert_eq!(steps(&timeline(&run("{ marks }").await)), ["WAIT", "STATEMENT"]);
        let response = run("{ one: marks two: marks }").await;
        let twice = timeline(&response);
        let snapshot = steps(&twice).iter().position(|step| *step == "SNAPSHOT").expect("was found out");
        assert_eq!(steps(&twice)[snapshot + 1..], ["WAIT", "BEGIN", "STATEMENT", "STATEMENT"]);
        assert!(twice.iter().all(|step| step["attempt"] == 1), "{twice:?}");
        let known = timeline(&run("{ one: marks two: marks }").await);
        assert_eq!(steps(&known), ["WAIT", "BEGIN", "STATEMENT", "STATEMENT"]);
        stage.assert_whole().await;
    }

    /// What the deadline has overtaken is there, without an end; what comes after the response is not.
    async fn what_is_under_way_has_no_end(test: TestDatabase) {
        let stage = watched(test, |extension| extension.deadline(Duration::from_millis(300))).await;
        let other = stage.observer().await;
        let waits_at = match stage.test.engine() {
            Engine::Sqlite => {
                other.execute("BEGIN IMMEDIATE").await;
                1
            }
            Engine::Postgres => {
                other.execute("BEGIN").await;
                other.execute("LOCK TABLE mark").await;
                2
            }
            Engine::MariaDb => {
                other.hold_writers("mark").await;
                2
            }
        };
        let response = stage.run("mutation { mark(name: \"a\") }").await;
        other.execute("ROLLBACK").await;
        assert_eq!(codes(&response), ["DEADLINE_EXCEEDED"]);
        let timeline = timeline(&response);
        assert_eq!(steps(&timeline)[..=waits_at], ["WAIT", "BEGIN", "STATEMENT"][..=waits_at]);
        let step = &timeline[waits_at];
        if step["milliseconds"].is_null() {
            assert_eq!(timeline.len(), waits_at + 1, "{timeline:?}");
        } else {
            // PostgreSQL knows the deadline too, and was quicker to end it.
            assert_eq!(step["failure"], "TIMEOUT", "{timeline:?}");
        }
        assert_eq!(step["field"], "mark");
        stage.assert_whole().await;
    }

    /// A batch of a loader is for the field that asked first.
    async fn statement_of_a_loader_names_a_field(test: TestDatabase) {
        let stage = watched(test, |extension| extension).await;
        let response = stage.run("{ items(n: 20) { marks } }").await;
        assert_eq!(members(&timeline(&response), "field").last(), Some(&"items.0.marks"));
        stage.assert_whole().await;
    }

    /// An event has the timeline of its own unit.
    async fn event_has_a_timeline_of_its_own(test: TestDatabase) {
        let stage = watched(test, |extension| extension).await;
        let mut events = stage.schema.execute_stream(Request::new("subscription { ticks { marks } }"));
        stage.cue.proceed();
        for _ in 0..2 {
            let event = timeout(PATIENCE, events.next()).await.expect("in time").expect("an event");
            assert_eq!(steps(&timeline(&event)), ["WAIT", "BEGIN", "STATEMENT"]);
        }
        stage.assert_whole().await;
    }

    /// The operations of a batch that is one unit have one timeline.
    async fn batch_that_is_one_unit_has_one_timeline(test: TestDatabase) {
        let stage = watched(test, |extension| extension).await;
        let requests = ["a", "b"].map(|name| Request::new(format!("mutation {{ mark(name: \"{name}\") }}")).data(AllOrNothing));
        let batch = stage.retrying(5).execute_batch(BatchRequest::Batch(requests.into())).await;
        let BatchResponse::Batch(responses) = batch else { panic!("{batch:?}") };
        for response in &responses {
            assert_eq!(steps(&timeline(response)), ["WAIT", "BEGIN", "STATEMENT", "STATEMENT", "COMMIT"]);
        }
        stage.assert_whole().await;
    }

    /// However many statements there are, a response says how many it leaves out.
    async fn timeline_is_bounded(test: TestDatabase) {
        let stage = watched(test, |extension| extension).await;
        let fields: String = (0..600).map(|n| format!("m{n}: mark(name: \"{n}\") ")).collect();
        let response = stage.run(&format!("mutation {{ {fields} }}")).await;
        assert!(response.is_ok(), "{response:?}");
        let told = timeline(&response).len();
        assert_eq!(report(&response)["stepsLeftOut"], 600 + 3 - told);
        assert!((1..600).contains(&told), "{told}");
        assert_eq!(stage.marks().await.len(), 600);
    }

    /// Who did not ask for it is not told.
    async fn report_alone_has_no_timeline(test: TestDatabase) {
        let stage = Stage::new(test).await;
        let response = stage.run("mutation { mark(name: \"a\") }").await;
        assert_eq!(report(&response).get("timeline"), None);
        stage.assert_whole().await;
    }
}

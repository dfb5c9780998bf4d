//! A COMMIT that is not answered: the database is asked what became of it.

mod markers;
mod proofs;
mod servers;
mod swept;

use std::time::Duration;

use async_graphql::{Executor, Request};
use tokio::time::Instant;
use unit_of_work::{DatabaseOptions, SessionSettings, marker};

use self::markers::{is_commit, unconfigured, with_markers};
use crate::stage::{codes, data, ended, outcome, report};

/// The server had seen COMMIT: the operation has happened, and the client is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_after_the_commit_is_success() {
    let (stage, proxy) = unconfigured().await;
    let gate = proxy.hold_reply(is_commit);
    let operation = stage.start("mutation { mark(name: \"a\") effects }");
    gate.reached().await;
    gate.cut();
    let response = ended(operation).await;
    assert!(response.is_ok(), "{response:?}");
    assert_eq!(outcome(&response), "COMMITTED");
    assert_eq!(stage.cue.effects(), ["first", "last"]);
    assert_eq!(stage.marks().await, ["a"]);
    stage.assert_whole().await;
}

/// The server had not seen COMMIT: nothing has happened, for certain, and the client may run it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_before_the_commit_is_failure() {
    let (stage, proxy) = unconfigured().await;
    let gate = proxy.hold(is_commit);
    let operation = stage.start("mutation { mark(name: \"a\") effects }");
    gate.reached().await;
    gate.cut();
    let response = ended(operation).await;
    assert_eq!(codes(&response), ["COMMIT_FAILED"]);
    assert_eq!(data(&response), serde_json::Value::Null);
    assert_eq!(stage.cue.effects(), Vec::<String>::new());
    assert_eq!(stage.marks().await, Vec::<String>::new());
    stage.assert_whole().await;
}

/// The same with retries: the client sees one answer, and one effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_before_the_commit_is_run_again() {
    let (stage, proxy) = unconfigured().await;
    let gate = proxy.hold(is_commit);
    let retrying = stage.retrying(3);
    let request = Request::new("mutation { mark(name: \"a\") effects }");
    let operation = tokio::spawn(async move { retrying.execute(request).await });
    gate.reached().await;
    gate.cut();
    let response = ended(operation).await;
    assert!(response.is_ok(), "{response:?}");
    assert_eq!(report(&response)["attempts"], 2);
    assert_eq!(stage.cue.effects(), ["first", "last"]);
    assert_eq!(stage.marks().await, ["a"]);
}

/// The connection goes silent, and the server still holds the transaction open: it is ended, so that there is an outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transaction_that_hangs_is_ended() {
    let (stage, proxy) = unconfigured().await;
    let gate = proxy.hold(is_commit);
    let operation = stage.start("mutation { mark(name: \"a\") }");
    gate.reached().await;
    let response = ended(operation).await;
    assert_eq!(codes(&response), ["COMMIT_FAILED"]);
    // A COMMIT that comes too late finds nobody.
    gate.release();
    stage.assert_whole().await;
    assert_eq!(stage.marks().await, Vec::<String>::new());
}

/// The whole database is out of reach: neither success nor failure is claimed, the operation ends within its deadline and one
/// bound, and it is not run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_to_ask_is_unknown() {
    let mut options = DatabaseOptions::default();
    options.finish_timeout = Duration::from_secs(1);
    let (stage, proxy) = with_markers(options, |extension| {
        extension.deadline(Duration::from_secs(2))
    })
    .await;
    let gate = proxy.hold(is_commit);
    let retrying = stage.retrying(3);
    let started = Instant::now();
    let request = Request::new("mutation { mark(name: \"a\") effects }");
    let operation = tokio::spawn(async move { retrying.execute(request).await });
    gate.reached().await;
    proxy.blackhole();
    let response = ended(operation).await;
    assert_eq!(codes(&response), ["OUTCOME_UNKNOWN"]);
    // Half of it is for a busy machine; one bound more would be too late.
    let took = started.elapsed();
    assert!(took < Duration::from_millis(3500), "{took:?}");
    assert_eq!(data(&response), serde_json::Value::Null);
    assert_eq!(report(&response)["outcome"], "UNKNOWN");
    assert_eq!(report(&response)["attempts"], 1);
    assert_eq!(stage.cue.effects(), Vec::<String>::new());
    proxy.restore();
    gate.cut();
    stage.assert_whole().await;
}

/// Without the table nothing proves a COMMIT, and nothing is claimed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_markers_it_is_unknown() {
    let (stage, proxy) = crate::clients::behind_a_proxy(DatabaseOptions::default()).await;
    let gate = proxy.hold_reply(is_commit);
    let operation = stage.start("mutation { mark(name: \"a\") effects }");
    gate.reached().await;
    gate.cut();
    let response = ended(operation).await;
    assert_eq!(codes(&response), ["OUTCOME_UNKNOWN"]);
    assert_eq!(stage.cue.effects(), Vec::<String>::new());
    assert_eq!(stage.marks().await, ["a"]);
    stage.assert_whole().await;
}

/// The marker travels with COMMIT; where a row is named, there is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marker_costs_no_flight() {
    let (stage, proxy) = unconfigured().await;
    let last = async |query: &str| {
        proxy.clear_log();
        let response = stage.run(query).await;
        assert!(response.is_ok(), "{response:?}");
        let mut log = proxy.log();
        (log.len(), log.pop().unwrap_or_default())
    };
    // Prepares the statement.
    stage.run("mutation { mark(name: \"a\") refuse }").await;
    let (flights, end) = last("mutation { mark(name: \"a\") }").await;
    assert_eq!(flights, 3, "BEGIN, the statement, COMMIT");
    let insert = "INSERT INTO public.unit_of_work_marker (created_at, id) VALUES (";
    assert!(
        end.starts_with(insert) && end.ends_with("); COMMIT"),
        "{end}"
    );
    let (_, end) = last("mutation { evident(name: \"b\") }").await;
    assert_eq!(end, "COMMIT");
    // What an operation sees by its settings, others may not: a row that it names proves nothing to them.
    let request = Request::new("mutation { evident(name: \"c\") }");
    let settings = SessionSettings::new().set("app.tenant", "42");
    let response = stage.schema.execute(request.data(settings)).await;
    assert!(response.is_ok(), "{response:?}");
    let end = proxy.log().pop().unwrap_or_default();
    assert!(end.starts_with(insert), "{end}");
}

/// A marker that cannot be inserted fails the COMMIT, in the same flight.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marker_that_fails_commits_nothing() {
    let (stage, _proxy) = unconfigured().await;
    stage
        .observer()
        .await
        .execute("ALTER TABLE unit_of_work_marker ADD CHECK (created_at < 0) NOT VALID")
        .await;
    let response = stage.run("mutation { mark(name: \"a\") effects }").await;
    assert_eq!(codes(&response), ["COMMIT_FAILED"]);
    assert_eq!(stage.marks().await, Vec::<String>::new());
    assert_eq!(stage.cue.effects(), Vec::<String>::new());
}

/// Markers go when nobody can ask for them any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markers_are_swept() {
    let (stage, _proxy) = unconfigured().await;
    let count = async || {
        let observer = stage.observer().await;
        observer
            .i64("SELECT count(*) FROM unit_of_work_marker")
            .await
    };
    let before = count().await;
    assert!(before > 0);
    let now = std::time::SystemTime::now();
    let swept = async |now| marker::sweep(&stage.database, now).await.expect("sweeps");
    assert_eq!(swept(now).await, 0);
    // That sweep was a unit as well.
    assert_eq!(count().await, before + 1);
    let old = i64::try_from(swept(now + Duration::from_secs(25 * 60 * 60)).await);
    assert_eq!(old, Ok(before + 1));
    // That of the sweep, and the row that says how far it went: one, however often there is a sweep.
    assert_eq!(count().await, 2);
    for days in [2, 3] {
        let later = now + Duration::from_secs(days * 24 * 60 * 60);
        assert_eq!(swept(later + Duration::from_secs(60)).await, 1);
        assert_eq!(count().await, 2);
    }
}

/// A unit of which nobody needs to know whether it was committed inserts no marker, and is committed all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unit_that_needs_no_proof_has_no_marker() {
    let (stage, _proxy) = unconfigured().await;
    let observer = stage.observer().await;
    let count = "SELECT count(*) FROM unit_of_work_marker";
    let before = observer.i64(count).await;
    for (name, needs_proof) in [("proved", true), ("not proved", false)] {
        let write = async |unit: unit_of_work::UnitOfWork| {
            if !needs_proof {
                unit.needs_no_proof();
            }
            let insert = format!("INSERT INTO mark VALUES ('{name}')");
            sea_orm::ConnectionTrait::execute_unprepared(&unit, &insert).await?;
            Ok::<_, sea_orm::DbErr>(())
        };
        stage.database.write(write).await.expect("commits");
        // That of the first.
        assert_eq!(observer.i64(count).await - before, 1, "{name}");
    }
    assert_eq!(stage.marks().await, ["not proved", "proved"]);
}

//! What would prove a COMMIT is deleted before anybody has asked for it, because a clock is wrong.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_graphql::{Executor, Request, Response, Schema};
use sea_orm::DbBackend;
use tokio::task::JoinHandle;
use unit_of_work::{
    IdempotencyKey, IdempotencySettings, Report, Retrying, UnitOfWorkExtension, idempotency, marker,
};

use super::markers::{is_commit, unconfigured};
use crate::stage::{Mutation, Query, Stage, Subscriptions, codes, ended, report};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What happens between a COMMIT and the question for its outcome, and what the client is told.
const CASES: [(Proof, Meanwhile, &str); 8] = [
    (
        Proof::Marker,
        Meanwhile::Sweep { ahead: 2 },
        "OUTCOME_UNKNOWN",
    ),
    (
        Proof::Marker,
        Meanwhile::SweepTwice { ahead: 2 },
        "OUTCOME_UNKNOWN",
    ),
    (Proof::Marker, Meanwhile::Sweep { ahead: 0 }, ""),
    (Proof::Key, Meanwhile::Sweep { ahead: 2 }, "OUTCOME_UNKNOWN"),
    (
        Proof::Key,
        Meanwhile::SweepTwice { ahead: 2 },
        "OUTCOME_UNKNOWN",
    ),
    (Proof::Key, Meanwhile::Sweep { ahead: 0 }, ""),
    (
        Proof::Key,
        Meanwhile::TakeOver { ahead: 2 },
        "OUTCOME_UNKNOWN",
    ),
    (Proof::Key, Meanwhile::TakeOver { ahead: 0 }, ""),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Marker,
    Key,
}

/// By a server whose clock is so many days ahead.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Sweep {
        ahead: u32,
    },
    /// The second by a clock that is right.
    SweepTwice {
        ahead: u32,
    },
    /// Another operation has the same key.
    TakeOver {
        ahead: u32,
    },
}

async fn sweep(stage: &Stage, ahead: u32) {
    let now = SystemTime::now() + DAY * ahead;
    idempotency::sweep(&stage.database, now)
        .await
        .expect("sweeps");
    marker::sweep(&stage.database, now).await.expect("sweeps");
}

/// Starts a mutation on a server whose clock is so many days ahead.
fn start(stage: &Stage, name: &str, proof: Proof, ahead: u32) -> JoinHandle<Response> {
    let extension = UnitOfWorkExtension::new(stage.database.clone())
        .report(Report::InExtensions)
        .idempotency(IdempotencySettings::default().clock(move || SystemTime::now() + DAY * ahead));
    let schema = Schema::build(Query, Mutation, Subscriptions)
        .extension(extension)
        .data(Arc::clone(&stage.cue))
        .finish();
    let mut request = Request::new(format!("mutation {{ mark(name: \"{name}\") }}"));
    if proof == Proof::Key {
        request = request.data(IdempotencyKey::new("k").expect("a key"));
    }
    tokio::spawn(async move { Retrying::new(schema).execute(request).await })
}

async fn case(proof: Proof, meanwhile: Meanwhile, told: &str, is_committed: bool) {
    let name = format!("{proof:?}, {meanwhile:?}, {is_committed}");
    let (stage, proxy) = unconfigured().await;
    let table = idempotency::create_table(DbBackend::Postgres);
    stage.observer().await.execute(&table).await;
    let look = proxy.hold(|sql| sql.contains("row_security"));
    let commit = if is_committed {
        proxy.hold_reply(is_commit)
    } else {
        proxy.hold(is_commit)
    };
    let first = start(&stage, "a", proof, 0);
    commit.reached().await;
    commit.cut();
    look.reached().await;
    match meanwhile {
        Meanwhile::Sweep { ahead } => sweep(&stage, ahead).await,
        Meanwhile::SweepTwice { ahead } => {
            sweep(&stage, ahead).await;
            sweep(&stage, 0).await;
        }
        Meanwhile::TakeOver { ahead } => {
            let other = ended(start(&stage, "b", proof, ahead)).await;
            assert_eq!(other.is_ok(), ahead > 0, "{name}: {other:?}");
        }
    }
    look.release();
    let first = ended(first).await;
    let told: &[&str] = if told.is_empty() { &[] } else { &[told] };
    assert_eq!(codes(&first), told, "{name}");
    assert_eq!(report(&first)["attempts"], 1, "{name}");
    let marks = stage.marks().await;
    assert_eq!(
        marks.iter().filter(|mark| *mark == "a").count(),
        1,
        "{name}: {marks:?}"
    );
}

/// Nobody hears that nothing happened, and nothing happens twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proof_that_a_wrong_clock_deletes_is_not_taken_for_a_failure() {
    for (proof, meanwhile, told) in CASES {
        case(proof, meanwhile, told, true).await;
    }
}

/// A sweep by a clock that is right takes away no certainty: what did not happen is run again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sweep_by_a_right_clock_leaves_outcomes_known() {
    for (proof, ways) in [(Proof::Marker, "a marker"), (Proof::Key, "a key")] {
        let (stage, proxy) = unconfigured().await;
        let observer = stage.observer().await;
        observer
            .execute(&idempotency::create_table(DbBackend::Postgres))
            .await;
        // Something old to delete.
        observer
            .execute(
                "INSERT INTO unit_of_work_marker VALUES (1, 'a0000000-0000-4000-8000-000000000000'); \
                 INSERT INTO unit_of_work_idempotency VALUES ('', 'old', '', '{}', 1)",
            )
            .await;
        sweep(&stage, 0).await;
        let old = "SELECT (SELECT count(*) FROM unit_of_work_marker WHERE created_at = 1) \
                   + (SELECT count(*) FROM unit_of_work_idempotency WHERE idempotency_key = 'old')";
        assert_eq!(observer.i64(old).await, 0);
        let commit = proxy.hold(is_commit);
        let operation = start(&stage, "a", proof, 0);
        commit.reached().await;
        commit.cut();
        let response = ended(operation).await;
        assert!(response.is_ok(), "{ways}: {response:?}");
        assert_eq!(report(&response)["attempts"], 2, "{ways}");
        assert_eq!(stage.marks().await, ["a"], "{ways}");
    }
}

//! One node writes, and no other one can.

use async_graphql::{Executor, Request};
use sea_orm::ConnectionTrait;
use unit_of_work::{FailureKind, UnitTerms};

use super::{stage, take_over, writer};
use crate::stage::{codes, count_marks, data, ended, insert_mark, outcome};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_run_on_a_cluster() {
    let (cluster, name, stage) = stage(&[0, 1, 2]).await;
    let marked = stage.run("mutation { mark(name: \"a\") }").await;
    assert_eq!(outcome(&marked), "COMMITTED");
    for _ in 0..6 {
        let read = stage.run("{ marks }").await;
        assert_eq!(data(&read), serde_json::json!({ "marks": 1 }));
    }
    let refused = stage
        .run("mutation { mark(name: \"b\") again: mark(name: \"a\") }")
        .await;
    assert!(!refused.errors.is_empty(), "{refused:?}");
    assert_eq!(stage.marks().await, ["a"]);
    stage.assert_whole().await;
    let (node, epoch) = writer(&cluster, &name, 1).await;
    assert_eq!((node, epoch), (Some(0), 1));
}

/// Whoever names the nodes in another order finds the one that writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_writes_stays_the_one() {
    let (cluster, name, one) = stage(&[1, 2, 0]).await;
    one.assert_whole().await;
    assert_eq!(writer(&cluster, &name, 0).await, (Some(1), 1));
    let url = cluster.list(&[0, 2, 1], &name);
    let options = unit_of_work::DatabaseOptions::default();
    let other = unit_of_work::Database::connect(&url, options)
        .await
        .expect("connects");
    for number in 0..10 {
        let mark = format!("other {number}");
        let written = other.write(async |unit| insert_mark(&unit, &mark).await);
        written.await.expect("is written");
        let query = format!("mutation {{ mark(name: \"one {number}\") }}");
        assert_eq!(outcome(&one.run(&query).await), "COMMITTED");
    }
    assert_eq!(one.marks().await.len(), 20);
    assert_eq!(writer(&cluster, &name, 0).await, (Some(1), 1));
}

/// Another server lets another node take over while an operation is under way. Its COMMIT is refused, wherever the operation stands, and
/// it is run again on the node that writes now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_of_an_earlier_writer_is_refused() {
    let (cluster, name, stage) = stage(&[0, 1, 2]).await;
    stage.assert_whole().await;
    let mut epoch = 1;
    for (node, retries) in [(1, false), (2, true)] {
        let query = format!("mutation {{ mark(name: \"{node}\") meet }}");
        let operation = match retries {
            false => stage.start(&query),
            true => {
                let (retrying, request) = (stage.retrying(5), Request::new(&query));
                tokio::spawn(async move { retrying.execute(request).await })
            }
        };
        stage.cue.reached().await;
        take_over(&cluster, &name, node).await;
        epoch += 1;
        stage.cue.proceed();
        if retries {
            stage.cue.reached().await;
            stage.cue.proceed();
            assert_eq!(outcome(&ended(operation).await), "COMMITTED");
            assert_eq!(stage.marks().await, ["2"]);
        } else {
            let response = ended(operation).await;
            assert_eq!(
                codes(&response),
                ["CONFLICT_RETRIES_EXHAUSTED"],
                "{response:?}"
            );
            assert_eq!(stage.marks().await, Vec::<String>::new());
        }
        // Nobody takes it back.
        stage.assert_whole().await;
        assert_eq!(writer(&cluster, &name, 0).await, (Some(node), epoch));
    }
}

/// Two operations hold the same lock, each on its node, and find that they are the first. One of them is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_do_not_commit_what_locks_would_keep_apart() {
    let (cluster, name, stage) = stage(&[0, 1, 2]).await;
    stage.assert_whole().await;
    let add_the_first = async |unit: &unit_of_work::UnitOfWork, mark: &str| {
        unit.execute_unprepared("SELECT value FROM counter FOR UPDATE")
            .await?;
        assert_eq!(count_marks(unit).await?, 0);
        insert_mark(unit, mark).await
    };
    let other = at_another(&cluster, &name).await;
    let terms = || UnitTerms::named("the first");
    let first = stage.database.write_with(terms(), async |unit| {
        add_the_first(&unit, "one").await?;
        take_over(&cluster, &name, 1).await;
        let second = other.write_with(terms(), async |unit| add_the_first(&unit, "two").await);
        second.await
    });
    let error = first.await.expect_err("is refused");
    assert_eq!(FailureKind::of(&error), FailureKind::Conflict, "{error:?}");
    assert_eq!(stage.marks().await, ["two"]);
}

async fn at_another(
    cluster: &daybook_test_harness::galera::Galera,
    name: &str,
) -> unit_of_work::Database {
    let url = cluster.list(&[1, 0, 2], name);
    let options = unit_of_work::DatabaseOptions::default();
    let database = unit_of_work::Database::connect(&url, options).await;
    database.expect("connects")
}

/// With its own node alone, a server does not take over from one that is there, and can be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_that_is_named_alone_does_not_take_over() {
    let (cluster, name, stage) = stage(&[0]).await;
    stage.assert_whole().await;
    assert_eq!(writer(&cluster, &name, 0).await, (Some(0), 1));
    drop(stage);
    let url = cluster.url(1, &name);
    let options =
        unit_of_work::DatabaseOptions::default().acquire_timeout(std::time::Duration::from_secs(3));
    let other = unit_of_work::Database::connect(&url, options)
        .await
        .expect("connects");
    let read = other.read(async |unit| count_marks(&unit).await).await;
    assert_eq!(read, Ok(0));
    let written = other
        .write(async |unit| insert_mark(&unit, "b").await)
        .await;
    let error = written.expect_err("is refused");
    assert_eq!(
        FailureKind::of(&error),
        FailureKind::Unavailable,
        "{error:?}"
    );
    assert!(error.to_string().contains("does not name"), "{error}");
    assert_eq!(writer(&cluster, &name, 0).await, (Some(0), 1));
}

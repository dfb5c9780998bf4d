//! A COMMIT that is not answered: the cluster is asked what became of it.

use async_graphql::Response;
use daybook_test_harness::{Cable, Lost, eventually, galera::cluster, list};
use tokio::task::JoinHandle;

use super::{at, empty, writer};
use crate::stage::{Stage, codes, ended, outcome};

/// A stage whose writer is node 0, behind a cable.
async fn behind_a_cable() -> (daybook_test_harness::galera::Galera, String, Stage, Cable) {
    let cluster = cluster().await;
    let name = empty(&cluster).await;
    let cable = Cable::to(&cluster.url(0, &name)).await;
    let others = [cluster.url(1, &name), cluster.url(2, &name)];
    let url = list(&[cable.url(), &others[0], &others[1]]);
    let stage = at(&cluster, &name, &url).await;
    stage.assert_whole().await;
    assert_eq!(writer(&cluster, &name, 1).await, (Some(0), 1));
    (cluster, name, stage, cable)
}

async fn loses(stage: &Stage, cable: &Cable, lost: Lost) -> JoinHandle<Response> {
    let operation = stage.start("mutation { mark(name: \"a\") effects meet }");
    stage.cue.reached().await;
    cable.lose_from("COMMIT", lost);
    stage.cue.proceed();
    operation
}

/// The node is there, and tells it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcome_is_found_on_the_same_node() {
    let (_cluster, _, stage, cable) = behind_a_cable().await;
    for (lost, is_committed) in [(Lost::Orders, false), (Lost::Answers, true)] {
        let operation = loses(&stage, &cable, lost).await;
        let response = ended(operation).await;
        if is_committed {
            assert_eq!(outcome(&response), "COMMITTED", "{response:?}");
            assert_eq!(stage.marks().await, ["a"]);
        } else {
            assert_eq!(codes(&response), ["COMMIT_FAILED"], "{response:?}");
            assert_eq!(stage.marks().await, Vec::<String>::new());
        }
        assert_eq!(stage.cue.effects().is_empty(), !is_committed);
        cable.cut();
    }
}

/// The node is killed, and the one that takes over tells it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcome_is_found_on_another_node() {
    for (lost, is_committed) in [(Lost::Orders, false), (Lost::Answers, true)] {
        let (mut cluster, name, mut stage, cable) = behind_a_cable().await;
        let operation = loses(&stage, &cable, lost).await;
        let others = cluster.database_on(1, &name);
        let observer = others.observer().await;
        if is_committed {
            eventually("it is committed", async || {
                observer.i64("SELECT COUNT(*) FROM mark").await == 1
            })
            .await;
        } else {
            eventually("COMMIT is lost", async || {
                cable.orders(|order| {
                    order.contains("unit_of_work_marker") && order.contains("COMMIT")
                }) >= 2
            })
            .await;
        }
        cluster.crash(0).await;
        cable.cut();
        stage.test = others;
        let response = ended(operation).await;
        if is_committed {
            assert_eq!(outcome(&response), "COMMITTED", "{response:?}");
            assert_eq!(stage.marks().await, ["a"]);
        } else {
            assert_eq!(codes(&response), ["COMMIT_FAILED"], "{response:?}");
            assert_eq!(stage.marks().await, Vec::<String>::new());
        }
        assert_eq!(stage.cue.effects().is_empty(), !is_committed);
        // It was found out by an epoch that has begun.
        assert_eq!(writer(&cluster, &name, 1).await.1, 2);
        drop(cluster);
    }
}

/// The node is frozen in the middle of COMMIT. It is answered when another node has taken over, and not when the frozen one goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcome_at_a_frozen_node_is_found_on_another() {
    let (mut cluster, name, mut stage, cable) = behind_a_cable().await;
    let operation = loses(&stage, &cable, Lost::Orders).await;
    eventually("COMMIT is lost", async || {
        cable.orders(|order| order.contains("unit_of_work_marker") && order.contains("COMMIT")) >= 2
    })
    .await;
    cluster.freeze(0).await;
    stage.test = cluster.database_on(1, &name);
    let response = ended(operation).await;
    assert_eq!(codes(&response), ["COMMIT_FAILED"], "{response:?}");
    assert_eq!(stage.marks().await, Vec::<String>::new());
    assert_eq!(writer(&cluster, &name, 1).await.1, 2);
}

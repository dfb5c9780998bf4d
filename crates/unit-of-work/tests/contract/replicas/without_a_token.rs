//! Who does not care for tokens does not pay for them: a query without one is read as on a database without replicas.

use async_graphql::{Executor as _, Request};
use daybook_test_harness::{Cluster, WireProxy, eventually};
use unit_of_work::{ConsistencyToken, DatabaseOptions, MaxStaleness};

use super::has_token;
use crate::stage::{PATIENCE, Stage, data};

const MARKS: &str = "{ marks }";

/// The flights of the connection that has read marks.
fn of_the_reader(proxy: &WireProxy) -> Vec<String> {
    let flights = proxy.flights();
    let read = flights
        .iter()
        .find(|flight| flight.text.contains("FROM mark"));
    let reader = read.map(|flight| flight.connection);
    let own = flights
        .into_iter()
        .filter(|flight| Some(flight.connection) == reader);
    own.map(|flight| flight.text).collect()
}

/// One statement is one flight, and nobody asks where the server is: on the primary, and on a replica that may be a little behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn query_without_a_token_is_one_flight() {
    let cluster = Cluster::start(1).await;
    let test = cluster.database().await;
    let primary = test.proxy().await;
    let replica = cluster.database_on(&test, 1).proxy().await;
    let named = [replica.url().parse().expect("is a URL")];
    // Shorter than the deadline, so that the operation has no time-outs of its own, which would need a BEGIN.
    let options = DatabaseOptions::default()
        .replicas(named)
        .statement_timeout(PATIENCE / 2)
        .idle_in_transaction_timeout(PATIENCE / 2);
    let url = primary.url().to_owned();
    let stage = Stage::at(test, &url, options, |it| it.deadline(PATIENCE)).await;
    let retrying = stage.retrying(5);
    let run = async |request: Request| {
        let response = retrying.execute(request).await;
        assert_eq!(data(&response), serde_json::json!({ "marks": 0 }));
        response
    };
    // The reader is warm: its one connection is there, and its statement is prepared.
    run(Request::new(MARKS)).await;
    primary.clear_log();
    assert!(!has_token(&run(Request::new(MARKS)).await));
    let flights = of_the_reader(&primary);
    assert_eq!(flights.len(), 1, "{flights:?}");
    primary.clear_log();
    let shown = Request::new(MARKS).data(ConsistencyToken::FIRST);
    assert!(has_token(&run(shown).await));
    let flights = of_the_reader(&primary);
    assert!(
        flights[0].contains("pg_current_wal_insert_lsn"),
        "{flights:?}"
    );

    let late = || Request::new(MARKS).data(MaxStaleness(30 * PATIENCE));
    eventually("the replica is read in one flight", async || {
        replica.clear_log();
        assert!(!has_token(&run(late()).await));
        let flights = of_the_reader(&replica);
        // It may have been read for the first time, or the primary was asked meanwhile where it is: then this connection is looked at.
        let is_looked_at = |flight: &String| flight.contains("pg_last_wal_replay_lsn");
        assert!(
            !flights.iter().any(|flight| flight.contains("BEGIN")),
            "{flights:?}"
        );
        flights.len() == 1 && !flights.iter().any(is_looked_at)
    })
    .await;
    stage.assert_whole().await;
}

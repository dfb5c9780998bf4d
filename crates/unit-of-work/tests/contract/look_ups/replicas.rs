//! Look-ups on a database with replicas.

use async_graphql::{Executor as _, Request, Response};
use daybook_test_harness::Cluster;
use tokio::{task::JoinHandle, time::timeout};
use unit_of_work::{ConsistencyToken, DatabaseOptions, MaxStaleness, Report};

use super::{Busy, answer, found, mark, names};
use crate::{
    replicas::{SHORT, token},
    stage::{PATIENCE, report},
};

async fn busy(replicas: usize) -> (Cluster, Busy) {
    let cluster = Cluster::start(replicas).await;
    let test = cluster.database().await;
    let urls = (1..=replicas).map(|number| cluster.database_on(&test, number).url().to_owned());
    let named: Vec<_> = urls.map(|url| url.parse().expect("is a URL")).collect();
    let mut options = DatabaseOptions::default()
        .replicas(named)
        .replica_wait(PATIENCE);
    options.look_up_patience = PATIENCE;
    options.max_connections = 8;
    let busy = Busy::with(test, options).await;
    for number in 1..=replicas {
        cluster.caught_up(&busy.stage.test, number).await;
    }
    (cluster, busy)
}

/// With replicas, who shows no token shares as ever, and is told that the primary was read. A token is for its own snapshot, and a query that may be
/// read on a replica does not wait for the primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_are_shared_beside_replicas() {
    let (_cluster, busy) = busy(1).await;
    let shared = busy.begun(mark("c").as_str()).await;
    let again = busy.begun(mark("d").as_str()).await;
    assert_eq!(busy.gate.statements().len(), 2);
    let late = MaxStaleness(30 * PATIENCE);
    for (place, request) in [
        Request::new(mark("c")).data(ConsistencyToken::FIRST),
        Request::new(mark("c")).data(late),
    ]
    .into_iter()
    .enumerate()
    {
        let own = busy.begun(request).await;
        let own = tokio::spawn(own);
        busy.gate.statements_are(3 + place).await;
        assert_eq!(busy.gate.statements()[2 + place], names(&["c"]));
        own.abort();
        let _ = own.await;
    }
    busy.gate.let_go(100);
    for (operation, name) in [(shared, "c"), (again, "d")] {
        let response = answer(operation).await;
        assert_eq!(found(&response), name);
        assert_eq!(report(&response)["server"], "PRIMARY");
        assert!(!response.extensions.contains_key("consistency"));
    }
    assert_eq!(busy.gate.statements()[4], names(&["c", "d"]));
    busy.ends().await;
}

impl Busy {
    /// Adds a mark as somebody else, and answers the token of that.
    async fn write(&self, name: &str) -> ConsistencyToken {
        let written = self
            .stage
            .run(&format!("mutation {{ mark(name: \"{name}\") }}"))
            .await;
        token(&written)
    }

    fn start(&self, name: &str, shown: ConsistencyToken) -> JoinHandle<Response> {
        let (retrying, request) = (self.retrying.clone(), Request::new(mark(name)).data(shown));
        tokio::spawn(async move { retrying.execute(request).await })
    }

    /// Two statements on replicas that wait at the gate, as many as are under way at once. Replicas are known to have the token before.
    async fn with_two_on_replicas(&self, shown: ConsistencyToken) -> [JoinHandle<Response>; 2] {
        let look = Request::new("{ marks }").data(shown);
        let look = look.data(Report::InExtensions);
        let known = answer(self.stage.schema.execute(look)).await;
        assert_eq!(report(&known)["server"], "REPLICA");
        let before = self.gate.statements().len();
        let both = [self.start("a", shown), self.start("b", shown)];
        self.gate.statements_are(before + 2).await;
        both
    }
}

async fn ended(operation: JoinHandle<Response>) -> Response {
    answer(async { operation.await.expect("answers") }).await
}

/// Those who show tokens share, too, on a replica: each reads what its own token stands for, and is told what was seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_with_tokens_are_shared_on_a_replica() {
    let (cluster, busy) = busy(1).await;
    let old = busy.write("old").await;
    let new = busy.write("new").await;
    cluster.caught_up(&busy.stage.test, 1).await;
    let under_way = busy.with_two_on_replicas(new).await;
    let shared = [
        (
            busy.begun(Request::new(mark("new")).data(new)).await,
            "new",
            new,
        ),
        (
            busy.begun(Request::new(mark("old")).data(old)).await,
            "old",
            old,
        ),
        (
            busy.begun(Request::new(mark("c")).data(old)).await,
            "c",
            old,
        ),
    ];
    // Four statements so far: two on the primary, and two on the replica.
    assert_eq!(busy.gate.statements().len(), 4);
    busy.gate.let_go(100);
    let mut told = Vec::new();
    for (operation, name, shown) in shared {
        let response = answer(operation).await;
        assert_eq!(found(&response), name);
        assert_eq!(report(&response)["server"], "REPLICA");
        assert!(token(&response) >= shown.max(new), "{response:?}");
        told.push(token(&response));
    }
    assert!(told.windows(2).all(|two| two[0] == two[1]), "{told:?}");
    assert_eq!(busy.gate.statements()[4], names(&["c", "new", "old"]));
    for operation in under_way {
        let response = ended(operation).await;
        assert_eq!(report(&response)["server"], "REPLICA");
        assert!(token(&response) >= new);
    }
    let gate = std::sync::Arc::clone(&busy.gate);
    busy.ends().await;
    assert_eq!(gate.statements().len(), 5, "nothing else was sent");
}

/// A flight reads what the newest of its passengers' tokens stands for, also where another replica has what the others show.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flight_has_what_its_newest_token_stands_for() {
    let (cluster, busy) = busy(2).await;
    let old = busy.write("old").await;
    for number in 1..=2 {
        cluster.caught_up(&busy.stage.test, number).await;
    }
    busy.gate.let_go(100);
    cluster.pause(1).await;
    let new = busy.write("new").await;
    cluster.caught_up(&busy.stage.test, 2).await;
    // Both replicas are known to have the old one, and the second to have the new one.
    for shown in [old, old, new, new] {
        assert_eq!(found(&ended(busy.start("old", shown)).await), "old");
    }
    for _ in 0..4 {
        let operations: Vec<_> = (0..12)
            .map(|at| busy.start("new", if at % 4 == 3 { new } else { old }))
            .collect();
        for (at, operation) in operations.into_iter().enumerate() {
            let response = ended(operation).await;
            if at % 4 == 3 {
                assert_eq!(found(&response), "new");
                assert!(token(&response) >= new);
            }
            // Whoever has seen it is told so.
            let has_seen = found(&response) == "new";
            assert!(!has_seen || token(&response) >= new, "{response:?}");
        }
    }
    cluster.resume(1).await;
    busy.ends().await;
}

/// Nobody waits for a token that no replica is known to have: whoever shows it looks up alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_that_no_replica_has_does_not_fly() {
    let (cluster, busy) = busy(1).await;
    let old = busy.write("old").await;
    cluster.caught_up(&busy.stage.test, 1).await;
    let under_way = busy.with_two_on_replicas(old).await;
    cluster.pause(1).await;
    let new = busy.write("new").await;
    let mut ahead = busy.start("new", new);
    let shared = busy.begun(Request::new(mark("old")).data(old)).await;
    busy.gate.let_go(100);
    // A flight that had to wait for the other token would be given up after five seconds.
    let shared = timeout(PATIENCE / 5, shared).await.expect("does not wait");
    assert_eq!(found(&shared), "old");
    let too_soon = timeout(SHORT, &mut ahead).await;
    assert!(too_soon.is_err(), "{too_soon:?}");
    cluster.resume(1).await;
    // It waits for the next record where the log of the primary ends behind the header of a page.
    busy.write("next").await;
    let response = ended(ahead).await;
    assert_eq!(found(&response), "new");
    assert_eq!(report(&response)["server"], "REPLICA");
    for operation in under_way {
        ended(operation).await;
    }
    assert_eq!(busy.gate.statements().len(), 6);
    busy.ends().await;
}

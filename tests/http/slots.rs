//! Cheap operations never wait for heavy ones, and heavy ones wait for their turn, however they come.

use std::{net::Ipv4Addr, time::Duration};

use daybook::http::HeavyOptions;
use futures_util::future::{Either, select};
use graphql_operation::Sizes;
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;

use super::{Answer, DEFAULT_STOP, GRAPHQL_RESPONSE, JSON, Server, sockets::Socket, toy};

/// A server for whose schema `hold` and `block` are heavy, as `verifyLedger` is for the ledger's.
async fn serve(configure: impl FnOnce(&mut HeavyOptions)) -> Server {
    let start = Server::start_with(
        |options| {
            let sizes = Sizes::default()
                .weight("Query.hold", 1_000_000)
                .weight("Mutation.hold", 1_000_000)
                .weight("Query.block", 1_000_000);
            options.operations = graphql_operation::Options::default().sizes(sizes);
            options.heavy.operations = 1;
            configure(&mut options.heavy);
        },
        DEFAULT_STOP,
    );
    start.await
}

/// Longer than the 16 KiB that a cheap request has.
fn long(query: &str) -> String {
    format!("{query} #{}", "x".repeat(20_000))
}

fn spawn(request: reqwest::RequestBuilder) -> JoinHandle<Answer> {
    tokio::spawn(Answer::of(request))
}

fn hold() -> Json {
    json!({ "query": "{ hold }" })
}

#[tokio::test]
async fn cheap_operations_are_answered_while_heavy_ones_run_and_wait() {
    let server = serve(|heavy| heavy.waiting = 1).await;
    let held = server.held("{ hold }").await;
    // One of these waits, and there is no place for the other.
    let two = [(); 2].map(|()| spawn(server.post(GRAPHQL_RESPONSE, &hold())));
    let [one, other] = two;
    let (refused, waiting) = match select(one, other).await {
        Either::Left((refused, waiting)) | Either::Right((refused, waiting)) => {
            (refused.unwrap(), waiting)
        }
    };
    refused.assert_refused(503, "OVERLOADED");
    assert_eq!(refused.header("retry-after"), Some("5"));
    let extensions = &refused.json()["errors"][0]["extensions"];
    assert_eq!(extensions["limit"], "heavyOperations");
    assert_eq!(extensions["max"], 1);

    let sum = json!({ "query": "{ sum }" });
    assert_eq!(server.query(JSON, "{ sum }").await.json()["data"]["sum"], 0);
    let answer = server.get("/graphql?query={sum}").await;
    assert_eq!(answer.json()["data"]["sum"], 0);
    let batch = Answer::of(server.post(JSON, &json!([sum, sum]))).await;
    assert_eq!(batch.json()[1]["data"]["sum"], 0);
    let events = Answer::of(server.post("text/event-stream", &sum)).await;
    assert!(events.text.contains(r#"{"sum":0}"#), "{events:?}");
    let added = server.query(JSON, "mutation { add(by: 1) }").await;
    assert_eq!(added.json()["data"]["add"], 1);
    let mut socket = Socket::open(&server).await;
    socket.subscribe("1", "{ sum }").await;
    assert_eq!(socket.next().await["payload"]["data"]["sum"], 1);

    server.toy.release.add_permits(2);
    assert_eq!(held.await.unwrap().json()["data"]["hold"], true);
    assert_eq!(waiting.await.unwrap().json()["data"]["hold"], true);
}

/// The runtime of this test has one thread. What blocks it would block the test.
#[tokio::test]
async fn a_heavy_operation_that_keeps_its_thread_keeps_nobody_waiting() {
    let server = serve(|_| {}).await;
    let toy = server.toy.clone();
    let (locked, is_locked) = tokio::sync::oneshot::channel();
    let (unlock, unlocked) = std::sync::mpsc::channel::<()>();
    // A lock is given back by the thread that took it.
    let lock = std::thread::spawn(move || {
        let _lock = toy.thread.lock().unwrap();
        locked.send(()).unwrap();
        let _ = unlocked.recv_timeout(super::PATIENCE);
    });
    is_locked.await.unwrap();
    let blocked = spawn(server.post(JSON, &json!({ "query": "{ block }" })));
    toy::take(&server.toy.holding).await;
    assert_eq!(server.query(JSON, "{ sum }").await.json()["data"]["sum"], 0);
    assert!(!blocked.is_finished(), "nothing blocked it");
    unlock.send(()).unwrap();
    assert_eq!(blocked.await.unwrap().json()["data"]["block"], true);
    lock.join().unwrap();
}

/// Everything that is heavy, on every transport. While the one slot is taken each is refused after its patience; and then served.
#[tokio::test]
async fn what_is_heavy_waits_on_every_transport() {
    let server = serve(|heavy| {
        heavy.patience = Duration::from_millis(10);
        heavy.complexity = 100;
    })
    .await;
    // It is known by its hash, and a few bytes long then.
    let document = long("{ sum }");
    let digest = ring::digest::digest(&ring::digest::SHA256, document.as_bytes());
    let hash: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let named = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    let register = json!({ "query": document, "extensions": named });
    assert_eq!(Answer::of(server.post(JSON, &register)).await.status, 200);
    let name = json!({ "extensions": named });
    let posts: String = (0..100).map(|n| format!("a{n}: add(by: $n) ")).collect();
    let posts = format!("mutation ($n: Int!) {{ {posts} }}");
    let many = "{ numbers(first: 101) { number } }";
    let by_variable = json!({ "query": "query ($n: Int) { numbers(first: $n) { number } }", "variables": { "n": 101 } });
    let short = json!({ "query": "{ sum }" });
    let single = [
        json!({ "query": long("{ sum }") }),
        json!({ "query": long("{ sum ") }),
        name.clone(),
        json!({ "query": many }),
        by_variable.clone(),
        json!({ "query": posts, "variables": { "n": 0, "more": "x".repeat(1000) } }),
        json!({ "query": "query ($n: String!) { hello(name: $n) }", "variables": { "n": "x".repeat(20_000) } }),
    ];

    let held = server.held("{ hold }").await;
    for body in &single {
        for accept in [GRAPHQL_RESPONSE, "text/event-stream"] {
            let answer = Answer::of(server.post(accept, body)).await;
            answer.assert_refused(503, "OVERLOADED");
        }
        let mut socket = Socket::open(&server).await;
        socket.subscribe_with("1", body).await;
        if body.to_string().len() > 16 * 1024 {
            assert_eq!(socket.closed().await, 1013);
        } else {
            let message = socket.next().await;
            assert_eq!(message["type"], "error", "{message}");
            assert_eq!(message["payload"][0]["extensions"]["code"], "OVERLOADED");
        }
    }
    let get = server
        .get("/graphql?query={numbers(first:101){number}}")
        .await;
    get.assert_refused(503, "OVERLOADED");
    let long_batch = json!([short, { "query": long("{ sum }") }]);
    Answer::of(server.post(JSON, &long_batch))
        .await
        .assert_refused(503, "OVERLOADED");
    let short_batch = json!([short, { "query": many }, name, by_variable, short]);
    let answer = Answer::of(server.post(JSON, &short_batch)).await.json();
    for at in [1, 2, 3] {
        let code = &answer[at]["errors"][0]["extensions"]["code"];
        assert_eq!(code, "OVERLOADED", "{at}: {answer}");
    }
    assert_eq!(answer[0], answer[4]);
    assert_eq!(answer[0]["data"]["sum"], 0, "{answer}");
    for together in [json!([{ "query": many }]), json!([name])] {
        let request = server.post(JSON, &together);
        let answer = Answer::of(request.header("x-batch", "all-or-nothing")).await;
        answer.assert_refused(503, "OVERLOADED");
    }
    assert_eq!(server.toy.sum(), 0);

    server.toy.release.add_permits(1);
    held.await.unwrap();
    for body in &single {
        let answer = Answer::of(server.post(JSON, body)).await.json();
        let is_refused = body["query"] == long("{ sum ").as_str();
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        assert_eq!(
            code,
            is_refused.then_some("GRAPHQL_PARSE_FAILED"),
            "{answer}"
        );
        let mut socket = Socket::open(&server).await;
        socket.subscribe_with("1", body).await;
        let message = socket.next().await;
        assert_eq!(message["type"], if is_refused { "error" } else { "next" });
    }
    let answer = Answer::of(server.post(JSON, &short_batch)).await.json();
    assert!((0..5).all(|at| answer[at]["data"].is_object()), "{answer}");
}

#[tokio::test]
async fn parts_of_one_unit_of_work_count_together() {
    let server = serve(|heavy| {
        heavy.patience = Duration::from_millis(10);
        heavy.complexity = 100;
    })
    .await;
    let part = json!({ "query": "{ numbers(first: 60) { number } }" });
    let held = server.held("{ hold }").await;
    let both = json!([part, part]);
    let apart = Answer::of(server.post(JSON, &both)).await.json();
    assert!(apart[1]["data"].is_object(), "{apart}");
    let together = server.post(JSON, &both).header("x-batch", "all-or-nothing");
    let together = Answer::of(together).await;
    together.assert_refused(503, "OVERLOADED");
    server.toy.release.add_permits(1);
    held.await.unwrap();
}

#[tokio::test]
async fn a_time_that_is_asked_for_counts_while_an_operation_waits() {
    let server = serve(|heavy| heavy.patience = Duration::from_secs(3600)).await;
    let held = server.held("{ hold }").await;
    for body in [
        json!({ "query": "{ hold }", "extensions": { "timeout": "10ms" } }),
        json!({ "query": long("{ sum }") }),
    ] {
        let answer = Answer::of(server.post(JSON, &body).header("x-timeout", "10ms")).await;
        answer.assert_refused(503, "OVERLOADED");
    }
    server.toy.release.add_permits(1);
    held.await.unwrap();
}

#[tokio::test]
async fn who_goes_away_leaves_the_slot_or_the_place() {
    let server = serve(|heavy| heavy.waiting = 1).await;
    let held = spawn(server.post(JSON, &hold()));
    toy::take(&server.toy.holding).await;
    let mut socket = Socket::open(&server).await;
    socket.subscribe("1", "{ hold }").await;
    // Over HTTP, while it runs: the socket's is next.
    held.abort();
    toy::take(&server.toy.dropped).await;
    toy::take(&server.toy.holding).await;
    // Over a socket.
    drop(socket);
    toy::take(&server.toy.dropped).await;
    // In the queue: its place is free again, as the slot is.
    let held = server.held("{ hold }").await;
    for _ in 0..2 {
        let request = server.post(JSON, &hold()).header("x-timeout", "10ms");
        Answer::of(request).await.assert_refused(503, "OVERLOADED");
    }
    let last = spawn(server.post(JSON, &hold()));
    server.toy.release.add_permits(2);
    assert_eq!(held.await.unwrap().status, 200);
    assert_eq!(last.await.unwrap().status, 200);
}

#[tokio::test]
async fn one_address_does_not_take_every_heavy_slot() {
    let server = serve(|heavy| heavy.operations = 2).await;
    let held = server.held("{ hold }").await;
    // A slot is free, and not for this address.
    let again = server.post(JSON, &hold()).header("x-timeout", "30ms");
    Answer::of(again).await.assert_refused(503, "OVERLOADED");
    let other = reqwest::Client::builder()
        .local_address(Some(Ipv4Addr::new(127, 0, 0, 2).into()))
        .build()
        .unwrap();
    let other = other
        .post(server.url("/graphql"))
        .json(&json!({ "query": "{ block }" }));
    assert_eq!(Answer::of(other).await.json()["data"]["block"], true);
    server.toy.release.add_permits(1);
    assert_eq!(held.await.unwrap().status, 200);
}

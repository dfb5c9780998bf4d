//! The limits of requests: each is reached, exceeded by one, and named in the refusal.

use daybook::http::Limits;
use serde_json::{Value as Json, json};

use super::{Answer, DEFAULT_STOP, GRAPHQL_RESPONSE, JSON, Server, sockets::Socket, toy};

async fn limited(limit: impl FnOnce(&mut Limits)) -> Server {
    Server::start_with(|options| limit(&mut options.limits), DEFAULT_STOP).await
}

/// `fits` is answered, and `exceeds` is refused by this limit, over HTTP and over a socket, before anything runs.
async fn assert_limit(server: &Server, fits: &str, exceeds: &str, details: [Json; 3]) {
    let answer = server.query(JSON, fits).await;
    assert!(answer.json()["data"].is_object(), "{answer:?}");

    let [limit, max, value] = details;
    let answer = server.query(GRAPHQL_RESPONSE, exceeds).await;
    answer.assert_refused(400, "GRAPHQL_VALIDATION_FAILED");
    let json = answer.json();
    let error = &json["errors"][0];
    let expected =
        json!({ "code": "GRAPHQL_VALIDATION_FAILED", "limit": limit, "max": max, "value": value });
    assert_eq!(error["extensions"], expected);
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains(&max.to_string()) && message.contains(&value.to_string()),
        "{message}"
    );

    let mut socket = Socket::open(server).await;
    socket.subscribe("1", exceeds).await;
    let message = socket.next().await;
    assert_eq!(message["type"], "error", "{message}");
    assert_eq!(message["payload"][0]["extensions"], expected);
    assert_eq!(server.toy.sum(), 0);
}

#[tokio::test]
async fn tokens() {
    let server = limited(|limits| limits.tokens = 8).await;
    let details = [json!("tokens"), json!(8), json!(9)];
    let fits = "{ sum sum sum sum sum sum }";
    assert_limit(&server, fits, "mutation { add(by: 1) }", details).await;
}

#[tokio::test]
async fn depth() {
    let server = limited(|limits| limits.depth = 2).await;
    let details = [json!("depth"), json!(2), json!(3)];
    let exceeds =
        "{ __schema { ...S } } fragment S on __Schema { ... on __Schema { types { name } } }";
    assert_limit(
        &server,
        "{ __type(name: \"Query\") { name } }",
        exceeds,
        details,
    )
    .await;
}

#[tokio::test]
async fn root_fields() {
    let server = limited(|limits| limits.root_fields = 2).await;
    let details = [json!("rootFields"), json!(2), json!(3)];
    let exceeds =
        "mutation { a: add(by: 1) ...M } fragment M on Mutation { b: add(by: 1) c: add(by: 1) }";
    assert_limit(&server, "{ a: sum b: sum }", exceeds, details).await;
}

#[tokio::test]
async fn aliases() {
    let server = limited(|limits| limits.aliases = 1).await;
    let details = [json!("aliases"), json!(1), json!(2)];
    assert_limit(
        &server,
        "{ a: sum sum }",
        "mutation { a: add(by: 1) b: add(by: 1) }",
        details,
    )
    .await;
}

#[tokio::test]
async fn directives() {
    let server = limited(|limits| limits.directives = 1).await;
    let details = [json!("directives"), json!(1), json!(2)];
    let exceeds = "mutation { add(by: 1) @skip(if: false) @include(if: true) }";
    assert_limit(&server, "{ sum @skip(if: false) }", exceeds, details).await;
}

#[tokio::test]
async fn complexity() {
    let server = limited(|limits| limits.complexity = 3).await;
    let details = [json!("complexity"), json!(3), json!(4)];
    let exceeds = "mutation { a: add(by: 1) b: add(by: 1) c: add(by: 1) d: add(by: 1) }";
    assert_limit(&server, "{ a: sum b: sum c: sum }", exceeds, details).await;
}

/// A known document is checked again with the variables of the new request.
#[tokio::test]
async fn variables_count_in_a_document_that_was_sent_before() {
    let server = Server::start().await;
    let document = "query ($n: Int) { numbers(first: $n) { number } }";
    for (n, limit) in [
        (1, Json::Null),
        (60_000, json!("complexity")),
        (1, Json::Null),
    ] {
        let body = json!({ "query": document, "variables": { "n": n } });
        let answer = Answer::of(server.post(GRAPHQL_RESPONSE, &body)).await;
        assert_eq!(answer.status, if limit.is_null() { 200 } else { 400 });
        assert_eq!(answer.json()["errors"][0]["extensions"]["limit"], limit);
    }
}

/// The engine would visit 2^60 fields, which are all at the top here.
#[tokio::test]
async fn fragments_that_double_are_refused_at_once() {
    let server = Server::start().await;
    let mut document = "{ ...F0 } fragment F60 on Query { sum }".to_owned();
    for n in 0..60 {
        let next = n + 1;
        document += &format!(" fragment F{n} on Query {{ ...F{next} ...F{next} }}");
    }
    let answer = server.query(GRAPHQL_RESPONSE, &document).await;
    answer.assert_refused(400, "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(
        answer.json()["errors"][0]["extensions"]["limit"],
        "rootFields"
    );
}

/// The parser would descend as deep, on a stack that has an end.
#[tokio::test]
async fn brackets_without_end_are_refused_before_they_are_parsed() {
    let server = limited(|limits| limits.tokens = usize::MAX).await;
    for (open, many) in [("{a", 300_000), ("{a(b:[", 150_000), ("{a(b:{c:", 120_000)] {
        let answer = server.query(GRAPHQL_RESPONSE, &open.repeat(many)).await;
        answer.assert_refused(400, "GRAPHQL_VALIDATION_FAILED");
        assert_eq!(answer.json()["errors"][0]["extensions"]["limit"], "nesting");
    }
    assert_eq!(server.query(JSON, "{ sum }").await.status, 200);
}

#[tokio::test]
async fn a_fragment_that_spreads_itself_is_refused() {
    let server = Server::start().await;
    let document = "{ ...A } fragment A on Query { sum ...B } fragment B on Query { ...A }";
    let answer = server.query(GRAPHQL_RESPONSE, document).await;
    answer.assert_refused(400, "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn introspection_can_be_turned_off() {
    let server = Server::start().await;
    let documents = [
        "{ __schema { queryType { name } } }",
        "{ ...T } fragment T on Query { __type(name: \"Query\") { name } }",
    ];
    for document in documents {
        assert_eq!(server.query(GRAPHQL_RESPONSE, document).await.status, 200);
    }
    let server = limited(|limits| limits.introspection = false).await;
    for document in documents {
        let answer = server.query(GRAPHQL_RESPONSE, document).await;
        answer.assert_refused(400, "GRAPHQL_VALIDATION_FAILED");
    }
    let answer = server.query(JSON, "{ __typename }").await;
    assert_eq!(answer.json(), json!({ "data": { "__typename": "Query" } }));
}

/// What GraphiQL and the code generators send.
#[tokio::test]
async fn the_defaults_let_a_whole_introspection_through() {
    let of_type = "ofType { kind name ".repeat(9) + &"}".repeat(9);
    let input = format!("name description defaultValue type {{ kind name {of_type} }}");
    let document = format!(
        "query I {{ __schema {{ types {{ kind name fields(includeDeprecated: true) {{ name args {{ {input} }} type {{ kind name {of_type} }} }} inputFields {{ {input} }} }} directives {{ name args {{ {input} }} }} }} }}"
    );
    let server = Server::start().await;
    let answer = server.query(GRAPHQL_RESPONSE, &document).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.json()["data"].is_object(), "{answer:?}");
}

#[tokio::test]
async fn more_operations_at_once_than_the_limit_are_refused_at_once() {
    let server = limited(|limits| limits.operations = 1).await;
    let held = server.post(JSON, &json!({ "query": "mutation { hold }" }));
    let held = tokio::spawn(Answer::of(held));
    toy::take(&server.toy.holding).await;

    let add = json!({ "query": "mutation { add(by: 1) }" });
    for body in [add.clone(), json!([add, add])] {
        for accept in [JSON, GRAPHQL_RESPONSE] {
            let answer = Answer::of(server.post(accept, &body)).await;
            answer.assert_refused(503, "OVERLOADED");
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
    }
    let get = Answer::of(server.client.get(server.url("/graphql?query={sum}")));
    get.await.assert_refused(503, "OVERLOADED");

    // The limit is one for all transports; a subscription is not counted.
    let mut socket = Socket::open(&server).await;
    socket.subscribe("1", "mutation { add(by: 1) }").await;
    let message = socket.next().await;
    assert_eq!(message["type"], "error", "{message}");
    assert_eq!(message["payload"][0]["extensions"]["code"], "OVERLOADED");
    socket.subscribe("2", "subscription { count(to: 1) }").await;
    assert_eq!(socket.next().await["payload"]["data"]["count"], 1);
    assert_eq!(socket.next().await["type"], "complete");
    let count = json!({ "query": "subscription { count(to: 1) }" });
    let answer = Answer::of(server.post("text/event-stream", &count)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(server.toy.sum(), 0);

    server.toy.release.add_permits(1);
    assert_eq!(held.await.unwrap().status, 200);
    socket.subscribe("3", "mutation { hold }").await;
    toy::take(&server.toy.holding).await;
    server
        .query(JSON, "{ sum }")
        .await
        .assert_refused(503, "OVERLOADED");
    // A client that goes gives its slot back.
    drop(socket);
    toy::take(&server.toy.dropped).await;
    while server.query(JSON, "{ sum }").await.status == 503 {
        tokio::task::yield_now().await;
    }
}

/// A greedy client leaves slots for others.
#[tokio::test]
async fn one_client_does_not_take_every_slot() {
    let server = limited(|limits| limits.operations = 64).await;
    let mut held = Vec::new();
    for _ in 0..48 {
        held.push(server.held("mutation { hold }").await);
    }
    let sum = json!({ "query": "{ sum }" });
    let refused = Answer::of(server.post(JSON, &sum)).await;
    refused.assert_refused(503, "OVERLOADED");
    let extensions = &refused.json()["errors"][0]["extensions"];
    assert_eq!(extensions["limit"], "operationsOfOneClient");
    assert_eq!(extensions["max"], 48);
    let mut socket = Socket::open(&server).await;
    socket.subscribe("1", "{ sum }").await;
    assert_eq!(socket.next().await["type"], "error");
    let other = reqwest::Client::builder()
        .local_address(Some(std::net::Ipv4Addr::new(127, 0, 0, 2).into()))
        .build()
        .unwrap();
    let other = other.post(server.url("/graphql")).json(&sum);
    assert_eq!(Answer::of(other).await.json()["data"]["sum"], 0);
    server.toy.release.add_permits(48);
    for held in held {
        assert_eq!(held.await.unwrap().status, 200);
    }
    assert_eq!(server.query(JSON, "{ sum }").await.status, 200);
}

/// The same for subscriptions, over all transports.
#[tokio::test]
async fn one_client_does_not_take_every_subscription() {
    let server = limited(|limits| limits.subscriptions_of_client = 2).await;
    let forever = json!({ "query": "subscription { forever }" });
    let first = server
        .post("text/event-stream", &forever)
        .send()
        .await
        .unwrap();
    let mut socket = Socket::open(&server).await;
    socket.subscribe("1", "subscription { forever }").await;
    assert_eq!(socket.next().await["type"], "next");
    let refused = Answer::of(server.post("text/event-stream", &forever)).await;
    refused.assert_refused(503, "OVERLOADED");
    let extensions = &refused.json()["errors"][0]["extensions"];
    assert_eq!(extensions["limit"], "subscriptionsOfOneClient");
    assert_eq!(extensions["max"], 2);
    socket.subscribe("2", "subscription { forever }").await;
    assert_eq!(
        socket.next().await["payload"][0]["extensions"]["code"],
        "OVERLOADED"
    );
    let other = reqwest::Client::builder()
        .local_address(Some(std::net::Ipv4Addr::new(127, 0, 0, 2).into()))
        .build()
        .unwrap();
    let other = other
        .post(server.url("/graphql"))
        .json(&forever)
        .header("accept", "text/event-stream");
    let mut other = other.send().await.unwrap();
    assert!(other.chunk().await.unwrap().is_some());
    // Who goes leaves room.
    drop(first);
    toy::take(&server.toy.closed).await;
    let count = json!({ "query": "subscription { count(to: 1) }" });
    while Answer::of(server.post("text/event-stream", &count))
        .await
        .status
        != 200
    {
        tokio::task::yield_now().await;
    }
}

/// A header that is read piece by piece costs as much as it has pieces.
#[tokio::test]
async fn an_accept_header_has_a_length() {
    let server = Server::start().await;
    let body = json!({ "query": "{ sum }" });
    let long = |bytes: usize| {
        let accept = "a/b;q=0.1,".repeat(bytes / 10) + JSON;
        Answer::of(server.post(&accept, &body))
    };
    assert_eq!(long(1500).await.status, 200);
    long(3000).await.assert_refused(400, "BAD_REQUEST");
}

//! The spans of operations, and of what the server does by itself.

use daybook_test_harness::{Engine, TestDatabase, eventually, on_every_engine};
use futures_util::SinkExt;
use serde_json::{Value as Json, json};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use super::{OTHER, TRACE, collector::Collector, only, post, serve, traceparent};
use crate::http::sockets::PROTOCOL;

const OPEN: &str = r#"mutation Open($name: String!) {
  openAccount(input: { code: "a", name: $name, currency: "EUR", normalSide: DEBIT }) { account { id name } }
}"#;

on_every_engine! {
    async fn an_operation_is_a_part_of_its_clients_trace(test: TestDatabase) {
        let collector = Collector::start().await;
        let server = serve(&collector, &["--database", test.url()], &[]);
        let body = json!({ "query": OPEN, "variables": { "name": "swordfish" } });
        let (header, answer) = post(&server, &traceparent(TRACE, true), &body).await;
        assert_eq!(answer["data"]["openAccount"]["account"]["name"], "swordfish");
        let spans = collector.trace(TRACE, "POST /graphql", 1).await;

        let request = only(&spans, "POST /graphql");
        assert_eq!((request.parent.as_str(), request.kind), ("00f067aa0ba902b7", 2));
        for (name, value) in [
            ("http.request.method", "POST"),
            ("http.route", "/graphql"),
            ("url.path", "/graphql"),
            ("http.response.status_code", "200"),
        ] {
            assert_eq!(request.attribute(name), Some(value), "{request:#?}");
        }
        assert_eq!(header, Some(format!("00-{TRACE}-{}-01", request.id)));

        let operation = only(&spans, "mutation");
        assert_eq!((&operation.parent, operation.kind, operation.status), (&request.id, 1, 0));
        for (name, value) in [
            ("graphql.operation.name", "Open"),
            ("graphql.operation.type", "mutation"),
            ("unit.attempt", "1"),
            ("unit.outcome", "COMMITTED"),
        ] {
            assert_eq!(operation.attribute(name), Some(value), "{operation:#?}");
        }

        let system = match test.engine() {
            Engine::Postgres => "postgresql",
            Engine::Sqlite => "sqlite",
            Engine::MariaDb => "mariadb",
        };
        for name in ["BEGIN", "INSERT", "COMMIT"] {
            let step = spans.iter().find(|span| span.name == name);
            let step = step.unwrap_or_else(|| panic!("{name} is not in {spans:#?}"));
            assert_eq!((&step.parent, step.kind), (&operation.id, 3));
            assert_eq!(step.attribute("db.system.name"), Some(system));
            assert_eq!(step.attribute("db.operation.name"), Some(name));
        }
        for span in &spans {
            assert_eq!(span.resource["service.name"], "daybook");
            assert_eq!(span.resource["service.version"], env!("CARGO_PKG_VERSION"));
            assert_eq!((span.path.as_str(), span.events), ("/v1/traces", 0));
        }
        for secret in ["swordfish", "openAccount", "graphql.document", "db.query.text"] {
            assert!(!collector.has(secret), "{secret} is in {spans:#?}");
        }
    }
}

#[tokio::test]
async fn what_goes_wrong_is_an_error_and_what_is_not_to_be_kept_is_none() {
    let collector = Collector::start().await;
    let server = serve(&collector, &[], &[]);
    let dry =
        json!({ "query": OPEN, "variables": { "name": "A" }, "extensions": { "dryRun": true } });
    post(&server, &traceparent(TRACE, true), &dry).await;
    let spans = collector.trace(TRACE, "POST /graphql", 1).await;
    let operation = only(&spans, "mutation");
    assert_eq!(operation.attribute("unit.reason"), Some("DRY_RUN"));
    assert_eq!(operation.status, 0);

    let missing = r#"one: setAccountStatus(input: { account: { code: "x" }, status: CLOSED }) { account { id } }"#;
    let query = OPEN.replacen("openAccount", &format!("{missing} openAccount"), 1);
    let wrong = json!({ "query": query, "variables": { "name": "swordfish" } });
    let (_, answer) = post(&server, &traceparent(OTHER, true), &wrong).await;
    assert_eq!(answer["data"], Json::Null, "{answer}");
    let spans = collector.trace(OTHER, "POST /graphql", 1).await;
    let operation = only(&spans, "mutation");
    assert_eq!(
        operation.attribute("error.type"),
        Some("ERROR"),
        "{operation:#?}"
    );
    assert_eq!(operation.status, 2);
    only(&spans, "ROLLBACK");
    assert!(!collector.has("swordfish"));
}

#[tokio::test]
async fn what_a_client_does_not_sample_is_not_sent() {
    let collector = Collector::start().await;
    let server = serve(&collector, &[], &[]);
    let body = json!({ "query": "{ __typename }" });
    let (header, _) = post(&server, &traceparent(TRACE, false), &body).await;
    let header = header.unwrap();
    assert!(
        header.starts_with(&format!("00-{TRACE}-")) && header.ends_with("-00"),
        "{header}"
    );
    post(&server, &traceparent(OTHER, true), &body).await;
    collector.trace(OTHER, "POST /graphql", 1).await;
    assert!(collector.spans().iter().all(|span| span.trace != TRACE));
}

/// What the server does by itself is a trace for each run of a job, not for each statement.
#[tokio::test]
async fn a_unit_outside_of_operations_is_one_trace() {
    let collector = Collector::start().await;
    let server = serve(&collector, &[], &[]);
    eventually("a sweep is sent", async || {
        let spans = collector.spans();
        spans.iter().any(|span| span.name == "DELETE")
            && spans.iter().any(|span| span.name == "unit_of_work")
    })
    .await;
    server.signal("TERM");
    let (code, said) = tokio::task::spawn_blocking(|| server.ended())
        .await
        .unwrap();
    assert_eq!(code, Some(0), "{said}");
    let spans = collector.spans();
    // A statement belongs to its unit, and a unit to the job that it is a part of.
    for span in &spans {
        let may_be_first = matches!(span.name.as_str(), "job" | "unit_of_work");
        assert!(may_be_first || !span.parent.is_empty(), "{span:#?}");
    }
}

#[tokio::test]
async fn operations_of_a_socket_are_traces_of_their_own() {
    let collector = Collector::start().await;
    let server = serve(&collector, &[], &[]);
    let url = server.base().replacen("http", "ws", 1);
    let mut request = format!("{url}/graphql").into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert(PROTOCOL.0, PROTOCOL.1.parse().unwrap());
    headers.insert("traceparent", traceparent(TRACE, true).parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let mut messages = vec![json!({ "type": "connection_init" })];
    for id in ["1", "2"] {
        messages.push(
            json!({ "type": "subscribe", "id": id, "payload": { "query": "{ __typename }" } }),
        );
    }
    for message in messages {
        socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }
    eventually("both operations are sent", async || {
        let spans = collector.spans();
        spans
            .iter()
            .filter(|span| span.name == "graphql.socket.operation")
            .count()
            == 2
    })
    .await;
    let spans = collector.spans();
    let of_socket: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "graphql.socket.operation")
        .collect();
    assert_ne!(of_socket[0].trace, of_socket[1].trace);
    for operation in of_socket {
        assert_ne!(operation.trace, TRACE);
        assert_eq!(operation.links, [TRACE]);
        let query = spans
            .iter()
            .find(|span| span.parent == operation.id)
            .unwrap();
        assert_eq!(
            (&query.trace, query.name.as_str()),
            (&operation.trace, "query")
        );
    }
}

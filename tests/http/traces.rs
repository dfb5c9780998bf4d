//! Traces: what a collector gets of an operation, and what it costs where there is none.

use std::time::{Duration, Instant};

use daybook_test_harness::{TestDatabase, on_every_engine};
use futures_util::SinkExt;
use serde_json::{Value as Json, json};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use super::{
    PATIENCE,
    collector::{Collector, Span},
    command::{Running, run, stderr},
};

const OPEN: &str = r#"mutation Open($name: String!) {
  openAccount(input: { code: "a", name: $name, currency: "EUR", normalSide: DEBIT }) { account { id name } }
}"#;

/// A client's own span in a trace that is sampled, or not.
fn traceparent(trace: &str, is_sampled: bool) -> String {
    format!("00-{trace}-00f067aa0ba902b7-0{}", u8::from(is_sampled))
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OTHER: &str = "4bf92f3577b34da6a3ce929d0e0e4737";

/// Spans leave at once, not after seconds.
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "10");

fn serve(collector: &Collector, more: &[&str], variables: &[(&str, &str)]) -> Running {
    let endpoint = collector.url();
    let args = ["--listen", "127.0.0.1:0", "--otlp-endpoint", &endpoint];
    Running::start_with(&[&args, more].concat(), &[&[SOON], variables].concat())
}

/// The `traceparent` of the response, and its body.
async fn post(server: &Running, parent: &str, body: &Json) -> (Option<String>, Json) {
    let request = reqwest::Client::new()
        .post(format!("{}/graphql", server.base()))
        .header("traceparent", parent)
        .json(body);
    let response = request.send().await.unwrap();
    let header = response.headers().get("traceparent");
    let header = header.map(|value| value.to_str().unwrap().to_owned());
    (header, response.json().await.unwrap())
}

#[track_caller]
fn only<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let named: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(named.len(), 1, "{name} in {spans:#?}");
    named[0]
}

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

        let system = if test.url().starts_with("postgres") { "postgresql" } else { "sqlite" };
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

/// What the server does by itself is a trace for each unit, not for each statement.
#[tokio::test]
async fn a_unit_outside_of_operations_is_one_trace() {
    let collector = Collector::start().await;
    let server = serve(&collector, &[], &[]);
    daybook_test_harness::eventually("a sweep is sent", async || {
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
    for span in &spans {
        let is_first = span.name == "unit_of_work";
        assert_eq!(span.parent.is_empty(), is_first, "{span:#?}");
    }
}

#[tokio::test]
async fn operations_of_a_socket_are_traces_of_their_own() {
    let collector = Collector::start().await;
    let server = serve(&collector, &[], &[]);
    let url = server.base().replacen("http", "ws", 1);
    let mut request = format!("{url}/graphql").into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert(
        "sec-websocket-protocol",
        "graphql-transport-ws".parse().unwrap(),
    );
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
    daybook_test_harness::eventually("both operations are sent", async || {
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

#[tokio::test]
async fn the_last_spans_are_sent_when_the_server_stops() {
    let collector = Collector::start().await;
    let server = serve(&collector, &[], &[("OTEL_BSP_SCHEDULE_DELAY", "3600000")]);
    post(
        &server,
        &traceparent(TRACE, true),
        &json!({ "query": "{ __typename }" }),
    )
    .await;
    assert_eq!(collector.spans().len(), 0);
    server.signal("TERM");
    let (code, said) = tokio::task::spawn_blocking(|| server.ended())
        .await
        .unwrap();
    assert_eq!(code, Some(0), "{said}");
    only(&collector.spans(), "POST /graphql");
}

#[tokio::test]
async fn a_collector_that_is_down_or_silent_holds_up_nothing() {
    let down = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let [at_down, at_silent] =
        [&down, &silent].map(|listener| format!("http://{}", listener.local_addr().unwrap()));
    drop(down);
    for endpoint in [at_down, at_silent.clone()] {
        // Two spans fill the queue: what is beyond it is dropped, not waited for.
        let variables = [
            SOON,
            ("OTEL_BSP_MAX_QUEUE_SIZE", "2"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
        ];
        let args = ["--listen", "127.0.0.1:0", "--otlp-endpoint", &endpoint];
        let server = Running::start_with(&args, &variables);
        let answers = async {
            for _ in 0..50 {
                let (_, answer) = post(
                    &server,
                    &traceparent(TRACE, true),
                    &json!({ "query": "{ __typename }" }),
                )
                .await;
                assert_eq!(answer["data"]["__typename"], "Query");
            }
        };
        timeout(Duration::from_secs(5), answers)
            .await
            .expect("it is held up");
        server.signal("TERM");
        let started = Instant::now();
        let (code, said) = tokio::task::spawn_blocking(|| server.ended())
            .await
            .unwrap();
        assert_eq!(code, Some(0), "{said}");
        assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
        let lost = said
            .lines()
            .filter(|line| line.contains("spans cannot be sent"))
            .count();
        // Once where nobody answers; it may be too early to know that of who is silent.
        assert!(lost == 1 || lost == 0 && endpoint == at_silent, "{said}");
    }
}

#[tokio::test]
async fn the_variables_of_opentelemetry_are_honoured() {
    let collector = Collector::start().await;
    let (base, whole) = (collector.url(), format!("{}/elsewhere", collector.url()));
    let listen = ["--listen", "127.0.0.1:0"];
    let query = json!({ "query": "{ __typename }" });
    let variables = [
        SOON,
        ("OTEL_EXPORTER_OTLP_ENDPOINT", base.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2"),
        ("OTEL_SERVICE_NAME", "book"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test,service.version=7",
        ),
    ];
    let server = Running::start_with(&listen, &variables);
    post(&server, &traceparent(TRACE, true), &query).await;
    let spans = collector.trace(TRACE, "POST /graphql", 1).await;
    let span = only(&spans, "POST /graphql");
    assert_eq!(
        (span.path.as_str(), &span.headers["api-key"]),
        ("/v1/traces", &"hunter2".parse().unwrap())
    );
    for (name, value) in [
        ("service.name", "book"),
        ("service.version", "7"),
        ("deployment.environment.name", "test"),
    ] {
        assert_eq!(span.resource[name], value);
    }

    let variables = [
        SOON,
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &whole),
    ];
    let server = Running::start_with(&listen, &variables);
    post(&server, &traceparent(OTHER, true), &query).await;
    let spans = collector.trace(OTHER, "POST /graphql", 1).await;
    assert_eq!(only(&spans, "POST /graphql").path, "/elsewhere");

    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", base.as_str()),
        ("OTEL_SDK_DISABLED", "true"),
    ];
    let server = Running::start_with(&listen, &variables);
    let (header, _) = post(&server, &traceparent(TRACE, true), &query).await;
    assert!(header.unwrap().ends_with("-00"), "it records something");
}

#[test]
fn an_endpoint_that_is_none_is_refused() {
    for (endpoint, variable) in [
        ("localhost:4318", "--otlp-endpoint"),
        ("http://ann:hunter2@x:4318", "--otlp-endpoint"),
    ] {
        let output = run(&["--otlp-endpoint", endpoint], &[]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains(&format!(
                "{variable} is wrong; expected a URL that begins with http://"
            )),
            "{said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
    }
}

//! Where spans are sent, and what becomes of them where nobody takes them.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{net::TcpListener, time::timeout};

use super::{OTHER, SOON, TRACE, collector::Collector, only, post, serve, traceparent};
use crate::http::{
    PATIENCE,
    binary::{Running, run, stderr},
};

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

//! Traces: what a collector gets of an operation, and what it costs where there is none.

use serde_json::Value as Json;

use self::collector::{Collector, Span};
use super::binary::Running;

mod collector;
mod exports;
mod operations;

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

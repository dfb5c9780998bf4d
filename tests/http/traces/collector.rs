//! A collector of traces, as far as those who send know it: OTLP over HTTP, in protobuf.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use daybook_test_harness::eventually;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1,
};
use prost::Message;
use tokio::net::TcpListener;

#[derive(Clone)]
pub(super) struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    spans: Vec<Span>,
    /// Everything that came, as it came.
    bytes: Vec<u8>,
}

/// One span, with what came with it.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) name: String,
    /// As of OTLP: 1 is internal, 2 a server, 3 a client.
    pub(super) kind: i32,
    /// As of OTLP: 2 is an error.
    pub(super) status: i32,
    pub(super) links: Vec<String>,
    pub(super) events: usize,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) resource: BTreeMap<String, String>,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
}

impl Span {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self {
            address: listener.local_addr().unwrap(),
            taken: Arc::default(),
        };
        let app = Router::new().fallback(take).with_state(collector.clone());
        tokio::spawn(axum::serve(listener, app).into_future());
        collector
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        self.taken.lock().unwrap().spans.clone()
    }

    /// The spans of this trace, once there are so many of this name.
    pub(super) async fn trace(&self, trace: &str, name: &str, count: usize) -> Vec<Span> {
        let of_trace = || -> Vec<Span> {
            let spans = self.spans().into_iter();
            spans.filter(|span| span.trace == trace).collect()
        };
        eventually(&format!("{count} spans {name} are sent"), async || {
            let spans = of_trace();
            spans.iter().filter(|span| span.name == name).count() >= count
        })
        .await;
        of_trace()
    }

    /// Whether this text came, in whatever part.
    pub(super) fn has(&self, text: &str) -> bool {
        let taken = self.taken.lock().unwrap();
        taken
            .bytes
            .windows(text.len())
            .any(|bytes| bytes == text.as_bytes())
    }
}

async fn take(
    State(collector): State<Collector>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body.clone()) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut taken = collector.taken.lock().unwrap();
    taken.bytes.extend_from_slice(&body);
    for of_resource in request.resource_spans {
        let resource = texts(&of_resource.resource.unwrap().attributes);
        for span in of_resource
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans)
        {
            taken.spans.push(read(span, &resource, &uri, &headers));
        }
    }
    StatusCode::OK
}

fn read(
    span: v1::Span,
    resource: &BTreeMap<String, String>,
    uri: &Uri,
    headers: &HeaderMap,
) -> Span {
    Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name,
        kind: span.kind,
        status: span.status.map_or(0, |status| status.code),
        links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
        events: span.events.len(),
        attributes: texts(&span.attributes),
        resource: resource.clone(),
        path: uri.path().to_owned(),
        headers: headers.clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.clone().unwrap().value.unwrap() {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::BoolValue(value) => value.to_string(),
        other => panic!("{other:?}"),
    };
    attributes
        .iter()
        .map(|attribute| (attribute.key.clone(), text(attribute)))
        .collect()
}

//! Renames spans and attributes to OpenTelemetry's semantic conventions. The log has shorter names. It happens when spans are sent, so that
//! no operation waits for it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry::{
    KeyValue, Value,
    trace::{SpanKind, Status},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};

/// An exporter that renames spans, and hands them to another exporter.
#[derive(Debug)]
pub(super) struct Conventional<E> {
    exporter: E,
    /// Whether the last attempt failed.
    is_failing: AtomicBool,
}

impl<E> Conventional<E> {
    pub(super) fn new(exporter: E) -> Self {
        Self {
            exporter,
            is_failing: AtomicBool::new(false),
        }
    }

    /// Logs once when the collector fails, and once when it is back.
    fn note(&self, outcome: &OTelSdkResult) {
        let was_failing = self.is_failing.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Err(error) if !was_failing => {
                tracing::warn!(%error, "spans cannot be sent, and are dropped");
            }
            Ok(()) if was_failing => tracing::info!("spans are sent again"),
            Ok(()) | Err(_) => {}
        }
    }
}

impl<E: SpanExporter> SpanExporter for Conventional<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let batch = batch.into_iter().map(conventional).collect();
        let outcome = self.exporter.export(batch).await;
        self.note(&outcome);
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

fn conventional(mut span: SpanData) -> SpanData {
    match &*span.name {
        "request" => request(&mut span),
        "graphql.operation" => operation(&mut span),
        _ => {}
    }
    span
}

/// Spans of HTTP servers.
fn request(span: &mut SpanData) {
    span.span_kind = SpanKind::Server;
    span.attributes.retain_mut(|attribute| {
        let name = match attribute.key.as_str() {
            "id" => "daybook.request.id",
            "method" => "http.request.method",
            "path" => "url.path",
            // The span is of it.
            "trace_id" => return false,
            _ => return true,
        };
        attribute.key = name.into();
        true
    });
    let method = text(span, "http.request.method").unwrap_or_default();
    span.name = match text(span, "http.route") {
        Some(route) => format!("{method} {route}").into(),
        None => method.into(),
    };
    let status = span.attributes.iter().find_map(|attribute| {
        match (attribute.key.as_str(), &attribute.value) {
            ("http.response.status_code", Value::I64(status)) => Some(*status),
            _ => None,
        }
    });
    if let Some(status @ 500..) = status {
        span.attributes
            .push(KeyValue::new("error.type", status.to_string()));
        span.status = Status::error("");
    }
}

/// Spans of GraphQL servers. A dry run that was rolled back is no error.
fn operation(span: &mut SpanData) {
    let failed = match text(span, "unit.outcome").as_deref() {
        Some("ROLLED_BACK") => text(span, "unit.reason").filter(|reason| reason != "DRY_RUN"),
        Some("UNKNOWN") => Some("OUTCOME_UNKNOWN".to_owned()),
        _ => None,
    };
    if let Some(reason) = failed {
        span.attributes.push(KeyValue::new("error.type", reason));
        span.status = Status::error("");
    }
    if let Some(kind) = text(span, "graphql.operation.type") {
        span.name = kind.into();
    }
}

fn text(span: &SpanData, name: &str) -> Option<String> {
    let attributes = span.attributes.iter();
    let mut values = attributes.filter(|attribute| attribute.key.as_str() == name);
    values.next().map(|attribute| attribute.value.to_string())
}

//! Sends spans to an OpenTelemetry collector, if one is set: by OTLP over HTTP, in batches, from a thread of their own.
//!
//! Nothing waits for the collector; spans that it does not accept in time are dropped. The spans are those of the log, and the steps of
//! units of work. Events are not sent, since their messages may contain values.

use std::time::Duration;

use axum::http::Uri;
use opentelemetry::{Key, KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::{Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{Layer, filter::DynFilterFn, layer::Filter, registry::LookupSpan};

use self::{conventions::Conventional, sending::Sending};
use crate::error::StartError;

mod conventions;
mod sending;

/// How long the last spans may take to be sent when the server stops.
const FLUSH: Duration = Duration::from_secs(3);

/// Sends the spans of this process.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Begins to send spans to this URL, on this runtime. OpenTelemetry's variables set the rest: the resource, the sampler, the batches,
    /// headers.
    ///
    /// # Errors
    /// A [`StartError`] if a variable is wrong, or the machine has no root certificates.
    pub fn start(url: &Uri, runtime: Handle) -> Result<Self, StartError> {
        let wrong = |problem: String| StartError::Traces {
            url: url.clone(),
            problem,
        };
        let sending = Sending::new(url, runtime).map_err(|error| wrong(error.to_string()))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(sending)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url.to_string())
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource())
            .with_batch_exporter(Conventional::new(exporter))
            .build();
        Ok(Self(provider))
    }

    /// The layer that collects spans.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("daybook"))
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_level(false)
            .with_filter(is_exported_filter())
    }

    /// Sends the remaining spans, within three seconds. Blocks the thread meanwhile.
    pub fn stop(self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// The filter of [`is_exported`]. It is evaluated for every span: with a cached answer, tracing-subscriber can use the answer for an
/// earlier line of sqlx's log (<https://github.com/tokio-rs/tracing/issues/2519>).
fn is_exported_filter<S>() -> impl Filter<S> {
    let at_all = |metadata: &'static Metadata<'static>| match is_exported(metadata) {
        true => Interest::sometimes(),
        false => Interest::never(),
    };
    DynFilterFn::new(|metadata, _: &_| is_exported(metadata))
        .with_callsite_filter(at_all)
        .with_max_level_hint(LevelFilter::DEBUG)
}

/// Whether a span is this program's own. Those of its libraries do not help its operators.
fn is_exported(metadata: &Metadata<'_>) -> bool {
    let is_of = |name: &str| {
        let rest = metadata.target().strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let ours = ["daybook", "graphql_service", "unit_of_work"];
    metadata.is_span() && ours.into_iter().any(is_of)
}

/// `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let told = Resource::builder().build();
    let has = |key| told.get(&Key::from_static_str(key)).is_some();
    let mut resource = Resource::builder();
    // If the name is not set, the SDK makes one up.
    let name = told.get(&Key::from_static_str("service.name"));
    if name.is_none_or(|name| name.as_str().starts_with("unknown_service")) {
        resource = resource.with_service_name("daybook");
    }
    if !has("service.version") {
        resource = resource.with_attribute(version);
    }
    resource.build()
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tracing::{Id, dispatcher::get_default, span::Attributes, subscriber::with_default};
    use tracing_log::{AsTrace, log};
    use tracing_subscriber::{layer::Context, layer::SubscriberExt, registry};

    use super::*;

    #[derive(Clone, Default)]
    struct Count(Arc<AtomicUsize>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_span_is_told_whatever_was_asked_before() {
        let count = Count::default();
        with_default(
            registry().with(count.clone().with_filter(is_exported_filter())),
            || {
                for _ in 0..3 {
                    // sqlx checks this after each statement.
                    let line = log::Metadata::builder()
                        .target("sqlx::query")
                        .level(log::Level::Debug)
                        .build();
                    get_default(|subscriber| subscriber.enabled(&line.as_trace()));
                    let _ = tracing::info_span!("request");
                }
            },
        );
        assert_eq!(count.0.load(Ordering::Relaxed), 3);
    }
}

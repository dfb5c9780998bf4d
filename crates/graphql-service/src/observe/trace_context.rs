//! The trace that a request belongs to: `traceparent` and `tracestate` (W3C Trace Context).
//!
//! Where spans are sent to a collector, the request's span continues the client's trace, and the response names that span. Where they are
//! not, the log names the trace, and the response names a span that is not recorded.
//!
//! Why not OpenTelemetry's `TraceContextPropagator`: version 0.33 accepts ids of any length (`00-1-1-00`), which the specification
//! forbids, and would continue such a trace.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use uuid::Uuid;

pub(crate) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

/// The trace that a request belongs to, and its own span there.
pub(crate) struct Part {
    pub(crate) trace: String,
    /// The `traceparent` of the response.
    pub(crate) header: HeaderValue,
    /// Whether the request's span is sent to a collector.
    pub(crate) is_recorded: bool,
}

/// Joins the span to the trace that the request names, or to a new one where spans are sent to a collector.
pub(crate) fn join(span: &Span, headers: &HeaderMap) -> Option<Part> {
    let parent = headers.get(&TRACE_PARENT).and_then(parent_of);
    if let Some(parent) = &parent {
        let state = headers
            .get(&TRACE_STATE)
            .and_then(|state| state.to_str().ok()?.parse().ok());
        let parent = with_state(parent, state.unwrap_or_default());
        // This fails where no spans are sent, and then there is nothing to join.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
    let context = span.context();
    let own = context.span().span_context().clone();
    let (own, is_recorded) = if own.is_valid() {
        let is_sampled = own.is_sampled();
        (own, is_sampled)
    } else {
        (unrecorded(&parent?), false)
    };
    let header = format!(
        "00-{}-{}-{:02x}",
        own.trace_id(),
        own.span_id(),
        own.trace_flags()
    );
    Some(Part {
        trace: own.trace_id().to_string(),
        header: HeaderValue::from_str(&header).ok()?,
        is_recorded,
    })
}

/// Makes the span the root of a new trace, with a link to the current one. A socket that is open for hours is not one trace.
pub(crate) fn leave(span: &Span) {
    let from = Span::current().context().span().span_context().clone();
    if from.is_valid() {
        let _ = span.set_parent(Context::new());
        span.add_link(from);
    }
}

/// Parses `traceparent`: version, trace id, parent id, flags.
fn parent_of(header: &HeaderValue) -> Option<SpanContext> {
    let parts: Vec<_> = header.to_str().ok()?.split('-').collect();
    let is_hex = |text: &str, length: usize| {
        text.len() == length
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    // A later version may have further parts.
    let [version, trace, parent, flags, ..] = parts[..] else {
        return None;
    };
    let is_well_formed = is_hex(version, 2)
        && version != "ff"
        && (version != "00" || parts.len() == 4)
        && is_hex(trace, 32)
        && is_hex(parent, 16)
        && is_hex(flags, 2);
    if !is_well_formed {
        return None;
    }
    let parent = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(parent).ok()?,
        // Other flags are not passed on.
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    );
    // Ids of zeros are not valid.
    parent.is_valid().then_some(parent)
}

fn with_state(parent: &SpanContext, state: TraceState) -> SpanContext {
    let flags = parent.trace_flags();
    SpanContext::new(parent.trace_id(), parent.span_id(), flags, true, state)
}

/// A span of this server in a trace that it does not record, and so does not sample.
fn unrecorded(parent: &SpanContext) -> SpanContext {
    let (_, span) = Uuid::new_v4().as_u64_pair();
    let (span, flags) = (SpanId::from(span), TraceFlags::default());
    SpanContext::new(parent.trace_id(), span, flags, false, TraceState::NONE)
}

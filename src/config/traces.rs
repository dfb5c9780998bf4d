//! Where spans are sent, as OpenTelemetry's *OTLP exporter* specification reads its variables: the one for traces alone wins,
//! and is taken as it is; the other is a base; one that is empty is not there, and `OTEL_SDK_DISABLED` turns all off.

use axum::http::Uri;

use super::{args::TraceArgs, value, wrong::Reader};

/// The URL, if any; `None` where it is wrong.
pub(super) fn url(args: &TraceArgs, values: &mut Reader<'_>) -> Option<Option<Uri>> {
    if std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true")) {
        return Some(None);
    }
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if let Some(url) = given(&args.otlp_traces_endpoint) {
        return values
            .read_secret("otlp_traces_endpoint", &url, value::http_url)
            .map(Some);
    }
    let Some(base) = given(&args.otlp_endpoint) else {
        return Some(None);
    };
    let url = format!("{}/v1/traces", base.trim_end_matches('/'));
    values
        .read_secret("otlp_endpoint", &url, value::http_url)
        .map(Some)
}

//! Where traces are sent. The variables are read as OpenTelemetry's specification of the OTLP exporter says: the variable for traces wins
//! and is the whole URL; the general one is a base URL; an empty variable counts as not set; `OTEL_SDK_DISABLED` turns traces off.

use axum::http::Uri;

use super::{args::TraceArgs, value, wrong::Reader};

/// The URL, if any; `None` if it is wrong.
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

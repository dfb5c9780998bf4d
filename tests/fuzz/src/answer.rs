//! What every response has to be.

use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value as Json;

/// Errors that say that Daybook itself is at fault: no client can bring them about.
const FAULTS: [&str; 7] = [
    "INTERNAL",
    "UNIT_DOOMED",
    "COMMIT_FAILED",
    "OUTCOME_UNKNOWN",
    "OPERATION_KIND_UNKNOWN",
    "DATABASE_UNAVAILABLE",
    "DATABASE_FULL",
];

/// Checks an HTTP response, of which this much was read.
pub(crate) fn check(status: StatusCode, headers: &HeaderMap, body: &[u8], is_whole: bool) {
    let text = String::from_utf8_lossy(body);
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{text}");
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if headers.contains_key(header::CONTENT_ENCODING) {
        return;
    }
    if kind.starts_with("text/event-stream") {
        for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
            // That of `complete` is empty.
            if !data.is_empty() && (is_whole || text.ends_with("\n\n")) {
                check_response(&serde_json::from_str(data).expect(data));
            }
        }
    } else if kind.contains("json") && is_whole && !body.is_empty() {
        match serde_json::from_slice(body).expect(&text) {
            Json::Array(responses) => responses.iter().for_each(check_response),
            response => check_response(&response),
        }
    }
}

/// Checks a GraphQL response.
pub(crate) fn check_response(response: &Json) {
    assert!(response.is_object() || response.is_null(), "{response}");
    let errors = response.get("errors").and_then(Json::as_array);
    check_errors(errors.map_or(&[], Vec::as_slice));
}

/// Checks the errors of a GraphQL response.
pub(crate) fn check_errors(errors: &[Json]) {
    for error in errors {
        assert!(error["message"].is_string(), "{error}");
        let code = error["extensions"]["code"].as_str().unwrap_or_default();
        assert!(!FAULTS.contains(&code), "{error}");
    }
}

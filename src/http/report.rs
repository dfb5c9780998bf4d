//! `x-unit-of-work: report`: a client's wish to see what its operation did to the database.

use async_graphql::Request;
use axum::http::{HeaderMap, HeaderName};
use unit_of_work::Report;

const HEADER: HeaderName = HeaderName::from_static("x-unit-of-work");

/// Whether the client asks for a report. A cross-site page cannot: the header needs a preflight.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    headers
        .get(HEADER)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"report"))
}

/// Marks a request, for the unit of work to find.
pub(super) fn mark(request: Request) -> Request {
    request.data(Report::InExtensions)
}

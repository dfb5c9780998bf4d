//! Answers that are files embedded in the binary: what their headers say, and who has them already.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// For a file with a hash in its name.
pub(super) const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// For every other file: its tag is compared each time.
pub(super) const REVALIDATE: &str = "no-cache";

/// How a file is answered.
pub(super) struct Answer {
    /// The SHA-256 of its contents.
    pub(super) hash: [u8; 32],
    /// `Cache-Control`.
    pub(super) caching: &'static str,
    /// `Content-Security-Policy`. Every file carries it, also a script, since a worker obeys the policy of its own file.
    pub(super) policy: &'static str,
}

impl Answer {
    /// The answer to a request with these headers: the content, or that it has not changed.
    pub(super) fn to(&self, request: &HeaderMap, content: impl FnOnce() -> Response) -> Response {
        let tag = self.entity_tag();
        let mut response = if matches(request, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            content()
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, tag);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(self.caching));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(self.policy),
        );
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }

    /// The tag is weak, since the compressed and the plain form share it.
    fn entity_tag(&self) -> HeaderValue {
        let hex: String = self
            .hash
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        #[expect(
            clippy::expect_used,
            reason = "hexadecimal digits are valid in a header"
        )]
        HeaderValue::try_from(format!("W/\"{hex}\"")).expect("an ASCII header value")
    }
}

fn matches(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let ours = tag.to_str().map(opaque).unwrap_or_default();
    listed(request.get_all(IF_NONE_MATCH).iter())
        .any(|theirs| theirs == "*" || opaque(theirs) == ours)
}

/// The items of a header that is a list.
pub(super) fn listed<'a>(
    values: impl Iterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = &'a str> {
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// The media types of the files that are embedded. A test fails for a new kind.
pub(super) fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("ttf") => "font/ttf",
        _ => "application/octet-stream",
    }
}

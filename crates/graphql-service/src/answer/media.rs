//! The media types of responses and request bodies.
//!
//! *GraphQL over HTTP*, "Media Types" and "Accept": both types carry the same JSON, and differ in the status. Under
//! `application/graphql-response+json` the status describes the GraphQL request. Under the older `application/json` every well-formed
//! request is answered with 200, because old clients and proxies mistake any other status for a failure of the server.
//!
//! Why not headers-accept: version 0.3 says which type a client prefers, but not whether the client *named* it. Here that decides: a
//! wildcard gets the older type, and only a client that names the newer one gets it.

use std::fmt;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use mime::Mime;

/// The most bytes of `Accept` that are parsed. Browsers send less than 200.
const MAX_ACCEPT_BYTES: usize = 2048;

/// Whether `Accept` is longer than it may be.
pub(crate) fn is_too_long(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).iter();
    values.map(HeaderValue::len).sum::<usize>() > MAX_ACCEPT_BYTES
}

/// The forms of an answer that a client accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accept {
    /// The media type of a single JSON response; `None` where the client accepts streams only.
    json: Option<MediaType>,
    /// The kind of stream that the client accepts, if any.
    stream: Option<StreamType>,
}

impl Accept {
    /// Reads the `Accept` headers of a request; `None` where the client accepts none of the types that there are (406).
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::ACCEPT).iter();
        if let (Some(only), None) = (values.next(), values.next())
            && let Some(json) = MediaType::of_usual(only)
        {
            let (json, stream) = (Some(json), None);
            return Some(Self { json, stream });
        }
        let accept = Self {
            json: MediaType::negotiate(headers),
            stream: StreamType::negotiate(headers),
        };
        (accept.json.is_some() || accept.stream.is_some()).then_some(accept)
    }

    /// Whether the client accepts streams only.
    pub(crate) fn only_streams(&self) -> bool {
        self.json.is_none()
    }

    /// Whether the client accepts server-sent events only, so that even one response has to be sent as events.
    pub(crate) fn only_events(&self) -> bool {
        self.json.is_none() && matches!(self.stream, Some(StreamType::Events))
    }

    /// The kind of stream that the client accepts, if any.
    pub(crate) fn stream(&self) -> Option<&StreamType> {
        self.stream.as_ref()
    }

    /// The media type of a JSON response. A refusal is JSON even for a client that accepts streams only.
    pub(crate) fn json(&self) -> MediaType {
        self.json.unwrap_or(MediaType::Json)
    }
}

/// The kinds of streams of responses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamType {
    /// `text/event-stream`, for queries and mutations too.
    Events,
    /// `multipart/mixed;subscriptionSpec="1.0"`, for subscriptions only.
    Multipart(Boundary),
}

impl StreamType {
    /// Only a type that is named counts: a wildcard does not ask for a stream. With equal weights, events win.
    fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let mut best = (0.0, None);
        for range in ranges(headers) {
            let quality = quality(&range);
            let (is_better, stream) = match range.essence_str() {
                "text/event-stream" => (quality >= best.0, Self::Events),
                // Without the parameter it is another protocol: incremental delivery.
                "multipart/mixed" if is_subscription(&range) => {
                    (quality > best.0, Self::Multipart(Boundary::of(&range)))
                }
                _ => continue,
            };
            if is_better && quality > 0.0 {
                best = (quality, Some(stream));
            }
        }
        best.1
    }
}

fn is_subscription(range: &Mime) -> bool {
    range
        .get_param("subscriptionspec")
        .is_some_and(|version| version == "1.0")
}

/// The boundary between the parts of a multipart response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Boundary(Box<str>);

impl Boundary {
    /// By RFC 2046.
    const MAX_BYTES: usize = 70;

    /// The boundary that the client asks for if it is a valid one, otherwise our own.
    fn of(range: &Mime) -> Self {
        let is_sane = |text: &&str| {
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(is_allowed)
        };
        let asked = range.get_param(mime::BOUNDARY);
        asked
            .as_ref()
            .map(mime::Name::as_str)
            .filter(is_sane)
            .map_or_else(Self::default, |name| Self(name.into()))
    }
}

impl Default for Boundary {
    fn default() -> Self {
        Self("graphql".into())
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn ranges(headers: &HeaderMap) -> impl Iterator<Item = Mime> {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.trim().parse().ok())
}

fn quality(range: &Mime) -> f32 {
    match range.get_param("q") {
        Some(quality) => quality.as_str().parse().unwrap_or(0.0),
        None => 1.0,
    }
}

/// A media type of GraphQL responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// `application/json`: the default.
    Json,
    /// `application/graphql-response+json`: for clients that name it.
    GraphqlResponse,
}

impl MediaType {
    /// The type to answer with, by the `Accept` headers of the request; `None` where the client accepts neither.
    ///
    /// Where a client names both with the same weight, the newer one wins, because its status codes say more.
    fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let is_empty = |value: &HeaderValue| value.as_bytes().trim_ascii().is_empty();
        if headers.get_all(header::ACCEPT).iter().all(is_empty) {
            return Some(Self::Json);
        }

        let mut json = Preference::default();
        let mut graphql_response = Preference::default();
        for range in ranges(headers) {
            json.weigh(&range, "json", None);
            graphql_response.weigh(&range, "graphql-response", Some("json"));
        }
        // A wildcard alone gives the default, so the newer type has to be named.
        if graphql_response.is_named() && graphql_response.quality >= json.quality {
            Some(Self::GraphqlResponse)
        } else if json.quality > 0.0 {
            Some(Self::Json)
        } else {
            (graphql_response.quality > 0.0).then_some(Self::GraphqlResponse)
        }
    }

    /// The type for an `Accept` that most programs send, found without parsing.
    fn of_usual(accept: &HeaderValue) -> Option<Self> {
        match accept.as_bytes() {
            b"*/*" | b"application/json" => Some(Self::Json),
            b"application/graphql-response+json" => Some(Self::GraphqlResponse),
            _ => None,
        }
    }

    /// The `Content-Type` of a response.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        })
    }

    /// The status of a request error: the operation did not run.
    pub(crate) fn request_error_status(self) -> StatusCode {
        match self {
            Self::Json => StatusCode::OK,
            Self::GraphqlResponse => StatusCode::BAD_REQUEST,
        }
    }

    /// The status of an operation that the server or its database cannot serve now.
    pub(crate) fn unavailable_status(self) -> StatusCode {
        match self {
            Self::Json => StatusCode::OK,
            Self::GraphqlResponse => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The weight that a client gives one media type, from its most specific range.
#[derive(Default)]
struct Preference {
    specificity: u8,
    quality: f32,
}

impl Preference {
    const NAMED: u8 = 3;

    fn weigh(&mut self, range: &Mime, subtype: &str, suffix: Option<&str>) {
        let matches_type = range.type_() == mime::APPLICATION;
        let specificity = if matches_type
            && range.subtype() == subtype
            && range.suffix().map(|suffix| suffix.as_str()) == suffix
            && is_utf8(range)
        {
            Self::NAMED
        } else if matches_type && range.subtype() == mime::STAR {
            2
        } else if range.type_() == mime::STAR {
            1
        } else {
            return;
        };
        if specificity >= self.specificity {
            self.specificity = specificity;
            self.quality = quality(range);
        }
    }

    fn is_named(&self) -> bool {
        self.specificity == Self::NAMED && self.quality > 0.0
    }
}

/// Whether the `Content-Type` of a request body is JSON in UTF-8. No other body is accepted.
///
/// This also prevents cross-site request forgery. A page of another site can send a form or `text/plain` directly, but before it
/// sends JSON its browser asks the server (a CORS preflight), and the server consents to allowed origins only.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    if content_type.is_some_and(|value| value == "application/json") {
        return true;
    }
    content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<Mime>().ok())
        .is_some_and(|mime| mime.essence_str() == "application/json" && is_utf8(&mime))
}

fn is_utf8(mime: &Mime) -> bool {
    mime.get_param(mime::CHARSET)
        .is_none_or(|charset| charset == mime::UTF_8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiate(accept: &str) -> Option<MediaType> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        let negotiated = MediaType::negotiate(&headers);
        // What is told without a parser is told the same.
        assert_eq!(
            Accept::of(&headers).and_then(|accept| accept.json),
            negotiated
        );
        negotiated
    }

    #[test]
    fn a_stream_is_asked_for_by_name() {
        let multipart = |boundary: &str| Some(StreamType::Multipart(Boundary(boundary.into())));
        let events = Some(StreamType::Events);
        for (accept, expected) in [
            ("*/*", None),
            ("multipart/mixed", None),
            ("multipart/mixed;deferSpec=20220824, application/json", None),
            ("multipart/mixed;subscriptionSpec=2.0", None),
            ("multipart/mixed;subscriptionSpec=1.0;q=0", None),
            ("text/event-stream", events.clone()),
            (
                "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json",
                multipart("graphql"),
            ),
            (
                "multipart/mixed; subscriptionspec=\"1.0\"",
                multipart("graphql"),
            ),
            (
                "multipart/mixed;subscriptionSpec=1.0;boundary=\"a-b\"",
                multipart("a-b"),
            ),
            (
                "multipart/mixed;subscriptionSpec=1.0;boundary=\"a b\"",
                multipart("graphql"),
            ),
            (
                "multipart/mixed;subscriptionSpec=1.0, text/event-stream",
                events.clone(),
            ),
            (
                "text/event-stream, multipart/mixed;subscriptionSpec=1.0",
                events,
            ),
            (
                "text/event-stream;q=0.5, multipart/mixed;subscriptionSpec=1.0",
                multipart("graphql"),
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(StreamType::negotiate(&headers), expected, "{accept}");
        }
    }

    #[test]
    fn the_most_specific_range_and_the_greater_weight_win() {
        use MediaType::{GraphqlResponse, Json};
        let cases = [
            ("*/*", Some(Json)),
            ("application/*", Some(Json)),
            ("application/json", Some(Json)),
            ("application/graphql-response+json", Some(GraphqlResponse)),
            (
                "application/graphql-response+json, application/json;q=0.9",
                Some(GraphqlResponse),
            ),
            (
                "application/json, application/graphql-response+json",
                Some(GraphqlResponse),
            ),
            (
                "application/json, application/graphql-response+json;q=0.5",
                Some(Json),
            ),
            (
                "application/graphql-response+json, */*",
                Some(GraphqlResponse),
            ),
            ("application/json;q=0, */*", Some(GraphqlResponse)),
            ("application/json;charset=utf-8", Some(Json)),
            ("application/json;charset=latin1", None),
            ("application/json;q=0", None),
            ("text/html", None),
            ("text/html, */*;q=0.1", Some(Json)),
            ("nonsense", None),
        ];
        for (accept, expected) in cases {
            assert_eq!(negotiate(accept), expected, "{accept}");
        }
    }
}

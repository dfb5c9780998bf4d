//! The same-origin rule, for WebSockets and for GET.
//!
//! A browser lets any page open a WebSocket to any server, sends cookies along, and only adds the page's `Origin`. Without a check, every
//! page that a user visits could run mutations over a socket ("cross-site WebSocket hijacking"; RFC 6455, section 10.2).
//!
//! A POST needs no such check: it has to be JSON, for which a browser first asks the server (a CORS preflight).
//!
//! A GET changes nothing, and the browser hides its answer from a page of another origin. But its query costs the server work, and the
//! page can measure how long it takes. So a browser's GET has to come from our own page or an allowed origin, or to have a header for which
//! a browser asks first (Apollo's rule). Clients that are not browsers carry nobody's cookies, and are not checked.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request::Parts, uri::Authority},
};

use crate::answer::{media, refusal::Refusal};

/// Refuses a WebSocket handshake from a page of another origin that is not `allowed`. A handshake without `Origin` is not from a browser.
pub(crate) fn check(parts: &Parts, allowed: &[HeaderValue]) -> Result<(), Refusal> {
    match from_allowed(&parts.uri, &parts.headers, allowed) {
        None | Some(true) => Ok(()),
        Some(false) => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "a page of another origin may not connect",
        )),
    }
}

/// Headers that make a browser ask the server (a CORS preflight) before it sends a request across sites. Apollo's clients send the second.
const PREFLIGHT_HEADERS: [&str; 3] = [
    "graphql-require-preflight",
    "apollo-require-preflight",
    "x-apollo-operation-name",
];

/// Refuses a GET that a browser sends for a page of another origin, or for an origin that it does not name.
pub(crate) fn check_get<B>(request: &Request<B>, allowed: &[HeaderValue]) -> Result<(), Refusal> {
    let headers = request.headers();
    let has = |name: &str| headers.get(name).is_some_and(|value| !value.is_empty());
    if PREFLIGHT_HEADERS.into_iter().any(has) || media::is_json(headers) {
        return Ok(());
    }
    let is_ours = match from_allowed(request.uri(), headers, allowed) {
        Some(is_allowed) => is_allowed,
        // Requests for images, scripts and links have no `Origin`.
        None => {
            let mut sites = headers.get_all("sec-fetch-site").iter().peekable();
            match sites.peek() {
                // `none`: a person has typed the address.
                Some(_) => sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none")),
                // Browsers leave this header out of unencrypted requests to another machine, and old browsers always do. So a client
                // whose `User-Agent` is that of a browser is refused.
                None => !is_browser(headers),
            }
        }
    };
    if is_ours {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::FORBIDDEN,
        "a browser's GET for a page of another origin is not executed: send the header `graphql-require-preflight: 1`, or use POST",
    ))
}

fn is_browser(headers: &HeaderMap) -> bool {
    headers
        .get(header::USER_AGENT)
        .is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"))
}

/// Whether `Origin` is our own or an allowed one; `None` where there is no `Origin`.
fn from_allowed(uri: &Uri, headers: &HeaderMap, allowed: &[HeaderValue]) -> Option<bool> {
    let origin = headers.get(header::ORIGIN)?;
    if allowed.contains(origin) {
        return Some(true);
    }
    // HTTP/2 names the host in `:authority`, HTTP/1.1 in `Host`.
    let host = uri.authority().cloned().or_else(|| {
        let host = headers.get(header::HOST)?.to_str().ok()?;
        host.parse::<Authority>().ok()
    });
    let origin = origin
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Uri>().ok());
    Some(match (origin, host) {
        (Some(origin), Some(host)) => is_same(&origin, &host),
        _ => false,
    })
}

/// Compares host and port. The scheme is not compared, since a proxy in front may end TLS.
fn is_same(origin: &Uri, host: &Authority) -> bool {
    let default_port = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
    origin.authority().is_some_and(|origin| {
        origin.host().eq_ignore_ascii_case(host.host()) && port(origin) == port(host)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_host_and_port_are_the_same_origin() {
        let cases = [
            ("http://localhost:8000", "localhost:8000", true),
            ("http://LOCALHOST:8000", "localhost:8000", true),
            ("https://notes.example", "notes.example", true),
            ("https://notes.example", "notes.example:443", true),
            ("http://[::1]:8000", "[::1]:8000", true),
            ("http://localhost:8001", "localhost:8000", false),
            ("http://notes.example", "notes.example:443", false),
            ("https://evil.example", "notes.example", false),
            ("https://notes.example.evil.example", "notes.example", false),
        ];
        for (origin, host, expected) in cases {
            let origin: Uri = origin.parse().unwrap();
            assert_eq!(
                is_same(&origin, &host.parse().unwrap()),
                expected,
                "{origin} {host}"
            );
        }
    }
}

//! The same-origin rule, for WebSockets and for GET.
//!
//! Browsers let any page open a WebSocket to any server, send the cookies along, and tell only the `Origin`: without a
//! check, every page the user visits could run mutations over a socket ("cross-site WebSocket hijacking"; RFC 6455,
//! section 10.2). A POST needs no such check: it has to be JSON, which a browser does not send across sites without asking
//! first. A GET changes nothing, and its answer is not shown to another page; but it costs the server what its query costs, and
//! how long it takes can be measured. So a browser's GET has to come from our own page, or has to have a header that browsers
//! do not send across sites without asking (Apollo's rule, for browsers alone: other clients have nobody's privileges).

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request::Parts, uri::Authority},
};

use crate::answer::{media, refusal::Refusal};

/// Refuses a handshake from a page of another origin. Without an `Origin` it is no browser, and nobody's cookies.
/// `allowed` are the other origins that may.
pub(crate) fn check(parts: &Parts, allowed: &[HeaderValue]) -> Result<(), Refusal> {
    match from_allowed(&parts.uri, &parts.headers, allowed) {
        None | Some(true) => Ok(()),
        Some(false) => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "a page of another origin may not connect",
        )),
    }
}

/// Headers with which a browser asks first before it sends a request across sites. Apollo's clients send the second.
const ASKED_FIRST: [&str; 3] = [
    "graphql-require-preflight",
    "apollo-require-preflight",
    "x-apollo-operation-name",
];

/// Refuses a GET that a browser sends for a page of another origin, or does not say for which.
pub(crate) fn check_get<B>(request: &Request<B>, allowed: &[HeaderValue]) -> Result<(), Refusal> {
    let headers = request.headers();
    let has = |name: &str| headers.get(name).is_some_and(|value| !value.is_empty());
    if ASKED_FIRST.into_iter().any(has) || media::is_json(headers) {
        return Ok(());
    }
    let is_ours = match from_allowed(request.uri(), headers, allowed) {
        Some(is_allowed) => is_allowed,
        // Images, scripts and links have no `Origin`.
        None => {
            let mut sites = headers.get_all("sec-fetch-site").iter().peekable();
            match sites.peek() {
                // A person has typed the address, or it is our own page.
                Some(_) => sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none")),
                // Browsers leave it out of what goes unencrypted to another machine, and old ones do always. All of them, and
                // few others, begin their name with this.
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

/// Whether a request is from a page of our own or of an allowed origin; `None` where it does not say.
fn from_allowed(uri: &Uri, headers: &HeaderMap, allowed: &[HeaderValue]) -> Option<bool> {
    let origin = headers.get(header::ORIGIN)?;
    if allowed.contains(origin) {
        return Some(true);
    }
    // HTTP/2 has the host in `:authority`, HTTP/1.1 in `Host`.
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

/// Compares host and port. The scheme is not compared: a proxy in front may have ended TLS.
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

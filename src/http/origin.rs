//! The same-origin rule for WebSockets.
//!
//! Browsers let any page open a WebSocket to any server, send the cookies along, and tell only the `Origin`: without a
//! check, every page the user visits could run mutations over a socket ("cross-site WebSocket hijacking"; RFC 6455,
//! section 10.2). HTTP needs no such check: a POST has to be JSON, which a browser does not send across sites without
//! asking first, and a GET changes nothing.

use axum::http::{HeaderValue, StatusCode, Uri, header, request::Parts, uri::Authority};

use super::refusal::Refusal;

/// Refuses a handshake from a page of another origin. Without an `Origin` it is no browser, and nobody's cookies.
/// `allowed` are the other origins that may.
pub(super) fn check(parts: &Parts, allowed: &[HeaderValue]) -> Result<(), Refusal> {
    let Some(origin) = parts.headers.get(header::ORIGIN) else {
        return Ok(());
    };
    if allowed.contains(origin) {
        return Ok(());
    }
    // HTTP/2 has the host in `:authority`, HTTP/1.1 in `Host`.
    let host = parts.uri.authority().cloned().or_else(|| {
        let host = parts.headers.get(header::HOST)?.to_str().ok()?;
        host.parse::<Authority>().ok()
    });
    let origin = origin
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Uri>().ok());
    match (origin, host) {
        (Some(origin), Some(host)) if is_same(&origin, &host) => Ok(()),
        _ => Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "a page of another origin may not connect",
        )),
    }
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
            ("https://daybook.example", "daybook.example", true),
            ("https://daybook.example", "daybook.example:443", true),
            ("http://[::1]:8000", "[::1]:8000", true),
            ("http://localhost:8001", "localhost:8000", false),
            ("http://daybook.example", "daybook.example:443", false),
            ("https://evil.example", "daybook.example", false),
            (
                "https://daybook.example.evil.example",
                "daybook.example",
                false,
            ),
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

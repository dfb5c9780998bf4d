//! The names under which the server answers: the check of `Host`.
//!
//! A server without authentication trusts every client that reaches it, and therefore listens on loopback. But a browser on the same
//! machine reaches it too, for any page. If the name `evil.example` is made to resolve to 127.0.0.1 ("DNS rebinding"), the browser takes a
//! page of that name for the server's own, and lets it send anything. Its requests still name the host `evil.example`. So such a server
//! answers the names of loopback, which nobody else can own, and those that a setting allows.
//!
//! The check is made for every path, since pages, `/metrics` and `/readyz` reveal something too.

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, Version, header, uri::Authority},
};

use crate::answer::refusal::Refusal;

/// The names that requests may have in `Host`, with any port. Any other name is answered with 421.
///
/// By default these are the names of loopback. This prevents DNS rebinding: a page of another site cannot reach the server under the
/// page's own name.
///
/// ```
/// use graphql_service::Hosts;
///
/// let hosts = Hosts::LoopbackAnd(vec!["notes.example".to_owned()]);
/// assert_eq!(Hosts::default(), Hosts::LoopbackAnd(Vec::new()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hosts {
    /// Any name: for a server that authenticates its callers, or whose answers are public.
    Any,
    /// `localhost` and names below it, the addresses of loopback, and these, in lower case and without a port.
    LoopbackAnd(Vec<String>),
}

impl Default for Hosts {
    fn default() -> Self {
        Self::LoopbackAnd(Vec::new())
    }
}

impl Hosts {
    /// Refuses a request that names another host, or not exactly one. `advice` tells the client what to do about it.
    pub(crate) fn check<B>(&self, request: &Request<B>, advice: &str) -> Result<(), Refusal> {
        let mut headers = request.headers().get_all(header::HOST).iter();
        let (header, second) = (headers.next(), headers.next());
        if second.is_some() {
            return Err(Refusal::bad_request("`Host` is there twice"));
        }
        // HTTP/2 names the host in `:authority`, and HTTP/1.1 in the request's target if that is a whole URL.
        let target = request.uri().authority();
        // RFC 9112, section 3.2: only HTTP/1.0 has requests without a host.
        let is_missing = header.is_none() && target.is_none();
        if is_missing && (request.version() > Version::HTTP_10 || *self != Self::Any) {
            return Err(Refusal::bad_request("`Host` is missing"));
        }
        let Self::LoopbackAnd(others) = self else {
            return Ok(());
        };
        if target.is_none() && header.is_some_and(is_usual_loopback) {
            return Ok(());
        }
        let header = header.map(parse).transpose()?;
        // If both are there, both have to be allowed.
        for authority in header.iter().chain(target) {
            if authority.as_str().contains('@') {
                return Err(malformed());
            }
            let host = normal(authority.host());
            if !is_loopback(&host) && !others.contains(&host) {
                return Err(Refusal::new(
                    StatusCode::MISDIRECTED_REQUEST,
                    format!("this server is not known by that name: {advice}"),
                ));
            }
        }
        Ok(())
    }
}

/// Whether `Host` is one of the usual names of loopback, found without parsing.
fn is_usual_loopback(header: &HeaderValue) -> bool {
    let header = header.as_bytes();
    ["localhost", "127.0.0.1"].iter().any(|name| {
        let rest = header.strip_prefix(name.as_bytes());
        rest.is_some_and(|rest| match rest {
            [] => true,
            [b':', port @ ..] => matches!(port.len(), 1..=5) && port.iter().all(u8::is_ascii_digit),
            _ => false,
        })
    })
}

fn parse(header: &HeaderValue) -> Result<Authority, Refusal> {
    Authority::try_from(header.as_bytes()).map_err(|_| malformed())
}

fn malformed() -> Refusal {
    Refusal::bad_request("`Host` is a name or an address, and may have a port")
}

/// The name in lower case, without the final dot of an absolute name.
fn normal(host: &str) -> String {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.to_ascii_lowercase()
}

/// Whether a host is this machine for every resolver (RFC 6761, section 6.3).
fn is_loopback(host: &str) -> bool {
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Some(address) = address {
        return address
            .parse::<std::net::Ipv6Addr>()
            .is_ok_and(|address| address.is_loopback());
    }
    host == "localhost"
        || host.strip_suffix(".localhost").is_some_and(is_name)
        || host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(hosts: &Hosts, version: Version, target: &str, headers: &[&str]) -> u16 {
        let mut request = Request::builder().version(version).uri(target);
        for header in headers {
            request = request.header(header::HOST, *header);
        }
        match hosts.check(&request.body(()).unwrap(), "use another") {
            Ok(()) => 200,
            Err(refusal) => refusal
                .into_http(crate::answer::media::MediaType::Json)
                .status()
                .as_u16(),
        }
    }

    #[test]
    fn loopback_names_are_answered_and_no_others() {
        let hosts = Hosts::LoopbackAnd(vec!["notes.example".to_owned(), "[fd00::1]".to_owned()]);
        let ask = |host: &str| answer(&hosts, Version::HTTP_11, "/graphql", &[host]);
        for good in [
            "localhost",
            "localhost:8000",
            "LOCALHOST:1",
            "localhost.",
            "localhost.:8000",
            "a.localhost",
            "a.b.localhost:1",
            "127.0.0.1",
            "127.0.0.1:8000",
            "127.255.0.9:1",
            "[::1]",
            "[::1]:8000",
            "[0:0:0:0:0:0:0:1]:1",
            "notes.example",
            "Notes.Example:443",
            "[fd00::1]:1",
        ] {
            assert_eq!(ask(good), 200, "{good}");
        }
        for bad in [
            "evil.example",
            "evil.example:8000",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "a.notes.example",
            "0.0.0.0:8000",
            "10.0.0.1",
            "[::]",
            "[::ffff:10.0.0.1]",
            "[fd00::2]",
            "128.0.0.1",
            "2130706433",
            "0x7f000001",
            ".localhost",
            "127.1",
            "xn--localhost",
            "local,host",
        ] {
            assert_eq!(ask(bad), 421, "{bad}");
        }
        for malformed in [
            "",
            " ",
            "a b",
            "localhost/",
            "evil.example@localhost",
            "localhost@localhost",
            "localhost:x:1",
            "http://localhost",
        ] {
            assert_eq!(ask(malformed), 400, "{malformed}");
        }
    }

    #[test]
    fn a_request_names_one_host() {
        let only = Hosts::LoopbackAnd(Vec::new());
        for hosts in [&Hosts::Any, &only] {
            assert_eq!(answer(hosts, Version::HTTP_11, "/", &[]), 400);
            assert_eq!(answer(hosts, Version::HTTP_2, "/", &[]), 400);
            assert_eq!(
                answer(hosts, Version::HTTP_11, "/", &["localhost", "localhost"]),
                400
            );
            assert_eq!(
                answer(hosts, Version::HTTP_2, "http://localhost/", &[]),
                200
            );
            assert_eq!(
                answer(hosts, Version::HTTP_2, "http://localhost/", &["localhost"]),
                200
            );
        }
        assert_eq!(answer(&Hosts::Any, Version::HTTP_10, "/", &[]), 200);
        assert_eq!(answer(&only, Version::HTTP_10, "/", &[]), 400);
        // Both are looked at, whichever a proxy or a handler believes.
        assert_eq!(
            answer(
                &only,
                Version::HTTP_2,
                "http://evil.example/",
                &["localhost"]
            ),
            421
        );
        assert_eq!(
            answer(
                &only,
                Version::HTTP_11,
                "http://localhost/",
                &["evil.example"]
            ),
            421
        );
    }
}

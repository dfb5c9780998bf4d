//! Reads the values of settings. An error says what is allowed, in words that follow "expected".

use std::time::Duration;

use axum::http::{HeaderValue, Uri};
use tracing_subscriber::EnvFilter;

use crate::http::{KeyError, KeyFile, KeySource, TrustedDocuments};

/// `HOST:PORT`, where the host is a name or an address.
pub(super) fn address(text: &str) -> Result<String, String> {
    let is_address = text.rsplit_once(':').is_some_and(|(host, port)| {
        // An IPv6 address must be in brackets, or its end would be read as a port.
        let is_host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty()
                    && host
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            }
        };
        is_host && port.parse::<u16>().is_ok()
    });
    if is_address {
        Ok(text.to_owned())
    } else {
        Err("a host and a port, such as 127.0.0.1:8000 or [::]:8000".to_owned())
    }
}

/// A number of connections, at least one.
pub(super) fn at_least_one(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(number @ 1..=10_000) => Ok(number),
        _ => Err("a number from 1 to 10000".to_owned()),
    }
}

/// A limit, at least one.
pub(super) fn limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=1_000_000_000) => Ok(number),
        _ => Err("a number from 1 to 1000000000".to_owned()),
    }
}

/// A receipt that was kept: the number of an event, and its hash.
pub(super) fn receipt(text: &str) -> Result<(i64, String), String> {
    let receipt = text.split_once(':').and_then(|(number, hash)| {
        let number = number.parse().ok().filter(|number| *number > 0)?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| (number, hash.to_ascii_lowercase()))
    });
    receipt.ok_or_else(|| {
        "the number and the hash of a receipt, such as 17: and 64 hexadecimal digits".to_owned()
    })
}

/// A number of bytes, possibly zero.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(number @ 0..=1_000_000_000_000) => Ok(number),
        _ => Err("a number from 0 to 1000000000000".to_owned()),
    }
}

/// Reads the manifest of this name.
pub(super) fn manifest(path: &str) -> Result<TrustedDocuments, String> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    TrustedDocuments::from_manifest(&text).map_err(|what| format!("the name of {what}"))
}

/// Reads the file of this name, which holds a secret.
pub(super) fn secret(path: &str) -> Result<KeySource, String> {
    key_file(KeyFile::Secret(path.into()))
}

/// Reads the file of public keys with this name; or takes the URL of such a file.
pub(super) fn key_set(text: &str) -> Result<KeySource, String> {
    match text.split_once("://") {
        Some(_) => key_url(text),
        None => key_file(KeyFile::Set(text.into())),
    }
}

fn key_file(file: KeyFile) -> Result<KeySource, String> {
    match file.read() {
        Ok(_) => Ok(KeySource::File(file)),
        Err(KeyError::Read(error)) => Err(unreadable(&error)),
        Err(KeyError::NoKeys(what)) => Err(format!("the name of a file with {what}")),
        Err(error) => Err(format!("keys ({error})")),
    }
}

/// The URL of public keys. Whoever can change the answer on its way can forge tokens, so plain HTTP is allowed only on this machine.
fn key_url(text: &str) -> Result<KeySource, String> {
    let url = text.parse::<Uri>().ok().filter(|url| {
        let host = url.host().unwrap_or_default();
        let is_private = match url.scheme_str() {
            Some("https") => !host.is_empty(),
            Some("http") => is_loopback_host(host),
            _ => false,
        };
        is_private && !text.contains('@')
    });
    url.map(KeySource::Url).ok_or_else(|| {
        "a URL that begins with https:// (or http:// on this machine) and names no user".to_owned()
    })
}

/// The URL of another server. It must not name a user.
pub(super) fn http_url(text: &str) -> Result<Uri, String> {
    let url = text.parse::<Uri>().ok().filter(|url| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url.host().is_some_and(|host| !host.is_empty())
            && !text.contains('@')
    });
    url.ok_or_else(|| {
        "a URL that begins with http:// or https:// and names no user (credentials go in headers: \
         OTEL_EXPORTER_OTLP_HEADERS)"
            .to_owned()
    })
}

/// An origin: scheme, host and port, as browsers write them.
pub(super) fn origin(text: &str) -> Result<HeaderValue, String> {
    let is_origin = text.parse::<Uri>().is_ok_and(|uri| {
        // An origin with a path or a user would never equal what a browser sends.
        let parts = (uri.scheme_str(), uri.authority());
        matches!(parts, (Some("http" | "https"), Some(host)) if text.ends_with(&format!("://{host}")))
            && !text.contains('@')
    });
    match HeaderValue::from_str(text) {
        Ok(value) if is_origin && text == text.to_ascii_lowercase() => Ok(value),
        _ => Err("an origin, such as https://app.example".to_owned()),
    }
}

/// The code of a currency.
pub(super) fn currency_code(text: &str) -> Result<String, String> {
    let is_code = (3..=12).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    match is_code {
        true => Ok(text.to_owned()),
        false => Err(
            "the code of a currency (3 to 12 capital letters and digits), such as EUR".to_owned(),
        ),
    }
}

/// The name or address of a host, without a port, as requests write it.
pub(super) fn host(text: &str) -> Result<String, String> {
    let host = text.to_ascii_lowercase();
    // Requests write an IPv6 address in brackets; the setting may leave them out.
    let host = match host.parse::<std::net::Ipv6Addr>() {
        Ok(_) => format!("[{host}]"),
        Err(_) => host,
    };
    match address(&format!("{host}:0")) {
        Ok(_) if !host.ends_with('.') => Ok(host),
        _ => Err(
            "the name or the address of a host without a port, such as daybook.example".to_owned(),
        ),
    }
}

/// Whether only this machine can reach an address.
pub(super) fn is_loopback(address: &str) -> bool {
    is_loopback_host(address.rsplit_once(':').map_or(address, |(host, _)| host))
}

pub(super) fn is_loopback_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn unreadable(error: &std::io::Error) -> String {
    format!("a file that can be read ({error})")
}

/// A time, possibly zero.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time <= MAX_TIME => Ok(time),
        _ => Err("a time of at most a day, such as 30s, 500ms or 2m".to_owned()),
    }
}

/// A time greater than zero.
pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    match time(text) {
        Ok(Duration::ZERO) => Err("a time greater than zero, such as 30s, 500ms or 2m".to_owned()),
        other => other,
    }
}

/// The longest time. An instant plus a few of them must not overflow.
const MAX_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A filter of log lines.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    // An empty filter would silence even errors.
    if !text.trim().is_empty() && EnvFilter::try_new(text).is_ok() {
        Ok(with_service(text))
    } else {
        Err("a level (error, warn, info, debug, trace), or one per module, such as info,unit_of_work=debug".to_owned())
    }
}

/// Extends a filter: what it says of `daybook` or `daybook::http` holds for the crate `graphql_service` too, which is a part of Daybook for
/// readers of the log. A directive that names that crate comes last, and wins.
fn with_service(filter: &str) -> String {
    let mut depth = 0_usize;
    // A comma inside brackets separates fields of a span, not directives.
    let directives = filter.split(|character| {
        match character {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    let directives: Vec<&str> = directives.map(str::trim).collect();
    let mut all = Vec::new();
    for (name, next) in [
        ("daybook", &['=', '['][..]),
        ("daybook::http", &['=', '[', ':']),
    ] {
        let rests = directives.iter().filter_map(|one| one.strip_prefix(name));
        let rests = rests.filter(|rest| rest.is_empty() || rest.starts_with(next));
        all.extend(rests.map(|rest| format!("graphql_service{rest}")));
    }
    all.push(filter.to_owned());
    all.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_of_daybook_is_one_of_the_service_too() {
        for (text, filter) in [
            ("info", "info"),
            (
                "error,daybook::http=debug",
                "graphql_service=debug,error,daybook::http=debug",
            ),
            (
                "daybook::http::socket[a{b,daybook=1}]=info, daybook=warn",
                "graphql_service=warn,graphql_service::socket[a{b,daybook=1}]=info,\
                 daybook::http::socket[a{b,daybook=1}]=info, daybook=warn",
            ),
            (
                "daybook::jobs=info,daybooks=info",
                "daybook::jobs=info,daybooks=info",
            ),
        ] {
            assert_eq!(with_service(text), filter);
        }
    }

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for good in [
            "127.0.0.1:8000",
            "localhost:0",
            "[::1]:80",
            "my-host.example:65535",
        ] {
            assert_eq!(address(good), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "8000",
            ":8000",
            "localhost",
            "localhost:",
            "localhost:65536",
            "::1:80",
            "a b:1",
            "http://x:1",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for inside in [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "localhost:1",
            "LOCALHOST:0",
        ] {
            assert!(is_loopback(inside), "{inside}");
        }
        for beyond in [
            "0.0.0.0:1",
            "[::]:1",
            "10.0.0.1:1",
            "daybook.example:1",
            "localhost.example:1",
        ] {
            assert!(!is_loopback(beyond), "{beyond}");
        }
    }

    #[test]
    fn keys_come_by_no_way_that_others_can_change() {
        for good in [
            "https://login.example/keys",
            "https://10.0.0.1:8443/keys",
            "http://localhost:1/keys",
            "http://127.0.0.1/keys",
            "http://[::1]:1/keys",
        ] {
            assert!(key_set(good).is_ok(), "{good}");
        }
        for bad in [
            "http://login.example/keys",
            "http://localhost.example/keys",
            "http://127.0.0.1@login.example/keys",
            "https://ann@login.example/keys",
            "ftp://localhost/keys",
            "file:///keys",
            "https://",
        ] {
            assert!(key_set(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for good in ["https://app.example", "http://localhost:3000"] {
            assert_eq!(origin(good).unwrap(), good);
        }
        for bad in [
            "",
            "*",
            "null",
            "app.example",
            "https://app.example/",
            "https://a@app.example",
            "https://APP.example",
            "ftp://x",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_has_no_port() {
        for (text, expected) in [
            ("daybook.example", "daybook.example"),
            ("Daybook", "daybook"),
            ("10.0.0.1", "10.0.0.1"),
            ("[fd00::1]", "[fd00::1]"),
            ("fd00::1", "[fd00::1]"),
        ] {
            assert_eq!(host(text).unwrap(), expected);
        }
        for bad in [
            "",
            "*",
            "*.example",
            "a:80",
            "http://a",
            "a/b",
            "a b",
            "a@b",
            "a.",
        ] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(time("0s"), Ok(Duration::ZERO));
        assert!(some_time("0s").is_err());
        for bad in ["", "30", "-1s", "soon", "2days"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}

//! Refuses names that are almost the name of a switch.
//!
//! HTTP and *GraphQL over HTTP* have unknown headers and members ignored. With a switch that protects, this would be a trap:
//! `x-dry-runn: true` or `extensions.dry_run: true` would run the operation for real. So a name is refused if it is a switch's with
//! a slip of the pen ([`Letters::is_near`]), and the error says which name is right.

use axum::http::{HeaderMap, Uri};

use crate::{
    answer::refusal::Refusal,
    request::{near::Letters, switches::Switches},
};

/// A name that is known, and its letters.
struct Known {
    name: &'static str,
    letters: Letters,
}

const fn known(name: &'static str) -> Known {
    match Letters::of(name) {
        Some(letters) => Known { name, letters },
        None => panic!("names of switches are shorter"),
    }
}

/// The headers that are switches.
static HEADERS: [Known; 7] = [
    known(IDEMPOTENCY_KEY),
    known(BATCH),
    known("x-consistency"),
    known("x-dry-run"),
    known("x-max-staleness"),
    known("x-timeout"),
    known("x-unit-of-work"),
];

/// The member of `extensions` that names a document.
const PERSISTED: &str = "persistedQuery";

/// The members of `extensions` whose names are checked: the switches, and the one that names a document.
static EXTENSIONS: [Known; 7] = [
    known("consistency"),
    known("dryRun"),
    known("idempotencyKey"),
    known("maxStaleness"),
    known(PERSISTED),
    known("timeout"),
    known("unitOfWork"),
];

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The switch that is a header only: no member of `extensions` stands for it.
const BATCH: &str = "x-batch";
static BATCHES: [Known; 1] = [known(BATCH)];

/// The members of a request that change what a document does.
static MEMBERS: [Known; 3] = [
    known("operationName"),
    known("variables"),
    known("extensions"),
];

/// The members of a request without which there is none: a slip in these lets nothing run, and there are other names like them.
static DOCUMENTS: [Known; 2] = [known("query"), known("documentId")];

/// Headers that almost every request has, and that need no second look.
fn is_usual(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "accept"
            | "accept-encoding"
            | "accept-language"
            | "authorization"
            | "connection"
            | "content-length"
            | "content-type"
            | "cookie"
            | "origin"
            | "referer"
            | "user-agent"
    )
}

/// Whether any header is a switch. Refuses a header that is almost a switch, and switches that this server does not accept.
pub(crate) fn check_headers(headers: &HeaderMap, switches: Switches) -> Result<bool, Refusal> {
    let mut has_switch = false;
    for name in headers.keys() {
        if !is_usual(name.as_str())
            && let Some(name) = header(name.as_str())?
        {
            if !switches.are_accepted() {
                return Err(not_accepted(name));
            }
            has_switch = true;
        }
    }
    Ok(has_switch)
}

/// The switch that a header is, if it is one. Refuses a header that is almost a switch.
pub(crate) fn header(name: &str) -> Result<Option<&'static str>, Refusal> {
    match meant(name, &HEADERS) {
        Some(right) if !right.eq_ignore_ascii_case(name) => {
            Err(misspelt("the header", name, right))
        }
        header => Ok(header),
    }
}

/// Refuses a member of `extensions` that is almost a switch, and switches that this server does not accept.
pub(crate) fn check_extensions<'a>(
    mut names: impl Iterator<Item = &'a String>,
    switches: Switches,
) -> Result<(), Refusal> {
    names.try_for_each(|name| match meant(name, &EXTENSIONS) {
        Some(right) if right != name => Err(misspelt("the extension", name, right)),
        // `persistedQuery` is no switch of the executor: the service itself reads it.
        Some(right) if right != PERSISTED && !switches.are_accepted() => Err(not_accepted(right)),
        None if meant(name, &BATCHES).is_some() => Err(only_a_header(name)),
        _ => Ok(()),
    })
}

/// Refuses a member of a request that is almost one of [`MEMBERS`], or that belongs into `extensions`.
pub(crate) fn check_members<'a>(
    mut names: impl Iterator<Item = &'a String>,
) -> Result<(), Refusal> {
    names.try_for_each(
        |name| match spelt(name, &DOCUMENTS).or_else(|| meant(name, &MEMBERS)) {
            Some(right) if right != name => Err(misspelt("the member", name, right)),
            Some(_) => Ok(()),
            None => check_place(name),
        },
    )
}

/// Refuses a switch in the query string of a POST, which is not read.
pub(crate) fn check_query_string(uri: &Uri) -> Result<(), Refusal> {
    let Some(query) = uri.query() else {
        return Ok(());
    };
    query
        .split('&')
        .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
        .try_for_each(check_place)
}

/// Refuses a switch in a place where switches are not read.
pub(crate) fn check_place(name: &str) -> Result<(), Refusal> {
    if let Some(right) = meant(name, &EXTENSIONS) {
        return Err(Refusal::bad_request(format!(
            "`{}` is not read here: it is a member of `extensions`, as `{right}`",
            shown(name)
        )));
    }
    if meant(name, &BATCHES).is_some() {
        return Err(only_a_header(name));
    }
    Ok(())
}

/// The known name that this one is, or is with a slip.
fn meant(name: &str, known: &[Known]) -> Option<&'static str> {
    let letters = Letters::of(name)?;
    let mut near = known.iter().filter(|known| letters.is_near(&known.letters));
    Some(near.next()?.name)
}

/// The known name that has the same letters.
fn spelt(name: &str, known: &[Known]) -> Option<&'static str> {
    let letters = Letters::of(name)?;
    let mut same = known.iter().filter(|known| letters == known.letters);
    Some(same.next()?.name)
}

fn misspelt(what: &str, name: &str, right: &str) -> Refusal {
    Refusal::bad_request(format!(
        "{what} `{}` is not known: it is written `{right}`",
        shown(name)
    ))
}

fn not_accepted(switch: &str) -> Refusal {
    Refusal::bad_request(format!("`{switch}` is not taken by this server"))
}

fn only_a_header(name: &str) -> Refusal {
    Refusal::bad_request(format!(
        "`{}` is not read here: `{BATCH}` is a header of the request",
        shown(name)
    ))
}

/// The beginning of a client's text, short enough to be repeated in an answer.
fn shown(name: &str) -> &str {
    &name[..name.floor_char_boundary(40)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_is_told_from_another_name() {
        for near in [
            "x-dry-run",
            "X-DryRun",
            "dry_run",
            "dry-run",
            "DRYRUN",
            "x_dry_run",
            "x-dry-runs",
            "x-drry-run",
        ] {
            assert_eq!(meant(near, &EXTENSIONS), Some("dryRun"), "{near}");
            assert_eq!(meant(near, &HEADERS), Some("x-dry-run"), "{near}");
        }
        for other in ["", "x-", "run", "dry", "xylophone", "tracing", "user-agent"] {
            assert_eq!(meant(other, &EXTENSIONS), None, "{other}");
            assert_eq!(meant(other, &HEADERS), None, "{other}");
        }
    }

    /// Those of requests in IANA's register of field names, and what browsers, proxies, tracers and GraphQL clients send.
    #[test]
    fn headers_that_others_know_are_not_refused() {
        const NAMES: &str = "\
            a-im accept accept-charset accept-datetime accept-encoding accept-language accept-patch accept-post accept-ranges \
            access-control-request-headers access-control-request-method access-control-request-private-network age allow alpn \
            alt-svc alt-used apply-to-redirect-ref as-of authentication-control authentication-info authorization baggage \
            cache-control caldav-timezones capsule-protocol cdn-loop cert-not-after client-cert client-cert-chain close connection \
            content-digest content-disposition content-encoding content-language content-length content-location content-range \
            content-type cookie cookie2 correlation-context dasl date dav delta-base depth destination device-memory dnt downlink \
            dpop dpr early-data ect etag expect expires forwarded from hobareg host http2-settings if if-match if-modified-since \
            if-none-match if-range if-schedule-tag-match if-unmodified-since im include-referred-token-binding-id isolation \
            keep-alive label last-event-id last-modified link lock-token max-forwards meter mime-version negotiate nel \
            odata-entityid odata-isolation odata-maxversion odata-version ordering-type origin origin-agent-cluster overwrite \
            ping-from ping-to position pragma prefer priority proxy-authorization proxy-connection purpose range redirect-ref \
            referer repr-digest rtt save-data schedule-reply sec-ch-ua sec-ch-ua-arch sec-ch-ua-mobile sec-ch-ua-platform \
            sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-gpc sec-purpose sec-token-binding sec-websocket-key \
            sec-websocket-protocol sec-websocket-version service-worker-navigation-preload signature signature-input slug \
            soapaction te tcn topic traceparent tracestate trailer transfer-encoding ttl upgrade upgrade-insecure-requests urgency \
            user-agent variant-vary via viewport-width want-content-digest want-repr-digest warning width x-amzn-trace-id x-api-key \
            x-apollo-operation-id x-apollo-operation-name apollo-require-preflight apollographql-client-name \
            apollographql-client-version graphql-require-preflight x-graphql-client-name b3 x-b3-traceid x-b3-spanid x-b3-sampled \
            uber-trace-id x-cloud-trace-context x-correlation-id x-csrf-token x-datadog-trace-id x-envoy-attempt-count \
            x-envoy-expected-rq-timeout-ms x-forwarded x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto \
            x-hasura-role x-http-method-override x-original-uri x-real-ip x-request-id x-request-start x-request-timeout \
            x-requested-with x-scheme x-session-id x-tenant-id x-trace-id x-user-id grpc-timeout cf-connecting-ip cf-ray true-client-ip \
            x-batch-size x-build x-body x-bytes x-base x-branch x-brand x-dry x-debug x-device x-time x-timer x-timestamp x-timezone \
            x-title x-trace x-unit x-units x-uid x-user x-idp x-idle x-key x-match x-patch x-watch x-catch x-path x-cache x-auth";
        for name in NAMES.split_ascii_whitespace() {
            assert_eq!(meant(name, &HEADERS), None, "{name}");
        }
    }
}

//! Refuses names that are almost the name of a switch.
//!
//! HTTP and *GraphQL over HTTP* have unknown headers and members ignored. With a switch that protects, this would be a trap:
//! `x-dryrun: true` or `extensions.dry_run: true` would run the operation for real. So a name is refused if it differs from that of a
//! switch only by case, hyphens, underscores or a leading `x-`, and the error says which name is right.

use axum::http::{HeaderMap, Uri};

use crate::{answer::refusal::Refusal, request::switches::Switches};

/// The headers that are switches.
const HEADERS: [&str; 5] = [
    "idempotency-key",
    "x-batch",
    "x-dry-run",
    "x-timeout",
    "x-unit-of-work",
];

/// The member of `extensions` that names a document.
const PERSISTED: &str = "persistedQuery";

/// The members of `extensions` whose names are checked: the switches, and the one that names a document.
const EXTENSIONS: [&str; 5] = [
    "dryRun",
    "idempotencyKey",
    PERSISTED,
    "timeout",
    "unitOfWork",
];

/// The switch that is a header only: no member of `extensions` stands for it.
const BATCH: &str = "x-batch";

/// The members of a request.
const MEMBERS: [&str; 5] = [
    "query",
    "documentId",
    "operationName",
    "variables",
    "extensions",
];

/// Whether any header is a switch. Refuses a header that is almost a switch, and switches that this server does not accept.
pub(crate) fn check_headers(headers: &HeaderMap, switches: Switches) -> Result<bool, Refusal> {
    let mut has_switch = false;
    for name in headers.keys() {
        if begins_like_a_switch(name.as_str())
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

/// Whether the name of a header, in lower case, begins like one of [`HEADERS`]. A cheap test, since hardly any header does, and it is made
/// for every header of every request.
fn begins_like_a_switch(name: &str) -> bool {
    let name = name.as_bytes();
    let name = match name {
        [b'x', b'-' | b'_', rest @ ..] => rest,
        name => name,
    };
    // A name may also begin with a character that `letters` leaves out.
    matches!(
        name.first(),
        Some(b'i' | b'b' | b'd' | b't' | b'u' | b'-' | b'_' | b'.')
    )
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
        None if is_spelling_of(name, BATCH) => Err(only_a_header(name)),
        _ => Ok(()),
    })
}

/// Refuses a member of a request that is almost one of [`MEMBERS`], or that belongs into `extensions`.
pub(crate) fn check_members<'a>(
    mut names: impl Iterator<Item = &'a String>,
) -> Result<(), Refusal> {
    names.try_for_each(|name| match meant(name, &MEMBERS) {
        Some(right) if right != name => Err(misspelt("the member", name, right)),
        Some(_) => Ok(()),
        None => check_place(name),
    })
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
    if is_spelling_of(name, BATCH) {
        return Err(only_a_header(name));
    }
    Ok(())
}

/// The known name that this one is, or spells differently.
fn meant(name: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .copied()
        .find(|known| is_spelling_of(name, known))
}

fn is_spelling_of(name: &str, known: &str) -> bool {
    letters(name).eq(letters(known))
}

/// The letters of a name in lower case, without separators and without a leading `x-`.
fn letters(name: &str) -> impl Iterator<Item = u8> {
    let name = name.as_bytes();
    let name = match name {
        [b'x' | b'X', b'-' | b'_', rest @ ..] => rest,
        name => name,
    };
    name.iter()
        .filter(|byte| !matches!(byte, b'-' | b'_' | b'.' | b' '))
        .map(u8::to_ascii_lowercase)
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
    fn no_switch_is_passed_over() {
        for header in HEADERS {
            let bare = header.trim_start_matches("x-");
            for name in [header, bare, &format!("x_{bare}"), &format!("-{bare}")] {
                assert!(begins_like_a_switch(name), "{name}");
            }
        }
        assert!(!begins_like_a_switch("accept") && !begins_like_a_switch("x-"));
    }

    #[test]
    fn a_spelling_is_told_from_another_name() {
        for near in [
            "x-dry-run",
            "X-DryRun",
            "dry_run",
            "dry-run",
            "DRYRUN",
            "x_dry_run",
        ] {
            assert_eq!(meant(near, &EXTENSIONS), Some("dryRun"), "{near}");
            assert_eq!(meant(near, &HEADERS), Some("x-dry-run"), "{near}");
        }
        for other in [
            "",
            "x-",
            "run",
            "dry",
            "x-dry-runs",
            "xylophone",
            "tracing",
            "user-agent",
        ] {
            assert_eq!(meant(other, &EXTENSIONS), None, "{other}");
            assert_eq!(meant(other, &HEADERS), None, "{other}");
        }
    }
}

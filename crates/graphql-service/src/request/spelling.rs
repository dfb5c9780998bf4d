//! Names that are almost those of a switch.
//!
//! Unknown headers and members are ignored, as HTTP and *GraphQL over HTTP* want it. For a switch that protects, that would be
//! a trap: `x-dryrun: true` or `extensions.dry_run: true` would run the operation for real. So a name that differs from that of a
//! switch by case, hyphens, underscores or a leading `x-` alone is refused, and the answer says which name is right.

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

/// The members of `extensions` that are switches.
const EXTENSIONS: [&str; 5] = [
    "dryRun",
    "idempotencyKey",
    PERSISTED,
    "timeout",
    "unitOfWork",
];

/// What a switch of another name is called as a header: no member stands for it.
const BATCH: &str = "x-batch";

/// The members of a request.
const MEMBERS: [&str; 5] = [
    "query",
    "documentId",
    "operationName",
    "variables",
    "extensions",
];

/// Whether any header is a switch. Refuses one that is almost a switch, or one that nobody would heed.
pub(crate) fn check_headers(headers: &HeaderMap, switches: Switches) -> Result<bool, Refusal> {
    let mut has_switch = false;
    for name in headers.keys() {
        if begins_like_a_switch(name.as_str())
            && let Some(name) = header(name.as_str())?
        {
            if !switches.are_heeded() {
                return Err(not_heeded(name));
            }
            has_switch = true;
        }
    }
    Ok(has_switch)
}

/// Whether a header's name, which is in lower case, begins like one of [`HEADERS`]: hardly any does, and every header of every request
/// is asked about.
fn begins_like_a_switch(name: &str) -> bool {
    let name = name.as_bytes();
    let name = match name {
        [b'x', b'-' | b'_', rest @ ..] => rest,
        name => name,
    };
    // A name may also begin with what `letters` leaves out.
    matches!(
        name.first(),
        Some(b'i' | b'b' | b'd' | b't' | b'u' | b'-' | b'_' | b'.')
    )
}

/// Which switch a header is, if it is one; an error where it is almost one.
pub(crate) fn header(name: &str) -> Result<Option<&'static str>, Refusal> {
    match meant(name, &HEADERS) {
        Some(right) if !right.eq_ignore_ascii_case(name) => {
            Err(misspelt("the header", name, right))
        }
        header => Ok(header),
    }
}

/// Refuses a member of `extensions` that is almost a switch, or one that nobody would heed.
pub(crate) fn check_extensions<'a>(
    mut names: impl Iterator<Item = &'a String>,
    switches: Switches,
) -> Result<(), Refusal> {
    names.try_for_each(|name| match meant(name, &EXTENSIONS) {
        Some(right) if right != name => Err(misspelt("the extension", name, right)),
        // How a document is named is the service's own.
        Some(right) if right != PERSISTED && !switches.are_heeded() => Err(not_heeded(right)),
        None if is_spelling_of(name, BATCH) => Err(only_a_header(name)),
        _ => Ok(()),
    })
}

/// Refuses a member of a request that is almost one of those that there are, or that belongs into `extensions`.
pub(crate) fn check_members<'a>(
    mut names: impl Iterator<Item = &'a String>,
) -> Result<(), Refusal> {
    names.try_for_each(|name| match meant(name, &MEMBERS) {
        Some(right) if right != name => Err(misspelt("the member", name, right)),
        Some(_) => Ok(()),
        None => check_place(name),
    })
}

/// Refuses a switch in the query string of a POST, of which nothing is read.
pub(crate) fn check_query_string(uri: &Uri) -> Result<(), Refusal> {
    let Some(query) = uri.query() else {
        return Ok(());
    };
    query
        .split('&')
        .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
        .try_for_each(check_place)
}

/// Refuses a name that is a switch, in a place where none is read.
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

/// Which of these names is meant by this one: itself, or one that it only spells differently.
fn meant(name: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .copied()
        .find(|known| is_spelling_of(name, known))
}

fn is_spelling_of(name: &str, known: &str) -> bool {
    letters(name).eq(letters(known))
}

/// A name without what people get wrong: case, what stands between words, and a leading `x-`.
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

fn not_heeded(switch: &str) -> Refusal {
    Refusal::bad_request(format!("`{switch}` is not taken by this server"))
}

fn only_a_header(name: &str) -> Refusal {
    Refusal::bad_request(format!(
        "`{}` is not read here: `{BATCH}` is a header of the request",
        shown(name)
    ))
}

/// No more of a client's text than an answer needs.
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

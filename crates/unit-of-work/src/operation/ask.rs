//! Options of one request: put them into its data.

use std::time::Duration;

use async_graphql::{Request, ServerError, Value};
use sea_orm::IsolationLevel;
use tokio::time::Instant;

use crate::{codes, consistency::reading::MEMBER, operation::respond::coded};

/// A stricter isolation level for this operation. A weaker one than its kind's own is ignored. It travels with BEGIN, and
/// costs no round trip.
///
/// ```
/// use sea_orm::IsolationLevel;
/// use unit_of_work::Isolation;
///
/// let request = async_graphql::Request::new("mutation { bookLastSeat }")
///     .data(Isolation(IsolationLevel::Serializable));
/// # let _ = request;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isolation(pub IsolationLevel);

/// The deadline of this operation, for all attempts together, if it is before [`Settings::deadline`](crate::Settings::deadline).
///
/// ```
/// use std::time::Duration;
/// use tokio::time::Instant;
/// use unit_of_work::OperationDeadline;
///
/// let request = async_graphql::Request::new("{ one }")
///     .data(OperationDeadline(Instant::now() + Duration::from_secs(2)));
/// # let _ = request;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationDeadline(pub Instant);

/// How far behind the primary a replica may be for this query, in place of
/// [`DatabaseOptions::max_staleness`](crate::DatabaseOptions::max_staleness). It holds beside a
/// [`ConsistencyToken`](crate::ConsistencyToken). With zero, the query is read on the primary.
///
/// ```
/// use std::time::Duration;
/// use unit_of_work::MaxStaleness;
///
/// let request = async_graphql::Request::new("{ report }").data(MaxStaleness(Duration::from_secs(10)));
/// # let _ = request;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxStaleness(pub Duration);

/// A dry run: the mutation runs, its response shows what would happen, and it is rolled back. Deferred constraints are checked too. The
/// response's extensions say `dryRun: true`.
///
/// Clients that cannot set a request's data ask for it with the member `dryRun: true` of the request's `extensions`. Any value
/// but `true` and `false`, and a name that is this one with a slip or two (`dry_run`, `dryRunn`), is refused with
/// [`DRY_RUN_INVALID`](crate::codes::DRY_RUN_INVALID): the operation must not run for real because of a slip.
/// On a query or a subscription it changes nothing, because they write nothing.
///
/// ```
/// let request = async_graphql::Request::new("mutation { pay }").data(unit_of_work::DryRun);
/// # let _ = request;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DryRun;

/// Whether the request's own `extensions` ask for a dry run.
pub(crate) fn is_dry_run(request: &Request) -> Result<bool, ServerError> {
    for name in request.extensions.keys() {
        refuse_misspelt(name, "dryRun", codes::DRY_RUN_INVALID)?;
        refuse_misspelt(name, "idempotencyKey", codes::IDEMPOTENCY_KEY_INVALID)?;
        refuse_misspelt(name, MEMBER, codes::CONSISTENCY_TOKEN_INVALID)?;
    }
    match request.extensions.get("dryRun") {
        None => Ok(false),
        Some(Value::Boolean(asked)) => Ok(*asked),
        // Not even null means false: the client may have lost the value, and rely on it.
        Some(_) => Err(coded(
            "`extensions.dryRun` must be true or false.",
            codes::DRY_RUN_INVALID,
            false,
        )),
    }
}

/// Refuses a name that differs from a switch's by case, separators, a leading `x-`, or one or two letters: unknown members are ignored, and
/// the protection that the client asked for would be ignored with them.
///
/// An HTTP service may refuse such names before (`graphql-service` does, headers too). This crate must not use that one, and its promise
/// holds on every transport.
fn refuse_misspelt(name: &str, right: &str, code: &str) -> Result<(), ServerError> {
    /// So many letters may be too many, missing, wrong or in another place.
    const SLIPS: usize = 2;
    // Two slips change four letters of the set at the most: nearly every other name is passed over here.
    let is_long = name.len() > 2 * right.len();
    if name == right || is_long || (letter_set(name) ^ letter_set(right)).count_ones() > 4 {
        return Ok(());
    }
    let name_letters = letters(name.strip_prefix("x-").unwrap_or(name));
    if strsim::generic_damerau_levenshtein(&name_letters, &letters(right)) > SLIPS {
        return Ok(());
    }
    let message = format!("`extensions.{name}` is not known: the member is written `{right}`.");
    Err(coded(&message, code, false))
}

/// In lower case, without separators.
fn letters(name: &str) -> Vec<u8> {
    let letters = name.bytes().filter(|byte| !is_separator(*byte));
    letters.map(|byte| byte.to_ascii_lowercase()).collect()
}

/// A bit for each letter that is in a name, in whichever case.
fn letter_set(name: &str) -> u32 {
    let letters = name.bytes().filter(|byte| !is_separator(*byte));
    letters.fold(0, |set, byte| set | 1 << (byte % 32))
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'.' | b' ')
}

//! What one request asks of its unit: put these into its data.

use async_graphql::{Request, ServerError, Value};
use sea_orm::IsolationLevel;
use tokio::time::Instant;

use crate::{codes, operation::respond::coded};

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

/// When this operation has to have ended, all attempts together, if that is before
/// [`Settings::deadline`](crate::Settings::deadline).
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

/// A dry run: the mutation runs and its response shows what would happen, then it is rolled back. Constraints that wait for
/// COMMIT are checked before. The response's extensions say `dryRun: true`.
///
/// Clients that cannot set a request's data ask for it with the member `dryRun: true` of the request's `extensions`. Any value
/// but `true` and `false`, and a name that only spells it differently (`dry_run`), is refused with
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
    }
    match request.extensions.get("dryRun") {
        None => Ok(false),
        Some(Value::Boolean(asked)) => Ok(*asked),
        // Not even null is taken for false: a client that lost the value on its way still counts on it.
        Some(_) => Err(coded(
            "`extensions.dryRun` must be true or false.",
            codes::DRY_RUN_INVALID,
            false,
        )),
    }
}

/// Refuses a name that differs from a switch's by case, hyphens or underscores alone: unknown members are ignored, and the
/// protection that the client asked for would be ignored with them.
fn refuse_misspelt(name: &str, right: &str, code: &str) -> Result<(), ServerError> {
    let letters = name.bytes().filter(|byte| !matches!(byte, b'-' | b'_'));
    let is_alike = letters
        .map(|byte| byte.to_ascii_lowercase())
        .eq(right.bytes().map(|byte| byte.to_ascii_lowercase()));
    if is_alike && name != right {
        let message = format!("`extensions.{name}` is not known: the member is written `{right}`.");
        return Err(coded(&message, code, false));
    }
    Ok(())
}

//! Options of one request: put them into its data.

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

/// A dry run: the mutation runs, its response shows what would happen, and it is rolled back. Deferred constraints are checked too. The
/// response's extensions say `dryRun: true`.
///
/// Clients ask for it with the member `dryRun: true` of the request's `extensions`. Any value other than `true` and `false`, and a misspelt
/// name (`dry_run`), is refused with [`DRY_RUN_INVALID`](crate::codes::DRY_RUN_INVALID), so that a typing error does not run the operation
/// for real. It has no effect on queries and subscriptions, which write nothing.
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
        // Not even null means false: the client may have lost the value, and rely on it.
        Some(_) => Err(coded(
            "`extensions.dryRun` must be true or false.",
            codes::DRY_RUN_INVALID,
            false,
        )),
    }
}

/// Refuses a name that differs from a switch's only in case, hyphens or underscores. Unknown members are ignored, so the protection that
/// the client wanted would be ignored too.
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

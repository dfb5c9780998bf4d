//! What one request asks of its unit: put these into its data.

use async_graphql::{Request, Value};
use sea_orm::IsolationLevel;
use tokio::time::Instant;

/// A stricter isolation level for this operation. A weaker one than its kind's own is ignored. It travels with BEGIN, and
/// costs no round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isolation(pub IsolationLevel);

/// When this operation has to have ended, all attempts together, if that is before
/// [`Settings::deadline`](crate::Settings::deadline).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationDeadline(pub Instant);

/// A dry run: the mutation runs and its response shows what would happen, then it is rolled back. Constraints that wait for
/// COMMIT are checked before. The response's extensions say `dryRun: true`.
///
/// Clients that cannot set a request's data ask for it with the member `dryRun: true` of the request's `extensions`.
/// On a query it changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DryRun;

/// Whether the request's own `extensions` ask for a dry run.
pub(crate) fn is_dry_run(request: &Request) -> bool {
    request.extensions.get("dryRun") == Some(&Value::Boolean(true))
}

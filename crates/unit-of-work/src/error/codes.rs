//! `extensions.code` of the errors that this crate adds to a response.
//!
//! ```
//! use async_graphql::Response;
//! use unit_of_work::codes;
//!
//! /// Whether it is safe to send the operation again without looking whether it happened.
//! fn is_undone(response: &Response) -> bool {
//!     let extensions = response.errors.iter().filter_map(|error| error.extensions.as_ref());
//!     let unknown = Some(&codes::OUTCOME_UNKNOWN.into());
//!     !response.errors.is_empty() && extensions.into_iter().all(|extensions| extensions.get("code") != unknown)
//! }
//! # let _ = is_undone;
//! ```

/// Something failed that the client can do nothing about; the log has the cause under the same `id`.
pub const INTERNAL: &str = "INTERNAL";
/// A resolver hid a failed statement: the operation was rolled back although no field reported an error.
pub const UNIT_DOOMED: &str = "UNIT_DOOMED";
/// The database refused COMMIT: nothing of the operation happened.
pub const COMMIT_FAILED: &str = "COMMIT_FAILED";
/// The request violated a constraint of the database. Nothing of it happened.
pub const CONSTRAINT_VIOLATED: &str = "CONSTRAINT_VIOLATED";
/// The operation may or may not have happened: COMMIT was not answered, or its answer cannot be relied on.
pub const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";
/// The operation conflicted with another one. The same operation may be sent again.
pub const CONFLICT_RETRIES_EXHAUSTED: &str = "CONFLICT_RETRIES_EXHAUSTED";
/// The operation took longer than its deadline, and was rolled back.
pub const DEADLINE_EXCEEDED: &str = "DEADLINE_EXCEEDED";
/// The operation asked for its own rollback, with the reason in the message.
pub const ROLLBACK_ONLY: &str = "ROLLBACK_ONLY";
/// It is not clear whether the client wants a dry run. Nothing of the operation ran.
pub const DRY_RUN_INVALID: &str = "DRY_RUN_INVALID";
/// The idempotency key was used for something else: nothing of the operation ran.
pub const IDEMPOTENCY_KEY_REUSED: &str = "IDEMPOTENCY_KEY_REUSED";
/// The idempotency key is not valid, or there are two. Nothing of the operation ran.
pub const IDEMPOTENCY_KEY_INVALID: &str = "IDEMPOTENCY_KEY_INVALID";
/// The server does not record idempotency keys: nothing of the operation ran.
pub const IDEMPOTENCY_NOT_ENABLED: &str = "IDEMPOTENCY_NOT_ENABLED";
/// Another operation of a batch that is all or nothing failed: nothing of this one happened.
pub const BATCH_ROLLED_BACK: &str = "BATCH_ROLLED_BACK";
/// The batch cannot be all or nothing: nothing of it happened.
pub const BATCH_REFUSED: &str = "BATCH_REFUSED";
/// It is not known whether the operation is a query, a mutation or a subscription. Nothing of it ran.
pub const OPERATION_KIND_UNKNOWN: &str = "OPERATION_KIND_UNKNOWN";
/// The server only reads from this database. Nothing of the operation ran.
pub const READ_ONLY: &str = "READ_ONLY";
/// The schema has two extensions of this crate, so each operation would have two units. Nothing of the operation ran.
pub const TWO_UNITS: &str = "TWO_UNITS";
/// The schema is dynamic, and the server is not configured for this transport, or for the data of this request. Nothing of the operation
/// ran.
pub const DYNAMIC_SCHEMA_REFUSED: &str = "DYNAMIC_SCHEMA_REFUSED";
/// A statement took longer than the database allows, or was cancelled there, before the operation's own deadline. The operation was
/// rolled back.
pub const STATEMENT_TIMEOUT: &str = "STATEMENT_TIMEOUT";
/// No database connection became free in time.
pub const OVERLOADED: &str = "OVERLOADED";
/// The database could not be reached before the deadline, or accepts no writes. Nothing of the operation happened.
pub const DATABASE_UNAVAILABLE: &str = "DATABASE_UNAVAILABLE";
/// The database has no room left, on its disk or in its memory, or cannot use its disk: nothing of the operation
/// happened.
pub const DATABASE_FULL: &str = "DATABASE_FULL";
/// A file of the SQLite database was deleted, moved, replaced or overwritten while it was open: nothing of the operation
/// happened, and nothing will until the server is started again.
pub const DATABASE_FILE_REPLACED: &str = "DATABASE_FILE_REPLACED";
/// The database's own files are damaged: nothing of the operation happened.
pub const DATABASE_DAMAGED: &str = "DATABASE_DAMAGED";
/// The consistency token is not valid, or was given by another database system: nothing of the operation happened.
pub const CONSISTENCY_TOKEN_INVALID: &str = "CONSISTENCY_TOKEN_INVALID";
/// Another database server has taken over since the consistency token was given, and what the token stands for may be gone. Nothing of the
/// operation happened. The client has to forget the token, and to look again what is there.
pub const CONSISTENCY_LOST: &str = "CONSISTENCY_LOST";

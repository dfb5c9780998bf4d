//! REST handlers and webhooks on the same unit as GraphQL operations (feature `axum`).
//!
//! [`UnitOfWorkLayer`] goes around the routes of a router. Each request gets a unit, and a handler asks for it with an argument:
//!
//! ```no_run
//! # async fn example(database: unit_of_work::Database) {
//! use axum::{Router, http::StatusCode, routing::post};
//! use sea_orm::ConnectionTrait;
//! use unit_of_work::{UnitOfWork, web::{Problem, UnitOfWorkLayer}};
//!
//! async fn paid(unit: UnitOfWork) -> Result<StatusCode, Problem> {
//!     unit.execute_unprepared("UPDATE invoice SET paid = TRUE").await?;
//!     Ok(StatusCode::NO_CONTENT)
//! }
//!
//! let hooks = Router::new().route("/paid", post(paid)).layer(UnitOfWorkLayer::new(database));
//! # let _: Router = hooks; }
//! ```
//!
//! | the handler | the unit |
//! |---|---|
//! | answers 2xx or 3xx | is committed, and only then the response leaves; where COMMIT fails, a [`Problem`] leaves instead |
//! | answers anything else | is rolled back, and the response leaves as it is; where the cause is a conflict or the database is away, it is a [`Problem`] with the status 503, which asks the client to come again |
//! | panics, or is not done at the deadline | is rolled back; a [`Problem`] leaves |
//! | is dropped, because its client has gone | is rolled back |
//! | answers with a body that is still to come (a stream) | ends before the first byte of it. A body that keeps the unit is refused before anything of it leaves |
//!
//! GET, HEAD, OPTIONS and TRACE read on one snapshot, and the database refuses writes; the other methods may write. The unit begins with
//! its first statement: a request that needs no database has none.
//!
//! With [`UnitOfWorkLayer::idempotency`] a request with the header `Idempotency-Key` is answered again, and not done again, by the same
//! table as GraphQL mutations. With [`UnitOfWorkLayer::retry`] a handler that loses a conflict runs again.
//!
//! On a database with [replicas](crate::DatabaseOptions::replicas), the layer reads and answers
//! [consistency tokens](crate::ConsistencyToken) as GraphQL operations do: the response to a request that writes, or shows a token, has the
//! header `x-consistency` if it has used the database. A request that shows it reads what it stands for, and one that only reads may be read on a replica that
//! has that. `x-max-staleness: 5s` is [`MaxStaleness`](crate::MaxStaleness). A request whose token cannot be honoured is answered by
//! 400 (`CONSISTENCY_TOKEN_INVALID`) or 412 (`CONSISTENCY_LOST`), whatever its handler makes of the error, and nothing of it happens. A
//! response that was read has `Vary` with both headers, so that a cache does not answer one token for another. With
//! [`UnitOfWorkLayer::retry`] a request that loses its replica runs again on the primary.
//!
//! Do not put the layer around a route that executes GraphQL: its operations have units of their own.

mod answer;
mod consistency;
mod keyed;
mod layer;
mod problem;
mod request;

pub use layer::{UnitOfWorkLayer, UnitOfWorkService};
pub use problem::Problem;

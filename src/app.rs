//! The parts of the application, each made from those before it: [`serve`](crate::serve) puts them in order.

use std::time::Duration;

use async_graphql::{EmptyMutation, EmptySubscription, Executor, Object, Schema};
use unit_of_work::{Database, DatabaseOptions};

use crate::{
    config::{DatabaseUrl, ServeSettings},
    http::{Readiness, RequestErrors},
    startup::StartError,
};

/// Connects to the database.
///
/// # Errors
/// A [`StartError`] about the database.
pub async fn connect(url: &DatabaseUrl, options: DatabaseOptions) -> Result<Database, StartError> {
    Database::connect(url.expose(), options)
        .await
        .map_err(|source| StartError::connect(url, source))
}

/// The options of the server's pools.
pub fn database_options(settings: &ServeSettings) -> DatabaseOptions {
    let mut options = DatabaseOptions::default();
    options.max_connections = settings.max_connections;
    options.statement_timeout = settings.deadline;
    options.application_name = "daybook".to_owned();
    options
}

/// Brings the database's schema up to date.
///
/// # Errors
/// [`StartError::Migrate`].
#[expect(clippy::unused_async, reason = "there is no migration yet")]
pub async fn migrate(_database: &Database) -> Result<(), StartError> {
    Ok(())
}

struct Query;

#[Object]
impl Query {
    /// The version of the server.
    async fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

/// The executor of GraphQL operations.
pub fn executor(database: &Database, deadline: Duration) -> impl Executor {
    Schema::build(Query, EmptyMutation, EmptySubscription)
        .extension(RequestErrors)
        .extension(unit_of_work::UnitOfWorkExtension::new(database.clone()).deadline(deadline))
        .finish()
}

/// The GraphQL schema as text.
pub fn sdl() -> String {
    Schema::new(Query, EmptyMutation, EmptySubscription).sdl()
}

/// What `/readyz` asks.
pub fn readiness(_database: &Database) -> Readiness {
    std::sync::Arc::new(|| Box::pin(async { Ok(()) }))
}

//! How the parts are put together.

use axum::{Router, routing::post};
use graphql_service::{Anyone, App, Limits, Options, Switches, app};
use unit_of_work::{
    Database, IdempotencySettings, Report, RetryPolicy, Retrying, web::UnitOfWorkLayer,
};

use crate::{graphql, migration::Migrator, webhook};

/// The server on this database, whose tables are brought up to date first.
pub async fn server(database: Database) -> Result<App, Box<dyn std::error::Error>> {
    database.migrate::<Migrator>().await?;
    let limits = Limits::default();
    let schema = graphql::schema(database.clone(), &limits);
    let definition = graphql_operation::Schema::parse(&schema.sdl())?;
    // Everyone who reaches the port may call. Put an `Authentication` of your own here.
    let options = Options::new(definition, Anyone)
        .limits(limits)
        .pages(hooks(database))
        // Clients may send idempotency keys, and ask for dry runs and deadlines.
        .switches(Switches::UnitOfWork {
            most_told: Report::Off,
        });
    // A mutation that loses a conflict is run again.
    Ok(app(Retrying::new(schema), options))
}

/// Webhooks. Each request is a unit of work.
fn hooks(database: Database) -> Router {
    let units = UnitOfWorkLayer::new(database)
        .idempotency(IdempotencySettings::default())
        .retry(RetryPolicy::default());
    Router::new()
        .route("/hooks/read/{id}", post(webhook::mark_read))
        .layer(units)
}

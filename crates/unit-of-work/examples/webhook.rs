//! GraphQL and a webhook on one router, each request one unit of work: `cargo run -p unit-of-work --features axum --example webhook`, then
//!
//! ```sh
//! curl -s 127.0.0.1:8002/graphql -H 'content-type: application/json' -d '{"query": "mutation { order(item: \"tea\") }"}'
//! curl -si 127.0.0.1:8002/hooks/paid/1 -X POST -H 'idempotency-key: event-7'
//! curl -s 127.0.0.1:8002/graphql -H 'content-type: application/json' -d '{"query": "{ orders { item paid } }"}'
//! ```
//!
//! The shop that sends the webhook sends it again until it hears 2xx, and it may send it twice. With its event's id for a key it is done once.

use async_graphql::{Context, EmptySubscription, Object, Result, Schema, SimpleObject};
use async_graphql_axum::GraphQL;
use axum::{
    Router,
    extract::Path,
    http::StatusCode,
    routing::{post, post_service},
};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement, Value};
use unit_of_work::{
    ContextExt, Database, DatabaseOptions, IdempotencySettings, RetryPolicy, Retrying, UnitOfWork,
    UnitOfWorkExtension, idempotency,
    web::{Problem, UnitOfWorkLayer},
};

#[derive(SimpleObject, FromQueryResult)]
struct Order {
    id: i64,
    item: String,
    paid: bool,
}

struct Query;

#[Object]
impl Query {
    async fn orders(&self, ctx: &Context<'_>) -> Result<Vec<Order>> {
        let sql = "SELECT id, item, paid FROM shop_order ORDER BY id";
        let unit = ctx.unit();
        let orders = Statement::from_string(unit.get_database_backend(), sql);
        Ok(Order::find_by_statement(orders).all(unit).await?)
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn order(&self, ctx: &Context<'_>, item: String) -> Result<bool> {
        let sql = "INSERT INTO shop_order (item, paid) VALUES ($1, FALSE)";
        execute(ctx.unit(), sql, item.into()).await?;
        Ok(true)
    }
}

/// What both roads use: functions of a connection.
async fn execute(unit: &impl ConnectionTrait, sql: &str, value: Value) -> Result<u64, DbErr> {
    let statement = Statement::from_sql_and_values(unit.get_database_backend(), sql, [value]);
    Ok(unit.execute_raw(statement).await?.rows_affected())
}

/// The webhook. What it answers leaves after COMMIT.
async fn paid(unit: UnitOfWork, Path(id): Path<i64>) -> Result<StatusCode, Problem> {
    let sql = "UPDATE shop_order SET paid = TRUE WHERE id = $1 AND NOT paid";
    if execute(&unit, sql, id.into()).await? == 0 {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "There is no such order that is to be paid.",
            "NO_SUCH_ORDER",
        ));
    }
    unit.after_commit(async move { tracing::info!(id, "an order was paid") });
    Ok(StatusCode::NO_CONTENT)
}

/// Creates the tables. A real server has migrations.
async fn create_tables(database: &Database) -> Result<(), DbErr> {
    let keys = idempotency::create_table(database.backend());
    database
        .write(async |unit: UnitOfWork| {
            unit.execute_unprepared(
                "CREATE TABLE shop_order (id INTEGER PRIMARY KEY, item TEXT NOT NULL, paid BOOLEAN NOT NULL)",
            )
            .await?;
            unit.execute_unprepared(&keys).await
        })
        .await?;
    Ok(())
}

fn app(database: &Database) -> Router {
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .extension(UnitOfWorkExtension::new(database.clone()))
        .finish();
    // Around the webhooks alone: operations of the schema have units of their own.
    let units = UnitOfWorkLayer::new(database.clone())
        .idempotency(IdempotencySettings::default())
        .retry(RetryPolicy::default());
    let hooks = Router::new().route("/paid/{id}", post(paid)).layer(units);
    Router::new()
        .route(
            "/graphql",
            post_service(GraphQL::new(Retrying::new(schema))),
        )
        .nest("/hooks", hooks)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = DatabaseOptions::default();
    let database = Database::connect("sqlite://webhook.db?mode=rwc", options).await?;
    // The second time they are there already.
    let _ = create_tables(&database).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8002").await?;
    axum::serve(listener, app(&database)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        http::{Request, header},
    };
    use tower::ServiceExt as _;

    use super::*;

    /// The answer's status and body.
    async fn send(app: &Router, path: &str, body: &str) -> Result<(StatusCode, String)> {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", "event-7")
            .body(Body::from(body.to_owned()))?;
        let response = app.clone().oneshot(request).await?;
        let status = response.status();
        let body = to_bytes(response.into_body(), 10_000).await?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    #[tokio::test]
    async fn order_is_paid_by_a_webhook_that_comes_twice() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let url = format!(
            "sqlite://{}?mode=rwc",
            folder.path().join("webhook.db").display()
        );
        let database = Database::connect(&url, DatabaseOptions::default()).await?;
        create_tables(&database).await?;
        let app = app(&database);
        let order = r#"{"query": "mutation { order(item: \"tea\") }"}"#;
        let (_, refused) = send(&app, "/graphql", order).await?;
        assert!(refused.contains("true"), "{refused}");
        for _ in 0..2 {
            let (status, _) = send(&app, "/hooks/paid/1", "").await?;
            assert_eq!(status, StatusCode::NO_CONTENT);
        }
        let (_, orders) =
            send(&app, "/graphql", r#"{"query": "{ orders { item paid } }"}"#).await?;
        assert!(orders.contains(r#"{"item":"tea","paid":true}"#), "{orders}");
        let (status, problem) = send(&app, "/hooks/paid/2", "").await?;
        // The key is used for another path.
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        database.close().await;
        Ok(())
    }
}

//! The smallest complete server on the crate: `cargo run -p unit-of-work --example smallest`, then
//!
//! ```sh
//! curl -s 127.0.0.1:8001 -H 'content-type: application/json' -d '{"query": "mutation {
//!   a: move(from: \"alice\", to: \"bob\", amount: 10) { name cents }
//!   b: move(from: \"bob\", to: \"alice\", amount: 9999) { name cents } }"}'
//! ```
//!
//! The second move is refused, so the first did not happen either. There is no `begin`, `commit` or `rollback` below.

use async_graphql::{Context, EmptySubscription, Object, Result, Schema, SimpleObject};
use async_graphql_axum::GraphQL;
use axum::{Router, routing::post_service};
use graphql_operation::{Options, PreparedOperations};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement};
use unit_of_work::{
    ContextExt, Database, DatabaseOptions, Report, UnitOfWork, UnitOfWorkExtension,
};

#[derive(SimpleObject, FromQueryResult)]
struct Account {
    name: String,
    cents: i64,
}

struct Query;

#[Object]
impl Query {
    async fn accounts(&self, ctx: &Context<'_>) -> Result<Vec<Account>> {
        Ok(accounts(ctx.unit()).await?)
    }
}

struct Mutation;

#[Object]
impl Mutation {
    /// Moves cents; the table's CHECK refuses an overdraft, and with it the whole operation.
    async fn r#move(
        &self,
        ctx: &Context<'_>,
        from: String,
        to: String,
        amount: i64,
    ) -> Result<Vec<Account>> {
        let unit = ctx.unit();
        for (name, change) in [(from, -amount), (to, amount)] {
            let sql = "UPDATE account SET cents = cents + ? WHERE name = ?";
            unit.execute_raw(Statement::from_sql_and_values(
                unit.get_database_backend(),
                sql,
                [change.into(), name.into()],
            ))
            .await?;
        }
        Ok(accounts(unit).await?)
    }
}

async fn accounts(unit: &UnitOfWork) -> Result<Vec<Account>, DbErr> {
    let sql = "SELECT name, cents FROM account ORDER BY name";
    Account::find_by_statement(Statement::from_string(unit.get_database_backend(), sql))
        .all(unit)
        .await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let database =
        Database::connect("sqlite://smallest.db?mode=rwc", DatabaseOptions::default()).await?;
    database
        .write(async |unit: UnitOfWork| {
            unit.execute_unprepared(
                "CREATE TABLE IF NOT EXISTS account (name TEXT PRIMARY KEY, cents INTEGER NOT NULL CHECK (cents >= 0)) STRICT;
                 INSERT OR IGNORE INTO account VALUES ('alice', 1000), ('bob', 1000);",
            )
            .await
        })
        .await?;
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .extension(UnitOfWorkExtension::new(database).report(Report::InExtensions))
        // What runs is what the document says by the specification.
        .extension(PreparedOperations::new(Options::default()))
        .finish();
    let app = Router::new().route("/", post_service(GraphQL::new(schema)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8001").await?;
    axum::serve(listener, app).await?;
    Ok(())
}

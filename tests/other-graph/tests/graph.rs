//! The crate compiles, and its units are units, whatever others have switched on.

#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]

#[cfg(all(feature = "async-graphql-7", not(feature = "async-graphql-8")))]
extern crate async_graphql_7 as async_graphql;

use async_graphql::{Context, EmptySubscription, Executor, Object, Result, Schema};
use sea_orm::{ConnectionTrait, Statement};
use unit_of_work::{
    ConnectError, ContextExt, Database, DatabaseOptions, Retrying, UnitOfWorkExtension,
};

struct Query;

#[Object(crate = "async_graphql")]
impl Query {
    async fn notes(&self, ctx: &Context<'_>) -> Result<i64> {
        let unit = ctx.unit();
        let count =
            Statement::from_string(unit.get_database_backend(), "SELECT count(*) FROM note");
        let row = unit.query_one_raw(count).await?;
        Ok(row.map_or(Ok(0), |row| row.try_get_by_index(0))?)
    }
}

struct Mutation;

#[Object(crate = "async_graphql")]
impl Mutation {
    async fn write(&self, ctx: &Context<'_>) -> Result<bool> {
        let insert = "INSERT INTO note VALUES ('a')";
        ctx.unit().execute_unprepared(insert).await?;
        Ok(true)
    }

    async fn fail(&self) -> Result<bool> {
        Err("no".into())
    }
}

/// The executors of these crates implement a trait of async-graphql, whose signatures the feature changes.
fn executor(schema: Schema<Query, Mutation, EmptySubscription>) -> impl Executor {
    let retrying = Retrying::new(schema);
    #[cfg(feature = "async-graphql-8")]
    let retrying = {
        use graphql_operation::{Options, Preparer, Preparing};

        let sdl = Schema::new(Query, Mutation, EmptySubscription).sdl();
        let schema = graphql_operation::Schema::parse(&sdl).expect("is a schema");
        Preparing::new(Preparer::new(schema, Options::default()), retrying)
    };
    retrying
}

#[tokio::test]
async fn units_run_where_traits_are_boxed() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite://{}/a.db?mode=rwc", folder.path().display());
    let database = Database::connect(&url, DatabaseOptions::default())
        .await
        .expect("connects");
    let create = "CREATE TABLE note (text TEXT)";
    let created = database.write(async |unit| unit.execute_unprepared(create).await);
    created.await.expect("is made");
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .extension(UnitOfWorkExtension::new(database.clone()))
        .finish();
    let executor = executor(schema);
    let written = executor.execute("mutation { write }".into()).await;
    assert!(written.errors.is_empty(), "{written:?}");
    let failed = executor.execute("mutation { write fail }".into()).await;
    assert_eq!(failed.errors.len(), 1, "{failed:?}");
    let read = executor.execute("{ notes }".into()).await;
    assert_eq!(read.data.to_string(), "{notes: 1}");
    database.close().await;
}

/// It would go on without, or fail with an error that names no feature.
#[tokio::test]
async fn tls_that_was_not_built_is_refused() {
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = format!("postgres://nobody@127.0.0.1:1/none?sslmode={mode}");
        let refused = Database::connect(&url, DatabaseOptions::default()).await;
        let refused = refused.expect_err("is refused");
        assert!(matches!(refused, ConnectError::TlsMissing), "{refused:?}");
        assert!(refused.to_string().contains("tls-rustls-ring"), "{refused}");
    }
}

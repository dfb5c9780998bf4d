//! What the crate adds to an operation, in this process and on SQLite, where a statement costs so little that the rest
//! shows: `cargo bench -p unit-of-work`.
//!
//! Each pair is the same schema without and with the unit of work. PostgreSQL and HTTP are measured by `.ci/bench`.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark that fails measures nothing, and the other half of each pair has no unit of work"
)]

use std::{collections::HashMap, sync::LazyLock, time::Duration};

use async_graphql::{
    Context, EmptySubscription, Executor, Object, Request, Result, Schema,
    dataloader::{DataLoader, Loader},
    runtime::Timer,
};
use divan::{Bencher, black_box};
use futures_util::{
    FutureExt as _,
    future::BoxFuture,
    task::{FutureObj, Spawn, SpawnError},
};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DbErr, Statement, TransactionTrait as _,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use unit_of_work::{
    ContextExt as _, Database, DatabaseOptions, Retrying, UnitLoader, UnitOfWork,
    UnitOfWorkExtension,
};

fn main() {
    divan::main();
}

/// Where the resolvers of the plain schema get their connection from.
#[derive(Clone)]
struct Plain(DatabaseConnection);

struct Query;

#[Object]
impl Query {
    /// Touches nothing.
    async fn nothing(&self) -> i32 {
        0
    }

    /// One statement.
    async fn one(&self, ctx: &Context<'_>) -> Result<i64> {
        Ok(match ctx.data_opt::<Plain>() {
            Some(plain) => total(&plain.0).await?,
            None => total(ctx.unit()).await?,
        })
    }

    /// One statement in a transaction of the resolver's own.
    async fn one_in_a_transaction(&self, ctx: &Context<'_>) -> Result<i64> {
        let tx = ctx.data::<Plain>()?.0.begin().await?;
        let total = total(&tx).await?;
        tx.commit().await?;
        Ok(total)
    }

    /// Twenty items, each of which asks a loader.
    async fn items(&self) -> Vec<Item> {
        (1..=20).map(Item).collect()
    }
}

struct Item(i64);

#[Object]
impl Item {
    async fn value(&self, ctx: &Context<'_>) -> Result<Option<i64>> {
        Ok(match ctx.data_opt::<DataLoader<PlainValues>>() {
            Some(loader) => loader.load_one(self.0).await?,
            None => ctx.loader::<UnitValues>().load_one(self.0).await?,
        })
    }
}

struct Mutation;

#[Object]
impl Mutation {
    /// One statement that writes.
    async fn add(&self, ctx: &Context<'_>) -> Result<bool> {
        let sql = "UPDATE item SET value = value + 1 WHERE id = 1";
        match ctx.data_opt::<Plain>() {
            Some(plain) => plain.0.execute_unprepared(sql).await?,
            None => ctx.unit().execute_unprepared(sql).await?,
        };
        Ok(true)
    }
}

async fn total(db: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let sql = "SELECT value FROM item WHERE id = 1";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await?;
    row.ok_or(DbErr::RecordNotFound(sql.to_owned()))?
        .try_get_by_index(0)
}

async fn values(db: &impl ConnectionTrait, ids: &[i64]) -> Result<HashMap<i64, i64>, DbErr> {
    let places = vec!["?"; ids.len()].join(", ");
    let sql = format!("SELECT id, value FROM item WHERE id IN ({places})");
    let ids = ids.iter().map(|id| (*id).into());
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, ids);
    let rows = db.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?)))
        .collect()
}

struct PlainValues(DatabaseConnection);

impl Loader<i64> for PlainValues {
    type Value = i64;
    type Error = DbErr;

    async fn load(&self, ids: &[i64]) -> Result<HashMap<i64, i64>, DbErr> {
        values(&self.0, ids).await
    }
}

struct UnitValues(UnitOfWork);

impl UnitLoader for UnitValues {
    fn from_unit(unit: UnitOfWork) -> Self {
        Self(unit)
    }
}

impl Loader<i64> for UnitValues {
    type Value = i64;
    type Error = DbErr;

    async fn load(&self, ids: &[i64]) -> Result<HashMap<i64, i64>, DbErr> {
        values(&self.0, ids).await
    }
}

/// What async-graphql's `tokio` feature gives a loader: a task for each batch, and tokio's timer.
struct Tokio;

impl Spawn for Tokio {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        tokio::spawn(future);
        Ok(())
    }
}

impl Timer for Tokio {
    fn delay(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }
}

type BenchSchema = Schema<Query, Mutation, EmptySubscription>;

/// The same schema twice, on one database.
struct Stage {
    runtime: Runtime,
    plain: BenchSchema,
    unit: Retrying<BenchSchema>,
    _folder: TempDir,
}

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let folder = TempDir::with_prefix("unit-of-work-bench.").unwrap();
    let url = format!(
        "sqlite://{}?mode=rwc",
        folder.path().join("bench.db").display()
    );
    let (plain, unit) = runtime.block_on(async {
        let database = Database::connect(&url, DatabaseOptions::default())
            .await
            .unwrap();
        let fill = async |unit: UnitOfWork| {
            unit.execute_unprepared(
                "CREATE TABLE item (id INTEGER PRIMARY KEY, value INTEGER NOT NULL) STRICT;
                 WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1000)
                 INSERT INTO item SELECT n, n FROM number;",
            )
            .await
        };
        database.write(fill).await.unwrap();
        let mut options = ConnectOptions::new(url);
        options.sqlx_logging(false);
        let pool = sea_orm::Database::connect(options).await.unwrap();
        let loader = DataLoader::new(
            PlainValues(pool.clone()),
            Tokio,
            Tokio,
        );
        let plain = Schema::build(Query, Mutation, EmptySubscription)
            .data(Plain(pool))
            .data(loader)
            .finish();
        let unit = Schema::build(Query, Mutation, EmptySubscription)
            .extension(UnitOfWorkExtension::new(database))
            .finish();
        (plain, Retrying::new(unit))
    });
    Stage {
        runtime,
        plain,
        unit,
        _folder: folder,
    }
});

/// Runs an operation from a task of the runtime, as a server does, over and over.
fn run<E: Executor>(bencher: Bencher<'_, '_>, executor: &E, query: &'static str) {
    let once = || async {
        let response = executor.execute(Request::new(query)).await;
        assert!(response.is_ok(), "{response:?}");
        response
    };
    STAGE.runtime.block_on(once());
    bencher.bench_local(|| black_box(STAGE.runtime.block_on(once())));
}

macro_rules! pairs {
    ($($module:ident: $query:literal,)+) => {$(
        mod $module {
            use super::{Bencher, STAGE, run};

            #[divan::bench]
            fn plain(bencher: Bencher<'_, '_>) {
                run(bencher, &STAGE.plain, $query);
            }

            #[divan::bench]
            fn unit_of_work(bencher: Bencher<'_, '_>) {
                run(bencher, &STAGE.unit, $query);
            }
        }
    )+};
}

pairs! {
    a_nothing: "{ nothing }",
    b_one_statement: "{ one }",
    d_loader_of_twenty: "{ items { value } }",
    e_one_write: "mutation { add }",
}

mod c_one_statement_in_a_transaction {
    use super::{Bencher, STAGE, run};

    #[divan::bench]
    fn plain(bencher: Bencher<'_, '_>) {
        run(bencher, &STAGE.plain, "{ oneInATransaction }");
    }
}

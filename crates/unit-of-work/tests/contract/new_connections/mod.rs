//! What an application does to new connections, and how it says where the database is other than by a URL.

mod driver_options;
mod hook;
mod refusals;
mod roles;
mod tls;

use std::{future::Future, sync::Arc};

use daybook_test_harness::TestDatabase;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use unit_of_work::{DatabaseOptions, NewConnection, UnitOfWork};

use crate::stage::Stage;

async fn stage(test: TestDatabase, options: DatabaseOptions) -> Stage {
    let url = test.url().to_owned();
    Stage::at(test, &url, options, |extension| extension).await
}

/// Options with a hook that runs these statements.
fn with_hook(statements: &'static [&'static str]) -> DatabaseOptions {
    DatabaseOptions::default().after_connect(move |connection| {
        Box::pin(async move {
            for sql in statements {
                connection.execute_unprepared(sql).await?;
            }
            Ok(())
        })
    })
}

/// Options with a hook that does what a function says when it is called.
fn hooked<F, Fut>(hook: F) -> DatabaseOptions
where
    F: Fn(DbBackend) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), DbErr>> + Send + 'static,
{
    let hook = Arc::new(hook);
    DatabaseOptions::default().after_connect(move |connection: NewConnection<'_>| {
        let done = hook(connection.get_database_backend());
        Box::pin(async move {
            let _connection = connection;
            done.await
        })
    })
}

/// The first column of the first row, as text.
async fn text(unit: &UnitOfWork, sql: &str) -> Result<String, DbErr> {
    let question = Statement::from_string(unit.get_database_backend(), sql);
    let row = unit.query_one_raw(question).await?.expect("a row");
    row.try_get_by_index::<String>(0)
        .or_else(|_| Ok(row.try_get_by_index::<i64>(0)?.to_string()))
}

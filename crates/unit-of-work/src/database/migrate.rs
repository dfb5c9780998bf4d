//! Brings a database's tables up to date, without anybody opening a second connection by hand.

use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;

use super::{
    Access, Database, DatabaseOptions,
    after_connect::AfterConnect,
    engine::{Engine, OpenDatabase as _, on_engine},
};
use crate::{FailureKind, unit::acquire_error};

/// The name of the lock on MariaDB, which has names instead of numbers.
const MIGRATION_LOCK_NAME: &str = "unit_of_work_migration";

/// A number that no other program locks: "unit_of_" in ASCII.
const MIGRATION_LOCK: i64 = 0x75_6e_69_74_5f_6f_66_5f;

impl Database {
    /// Runs the migrations of `M` that the database has not had: all of them, or none. Servers that start at the same time wait for each
    /// other, and the later one finds nothing to do.
    ///
    /// It has a connection of its own, without the time-outs of the pools, because a migration may take long. The hook of
    /// [`DatabaseOptions::after_connect`] has it first, so tables are made in the schema and by the role that units use. Call it before the first
    /// unit, so that connections find the table of [markers](crate::marker) when they are made.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use sea_orm_migration::prelude::*;
    /// use unit_of_work::{Database, DatabaseOptions, idempotency, marker};
    ///
    /// struct Migrator;
    ///
    /// #[async_trait::async_trait]
    /// impl MigratorTrait for Migrator {
    ///     fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    ///         vec![Box::new(marker::Migration), Box::new(idempotency::Migration)]
    ///     }
    /// }
    ///
    /// let database = Database::connect("sqlite://app.db?mode=rwc", DatabaseOptions::default()).await?;
    /// database.migrate::<Migrator>().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Errors of the database or of a migration, and [`UnitError::ReadOnlyDatabase`](crate::UnitError::ReadOnlyDatabase). Nothing has
    /// changed then. MariaDB commits each statement of DDL by itself: there, the migrations before the one that failed are kept, and so is
    /// what that has done until it failed. On a Galera cluster, they run on the node that writes, and servers wait for each other as long as
    /// that stays the same one.
    ///
    /// # Cancel safety
    /// Dropping the future before it has committed rolls back.
    #[expect(
        clippy::disallowed_methods,
        reason = "sea-orm-migration takes a transaction of SeaORM's own"
    )]
    pub async fn migrate<M: MigratorTrait>(&self) -> Result<(), DbErr> {
        self.check_access(Access::ReadWrite)?;
        let options = &self.inner.options;
        let connection =
            on_engine!(Opened, &self.inner.opened, open => open.for_migrations(options).await)
                .map_err(acquire_error)?;
        if connection.get_database_backend() == DbBackend::MySql {
            let run = run_on_mariadb::<M>(&connection).await;
            // Also where that failed, since this gives the lock back.
            connection.close().await?;
            return run;
        }
        let transaction = connection
            .begin_with_options(TransactionOptions {
                // SQLite has one writer: who takes the write lock first is alone.
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            })
            .await?;
        run::<M>(&transaction).await?;
        transaction.commit().await?;
        connection.close().await
    }
}

/// A pool with one connection, which the hook has had.
pub(super) async fn one_for_migrations<E: Engine>(
    driver: <E::Connection as sqlx::Connection>::Options,
    hook: Option<AfterConnect>,
    options: &DatabaseOptions,
) -> Result<sqlx::Pool<E>, sqlx::Error>
where
    for<'c> &'c mut E::Connection: sqlx::Executor<'c, Database = E>,
{
    // sqlx tries again after an error of a hook, until the time is up, and does not say what it was.
    let refused = Arc::new(Mutex::new(None));
    let told = Arc::clone(&refused);
    let pool = sqlx::pool::PoolOptions::<E>::new()
        .max_connections(1)
        // The one that has the lock stays the one.
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(options.connect_timeout)
        .after_connect(move |connection, _| {
            let (hook, told) = (hook.clone(), Arc::clone(&told));
            Box::pin(async move {
                let Some(hook) = hook else { return Ok(()) };
                let given = hook.run::<E>(connection, Access::ReadWrite).await;
                given.map_err(|error| {
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    sqlx::Error::PoolClosed
                })
            })
        });
    let connected = pool.connect_with(driver).await;
    connected.map_err(|error| {
        let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.take().unwrap_or(error)
    })
}

async fn run<M: MigratorTrait>(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
        transaction.execute_unprepared(&lock).await?;
    }
    M::up(transaction, None).await
}

/// Each statement of DDL commits by itself there, so a transaction around them would be none. The lock belongs to the one connection of the
/// pool, and is free again when that is closed. A day is for ever.
async fn run_on_mariadb<M: MigratorTrait>(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let lock = format!("SELECT GET_LOCK('{MIGRATION_LOCK_NAME}', 86400)");
    connection.execute_unprepared(&lock).await?;
    // On a node of a cluster, what another one has migrated has to be seen. Others do not know the setting, or have no use for it.
    match connection
        .execute_unprepared("SET wsrep_sync_wait = 7")
        .await
    {
        Err(error) if FailureKind::of(&error) != FailureKind::Other => return Err(error),
        _ => {}
    }
    M::up(connection, None).await
}

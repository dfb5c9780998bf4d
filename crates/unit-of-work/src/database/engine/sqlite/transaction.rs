//! One connection to an SQLite file: the checks of a new one, and how its transaction begins and ends.

use sea_orm::{DbBackend, DbErr};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Database, Executor as _, Row as _, SqlSafeStr, Sqlite,
    SqliteConnection, sqlite::SqliteConnectOptions,
};
use sqlx_core::transaction::TransactionManager as _;

use super::{FIND_ORPHAN, interrupt::Interrupt, rows::KnownSchema, session::SqliteSession};
use crate::{
    Access, UnitError,
    database::{
        after_connect::{AfterConnect, Left},
        begin::Begin,
        connect::prepare,
        engine::{AnyLease, Driver, Engine, Peer},
        lease::Lease,
        sql::{Dialect, rows::VisibleRows},
        statements::{Statements, query_error},
    },
    unit::marker::Marker,
};

type Transactions = <Sqlite as Database>::TransactionManager;

impl Engine for Sqlite {
    type Target = SqliteConnectOptions;
    type Asked = SqliteSession;
    type Peer = Interrupt;
    type Rows = VisibleRows;
    type Known = KnownSchema;
    type Statements<'c> = Statements<'c, SqliteConnection>;

    const BACKEND: DbBackend = DbBackend::Sqlite;
    const DIALECT: Dialect = Dialect::Sqlite;

    fn refuse(asked: &SqliteSession) -> Result<(), sqlx::Error> {
        asked.refuse()
    }

    fn hook(asked: &SqliteSession) -> Option<(&AfterConnect, Access)> {
        asked.hook.as_ref().map(|hook| (hook, asked.access))
    }

    fn driver(connection: &mut SqliteConnection) -> Driver<'_> {
        Driver::Sqlite(connection)
    }

    async fn left(connection: &mut SqliteConnection) -> Result<Option<Left>, sqlx::Error> {
        // In a transaction, no other can begin.
        let is_free = connection.execute("BEGIN").await.is_ok();
        connection.execute("ROLLBACK").await?;
        Ok((!is_free).then_some(Left::Transaction))
    }

    async fn prove(
        connection: &mut SqliteConnection,
        asked: &SqliteSession,
    ) -> Result<(), sqlx::Error> {
        asked.prove(connection).await
    }

    async fn connect(
        options: &SqliteConnectOptions,
        asked: &SqliteSession,
    ) -> Result<(SqliteConnection, Interrupt), sqlx::Error> {
        let mut connection = options.connect().await?;
        prepare::<Self>(&mut connection, asked).await?;
        let peer = Interrupt::introduce(&mut connection).await?;
        Ok((connection, peer))
    }

    async fn begin(lease: &mut Lease<Self>, begin: &Begin) -> Result<(), DbErr> {
        if !begin.settings.of_postgres().is_empty() {
            return Err(DbErr::BackendNotSupported {
                db: "SQLite",
                ctx: "settings of a transaction",
            });
        }
        // A deferred transaction that reads and then writes fails at once with SQLITE_BUSY, whatever the busy time-out. So units that may
        // write take the write lock first.
        let statement = match begin.access {
            Access::ReadOnly => None,
            Access::ReadWrite => Some("BEGIN IMMEDIATE".into_sql_str()),
        };
        lease.begins(begin.access);
        Transactions::begin(&mut lease.connection, statement)
            .await
            .map_err(query_error)?;
        let conditions = begin.settings.of_sqlite();
        if !conditions.is_empty() {
            let (connection, schema) = lease.connection.with_known();
            let rows = schema.visible(connection, conditions).await?;
            lease.rows = Some(Box::new(rows));
        }
        Ok(())
    }

    fn statements(lease: &mut Lease<Self>) -> Statements<'_, SqliteConnection> {
        Statements::on(&mut lease.connection)
    }

    fn narrow(rows: &VisibleRows, text: &str) -> Result<Option<String>, UnitError> {
        // A dry run looks for what COMMIT would refuse, among all rows.
        if text == FIND_ORPHAN {
            return Ok(None);
        }
        rows.narrow(text)
    }

    /// Ignores markers: the answer comes from a thread of this process, and cannot get lost.
    async fn commit(lease: &mut Lease<Self>, _marker: Option<&Marker>) -> Result<(), sqlx::Error> {
        Transactions::commit(&mut lease.connection).await?;
        lease.has_ended();
        Ok(())
    }

    async fn roll_back(lease: &mut Lease<Self>) -> Result<(), sqlx::Error> {
        Transactions::rollback(&mut lease.connection).await?;
        lease.has_ended();
        Ok(())
    }

    /// If a COMMIT could not be made durable, SQLite has rolled back, but the transaction may be complete in the log. The next transaction
    /// is written over it: this one writes a number unchanged.
    async fn overwrite(lease: &mut Lease<Self>) -> bool {
        write_again(&mut lease.connection).await.is_ok()
    }
}

async fn write_again(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let version = connection.fetch_one("PRAGMA user_version").await?;
    let version: i64 = version.try_get_unchecked(0)?;
    let write = format!("BEGIN IMMEDIATE; PRAGMA user_version = {version}; COMMIT");
    connection.execute(AssertSqlSafe(write)).await?;
    Ok(())
}

impl From<Lease<Sqlite>> for AnyLease {
    fn from(lease: Lease<Sqlite>) -> Self {
        Self::Sqlite(lease)
    }
}

impl From<Interrupt> for Peer {
    fn from(interrupt: Interrupt) -> Self {
        Self::Sqlite(interrupt)
    }
}

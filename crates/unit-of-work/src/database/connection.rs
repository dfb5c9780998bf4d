//! One database connection, taken from its pool for one unit: the layer beneath SeaORM's `ConnectionTrait`.
//!
//! It exists beside SeaORM's `DatabaseTransaction` for three reasons. Waiting for a connection and beginning are
//! separate steps (the first may be cancelled, the second must not be). A connection whose state is in doubt is closed
//! instead of reused. And the crate's public face never shows what lies beneath, so that it can change.

use sea_orm::{DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, Database, Executor, IntoArguments, Postgres, Row, SqlSafeStr, Sqlite};
use sqlx_core::transaction::TransactionManager;

use std::sync::Arc;

use crate::database::Access;
use crate::database::backend::{Backend, Interrupt};
use crate::database::begin::{Begin, Identity};
use crate::database::pool::Pooled;
use crate::database::session::Sessions;
use crate::database::sql::{self, Dialect, Effect};
use crate::observe::telemetry;
use crate::observe::timeline::{Step, Timeline, UnderWay};
use crate::unit::marker::Marker;
use crate::{FailureKind, UnitError};

type SqliteTransactionManager = <Sqlite as Database>::TransactionManager;

/// What is at the other end of a connection, for who wants to stop what it does.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    Postgres(Arc<Backend>),
    Sqlite(Interrupt),
}

#[derive(Debug)]
pub(crate) struct Connection {
    engine: Engine,
    /// Whether a statement is under way. It stays so when the statement's future is dropped: the server is still at it.
    is_busy: bool,
    /// Where what is done is written, if anybody looks.
    timeline: Option<Arc<Timeline>>,
}

#[derive(Debug)]
enum Engine {
    Postgres(Lease<Postgres>),
    Sqlite(Lease<Sqlite>),
}

/// Makes a type that has `statement` and `backend` one that SeaORM sends statements through.
macro_rules! lend_as_connection_trait {
    ($type:ty) => {
        #[async_trait::async_trait]
        impl sea_orm::ConnectionTrait for $type {
            fn get_database_backend(&self) -> sea_orm::DbBackend {
                self.backend()
            }

            async fn execute_raw(
                &self,
                statement: sea_orm::Statement,
            ) -> Result<sea_orm::ExecResult, sea_orm::DbErr> {
                self.statement(async |connection| connection.execute(statement).await)
                    .await
            }

            async fn execute_unprepared(
                &self,
                sql: &str,
            ) -> Result<sea_orm::ExecResult, sea_orm::DbErr> {
                self.statement(async |connection| connection.execute_unprepared(sql).await)
                    .await
            }

            async fn query_one_raw(
                &self,
                statement: sea_orm::Statement,
            ) -> Result<Option<sea_orm::QueryResult>, sea_orm::DbErr> {
                self.statement(async |connection| connection.query_one(statement).await)
                    .await
            }

            async fn query_all_raw(
                &self,
                statement: sea_orm::Statement,
            ) -> Result<Vec<sea_orm::QueryResult>, sea_orm::DbErr> {
                self.statement(async |connection| connection.query_all(statement).await)
                    .await
            }
        }
    };
}
pub(crate) use lend_as_connection_trait;

/// Sends one statement to whichever engine it is.
macro_rules! on_lease {
    ($connection:expr, $lease:ident => $body:expr) => {
        match $connection {
            Engine::Postgres($lease) => $body,
            Engine::Sqlite($lease) => $body,
        }
    };
}

impl Connection {
    pub(crate) fn postgres(connection: Pooled<Postgres>) -> Self {
        Self::new(Engine::Postgres(Lease::new(connection)))
    }

    pub(crate) fn sqlite(connection: Pooled<Sqlite>) -> Self {
        Self::new(Engine::Sqlite(Lease::new(connection)))
    }

    fn new(engine: Engine) -> Self {
        Self {
            engine,
            is_busy: false,
            timeline: None,
        }
    }

    /// From here on, writes what it does into a timeline.
    pub(crate) fn watched(self, timeline: Option<Arc<Timeline>>) -> Self {
        Self { timeline, ..self }
    }

    fn step(&self, step: Step, sql: Option<&str>) -> UnderWay {
        let under_way = match &self.timeline {
            Some(timeline) => timeline.begin(step, sql),
            None => UnderWay::UNSEEN,
        };
        let backend = match &self.engine {
            Engine::Postgres(_) => DbBackend::Postgres,
            Engine::Sqlite(_) => DbBackend::Sqlite,
        };
        under_way.traced(telemetry::step_span(step, backend, sql))
    }

    /// Begins the transaction, with all that goes with it, in one round trip.
    ///
    /// # Cancel safety
    /// **Not** cancel safe: a BEGIN that is dropped half way leaves a transaction that the pool does not know of
    /// (<https://github.com/launchbadge/sqlx/issues/4393>). Run it in a task of its own.
    pub(crate) async fn begin(&mut self, begin: &Begin) -> Result<(), DbErr> {
        let step = self.step(Step::Begin, None);
        let done = match &mut self.engine {
            Engine::Postgres(lease) => lease.begin_postgres(begin).await,
            Engine::Sqlite(lease) => lease.begin_sqlite(begin).await,
        };
        let done = self.heard(done);
        step.ended(done, FailureKind::of)
    }

    /// Readies the connection for one statement without a transaction.
    pub(crate) fn begin_alone(&mut self) {
        on_lease!(&mut self.engine, lease => lease.connection.in_doubt(true));
    }

    /// What a statement was answered. A writer that is told that it only reads is on a server that has become a standby, or was
    /// opened when the file could not be written: SQLite then opens it to read alone.
    fn heard<T>(&mut self, answer: Result<T, DbErr>) -> Result<T, DbErr> {
        on_lease!(&mut self.engine, lease => {
            if lease.access == Access::ReadWrite
                && let Err(error) = &answer
                && FailureKind::of(error) == FailureKind::ReadOnly
            {
                lease.connection.leave_server();
            }
        });
        answer
    }

    /// The one statement has been answered, with success or not: the connection can go back.
    pub(crate) fn end_alone(mut self) {
        on_lease!(&mut self.engine, lease => lease.connection.in_doubt(false));
    }

    /// What the server knows the transaction by, where it can be asked for it later.
    pub(crate) fn identity(&self) -> Option<Identity> {
        match &self.engine {
            Engine::Postgres(lease) => lease.identity.clone(),
            Engine::Sqlite(_) => None,
        }
    }

    pub(crate) fn peer(&self) -> Peer {
        match &self.engine {
            Engine::Postgres(lease) => Peer::Postgres(Arc::clone(lease.connection.peer())),
            Engine::Sqlite(lease) => Peer::Sqlite(lease.connection.peer().clone()),
        }
    }

    /// The table that COMMIT can put a marker into.
    pub(crate) fn markers(&self) -> Option<&str> {
        match &self.engine {
            Engine::Postgres(lease) => lease.connection.peer().markers.as_deref(),
            Engine::Sqlite(_) => None,
        }
    }

    /// Whether a statement was abandoned that the server may still be at.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Waits until the other end has nothing left to do.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn settle(&mut self) -> Result<(), sqlx::Error> {
        on_lease!(&mut self.engine, lease => lease.end_abandoned().await)
    }

    /// Refuses a statement that would take the transaction out of the unit's hands, and remembers one that leaves
    /// something on the session.
    fn admit(&mut self, text: &str) -> Result<(), DbErr> {
        let dialect = match &self.engine {
            Engine::Postgres(_) => Dialect::Postgres,
            Engine::Sqlite(_) => Dialect::Sqlite,
        };
        match sql::effect(text, dialect) {
            Effect::Nothing => Ok(()),
            Effect::ChangesSession => {
                on_lease!(&mut self.engine, lease => lease.connection.close_after_use());
                Ok(())
            }
            Effect::ControlsTransaction(statement) => {
                Err(UnitError::TransactionControl { statement }.into())
            }
        }
    }

    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.admit(&statement.sql)?;
        self.is_busy = true;
        let step = self.step(Step::Statement, Some(&statement.sql));
        let done = on_lease!(&mut self.engine, lease => lease.execute(statement).await);
        self.is_busy = false;
        let done = self.heard(done);
        step.ended(done, FailureKind::of)
    }

    pub(crate) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        self.admit(sql)?;
        self.is_busy = true;
        let step = self.step(Step::Statement, Some(sql));
        let done = on_lease!(&mut self.engine, lease => lease.execute_unprepared(sql).await);
        self.is_busy = false;
        let done = self.heard(done);
        step.ended(done, FailureKind::of)
    }

    /// Sends SAVEPOINT, RELEASE or ROLLBACK TO.
    pub(crate) async fn control(&mut self, sql: &str) -> Result<(), DbErr> {
        self.is_busy = true;
        let step = self.step(Step::Savepoint, Some(sql));
        let sent = on_lease!(&mut self.engine, lease => lease.execute_unprepared(sql).await);
        self.is_busy = false;
        step.ended(sent.map(drop), FailureKind::of)
    }

    pub(crate) async fn query_one(
        &mut self,
        statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        self.admit(&statement.sql)?;
        self.is_busy = true;
        let step = self.step(Step::Statement, Some(&statement.sql));
        let done = on_lease!(&mut self.engine, lease => lease.query_one(statement).await);
        self.is_busy = false;
        let done = self.heard(done);
        step.ended(done, FailureKind::of)
    }

    pub(crate) async fn query_all(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, DbErr> {
        self.admit(&statement.sql)?;
        self.is_busy = true;
        let step = self.step(Step::Statement, Some(&statement.sql));
        let done = on_lease!(&mut self.engine, lease => lease.query_all(statement).await);
        self.is_busy = false;
        let done = self.heard(done);
        step.ended(done, FailureKind::of)
    }

    /// Commits, with the marker in the same flight.
    ///
    /// # Cancel safety
    /// **Not** cancel safe: see [`Connection::begin`].
    pub(crate) async fn commit(&mut self, marker: Option<&Marker>) -> Result<(), sqlx::Error> {
        let step = self.step(Step::Commit, None);
        let done = match &mut self.engine {
            Engine::Postgres(lease) => match marker {
                None => lease.end_postgres("COMMIT").await,
                Some(marker) => {
                    let flight = format!("{}; COMMIT", marker.insert());
                    lease.end_postgres(AssertSqlSafe(flight)).await
                }
            },
            Engine::Sqlite(lease) => lease.commit_sqlite().await,
        };
        step.ended(done, FailureKind::of_driver)
    }

    /// Makes sure that what a COMMIT has written before it failed cannot be found after a crash, by writing over it. For SQLite,
    /// where the last part of the transaction may be whole in the log although it could not be made durable. `false` where
    /// that cannot be made sure.
    pub(crate) async fn overwrite(&mut self) -> bool {
        match &mut self.engine {
            Engine::Postgres(_) => true,
            Engine::Sqlite(lease) => lease.overwrite().await.is_ok(),
        }
    }

    /// # Cancel safety
    /// **Not** cancel safe: see [`Connection::begin`].
    pub(crate) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        let step = self.step(Step::Rollback, None);
        let done = match &mut self.engine {
            Engine::Postgres(lease) if !lease.has_begun => lease.end_abandoned().await,
            Engine::Sqlite(lease) if !lease.has_begun => lease.end_abandoned().await,
            Engine::Postgres(lease) => lease.end_postgres("ROLLBACK").await,
            Engine::Sqlite(lease) => lease.rollback_sqlite().await,
        };
        step.ended(done, FailureKind::of_driver)
    }

    /// Closes the connection without a word to the server, which rolls back what was open on it. For a connection
    /// whose state is in doubt: it must not be used again.
    ///
    /// A server that does not notice goes on: [`Connection::peer`] is whom to stop.
    pub(crate) fn close_hard(self) {
        self.step(Step::Close, None).done();
        on_lease!(self.engine, lease => lease.close_hard());
    }
}

/// A connection out of its pool. It is in doubt from BEGIN until its transaction has ended, for certain.
#[derive(Debug)]
pub(crate) struct Lease<DB: Sessions> {
    connection: Pooled<DB>,
    /// Whether there is a transaction, or may be.
    has_begun: bool,
    access: Access,
    identity: Option<Identity>,
}

impl<DB: Sessions> Lease<DB> {
    fn new(connection: Pooled<DB>) -> Self {
        Self {
            connection,
            has_begun: false,
            access: Access::ReadOnly,
            identity: None,
        }
    }

    /// Waits until the statement that was abandoned has ended.
    async fn end_abandoned(&mut self) -> Result<(), sqlx::Error> {
        sqlx::Connection::ping(&mut *self.connection).await?;
        self.connection.in_doubt(false);
        Ok(())
    }

    fn close_hard(mut self) {
        self.connection.in_doubt(true);
    }
}

impl Lease<Postgres> {
    /// sqlx's own transaction manager takes one statement and drops its rows; a simple query takes what goes with BEGIN
    /// in the same flight.
    async fn begin_postgres(&mut self, begin: &Begin) -> Result<(), DbErr> {
        let sql = begin.postgres_sql()?;
        self.connection.in_doubt(true);
        self.has_begun = true;
        self.access = begin.access;
        let rows = self
            .connection
            .fetch_all(AssertSqlSafe(sql))
            .await
            .map_err(query_error)?;
        if begin.identify
            && let Some(row) = rows.last()
        {
            let transaction = row.try_get_unchecked(0).map_err(query_error)?;
            let backend: String = row.try_get_unchecked(1).map_err(query_error)?;
            let peer = self.connection.peer();
            // Another process than the one that was introduced: something between here and the server has exchanged them.
            self.identity = (peer.pid == backend).then(|| Identity {
                transaction,
                backend: Arc::clone(peer),
            });
        }
        Ok(())
    }

    async fn end_postgres(&mut self, statement: impl SqlSafeStr) -> Result<(), sqlx::Error> {
        self.connection.execute(statement.into_sql_str()).await?;
        self.connection.in_doubt(false);
        Ok(())
    }
}

impl Lease<Sqlite> {
    async fn begin_sqlite(&mut self, begin: &Begin) -> Result<(), DbErr> {
        if !begin.settings.is_empty() {
            return Err(DbErr::BackendNotSupported {
                db: "SQLite",
                ctx: "settings of a transaction",
            });
        }
        // A deferred transaction that reads and then writes fails at once with SQLITE_BUSY, whatever the busy timeout
        // says: whoever may write takes the write lock first.
        let statement = match begin.access {
            Access::ReadOnly => None,
            Access::ReadWrite => Some("BEGIN IMMEDIATE".into_sql_str()),
        };
        self.connection.in_doubt(true);
        self.has_begun = true;
        self.access = begin.access;
        SqliteTransactionManager::begin(&mut self.connection, statement)
            .await
            .map_err(query_error)
    }

    async fn commit_sqlite(&mut self) -> Result<(), sqlx::Error> {
        SqliteTransactionManager::commit(&mut self.connection).await?;
        self.connection.in_doubt(false);
        Ok(())
    }

    /// SQLite has rolled back by then. The next transaction is written where the one that failed was; this one writes a number
    /// as it is.
    async fn overwrite(&mut self) -> Result<(), sqlx::Error> {
        let version = self.connection.fetch_one("PRAGMA user_version").await?;
        let version: i64 = version.try_get_unchecked(0)?;
        let write = format!("BEGIN IMMEDIATE; PRAGMA user_version = {version}; COMMIT");
        self.connection.execute(AssertSqlSafe(write)).await?;
        Ok(())
    }

    async fn rollback_sqlite(&mut self) -> Result<(), sqlx::Error> {
        SqliteTransactionManager::rollback(&mut self.connection).await?;
        self.connection.in_doubt(false);
        Ok(())
    }
}

impl<DB> Lease<DB>
where
    DB: Sessions,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    SqlxValues: IntoArguments<DB>,
    DB::QueryResult: Into<ExecResult>,
    DB::Row: Into<QueryResult>,
{
    async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.connection
            .execute(query::<DB>(statement))
            .await
            .map(Into::into)
            .map_err(exec_error)
    }

    async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        self.connection
            .execute(AssertSqlSafe(sql.to_owned()))
            .await
            .map(Into::into)
            .map_err(exec_error)
    }

    async fn query_one(&mut self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.connection
            .fetch_optional(query::<DB>(statement))
            .await
            .map(|row| row.map(Into::into))
            .map_err(query_error)
    }

    async fn query_all(&mut self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let rows = self
            .connection
            .fetch_all(query::<DB>(statement))
            .await
            .map_err(query_error)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }
}

fn query<DB>(statement: Statement) -> sqlx::query::Query<'static, DB, SqlxValues>
where
    DB: Database,
    SqlxValues: IntoArguments<DB>,
{
    let values = statement.values.unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

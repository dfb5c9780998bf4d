//! PostgreSQL: two pools with different session options, and a third for orders about hanging connections.

pub(super) mod backend;
pub(super) mod failure;

mod begin;
mod control;
mod session;
mod start_up;
mod transaction;
mod writable;

use std::{
    str::FromStr,
    sync::{Arc, Once},
    time::Duration,
};

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, IsolationLevel, Statement};
#[cfg(feature = "migration")]
use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use sqlx::{ConnectOptions as _, Postgres, postgres::PgConnectOptions};
use tokio::time::Instant;

use self::{
    backend::Backend, control::Control, session::PostgresSession, start_up::refuse_contradictions,
};
use super::{
    OpenDatabase,
    outcome::{Found, Progress},
};
#[cfg(feature = "migration")]
use crate::database::migrate::one_for_migrations;
use crate::{
    Access, ConnectError, Database, DatabaseOptions, UnitOfWork,
    database::{
        after_connect::AfterConnect,
        connect::{first_connection, first_connections, invalid_url, limits},
        pool::{Pool, Pooled},
    },
    error::CommitFailure,
};

/// An open PostgreSQL database.
#[derive(Debug)]
pub(crate) struct Server {
    reader: Pool<Postgres>,
    writer: Pool<Postgres>,
    control: Control,
    /// The connect options without those of a session, for migrations.
    #[cfg_attr(
        not(feature = "migration"),
        expect(dead_code, reason = "only migrations connect by them")
    )]
    base: PgConnectOptions,
    #[cfg_attr(not(feature = "migration"), expect(dead_code, reason = "as above"))]
    hook: Option<AfterConnect>,
    /// Whether the log has said that there are no markers.
    warned: Once,
}

impl Server {
    /// The connect options in a URL.
    pub(super) fn parse(url: &str) -> Result<PgConnectOptions, ConnectError> {
        Ok(PgConnectOptions::from_str(url)
            .map_err(invalid_url)?
            .log_statements(log::LevelFilter::Trace)
            .log_slow_statements(log::LevelFilter::Warn, Duration::from_secs(1)))
    }

    pub(super) async fn open(
        base: PgConnectOptions,
        options: &DatabaseOptions,
    ) -> Result<Self, ConnectError> {
        let base = match base.get_application_name() {
            Some(_) => base,
            None => base.application_name(&options.application_name),
        };
        let hook = |access| {
            let access = match options.read_only {
                true => Access::ReadOnly,
                false => access,
            };
            Some((options.after_connect.clone()?, access))
        };
        let session = |access, isolation| PostgresSession {
            hook: hook(access),
            access,
            must_take_writes: access == Access::ReadWrite,
            isolation,
            statement_timeout: options.statement_timeout,
            idle_in_transaction_timeout: options.idle_in_transaction_timeout,
        };
        let reader = session(Access::ReadOnly, IsolationLevel::RepeatableRead);
        let writer = session(Access::ReadWrite, options.writer_isolation);
        let sessions: &[_] = match options.read_only {
            true => &[&reader],
            false => &[&reader, &writer],
        };
        refuse_contradictions(&base, sessions)?;
        let to_read = base.clone().options(reader.options());
        let to_write = base.clone().options(writer.options());
        // A pool keeps trying to connect until the time is up, since the server may be starting. A single connection shows at once what is
        // wrong.
        first_connections(options, async {
            first_connection::<Postgres>(&to_read, &reader).await?;
            if options.read_only {
                return Ok(());
            }
            first_connection::<Postgres>(&to_write, &writer).await
        })
        .await?;
        let limits = limits(options, options.max_connections);
        let writer = Pool::new(to_write, writer, limits);
        Ok(Self {
            reader: Pool::new(to_read, reader, limits),
            control: Control::new(&writer),
            writer,
            base,
            hook: options.after_connect.clone(),
            warned: Once::new(),
        })
    }
}

impl OpenDatabase for Server {
    type Engine = Postgres;

    fn pool(&self, access: Access) -> &Pool<Postgres> {
        match access {
            Access::ReadOnly => &self.reader,
            Access::ReadWrite => &self.writer,
        }
    }

    fn isolation(&self, access: Access, options: &DatabaseOptions) -> IsolationLevel {
        match access {
            Access::ReadOnly => IsolationLevel::RepeatableRead,
            Access::ReadWrite => options.writer_isolation,
        }
    }

    async fn acquire(
        &self,
        _database: &Database,
        access: Access,
        deadline: Option<Instant>,
    ) -> Result<Pooled<Postgres>, sqlx::Error> {
        let connection = self.pool(access).acquire_until(deadline).await?;
        if access == Access::ReadWrite && connection.peer().markers.is_none() {
            self.warned.call_once(|| {
                tracing::warn!(
                    "there is no table unit_of_work_marker that this role may read and insert into: of a COMMIT whose \
                     answer is lost clients are told OUTCOME_UNKNOWN, except where a row that it inserted was named as \
                     evidence (unit_of_work::marker has the migration)"
                );
            });
        }
        Ok(connection)
    }

    fn doubt_idle(&self) {
        self.reader.doubt_idle();
        self.writer.doubt_idle();
    }

    async fn check_writable(
        &self,
        database: &Database,
        limit: Duration,
    ) -> Result<(), sqlx::Error> {
        writable::check(&self.writer, database, limit).await
    }

    async fn check_deferred(&self, unit: &UnitOfWork) -> Result<Option<CommitFailure>, DbErr> {
        unit.execute_unprepared("SET CONSTRAINTS ALL IMMEDIATE")
            .await?;
        Ok(None)
    }

    async fn stop(&self, peer: &Arc<Backend>) -> bool {
        self.doubt_idle();
        self.control.cancel(peer).await
    }

    async fn end(&self, peer: &Arc<Backend>) {
        self.doubt_idle();
        self.control.end(peer).await;
    }

    async fn end_waiting(&self, _transaction: &str, peer: &Arc<Backend>) {
        self.doubt_idle();
        self.control.end_waiting(peer).await;
    }

    async fn progress(
        &self,
        transaction: &str,
        peer: &Arc<Backend>,
    ) -> Result<Progress, sqlx::Error> {
        self.control.progress(transaction, peer).await
    }

    async fn look(
        &self,
        transaction: &str,
        peer: &Arc<Backend>,
        question: Statement,
    ) -> Result<Found, sqlx::Error> {
        self.control.look(transaction, peer, question).await
    }

    async fn weaknesses(&self, database: &Database) -> Result<Vec<String>, DbErr> {
        let question = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'";
        let question = Statement::from_string(DbBackend::Postgres, question);
        let rows = database
            .read(async |unit| unit.query_all_raw(question).await)
            .await?;
        rows.iter()
            .map(|row| row.try_get_by_index::<String>(0))
            .collect()
    }

    #[cfg(feature = "migration")]
    async fn for_migrations(
        &self,
        options: &DatabaseOptions,
    ) -> Result<DatabaseConnection, sqlx::Error> {
        let pool =
            one_for_migrations::<Postgres>(self.base.clone(), self.hook.clone(), options).await?;
        Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
    }

    async fn close(&self) {
        self.control.close().await;
    }
}

//! PostgreSQL: two pools with different session options, and others for orders about hanging connections.

pub(super) mod backend;
pub(super) mod failure;

mod begin;
mod control;
mod position;
mod replicas;
mod servers;
mod session;
mod start_up;
mod transaction;
mod writable;

use std::{
    sync::{Arc, Once},
    time::Duration,
};

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, IsolationLevel, Statement};
#[cfg(feature = "migration")]
use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
#[cfg(feature = "migration")]
use sqlx::Connection as _;
use sqlx::{Postgres, postgres::PgConnectOptions};
use tokio::time::Instant;

#[cfg(feature = "migration")]
use self::servers::search;
use self::{
    backend::Backend,
    control::Control,
    replicas::Replicas,
    servers::{Servers, check_all},
    session::{PostgresSession, Role},
    start_up::refuse_contradictions,
};
use super::{
    OpenDatabase,
    outcome::{Found, Progress},
};
#[cfg(feature = "migration")]
use crate::database::migrate::one_for_migrations;
use crate::{
    Access, ConnectError, ConsistencyToken, Database, DatabaseOptions, UnitOfWork,
    consistency::reading::Reading,
    database::{
        after_connect::AfterConnect,
        connect::{first_connection, first_connections, limits},
        pool::{Pool, Pooled},
    },
    error::CommitFailure,
    observe::telemetry::read_for_a_replica,
    unit::marker,
};

/// An open PostgreSQL database.
#[derive(Debug)]
pub(crate) struct Server {
    reader: Pool<Postgres>,
    writer: Pool<Postgres>,
    control: Control,
    /// `None` without any.
    replicas: Option<Replicas>,
    /// The connect options without those of a session, for migrations.
    #[cfg_attr(
        not(feature = "migration"),
        expect(dead_code, reason = "only migrations connect by them")
    )]
    base: Servers,
    /// The writer's session.
    #[cfg_attr(not(feature = "migration"), expect(dead_code, reason = "as above"))]
    session: PostgresSession,
    #[cfg_attr(not(feature = "migration"), expect(dead_code, reason = "as above"))]
    hook: Option<AfterConnect>,
    /// Whether the log has said that there are no markers.
    warned: Once,
}

impl Server {
    /// The connect options in a URL: those of each server that it names.
    pub(super) fn parse(url: &str) -> Result<Vec<PgConnectOptions>, ConnectError> {
        servers::parse(url)
    }

    pub(super) async fn open(
        given: Vec<PgConnectOptions>,
        options: &DatabaseOptions,
    ) -> Result<Self, ConnectError> {
        let named = |server: PgConnectOptions| match server.get_application_name() {
            Some(_) => server,
            None => server.application_name(&options.application_name),
        };
        let mut base = Servers::new(given.into_iter().map(named).collect())?;
        let replicas = replicas::named(options)?;
        let replicas = match replicas.is_empty() {
            true => None,
            false => {
                let replicas = Servers::new(replicas.into_iter().map(named).collect())?;
                base = base.beside_others();
                Some(replicas.beginning_at(base.iter().count()).beside_others())
            }
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
            role: match access {
                // Whoever named one server, and a standby, wants to read from it. With replicas it must be the primary, which has
                // what replicas do not have yet.
                Access::ReadOnly if options.read_only => Role::Any,
                Access::ReadOnly if base.is_one() && replicas.is_none() => Role::Any,
                _ => Role::Primary,
            },
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
        for server in base.iter().chain(replicas.iter().flat_map(Servers::iter)) {
            refuse_contradictions(server, sessions)?;
        }
        let to_read = base.of(&reader);
        let to_write = base.of(&writer);
        if !base.is_one() {
            check_all(&to_read, &reader, options).await?;
        }
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
        let replicas = match replicas {
            None => None,
            Some(servers) => {
                Some(Replicas::open(servers, (&to_read, &reader), &writer, options).await?)
            }
        };
        let limits = limits(options, options.max_connections);
        Ok(Self {
            control: Control::new(
                &to_write,
                replicas.as_ref().map(Replicas::to_control),
                &writer,
                options,
            ),
            replicas,
            reader: Pool::new(to_read, reader, limits),
            writer: Pool::new(to_write, writer.clone(), limits),
            session: writer,
            base,
            hook: options.after_connect.clone(),
            warned: Once::new(),
        })
    }
}

#[cfg(feature = "migration")]
impl Server {
    /// The place of the server that is the primary now.
    async fn primary(&self) -> Result<usize, sqlx::Error> {
        if self.base.is_one() {
            return Ok(0);
        }
        let (connection, backend) = search(&self.base.of(&self.session), &self.session).await?;
        // It is closed even if this fails.
        let _ = connection.close().await;
        Ok(backend.at)
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
            self.warned.call_once(marker::warn);
        }
        Ok(connection)
    }

    fn doubt_idle(&self) {
        self.reader.doubt_idle();
        self.writer.doubt_idle();
        self.control.doubt_idle();
        if let Some(replicas) = &self.replicas {
            replicas.doubt_idle();
        }
    }

    fn has_replicas(&self) -> bool {
        self.replicas.is_some()
    }

    fn replicas_have(&self, token: &ConsistencyToken) -> bool {
        let replicas = self.replicas.as_ref();
        replicas.is_some_and(|replicas| replicas.have(token))
    }

    async fn acquire_to_read(
        &self,
        database: &Database,
        reading: &Reading,
        deadline: Option<Instant>,
    ) -> Result<Pooled<Postgres>, sqlx::Error> {
        let Some(replicas) = &self.replicas else {
            return self.acquire(database, Access::ReadOnly, deadline).await;
        };
        if let Some(connection) = replicas.acquire(reading, database, deadline).await {
            return Ok(connection);
        }
        if reading.shown.is_none() && !reading.on_replica {
            return self.acquire(database, Access::ReadOnly, deadline).await;
        }
        read_for_a_replica("primary");
        let place = replicas.place_at_primary().await?;
        let mut connection = self.acquire(database, Access::ReadOnly, deadline).await?;
        connection.keeps(place);
        let Some(token) = reading.shown else {
            return Ok(connection);
        };
        replicas::honours(connection.peer(), &token)?;
        replicas::wait_for_commits(&mut connection).await?;
        Ok(connection)
    }

    fn watch(&self, database: &Database) {
        if let Some(replicas) = &self.replicas {
            replicas.watch(database);
        }
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
        let at = self.primary().await?;
        let pool = one_for_migrations::<Postgres>(
            self.base.options(at).clone(),
            self.hook.clone(),
            options,
        )
        .await?;
        Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
    }

    async fn close(&self) {
        if let Some(replicas) = &self.replicas {
            replicas.close().await;
        }
        self.control.close().await;
    }
}

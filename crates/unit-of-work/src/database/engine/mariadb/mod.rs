//! MariaDB: two pools with different sessions, and one for orders about hanging connections.
//!
//! MySQL is refused when it is connected to: the time-outs, the isolation and the markers of a unit rest on what MariaDB alone has.
//!
//! Where MariaDB is not as PostgreSQL is:
//!
//! - DDL commits the transaction before and after it. So units refuse it (`sql::mariadb`).
//! - A deadlock rolls back the whole transaction, and the next statement would run in one of its own. A unit sends none after an error.
//! - Its driver must not be dropped in the middle of an answer. So a lease keeps the future of an abandoned statement ([`statements`]).
//! - Nothing is deferred to COMMIT, so no constraint can refuse it.
//!
//! [`servers`] has what differs on the nodes of a Galera cluster.
//!
//! # Why it is as it is
//!
//! | question | answer | why |
//! |---|---|---|
//! | where are session properties set? | one `SET` after connecting; the driver's own is switched off; all are asked for after the application's hook | one flight for all; a proxy that loses them is noticed |
//! | time-outs of one transaction | `SET` in the flight of START TRANSACTION, set back in the flight that ends it | no setting ends with a transaction |
//! | a statement without values | text protocol, one flight | PREPARE would be a second one, for a text that hardly comes again |
//! | identity of a thread | `CONNECTION_ID()` with the client's address; of a server, `@@server_uid` | ids begin anew with the server |
//! | is a transaction over? | its thread is gone from `information_schema.PROCESSLIST`, on the same server. A sleeping thread is killed before its marker is looked for | nothing tells a plain user whether a sleeping thread has committed: `INNODB_TRX` needs PROCESS, and is up to 100 ms old |
//! | keys | `INSERT … ON DUPLICATE KEY UPDATE … RETURNING`: a row without a response is ours | with CLIENT_FOUND_ROWS, which the driver sets, 1 row is also the answer for a row that is as it was |
//! | texts of keys | `varchar(383)` with `utf8mb4_nopad_bin` | byte by byte, spaces at the end count, and two of them fit into one index |
//! | UUIDs | `binary(16)` | what SeaORM binds; it cannot decode a `uuid` column, which is read as text |
//! | SeaORM's `mariadb-use-returning` | off | it would send `UPDATE … RETURNING`, which MariaDB does not know |
//! | migrations | no transaction around them, `GET_LOCK` on the one connection | DDL commits by itself, and SeaORM's savepoint fails in what is then no transaction |

pub(super) mod backend;
pub(super) mod failure;

mod begin;
mod control;
mod driver;
mod servers;
mod session;
mod statements;
mod transaction;
mod writable;

use std::{
    sync::{Arc, Once},
    time::Duration,
};

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, IsolationLevel, Statement};
#[cfg(feature = "migration")]
use sea_orm::{DatabaseConnection, SqlxMySqlConnector};
use sqlx::{MySql, mysql::MySqlConnectOptions};
use tokio::time::Instant;

#[cfg(feature = "migration")]
use self::servers::to_migrate;
use self::{
    backend::Backend,
    control::Control,
    servers::{Servers, check_all},
    session::{MariaDbSession, Role},
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
        connect::{first_connection, first_connections, limits},
        pool::{Pool, Pooled},
    },
    error::CommitFailure,
    unit::marker,
};

/// An open MariaDB database.
#[derive(Debug)]
pub(crate) struct Server {
    reader: Pool<MySql>,
    writer: Pool<MySql>,
    control: Control,
    /// The connect options as they were given, for migrations.
    #[cfg_attr(
        not(feature = "migration"),
        expect(dead_code, reason = "only migrations connect by them")
    )]
    given: Vec<MySqlConnectOptions>,
    /// Those, without what the driver would set.
    #[cfg_attr(not(feature = "migration"), expect(dead_code, reason = "as above"))]
    servers: Servers,
    /// The writer's session.
    #[cfg_attr(not(feature = "migration"), expect(dead_code, reason = "as above"))]
    session: MariaDbSession,
    #[cfg_attr(not(feature = "migration"), expect(dead_code, reason = "as above"))]
    hook: Option<AfterConnect>,
    /// Whether the log has said that there are no markers.
    warned: Once,
}

impl Server {
    /// The connect options in a URL: those of each server that it names.
    pub(super) fn parse(url: &str) -> Result<Vec<MySqlConnectOptions>, ConnectError> {
        driver::parse(url)
    }

    pub(super) async fn open(
        given: Vec<MySqlConnectOptions>,
        options: &DatabaseOptions,
    ) -> Result<Self, ConnectError> {
        for server in &given {
            driver::refuse_contradictions(server)?;
        }
        if !options.replicas.is_empty() {
            return Err(ConnectError::Refused {
                problem: "`DatabaseOptions::replicas` names standbys of PostgreSQL, and the database is MariaDB's".to_owned(),
            });
        }
        let hook = |access| {
            let access = match options.read_only {
                true => Access::ReadOnly,
                false => access,
            };
            Some((options.after_connect.clone()?, access))
        };
        let session = |access, isolation| MariaDbSession {
            access,
            role: match access {
                Access::ReadOnly => Role::Any,
                Access::ReadWrite => Role::Writer,
            },
            // A reader's snapshot has all that was committed before. The writer's node has committed it itself.
            sync_wait: u8::from(access == Access::ReadOnly),
            takes_writes: access == Access::ReadWrite,
            isolation,
            statement_timeout: options.statement_timeout,
            idle_in_transaction_timeout: options.idle_in_transaction_timeout,
            hook: hook(access),
        };
        let reader = session(Access::ReadOnly, IsolationLevel::RepeatableRead);
        let writer = session(Access::ReadWrite, options.writer_isolation);
        let bare = given.iter().cloned().map(driver::without_settings);
        let servers = Servers::new(bare.collect())?;
        if !servers.is_one() {
            check_all(&servers, &reader, options).await?;
        }
        first_connections(options, async {
            first_connection::<MySql>(&servers, &reader).await?;
            if options.read_only {
                return Ok(());
            }
            first_connection::<MySql>(&servers, &writer).await
        })
        .await?;
        let limits = limits(options, options.max_connections);
        Ok(Self {
            control: Control::new(&servers, &reader, options),
            reader: Pool::new(servers.clone(), reader, limits),
            writer: Pool::new(servers.clone(), writer.clone(), limits),
            given,
            servers,
            session: writer,
            hook: options.after_connect.clone(),
            warned: Once::new(),
        })
    }
}

impl OpenDatabase for Server {
    type Engine = MySql;

    fn pool(&self, access: Access) -> &Pool<MySql> {
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
    ) -> Result<Pooled<MySql>, sqlx::Error> {
        let connection = self.pool(access).acquire_until(deadline).await?;
        if access == Access::ReadWrite && connection.peer().markers.is_none() {
            self.warned.call_once(marker::warn);
        }
        Ok(connection)
    }

    async fn check_writable(
        &self,
        database: &Database,
        limit: Duration,
    ) -> Result<(), sqlx::Error> {
        writable::check(&self.writer, database, limit).await
    }

    /// Nothing is deferred.
    async fn check_deferred(&self, _unit: &UnitOfWork) -> Result<Option<CommitFailure>, DbErr> {
        Ok(None)
    }

    fn doubt_idle(&self) {
        self.reader.doubt_idle();
        self.writer.doubt_idle();
        self.control.doubt_idle();
    }

    async fn stop(&self, peer: &Arc<Backend>) -> bool {
        self.doubt_idle();
        self.control.stop(peer).await
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
        _transaction: &str,
        peer: &Arc<Backend>,
    ) -> Result<Progress, sqlx::Error> {
        self.control.progress(peer).await
    }

    async fn look(
        &self,
        _transaction: &str,
        peer: &Arc<Backend>,
        question: Statement,
    ) -> Result<Found, sqlx::Error> {
        self.control.look(peer, question).await
    }

    /// A log that is not synced with each COMMIT, and tables that know no transactions.
    async fn weaknesses(&self, database: &Database) -> Result<Vec<String>, DbErr> {
        let question = "\
            SELECT 'innodb_flush_log_at_trx_commit' FROM DUAL WHERE @@innodb_flush_log_at_trx_commit <> 1 \
            UNION ALL SELECT 'innodb_doublewrite' FROM DUAL WHERE NOT @@innodb_doublewrite \
            UNION ALL SELECT 'sync_binlog' FROM DUAL WHERE @@log_bin AND @@sync_binlog <> 1 \
            UNION ALL SELECT CONCAT('ENGINE = ', ENGINE, ' of the table ', TABLE_NAME) FROM information_schema.TABLES \
            WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' AND ENGINE <> 'InnoDB' \
            UNION ALL SELECT CONCAT('no primary key of the table ', TABLE_NAME) FROM information_schema.TABLES AS t \
            WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' \
            AND 'ON' = (SELECT GLOBAL_VALUE FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME = 'WSREP_ON') \
            AND NOT EXISTS (SELECT 1 FROM information_schema.STATISTICS AS s WHERE s.TABLE_SCHEMA = t.TABLE_SCHEMA \
            AND s.TABLE_NAME = t.TABLE_NAME AND s.INDEX_NAME = 'PRIMARY')";
        let question = Statement::from_string(DbBackend::MySql, question);
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
        let at = to_migrate(&self.servers, &self.session).await?;
        let pool =
            one_for_migrations::<MySql>(self.given[at].clone(), self.hook.clone(), options).await?;
        Ok(SqlxMySqlConnector::from_sqlx_mysql_pool(pool))
    }

    async fn close(&self) {
        self.control.close().await;
    }
}

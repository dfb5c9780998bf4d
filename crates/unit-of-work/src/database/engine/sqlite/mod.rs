//! SQLite: one writer connection, a pool of read-only connections, and one that keeps the files open.

pub(super) mod failure;
pub(super) mod files;
pub(super) mod interrupt;

mod keeper;
mod rows;
mod session;
mod transaction;
mod writable;

use std::{str::FromStr, sync::Arc, time::Duration};

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, IsolationLevel, Statement};
#[cfg(feature = "migration")]
use sea_orm::{DatabaseConnection, SqlxSqliteConnector};
use sqlx::{
    ConnectOptions as _, Sqlite,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::{runtime::Handle, time::Instant};

use self::{files::FileReplaced, interrupt::Interrupt, keeper::Keeper, session::SqliteSession};
use super::OpenDatabase;
#[cfg(feature = "migration")]
use crate::database::migrate::one_for_migrations;
use crate::{
    Access, ConnectError, Database, DatabaseOptions, FailureKind, UnitOfWork,
    database::{
        after_connect::AfterConnect,
        checkpoint::Checkpoint,
        connect::{first_connection, first_connections, invalid_url, limits},
        pool::{Pool, Pooled},
    },
    error::CommitFailure,
};

/// How many rows SQLite's thread may read ahead. Each time it has to wait, both threads must be switched.
const ROWS_AHEAD: usize = 1024;

/// Whether a row refers to one that is not there.
const FIND_ORPHAN: &str = "SELECT 1 FROM pragma_foreign_key_check LIMIT 1";

/// An open SQLite database.
#[derive(Debug)]
pub(crate) struct File {
    reader: Pool<Sqlite>,
    /// A pool of one connection: SQLite has one writer at a time.
    writer: Pool<Sqlite>,
    keeper: Arc<Keeper>,
    /// The writer's connect options, for migrations.
    #[cfg_attr(
        not(feature = "migration"),
        expect(dead_code, reason = "only migrations connect by them")
    )]
    to_write: SqliteConnectOptions,
    #[cfg_attr(not(feature = "migration"), expect(dead_code, reason = "as above"))]
    hook: Option<AfterConnect>,
}

impl File {
    /// The connect options in a URL.
    pub(super) fn parse(url: &str) -> Result<SqliteConnectOptions, ConnectError> {
        refuse_shared_or_immutable(url)?;
        Ok(SqliteConnectOptions::from_str(url)
            .map_err(invalid_url)?
            .log_statements(log::LevelFilter::Trace)
            .log_slow_statements(log::LevelFilter::Warn, Duration::from_secs(1)))
    }

    pub(super) async fn open(
        given: SqliteConnectOptions,
        options: &DatabaseOptions,
    ) -> Result<Self, ConnectError> {
        refuse_contradictions(&given)?;
        let base = given
            .foreign_keys(true)
            // The writer sets it. A read-only connection that did so would fail, and a mode that SQLite does not know is only asked for.
            .pragma("journal_mode", "unchanged")
            .busy_timeout(options.busy_timeout);
        let to_write = base.clone();
        let to_write = if options.read_only {
            to_write.read_only(true).create_if_missing(false)
        } else {
            to_write
                .journal_mode(SqliteJournalMode::Wal)
                // An acknowledged COMMIT must survive a power cut.
                .synchronous(SqliteSynchronous::Full)
        };
        let to_read = base
            .read_only(true)
            .create_if_missing(false)
            // In addition to the read-only mode of opening, since this setting can be checked.
            .pragma("query_only", "ON")
            .row_buffer_size(ROWS_AHEAD);
        let session = |access| SqliteSession {
            access,
            busy_timeout: options.busy_timeout,
            keeper: None,
            hook: options.after_connect.clone(),
        };
        let (mut reader, mut writer) = (session(Access::ReadOnly), session(Access::ReadWrite));
        // The writer creates the file and its log.
        let keeper = first_connections(options, async {
            if !options.read_only {
                first_connection::<Sqlite>(&to_write, &writer).await?;
            }
            first_connection::<Sqlite>(&to_read, &reader).await?;
            Keeper::open(&to_write).await.map(Arc::new)
        })
        .await?;
        // If the file disappears later, an empty one must not be created.
        let to_write = to_write.create_if_missing(false);
        for session in [&mut reader, &mut writer] {
            session.keeper = Some(Arc::clone(&keeper));
        }
        Ok(Self {
            reader: Pool::new(to_read, reader, limits(options, options.max_connections)),
            writer: Pool::new(to_write.clone(), writer, limits(options, 1)),
            keeper,
            to_write,
            hook: options.after_connect.clone(),
        })
    }

    /// Fails if the files are not the ones that are open. For writers, the files are checked now.
    ///
    /// # Errors
    /// [`FileReplaced`] as a driver's error.
    fn look_at_files(&self, database: &Database, access: Access) -> Result<(), sqlx::Error> {
        let was_known = self.keeper.files.is_replaced();
        let looked = match access {
            Access::ReadOnly => self.keeper.files.look_now_and_then(),
            Access::ReadWrite => self.keeper.files.look(),
        };
        looked.map_err(|replaced| {
            if !was_known {
                self.complete_files(database, replaced.clone());
            }
            replaced.into()
        })
    }

    /// Saves committed data to the open file, in the background.
    fn complete_files(&self, database: &Database, replaced: FileReplaced) {
        // Nothing in the log is ours.
        if database.is_read_only() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let keeper = Arc::clone(&self.keeper);
            let complete = async move { keeper.complete(&replaced).await };
            database.tasks().spawn_on(complete, &runtime);
        }
    }
}

/// Refuses options under which readers have no snapshots of their own (a shared cache), or do not see what is written (an immutable file).
fn refuse_shared_or_immutable(url: &str) -> Result<(), ConnectError> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let refused = query
        .split('&')
        .find(|pair| matches!(*pair, "cache=shared" | "immutable=true" | "immutable=1"));
    match refused {
        None => Ok(()),
        Some(pair) => {
            let problem = format!("`{pair}` takes the snapshots away that a unit of work reads");
            Err(invalid_url(sqlx::Error::Configuration(problem.into())))
        }
    }
}

/// Refuses what would take away what a unit of work rests on. Of a setting that is not seen here, such as `foreign_keys`, `journal_mode` and
/// `synchronous`, the value of a unit of work replaces the one that was given.
fn refuse_contradictions(given: &SqliteConnectOptions) -> Result<(), ConnectError> {
    let filename = given.get_filename();
    // A database in memory has no WAL, and so no snapshots, and ends with its last connection. One without a name ends with it, too.
    let text = filename.to_string_lossy();
    if text.is_empty() || text.contains(":memory:") || text.contains("mode=memory") {
        return Err(ConnectError::InMemory);
    }
    let refused = |problem: &str| {
        Err(ConnectError::Refused {
            problem: problem.to_owned(),
        })
    };
    // Not every name can be written into a URL.
    let url = given.clone().filename("db").to_url_lossy();
    for (name, value) in url.query_pairs() {
        match (&*name, &*value) {
            ("mode", "memory") => return Err(ConnectError::InMemory),
            ("cache", "shared") | ("immutable", "true") => {
                return refused(&format!(
                    "`{name}={value}` takes the snapshots away that a unit of work reads"
                ));
            }
            _ => {}
        }
    }
    if text.starts_with("file:") {
        return refused(
            "name the file by its path: the parameters of a `file:` URI are not understood",
        );
    }
    Ok(())
}

impl OpenDatabase for File {
    type Engine = Sqlite;

    fn pool(&self, access: Access) -> &Pool<Sqlite> {
        match access {
            Access::ReadOnly => &self.reader,
            Access::ReadWrite => &self.writer,
        }
    }

    /// Always SERIALIZABLE: writers run one after the other, and a reader keeps its snapshot.
    fn isolation(&self, _access: Access, _options: &DatabaseOptions) -> IsolationLevel {
        IsolationLevel::Serializable
    }

    fn has_one_writer(&self) -> bool {
        true
    }

    async fn acquire(
        &self,
        database: &Database,
        access: Access,
        deadline: Option<Instant>,
    ) -> Result<Pooled<Sqlite>, sqlx::Error> {
        self.look_at_files(database, Access::ReadOnly)?;
        let connection = self.pool(access).acquire_until(deadline).await?;
        if access == Access::ReadWrite {
            // It may have waited long for the previous writer.
            self.look_at_files(database, access)?;
        }
        Ok(connection)
    }

    async fn check_writable(
        &self,
        database: &Database,
        limit: Duration,
    ) -> Result<(), sqlx::Error> {
        self.check_files(database)?;
        writable::check(&self.writer, database, limit).await
    }

    /// SQLite checks deferred constraints only at COMMIT. This checks every row that has a foreign key.
    async fn check_deferred(&self, unit: &UnitOfWork) -> Result<Option<CommitFailure>, DbErr> {
        let check = Statement::from_string(DbBackend::Sqlite, FIND_ORPHAN);
        let orphan = unit.query_one_raw(check).await?;
        Ok(orphan.map(|_| CommitFailure {
            kind: FailureKind::Constraint,
            constraint: None,
        }))
    }

    async fn stop(&self, peer: &Interrupt) -> bool {
        peer.raise();
        true
    }

    fn is_committed_where_it_should_be(&self, database: &Database) -> bool {
        let Err(replaced) = self.keeper.files.look_after_commit() else {
            return true;
        };
        // What was just committed is only in the log, even if others have moved the database file.
        self.complete_files(database, replaced);
        false
    }

    fn check_files(&self, database: &Database) -> Result<(), sqlx::Error> {
        self.look_at_files(database, Access::ReadWrite)
    }

    async fn checkpoint(&self, least: u64) -> Result<Option<Checkpoint>, sqlx::Error> {
        let log_bytes = self.keeper.files.log_length()?;
        let is_emptied = log_bytes <= least || self.keeper.empty_log(Duration::ZERO).await?;
        Ok(Some(Checkpoint {
            log_bytes,
            is_emptied: is_emptied && log_bytes > least,
        }))
    }

    #[cfg(feature = "migration")]
    async fn for_migrations(
        &self,
        options: &DatabaseOptions,
    ) -> Result<DatabaseConnection, sqlx::Error> {
        let pool =
            one_for_migrations::<Sqlite>(self.to_write.clone(), self.hook.clone(), options).await?;
        Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
    }

    /// Closes the keeper last, so that it deletes the log.
    async fn close(&self) {
        self.keeper.close().await;
    }
}

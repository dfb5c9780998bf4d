//! Opens the ledger's database, migrates it, and checks whether it is ready.

mod standing;

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _, sync::Arc, time::Duration};

use daybook_migration::{MariaDbMigrator, Migrator};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tokio::time::timeout;
use unit_of_work::{Database, DatabaseOptions, FailureKind, UnitOfWork};

pub use self::standing::{MissingGuards, refuse_incomplete, refuse_newer, refuse_other_versions};
use self::standing::{Standing, standing};
use crate::{
    config::{DatabaseUrl, ServeSettings},
    error::StartError,
    http::Readiness,
    ledger,
};

/// How long `/readyz` waits for the database.
const READY: Duration = Duration::from_secs(2);

/// Connects to the database. If this creates an SQLite file, only its owner may read it. SQLite gives the write-ahead log and its index the
/// same permissions.
///
/// # Errors
/// A [`StartError`] about the database.
pub async fn connect(url: &DatabaseUrl, options: DatabaseOptions) -> Result<Database, StartError> {
    if let Some(file) = url.file().filter(|_| url.creates()) {
        // If the file cannot be created, connecting fails and says why.
        let _ = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file);
    }
    Database::connect(url.expose(), options)
        .await
        .map_err(|source| StartError::connect(url, source))
}

/// The options of the server's pools.
#[must_use]
pub fn options(settings: &ServeSettings) -> DatabaseOptions {
    let mut options = DatabaseOptions::default();
    options.max_connections = settings.max_connections;
    options.statement_timeout = settings.deadline;
    options.idle_in_transaction_timeout = settings.deadline;
    options.application_name = "daybook".to_owned();
    let replicas = settings.replicas.iter().filter_map(DatabaseUrl::postgres);
    options.replicas = replicas.cloned().collect();
    options.replica_wait = settings.replica_wait;
    options.max_staleness = settings.max_staleness;
    options
}

/// Descriptors that a server needs beside those of its clients and its database: ports, logs, watches on the database's files.
const OTHER_FILES: usize = 24;

/// Lowers `max_connections` to what the process has descriptors for. A pool keeps its connections open, so a larger pool would leave no
/// descriptors for clients.
#[must_use]
pub fn within_descriptors(mut settings: ServeSettings) -> ServeSettings {
    let most = graphql_service::most_descriptors();
    let others = graphql_service::most_connections().saturating_add(OTHER_FILES);
    // Two each: a connection to SQLite has two files open, and PostgreSQL has two pools. Each replica has one.
    let replicas = settings.replicas.iter().map(|url| url.servers().len());
    let room = most.saturating_sub(others) / (2 + replicas.sum::<usize>());
    let room = u32::try_from(room).unwrap_or(u32::MAX).max(1);
    if settings.max_connections > room {
        tracing::warn!(
            descriptors = most,
            max_connections = room,
            "the process may open few files, so it has fewer connections to the database than it is set to have: raise `ulimit -n`"
        );
        settings.max_connections = room;
        // The other half is for cheap operations.
        let heavy = usize::try_from(room / 2).unwrap_or(usize::MAX).max(1);
        settings.heavy.operations = settings.heavy.operations.min(heavy);
    }
    settings
}

/// Connects, and applies all missing migrations.
///
/// # Errors
/// A [`StartError`] about the database.
pub async fn migrate(url: &DatabaseUrl) -> Result<(), StartError> {
    let database = connect(url, DatabaseOptions::default()).await?;
    let migrated = bring_up_to_date(&database, url).await;
    database.close().await;
    migrated
}

/// Connects, and sets up what tokens for some ledgers need, on a database that has all migrations.
///
/// # Errors
/// A [`StartError`] about the database.
pub async fn confine(url: &DatabaseUrl) -> Result<(), StartError> {
    let database = connect(url, DatabaseOptions::default()).await?;
    let confined = database
        .write(async |unit| ledger::confine(&unit).await)
        .await;
    database.close().await;
    confined.map_err(|error: DbErr| StartError::Confine {
        database: url.clone(),
        reason: error.to_string(),
    })
}

/// Applies all missing migrations in one transaction. Servers that start at the same time wait for each other, and the second finds
/// nothing to do. On MariaDB, each statement of a migration is a transaction. Then looks whether what migrations make is there, since a
/// restored database may lack some of it.
///
/// # Errors
/// [`StartError::Migrate`], and those of [`refuse_incomplete`].
pub async fn bring_up_to_date(database: &Database, url: &DatabaseUrl) -> Result<(), StartError> {
    let migrated = match database.backend() {
        DbBackend::MySql => database.migrate::<MariaDbMigrator>().await,
        _ => database.migrate::<Migrator>().await,
    };
    migrated.map_err(|error| StartError::Migrate {
        database: url.clone(),
        reason: error.to_string(),
    })?;
    refuse_incomplete(database, url).await
}

/// The check behind `/readyz`: the database answers, has every migration of this program and what these made, and accepts writes.
#[must_use]
pub fn readiness(database: &Database) -> Readiness {
    let database = database.clone();
    Arc::new(move || {
        let database = database.clone();
        Box::pin(async move {
            let checks = async {
                let standing = database.read(standing).await?;
                let writable = database.check_writable(READY / 2).await;
                Ok::<_, DbErr>((standing, writable))
            };
            match timeout(READY, checks).await {
                Ok(Ok((standing, writable))) => match standing {
                    Standing::UpToDate => writable.map_err(|error| not_ready(&error, WRITES)),
                    Standing::Empty => {
                        Err("the database has no tables yet: run `daybook migrate`".to_owned())
                    }
                    Standing::Older(missing) => Err(format!(
                        "the database lacks {missing} migrations: run `daybook migrate`"
                    )),
                    Standing::Incomplete(missing) => Err(format!("the database {missing}")),
                    Standing::Newer(_) => Err(
                        "the database belongs to a newer version of Daybook: update this one"
                            .to_owned(),
                    ),
                },
                Ok(Err(error)) => Err(not_ready(&error, "the database cannot be read")),
                Err(_) => Err("the database does not answer".to_owned()),
            }
        })
    })
}

const WRITES: &str = "the database takes no writes: every mutation would fail";

/// Why the server is not ready, in words that anyone may read. The database's own message goes to the log.
fn not_ready(error: &DbErr, otherwise: &str) -> String {
    tracing::warn!(%error, "not ready");
    match FailureKind::of(error) {
        FailureKind::FileReplaced => {
            "a file of the database was deleted, moved or replaced while it was open: see the log, and start the server again"
        }
        FailureKind::Damaged => {
            "the database is damaged: stop the server, run `daybook verify`, and restore a backup"
        }
        FailureKind::Full => "the database has no room left on its disk",
        _ => otherwise,
    }
    .to_owned()
}

/// Runs SQLite's check of the whole file, and returns what it finds, line by line. Returns nothing for a sound file, and on the servers,
/// which have their own checks: `pg_amcheck` and data checksums, `mariadb-check`.
///
/// # Errors
/// When the database fails.
pub async fn damage(database: &Database) -> Result<Vec<String>, DbErr> {
    if database.backend() != DbBackend::Sqlite {
        return Ok(Vec::new());
    }
    let check = Statement::from_string(DbBackend::Sqlite, "PRAGMA integrity_check");
    let rows = database
        .read(async |unit| unit.query_all_raw(check).await)
        .await?;
    let lines: Result<Vec<String>, DbErr> = rows
        .iter()
        .map(|row| row.try_get_by_index::<String>(0))
        .collect();
    Ok(lines?.into_iter().filter(|line| line != "ok").collect())
}

/// Whether the database has this table. The catalogue is asked, so that an error of the database is not mistaken for a missing table.
///
/// # Errors
/// When the database fails.
pub async fn has_table(unit: &UnitOfWork, table: &str) -> Result<bool, DbErr> {
    let backend = unit.get_database_backend();
    let sql = match backend {
        DbBackend::Sqlite => "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?",
        DbBackend::MySql => {
            "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?"
        }
        _ => "SELECT 1 WHERE to_regclass($1) IS NOT NULL",
    };
    let question = Statement::from_sql_and_values(backend, sql, [table.into()]);
    Ok(unit.query_one_raw(question).await?.is_some())
}

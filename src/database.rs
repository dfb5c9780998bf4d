//! The ledger's database: opened, brought up to date, asked whether it is.

use std::{
    collections::HashSet, fs::OpenOptions, os::unix::fs::OpenOptionsExt as _, sync::Arc,
    time::Duration,
};

use daybook_migration::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, sea_query::Query,
};
use tokio::time::timeout;
use unit_of_work::{Database, DatabaseOptions, FailureKind, UnitOfWork};

use crate::{
    config::{DatabaseUrl, ServeSettings},
    error::StartError,
    http::Readiness,
};

/// The table of the migrations that a database has had.
const MIGRATIONS: &str = "seaql_migrations";

/// How long `/readyz` waits for the database.
const READY: Duration = Duration::from_secs(2);

/// Any number that no other program locks: "daybook" in ASCII.
const MIGRATION_LOCK: i64 = 0x64_61_79_62_6f_6f_6b;

/// Connects to the database. An SQLite file that is made on the way is its owner's alone, and so are the log and the index beside
/// it, which SQLite gives the permissions of the file.
///
/// # Errors
/// A [`StartError`] about the database.
pub async fn connect(url: &DatabaseUrl, options: DatabaseOptions) -> Result<Database, StartError> {
    if let Some(file) = url.file().filter(|_| url.creates()) {
        // Where it cannot be made, connecting says why.
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
    options
}

/// Files that a server has open beside the connections of clients and those of the database: ports, logs, what watches the database's files.
const OTHER_FILES: usize = 24;

/// The same settings, with no more connections to the database than the process may open files for. A pool keeps the connections that it has
/// made, so more of them would leave no descriptor for clients.
#[must_use]
pub fn within_descriptors(mut settings: ServeSettings) -> ServeSettings {
    let most = graphql_service::most_descriptors();
    let others = graphql_service::most_connections().saturating_add(OTHER_FILES);
    // A connection of SQLite's has two files open, and on PostgreSQL there are two pools.
    let room = most.saturating_sub(others) / 2;
    let room = u32::try_from(room).unwrap_or(u32::MAX).max(1);
    if settings.max_connections > room {
        tracing::warn!(
            descriptors = most,
            max_connections = room,
            "the process may open few files, so it has fewer connections to the database than it is set to have: raise `ulimit -n`"
        );
        settings.max_connections = room;
        // Half of them are for cheap operations.
        let heavy = usize::try_from(room / 2).unwrap_or(usize::MAX).max(1);
        settings.heavy.operations = settings.heavy.operations.min(heavy);
    }
    settings
}

/// Brings the database's schema up to date: all of it, or nothing. Servers that start at the same time wait for each
/// other, and the second finds nothing to do.
///
/// # Errors
/// [`StartError::Migrate`].
pub async fn migrate(url: &DatabaseUrl) -> Result<(), StartError> {
    try_migrate(url).await.map_err(|error| StartError::Migrate {
        database: url.clone(),
        reason: error.to_string(),
    })
}

/// The one transaction outside of a unit of work: migrations want SeaORM's own, and a connection that is not a
/// reader's or writer's with their time-outs.
#[expect(
    clippy::disallowed_methods,
    reason = "sea-orm-migration takes a DatabaseTransaction, which a unit is not"
)]
async fn try_migrate(url: &DatabaseUrl) -> Result<(), DbErr> {
    let mut options = ConnectOptions::new(url.expose());
    options.max_connections(1).sqlx_logging(false);
    let connection = sea_orm::Database::connect(options).await?;
    let tx = begin_alone(&connection).await?;
    Migrator::up(&tx, None).await?;
    tx.commit().await?;
    connection.close().await
}

/// Begins a transaction that no other migration runs beside.
#[expect(
    clippy::disallowed_methods,
    reason = "as above: migrations want SeaORM's own transaction"
)]
async fn begin_alone(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let tx = connection
        .begin_with_options(TransactionOptions {
            // SQLite has one writer: who takes the write lock first is alone.
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await?;
    if tx.get_database_backend() == DbBackend::Postgres {
        let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
        tx.execute_unprepared(&lock).await?;
    }
    Ok(tx)
}

/// What `/readyz` asks: whether the database answers, has every migration of this program, and takes writes.
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

/// Why the server is not ready, in words that anyone may read; the log has what the database said.
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

/// How the database's schema stands to this program.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    UpToDate,
    /// It has no tables of Daybook's.
    Empty,
    /// It lacks so many migrations.
    Older(usize),
    /// It has had a migration that this program does not know.
    Newer(String),
}

/// Refuses a database that a newer version of this program has brought up to date: what this one would write could break the
/// rules that the newer one relies on. And one of which that cannot be told.
///
/// # Errors
/// [`StartError::Newer`], [`StartError::NotAsked`]. A database that has no tables yet is left to `/readyz`.
pub async fn refuse_newer(database: &Database, url: &DatabaseUrl) -> Result<(), StartError> {
    match database.read(standing).await {
        Ok(Standing::Newer(migration)) => Err(StartError::Newer {
            database: url.clone(),
            migration,
        }),
        Ok(Standing::Older(missing)) => {
            tracing::warn!(
                missing,
                "the database lacks migrations, and --no-migrate is given: it is not ready until `daybook migrate` has run"
            );
            Ok(())
        }
        Ok(Standing::Empty) => {
            tracing::warn!(
                "the database has no tables yet, and --no-migrate is given: it is not ready until `daybook migrate` has run"
            );
            Ok(())
        }
        Ok(Standing::UpToDate) => Ok(()),
        Err(error) => Err(StartError::NotAsked {
            database: url.clone(),
            what: "which version it belongs to",
            reason: error.to_string(),
        }),
    }
}

/// What SQLite's own check of the whole file finds, line by line; nothing for a sound file, or on PostgreSQL, whose checks are
/// `pg_amcheck` and data checksums.
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

/// Whether the database has this table: asked of its catalogue, so that no error is taken for a table that is not there.
///
/// # Errors
/// When the database fails.
pub async fn has_table(unit: &UnitOfWork, table: &str) -> Result<bool, DbErr> {
    let backend = unit.get_database_backend();
    let sql = match backend {
        DbBackend::Sqlite => "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?",
        _ => "SELECT 1 WHERE to_regclass($1) IS NOT NULL",
    };
    let question = Statement::from_sql_and_values(backend, sql, [table.into()]);
    Ok(unit.query_one_raw(question).await?.is_some())
}

async fn standing(unit: UnitOfWork) -> Result<Standing, DbErr> {
    if !has_table(&unit, MIGRATIONS).await? {
        return Ok(Standing::Empty);
    }
    let versions = Query::select()
        .column("version")
        .from(Migrator::migration_table_name())
        .to_owned();
    let mut applied = HashSet::new();
    for row in unit.query_all(&versions).await? {
        applied.insert(row.try_get_by_index::<String>(0)?);
    }
    let mut missing = 0;
    for migration in Migrator::migrations() {
        if !applied.remove(migration.name()) {
            missing += 1;
        }
    }
    Ok(match applied.into_iter().min() {
        Some(unknown) => Standing::Newer(unknown),
        None if missing > 0 => Standing::Older(missing),
        None => Standing::UpToDate,
    })
}

//! Whether a database is one of this version, and has all that its migrations made.

use std::{collections::HashSet, fmt};

use daybook_migration::{Migrator, MigratorTrait, guards, guards_query, migrations};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, sea_query::Query};
use unit_of_work::{Database, UnitOfWork};

use super::has_table;
use crate::{config::DatabaseUrl, error::StartError};

/// The table of the migrations that a database has applied.
const MIGRATIONS: &str = "seaql_migrations";

/// What is asked of a database before it is used.
const VERSION: &str = "which version it belongs to";

/// Whether the database's schema is that of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    UpToDate,
    /// The database has no tables of Daybook.
    Empty,
    /// The database lacks this many migrations.
    Older(usize),
    /// The database has applied this migration, which the program does not know.
    Newer(String),
    /// The database has all migrations, and lacks some of the triggers and functions that these made.
    Incomplete(MissingGuards),
}

/// Refuses a database that a newer version of Daybook has migrated: what this version writes could break rules that the newer one relies
/// on. Also refuses a database that lacks triggers or functions of its migrations, and one whose version cannot be read.
///
/// # Errors
/// [`StartError::Newer`], [`StartError::Incomplete`], [`StartError::NotAsked`]. A database that has no tables yet is left to `/readyz`.
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
        Ok(Standing::Incomplete(missing)) => Err(incomplete(url, missing)),
        Ok(Standing::UpToDate) => Ok(()),
        Err(error) => Err(not_asked(url, &error)),
    }
}

/// Refuses a database that has not exactly the migrations of this program. What only reads can do without triggers, and may be a user who
/// cannot see them: see [`refuse_incomplete`] for what writes.
///
/// # Errors
/// [`StartError::NoLedger`], [`StartError::Older`], [`StartError::Newer`], [`StartError::NotAsked`].
pub async fn refuse_other_versions(
    database: &Database,
    url: &DatabaseUrl,
) -> Result<(), StartError> {
    match database.read(standing).await {
        Ok(Standing::UpToDate | Standing::Incomplete(_)) => Ok(()),
        Ok(Standing::Empty) => Err(StartError::NoLedger(url.clone())),
        Ok(Standing::Older(_)) => Err(StartError::Older(url.clone())),
        Ok(Standing::Newer(migration)) => Err(StartError::Newer {
            database: url.clone(),
            migration,
        }),
        Err(error) => Err(not_asked(url, &error)),
    }
}

/// Refuses a database that has all migrations of this program, and lacks triggers or functions that these made. Without them, entries would
/// be acknowledged that no subscriber hears of, and what is append-only could be changed.
///
/// # Errors
/// [`StartError::Incomplete`], [`StartError::NotAsked`]. A database of another version is left to others.
pub async fn refuse_incomplete(database: &Database, url: &DatabaseUrl) -> Result<(), StartError> {
    match database.read(standing).await {
        Ok(Standing::Incomplete(missing)) => Err(incomplete(url, missing)),
        Ok(_) => Ok(()),
        Err(error) => Err(not_asked(url, &error)),
    }
}

fn incomplete(url: &DatabaseUrl, missing: MissingGuards) -> StartError {
    StartError::Incomplete {
        database: url.clone(),
        missing,
    }
}

fn not_asked(url: &DatabaseUrl, error: &DbErr) -> StartError {
    StartError::NotAsked {
        database: url.clone(),
        what: VERSION,
        reason: error.to_string(),
    }
}

/// Triggers and functions that a database lacks. It has at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingGuards {
    engine: DbBackend,
    expected: usize,
    /// As the lists of migrations have them: `trigger NAME of TABLE`.
    names: Vec<&'static str>,
}

impl fmt::Display for MissingGuards {
    /// What the database lacks, and the likely reasons, after "the database".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        let shown = &self.names[..self.names.len().min(SHOWN)];
        let rest = self.names.len() - shown.len();
        write!(
            f,
            "lacks {} of the {} triggers and functions that its migrations made (the {}",
            self.names.len(),
            self.expected,
            shown.join(", the ")
        )?;
        if rest > 0 {
            write!(f, ", and {rest} more")?;
        }
        f.write_str(match self.engine {
            DbBackend::MySql => {
                "): the dump that it was restored from was made without them, or this user may not see them and lacks the right TRIGGER or \
                 EXECUTE on the database"
            }
            _ => {
                "): it was restored from a dump that was made without them, or they were dropped or disabled"
            }
        })
    }
}

async fn missing_guards(unit: &UnitOfWork) -> Result<Option<MissingGuards>, DbErr> {
    let engine = unit.get_database_backend();
    let question = Statement::from_string(engine, guards_query(engine));
    let mut found = HashSet::new();
    for row in unit.query_all_raw(question).await? {
        found.insert(row.try_get_by_index::<String>(0)?);
    }
    let expected = guards(engine);
    let names: Vec<_> = expected
        .iter()
        .copied()
        .filter(|name| !found.contains(*name))
        .collect();
    Ok((!names.is_empty()).then_some(MissingGuards {
        engine,
        expected: expected.len(),
        names,
    }))
}

/// Compares the database's migrations, and what these made, with those of this program.
pub(super) async fn standing(unit: UnitOfWork) -> Result<Standing, DbErr> {
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
    for migration in migrations(unit.get_database_backend()) {
        if !applied.remove(migration.name()) {
            missing += 1;
        }
    }
    Ok(match applied.into_iter().min() {
        Some(unknown) => Standing::Newer(unknown),
        None if missing > 0 => Standing::Older(missing),
        None => missing_guards(&unit)
            .await?
            .map_or(Standing::UpToDate, Standing::Incomplete),
    })
}

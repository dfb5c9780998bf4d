//! Why the server did not start, or why a command failed.
//!
//! Each message is one line, and all that is printed. It says what is wrong and what to do about it, with the words of the operating
//! system or the database where they help. No message shows a password.

use std::{
    io,
    path::{Path, PathBuf},
};

use axum::http::Uri;
use sea_orm::{DbErr, RuntimeErr};
use unit_of_work::ConnectError;

use crate::{
    config::{DatabaseUrl, WrongSettings},
    database::MissingGuards,
    http::{KeyError, KeySource},
};

/// A command could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Changes of the GraphQL schema break clients.
    #[error("{0} of the changes break clients")]
    SchemaBreaks(usize),
    /// The file to compare the schema with cannot be read as a schema.
    #[error("cannot compare the schema with {}: {problem}", file.display())]
    SchemaFile {
        /// Which.
        file: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The schema's own definition cannot be read.
    #[error(transparent)]
    Schema(#[from] graphql_operation::SchemaError),
    /// Settings have wrong values.
    #[error(transparent)]
    Settings(#[from] WrongSettings),
    /// There are no keys to verify tokens with.
    #[error("cannot get the keys of tokens from {from}: {problem}; is --jwks right?")]
    Keys {
        /// Where they should be.
        from: KeySource,
        /// Why they are not there.
        problem: KeyError,
    },
    /// Spans cannot be sent.
    #[error(
        "cannot send traces to {url}: {problem}; check --otlp-endpoint and the variables OTEL_EXPORTER_OTLP_*"
    )]
    Traces {
        /// Where to.
        url: Uri,
        /// Why not.
        problem: String,
    },
    /// The port cannot be listened on.
    #[error("cannot listen on {address}: {}", listen_advice(source))]
    Listen {
        /// Host and port, as they were given.
        address: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// The database server does not answer.
    #[error(
        "cannot reach the database {database}: {}; is it running, and is --database right?",
        driver_message(source)
    )]
    DatabaseUnreachable {
        /// Which.
        database: DatabaseUrl,
        /// What the driver says.
        source: Box<ConnectError>,
    },
    /// Callers cannot be confined to ledgers.
    #[error(
        "the database {database} is up to date, but tokens cannot be for some ledgers: {reason}; an administrator of PostgreSQL can prepare \
         it: CREATE ROLE daybook_confined NOLOGIN; GRANT daybook_confined TO the user in --database"
    )]
    Confine {
        /// Which.
        database: DatabaseUrl,
        /// What the database says.
        reason: String,
    },
    /// The database server refuses the user or the password.
    #[error("the database {database} refuses the user or the password; check --database")]
    DatabaseLogin {
        /// Which.
        database: DatabaseUrl,
        /// What the driver says.
        source: Box<ConnectError>,
    },
    /// The database server has no database of that name.
    #[error("there is no database {database}; create it, or name another with --database")]
    DatabaseMissing {
        /// Which.
        database: DatabaseUrl,
        /// What the driver says.
        source: Box<ConnectError>,
    },
    /// The SQLite file cannot be made or written, because of the folder, the file or the disk.
    #[error("cannot open the database {}: {problem}; choose another with --database", file.display())]
    DatabaseFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: FileProblem,
        /// What the driver says.
        source: Box<ConnectError>,
    },
    /// The driver reports something else.
    #[error("cannot open the database {database}: {}", driver_message(source))]
    Database {
        /// Which.
        database: DatabaseUrl,
        /// What the driver says.
        source: Box<ConnectError>,
    },
    /// The database's schema cannot be brought up to date.
    #[error("cannot bring the database {database} up to date: {reason}")]
    Migrate {
        /// Which.
        database: DatabaseUrl,
        /// What failed, in one line.
        reason: String,
    },
    /// There are no tables of Daybook where a ledger should be.
    #[error(
        "there is no ledger in {0}: name its database with --database, or its server with --server (`daybook serve` and `daybook migrate` make a new one)"
    )]
    NoLedger(DatabaseUrl),
    /// The database lacks migrations of this version of Daybook.
    #[error(
        "the database {0} belongs to an older version of Daybook: update it with `daybook migrate`, or ask its server with --server"
    )]
    Older(DatabaseUrl),
    /// The database has all migrations, and lacks triggers or functions that these made.
    #[error("the database {database} {missing}; see \"Backup and restore\" in docs/operating.md")]
    Incomplete {
        /// Which.
        database: DatabaseUrl,
        /// What it lacks, and the likely reasons.
        missing: MissingGuards,
    },
    /// A newer version of Daybook has migrated the database.
    #[error(
        "the database {database} belongs to a newer version of Daybook, which has run the migration {migration}: update this one"
    )]
    Newer {
        /// Which.
        database: DatabaseUrl,
        /// The first migration that this version does not know.
        migration: String,
    },
    /// The server must know something before it writes to the database, and the database does not answer.
    #[error(
        "the database {database} cannot be asked {what}: {reason}; when it answers, start again"
    )]
    NotAsked {
        /// Which.
        database: DatabaseUrl,
        /// What had to be known.
        what: &'static str,
        /// What failed, in one line.
        reason: String,
    },
    /// The ledger cannot be checked.
    #[error("cannot check the ledger in {database}: {reason}; is it up to date? (daybook migrate)")]
    Verify {
        /// Which.
        database: DatabaseUrl,
        /// What failed, in one line.
        reason: String,
    },
    /// The ledger cannot be written out.
    #[error("cannot export the ledger in {database}: {reason}")]
    Export {
        /// Which.
        database: DatabaseUrl,
        /// What failed, in one line.
        reason: String,
    },
    /// A file cannot be imported.
    #[error("cannot import {}: {reason}", file.display())]
    Import {
        /// Which.
        file: PathBuf,
        /// What failed, in one line, with the line where it is the file's.
        reason: String,
    },
    /// The ledger does not agree with its own lines.
    #[error("the ledger is not sound; what differs is listed above ({differences})")]
    Unsound {
        /// How many.
        differences: String,
    },
    /// The file of the database is damaged.
    #[error(
        "the database {database} is damaged; what SQLite's check finds is listed above ({findings}): stop writing to it, and restore a backup"
    )]
    Damaged {
        /// Which.
        database: DatabaseUrl,
        /// How many lines.
        findings: usize,
    },
    /// The operating system refuses something that the process needs.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Why an SQLite file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// The folder does not exist. SQLite creates only the file.
    #[error("the folder {} does not exist (create it)", .0.display())]
    NoFolder(PathBuf),
    /// The file does not exist, and the URL does not allow to create it.
    #[error("the file does not exist (add ?mode=rwc to create it)")]
    NoFile,
    /// The file, its folder or the disk cannot be written.
    #[error("the file or its folder cannot be written")]
    NotWritable,
    /// The file is something else.
    #[error("the file is not an SQLite database")]
    NotADatabase,
}

fn listen_advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the address is in use; choose another with --listen".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have the address; choose another with --listen".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "not permitted (ports below 1024 need a privilege); choose another with --listen"
                .to_owned()
        }
        _ => format!("{error}; choose another with --listen"),
    }
}

/// The message of the innermost cause. The errors around it add nothing.
fn driver_message(error: &ConnectError) -> String {
    match error {
        ConnectError::InvalidUrl { source } | ConnectError::Open { source } => {
            match driver_error(source) {
                Some(sqlx::Error::Database(error)) => error.message().to_owned(),
                Some(error) => error.to_string(),
                None => source.to_string(),
            }
        }
        ConnectError::Server { server, source } => {
            format!("the server {server}: {}", driver_message(source))
        }
        other => other.to_string(),
    }
}

/// The driver's own error inside SeaORM's.
fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

impl StartError {
    /// Says why `database` could not be opened, and what to do about it.
    pub fn connect(database: &DatabaseUrl, source: ConnectError) -> Self {
        let (database, source) = (database.clone(), Box::new(source));
        let cause = match source.as_ref() {
            ConnectError::Timeout { .. } => return Self::DatabaseUnreachable { database, source },
            ConnectError::Open { source } => driver_error(source),
            _ => return Self::Database { database, source },
        };
        match cause {
            Some(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) if database.file().is_none() => {
                Self::DatabaseUnreachable { database, source }
            }
            Some(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default().into_owned();
                match (database.file(), code.as_str()) {
                    (None, "28000" | "28P01") => Self::DatabaseLogin { database, source },
                    (None, "3D000") => Self::DatabaseMissing { database, source },
                    // The server answers, but takes no connection: it is starting, stopping, or has too many.
                    (None, "57P03" | "53300") => Self::Database { database, source },
                    (Some(file), code) => match file_problem(file, code) {
                        Some(problem) => Self::DatabaseFile {
                            file: file.to_owned(),
                            problem,
                            source,
                        },
                        None => Self::Database { database, source },
                    },
                    (None, _) => Self::Database { database, source },
                }
            }
            _ => Self::Database { database, source },
        }
    }
}

/// Tells the problem from SQLite's result code. The low byte of an extended code is the primary code.
fn file_problem(file: &Path, code: &str) -> Option<FileProblem> {
    const READONLY: u32 = 8;
    const CANNOT_OPEN: u32 = 14;
    const NOT_A_DATABASE: u32 = 26;
    match code.parse::<u32>().ok()? & 0xff {
        NOT_A_DATABASE => Some(FileProblem::NotADatabase),
        READONLY => Some(FileProblem::NotWritable),
        // SQLite has one code for everything that can be wrong with a path.
        CANNOT_OPEN => {
            let folder = file
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            Some(match folder {
                Some(folder) if !folder.exists() => FileProblem::NoFolder(folder.to_owned()),
                _ if !file.exists() && is_writable(folder) => FileProblem::NoFile,
                _ => FileProblem::NotWritable,
            })
        }
        _ => None,
    }
}

/// Whether a file can be created in the folder. Only trying it gives a sure answer.
fn is_writable(folder: Option<&Path>) -> bool {
    let probe = folder
        .unwrap_or(Path::new("."))
        .join(format!(".daybook-{}", uuid::Uuid::now_v7()));
    let is_writable = std::fs::File::create_new(&probe).is_ok();
    let _ = std::fs::remove_file(&probe);
    is_writable
}

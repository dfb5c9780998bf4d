//! `daybook export` and `daybook import`: files, streams, progress and the database. [`exchange`] does the rest.

mod progress;

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::Path,
    time::Duration,
};

use daybook_entity::import;
use sea_orm::DbErr;
use sha2::{Digest, Sha256};
use unit_of_work::{Database, DatabaseOptions, FailureKind, UnitError};

use super::whole_file::WholeFile;
use crate::{
    config::{ExportSettings, ImportSettings},
    database,
    error::StartError,
    exchange::{
        self, ExportError, Exported, Format, ImportError, Imported, Outcome, Source, SourceError,
        Survey, Symbols,
    },
    ledger::Clock,
};
use progress::Progress;

/// The time-outs of an export or import. Either is one transaction, however long the file.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// Writes the ledger to the file or to standard output, and prints to standard error how much it wrote.
///
/// # Errors
/// [`StartError`] about the database, or [`StartError::Export`].
pub async fn export(settings: ExportSettings) -> Result<(), StartError> {
    let database = database::connect(&settings.database, options()).await?;
    let failed = |reason: String| StartError::Export {
        database: settings.database.clone(),
        reason,
    };
    let exported = match &settings.output {
        None => write_out(&database, settings.format, io::stdout(), &Progress::none()).await,
        Some(path) => export_to(&database, settings.format, path).await,
    };
    let exported = exported.map_err(|error| failed(with_causes(&error)))?;
    database.close().await;
    let left_out = match exported.left_out {
        0 => String::new(),
        count => format!(
            "; {count} entries are not in it, for they moved no money (--format json has them)"
        ),
    };
    let summary = format!(
        "exported {} accounts and {} entries{left_out}\n",
        exported.accounts, exported.entries
    );
    // Standard error may be closed. Then there is nowhere to write to.
    let _ = io::stderr().write_all(summary.as_bytes());
    Ok(())
}

async fn export_to(
    database: &Database,
    format: Format,
    path: &Path,
) -> Result<Exported, ExportError> {
    let mut file = WholeFile::create(path)?;
    let progress = match file.is_special() {
        true => Progress::none(),
        false => Progress::spinner("entries"),
    };
    let exported = write_out(database, format, &mut file, &progress).await?;
    file.keep()?;
    Ok(exported)
}

async fn write_out(
    database: &Database,
    format: Format,
    out: impl Write + Send,
    progress: &Progress,
) -> Result<Exported, ExportError> {
    let mut out = BufWriter::new(out);
    let report = |position| progress.set(position);
    database
        .read(async |unit| exchange::export(&unit, format, &mut out, &report).await)
        .await
}

/// Imports the file in one unit of work, and returns a line that says what was written.
///
/// # Errors
/// [`StartError`] about the database, or [`StartError::Import`]: nothing was imported then.
pub async fn import(settings: ImportSettings, clock: Clock) -> Result<String, StartError> {
    let failed = |reason: String| StartError::Import {
        file: settings.file.clone(),
        reason,
    };
    let nothing = |reason: String| failed(format!("{reason}; nothing was imported"));
    let mut file = open(&settings.file).map_err(|error| nothing(error.to_string()))?;
    let symbols = Symbols::new(settings.currencies.clone());
    let surveyed = survey(&mut file, settings.format, symbols);
    let (survey, sha256) = surveyed.map_err(|error| nothing(with_causes(&error)))?;

    let database = database::connect(&settings.database, options()).await?;
    database::bring_up_to_date(&database, &settings.database).await?;
    let outcome = database
        .write(async |unit| {
            file.rewind()?;
            let import = import::Model {
                sha256: sha256.clone(),
                name: settings.file.display().to_string(),
                imported_at: clock.now(),
            };
            let mut reader = Reader::new(&mut file, "importing")?;
            let source = source(settings.format, &mut reader);
            let outcome = exchange::import(&unit, import, source, survey, &clock).await?;
            match outcome {
                Outcome::Imported(_) if reader.sha256() != sha256 => Err(Failure::Changed),
                outcome => Ok(outcome),
            }
        })
        .await;
    let outcome = outcome.map_err(|error: Failure| match error {
        Failure::Unit(UnitError::OutcomeUnknown) => failed(error.reason()),
        error => nothing(error.reason()),
    })?;
    database.close().await;
    Ok(match outcome {
        Outcome::Imported(imported) => summary(&imported),
        Outcome::Already(at) => format!(
            "already imported at {}: nothing was done\n",
            at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        ),
    })
}

fn options() -> DatabaseOptions {
    let mut options = DatabaseOptions::default();
    options.application_name = "daybook".to_owned();
    options.statement_timeout = LONG;
    options.idle_in_transaction_timeout = LONG;
    options.finish_timeout = LONG;
    // SQLite has one writer, and another import may be under way.
    options.busy_timeout = LONG;
    options
}

/// Opens the file. It is read twice, so standard input is first copied to a temporary file without a name.
fn open(path: &Path) -> io::Result<File> {
    if path.as_os_str() != "-" {
        return File::open(path);
    }
    let mut file = tempfile::tempfile()?;
    io::copy(&mut io::stdin().lock(), &mut file)?;
    file.rewind()?;
    Ok(file)
}

fn survey(
    file: &mut File,
    format: Format,
    symbols: Symbols,
) -> Result<(Survey, String), SourceError> {
    let mut reader = Reader::new(file, "reading")?;
    let survey = exchange::survey(source(format, &mut reader), symbols)?;
    Ok((survey, reader.sha256()))
}

fn source<R: Read>(format: Format, reader: R) -> Source<BufReader<R>> {
    let reader = BufReader::with_capacity(64 * 1024, reader);
    match format {
        Format::Csv => Source::csv(reader),
        _ => Source::journal(reader),
    }
}

/// Reads the file, and computes its hash and the progress on the way.
struct Reader<'a> {
    file: &'a mut File,
    hash: Sha256,
    progress: Progress,
    position: u64,
}

impl<'a> Reader<'a> {
    fn new(file: &'a mut File, doing: &'static str) -> io::Result<Self> {
        let progress = Progress::bytes(file.metadata()?.len(), doing);
        Ok(Self {
            file,
            hash: Sha256::new(),
            progress,
            position: 0,
        })
    }

    fn sha256(self) -> String {
        let digest = self.hash.finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.position += count as u64;
        self.progress.set(self.position);
        Ok(count)
    }
}

/// Why the unit of an import was rolled back.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("the file cannot be read")]
    Read(#[from] io::Error),
    #[error("the file changed while it was read: run it again")]
    Changed,
    #[error(transparent)]
    Unit(UnitError),
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        match UnitError::in_db_err(&error) {
            Some(unit) => Self::Unit(unit.clone()),
            None => Self::Import(error.into()),
        }
    }
}

impl Failure {
    fn reason(&self) -> String {
        match self {
            Self::Import(ImportError::Database(error)) if FailureKind::of(error).retryable() => {
                "somebody else wrote to the same accounts at the same time: run it again".to_owned()
            }
            Self::Unit(UnitError::OutcomeUnknown) => {
                "the connection was lost at the end, and whether it was imported is not known: run it again, which imports it at most once".to_owned()
            }
            error => with_causes(error),
        }
    }
}

/// The error and its causes, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        // The message of a database error contains those of its causes.
        cause = error.source().filter(|_| !error.is::<DbErr>());
    }
    text
}

fn summary(imported: &Imported) -> String {
    let Imported {
        entries,
        lines,
        accounts,
        currencies,
        moving_nothing,
        left_out,
    } = imported;
    let mut text =
        format!("imported {entries} entries of {lines} lines; opened {accounts} accounts");
    for (count, what) in [
        (currencies, "currencies registered"),
        (
            moving_nothing,
            "transactions left out that move nothing between accounts",
        ),
        (left_out, "prices, payees and tags left out"),
    ] {
        if *count > 0 {
            text += &format!("; {count} {what}");
        }
    }
    text + "\n"
}

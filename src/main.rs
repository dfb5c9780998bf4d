//! The `daybook` command.

use std::{io::Write, path::PathBuf, process::ExitCode, time::Duration};

use daybook::{
    config::{self, Command, ConfigError, MigrateSettings},
    database, files, graphql,
    ledger::{self, Clock},
    schema_check::{self, Change, Severity},
    serve::serve,
    startup::StartError,
    telemetry,
    traces::Traces,
};
use sea_orm::DbErr;
use unit_of_work::DatabaseOptions;

/// An operation allocates a hundred times and more, and the futures of its fields are larger than what the C library keeps
/// at hand for each thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let outcome = match config::parse(std::env::args_os()) {
        Ok(command) => run(command),
        Err(ConfigError::Usage(usage)) => usage.exit(),
        Err(ConfigError::Wrong(wrong)) => Err(wrong.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; there is no one else to tell.
            let _ = writeln!(std::io::stderr(), "daybook: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| StartError::System {
            what: "start the runtime",
            source,
        })?;
    let outcome = match command {
        Command::Serve(settings) => {
            let traces = match &settings.traces {
                Some(url) => Some(Traces::start(url, runtime.handle().clone())?),
                None => None,
            };
            telemetry::init(&settings.log, traces.as_ref());
            let outcome = runtime.block_on(serve(*settings));
            if let Some(traces) = traces {
                traces.stop();
            }
            outcome
        }
        Command::Migrate(settings) => {
            telemetry::init(&settings.log, None);
            runtime.block_on(migrate(settings))
        }
        Command::Verify(settings) => {
            telemetry::init(&settings.log, None);
            runtime.block_on(verify(settings))
        }
        Command::Export(settings) => {
            telemetry::init(&settings.log, None);
            runtime.block_on(files::export(settings))
        }
        Command::Import(settings) => {
            telemetry::init(&settings.log, None);
            let said = runtime.block_on(files::import(settings, Clock::system()));
            said.and_then(|said| print(&said))
        }
        Command::Schema => print(&graphql::sdl()),
        Command::CheckSchema(file) => check_schema(file),
        Command::Print(text) => print(&text),
    };
    // What was cut off may still be at work; the process does not wait for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

async fn migrate(settings: MigrateSettings) -> Result<(), StartError> {
    // Opened as the server does, for the same messages where it cannot be.
    let database = database::connect(&settings.database, DatabaseOptions::default()).await?;
    database.close().await;
    database::migrate(&settings.database).await
}

/// Prints every difference, and what was checked; fails where something differs.
async fn verify(settings: MigrateSettings) -> Result<(), StartError> {
    const MOST_DIFFERENCES: usize = 1000;
    let mut options = DatabaseOptions::default();
    // It reads everything, and nobody waits for it.
    options.statement_timeout = Duration::from_secs(60 * 60);
    let database = database::connect(&settings.database, options).await?;
    let failed = |source: DbErr| StartError::Verify {
        database: settings.database.clone(),
        reason: source.to_string(),
    };
    // First: the sums may be right by chance, or not to be had, where the file is damaged.
    let damage = database::damage(&database).await.map_err(failed)?;
    if !damage.is_empty() {
        print(&format!("{}\n", damage.join("\n")))?;
        return Err(StartError::Damaged {
            database: settings.database.clone(),
            findings: damage.len(),
        });
    }
    let check = database
        .read(async |unit| ledger::verify(&unit, MOST_DIFFERENCES).await)
        .await
        .map_err(failed)?;
    database.close().await;
    for difference in &check.differences {
        print(&format!("{difference}\n"))?;
    }
    print(&format!(
        "checked {} accounts, {} entries and {} lines\n",
        check.accounts, check.entries, check.lines
    ))?;
    if check.is_sound() {
        return Ok(());
    }
    let more = if check.truncated { " and more" } else { "" };
    Err(StartError::Unsound {
        differences: format!("{}{more}", check.differences.len()),
    })
}

/// Says what changed, worst first.
fn check_schema(file: PathBuf) -> Result<(), StartError> {
    let before = std::fs::read_to_string(&file).map_err(|error| error.to_string());
    let changes = before.and_then(|before| {
        schema_check::compare(&before, &graphql::sdl()).map_err(|error| error.to_string())
    });
    let changes = changes.map_err(|problem| StartError::SchemaFile { file, problem })?;
    let text: String = changes.iter().map(|change| format!("{change}\n")).collect();
    print(&text)?;
    let breaking = |change: &&Change| change.severity == Severity::Breaking;
    match changes.iter().filter(breaking).count() {
        0 => Ok(()),
        count => Err(StartError::SchemaBreaks(count)),
    }
}

fn print(text: &str) -> Result<(), StartError> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|source| StartError::System {
            what: "write to standard output",
            source,
        })
}

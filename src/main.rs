//! The `daybook` command.

use std::{io::Write, process::ExitCode, time::Duration};

use daybook::{
    command,
    config::{self, Command, ConfigError},
    error::StartError,
    graphql,
    ledger::Clock,
    observe::{telemetry, traces::Traces},
};

/// An operation makes a hundred allocations and more, and the futures of its fields are larger than the blocks that the C library caches
/// for each thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tasks that were cut off may still be running at the end. The process does not wait for them longer than this.
const CUT_OFF: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let outcome = match config::parse(std::env::args_os()) {
        Ok(command) => run(command),
        Err(ConfigError::Usage(usage)) => usage.exit(),
        Err(ConfigError::Wrong(wrong)) => Err(wrong.into()),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // Standard error may be closed; there is no one else to tell.
            let _ = writeln!(std::io::stderr(), "daybook: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // After this many turns of tasks, a thread looks for connections with something to read. With the default of 61, an ordinary client
        // waits for 61 turns of tasks that a flooding client keeps busy.
        .event_interval(13)
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
            let outcome = runtime.block_on(command::serve(*settings));
            if let Some(traces) = traces {
                traces.stop();
            }
            outcome
        }
        Command::Migrate(settings) => {
            telemetry::init(&settings.log, None);
            runtime.block_on(command::migrate(settings))
        }
        Command::Verify(settings) => {
            telemetry::init(&settings.log, None);
            runtime.block_on(command::verify(settings))
        }
        Command::Export(settings) => {
            telemetry::init(&settings.log, None);
            runtime.block_on(command::export(settings))
        }
        Command::Import(settings) => {
            telemetry::init(&settings.log, None);
            let summary = runtime.block_on(command::import(settings, Clock::system()));
            summary.and_then(|summary| command::print(&summary))
        }
        Command::Terminal(settings) => {
            telemetry::init(&settings.log, None);
            let code = runtime.block_on(command::terminal(*settings, Clock::system()));
            runtime.shutdown_timeout(CUT_OFF);
            return Ok(code);
        }
        Command::Schema => command::print(&graphql::sdl()),
        Command::CheckSchema(file) => command::check_schema(file),
        Command::Print(text) => command::print(&text),
    };
    runtime.shutdown_timeout(CUT_OFF);
    outcome.map(|()| ExitCode::SUCCESS)
}

//! The command line and its settings.
//!
//! Every setting is a flag and an environment variable; the flag wins. All wrong values are reported at once. clap would stop at the first,
//! so it hands values over as text, and they are read here. Errors of usage, such as an unknown flag, are reported by clap.

use std::{ffi::OsString, path::PathBuf};

use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::http::Limits;

pub use self::{
    access::TokenSettings,
    database_url::DatabaseUrl,
    log::{LogFormat, LogSettings},
    settings::{ExportSettings, ImportSettings, MigrateSettings, ServeSettings, VerifySettings},
    terminal::{
        AccountName, AccountsTask, Amount, BalanceTask, Place, PostLine, PostTask, Secret,
        ServerPlace, StatementFormat, StatementTask, Task, TerminalSettings, When, WrongAmount,
    },
    wrong::{WrongSetting, WrongSettings},
};
use self::{
    args::{Cli, Commands, MigrateArgs, ServeArgs, VerifyArgs},
    log::log_settings,
    wrong::Reader,
};

mod access;
mod args;
mod connections;
mod database_url;
mod exchange;
mod limits;
mod log;
mod manual;
mod replicas;
mod settings;
mod terminal;
mod tls;
mod traces;
mod value;
mod webhooks;
mod wrong;

/// What the process should do.
#[derive(Debug)]
pub enum Command {
    /// Serve, until asked to stop.
    Serve(Box<ServeSettings>),
    /// Bring the database's schema up to date.
    Migrate(MigrateSettings),
    /// Recompute the ledger from its lines, and print what differs.
    Verify(VerifySettings),
    /// Write the ledger to a file.
    Export(ExportSettings),
    /// Post the entries of a file.
    Import(ImportSettings),
    /// Ask a ledger something, or post to it, for somebody at a terminal.
    Terminal(Box<TerminalSettings>),
    /// Print the GraphQL schema.
    Schema,
    /// Print what changed since the schema in this file.
    CheckSchema(PathBuf),
    /// Print this text: a man page, or a shell's completions.
    Print(String),
}

/// Why there is no command to run.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line is wrong, or asks for help or the version. clap prints the message and chooses the exit code.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    /// Settings have wrong values.
    #[error(transparent)]
    Wrong(#[from] WrongSettings),
}

/// Reads a command line. What it does not set is read from the environment.
///
/// # Errors
/// [`ConfigError::Usage`] if clap stops, [`ConfigError::Wrong`] with every setting that has a wrong value.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, ConfigError> {
    let matches = Cli::command().try_get_matches_from(args)?;
    let cli = Cli::from_arg_matches(&matches)?;
    let matches = matches
        .subcommand()
        .map_or(&matches, |(_, matches)| matches);
    Ok(match cli.command {
        None => Command::Serve(Box::new(serve_settings(&cli.serve, matches)?)),
        Some(Commands::Serve(args)) => Command::Serve(Box::new(serve_settings(&args, matches)?)),
        Some(Commands::Migrate(args)) => Command::Migrate(migrate_settings(&args, matches)?),
        Some(Commands::Verify(args)) => Command::Verify(verify_settings(&args, matches)?),
        Some(Commands::Export(args)) => Command::Export(exchange::export(args, matches)?),
        Some(Commands::Import(args)) => Command::Import(exchange::import(args, matches)?),
        Some(Commands::Accounts(args)) => at_terminal(terminal::accounts(&args, matches)?),
        Some(Commands::Balance(args)) => at_terminal(terminal::balance(&args, matches)?),
        Some(Commands::Statement(args)) => at_terminal(terminal::statement(&args, matches)?),
        Some(Commands::Post(args)) => at_terminal(terminal::post(&args, matches)?),
        Some(Commands::Schema(args)) => match args.check {
            Some(file) => Command::CheckSchema(file),
            None => Command::Schema,
        },
        Some(Commands::Completions(args)) => Command::Print(manual::completions(args.shell)),
        Some(Commands::Man(args)) => Command::Print(manual::page(args.command.as_deref())?),
    })
}

fn at_terminal(settings: TerminalSettings) -> Command {
    Command::Terminal(Box::new(settings))
}

fn serve_settings(args: &ServeArgs, matches: &ArgMatches) -> Result<ServeSettings, WrongSettings> {
    let command = Cli::command();
    let mut values = Reader::new(&command, matches);
    let max_connections = values.read(
        "max_connections",
        &args.max_connections,
        value::at_least_one,
    );
    // All settings are read before an error is reported.
    let (
        Some(listen),
        Some(metrics_listen),
        Some(database),
        Some(max_connections),
        Some(max_subscriptions),
        Some(deadline),
        Some(notice),
        Some(drain),
        Some(certificate),
        Some((tokens, origins)),
        Some(hosts),
        Some(connections),
        Some(replicas),
        Some(mut limits),
        Some(heavy),
        Some(persisted),
        Some(webhooks),
        Some(traces),
        Some(log),
    ) = (
        access::listen(args, &mut values),
        access::metrics_listen(args, &mut values),
        values.read_secret("database", &args.database.database, DatabaseUrl::parse),
        max_connections,
        values.read(
            "max_subscriptions",
            &args.limits.max_subscriptions,
            value::limit,
        ),
        values.read("deadline", &args.deadline, value::some_time),
        values.read("notice", &args.notice, value::time),
        values.read("drain", &args.drain, value::time),
        tls::certificate(&args.tls, &mut values),
        access::access(&args.access, &mut values),
        access::hosts(args, &mut values),
        connections::connections(&args.connections, &mut values),
        replicas::replicas(&args.replicas, &mut values),
        limits::limits(&args.limits, &mut values),
        limits::heavy(&args.limits, max_connections, &mut values),
        limits::persisted(&args.limits, &mut values),
        webhooks::webhooks(&args.webhooks, &mut values),
        traces::url(&args.traces, &mut values),
        log_settings(&args.log, &mut values),
    )
    else {
        return Err(values.wrong());
    };
    limits.subscriptions_of_client = Limits::of_one_client(max_subscriptions);
    Ok(ServeSettings {
        listen,
        database,
        max_connections,
        max_subscriptions,
        deadline,
        notice,
        drain,
        migrate: !args.no_migrate,
        playground: !args.no_playground,
        ledger_page: !args.no_ledger_page,
        seal: args.seal,
        metrics: !args.no_metrics,
        metrics_listen,
        certificate,
        tokens,
        origins,
        hosts,
        connections,
        replicas: replicas.urls,
        replica_wait: replicas.wait,
        max_staleness: replicas.max_staleness,
        limits,
        heavy,
        persisted,
        webhooks,
        traces,
        log,
    })
}

fn migrate_settings(
    args: &MigrateArgs,
    matches: &ArgMatches,
) -> Result<MigrateSettings, WrongSettings> {
    let command = Cli::command();
    let mut values = Reader::new(&command, matches);
    let (Some(database), Some(log)) = (
        values.read_secret("database", &args.database.database, DatabaseUrl::parse),
        log_settings(&args.log, &mut values),
    ) else {
        return Err(values.wrong());
    };
    if args.confine && database.is_mariadb() {
        let expected = "not to be there with MariaDB, where tokens cannot be for some ledgers";
        values.refuse_variable("--confine", expected);
        return Err(values.wrong());
    }
    Ok(MigrateSettings {
        confine: args.confine,
        database,
        log,
    })
}

fn verify_settings(
    args: &VerifyArgs,
    matches: &ArgMatches,
) -> Result<VerifySettings, WrongSettings> {
    let command = exchange::subcommand("verify");
    let mut values = Reader::new(&command, matches);
    let receipts: Vec<_> = args
        .receipt
        .iter()
        .map(|text| values.read("receipt", text, value::receipt))
        .collect();
    let (Some(receipts), Some(database), Some(log)) = (
        receipts.into_iter().collect(),
        values.read_secret("database", &args.database.database, DatabaseUrl::parse),
        log_settings(&args.log, &mut values),
    ) else {
        return Err(values.wrong());
    };
    Ok(VerifySettings {
        receipts,
        database,
        log,
    })
}

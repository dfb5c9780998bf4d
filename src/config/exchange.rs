//! The settings of `export` and `import`.

use clap::{ArgMatches, CommandFactory, parser::ValueSource};

use super::{
    args::{Cli, ExportArgs, ImportArgs, LogArgs},
    database_url::DatabaseUrl,
    log::{LogSettings, log_settings},
    settings::{ExportSettings, ImportSettings},
    value::currency_code,
    wrong::{Reader, WrongSettings},
};
use crate::exchange::Format;

pub(super) fn export(
    args: ExportArgs,
    matches: &ArgMatches,
) -> Result<ExportSettings, WrongSettings> {
    let command = subcommand("export");
    let mut values = Reader::new(&command, matches);
    let (Some(format), Some(database), Some(log)) = (
        values.read("format", &args.format, any_format),
        values.read_secret("database", &args.database.database, DatabaseUrl::parse),
        quiet(&args.log, matches, &mut values),
    ) else {
        return Err(values.wrong());
    };
    Ok(ExportSettings {
        format,
        output: args.output,
        database,
        log,
    })
}

pub(super) fn import(
    args: ImportArgs,
    matches: &ArgMatches,
) -> Result<ImportSettings, WrongSettings> {
    let command = subcommand("import");
    let mut values = Reader::new(&command, matches);
    let currencies: Vec<_> = args
        .currency
        .iter()
        .map(|text| values.read("currency", text, symbol_and_code))
        .collect();
    let (Some(format), Some(currencies), Some(database), Some(log)) = (
        values.read("format", &args.format, import_format),
        currencies.into_iter().collect(),
        values.read_secret("database", &args.database.database, DatabaseUrl::parse),
        quiet(&args.log, matches, &mut values),
    ) else {
        return Err(values.wrong());
    };
    Ok(ImportSettings {
        format,
        currencies,
        file: args.file,
        database,
        log,
    })
}

/// The settings of the log of a command that prints a result. By default it logs only warnings and errors, and no slow statements, since
/// those of such commands are slow by nature.
pub(super) fn quiet(
    args: &LogArgs,
    matches: &ArgMatches,
    values: &mut Reader<'_>,
) -> Option<LogSettings> {
    let mut settings = log_settings(args, values)?;
    if matches.value_source("log") == Some(ValueSource::DefaultValue) {
        "warn,sqlx=error".clone_into(&mut settings.filter);
    }
    Some(settings)
}

/// The definition of a command, which knows the names of its arguments.
pub(super) fn subcommand(name: &str) -> clap::Command {
    let command = Cli::command();
    command.find_subcommand(name).cloned().unwrap_or(command)
}

fn any_format(text: &str) -> Result<Format, String> {
    match text {
        "hledger" => Ok(Format::Hledger),
        "ledger" => Ok(Format::Ledger),
        "csv" => Ok(Format::Csv),
        "json" => Ok(Format::Json),
        _ => Err("hledger, ledger, csv or json".to_owned()),
    }
}

fn import_format(text: &str) -> Result<Format, String> {
    match any_format(text) {
        Ok(format @ (Format::Hledger | Format::Csv)) => Ok(format),
        _ => Err("hledger or csv".to_owned()),
    }
}

fn symbol_and_code(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once('=') {
        Some((symbol, code)) if currency_code(code).is_ok() => Ok((symbol.to_owned(), code.to_owned())),
        _ => Err("a symbol and the code of a currency (3 to 12 capital letters and digits), such as h=HOUR".to_owned()),
    }
}

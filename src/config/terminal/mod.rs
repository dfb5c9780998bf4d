//! The settings of the commands for people at a terminal: `accounts`, `balance`, `statement` and `post`.

use clap::ArgMatches;

pub use self::{
    settings::{
        AccountName, AccountsTask, BalanceTask, Place, PostLine, PostTask, Secret, ServerPlace,
        StatementFormat, StatementTask, Task, TerminalSettings,
    },
    value::{Amount, When, WrongAmount},
};
use super::{
    args::{AccountsArgs, BalanceArgs, LogArgs, LookArgs, PlaceArgs, PostArgs, StatementArgs},
    exchange::{quiet, subcommand},
    value::{currency_code, some_time},
    wrong::{Reader, WrongSettings},
};
use crate::ledger::Id;

mod place;
mod post;
mod settings;
mod value;

/// The most lines that `--last` keeps in memory.
const MOST_LAST: u32 = 10_000;

/// The most parts of a code.
const MOST_PARTS: u32 = 64;

pub(super) fn accounts(
    args: &AccountsArgs,
    matches: &ArgMatches,
) -> Result<TerminalSettings, WrongSettings> {
    read(
        "accounts",
        (&args.look, &args.place, &args.log),
        matches,
        |values| {
            let class = optional(values, "class", args.class.as_deref(), value::class);
            let currency = optional(values, "currency", args.currency.as_deref(), currency_code);
            let status = optional(values, "status", args.status.as_deref(), value::status);
            Some(Task::Accounts(AccountsTask {
                prefix: args.prefix.clone(),
                class: class?,
                currency: currency?,
                status: status?,
            }))
        },
    )
}

pub(super) fn balance(
    args: &BalanceArgs,
    matches: &ArgMatches,
) -> Result<TerminalSettings, WrongSettings> {
    read(
        "balance",
        (&args.look, &args.place, &args.log),
        matches,
        |values| {
            let currency = optional(values, "currency", args.currency.as_deref(), currency_code);
            let at = optional(values, "at", args.at.as_deref(), value::when);
            let time_zone = values.read("time_zone", &args.time_zone, value::time_zone);
            let depth = optional(values, "depth", args.depth.as_deref(), |text| {
                number(text, MOST_PARTS)
            });
            let (at, depth) = (at?, depth?);
            if depth.is_some() && at.is_some_and(|at| !at.is_day()) {
                // Periods end before an instant, and balances are as of one.
                values.refuse("at", "a date, if there is --depth");
                return None;
            }
            Some(Task::Balance(BalanceTask {
                prefix: args.prefix.clone(),
                currency: currency?,
                at,
                time_zone: time_zone?,
                depth,
                nonzero: args.nonzero,
            }))
        },
    )
}

pub(super) fn statement(
    args: &StatementArgs,
    matches: &ArgMatches,
) -> Result<TerminalSettings, WrongSettings> {
    read(
        "statement",
        (&args.look, &args.place, &args.log),
        matches,
        |values| {
            let from = optional(values, "from", args.from.as_deref(), value::when);
            let until = optional(values, "until", args.until.as_deref(), value::when);
            let time_zone = values.read("time_zone", &args.time_zone, value::time_zone);
            let last = optional(values, "last", args.last.as_deref(), |text| {
                number(text, MOST_LAST)
            });
            let format = values.read("format", &args.format, format);
            let format = match (format?, args.look.json) {
                (StatementFormat::Table | StatementFormat::Json, true) => StatementFormat::Json,
                (_, true) => {
                    values.refuse("json", "to stand alone, without --format");
                    return None;
                }
                (format, false) => format,
            };
            Some(Task::Statement(StatementTask {
                account: account_name(&args.account),
                from: from?,
                until: until?,
                time_zone: time_zone?,
                last: last?,
                posted_order: args.posted_order,
                holds: args.holds,
                format,
                output: args.output.clone(),
            }))
        },
    )
}

pub(super) fn post(
    args: &PostArgs,
    matches: &ArgMatches,
) -> Result<TerminalSettings, WrongSettings> {
    read(
        "post",
        (&args.look, &args.place, &args.log),
        matches,
        |values| post::task(args, values).map(Task::Post),
    )
}

/// Reads what all of the commands have, and the task by `task`. Every wrong value is reported at once.
fn read(
    name: &str,
    (look, place_args, log): (&LookArgs, &PlaceArgs, &LogArgs),
    matches: &ArgMatches,
    task: impl FnOnce(&mut Reader<'_>) -> Option<Task>,
) -> Result<TerminalSettings, WrongSettings> {
    let command = subcommand(name);
    let mut values = Reader::new(&command, matches);
    let (Some(task), Some(color), Some(place), Some(timeout), Some(log)) = (
        task(&mut values),
        values.read("color", &look.color, color),
        place::place(place_args, matches, &mut values),
        values.read("timeout", &place_args.timeout, some_time),
        quiet(log, matches, &mut values),
    ) else {
        return Err(values.wrong());
    };
    Ok(TerminalSettings {
        place,
        timeout,
        json: look.json,
        color,
        task,
        log,
    })
}

/// Reads a value that may be missing; `None` if it is wrong.
fn optional<T>(
    values: &mut Reader<'_>,
    id: &str,
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<Option<T>> {
    match text {
        None => Some(None),
        Some(text) => values.read(id, text, parse).map(Some),
    }
}

/// An account's id if it is written like one, else its code.
fn account_name(text: &str) -> AccountName {
    match text.parse() {
        Ok(Id::Account(_)) => AccountName::Id(text.to_owned()),
        _ => AccountName::Code(text.to_owned()),
    }
}

fn number(text: &str, most: u32) -> Result<u32, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("a number from 1 to {most}"))
}

fn color(text: &str) -> Result<Option<bool>, String> {
    match text {
        "auto" => Ok(None),
        "always" => Ok(Some(true)),
        "never" => Ok(Some(false)),
        _ => Err("auto, always or never".to_owned()),
    }
}

fn format(text: &str) -> Result<StatementFormat, String> {
    match text {
        "table" => Ok(StatementFormat::Table),
        "json" => Ok(StatementFormat::Json),
        "csv" => Ok(StatementFormat::Csv),
        "html" => Ok(StatementFormat::Html),
        _ => Err("table, json, csv or html".to_owned()),
    }
}

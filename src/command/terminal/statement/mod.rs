//! `daybook statement`: the lines of an account, with the balance after each.
//!
//! A statement is that of one moment, however many pages it is read in. The first page and the balances are read in one operation, so in one
//! snapshot, which also says how many lines the account has (its version). Lines are numbered in the order in which they are posted, and
//! never change. So lines with a larger number are left out: what is posted meanwhile is not in the statement, whatever its date is.
//!
//! The balance after each line is made here, from the opening balance on, so that it is right for a period, too, whose lines may not have
//! been posted one after the other. In the end it must be the closing balance that the ledger gave.

mod csv;
mod html;
mod json;
mod question;
mod table;

use std::io::Write;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use self::question::{Account, Line, Question};
#[cfg(test)]
pub(super) use self::question::{FIRST, NEXT, PAGE};
use super::{
    client::Client,
    failure::{Failure, Outcome},
    money::{Money, decimal},
    output::Output,
    paint::Paint,
};
use crate::config::{StatementFormat, StatementTask};

/// What stands above the lines.
struct Head<'a> {
    task: &'a StatementTask,
    account: &'a Account,
    /// The balance before the first line.
    opening: i128,
    /// How many decimal places the currency has.
    places: usize,
    /// When the statement is written.
    written: DateTime<Utc>,
}

/// A line, and the balance after it.
struct Row {
    line: Line,
    balance: i128,
}

/// What stands below the lines.
struct Foot {
    /// The balance after the last line.
    closing: i128,
    /// How many lines there are.
    lines: u64,
}

/// A form of a statement. It is written page by page.
trait Paper {
    fn begin(&mut self, out: &mut Output, head: &Head<'_>) -> Result<(), Failure>;
    fn page(&mut self, out: &mut Output, head: &Head<'_>, rows: &[Row]) -> Result<(), Failure>;
    fn end(&mut self, out: &mut Output, head: &Head<'_>, foot: &Foot) -> Result<(), Failure>;
}

/// Writes the statement.
pub(super) async fn run(
    client: &Client,
    task: &StatementTask,
    out: &mut Output,
    paint: Paint,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let mut paper: Box<dyn Paper> = match task.format {
        StatementFormat::Table => Box::new(table::Paper::new(task, paint)),
        StatementFormat::Json => Box::new(json::Paper::default()),
        StatementFormat::Csv => Box::new(csv::Paper),
        StatementFormat::Html => Box::new(html::Paper),
    };
    let mut question = Question::new(client, task);
    let (account, lines) = question.first().await?;
    let closing = account.closing.minor_units()?;
    let opening = match &account.opening {
        Some(opening) => opening.minor_units()?,
        None => 0,
    };
    let mut head = Head {
        task,
        account: &account,
        opening,
        places: account.closing.places(),
        written: now,
    };
    let mut foot = Foot {
        closing: opening,
        lines: 0,
    };
    if task.last.is_some() {
        // They come from the last one on, and there are few.
        let mut all = lines;
        while let Some(lines) = question.next().await? {
            all.extend(lines);
        }
        all.reverse();
        let changes = all.iter().try_fold(0_i128, |sum, line| {
            Ok::<_, Failure>(sum + line.change.minor_units()?)
        })?;
        head.opening = closing - changes;
        foot.closing = head.opening;
        paper.begin(out, &head)?;
        paper.page(out, &head, &rows(all, &mut foot)?)?;
    } else {
        paper.begin(out, &head)?;
        paper.page(out, &head, &rows(lines, &mut foot)?)?;
        while let Some(lines) = question.next().await? {
            paper.page(out, &head, &rows(lines, &mut foot)?)?;
        }
    }
    if foot.closing != closing {
        let problem = format!(
            "the lines of the statement lead to {}, and the closing balance is {}: check the ledger with `daybook verify`",
            decimal(foot.closing, head.places),
            account.closing.decimal
        );
        return Err(Failure::new(Outcome::Failed, problem));
    }
    paper.end(out, &head, &foot)?;
    Ok(out.flush()?)
}

/// Adds the balance after each line.
fn rows(lines: Vec<Line>, foot: &mut Foot) -> Result<Vec<Row>, Failure> {
    let with_balance = |line: Line| {
        // A sum of 64-bit numbers, of which there are far fewer than 2^63.
        foot.closing += line.change.minor_units()?;
        foot.lines += 1;
        Ok(Row {
            balance: foot.closing,
            line,
        })
    };
    lines.into_iter().map(with_balance).collect()
}

impl Head<'_> {
    /// The day of an instant, where the statement is about days.
    fn day(&self, instant: DateTime<Utc>) -> NaiveDate {
        day(instant, self.task.time_zone)
    }

    fn decimal(&self, minor_units: i128) -> String {
        decimal(minor_units, self.places)
    }

    /// The period in words, and whose days they are; `None` if it is everything, by days of UTC.
    fn period(&self) -> Option<String> {
        let StatementTask {
            from,
            until,
            time_zone,
            ..
        } = self.task;
        let from = from.map(|from| format!("from {}", from.to_api()));
        let until = until.map(|until| format!("until {}", until.to_api()));
        let zone = (*time_zone != Tz::UTC).then(|| format!("by days of {time_zone}"));
        let parts: Vec<String> = from.into_iter().chain(until).chain(zone).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}

fn day(instant: DateTime<Utc>, time_zone: Tz) -> NaiveDate {
    instant.with_timezone(&time_zone).date_naive()
}

impl Row {
    /// What the line is about, in one text: the description, or the reference, or what kind of entry it is.
    fn about(&self) -> String {
        let entry = &self.line.entry;
        let text = entry.description.as_ref().or(entry.reference.as_ref());
        text.cloned()
            .unwrap_or_else(|| super::text::words(&entry.kind))
    }

    /// What the line sets aside, or frees; nothing if it does neither.
    fn set_aside(&self) -> String {
        let Money { decimal, .. } = &self.line.line.amount;
        match self.line.line.effect.as_str() {
            "HOLD" => decimal.clone(),
            "RELEASE" | "CAPTURE" => format!("-{decimal}"),
            _ => String::new(),
        }
    }
}

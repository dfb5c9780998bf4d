//! What `post` prints: the entry that is there, and the accounts that it has touched.

use std::io::Write;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::command::terminal::{
    failure::Failure,
    money::Money,
    output::Output,
    paint::Paint,
    table::{Column, Table},
    text::plain,
};

const LINES: [Column; 4] = [
    Column::Name("DEBIT"),
    Column::Name("CREDIT"),
    Column::Amount("AMOUNT"),
    Column::Name("CURRENCY"),
];

const BALANCES: [Column; 4] = [
    Column::Name("ACCOUNT"),
    Column::Amount("POSTED"),
    Column::Amount("AVAILABLE"),
    Column::Name("CURRENCY"),
];

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload {
    pub(super) already_posted: bool,
    entry: Entry,
    accounts: Vec<Account>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    kind: String,
    description: Option<String>,
    reference: Option<String>,
    effective_at: String,
    recorded_at: String,
    recorded_by: Option<String>,
    metadata: Json,
    lines: Vec<Line>,
}

#[derive(Deserialize, Serialize)]
struct Line {
    debit: Code,
    credit: Code,
    amount: LineAmount,
}

#[derive(Deserialize, Serialize)]
struct Code {
    code: String,
}

#[derive(Deserialize, Serialize)]
struct LineAmount {
    #[serde(flatten)]
    money: Money,
    currency: String,
}

#[derive(Deserialize, Serialize)]
struct Account {
    code: String,
    currency: String,
    balances: Balances,
}

#[derive(Deserialize, Serialize)]
struct Balances {
    posted: Money,
    available: Money,
    version: String,
}

/// What is printed: for programs, as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Printed {
    pub(super) dry_run: bool,
    #[serde(flatten)]
    pub(super) payload: Payload,
}

impl Printed {
    /// One JSON object.
    pub(super) fn for_programs(&self, out: &mut Output) -> Result<(), Failure> {
        Ok(writeln!(out, "{}", serde_json::to_string(self)?)?)
    }

    /// The entry, its lines, and the balances after it.
    pub(super) fn for_people(self, out: &mut Output, paint: Paint) -> Result<(), Failure> {
        let Payload {
            already_posted,
            entry,
            mut accounts,
        } = self.payload;
        let what = match (already_posted, self.dry_run) {
            (true, _) => "was posted before: nothing was posted now",
            (false, true) => "would be posted: this was a dry run",
            (false, false) => "posted",
        };
        let id = paint.heading(&plain(&entry.id));
        match self.dry_run && !already_posted {
            // The id goes with the transaction.
            true => writeln!(out, "The entry {what}.")?,
            false => writeln!(out, "{id} {what}.")?,
        }
        for (name, text) in [
            ("counts from", Some(&entry.effective_at)),
            ("description", entry.description.as_ref()),
            ("reference", entry.reference.as_ref()),
        ] {
            if let Some(text) = text {
                writeln!(out, "{name:<13}{}", plain(text))?;
            }
        }
        writeln!(out)?;
        let rows: Vec<_> = entry.lines.into_iter().map(line_row).collect();
        Table::new(&LINES, paint).rows(out, &rows)?;
        writeln!(out)?;
        // The API has them by id.
        accounts.sort_by(|one, other| one.code.cmp(&other.code));
        let rows: Vec<_> = accounts.into_iter().map(account_row).collect();
        Ok(Table::new(&BALANCES, paint).rows(out, &rows)?)
    }
}

fn line_row(line: Line) -> Vec<String> {
    let LineAmount { money, currency } = line.amount;
    vec![line.debit.code, line.credit.code, money.decimal, currency]
}

fn account_row(account: Account) -> Vec<String> {
    let Balances {
        posted, available, ..
    } = account.balances;
    vec![
        account.code,
        posted.decimal,
        available.decimal,
        account.currency,
    ]
}

//! A statement as CSV: the lines alone, with the whole texts and instants.
//!
//! Cells are written as they are. A description that begins with `=`, `+`, `-` or `@` is a formula to a spreadsheet that is not told that
//! the column is text.

use std::io::Write;

use chrono::SecondsFormat;

use super::{Failure, Foot, Head, Output, Row};

pub(super) struct Paper;

const HEADING: [&str; 14] = [
    "date",
    "effective_at",
    "recorded_at",
    "entry",
    "kind",
    "reference",
    "description",
    "account",
    "account_name",
    "effect",
    "amount",
    "change",
    "balance",
    "currency",
];

impl super::Paper for Paper {
    fn begin(&mut self, out: &mut Output, _: &Head<'_>) -> Result<(), Failure> {
        writeln!(out, "{}", HEADING.join(","))?;
        Ok(())
    }

    fn page(&mut self, out: &mut Output, head: &Head<'_>, rows: &[Row]) -> Result<(), Failure> {
        let mut csv = csv::Writer::from_writer(out);
        for row in rows {
            let (line, entry) = (&row.line, &row.line.entry);
            let cells = [
                &head.day(entry.effective_at).to_string(),
                &entry
                    .effective_at
                    .to_rfc3339_opts(SecondsFormat::Micros, true),
                &entry
                    .recorded_at
                    .to_rfc3339_opts(SecondsFormat::Micros, true),
                &entry.id,
                &entry.kind,
                entry.reference.as_deref().unwrap_or_default(),
                entry.description.as_deref().unwrap_or_default(),
                &line.counterparty.code,
                &line.counterparty.name,
                &line.line.effect,
                &line.line.amount.decimal,
                &line.change.decimal,
                &head.decimal(row.balance),
                &head.account.currency,
            ];
            csv.write_record(cells)?;
        }
        Ok(csv.flush()?)
    }

    fn end(&mut self, _: &mut Output, _: &Head<'_>, _: &Foot) -> Result<(), Failure> {
        Ok(())
    }
}

//! A statement as one JSON object, a line of the text for each line of the account.

use std::io::Write;

use serde::Serialize;
use serde_json::json;

use super::{Failure, Foot, Head, Output, Row, question::Line};
use crate::command::terminal::{money::Money, output::JsonArray};

#[derive(Default)]
pub(super) struct Paper(JsonArray);

#[derive(Serialize)]
struct Item<'a> {
    #[serde(flatten)]
    line: &'a Line,
    balance: Money,
}

fn money(head: &Head<'_>, minor_units: i128) -> Money {
    Money {
        amount: minor_units.to_string(),
        decimal: head.decimal(minor_units),
    }
}

impl super::Paper for Paper {
    fn begin(&mut self, out: &mut Output, head: &Head<'_>) -> Result<(), Failure> {
        let when = |when: Option<crate::config::When>| json!(when.map(crate::config::When::to_api));
        // Not through a `Value`, which would sort the members.
        let account = serde_json::to_string(head.account)?;
        writeln!(out, "{{\n\"account\": {account},")?;
        writeln!(out, "\"from\": {},", when(head.task.from))?;
        writeln!(out, "\"until\": {},", when(head.task.until))?;
        writeln!(out, "\"timeZone\": {},", json!(head.task.time_zone.name()))?;
        writeln!(out, "\"opening\": {},", json!(money(head, head.opening)))?;
        write!(out, "\"lines\": ")?;
        Ok(())
    }

    fn page(&mut self, out: &mut Output, head: &Head<'_>, rows: &[Row]) -> Result<(), Failure> {
        for row in rows {
            let item = Item {
                line: &row.line,
                balance: money(head, row.balance),
            };
            self.0.item(out, &item)?;
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Output, head: &Head<'_>, foot: &Foot) -> Result<(), Failure> {
        self.0.end(out)?;
        writeln!(
            out,
            ",\n\"closing\": {}\n}}",
            json!(money(head, foot.closing))
        )?;
        Ok(())
    }
}

//! A statement as a table for people.

use std::io::Write;

use super::{Failure, Foot, Head, Output, Row};
use crate::{
    command::terminal::{
        paint::Paint,
        table::{Column, Table},
        text::{plain, words},
    },
    config::StatementTask,
};

const MOVES: [Column; 5] = [
    Column::Name("DATE"),
    Column::Text("DESCRIPTION"),
    Column::Name("ACCOUNT"),
    Column::Amount("CHANGE"),
    Column::Amount("BALANCE"),
];

const HOLDS: [Column; 6] = [
    Column::Name("DATE"),
    Column::Text("DESCRIPTION"),
    Column::Name("ACCOUNT"),
    Column::Amount("SET ASIDE"),
    Column::Amount("CHANGE"),
    Column::Amount("BALANCE"),
];

pub(super) struct Paper {
    table: Table<'static>,
    holds: bool,
    paint: Paint,
    /// The first row, until the page after it is known, with which it decides the widths.
    opening: Option<Vec<String>>,
}

impl Paper {
    pub(super) fn new(task: &StatementTask, paint: Paint) -> Self {
        let columns: &'static [Column] = if task.holds { &HOLDS } else { &MOVES };
        Self {
            table: Table::new(columns, paint),
            holds: task.holds,
            paint,
            opening: None,
        }
    }

    /// A row with a balance alone.
    fn balance(&self, title: &str, balance: String) -> Vec<String> {
        let mut row = vec![
            String::new(),
            title.to_owned(),
            String::new(),
            String::new(),
        ];
        row.extend(self.holds.then(String::new));
        row.push(balance);
        row
    }
}

impl super::Paper for Paper {
    fn begin(&mut self, out: &mut Output, head: &Head<'_>) -> Result<(), Failure> {
        let account = head.account;
        let code = plain(&account.code);
        writeln!(
            out,
            "{}  {}",
            self.paint.heading(&code),
            plain(&account.name)
        )?;
        let side = words(&account.normal_side);
        write!(
            out,
            "{}, positive on the {side} side",
            plain(&account.currency)
        )?;
        if let Some(period) = head.period() {
            write!(out, ", {period}")?;
        }
        write!(out, "\n\n")?;
        self.opening = Some(self.balance("opening balance", head.decimal(head.opening)));
        Ok(())
    }

    fn page(&mut self, out: &mut Output, head: &Head<'_>, rows: &[Row]) -> Result<(), Failure> {
        let mut cells: Vec<Vec<String>> = self.opening.take().into_iter().collect();
        cells.extend(rows.iter().map(|row| {
            let mut cells = vec![
                head.day(row.line.entry.effective_at).to_string(),
                row.about(),
                row.line.counterparty.code.clone(),
            ];
            cells.extend(self.holds.then(|| row.set_aside()));
            cells.extend([row.line.change.decimal.clone(), head.decimal(row.balance)]);
            cells
        }));
        Ok(self.table.rows(out, &cells)?)
    }

    fn end(&mut self, out: &mut Output, head: &Head<'_>, foot: &Foot) -> Result<(), Failure> {
        let closing = self.balance("closing balance", head.decimal(foot.closing));
        self.table.rows(out, &[closing])?;
        // Of the present; there is none in a period that has ended.
        let account = head.account;
        if head.task.until.is_none() && !account.pending.is_zero() {
            let (pending, available) = (&account.pending.decimal, &account.available.decimal);
            writeln!(out, "\npending {pending}, available {available}")?;
        }
        Ok(())
    }
}
